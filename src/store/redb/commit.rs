//! A batch becomes one durable commit: the path of every acknowledged write.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadableTable as _, Table};

use super::cache::StoredRun;
use super::engine::encode;
use super::fault::Fault;
use super::read::decode_run;
use super::rows::{
    ARRIVALS, ArrivalRow, BLOBS, BlobRow, Counts, META_COUNTS, RUNS, RunRow, run_key, start_of,
};
use super::view::{Change, put};
use crate::base::LaneId;
use crate::lane::admission::Forking;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Run, frame};
use crate::store::api::{Batch, Committed};
use crate::store::rules;
use crate::store::sealing::{Sealer, Stamp, stamp_of};

type Runs<'t> = Table<'t, &'static [u8; 12], &'static [u8]>;

/// From so many bytes on the runs of a batch are packed by two threads.
const PACKED_BY_TWO_BYTES: usize = 2 << 20;

/// A batch whose runs are packed: what takes time and needs no transaction.
pub(super) struct PackedBatch {
    batch: Batch,
    rows: Vec<Vec<u8>>,
    replacements: Vec<Option<Vec<u8>>>,
}

impl PackedBatch {
    /// Packs the runs of a batch.
    pub(super) fn new(batch: Batch) -> Self {
        let rows = pack_rows(&batch.advances);
        let replacements = batch
            .forks
            .iter()
            .map(|forking| forking.replace.as_ref().map(|(run, before)| pack_row(run, before)))
            .collect();
        Self { batch, rows, replacements }
    }

    /// Returns the runs that were added, as they will be read.
    pub(super) fn into_added(self) -> impl Iterator<Item = StoredRun> {
        self.batch.advances.into_iter().map(|(run, before, _)| StoredRun { run: Arc::new(run), before })
    }

    /// Says whether stored runs are replaced.
    pub(super) fn replaces(&self) -> bool {
        !self.batch.forks.is_empty()
    }
}

/// Packs runs into their rows: on two threads where that is work for two.
fn pack_rows(advances: &[(Run, Frontier, LaneState)]) -> Vec<Vec<u8>> {
    let pack = |advances: &[(Run, Frontier, LaneState)]| -> Vec<Vec<u8>> {
        advances.iter().map(|(run, before, _)| pack_row(run, before)).collect()
    };
    let bytes: usize = advances.iter().map(|(run, _, _)| run.body_bytes()).sum();
    if bytes < PACKED_BY_TWO_BYTES {
        return pack(advances);
    }
    let mut first = 0;
    let half = advances.iter().take_while(|(run, _, _)| {
        first += run.body_bytes();
        first <= bytes / 2
    });
    let (first, second) = advances.split_at(half.count());
    let mut rows = Vec::with_capacity(advances.len());
    std::thread::scope(|threads| {
        let other = std::thread::Builder::new().spawn_scoped(threads, || pack(second));
        rows.extend(pack(first));
        rows.extend(match other.map(|other| other.join()) {
            Ok(Ok(packed)) => packed,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => pack(second),
        });
    });
    rows
}

/// Packs a run into its row.
pub(super) fn pack_row(run: &Run, before: &Frontier) -> Vec<u8> {
    encode(&RunRow { end: run.end(), before: before.clone(), frame: frame::pack(run) })
}

/// Writes a batch: first everything is checked and numbered, then written. Returns the number of each advance's lane and the
/// stamp of its row, too.
pub(super) fn write(
    change: &mut Change<'_>,
    packed: &PackedBatch,
) -> Result<(Committed, Vec<(u32, Stamp)>), Fault> {
    let batch = &packed.batch;
    let mut counts = change.counts()?;
    let first_arrival = counts.arrivals + 1;
    let lanes = number_lanes(change, batch, &mut counts)?;
    let stamps = write_runs(change, packed, &lanes, &mut counts)?;
    for (number, state) in lanes.values() {
        change.put_lane(*number, state)?;
    }
    for (name, value) in &batch.named {
        change.put_named(name, value)?;
    }
    write_blobs(change, batch)?;
    change.put_meta(META_COUNTS, &counts)?;
    let numbers = batch.advances.iter().map(|(run, _, _)| lanes[&run.lane].0).zip(stamps).collect();
    Ok((Committed { first_arrival, last_arrival: counts.arrivals }, numbers))
}

/// Writes the line of an arrival.
pub(super) fn put_arrival(
    table: &mut Table<'_, u64, &'static [u8]>,
    sealer: &Sealer,
    counts: &mut Counts,
    row: ArrivalRow,
) -> Result<(), Fault> {
    counts.arrivals += 1;
    let key = counts.arrivals.to_be_bytes();
    put(table, sealer, "arrivals", counts.arrivals, &key, &encode(&row))
}

/// The key of a blob: its space's hash, then its own.
pub(super) fn blob_key(sealer: &Sealer, space: &str, key: &[u8]) -> [u8; 24] {
    let mut place = [0; 24];
    place[..8].copy_from_slice(&sealer.keyed_hash("space", space.as_bytes())[..8]);
    place[8..].copy_from_slice(&sealer.keyed_hash(&format!("blob/{space}"), key));
    place
}

/// Checks each advance and fork against its lane as the batch itself changes it; returns every lane's number
/// and last state.
fn number_lanes(
    change: &mut Change<'_>,
    batch: &Batch,
    counts: &mut Counts,
) -> Result<BTreeMap<LaneId, (u32, LaneState)>, Fault> {
    let mut lanes: BTreeMap<LaneId, (u32, LaneState)> = BTreeMap::new();
    let mut step = |change: &mut Change<'_>, id: LaneId, after: &LaneState, check: Check<'_>| {
        let known = match lanes.remove(&id) {
            Some(known) => Some(known),
            None => match change.lane_number(&id) {
                Some(number) => Some((number, change.lane_state(number)?)),
                None => None,
            },
        };
        let before = known.as_ref().map(|(_, state)| state);
        match check {
            Check::Advance(run, frontier) => rules::check_advance(before, run, frontier, after)?,
            Check::Fork(forking) => rules::check_fork(before, forking)?,
        }
        let held = before.map_or(0, LaneState::size);
        counts.entries = (counts.entries + after.size()).saturating_sub(held);
        let number = match known {
            Some((number, _)) => number,
            None => {
                counts.lanes += 1;
                change.add_lane(id)?
            }
        };
        lanes.insert(id, (number, after.clone()));
        Ok::<(), Fault>(())
    };
    for (run, before, after) in &batch.advances {
        step(change, run.lane, after, Check::Advance(run, before))?;
    }
    for forking in &batch.forks {
        step(change, forking.state.id(), &forking.state, Check::Fork(forking))?;
    }
    Ok(lanes)
}

enum Check<'a> {
    Advance(&'a Run, &'a Frontier),
    Fork(&'a Forking),
}

fn write_runs(
    change: &Change<'_>,
    packed: &PackedBatch,
    lanes: &BTreeMap<LaneId, (u32, LaneState)>,
    counts: &mut Counts,
) -> Result<Vec<Stamp>, Fault> {
    let mut stamps = Vec::with_capacity(packed.rows.len());
    if lanes.is_empty() {
        return Ok(stamps);
    }
    let sealer = change.sealer;
    let mut runs = change.transaction.open_table(RUNS)?;
    let mut arrivals = change.transaction.open_table(ARRIVALS)?;
    let time = packed.batch.time;
    for ((run, _, _), row) in packed.batch.advances.iter().zip(&packed.rows) {
        let lane = lanes[&run.lane].0;
        stamps.push(put_run(&mut runs, sealer, lane, run.start, row)?.0);
        counts.runs += 1;
        let (start, end) = (run.start, run.end());
        put_arrival(&mut arrivals, sealer, counts, ArrivalRow { lane, start, end, time })?;
    }
    for (forking, replacement) in packed.batch.forks.iter().zip(&packed.replacements) {
        let lane = lanes[&forking.state.id()].0;
        cut(&mut runs, sealer, lane, forking, replacement.as_deref(), counts)?;
        let size = forking.state.size();
        put_arrival(&mut arrivals, sealer, counts, ArrivalRow { lane, start: size, end: size, time })?;
    }
    Ok(stamps)
}

/// Writes a run at its place; returns the stamp of its row, and how many bytes that has.
pub(super) fn put_run(
    runs: &mut Runs<'_>,
    sealer: &Sealer,
    lane: u32,
    start: u64,
    row: &[u8],
) -> Result<(Stamp, u64), Fault> {
    let key = run_key(lane, start);
    let sealed = sealer.seal("runs", &key, row)?;
    runs.insert(&key, sealed.as_slice())?;
    let stamp = stamp_of(&sealed).expect("what was sealed begins with version and nonce");
    Ok((stamp, sealed.len() as u64))
}

/// Removes the runs of a lane that begin in `from..to`; returns how many.
pub(super) fn remove_runs(runs: &mut Runs<'_>, lane: u32, from: u64, to: u64) -> Result<u64, Fault> {
    let (low, high) = (run_key(lane, from), run_key(lane, to));
    let mut keys = Vec::new();
    for row in runs.range::<&[u8; 12]>(&low..&high)? {
        keys.push(*row?.0.value());
    }
    for key in &keys {
        runs.remove(key)?;
    }
    Ok(keys.len() as u64)
}

/// Cuts a lane's trunk: drops the runs above, puts the one in which the cut lies.
fn cut(
    runs: &mut Runs<'_>,
    sealer: &Sealer,
    lane: u32,
    forking: &Forking,
    replacement: Option<&[u8]>,
    counts: &mut Counts,
) -> Result<(), Fault> {
    let id = forking.state.id();
    let kept = forking.replace.as_ref().map_or(forking.state.size(), |(run, _)| run.start);
    if kept > 0 {
        let (low, high) = (run_key(lane, 0), run_key(lane, kept));
        let last = runs.range::<&[u8; 12]>(&low..&high)?.next_back().transpose()?;
        let end = last.and_then(|(key, sealed)| {
            decode_run(sealer, &id, start_of(key.value()), key.value(), sealed.value()).ok()
        });
        // A damaged run below the cut is not this commit's matter.
        if end.is_some_and(|stored| stored.run.end() != kept) {
            return Err(rules::bad(&id, "the fork cuts through a run that it does not replace").into());
        }
    }
    counts.runs = counts.runs.saturating_sub(remove_runs(runs, lane, kept, u64::MAX)?);
    if let (Some((run, _)), Some(row)) = (&forking.replace, replacement) {
        put_run(runs, sealer, lane, run.start, row)?;
        counts.runs += 1;
    }
    Ok(())
}

fn write_blobs(change: &Change<'_>, batch: &Batch) -> Result<(), Fault> {
    if batch.blobs.is_empty() && batch.blobs_removed.is_empty() {
        return Ok(());
    }
    let mut blobs = change.transaction.open_table(BLOBS)?;
    for (space, key) in &batch.blobs_removed {
        blobs.remove(&blob_key(change.sealer, space, key))?;
    }
    for (space, key, value) in &batch.blobs {
        let place = blob_key(change.sealer, space, key);
        let row = encode(&BlobRow { key: key.clone(), value: value.clone() });
        put(&mut blobs, change.sealer, "blobs", &place, &place, &row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::SampleLane;

    #[test]
    fn two_threads_pack_what_one_would_in_the_same_order() {
        let mut lane = SampleLane::new(1);
        let mut advances = Vec::new();
        for number in 0..100_u8 {
            for appended in lane.append([vec![number; 1 + usize::from(number) * 600]]) {
                advances.push((appended.run, appended.before, appended.state));
            }
        }
        let rows: Vec<Vec<u8>> = advances.iter().map(|(run, before, _)| pack_row(run, before)).collect();
        let bytes: usize = advances.iter().map(|(run, _, _)| run.body_bytes()).sum();
        assert!(bytes > PACKED_BY_TWO_BYTES && pack_rows(&advances) == rows);
        assert!(pack_rows(&advances[..9]) == rows[..9]);
        let largest = advances.len() - 1;
        assert!(pack_rows(&advances[largest..]) == rows[largest..]);
    }
}
