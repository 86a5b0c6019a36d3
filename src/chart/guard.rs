//! The guard: what a change from a lane must satisfy before Automerge may see it.
//!
//! Automerge merges honest changes; a change that merely looks valid makes it panic, hang, abort or hold a
//! document that saves but never loads again. So each change is judged first, in this order:
//!
//! 1. its frame, sizes and checksum, without the library ([`ChartChange::parse`]);
//! 2. its actor is the one of the lane that brought it;
//! 3. all its dependencies are admitted, else it waits *here* (Automerge would queue it without limit);
//! 4. its sequence follows what it has seen of its actor, and is not taken;
//! 5. its first operation is one above the highest that it has seen;
//! 6. the library decodes it, computes the same hash, and encodes it again to the same bytes;
//! 7. its operations are ones that this program writes ([`SchemaError`]).
//!
//! Rules 4 to 7 look at the change's own history only, so replicas that hold more or less agree on them.
//! That a sequence is taken depends on the lane: the change that stands first in it counts.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::Change;

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::{ChartChange, ChunkError};
use super::genesis::genesis_actor;
use super::history::{History, Made};
use super::limits::{CHANGE_TIME_S_MAX, OPS_PER_CHART_MAX};
use super::schema::{self, SchemaError};

/// Says why a change was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The bytes are not the frame of a change.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The change is by another actor than its lane's device, or claims to be the genesis.
    #[error("admitting a chart change: its actor is not the one of its lane")]
    Actor,
    /// The change's time is outside 1970–9999.
    #[error("admitting a chart change: its time is out of range")]
    Time,
    /// The change names no dependency, which only the genesis does.
    #[error("admitting a chart change: it has no dependency")]
    NoDeps,
    /// The change's sequence is not one above what the change had seen of its own actor.
    #[error("admitting a chart change: sequence {found} where {expected} follows")]
    SeqGap {
        /// The sequence that follows what the change had seen.
        expected: u64,
        /// The sequence that it bears.
        found: u64,
    },
    /// The actor has already written another change of this sequence.
    #[error("admitting a chart change: sequence {seq} is taken by another change")]
    SeqTaken {
        /// The sequence.
        seq: u64,
    },
    /// The change's first operation is not one above the highest that the change had seen.
    #[error("admitting a chart change: first operation {found} where {expected} follows")]
    StartOp {
        /// The number that follows what the change had seen.
        expected: u64,
        /// The number that it bears.
        found: u64,
    },
    /// The change's operations exceed what one chart may hold.
    #[error("admitting a chart change: the chart would exceed {OPS_PER_CHART_MAX} operations")]
    ChartFull,
    /// The library cannot decode the change.
    #[error("admitting a chart change: its operations cannot be decoded")]
    Decode,
    /// The library encodes the change to other bytes or computes another hash.
    #[error("admitting a chart change: its encoding is not canonical")]
    NotCanonical,
    /// One of its operations is not one that this program writes.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The change passed all rules, yet the document with it cannot be applied, saved and loaded.
    #[error("admitting a chart change: the document with it would be spoiled")]
    Spoils,
}

/// A change that the guard has passed, for the history that it was checked against.
#[derive(Debug, Clone)]
pub(super) struct CheckedChange {
    /// The change in the library's form.
    pub(super) change: Change,
    /// What each of its operations makes.
    pub(super) made: Vec<Made>,
}

/// What the guard says of a change.
#[derive(Debug, Clone)]
pub(super) enum Verdict {
    /// It may be applied now.
    Pass(Box<CheckedChange>),
    /// It is in the chart already.
    Known,
    /// It waits for this change.
    Wait(ChangeHash),
    /// It will never be applied.
    Refuse(GuardError),
}

/// Judges a change from the lane of the device whose actor is `lane_actor`.
pub(super) fn check(history: &History, lane_actor: &ActorBytes, change: &ChartChange) -> Verdict {
    // What is known from its own lane is refused in another's, whichever of them is judged first.
    if history.has(&change.hash()) && change.actor() == lane_actor {
        return Verdict::Known;
    }
    match check_unknown(history, lane_actor, change) {
        Ok(verdict) => verdict,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

fn check_unknown(
    history: &History,
    lane_actor: &ActorBytes,
    change: &ChartChange,
) -> Result<Verdict, GuardError> {
    if change.actor() != lane_actor || *lane_actor == genesis_actor() {
        return Err(GuardError::Actor);
    }
    if !(0..=CHANGE_TIME_S_MAX).contains(&change.time_s()) {
        return Err(GuardError::Time);
    }
    if change.deps().is_empty() {
        return Err(GuardError::NoDeps);
    }
    let (seen, seen_max_op) = match history.seen_by(change.deps()) {
        Ok(seen) => seen,
        Err(missing) => return Ok(Verdict::Wait(missing)),
    };
    let (expected, found) = (seen.seq(history.actor_index_or_next(change.actor())) + 1, change.seq());
    if expected != found {
        return Err(GuardError::SeqGap { expected, found });
    }
    if found <= history.seq(change.actor()) {
        return Err(GuardError::SeqTaken { seq: found });
    }
    let (expected, found) = (seen_max_op + 1, change.start_op());
    if expected != found {
        return Err(GuardError::StartOp { expected, found });
    }
    if change.max_op() > OPS_PER_CHART_MAX {
        return Err(GuardError::ChartFull);
    }
    let (decoded, operations) = decode(change)?;
    let made = schema::judge(history, &seen, change.actor(), change.seq(), change.start_op(), &operations)?;
    Ok(Verdict::Pass(Box::new(CheckedChange { change: decoded, made })))
}

/// Decodes a change and encodes it again; the frame has bounded what that may allocate.
///
/// # Errors
///
/// When the library refuses or panics, or gives other bytes or another hash.
pub(super) fn decode(change: &ChartChange) -> Result<(Change, Vec<automerge::legacy::Op>), GuardError> {
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let decoded = Change::from_bytes(change.bytes().to_vec()).ok()?;
        let expanded = decoded.decode();
        let operations = expanded.operations.clone();
        let again = Change::from(expanded);
        Some((decoded, operations, again))
    }));
    let (decoded, operations, again) = decoded.ok().flatten().ok_or(GuardError::Decode)?;
    let same_header = decoded.hash().0 == change.hash().0
        && decoded.actor_id().to_bytes() == change.actor().as_bytes()
        && (decoded.seq(), decoded.start_op().get(), decoded.max_op())
            == (change.seq(), change.start_op(), change.max_op());
    if !same_header || again.raw_bytes() != change.bytes() {
        return Err(GuardError::NotCanonical);
    }
    Ok((decoded, operations))
}
