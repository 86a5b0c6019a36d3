//! The store in memory: the second implementation, for the simulator and for tests.
//!
//! It has the same laws as the store on disk except that it ends with the process; its order and its tokens
//! are the same in every run, so that a simulation's trace is too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use super::api::{
    Arrival, Batch, Committed, DamagedRun, Healed, KeyedValue, Posting, Repacked, Store, StoreStats, Token,
};
use super::error::StoreError;
use super::fitting::{Around, fit};
use super::repacking::{Group, JOINABLE_ROW_BYTES_MAX, Step, beginning};
use super::rules;
use crate::base::{Digest, LaneId, WallMs, hash_tagged};
use crate::lane::admission::Forking;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Entry, Run};

/// A store that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Clone, Default)]
struct Inner {
    lanes: BTreeMap<LaneId, Lane>,
    arrivals: Vec<(LaneId, u64, u64, Option<WallMs>)>,
    named: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<(String, Vec<u8>), Vec<u8>>,
    index: BTreeMap<Token, BTreeSet<Posting>>,
    cursor: u64,
}

#[derive(Debug, Clone)]
struct Lane {
    state: LaneState,
    /// By start: the run and the frontier before it.
    runs: BTreeMap<u64, (Run, Frontier)>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns about how many bytes of memory it takes: bodies, rows, lanes, arrivals, small values and postings.
    pub fn bytes(&self) -> u64 {
        let inner = self.lock();
        let of_run = |(run, before): &(Run, Frontier)| {
            let bodies: usize =
                run.entries.iter().map(|entry| size_of::<Entry>() + entry.body.capacity()).sum();
            let checkpoints = size_of_val(run.checkpoints.as_slice());
            size_of::<(u64, Run, Frontier)>() + bodies + checkpoints + hashes(before)
        };
        let lanes = inner.lanes.values().map(|lane| {
            let runs: usize = lane.runs.values().map(of_run).sum();
            size_of::<(LaneId, Lane)>() + hashes(&lane.state.frontier) + runs
        });
        let values = inner.named.iter().map(|(name, value)| name.len() + value.len());
        let blobs = inner.blobs.iter().map(|((space, key), value)| space.len() + key.len() + value.len());
        let postings = inner.index.values().map(|postings| {
            size_of::<Token>() + size_of_val(postings) + postings.len() * size_of::<Posting>()
        });
        let arrivals = size_of_val(inner.arrivals.as_slice());
        (lanes.chain(values).chain(blobs).chain(postings).sum::<usize>() + arrivals) as u64
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is checked before it is made, so a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The hashes at the edge of a tree.
fn hashes(frontier: &Frontier) -> usize {
    frontier.size().count_ones() as usize * size_of::<Digest>()
}

impl Inner {
    /// Checks everything against the lanes as the batch itself changes them, before anything is changed.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut states: BTreeMap<LaneId, &LaneState> = BTreeMap::new();
        let current = |states: &BTreeMap<LaneId, &LaneState>, id: &LaneId| -> Option<LaneState> {
            let pending = states.get(id).map(|state| (*state).clone());
            pending.or_else(|| self.lanes.get(id).map(|lane| lane.state.clone()))
        };
        for (run, before, after) in &batch.advances {
            rules::check_advance(current(&states, &run.lane).as_ref(), run, before, after)?;
            states.insert(run.lane, after);
        }
        for forking in &batch.forks {
            let id = forking.state.id();
            rules::check_fork(current(&states, &id).as_ref(), forking)?;
            self.check_cut(batch, forking)?;
            states.insert(id, &forking.state);
        }
        Ok(())
    }

    /// Checks that the runs that a fork leaves end where its trunk ends.
    fn check_cut(&self, batch: &Batch, forking: &Forking) -> Result<(), StoreError> {
        let id = forking.state.id();
        let kept = match &forking.replace {
            Some((run, _)) => run.start,
            None => forking.state.size(),
        };
        let stored = self.lanes.get(&id).map(|lane| lane.runs.values().map(|(run, _)| run));
        let added = batch.advances.iter().map(|(run, _, _)| run).filter(|run| run.lane == id);
        let boundary = kept == 0 || stored.into_iter().flatten().chain(added).any(|run| run.end() == kept);
        if boundary {
            Ok(())
        } else {
            Err(rules::bad(&id, "the fork cuts through a run that it does not replace"))
        }
    }

    fn put(&mut self, run: Run, before: Frontier, state: LaneState, time: Option<WallMs>) {
        self.arrivals.push((run.lane, run.start, run.end(), time));
        let lane = self
            .lanes
            .entry(run.lane)
            .or_insert_with(|| Lane { state: state.clone(), runs: BTreeMap::new() });
        lane.state = state;
        lane.runs.insert(run.start, (run, before));
    }

    fn cut(&mut self, forking: Forking, time: Option<WallMs>) {
        let id = forking.state.id();
        let size = forking.state.size();
        self.arrivals.push((id, size, size, time));
        let lane = self
            .lanes
            .entry(id)
            .or_insert_with(|| Lane { state: forking.state.clone(), runs: BTreeMap::new() });
        lane.state = forking.state;
        let kept = forking.replace.as_ref().map_or(size, |(run, _)| run.start);
        lane.runs.split_off(&kept);
        if let Some((run, before)) = forking.replace {
            lane.runs.insert(run.start, (run, before));
        }
    }

    fn committed_since(&self, count: usize) -> Committed {
        Committed { first_arrival: count as u64 + 1, last_arrival: self.arrivals.len() as u64 }
    }
}

impl Lane {
    fn covering(&self, seq: u64) -> Option<&(Run, Frontier)> {
        self.runs.range(..=seq).next_back().map(|(_, stored)| stored).filter(|(run, _)| run.end() > seq)
    }

    /// As [`Self::covering`]; what the lane held once and holds no more is damaged.
    fn readable(&self, seq: u64) -> Result<Option<&(Run, Frontier)>, StoreError> {
        match self.covering(seq) {
            None if seq < self.state.size() => {
                Err(StoreError::DamagedRun { lane: self.state.id(), start: seq })
            }
            stored => Ok(stored),
        }
    }
}

#[cfg(test)]
impl MemoryStore {
    /// Damages the run that holds an entry.
    pub(crate) fn lose(&self, lane: &LaneId, seq: u64) {
        let mut inner = self.lock();
        let lane = inner.lanes.get_mut(lane).expect("a lane that is held");
        let start = lane.covering(seq).expect("an entry that is held").0.start;
        lane.runs.remove(&start);
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let mut inner = self.lock();
        inner.check(&batch)?;
        let count = inner.arrivals.len();
        for (run, before, state) in batch.advances {
            inner.put(run, before, state, batch.time);
        }
        for forking in batch.forks {
            inner.cut(forking, batch.time);
        }
        inner.named.extend(batch.named);
        for key in batch.blobs_removed {
            inner.blobs.remove(&key);
        }
        for (space, key, value) in batch.blobs {
            inner.blobs.insert((space, key), value);
        }
        Ok(inner.committed_since(count))
    }

    fn lanes(&self) -> Result<Vec<LaneState>, StoreError> {
        Ok(self.lock().lanes.values().map(|lane| lane.state.clone()).collect())
    }

    fn lane(&self, id: &LaneId) -> Result<Option<LaneState>, StoreError> {
        Ok(self.lock().lanes.get(id).map(|lane| lane.state.clone()))
    }

    fn runs(&self, id: &LaneId, from: u64, limit_bytes: usize) -> Result<Vec<Run>, StoreError> {
        let inner = self.lock();
        let Some(lane) = inner.lanes.get(id) else { return Ok(Vec::new()) };
        let Some((first, _)) = lane.readable(from)? else { return Ok(Vec::new()) };
        let mut runs: Vec<Run> = Vec::new();
        let mut bytes = 0_usize;
        for (run, _) in lane.runs.range(first.start..).map(|(_, stored)| stored) {
            bytes = bytes.saturating_add(run.body_bytes());
            if runs.last().is_some_and(|before| bytes > limit_bytes || before.end() < run.start) {
                break;
            }
            runs.push(run.clone());
        }
        Ok(runs)
    }

    fn frontier_at(&self, id: &LaneId, seq: u64) -> Result<Frontier, StoreError> {
        let inner = self.lock();
        let lane = inner.lanes.get(id);
        let held = lane.map_or(0, |lane| lane.state.size());
        match lane {
            Some(lane) if seq == held => Ok(lane.state.frontier.clone()),
            Some(lane) if seq < held => match lane.covering(seq) {
                Some((run, before)) => Ok(rules::frontier_within(before, run, seq)),
                None => Err(StoreError::DamagedRun { lane: *id, start: seq }),
            },
            None if seq == 0 => Ok(Frontier::default()),
            Some(_) | None => Err(StoreError::NotHeld { lane: *id, asked: seq, held }),
        }
    }

    fn entry(&self, id: &LaneId, seq: u64) -> Result<Option<Entry>, StoreError> {
        let inner = self.lock();
        let Some(lane) = inner.lanes.get(id) else { return Ok(None) };
        let stored = lane.readable(seq)?;
        Ok(stored.and_then(|(run, _)| run.entries.get((seq - run.start) as usize).cloned()))
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<Arrival>, StoreError> {
        let inner = self.lock();
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let page = inner.arrivals.iter().enumerate().skip(skip).take(limit);
        Ok(page
            .map(|(index, &(lane, start, end, time))| {
                let size = inner.lanes.get(&lane).map_or(0, |lane| lane.state.size());
                Arrival { no: index as u64 + 1, lane, start: start.min(size), end: end.min(size), time }
            })
            .collect())
    }

    fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().named.get(name).cloned())
    }

    fn blob(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.lock().blobs.get(&(space.to_owned(), key.to_owned())).cloned())
    }

    fn blobs(&self, space: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyedValue>, StoreError> {
        let inner = self.lock();
        let from = (space.to_owned(), after.unwrap_or_default().to_owned());
        let in_space = inner.blobs.range(from..).take_while(|((found, _), _)| found == space);
        let beyond = in_space.filter(|((_, key), _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(beyond.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn token(&self, kind: &str, text: &[u8]) -> Token {
        let digest = hash_tagged("musubi.store.memory-token.v1", &[kind.as_bytes(), text]);
        Token(digest.0[..16].try_into().expect("a digest has 32 bytes"))
    }

    fn index_cursor(&self) -> Result<u64, StoreError> {
        Ok(self.lock().cursor)
    }

    fn index_add_at(
        &self,
        cursor: u64,
        upto: u64,
        postings: &[(Token, Posting)],
    ) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        if inner.cursor != cursor {
            return Ok(false);
        }
        rules::check_cursor(inner.cursor, upto, inner.arrivals.len() as u64)?;
        if let Some((_, unknown)) =
            postings.iter().find(|(_, posting)| !inner.lanes.contains_key(&posting.lane))
        {
            return Err(rules::bad(&unknown.lane, "a posting names a lane that is not held"));
        }
        for (token, posting) in postings {
            inner.index.entry(*token).or_default().insert(*posting);
        }
        inner.cursor = upto;
        Ok(true)
    }

    fn index_find(&self, token: &Token) -> Result<Vec<Posting>, StoreError> {
        Ok(self.lock().index.get(token).into_iter().flatten().copied().collect())
    }

    fn rebuild_index(&self) -> Result<(), StoreError> {
        let mut inner = self.lock();
        inner.index.clear();
        inner.cursor = 0;
        Ok(())
    }

    fn scrub(&self, _limit: usize) -> Result<Vec<DamagedRun>, StoreError> {
        Ok(Vec::new())
    }

    fn heal(&self, run: Run) -> Result<Healed, StoreError> {
        let mut inner = self.lock();
        let id = run.lane;
        let Some(lane) = inner.lanes.get_mut(&id) else {
            return Err(rules::bad(&id, "nothing of this lane was lost here"));
        };
        let around = Around { held: lane.runs.values().cloned().collect(), lost: Vec::new() };
        let fitted = fit(&lane.state, &run, &around)?;
        let replaced = fitted.replaced();
        lane.runs.retain(|start, _| !replaced.contains(start));
        let arrivals: Vec<_> = fitted.arrivals().map(|range| (id, range.start, range.end, None)).collect();
        lane.runs.extend(fitted.runs.into_iter().map(|(run, before)| (run.start, (run, before))));
        let count = inner.arrivals.len();
        inner.arrivals.extend(arrivals);
        Ok(Healed { committed: inner.committed_since(count), whole: fitted.whole })
    }

    fn repack(&self, id: &LaneId, from: u64) -> Result<Repacked, StoreError> {
        let mut inner = self.lock();
        let straight = inner.lanes.get_mut(id).filter(|lane| lane.state.fork.is_none());
        let Some(lane) = straight.filter(|lane| from < lane.state.size()) else {
            return Ok(Repacked::default());
        };
        let bytes = |run: &Run| Some(run.body_bytes()).filter(|bytes| *bytes <= JOINABLE_ROW_BYTES_MAX);
        let back = lane.runs.range(..=from).rev().map(|(start, (run, _))| (*start, bytes(run)));
        let begin = beginning(back).unwrap_or(from);
        let (mut step, mut stopped) = (Step::default(), None);
        for (start, (run, before)) in lane.runs.range(begin..) {
            if !step.goes_on() {
                stopped = Some(*start);
                break;
            }
            match bytes(run).is_some() {
                true => step.take(run.clone(), before.clone()),
                false => step.part(),
            }
        }
        let (groups, open) = step.end();
        let next = stopped.map(|stopped| open.filter(|open| *open > from).unwrap_or(stopped).max(from + 1));
        let mut done = Repacked { next, ..Repacked::default() };
        for Group { starts, run, before } in groups {
            done.runs_before += starts.len() as u64;
            done.runs_after += 1;
            starts.iter().for_each(|start| drop(lane.runs.remove(start)));
            lane.runs.insert(run.start, (run, before));
        }
        Ok(done)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        let inner = self.lock();
        Ok(StoreStats {
            file_bytes: 0,
            lanes: inner.lanes.len() as u64,
            runs: inner.lanes.values().map(|lane| lane.runs.len() as u64).sum(),
            entries: inner.lanes.values().map(|lane| lane.state.size()).sum(),
            last_arrival: inner.arrivals.len() as u64,
            index_blocks: u64::from(!inner.index.is_empty()),
            index_bytes: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Subject};

    impl Subject for MemoryStore {
        fn store(&self) -> &dyn Store {
            self
        }

        fn reopened(self) -> Self {
            self
        }
    }

    #[test]
    fn the_store_in_memory_conforms() {
        conformance::check_all(MemoryStore::new);
    }
}
