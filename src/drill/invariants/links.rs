//! `links-join-and-undo`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Linked records are shown together; an undone link parts them and lists what was written meanwhile.
///
/// # Errors
/// With what is wrong, and where.
pub fn links_join_and_undo(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.links, ["links of records", "記録の統合"])
}
