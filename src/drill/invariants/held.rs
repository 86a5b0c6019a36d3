//! `held-by-is-true`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Whatever a replica says that another device holds is held there, unless that disk was destroyed, set back or rotted later.
///
/// # Errors
/// With what is not there, and who said so.
pub fn held_by_is_true(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.held, ["lanes said to be held by others", "他の機器が持つと示されたレーン"])
}
