//! The Store trait: what every store can do, and the laws that `conformance` checks.

use std::ops::Range;
use std::sync::Arc;

use crate::base::id::bytes_newtype;
use crate::base::{Digest, LaneId, WallMs};
use crate::lane::admission::Forking;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Entry, Run};

use super::error::StoreError;

bytes_newtype! {
    /// What stands for a search term, a record or any other thing looked up in the index: a keyed hash of
    /// (kind, text), different in every store, so that the index tells nothing to who lacks the data key.
    Token, 16
}

/// Where something that was looked up is found: one entry of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Posting {
    /// The lane.
    pub lane: LaneId,
    /// The entry's sequence number.
    pub seq: u64,
}

/// One line of the order in which this store came to hold things.
///
/// An empty range (`start == end`) says that the lane changed otherwise: it was found forked. Ranges are cut
/// to what the lane's trunk still holds, so every entry that they name can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The arrival number: 1, 2, 3 … without gaps, for this store only.
    pub no: u64,
    /// The lane.
    pub lane: LaneId,
    /// The first sequence number that arrived.
    pub start: u64,
    /// The sequence number after the last one that arrived.
    pub end: u64,
    /// When, as the batch says; none for what was healed.
    pub time: Option<WallMs>,
}

/// What a commit was given as arrival numbers.
///
/// Advances come first, in the batch's order, then forks. A batch of neither gives an empty range:
/// `first_arrival == last_arrival + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The first arrival number of the batch.
    pub first_arrival: u64,
    /// The last arrival number of the batch.
    pub last_arrival: u64,
}

/// Everything that one commit makes durable: all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Admitted runs: the new entries only, the frontier before them (at `run.start`), the lane's state after.
    /// Several runs of one lane stand in order.
    pub advances: Vec<(Run, Frontier, LaneState)>,
    /// Lanes found to be forked, or forked lower than was known.
    pub forks: Vec<Forking>,
    /// When the batch is committed, by the clock of who commits; kept with its arrivals.
    pub time: Option<WallMs>,
    /// Small values to put under a name.
    pub named: Vec<(String, Vec<u8>)>,
    /// Values to put: (space, key, value).
    pub blobs: Vec<(String, Vec<u8>, Vec<u8>)>,
    /// Values to remove: (space, key); removing what is absent is nothing. Applied before `blobs`.
    pub blobs_removed: Vec<(String, Vec<u8>)>,
}

impl Batch {
    /// Says whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.advances.is_empty()
            && self.forks.is_empty()
            && self.named.is_empty()
            && self.blobs.is_empty()
            && self.blobs_removed.is_empty()
    }
}

/// The key of a value in its space, and the value.
pub type KeyedValue = (Vec<u8>, Vec<u8>);

/// How much a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct StoreStats {
    /// The size of the store's file, in bytes; 0 when it is in memory.
    pub file_bytes: u64,
    /// Lanes.
    pub lanes: u64,
    /// Runs at rest.
    pub runs: u64,
    /// Entries in all lanes' trunks.
    pub entries: u64,
    /// The last arrival number given.
    pub last_arrival: u64,
    /// Blocks of the index.
    pub index_blocks: u64,
    /// Plain bytes of the index.
    pub index_bytes: u64,
}

/// What a scrub found that cannot be read: a run of a lane, to be fetched again and given to
/// [`Store::heal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedRun {
    /// The lane.
    pub lane: LaneId,
    /// The first sequence number that cannot be read.
    pub start: u64,
    /// The sequence number after the last one that cannot be read; `u64::MAX` when the lane's state is lost, so
    /// that nobody knows.
    pub end: u64,
}

/// What was put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healed {
    /// The arrival numbers that it was given.
    pub committed: Committed,
    /// The entries that are whole again; at most those of the run that was given.
    pub whole: Range<u64>,
}

/// What a step of repacking did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Repacked {
    /// Runs that were replaced.
    pub runs_before: u64,
    /// Runs that stand for them now.
    pub runs_after: u64,
    /// Bytes that the replaced runs took at rest.
    pub bytes_before: u64,
    /// Bytes that those take that stand for them.
    pub bytes_after: u64,
    /// From which entry of the lane on the next step goes on; none when this one came to its end.
    pub next: Option<u64>,
}

/// A synchronous store of lanes, small values and an index.
///
/// Laws, checked by `conformance` against every implementation:
/// - *durable*: what `commit` has returned `Ok` for is there after any crash, power cut or reopening;
/// - *atomic*: of a batch either everything is there or nothing;
/// - *faithful*: a read gives what was committed or an error, never other bytes, and never absence for a lane,
///   run, arrival, named value or index block that was committed;
/// - *local damage*: a run that cannot be read hurts no other run;
/// - *idempotent index*: adding a posting twice is adding it once; cursor and postings move together;
/// - *repacking is nothing*: after it, all that can be asked has the answer that it had, but for where runs begin and end;
/// - *ordered*: arrival numbers are consecutive, and entries of one lane arrive in their order.
pub trait Store: Send + Sync + 'static {
    /// Makes a batch durable, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when a lane is no longer as the batch's maker saw it (admit again);
    /// [`StoreError::BadBatch`] when the batch contradicts itself; otherwise what the disk says. After an error
    /// nothing of the batch is there, except that a failing disk may still bring it back at the next open,
    /// whole.
    fn commit(&self, batch: Batch) -> Result<Committed, StoreError>;

    /// Returns the state of every lane, in no particular order.
    ///
    /// # Errors
    /// When the disk fails or a state is damaged.
    fn lanes(&self) -> Result<Vec<LaneState>, StoreError>;

    /// Returns one lane's state, `None` when the store has never held it.
    ///
    /// # Errors
    /// When the disk fails or the state is damaged.
    fn lane(&self, id: &LaneId) -> Result<Option<LaneState>, StoreError>;

    /// Returns the runs that hold entries at or above `from`, in order: at least one if there is any, then as
    /// long as their entry bodies together stay within `limit_bytes`. The first may begin below `from`.
    ///
    /// # Errors
    /// [`StoreError::DamagedRun`] names the first run that cannot be read; those before it are given when
    /// there are any, and the error comes when the caller asks on from there.
    fn runs(&self, id: &LaneId, from: u64, limit_bytes: usize) -> Result<Vec<Run>, StoreError>;

    /// Returns the run that holds the entry `from`, shared with who else reads it; as [`Store::runs`] gives the first.
    ///
    /// # Errors
    /// As [`Store::runs`].
    fn run_with(&self, id: &LaneId, from: u64) -> Result<Option<Arc<Run>>, StoreError> {
        Ok(self.runs(id, from, 1)?.into_iter().next().map(Arc::new))
    }

    /// Returns the frontier of a lane's trunk when it held `seq` entries.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] beyond the trunk's size or for an unknown lane with `seq > 0`.
    fn frontier_at(&self, id: &LaneId, seq: u64) -> Result<Frontier, StoreError>;

    /// Returns one entry, `None` when the trunk does not hold it.
    ///
    /// # Errors
    /// When the disk fails or the run is damaged.
    fn entry(&self, id: &LaneId, seq: u64) -> Result<Option<Entry>, StoreError>;

    /// Returns the entries at some places, as [`Store::entry`] does; cheapest where places of one lane stand together.
    ///
    /// # Errors
    /// As [`Store::entry`].
    fn entries(&self, places: &[Posting]) -> Result<Vec<Option<Entry>>, StoreError> {
        places.iter().map(|place| self.entry(&place.lane, place.seq)).collect()
    }

    /// Counts the changes of this store since it was opened, where it does: while the number stays the same, so does what is
    /// read.
    fn changes(&self) -> Option<u64> {
        None
    }

    /// Returns up to `limit` arrivals with numbers above `after`, in order.
    ///
    /// # Errors
    /// When the disk fails or a line is damaged.
    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<Arrival>, StoreError>;

    /// Lists anew what has arrived, if lines of the list cannot be read: these become empty, and all that is held arrives once
    /// more behind the last line. Returns how many lines were lost.
    ///
    /// # Errors
    /// When the store fails.
    fn relist(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Returns a small value by its name.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns a value of a space.
    ///
    /// Rot in the tree above a value can make a blob unfindable, which looks like absence: so blobs are for
    /// what can be fetched or computed again, everything else is a run or has a name.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    fn blob(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Returns up to `limit` (key, value) pairs of a space, in an order of the store's own that does not
    /// change; `after` is the last key of the page before.
    ///
    /// # Errors
    /// When the disk fails or a value is damaged.
    fn blobs(&self, space: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyedValue>, StoreError>;

    /// Makes the token of a text; `kind` keeps apart what is looked up ("record", "name", …).
    fn token(&self, kind: &str, text: &[u8]) -> Token;

    /// Returns the arrival number up to which everything is in the index.
    ///
    /// # Errors
    /// When the disk fails or the value is damaged.
    fn index_cursor(&self) -> Result<u64, StoreError>;

    /// Adds postings and moves the cursor to `upto`, in one commit.
    ///
    /// # Errors
    /// [`StoreError::BadBatch`] when a lane is unknown, the cursor would go back, or go beyond the last
    /// arrival.
    fn index_add(&self, upto: u64, postings: &[(Token, Posting)]) -> Result<(), StoreError> {
        while !self.index_add_at(self.index_cursor()?, upto, postings)? {}
        Ok(())
    }

    /// As [`Store::index_add`], if the cursor still stands at `cursor`; says whether it did. So postings may be added while
    /// others read and write.
    ///
    /// # Errors
    /// As [`Store::index_add`].
    fn index_add_at(&self, cursor: u64, upto: u64, postings: &[(Token, Posting)])
    -> Result<bool, StoreError>;

    /// Returns the postings of a token, sorted. Some may name entries that a fork has since taken from the
    /// trunk.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the block cannot be read: then [`Store::rebuild_index`] helps.
    fn index_find(&self, token: &Token) -> Result<Vec<Posting>, StoreError>;

    /// Drops the index and sets the cursor to 0, so that the indexer starts again.
    ///
    /// # Errors
    /// When the disk fails.
    fn rebuild_index(&self) -> Result<(), StoreError>;

    /// Reads every run and names those that cannot be read, with at most `limit` of them.
    ///
    /// # Errors
    /// When the disk fails otherwise than by damaged values.
    fn scrub(&self, limit: usize) -> Result<Vec<DamagedRun>, StoreError>;

    /// Puts back entries that were damaged, as many as the run holds: its leaves must lead from the lane's tree before them
    /// to the tree after them, so nothing but the lost bytes is accepted. The run may begin and end elsewhere; neighbours
    /// that can be read are cut or joined to it. Gives what it puts back new arrival numbers, so that it is indexed.
    ///
    /// # Errors
    /// [`StoreError::BadBatch`] when the run is not what was lost here, or nothing vouches for its end.
    fn heal(&self, run: Run) -> Result<Healed, StoreError>;

    /// Joins neighbouring small runs of a straight lane (`lane::join`), from the one that holds `from` and some before it on,
    /// in one small commit; no entry changes, nor where it is found. A lane that is forked, or unknown, is left alone.
    ///
    /// # Errors
    /// When the disk fails; runs that cannot be read are left alone.
    fn repack(&self, id: &LaneId, from: u64) -> Result<Repacked, StoreError>;

    /// Says how much the store holds.
    ///
    /// # Errors
    /// When the disk fails.
    fn stats(&self) -> Result<StoreStats, StoreError>;
}

/// Returns the root of a lane's trunk at a size: what a checkpoint there would sign.
///
/// # Errors
/// As [`Store::frontier_at`].
pub fn root_at(store: &dyn Store, id: &LaneId, seq: u64) -> Result<Digest, StoreError> {
    Ok(store.frontier_at(id, seq)?.root())
}
