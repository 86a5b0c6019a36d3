//! Reading lanes, arrivals and blobs: what is missing where it must be is damage.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::{RunCache, StoredRun};
use super::commit::blob_key;
use super::engine::decode;
use super::fault::Fault;
use super::rows::{
    ARRIVALS, ArrivalRow, BLOBS, BlobRow, Counts, META_COUNTS, RUNS, RunRowRef, run_key, start_of,
};
use super::view::{View, get};
use crate::base::LaneId;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Entry, Run, frame};
use crate::store::api::{Arrival, KeyedValue, Posting};
use crate::store::error::StoreError;
use crate::store::rules;
use crate::store::sealing::{Sealer, damaged, stamp_of};

/// Who reads so many bytes at once reads on, and does not come back.
const PASSING_BYTES_MIN: usize = 64 << 10;

/// Opens a run's row, and proves that it is the run of this place.
pub(super) fn decode_run(
    sealer: &Sealer,
    lane: &LaneId,
    start: u64,
    key: &[u8; 12],
    sealed: &[u8],
) -> Result<StoredRun, StoreError> {
    let plain = sealer.open("runs", key, sealed).ok();
    let row: Option<RunRowRef<'_>> = plain.as_deref().and_then(|plain| minicbor::decode(plain).ok());
    let stored = row.and_then(|row| {
        let run = frame::unpack_own(row.frame).ok()?;
        let fits = run.lane == *lane && run.start == start && run.end() == row.end;
        fits.then(|| StoredRun { run: Arc::new(run), before: row.before })
    });
    stored.ok_or(StoreError::DamagedRun { lane: *lane, start })
}

/// Whether runs that are unpacked stay in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They are likely to be read again.
    Cached,
    /// Much is read through once: it would drive out what is read again.
    Passing,
}

/// Visits the stored runs of a lane from the one that holds `from`, in order, until `visit` says `false` or the
/// trunk ends.
pub(super) fn walk(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    lane: &Lane,
    from: u64,
    keep: Keep,
    mut visit: impl FnMut(Arc<StoredRun>) -> bool,
) -> Result<(), Fault> {
    let size = lane.state.size();
    if from >= size {
        return Ok(());
    }
    let hole = |start| Fault::Store(StoreError::DamagedRun { lane: lane.id, start });
    let table = view.transaction.open_table(RUNS)?;
    let (low, high) = (run_key(lane.number, 0), run_key(lane.number, from));
    let first = table.range::<&[u8; 12]>(&low..=&high)?.next_back().transpose()?;
    let Some((first, _)) = first else { return Err(hole(0)) };
    let mut position = start_of(first.value());
    let (low, high) = (*first.value(), run_key(lane.number, u64::MAX));
    for row in table.range::<&[u8; 12]>(&low..=&high)? {
        if position >= size {
            break;
        }
        let (key, sealed) = row?;
        let start = start_of(key.value());
        if start != position {
            return Err(hole(position));
        }
        let stored = stored_at(view, cache, lane, key.value(), sealed.value(), keep)?;
        position = stored.run.end();
        if position > size {
            return Err(hole(start));
        }
        if position > from && !visit(stored) {
            return Ok(());
        }
    }
    if position < size { Err(hole(position)) } else { Ok(()) }
}

/// Opens a row of a lane, or takes it from the cache.
pub(super) fn stored_at(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    lane: &Lane,
    key: &[u8; 12],
    sealed: &[u8],
    keep: Keep,
) -> Result<Arc<StoredRun>, StoreError> {
    let start = start_of(key);
    let damaged = StoreError::DamagedRun { lane: lane.id, start };
    let stamp = stamp_of(sealed).ok_or(damaged)?;
    let cached = lock(cache).get(stamp, (lane.number, start));
    if let Some(stored) = cached {
        return Ok(stored);
    }
    let stored = Arc::new(decode_run(view.sealer, &lane.id, start, key, sealed)?);
    if keep == Keep::Cached {
        lock(cache).insert(stamp, (lane.number, start), stored.clone());
    }
    Ok(stored)
}

/// A lane as it is in a view.
pub(super) struct Lane {
    pub(super) id: LaneId,
    pub(super) number: u32,
    pub(super) state: LaneState,
}

impl Lane {
    /// Finds a lane.
    pub(super) fn find(view: &View<'_>, id: &LaneId) -> Result<Option<Self>, Fault> {
        Ok(view.lane(id)?.map(|(number, state)| Self { id: *id, number, state }))
    }
}

/// As `Store::runs`.
pub(super) fn runs(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    id: &LaneId,
    from: u64,
    limit_bytes: usize,
) -> Result<Vec<Run>, Fault> {
    let Some(lane) = Lane::find(view, id)? else { return Ok(Vec::new()) };
    let mut runs = Vec::new();
    let mut bytes = 0_usize;
    let keep = if limit_bytes < PASSING_BYTES_MIN { Keep::Cached } else { Keep::Passing };
    let walked = walk(view, cache, &lane, from, keep, |stored| {
        bytes = bytes.saturating_add(stored.run.body_bytes());
        if !runs.is_empty() && bytes > limit_bytes {
            return false;
        }
        let alone = Arc::try_unwrap(stored).map(|stored| stored.run);
        runs.push(Arc::unwrap_or_clone(alone.unwrap_or_else(|shared| shared.run.clone())));
        bytes < limit_bytes
    });
    match walked {
        Err(Fault::Store(StoreError::DamagedRun { .. })) if !runs.is_empty() => Ok(runs),
        Err(fault) => Err(fault),
        Ok(()) => Ok(runs),
    }
}

/// As `Store::run_with`.
pub(super) fn run_with(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    id: &LaneId,
    from: u64,
) -> Result<Option<Arc<Run>>, Fault> {
    let Some(lane) = Lane::find(view, id)? else { return Ok(None) };
    let mut found = None;
    walk(view, cache, &lane, from, Keep::Cached, |stored| {
        found = Some(stored.run.clone());
        false
    })?;
    Ok(found)
}

/// Returns an entry of a lane, `None` when the trunk does not hold it.
pub(super) fn entry(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    lane: &Lane,
    seq: u64,
) -> Result<Option<Entry>, Fault> {
    let stored = covering(view, cache, lane, seq)?;
    Ok(stored.and_then(|stored| {
        let index = usize::try_from(seq - stored.run.start).ok()?;
        stored.run.entries.get(index).cloned()
    }))
}

/// As `Store::entries`: the state of a lane is read once for places that stand together.
pub(super) fn entries(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    places: &[Posting],
) -> Result<Vec<Option<Entry>>, Fault> {
    let mut found = Vec::with_capacity(places.len());
    for of_lane in places.chunk_by(|a, b| a.lane == b.lane) {
        let lane = Lane::find(view, &of_lane[0].lane)?;
        for place in of_lane {
            found.push(match &lane {
                Some(lane) => entry(view, cache, lane, place.seq)?,
                None => None,
            });
        }
    }
    Ok(found)
}

/// Returns the run that holds an entry, `None` when the trunk does not.
pub(super) fn covering(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    lane: &Lane,
    seq: u64,
) -> Result<Option<Arc<StoredRun>>, Fault> {
    let mut found = None;
    walk(view, cache, lane, seq, Keep::Cached, |stored| {
        found = Some(stored);
        false
    })?;
    match found {
        Some(stored) if stored.run.start > seq => {
            Err(StoreError::DamagedRun { lane: lane.id, start: seq }.into())
        }
        found => Ok(found),
    }
}

/// As `Store::frontier_at`.
pub(super) fn frontier_at(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    id: &LaneId,
    seq: u64,
) -> Result<Frontier, Fault> {
    let lane = Lane::find(view, id)?;
    let held = lane.as_ref().map_or(0, |lane| lane.state.size());
    if seq > held {
        return Err(StoreError::NotHeld { lane: *id, asked: seq, held }.into());
    }
    let Some(lane) = lane.filter(|_| seq > 0) else { return Ok(Frontier::default()) };
    let lost = match covering(view, cache, &lane, seq) {
        Ok(Some(stored)) => return Ok(rules::frontier_within(&stored.before, &stored.run, seq)),
        Ok(None) => return Ok(lane.state.frontier),
        Err(Fault::Store(lost @ StoreError::DamagedRun { .. })) => lost,
        Err(fault) => return Err(fault),
    };
    // The run that ends there knows it, too: so a replica can say up to where a lane is whole that is damaged behind.
    match covering(view, cache, &lane, seq - 1)? {
        Some(stored) if stored.run.end() == seq => {
            Ok(rules::frontier_within(&stored.before, &stored.run, seq))
        }
        Some(_) | None => Err(lost.into()),
    }
}

/// As `Store::arrivals`.
pub(super) fn arrivals(view: &View<'_>, after: u64, limit: usize) -> Result<Vec<Arrival>, Fault> {
    let counts: Counts = view.meta(META_COUNTS)?;
    let last = counts.arrivals.min(after.saturating_add(limit as u64));
    if after >= last {
        return Ok(Vec::new());
    }
    let table = view.transaction.open_table(ARRIVALS)?;
    let mut sizes: std::collections::HashMap<u32, u64> = std::collections::HashMap::new();
    let mut arrivals = Vec::new();
    for row in table.range(after + 1..=last)? {
        let (key, sealed) = row?;
        let no = after + 1 + arrivals.len() as u64;
        let key_bytes = no.to_be_bytes();
        if key.value() != no {
            return Err(damaged("arrivals", &key_bytes).into());
        }
        let plain = view.sealer.open("arrivals", &key_bytes, sealed.value())?;
        let row: ArrivalRow = decode("arrivals", &key_bytes, &plain)?;
        let lane = view.directory.ids.get(row.lane as usize);
        let lane = *lane.ok_or_else(|| damaged("arrivals", &key_bytes))?;
        let size = match sizes.get(&row.lane) {
            Some(size) => *size,
            None => {
                let size = view.lane_state(row.lane)?.size();
                sizes.insert(row.lane, size);
                size
            }
        };
        arrivals.push(Arrival {
            no,
            lane,
            start: row.start.min(size),
            end: row.end.min(size),
            time: row.time,
        });
    }
    let expected = last - after;
    if arrivals.len() as u64 != expected {
        return Err(damaged("arrivals", &(after + 1 + arrivals.len() as u64).to_be_bytes()).into());
    }
    Ok(arrivals)
}

/// As `Store::blob`.
pub(super) fn blob(view: &View<'_>, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let place = blob_key(view.sealer, space, key);
    let table = view.transaction.open_table(BLOBS)?;
    let Some(plain) = get(&table, view.sealer, "blobs", &place, &place)? else { return Ok(None) };
    let row: BlobRow = decode("blobs", &place, &plain)?;
    if row.key == key { Ok(Some(row.value)) } else { Err(damaged("blobs", &place).into()) }
}

/// As `Store::blobs`.
pub(super) fn blobs(
    view: &View<'_>,
    space: &str,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<KeyedValue>, Fault> {
    use std::ops::Bound;
    let any = blob_key(view.sealer, space, &[]);
    let (mut low, mut high) = ([0; 24], [0xff; 24]);
    low[..8].copy_from_slice(&any[..8]);
    high[..8].copy_from_slice(&any[..8]);
    let after = after.map(|key| blob_key(view.sealer, space, key));
    let from = after.as_ref().map_or(Bound::Included(&low), Bound::Excluded);
    let table = view.transaction.open_table(BLOBS)?;
    let mut values = Vec::new();
    for row in table.range::<&[u8; 24]>((from, Bound::Included(&high)))?.take(limit) {
        let (place, sealed) = row?;
        let plain = view.sealer.open("blobs", place.value(), sealed.value())?;
        let row: BlobRow = decode("blobs", place.value(), &plain)?;
        values.push((row.key, row.value));
    }
    Ok(values)
}

/// Locks the cache; a panic elsewhere cannot have left it half changed in a way that matters.
pub(super) fn lock(cache: &Mutex<RunCache>) -> MutexGuard<'_, RunCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}
