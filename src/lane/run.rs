//! Runs: consecutive entries of a lane with a checkpoint at their end, the unit on the wire, on USB and in S3.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::entry::Entry;
use super::tree::TREE_SIZE_MAX;
use crate::base::limits::{
    ENTRY_BYTES_MAX, FORK_PATH_ENTRIES_MAX, JOINED_BYTES_MAX, JOINED_ENTRIES_MAX, RUN_BYTES_MAX,
    RUN_ENTRIES_MAX,
};
use crate::base::{Digest, LaneId};

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
/// `start + 1 ..= end()`, and the last one is `end()`. In CBOR `[1, lane, start, [checkpoint …], [entry …]]`.
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

/// Why entries and checkpoints do not make a run, whoever signed them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// There is no entry.
    #[error("a run without entries")]
    Empty,
    /// There are too many entries.
    #[error("a run of {0} entries, more than {RUN_ENTRIES_MAX}")]
    TooManyEntries(usize),
    /// One entry is too large.
    #[error("entry {seq} has {bytes} bytes, more than {ENTRY_BYTES_MAX}")]
    EntryTooLarge {
        /// The entry's sequence number.
        seq: u64,
        /// Its body's size.
        bytes: usize,
    },
    /// Several entries together are too large.
    #[error("a run of {0} bytes in several entries, more than {RUN_BYTES_MAX}")]
    TooLarge(usize),
    /// The run ends where no lane can end.
    #[error("a run beyond entry {TREE_SIZE_MAX}")]
    TooFar,
    /// The checkpoints do not ascend, lie outside the run, or the last is not at its end.
    #[error("the checkpoints do not ascend to the end of the run")]
    Checkpoints,
}

/// Joins neighbouring small runs: each that is made of several has the last one's last checkpoint alone, which vouches for
/// all of it, at most [`JOINED_BYTES_MAX`] of bodies and [`JOINED_ENTRIES_MAX`] entries.
///
/// What has no neighbour to be joined to, or is larger, stays as it is; the entries and their order do, too. Joining what was
/// joined changes nothing.
pub fn join(runs: Vec<Run>) -> Vec<Run> {
    join_within(runs, JOINED_BYTES_MAX)
}

/// As [`join`], with at most so many bytes of bodies in a joined run.
pub fn join_within(runs: Vec<Run>, bytes_max: usize) -> Vec<Run> {
    let bytes_max = bytes_max.min(JOINED_BYTES_MAX);
    let mut joined: Vec<Run> = Vec::with_capacity(runs.len());
    let mut bytes = 0;
    for run in runs {
        let more = run.body_bytes();
        match joined.last_mut() {
            Some(last)
                if bytes + more <= bytes_max
                    && last.lane == run.lane
                    && last.end() == run.start
                    && last.entries.len() + run.entries.len() <= JOINED_ENTRIES_MAX
                    && !run.checkpoints.is_empty() =>
            {
                bytes += more;
                last.entries.extend(run.entries);
                last.checkpoints.clear();
                last.checkpoints.extend(run.checkpoints.last());
            }
            Some(_) | None => {
                bytes = more;
                joined.push(run);
            }
        }
    }
    joined
}

impl Run {
    /// The version of the plain form that this program writes.
    pub const VERSION: u8 = 1;

    /// Returns the sequence number after the last entry.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.entries.len() as u64)
    }

    /// Returns the leaf hashes of the entries.
    pub fn leaves(&self) -> Vec<Digest> {
        self.entries.iter().map(Entry::leaf).collect()
    }

    /// Returns the sum of the entries' bodies, in bytes.
    pub fn body_bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.body.len()).sum()
    }

    /// Drops the entries before `seq`, and the checkpoints that no longer lie inside.
    pub fn trim_start(&mut self, seq: u64) {
        let count = seq.saturating_sub(self.start).min(self.entries.len() as u64);
        self.start += count;
        self.entries.drain(..usize::try_from(count).expect("at most the length of a Vec"));
        self.checkpoints.retain(|checkpoint| checkpoint.size > self.start);
    }

    /// Drops the entries from `seq` on, and the checkpoints beyond: what is left is no run unless one of these is at its end.
    pub fn truncate(&mut self, seq: u64) {
        let count = seq.saturating_sub(self.start).min(self.entries.len() as u64);
        self.entries.truncate(usize::try_from(count).expect("at most the length of a Vec"));
        self.checkpoints.retain(|checkpoint| checkpoint.size <= seq);
    }

    /// Checks all that can be checked without a key or a tree: the limits, and where the checkpoints are.
    ///
    /// # Errors
    /// [`ShapeError`] says what is wrong.
    pub fn check_shape(&self) -> Result<(), ShapeError> {
        if self.entries.len() > RUN_ENTRIES_MAX {
            return Err(ShapeError::TooManyEntries(self.entries.len()));
        }
        self.check_form()?;
        match self.body_bytes() {
            bytes if bytes > RUN_BYTES_MAX && self.entries.len() > 1 => Err(ShapeError::TooLarge(bytes)),
            _ => Ok(()),
        }
    }

    /// Checks what also holds for a branch of a fork, which may be longer than a run.
    pub(super) fn check_form(&self) -> Result<(), ShapeError> {
        if self.entries.is_empty() {
            return Err(ShapeError::Empty);
        }
        if self.start > TREE_SIZE_MAX || self.end() > TREE_SIZE_MAX {
            return Err(ShapeError::TooFar);
        }
        for (seq, entry) in (self.start..).zip(&self.entries) {
            if entry.body.len() > ENTRY_BYTES_MAX {
                return Err(ShapeError::EntryTooLarge { seq, bytes: entry.body.len() });
            }
        }
        let mut last = self.start;
        for checkpoint in &self.checkpoints {
            if checkpoint.size <= last {
                return Err(ShapeError::Checkpoints);
            }
            last = checkpoint.size;
        }
        if last == self.end() { Ok(()) } else { Err(ShapeError::Checkpoints) }
    }
}

impl<C> Encode<C> for Run {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(5)?.u8(Run::VERSION)?;
        self.lane.encode(e, c)?;
        e.u64(self.start)?;
        self.checkpoints.encode(e, c)?;
        self.entries.encode(e, c)
    }
}

impl<'b, C> Decode<'b, C> for Run {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(5) {
            return Err(decode::Error::message("a run has five fields"));
        }
        if d.u8()? != Run::VERSION {
            return Err(decode::Error::message("a run of an unknown version: update this program"));
        }
        let (lane, start) = (LaneId::decode(d, c)?, d.u64()?);
        let checkpoints = bounded(d, c)?;
        let entries = bounded(d, c)?;
        Ok(Self { lane, start, entries, checkpoints })
    }
}

/// Reads an array of at most as many items as the longest path of a fork; memory grows with what is read.
fn bounded<'b, C, T: Decode<'b, C>>(d: &mut Decoder<'b>, c: &mut C) -> Result<Vec<T>, decode::Error> {
    match d.array()? {
        Some(count) if count <= FORK_PATH_ENTRIES_MAX as u64 => (0..count).map(|_| T::decode(d, c)).collect(),
        Some(_) | None => Err(decode::Error::message("too many items in a run")),
    }
}
