//! Repacking: neighbouring small runs become one, row by row, if they are still the rows that were read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use redb::ReadableTable as _;

use super::cache::{RunCache, StoredRun};
use super::commit::{pack_row, put_run};
use super::fault::Fault;
use super::read::{Keep, Lane, lock, stored_at};
use super::rows::{META_COUNTS, RUNS, run_key, start_of};
use super::view::{Change, View};
use crate::base::LaneId;
use crate::lane::Run;
use crate::store::api::Repacked;
use crate::store::repacking::{Group, JOINABLE_ROW_BYTES_MAX, Step, beginning};
use crate::store::sealing::{Stamp, stamp_of};

/// What a step would replace.
pub(super) struct Plan {
    lane: u32,
    groups: Vec<(Group, Vec<Stamp>, Vec<u8>)>,
    pub(super) next: Option<u64>,
}

impl Plan {
    /// Says whether nothing is to be replaced.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Looks for what is worth joining, and packs it.
pub(super) fn plan(
    view: &View<'_>,
    cache: &Mutex<RunCache>,
    id: &LaneId,
    from: u64,
) -> Result<Option<Plan>, Fault> {
    let Some(lane) = Lane::find(view, id)? else { return Ok(None) };
    let size = lane.state.size();
    if lane.state.fork.is_some() || from >= size {
        return Ok(None);
    }
    let table = view.transaction.open_table(RUNS)?;
    let (low, high) = (run_key(lane.number, 0), run_key(lane.number, from));
    let stored = |key: &[u8; 12], sealed: &[u8]| {
        let joinable = sealed.len() <= JOINABLE_ROW_BYTES_MAX;
        let stored =
            joinable.then(|| stored_at(view, cache, &lane, key, sealed, Keep::Cached).ok()).flatten();
        stored.filter(|stored| stored.run.end() <= size)
    };
    let back = table.range::<&[u8; 12]>(&low..=&high)?.rev().map_while(Result::ok).map(|(key, sealed)| {
        let bytes = stored(key.value(), sealed.value()).map(|stored| stored.run.body_bytes());
        (start_of(key.value()), bytes)
    });
    let begin = beginning(back).unwrap_or(from);
    let (low, high) = (run_key(lane.number, begin), run_key(lane.number, size - 1));
    let (mut step, mut stamps, mut stopped) = (Step::default(), BTreeMap::new(), None);
    for row in table.range::<&[u8; 12]>(&low..=&high)? {
        let (key, sealed) = row?;
        let start = start_of(key.value());
        if !step.goes_on() {
            stopped = Some(start);
            break;
        }
        let sealed = sealed.value();
        match stored(key.value(), sealed) {
            Some(stored) => {
                stamps.extend(stamp_of(sealed).map(|stamp| (start, stamp)));
                step.take(Run::clone(&stored.run), stored.before.clone());
            }
            None => step.part(),
        }
    }
    let (groups, open) = step.end();
    let packed = groups.into_iter().map(|group| {
        let row = pack_row(&group.run, &group.before);
        let stamps = group.starts.iter().map(|start| stamps[start]).collect();
        (group, stamps, row)
    });
    // Where the step stopped for its size the last group goes on, unless it was all that there was.
    let next = stopped.map(|stopped| open.filter(|open| *open > from).unwrap_or(stopped).max(from + 1));
    Ok(Some(Plan { lane: lane.number, groups: packed.collect(), next }))
}

/// What was written in place of others, and where.
pub(super) struct Replaced {
    start: u64,
    stamp: Stamp,
    run: StoredRun,
}

/// Replaces what is still as it was read.
pub(super) fn replace(change: &mut Change<'_>, plan: &Plan) -> Result<(Repacked, Vec<Replaced>), Fault> {
    let mut done = Repacked { next: plan.next, ..Repacked::default() };
    let mut stored = Vec::new();
    let mut counts = change.counts()?;
    {
        let mut runs = change.transaction.open_table(RUNS)?;
        for (group, stamps, row) in &plan.groups {
            let mut bytes = 0;
            let mut same = true;
            for (start, stamp) in group.starts.iter().zip(stamps) {
                let sealed = runs.get(&run_key(plan.lane, *start))?;
                same &= sealed.as_ref().is_some_and(|sealed| stamp_of(sealed.value()) == Some(*stamp));
                bytes += sealed.map_or(0, |sealed| sealed.value().len() as u64);
            }
            if !same {
                continue;
            }
            for start in &group.starts {
                runs.remove(&run_key(plan.lane, *start))?;
            }
            let (stamp, written) = put_run(&mut runs, change.sealer, plan.lane, group.run.start, row)?;
            done.runs_before += group.starts.len() as u64;
            done.runs_after += 1;
            done.bytes_before += bytes;
            done.bytes_after += written;
            let (run, before) = (Arc::new(group.run.clone()), group.before.clone());
            stored.push(Replaced { start: group.run.start, stamp, run: StoredRun { run, before } });
        }
    }
    counts.runs = (counts.runs + done.runs_after).saturating_sub(done.runs_before);
    change.put_meta(META_COUNTS, &counts)?;
    Ok((done, stored))
}

/// Keeps what was written in place of what was replaced.
pub(super) fn remember(cache: &Mutex<RunCache>, plan: &Plan, stored: Vec<Replaced>) {
    let mut cache = lock(cache);
    for start in plan.groups.iter().flat_map(|(group, _, _)| &group.starts) {
        cache.forget((plan.lane, *start));
    }
    for Replaced { start, stamp, run } in stored {
        cache.insert(stamp, (plan.lane, start), Arc::new(run));
    }
}
