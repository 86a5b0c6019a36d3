//! `handovers-keep-what-was-typed`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// What was typed into a hand-over text stands there.
///
/// # Errors
/// With what is wrong, and where.
pub fn handovers_keep_what_was_typed(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.handovers, ["hand-over texts", "申し送り"])
}
