//! The runs read last, unpacked, within a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::lane::Run;
use crate::lane::tree::Frontier;
use crate::store::sealing::Stamp;

/// What an entry costs besides its body, roughly.
const ENTRY_OVERHEAD: usize = 64;
/// What a run costs besides its entries, roughly.
const RUN_OVERHEAD: usize = 1 << 10;

/// A run as it was stored, unpacked.
#[derive(Debug)]
pub(super) struct StoredRun {
    pub(super) run: Arc<Run>,
    pub(super) before: Frontier,
}

/// A cache of runs by (lane number, start), which drops the least recently used. Each is known by the stamp of its row, so
/// that what has been replaced at rest, or is not yet seen in an older view, is never taken for what is there.
#[derive(Debug)]
pub(super) struct RunCache {
    limit_bytes: usize,
    bytes: usize,
    clock: u64,
    runs: HashMap<(u32, u64), Kept>,
    by_use: BTreeMap<u64, (u32, u64)>,
}

#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    run: Arc<StoredRun>,
    used: u64,
    bytes: usize,
}

impl RunCache {
    /// Makes an empty cache.
    pub(super) fn new(limit_bytes: usize) -> Self {
        let (runs, by_use) = (HashMap::new(), BTreeMap::new());
        Self { limit_bytes, bytes: 0, clock: 0, runs, by_use }
    }

    /// Returns the run of a row.
    pub(super) fn get(&mut self, stamp: Stamp, key: (u32, u64)) -> Option<Arc<StoredRun>> {
        self.clock += 1;
        let kept = self.runs.get_mut(&key).filter(|kept| kept.stamp == stamp)?;
        self.by_use.remove(&kept.used);
        kept.used = self.clock;
        self.by_use.insert(self.clock, key);
        Some(kept.run.clone())
    }

    /// Keeps the run of a row.
    pub(super) fn insert(&mut self, stamp: Stamp, key: (u32, u64), run: Arc<StoredRun>) {
        let bytes = run.run.body_bytes() + run.run.entries.len() * ENTRY_OVERHEAD + RUN_OVERHEAD;
        if bytes > self.limit_bytes || self.runs.get(&key).is_some_and(|kept| kept.stamp == stamp) {
            return;
        }
        self.forget(key);
        self.clock += 1;
        self.runs.insert(key, Kept { stamp, run, used: self.clock, bytes });
        self.by_use.insert(self.clock, key);
        self.bytes += bytes;
        while self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some(kept) = self.runs.remove(&oldest) {
                self.bytes -= kept.bytes;
            }
        }
    }

    /// Forgets what begins at a place.
    pub(super) fn forget(&mut self, key: (u32, u64)) {
        if let Some(kept) = self.runs.remove(&key) {
            self.by_use.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes = 0;
        self.runs.clear();
        self.by_use.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LaneId;
    use crate::lane::{Entry, EntryKind};

    const STAMP: Stamp = [7; 24];

    fn run(bytes: usize) -> Arc<StoredRun> {
        let entries = vec![Entry { kind: EntryKind::FACTS, body: vec![0; bytes] }];
        let run = Run { lane: LaneId([0; 32]), start: 0, entries, checkpoints: Vec::new() };
        Arc::new(StoredRun { run: Arc::new(run), before: Frontier::default() })
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_limit_holds() {
        let mut cache = RunCache::new(10_000);
        for start in 0..3 {
            cache.insert(STAMP, (1, start), run(2_000));
        }
        assert!(cache.get(STAMP, (1, 0)).is_some());
        cache.insert(STAMP, (1, 3), run(2_000));
        assert!(cache.get(STAMP, (1, 1)).is_none());
        assert!(cache.get(STAMP, (1, 0)).is_some());
        assert!(cache.bytes <= 10_000);
        cache.insert(STAMP, (1, 4), run(20_000));
        assert!(cache.get(STAMP, (1, 4)).is_none());
    }

    #[test]
    fn a_row_that_was_replaced_is_not_taken_for_what_is_there() {
        let mut cache = RunCache::new(10_000);
        let other = [8; 24];
        cache.insert(STAMP, (1, 0), run(10));
        assert!(cache.get(other, (1, 0)).is_none());
        cache.insert(other, (1, 0), run(20));
        assert!(cache.get(STAMP, (1, 0)).is_none() && cache.get(other, (1, 0)).is_some());
        cache.forget((1, 0));
        assert_eq!((cache.bytes, cache.runs.len(), cache.by_use.len()), (0, 0, 0));
    }
}
