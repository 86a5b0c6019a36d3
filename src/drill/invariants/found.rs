//! `everyone-is-found`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Everybody who was registered is found.
///
/// # Errors
/// With what is wrong, and where.
pub fn everyone_is_found(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.found, ["searches for people", "人の検索"])
}
