//! What is answered when an order, or a decision that keeps a drug, is not written: what must not meet.

use serde::{Deserialize, Serialize};

use crate::base::RecordId;

/// An order that was not written: it brings a contraindication, and no reason was given.
#[derive(Clone, Serialize, Deserialize)]
pub struct Blocked {
    /// The record.
    pub record: RecordId,
    /// What must not meet, and why: one line each, Japanese and English.
    pub blocked: Vec<String>,
    /// The rules that speak.
    pub rules: Vec<String>,
}

/// Shows the record and the rules, never what the patient takes.
impl std::fmt::Debug for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blocked({:?}, {} alerts)", self.record, self.blocked.len())
    }
}
