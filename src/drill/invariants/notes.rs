//! `signed-notes-read`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// Every signed note and annotation is read as it was written.
///
/// # Errors
/// With what is wrong, and where.
pub fn signed_notes_read(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.notes, ["signed notes and annotations", "署名された記録と注釈"])
}
