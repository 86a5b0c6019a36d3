//! Finding what cannot be read any more, and putting it back.

use std::ops::Range;
use std::sync::Arc;

use redb::ReadableTable as _;

use super::blocks;
use super::commit::{pack_row, put_arrival, put_run, remove_runs};
use super::fault::Fault;
use super::read::{Lane, decode_run};
use super::rows::{ARRIVALS, ArrivalRow, META_COUNTS, RUNS, RUNS_IN_ORDER, run_key, start_of};
use super::view::{Change, View};
use crate::base::LaneId;
use crate::lane::Run;
use crate::store::api::{Committed, DamagedRun, Healed};
use crate::store::fitting::{Around, fit};
use crate::store::rules;

/// Says whether every run is where a search for its key finds it. The database does not look at its pages when it
/// reads them: a key that rotted in the middle of a page leads searches for its neighbours astray, although they are
/// whole.
pub(super) fn is_in_order(view: &View<'_>) -> Result<bool, Fault> {
    let table = view.transaction.open_table(RUNS)?;
    let mut before: Option<[u8; 12]> = None;
    for row in table.iter()? {
        let key = *row?.0.value();
        if before.is_some_and(|before| before >= key) || table.get(&key)?.is_none() {
            return Ok(false);
        }
        before = Some(key);
    }
    Ok(true)
}

/// Writes the table of runs anew, in order, without the rows that cannot be read: a scrub names what they held. Drops the
/// index, which may have passed over runs that no search found.
pub(super) fn put_in_order(change: &mut Change<'_>) -> Result<(), Fault> {
    let mut counts = change.counts()?;
    counts.runs = 0;
    {
        let old = change.transaction.open_table(RUNS)?;
        let mut new = change.transaction.open_table(RUNS_IN_ORDER)?;
        for row in old.iter()? {
            let (key, sealed) = row?;
            // A row opens only under the key with which it was sealed.
            if change.sealer.open("runs", key.value(), sealed.value()).is_ok()
                && new.insert(key.value(), sealed.value())?.is_none()
            {
                counts.runs += 1;
            }
        }
    }
    change.transaction.delete_table(RUNS)?;
    change.transaction.rename_table(RUNS_IN_ORDER, RUNS)?;
    blocks::clear(change)?;
    change.put_meta(META_COUNTS, &counts)
}

/// Reads every run of a lane and adds what cannot be read to `found`, neighbours as one, up to `limit`.
pub(super) fn scrub_lane(
    view: &View<'_>,
    id: &LaneId,
    limit: usize,
    found: &mut Vec<DamagedRun>,
) -> Result<(), Fault> {
    let lane = match Lane::find(view, id) {
        Ok(Some(lane)) => lane,
        Ok(None) => return Ok(()),
        Err(Fault::Store(_)) => {
            found.push(DamagedRun { lane: *id, start: 0, end: u64::MAX });
            return Ok(());
        }
        Err(fault) => return Err(fault),
    };
    let size = lane.state.size();
    let mut lost = |start: u64, end: u64| {
        match found.last_mut() {
            Some(last) if last.lane == *id && last.end == start => last.end = end,
            Some(_) | None => found.push(DamagedRun { lane: *id, start, end }),
        }
        found.len() < limit
    };
    let table = view.transaction.open_table(RUNS)?;
    let (low, high) = (run_key(lane.number, 0), run_key(lane.number, u64::MAX));
    // Everything below `position` is known to be good or has been named; `last` is where the run below it begins.
    let (mut position, mut last) = (0, 0);
    for row in table.range::<&[u8; 12]>(&low..=&high)? {
        let (key, sealed) = row?;
        let start = start_of(key.value());
        // No run begins there: a key that rotted. The place that it had is named all the same.
        if start >= size {
            continue;
        }
        if start > position && !lost(position, start) {
            return Ok(());
        }
        let decoded = decode_run(view.sealer, id, start, key.value(), sealed.value()).ok();
        let end = decoded.map_or(start, |stored| stored.run.end());
        // Runs that overlap are not read: both are fetched again.
        if start < position && !lost(last, position.max(end)) {
            return Ok(());
        }
        (position, last) = (position.max(end), start);
    }
    if position < size {
        lost(position, size);
    }
    Ok(())
}

/// As `Store::heal`.
pub(super) fn heal(change: &mut Change<'_>, run: &Run) -> Result<Healed, Fault> {
    let id = run.lane;
    let Some(lane) = change.lane_number(&id) else {
        return Err(rules::bad(&id, "nothing of this lane was lost here").into());
    };
    let state = change.lane_state(lane)?;
    let fitted = fit(&state, run, &around(change, lane, run)?)?;
    let replaced = fitted.replaced();
    let mut counts = change.counts()?;
    let first_arrival = counts.arrivals + 1;
    {
        let mut runs = change.transaction.open_table(RUNS)?;
        let removed = remove_runs(&mut runs, lane, replaced.start, replaced.end)?;
        for (run, before) in &fitted.runs {
            put_run(&mut runs, change.sealer, lane, run.start, &pack_row(run, before))?;
        }
        counts.runs = (counts.runs + fitted.runs.len() as u64).saturating_sub(removed);
        let mut arrivals = change.transaction.open_table(ARRIVALS)?;
        for Range { start, end } in fitted.arrivals() {
            let row = ArrivalRow { lane, start, end, time: None };
            put_arrival(&mut arrivals, change.sealer, &mut counts, row)?;
        }
    }
    change.put_meta(META_COUNTS, &counts)?;
    let committed = Committed { first_arrival, last_arrival: counts.arrivals };
    Ok(Healed { committed, whole: fitted.whole })
}

/// Reads what is at rest around a run: from the last row before it that ends at or before its start to the first behind it.
fn around(change: &Change<'_>, lane: u32, run: &Run) -> Result<Around, Fault> {
    let table = change.transaction.open_table(RUNS)?;
    let (low, high) = (run_key(lane, 0), run_key(lane, run.start));
    let first = table.range::<&[u8; 12]>(&low..=&high)?.rev().take(2).last().transpose()?;
    let low = first.map_or(low, |(key, _)| *key.value());
    let high = run_key(lane, run.end());
    let mut around = Around::default();
    for row in table.range::<&[u8; 12]>(&low..=&high)? {
        let (key, sealed) = row?;
        let start = start_of(key.value());
        // Runs that overlap are not read: both are put back.
        if let Some((before, _)) = around.held.pop_if(|(held, _)| held.end() > start) {
            around.lost.push(before.start);
        }
        match decode_run(change.sealer, &run.lane, start, key.value(), sealed.value()) {
            Ok(stored) => around.held.push((Arc::unwrap_or_clone(stored.run), stored.before)),
            Err(_) => around.lost.push(start),
        }
    }
    Ok(around)
}
