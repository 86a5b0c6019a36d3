//! `forks-are-told`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Both histories of a device that was set back are kept.
///
/// # Errors
/// With what is wrong, and where.
pub fn forks_are_told(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.forks, ["forked lanes", "枝分かれしたレーン"])
}
