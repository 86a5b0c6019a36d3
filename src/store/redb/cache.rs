//! The runs read last, unpacked, within a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::lane::Run;
use crate::lane::tree::Frontier;

/// What an entry costs besides its body, roughly.
const ENTRY_OVERHEAD: usize = 64;
/// What a run costs besides its entries, roughly.
const RUN_OVERHEAD: usize = 1 << 10;

/// A run as it was stored, unpacked.
#[derive(Debug)]
pub(super) struct StoredRun {
    pub(super) run: Run,
    pub(super) before: Frontier,
}

/// A cache of runs by (lane number, start), which drops the least recently used.
#[derive(Debug)]
pub(super) struct RunCache {
    limit_bytes: usize,
    bytes: usize,
    clock: u64,
    generation: u64,
    runs: HashMap<(u32, u64), (Arc<StoredRun>, u64, usize)>,
    by_use: BTreeMap<u64, (u32, u64)>,
}

impl RunCache {
    /// Makes an empty cache.
    pub(super) fn new(limit_bytes: usize) -> Self {
        let (runs, by_use) = (HashMap::new(), BTreeMap::new());
        Self { limit_bytes, bytes: 0, clock: 0, generation: 0, runs, by_use }
    }

    /// Returns a run.
    pub(super) fn get(&mut self, key: (u32, u64)) -> Option<Arc<StoredRun>> {
        self.clock += 1;
        let (run, used, _) = self.runs.get_mut(&key)?;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key);
        Some(run.clone())
    }

    /// Returns the number that changes whenever stored runs are replaced.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Keeps a run that was read in a generation; not if runs have been replaced since.
    pub(super) fn insert(&mut self, generation: u64, key: (u32, u64), run: Arc<StoredRun>) {
        let bytes = run.run.body_bytes() + run.run.entries.len() * ENTRY_OVERHEAD + RUN_OVERHEAD;
        if generation != self.generation || bytes > self.limit_bytes || self.runs.contains_key(&key) {
            return;
        }
        self.clock += 1;
        self.runs.insert(key, (run, self.clock, bytes));
        self.by_use.insert(self.clock, key);
        self.bytes += bytes;
        while self.bytes > self.limit_bytes {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some((_, _, bytes)) = self.runs.remove(&oldest) {
                self.bytes -= bytes;
            }
        }
    }

    /// Forgets everything: runs have been replaced.
    pub(super) fn clear(&mut self) {
        self.generation += 1;
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

    fn run(bytes: usize) -> Arc<StoredRun> {
        let entries = vec![Entry { kind: EntryKind::FACTS, body: vec![0; bytes] }];
        let run = Run { lane: LaneId([0; 32]), start: 0, entries, checkpoints: Vec::new() };
        Arc::new(StoredRun { run, before: Frontier::default() })
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_limit_holds() {
        let mut cache = RunCache::new(10_000);
        for start in 0..3 {
            cache.insert(0, (1, start), run(2_000));
        }
        assert!(cache.get((1, 0)).is_some());
        cache.insert(0, (1, 3), run(2_000));
        assert!(cache.get((1, 1)).is_none());
        assert!(cache.get((1, 0)).is_some());
        assert!(cache.bytes <= 10_000);
        cache.insert(0, (1, 4), run(20_000));
        assert!(cache.get((1, 4)).is_none());
    }

    #[test]
    fn what_was_read_before_a_replacement_is_not_kept() {
        let mut cache = RunCache::new(10_000);
        let generation = cache.generation();
        cache.clear();
        cache.insert(generation, (1, 0), run(10));
        assert!(cache.get((1, 0)).is_none());
    }
}
