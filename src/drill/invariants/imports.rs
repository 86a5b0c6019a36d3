//! `imports-are-shown`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// What was imported is exported and shown as it was.
///
/// # Errors
/// With what is wrong, and where.
pub fn imports_are_shown(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.imports, ["imported resources", "取り込んだもの"])
}
