//! An attacker inside: a device whose runs are altered on their way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::LaneId;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Entry, EntryKind, Run};
use crate::store::{
    Arrival, Batch, Committed, DamagedRun, Healed, KeyedValue, Posting, Repacked, Store, StoreError,
    StoreStats, Token,
};
use crate::sync::limits::READ_BYTES;

/// A store that alters what is read to be sent, while it is told to: within a session, reads of several bytes and no more than
/// [`READ_BYTES`], which is what a session asks for; admission reads in larger pages, or one run with a limit of one byte.
pub(super) struct LyingStore {
    honest: Arc<dyn Store>,
    liar: Liar,
}

/// Says whether a device lies; clones are the same device.
#[derive(Debug, Clone, Default)]
pub(super) struct Liar {
    /// The device is set on lying.
    set: Arc<AtomicBool>,
    /// A session of it is reading.
    sending: Arc<AtomicBool>,
    told: Arc<AtomicU64>,
}

impl Liar {
    /// Sets the device on lying, or back.
    pub(super) fn set(&self, lying: bool) {
        self.set.store(lying, Ordering::Relaxed);
    }

    /// Says that a session of the device reads what it will send, or has done so.
    pub(super) fn sending(&self, sending: bool) {
        self.sending.store(sending, Ordering::Relaxed);
    }

    /// Returns how many runs were altered.
    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Relaxed)
    }

    fn lies(&self) -> bool {
        self.set.load(Ordering::Relaxed) && self.sending.load(Ordering::Relaxed)
    }
}

impl LyingStore {
    /// Puts a liar before a store.
    pub(super) fn new(honest: Arc<dyn Store>, liar: Liar) -> Self {
        Self { honest, liar }
    }
}

/// Alters one bit of the last entry that tells anything of a patient.
fn altered(run: &mut Run) -> bool {
    let told = run.entries.iter_mut().rev().find(|entry| entry.kind == EntryKind::FACTS);
    let byte = told.and_then(|entry| entry.body.last_mut());
    byte.map(|byte| *byte ^= 1).is_some()
}

impl Store for LyingStore {
    fn runs(&self, id: &LaneId, from: u64, limit_bytes: usize) -> Result<Vec<Run>, StoreError> {
        let mut runs = self.honest.runs(id, from, limit_bytes)?;
        // What it reads to judge what others send it is as it is: a liar does not deceive itself.
        if self.liar.lies() && (2..=READ_BYTES).contains(&limit_bytes) {
            let lies = runs.iter_mut().map(altered).filter(|altered| *altered).count();
            self.liar.told.fetch_add(lies as u64, Ordering::Relaxed);
        }
        Ok(runs)
    }

    fn run_with(&self, id: &LaneId, from: u64) -> Result<Option<Arc<Run>>, StoreError> {
        self.honest.run_with(id, from)
    }

    fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.honest.commit(batch)
    }

    fn lanes(&self) -> Result<Vec<LaneState>, StoreError> {
        self.honest.lanes()
    }

    fn lane(&self, id: &LaneId) -> Result<Option<LaneState>, StoreError> {
        self.honest.lane(id)
    }

    fn frontier_at(&self, id: &LaneId, seq: u64) -> Result<Frontier, StoreError> {
        self.honest.frontier_at(id, seq)
    }

    fn entry(&self, id: &LaneId, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.honest.entry(id, seq)
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<Arrival>, StoreError> {
        self.honest.arrivals(after, limit)
    }

    fn relist(&self) -> Result<u64, StoreError> {
        self.honest.relist()
    }

    fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.honest.named(name)
    }

    fn blob(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.honest.blob(space, key)
    }

    fn blobs(&self, space: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyedValue>, StoreError> {
        self.honest.blobs(space, after, limit)
    }

    fn token(&self, kind: &str, text: &[u8]) -> Token {
        self.honest.token(kind, text)
    }

    fn index_cursor(&self) -> Result<u64, StoreError> {
        self.honest.index_cursor()
    }

    fn index_add_at(
        &self,
        cursor: u64,
        upto: u64,
        postings: &[(Token, Posting)],
    ) -> Result<bool, StoreError> {
        self.honest.index_add_at(cursor, upto, postings)
    }

    fn index_find(&self, token: &Token) -> Result<Vec<Posting>, StoreError> {
        self.honest.index_find(token)
    }

    fn rebuild_index(&self) -> Result<(), StoreError> {
        self.honest.rebuild_index()
    }

    fn scrub(&self, limit: usize) -> Result<Vec<DamagedRun>, StoreError> {
        self.honest.scrub(limit)
    }

    fn heal(&self, run: Run) -> Result<Healed, StoreError> {
        self.honest.heal(run)
    }

    fn repack(&self, id: &LaneId, from: u64) -> Result<Repacked, StoreError> {
        self.honest.repack(id, from)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.honest.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::LaneLog as _;
    use crate::store::conformance::{SampleLane, batch_of};
    use crate::store::{MemoryStore, StoreLog};

    /// Admission of the liar itself compared what came with an altered copy, and took an honest lane for a forked one
    /// for ever (found by the drill swarm, seed 47).
    #[test]
    fn a_liar_deceives_its_peers_and_not_itself() {
        let (honest, liar) = (Arc::new(MemoryStore::new()), Liar::default());
        let mut lane = SampleLane::new(1);
        honest.commit(batch_of(lane.append(["one", "two"].map(str::to_owned)))).unwrap();
        let store = LyingStore::new(honest.clone(), liar.clone());
        let (id, size) = (lane.id(), lane.state().size());
        let truth = honest.runs(&id, 0, usize::MAX).unwrap();
        liar.set(true);
        assert_eq!(store.runs(&id, 0, READ_BYTES).unwrap(), truth, "nobody listens");
        liar.sending(true);
        assert_ne!(store.runs(&id, 0, READ_BYTES).unwrap(), truth);
        assert_eq!(StoreLog(&store).runs(&id, 0, size).unwrap(), truth);
        assert_eq!(StoreLog(&store).runs(&id, 0, 1).unwrap(), truth, "one entry is asked for");
        assert!(liar.told() > 0);
    }
}
