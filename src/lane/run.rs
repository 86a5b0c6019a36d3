//! Runs: consecutive entries of a lane with a checkpoint at their end, the unit on the wire, on USB and in S3.

use minicbor::{Decode, Encode};

use super::entry::Entry;
use crate::base::LaneId;

/// A signed tree head: it vouches for every entry below `size`.
///
/// The root is not sent, because the receiver derives it from the leaves; the signature is ed25519 by the
/// lane's device over `"musubi.checkpoint.v1" ‖ lane (32) ‖ size (8, big-endian) ‖ root (32)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Checkpoint {
    /// How many entries of the lane the signature covers.
    #[n(0)]
    pub size: u64,
    /// The ed25519 signature.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Consecutive entries of one lane, vouched for by a checkpoint at their end.
///
/// Invariants of an admitted run: at least one entry; the checkpoints' sizes ascend strictly, lie in
/// `start + 1 ..= end()`, and the last one is `end()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The lane.
    pub lane: LaneId,
    /// The sequence number of the first entry.
    pub start: u64,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The checkpoints inside and at the end.
    pub checkpoints: Vec<Checkpoint>,
}

impl Run {
    /// Returns the sequence number after the last entry.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.entries.len() as u64)
    }
}
