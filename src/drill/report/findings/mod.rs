//! Findings: what a review meeting should talk about first, computed from a course, with the figures in them.
//!
//! Invariants:
//!
//! 1. Each finding has a cause in the course and is absent without it; none is written by hand.
//! 2. They are ranked: what endangers people, then what is of concern, then notes, then good news; at most
//!    [`FINDINGS_MAX`], of which the best news stays.

mod access;
mod apart;
mod harm;
mod kinds;
mod network;
mod ranked;
#[cfg(test)]
mod tests;

pub use kinds::{Finding, FindingKind, Tone};
pub use ranked::{FINDINGS_MAX, findings};
