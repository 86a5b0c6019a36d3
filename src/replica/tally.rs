//! What is counted of the entries held, so that nobody reads them all to be told: records, latest times, own writings, and
//! when something last arrived from whom.
//!
//! A cache: the indexer's reading of each run counts it, what was missed is read when somebody asks, and what a fork has cut
//! is counted anew. It is kept in the space `tally`: `lanes` holds `[version, arrival, records, [[lane, upto, latest,
//! [writings below each step …], writings] …], [[device, time] …]]`, `records` and one byte the beginnings of the ids of the
//! records that begin with its upper bits, sorted.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use minicbor::{Decode, Encode};

use super::core::Replica;
use super::error::ReplicaError;
use super::index;
use crate::base::{DeviceId, LaneId, WallMs, cbor};
use crate::lane::Run;
use crate::store::{Batch, Store, StoreError};

/// The store's space of this cache.
const SPACE: &str = "tally";
/// The key of all but the records.
const LANES: &[u8] = b"lanes";
/// How the keys of records begin.
const RECORDS: &[u8] = b"records";
/// The records are kept in so many values.
const SHARDS: u8 = 64;
/// Arrivals read at once.
const PAGE: usize = 1_024;
/// Bytes of runs read at once.
const READ_BYTES: usize = 1 << 20;
/// Own writings are counted up to every so many entries.
const STEP: u64 = 1_024;
/// It is saved at most so often, unless so many entries were counted since.
const SAVE_EVERY_MS: u64 = 60_000;
/// As many entries are counted in some 20 ms.
const SAVE_AFTER: u64 = 10_000;

/// What is counted of one lane.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Counted {
    /// How many of its entries are counted.
    #[n(0)]
    upto: u64,
    /// The latest time that one of them claims.
    #[n(1)]
    latest: Option<WallMs>,
    /// How many of them are about a record, below each multiple of [`STEP`]; of own lanes only.
    #[n(2)]
    below: Vec<u64>,
    /// How many of them are about a record.
    #[n(3)]
    writings: u64,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    version: u8,
    #[n(1)]
    arrival: u64,
    #[n(2)]
    records: u64,
    #[n(3)]
    lanes: Vec<(LaneId, Counted)>,
    #[n(4)]
    arrived: Vec<(DeviceId, WallMs)>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The arrival up to which times are known.
    arrival: u64,
    lanes: HashMap<LaneId, Counted>,
    arrived: BTreeMap<DeviceId, WallMs>,
    /// The records of the shards.
    records: u64,
    shards: BTreeMap<u8, Vec<u64>>,
    /// Records that may not be in their shards yet.
    fresh: BTreeSet<u64>,
    changed: BTreeSet<u8>,
    counted_since: u64,
    saved: WallMs,
}

impl Tally {
    /// Reads what the store has kept, or begins anew.
    pub(super) fn open(store: &dyn Store) -> Self {
        let stored = store.blob(SPACE, LANES).ok().flatten();
        let stored = stored.and_then(|bytes| cbor::from_canonical::<Stored>(&bytes).ok());
        let Some(stored) = stored.filter(|stored| stored.version == 1) else {
            let mut new = Self::default();
            new.begin_anew();
            return new;
        };
        let Stored { arrival, records, lanes, arrived, .. } = stored;
        let (lanes, arrived) = (lanes.into_iter().collect(), arrived.into_iter().collect());
        Self { arrival, lanes, arrived, records, ..Self::default() }
    }

    fn upto(&self, lane: &LaneId) -> u64 {
        self.lanes.get(lane).map_or(0, |counted| counted.upto)
    }

    /// Forgets all counts; the shards are empty and are to be written anew.
    fn begin_anew(&mut self) {
        let (arrival, arrived) = (self.arrival, std::mem::take(&mut self.arrived));
        let shards = (0..SHARDS).map(|shard| (shard, Vec::new())).collect();
        *self = Self { arrival, arrived, changed: (0..SHARDS).collect(), shards, ..Self::default() };
    }

    /// Returns when something last arrived that a device wrote.
    pub(super) fn arrived(&self, device: &DeviceId) -> Option<WallMs> {
        self.arrived.get(device).copied()
    }

    /// Returns the latest time that an entry of a lane claims.
    pub(super) fn latest(&self, lane: &LaneId) -> Option<WallMs> {
        self.lanes.get(lane).and_then(|counted| counted.latest)
    }

    /// Counts a run, if it goes on where counting has stopped.
    pub(super) fn count(&mut self, run: &Run, is_own: bool) {
        let counted = self.lanes.entry(run.lane).or_default();
        if run.start > counted.upto || run.end() <= counted.upto {
            return;
        }
        let known = usize::try_from(counted.upto - run.start).unwrap_or(usize::MAX);
        for (seq, entry) in (run.start..).zip(&run.entries).skip(known) {
            if is_own && seq.is_multiple_of(STEP) {
                counted.below.push(counted.writings);
            }
            counted.writings += u64::from(index::is_about_a_record(entry));
            counted.latest = counted.latest.max(index::time_of(entry).map(crate::base::Hlc::wall));
            if let Some(record) = index::record_of(entry) {
                self.fresh.insert(beginning(&record.0));
            }
            self.counted_since += 1;
        }
        counted.upto = run.end();
    }

    /// Puts the records that were met into their shards.
    fn settle(&mut self, store: &dyn Store) -> Result<(), ReplicaError> {
        while self.settle_some(store)? {}
        Ok(())
    }

    /// Puts those that were met of one shard into it; says whether there were any.
    fn settle_some(&mut self, store: &dyn Store) -> Result<bool, ReplicaError> {
        let Some(first) = self.fresh.first().copied() else { return Ok(false) };
        let shard = shard_of(first);
        let kept = match self.shards.entry(shard) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => {
                let bytes = store.blob(SPACE, &shard_key(shard))?.unwrap_or_default();
                let ids = bytes.chunks_exact(8);
                let mut ids: Vec<u64> =
                    ids.filter_map(|id| Some(u64::from_be_bytes(id.try_into().ok()?))).collect();
                ids.sort_unstable();
                ids.dedup();
                unread.insert(ids)
            }
        };
        let later = match shard_end(shard) {
            Some(end) => self.fresh.split_off(&end),
            None => BTreeSet::new(),
        };
        let met = std::mem::replace(&mut self.fresh, later);
        let new: Vec<u64> = met.into_iter().filter(|record| kept.binary_search(record).is_err()).collect();
        if !new.is_empty() {
            self.records += new.len() as u64;
            self.changed.insert(shard);
            kept.extend(new);
            kept.sort();
        }
        Ok(true)
    }

    /// The values to be kept.
    fn values(&self) -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let mut lanes: Vec<(LaneId, Counted)> =
            self.lanes.iter().map(|(id, counted)| (*id, counted.clone())).collect();
        lanes.sort_unstable_by_key(|(lane, _)| *lane);
        let arrived = self.arrived.iter().map(|(device, time)| (*device, *time)).collect();
        let (arrival, records) = (self.arrival, self.records);
        let stored = cbor::to_vec(&Stored { version: 1, arrival, records, lanes, arrived });
        let shards = self.changed.iter().filter_map(|shard| {
            let bytes = self.shards.get(shard)?.iter().flat_map(|record| record.to_be_bytes()).collect();
            Some((SPACE.to_owned(), shard_key(*shard), bytes))
        });
        shards.chain([(SPACE.to_owned(), LANES.to_vec(), stored)]).collect()
    }
}

impl Replica {
    /// Counts what is not counted yet, and returns how many records there are. Nobody waits meanwhile for more than one
    /// run to be counted.
    ///
    /// # Errors
    /// When the store fails otherwise than by damaged runs: what lies behind those is not counted until it is whole again.
    pub(super) fn count_all(&self) -> Result<u64, ReplicaError> {
        let lanes: Vec<(LaneId, bool, u64)> = {
            let (inner, me) = (self.lock(), self.me().device);
            inner.lanes.iter().map(|(lane, state)| (*lane, state.name.device == me, state.size())).collect()
        };
        {
            let mut tally = self.tally();
            if lanes.iter().any(|(lane, _, size)| tally.upto(lane) > *size) {
                // A fork has cut off what was counted.
                tally.begin_anew();
            }
        }
        for (lane, is_own, size) in &lanes {
            let mut from = self.tally().upto(lane);
            while from < *size {
                let runs = match self.store.runs(lane, from, READ_BYTES) {
                    Err(StoreError::DamagedRun { .. }) => break,
                    runs => runs?,
                };
                let mut tally = self.tally();
                runs.iter().for_each(|run| tally.count(run, *is_own));
                let counted = tally.upto(lane);
                if counted == from {
                    break;
                }
                from = counted;
            }
        }
        self.note_arrivals()?;
        let mut tally = self.tally();
        match tally.settle(&*self.store) {
            Err(ReplicaError::Store(StoreError::Damaged { .. })) => {
                tally.begin_anew();
                drop(tally);
                self.count_all()
            }
            settled => settled.map(|()| tally.records),
        }
    }

    /// Learns when something last arrived from whom.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn note_arrivals(&self) -> Result<(), ReplicaError> {
        loop {
            let after = self.tally().arrival;
            let page = self.store.arrivals(after, PAGE)?;
            let Some(last) = page.last().map(|last| last.no) else { return Ok(()) };
            let times: Vec<(DeviceId, WallMs)> = {
                let inner = self.lock();
                let timed = page.iter().filter_map(|arrival| Some((arrival.lane, arrival.time?)));
                timed.filter_map(|(lane, time)| Some((inner.lanes.get(&lane)?.name.device, time))).collect()
            };
            let mut tally = self.tally();
            for (device, time) in times {
                let known = tally.arrived.entry(device).or_default();
                *known = (*known).max(time);
            }
            tally.arrival = tally.arrival.max(last);
        }
    }

    /// Counts how many of the first entries of an own lane are about a record, below each of some places in order.
    ///
    /// # Errors
    /// When the store fails otherwise than by damaged runs, which are left out.
    pub(super) fn writings_below(&self, lane: &LaneId, places: &[u64]) -> Result<Vec<u64>, ReplicaError> {
        let counted = self.tally().lanes.get(lane).cloned().unwrap_or_default();
        let (mut counts, mut next, mut count) = (Vec::with_capacity(places.len()), 0, 0);
        for place in places {
            if *place >= counted.upto {
                counts.push(counted.writings);
                continue;
            }
            let (step, base) = (usize::try_from(place / STEP).unwrap_or(usize::MAX), place - place % STEP);
            if base > next {
                (next, count) = (base, counted.below.get(step).copied().unwrap_or_default());
            }
            while next < *place {
                let runs = match self.store.runs(lane, next, READ_BYTES / 8) {
                    Err(StoreError::DamagedRun { .. }) => break,
                    runs => runs?,
                };
                let Some(end) = runs.last().map(Run::end) else { break };
                let entries = runs.iter().flat_map(|run| (run.start..).zip(&run.entries));
                let entries = entries.filter(|(at, _)| (next..*place).contains(at));
                count += entries.filter(|(_, entry)| index::is_about_a_record(entry)).count() as u64;
                next = end.min(*place);
            }
            counts.push(count);
        }
        Ok(counts)
    }

    /// Keeps what is counted, if enough was counted since it was kept last.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn save_tally(&self) -> Result<(), ReplicaError> {
        let now = self.environment().now();
        let is_due = {
            let tally = self.tally();
            tally.counted_since >= SAVE_AFTER
                || tally.counted_since > 0 && now.0.saturating_sub(tally.saved.0) >= SAVE_EVERY_MS
        };
        if !is_due {
            return Ok(());
        }
        // Kept with the counts: whoever asks after the next start need not wait until all arrivals are read.
        self.note_arrivals()?;
        // One shard at a time: whoever reads what has arrived waits for the counts.
        while self.tally().settle_some(&*self.store)? {}
        let batch = {
            let mut tally = self.tally();
            tally.settle(&*self.store)?;
            let blobs = tally.values();
            (tally.counted_since, tally.saved) = (0, now);
            tally.changed.clear();
            Batch { blobs, ..Batch::default() }
        };
        if let Err(error) = self.store.commit(batch) {
            // What is kept no longer fits together: it is counted anew.
            self.tally().begin_anew();
            return Err(error.into());
        }
        Ok(())
    }
}

fn beginning(record: &[u8; 16]) -> u64 {
    u64::from_be_bytes(*record.first_chunk().expect("16 bytes hold 8"))
}

fn shard_of(record: u64) -> u8 {
    (record >> 58) as u8
}

/// Where the next shard's records begin; none after the last.
fn shard_end(shard: u8) -> Option<u64> {
    (shard + 1 < SHARDS).then(|| u64::from(shard + 1) << 58)
}

fn shard_key(shard: u8) -> Vec<u8> {
    [RECORDS, &[shard]].concat()
}
