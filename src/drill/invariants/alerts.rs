//! `alerts-shown`.

use super::clinical::judged;
use super::{Evidence, Finding};

/// What is known to harm is warned of, and not ordered without a reason.
///
/// # Errors
/// With what is wrong, and where.
pub fn alerts_shown(evidence: &Evidence<'_>) -> Finding {
    judged(evidence, |seen| &seen.alerts, ["dangers", "危険"])
}
