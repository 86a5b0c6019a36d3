//! What a batch has to satisfy, whatever the store: pure checks that all implementations share.

use super::error::StoreError;
use crate::base::LaneId;
use crate::lane::Run;
use crate::lane::admission::Forking;
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
