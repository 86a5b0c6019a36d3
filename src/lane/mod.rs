//! Signed transparency logs: entries, trees, checkpoints, runs, admission, forks, carry.
//!
//! A lane is the log of one (device, area, part): an RFC 9162 Merkle tree whose leaves are the hashes of its
//! entries. Everything here is a pure function of bytes and certificates; `docs/protocol.md` draws the formats.
//!
//! Invariants: what is admitted is exactly what the lane's device signed; a replica's state of a lane is a
//! function of the set of signed histories that it has been given, whatever their order; nothing that is refused
//! changes anything.

pub mod admission;
pub mod carry;
pub mod checkpoint;
pub mod entry;
pub mod fork;
pub mod frame;
mod held;
mod history;
pub mod horizon;
mod merge;
mod parted;
pub mod proven;
pub mod run;
pub mod sealed;
pub mod state;
pub mod tree;
pub mod vector;
pub mod writer;

pub use admission::{Admission, Advance, Forking, LaneLog, Refusal, RefusalReason, Wait, admit, admit_fork};
pub use carry::{Carried, CarryBody, CarryError, VerifiedCarried};
pub use entry::{Entry, EntryKind, LaneName, LaneOpening};
pub use fork::{ForkProof, ForkSide, ForkState};
pub use frame::FrameError;
pub use horizon::{Horizon, HorizonBody, LaneMark};
pub use parted::{Gatherer, Parted, PartedError, Step, parted};
pub use proven::{Answered, ProvenError, ProvenRecord, Unheard};
pub use run::{Checkpoint, Run, ShapeError, join, join_within};
pub use state::{Head, LaneState};
pub use tree::Frontier;
pub use vector::{HeadVector, LaneRange};
pub use writer::{AppendError, Appended, append};

#[cfg(test)]
mod tests;
