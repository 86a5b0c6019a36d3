//! `sections-show-what-was-written`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Every section shows what was written into it and nobody has answered since.
///
/// # Errors
/// With what is wrong, and where.
pub fn sections_show_what_was_written(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.sections, ["things written into sections", "欄に書かれたこと"])
}
