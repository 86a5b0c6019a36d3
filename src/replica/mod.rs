//! One replica: composition of store, lanes, records, sync and backup.
//!
//! `core` holds the lock, the clock and the heads: every write (`writing`, `importing`) and every admission
//! (`admit`, fed by `exchange` and `restoring`) is committed there, and acknowledged by returning. Views are
//! computed from the lanes when they are asked for (`records`, `finding`, `exporting`). `request` and `answer` say
//! what can be asked; `asking` carries it out, for a command that opened the store as for one that came through
//! the `local` socket of a replica that `serving` runs.

pub mod admit;
pub mod answer;
mod answering;
mod appending;
#[cfg(test)]
mod appending_tests;
pub mod asking;
pub mod backing;
pub mod blocked;
pub mod bucket_syncing;
#[cfg(test)]
mod bucket_syncing_tests;
pub mod budget;
pub mod bundle_answer;
mod bundle_file;
#[cfg(test)]
mod bundle_tests;
pub mod bundling;
mod candidates;
mod carding;
#[cfg(test)]
mod carding_tests;
#[cfg(test)]
mod carriers_tests;
pub mod chart_apart;
pub mod chart_marks;
pub mod chart_shown;
mod chart_text;
pub mod chart_write;
pub mod charting;
#[cfg(test)]
mod charting_tests;
pub mod config;
pub mod core;
mod deciding;
#[cfg(test)]
mod deciding_tests;
pub mod dialling;
pub mod discovering;
pub mod environment;
pub mod error;
pub mod exchange;
#[cfg(test)]
mod exchange_tests;
pub mod exporting;
pub mod files;
pub mod finding;
#[cfg(test)]
mod finding_tests;
mod first_word;
#[cfg(test)]
mod flood_tests;
mod granting;
pub mod guarding;
#[cfg(test)]
mod guarding_tests;
pub mod harm;
#[cfg(test)]
mod harm_tests;
pub mod heads;
pub mod healing;
#[cfg(test)]
mod healing_tests;
mod heard;
mod hearsay;
pub mod held_by;
#[cfg(test)]
mod held_by_tests;
mod held_lanes;
pub mod home;
mod horizon;
mod if_cut;
pub mod importing;
mod index;
mod knowing;
#[cfg(test)]
mod knowing_tests;
pub mod knowledge;
pub mod known;
pub mod lan;
pub mod linking;
#[cfg(test)]
mod linking_tests;
pub mod local;
mod looking_back;
pub mod meeting;
pub mod metering;
#[cfg(test)]
mod metering_tests;
pub mod metrics;
mod naming;
pub mod neighbours;
mod opening;
#[cfg(test)]
mod ordering_tests;
mod others;
mod packing;
#[cfg(test)]
mod packing_tests;
mod planning;
mod proven_index;
pub mod proving;
pub mod pull_answer;
mod pull_gathering;
pub mod pull_sessions;
pub mod pulling;
#[cfg(test)]
mod pulling_tests;
pub mod reach;
pub mod readiness;
pub mod realm;
pub mod records;
mod renewing;
mod repacking;
pub mod request;
pub mod restoring;
mod roster_kept;
pub mod sabotage;
#[cfg(test)]
mod sealed_world_tests;
pub mod section_write;
pub mod serving;
pub mod silence;
pub mod status;
#[cfg(test)]
mod status_tests;
mod subject;
pub mod subscription;
#[cfg(test)]
mod subscription_tests;
pub mod sync_answer;
pub mod syncing;
mod tally;
mod terms_memo;
#[cfg(test)]
mod tests;
mod texts;
pub mod unbundling;
pub mod writing;
mod writing_sections;

pub use core::Replica;
pub use error::{Kind, ReplicaError};
pub use terms_memo::TermsMemo;
