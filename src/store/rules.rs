//! What a batch has to satisfy, whatever the store: pure checks that all implementations share.

use super::error::StoreError;
use crate::base::LaneId;
use crate::lane::Run;
use crate::lane::admission::Forking;
use crate::lane::checkpoint;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;

/// Returns the frontier at `seq`, which lies within the run or at its end.
pub fn frontier_within(before: &Frontier, run: &Run, seq: u64) -> Frontier {
    let mut frontier = before.clone();
    for entry in run.entries.iter().take(seq.saturating_sub(run.start) as usize) {
        frontier.push(&entry.leaf());
    }
    frontier
}

/// Checks that an advance continues the lane as it is now.
///
/// # Errors
/// [`StoreError::Stale`] when the lane has moved on; [`StoreError::BadBatch`] when run, frontier and state do
/// not belong together.
pub fn check_advance(
    current: Option<&LaneState>,
    run: &Run,
    before: &Frontier,
    after: &LaneState,
) -> Result<(), StoreError> {
    let empty = Frontier::default();
    let held = current.map_or(&empty, |state| &state.frontier);
    if run.start != held.size() || before != held {
        return Err(StoreError::Stale { lane: run.lane, held: held.size(), start: run.start });
    }
    if run.entries.is_empty() || after.id() != run.lane || after.size() != run.end() {
        return Err(bad(&run.lane, "run and state do not belong together"));
    }
    Ok(())
}

/// Checks that a fork's parts belong together and that it does not lengthen the trunk.
///
/// # Errors
/// [`StoreError::BadBatch`].
pub fn check_fork(current: Option<&LaneState>, forking: &Forking) -> Result<(), StoreError> {
    let lane = forking.state.id();
    let held = current.map_or(0, LaneState::size);
    let size = forking.state.size();
    if size > held {
        return Err(bad(&lane, "a fork cannot lengthen the trunk"));
    }
    let fits = match &forking.replace {
        Some((run, before)) => {
            run.lane == lane
                && !run.entries.is_empty()
                && run.start == before.size()
                && run.start <= forking.truncate_to
                && run.end() == size
        }
        None => size <= forking.truncate_to,
    };
    if fits { Ok(()) } else { Err(bad(&lane, "the fork's cut and its replaced run do not belong together")) }
}

/// Says that a batch is wrong for a lane.
pub fn bad(lane: &LaneId, why: &str) -> StoreError {
    StoreError::BadBatch { why: format!("lane {}: {why}", lane.short()) }
}

/// What is known of a lane at rest around a damaged place: the boundaries between its runs, ascending, each
/// with the frontier there when it can still be read.
pub type Boundaries = Vec<(u64, Option<Frontier>)>;

/// Cuts a run that was fetched again to the boundaries of what was lost, and proves it: its leaves lead from
/// the frontier at its start to the frontier at its end; where that cannot be read, to a root that the lane's
/// device has signed.
///
/// # Errors
/// [`StoreError::BadBatch`] when there is no such cut or the proof fails.
pub fn fit_healed(state: &LaneState, run: Run, known: &Boundaries) -> Result<(Run, Frontier), StoreError> {
    let lane = run.lane;
    let starts = known
        .iter()
        .find(|(at, frontier)| *at >= run.start && *at < run.end() && (frontier.is_some() || *at == 0));
    let Some((begin, before)) = starts else {
        return Err(bad(&lane, "the run begins in the middle of what was lost"));
    };
    let before = before.clone().unwrap_or_default();
    let ends = known
        .iter()
        .rev()
        .find(|(at, _)| at > begin && run.checkpoints.iter().any(|checkpoint| checkpoint.size == *at));
    let Some((end, after)) = ends else {
        return Err(bad(&lane, "the run has no checkpoint where what was lost ends"));
    };
    let cut = cut_run(run, *begin, *end);
    let reached = frontier_within(&before, &cut, *end);
    let proven = match after {
        Some(after) => reached == *after,
        None => cut
            .checkpoints
            .last()
            .is_some_and(|last| checkpoint::verify(&state.name.device, &lane, last, &reached.root())),
    };
    if proven { Ok((cut, before)) } else { Err(bad(&lane, "the run is not what was lost")) }
}

/// Cuts a run to `begin..end`, both within it.
fn cut_run(mut run: Run, begin: u64, end: u64) -> Run {
    run.entries.truncate(end.saturating_sub(run.start) as usize);
    run.entries.drain(..(begin.saturating_sub(run.start) as usize).min(run.entries.len()));
    run.checkpoints.retain(|checkpoint| checkpoint.size > begin && checkpoint.size <= end);
    run.start = begin;
    run
}

/// Checks that the index's cursor moves forward and not beyond what has arrived.
///
/// # Errors
/// [`StoreError::BadBatch`].
pub fn check_cursor(cursor: u64, upto: u64, last_arrival: u64) -> Result<(), StoreError> {
    if upto < cursor || upto > last_arrival {
        let why = format!("the index stands at arrival {cursor} of {last_arrival}, asked to move to {upto}");
        return Err(StoreError::BadBatch { why });
    }
    Ok(())
}
