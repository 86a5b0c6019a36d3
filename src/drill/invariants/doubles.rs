//! `doubles-are-suggested`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Doubles are suggested, and strangers are not.
///
/// # Errors
/// With what is wrong, and where.
pub fn doubles_are_suggested(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.doubles, ["pairs of records", "記録の組"])
}
