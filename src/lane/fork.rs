//! Forks: two histories of one lane, both signed by its device, which show a clone or a lie.
//!
//! The fork is at `n`, the first entry on which two signed histories differ; more evidence only lowers it. The
//! *agreed* entries below `n` stand. At and above it the lane is *disputed*: of each branch a window of entries
//! is kept, up to the one that makes it `FORK_BRANCH_ENTRIES_MAX` entries or `FORK_BRANCH_BYTES_MAX` bytes, and
//! then on to the next checkpoint, which vouches for them.

use minicbor::{Decode, Encode};

use super::checkpoint;
use super::entry::Entry;
use super::run::{Checkpoint, Run};
use super::tree::root_of_inclusion;
use crate::base::limits::{FORK_BRANCH_BYTES_MAX, FORK_BRANCH_ENTRIES_MAX, PROOF_NODES_MAX};
use crate::base::{DeviceId, Digest, LaneId};

/// What is known of a lane's fork.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ForkState {
    /// The sequence number of the first entry on which signed histories differ.
    #[n(0)]
    pub at: u64,
    /// The proof, which needs no other byte of the lane.
    #[n(1)]
    pub proof: ForkProof,
    /// The kept branches, in ascending order of their leaf at `at`; each starts where the trunk ends, at or
    /// below `at`, and ends above it.
    #[n(2)]
    pub branches: Vec<Run>,
}

/// Two signed trees with different leaves at the same place.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ForkProof {
    /// The sequence number at which the leaves differ.
    #[n(0)]
    pub at: u64,
    /// One history.
    #[n(1)]
    pub left: ForkSide,
    /// The other.
    #[n(2)]
    pub right: ForkSide,
}

/// One signed tree and one of its leaves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ForkSide {
    /// The signed tree head; its root follows from the leaf and the proof.
    #[n(0)]
    pub checkpoint: Checkpoint,
    /// The leaf hash.
    #[n(1)]
    pub leaf: Digest,
    /// The inclusion proof of the leaf.
    #[n(2)]
    pub proof: Vec<Digest>,
}

impl ForkProof {
    /// Returns where the fork is, if both histories are signed by the lane's device and differ there.
    pub fn verify(&self, lane: &LaneId, device: &DeviceId) -> Option<u64> {
        let signed = |side: &ForkSide| side.verify(lane, device, self.at);
        (self.left.leaf != self.right.leaf && signed(&self.left) && signed(&self.right)).then_some(self.at)
    }
}

impl ForkSide {
    fn verify(&self, lane: &LaneId, device: &DeviceId, at: u64) -> bool {
        self.proof.len() <= PROOF_NODES_MAX
            && root_of_inclusion(&self.leaf, at, self.checkpoint.size, &self.proof)
                .is_some_and(|root| checkpoint::verify(device, lane, &self.checkpoint, &root))
    }
}

impl ForkState {
    /// Parts the state into one piece for each branch, each of which can be sent and admitted alone.
    pub fn pieces(&self) -> Vec<ForkState> {
        let piece = |branch: &Run| ForkState { branches: vec![branch.clone()], ..self.without_branches() };
        self.branches.iter().map(piece).collect()
    }

    /// Returns the proof alone, to be sent first.
    pub fn without_branches(&self) -> ForkState {
        ForkState { at: self.at, proof: self.proof.clone(), branches: Vec::new() }
    }

    /// Returns for each branch its leaf at the fork and the sequence number after its last kept entry.
    pub(super) fn heads(&self) -> Vec<(Digest, u64)> {
        let head = |branch: &Run| Some((self.leaf_of(branch)?, self.window_end(branch)));
        self.branches.iter().filter_map(head).collect()
    }

    /// Returns the disputed entries: the leaf that names the branch, the sequence number and the entry.
    pub(super) fn disputed(&self) -> impl Iterator<Item = (Digest, u64, &Entry)> {
        self.branches.iter().flat_map(|branch| {
            let (leaf, window) = (self.leaf_of(branch), self.at..self.window_end(branch));
            (branch.start..)
                .zip(&branch.entries)
                .filter(move |(seq, _)| window.contains(seq))
                .filter_map(move |(seq, entry)| Some((leaf?, seq, entry)))
        })
    }

    /// Returns the agreed entries that stand in the branches.
    pub(super) fn agreed_tail(&self) -> impl Iterator<Item = (u64, &Entry)> {
        let first = self.branches.first();
        first
            .into_iter()
            .flat_map(|branch| (branch.start..).zip(&branch.entries).take_while(|(seq, _)| *seq < self.at))
    }

    fn leaf_of(&self, branch: &Run) -> Option<Digest> {
        let index = usize::try_from(self.at.checked_sub(branch.start)?).ok()?;
        branch.entries.get(index).map(Entry::leaf)
    }

    fn window_end(&self, branch: &Run) -> u64 {
        Window::KEPT.end(self.at, branch.start, &branch.entries)
    }
}

/// How much of a disputed branch is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// How many entries close the window.
    pub entries: u64,
    /// How many bytes of entry bodies close the window.
    pub bytes: usize,
}

impl Window {
    /// The window of every replica.
    pub const KEPT: Window = Window { entries: FORK_BRANCH_ENTRIES_MAX, bytes: FORK_BRANCH_BYTES_MAX };

    /// Returns the sequence number after the last entry of the window that opens at `at`, among the entries of
    /// a history from `start` on.
    ///
    /// A function of the entries in the window alone, so histories that agree on them agree on the window, and
    /// the window that opens lower never reaches farther.
    pub fn end(self, at: u64, start: u64, entries: &[Entry]) -> u64 {
        self.closed_at(at, start, entries).unwrap_or(start.saturating_add(entries.len() as u64))
    }

    /// Says whether the window that opens at `at` ends within the entries, whatever may follow them.
    pub fn is_closed(self, at: u64, start: u64, entries: &[Entry]) -> bool {
        self.closed_at(at, start, entries).is_some()
    }

    /// The first entry from `at` on with which the count or the bytes reach the limits closes the window.
    fn closed_at(self, at: u64, start: u64, entries: &[Entry]) -> Option<u64> {
        let mut bytes = 0;
        let from_at = (start..).zip(entries).skip_while(|(seq, _)| *seq < at);
        let mut open = from_at.skip_while(|(seq, entry)| {
            bytes += entry.body.len();
            seq + 1 - at < self.entries && bytes < self.bytes
        });
        open.next().map(|(seq, _)| seq + 1)
    }
}
