//! Signed transparency logs: entries, trees, checkpoints, runs, admission, forks, carry.
//!
//! A lane is the log of one (device, area, part): an RFC 9162 Merkle tree whose leaves are the hashes of its
//! entries. Everything here is a pure function of bytes and certificates; `docs/protocol.md` draws the formats.

pub mod entry;
pub mod run;

pub use entry::{Entry, EntryKind, LaneName, LaneOpening};
pub use run::{Checkpoint, Run};
