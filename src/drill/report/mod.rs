//! The after-action report: what a review meeting reads after a drill, and what tools read.
//!
//! Invariants:
//!
//! 1. A report is a pure function of its [`Course`](super::course::Course), of what was judged, and of the
//!    scenario's own words: nothing in it is written by hand, and the same run gives the same bytes.
//! 2. The page is one file without script, font or picture from elsewhere, in Japanese and English, and says
//!    訓練 DRILL on every printed page.
//! 3. Everything that came from a scenario or a run is escaped.
//! 4. Pages and JSON stay small however large the region: many replicas are told by fleet, and the worst by name.
//!
//! [`measures`] counts, [`mod@findings`] says what the counts mean, `svg` draws, [`mod@html`] puts the page together,
//! [`compare`] sets several runs side by side, and [`json`] is for tools.

pub mod compare;
mod figures;
pub mod findings;
#[cfg(test)]
mod fixtures;
pub mod html;
pub mod json;
#[cfg(test)]
mod json_tests;
pub mod measures;
mod spans;
mod svg;
mod wording;

pub use compare::{Compared, compare_html, compare_json, compare_text, sweep_html, sweep_json, sweep_text};
pub use findings::{Finding, FindingKind, Tone, findings};
pub use html::{Page, html};
pub use json::{AreaReport, Bytes, DrillReport, ReplicaReport, RestoreReport, Writes};
pub use measures::Measures;
