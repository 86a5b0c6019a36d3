//! Healing: what rotted on this disk is found by reading everything, and fetched again from a peer.
//!
//! A session tells its peer that a damaged lane ends before the damage, so the peer sends what comes after; the run
//! that was lost is then put back where it was, if its leaves lead to the tree that this lane already has.

use std::ops::Range;

use super::admit::Outcome;
use super::core::{Inner, Replica};
use super::error::ReplicaError;
use crate::base::LaneId;
use crate::lane::{Admission, Frontier, Head, LaneState, Run, admit};
use crate::store::{Batch, DamagedRun, StoreError, StoreLog};

/// Most damaged ranges that are remembered at a time; the next scrub names the others.
pub(super) const DAMAGED_MAX: usize = 4_096;

/// The store's name for whether something could not be read.
const DAMAGE_SEEN: &str = "damage-seen";

impl Replica {
    /// Reads every run and remembers those that cannot be read, to be fetched again from the next peer.
    ///
    /// # Errors
    /// When the disk fails otherwise than by damaged values.
    pub fn scrub(&self) -> Result<Vec<DamagedRun>, ReplicaError> {
        let damaged = self.store().scrub(DAMAGED_MAX)?;
        for run in &damaged {
            let lane = run.lane.short();
            tracing::error!(%lane, from = run.start, to = run.end, "entries cannot be read; the next peer is asked for them");
        }
        {
            let mut inner = self.lock();
            inner.damaged.clone_from(&damaged);
            inner.damage_found += u64::from(!damaged.is_empty());
        }
        self.note_damage(!damaged.is_empty())?;
        Ok(damaged)
    }

    /// Notes in the store that something could not be read, or that all is whole again, so that the next sync knows
    /// whether to look for what rotted; reading everything each time would take too long.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn note_damage(&self, seen: bool) -> Result<(), ReplicaError> {
        if self.is_damage_noted()? != seen {
            let named = vec![(DAMAGE_SEEN.to_owned(), vec![u8::from(seen)])];
            self.store().commit(Batch { named, ..Batch::default() })?;
        }
        Ok(())
    }

    /// Says whether something could not be read since the store was last found whole.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn is_damage_noted(&self) -> Result<bool, ReplicaError> {
        Ok(self.store().named(DAMAGE_SEEN)?.is_some_and(|value| value == [1]))
    }

    /// Returns what is known to be damaged.
    pub fn damaged(&self) -> Vec<DamagedRun> {
        self.lock().damaged.clone()
    }

    /// Returns how many scrubs have found damage.
    pub(super) fn damage_found(&self) -> u64 {
        self.lock().damage_found
    }

    /// Returns the head to tell of a lane: of a damaged one, as if it ended before the damage.
    pub(super) fn told_head(&self, state: &LaneState, damaged: &[DamagedRun]) -> Head {
        if damaged.is_empty() {
            return state.head();
        }
        let id = state.id();
        let start = damaged.iter().filter(|run| run.lane == id).map(|run| run.start).min();
        let cut = start.and_then(|size| {
            let root = self.store().frontier_at(&id, size).ok()?.root();
            Some(Head::Straight { size, root })
        });
        cut.unwrap_or_else(|| state.head())
    }

    /// Puts back what was lost, if a run holds it. Returns the outcome, unless admission has more to decide: where a run
    /// overlaps what cannot be read, admission could not compare the two.
    pub(super) fn heal(&self, inner: &mut Inner, run: &Run) -> Result<Option<Outcome>, ReplicaError> {
        if !overlaps(&inner.damaged, run) {
            return Ok(None);
        }
        // Several runs in a row were lost: no tree is known between them, only before and after all.
        let before = inner.gathered.take_if(|before| before.lane == run.lane);
        let mut all = before.and_then(|before| joined(before, run)).unwrap_or_else(|| run.clone());
        let mut whole = self.put_back(&all)?;
        if whole.is_none() && all.start < run.start {
            whole = self.put_back(run)?;
        }
        if whole.is_none() && self.advance_beyond(inner, run)? {
            whole = self.put_back(&all)?;
        }
        let Some(Range { start, end }) = whole else {
            // Not what was lost here, or not all of it yet.
            inner.gathered = Some(all);
            return Ok(self.stands(inner, &run.lane));
        };
        inner.damaged = remaining(&inner.damaged, &run.lane, start, end);
        all.trim_start(end);
        if overlaps(&inner.damaged, &all) {
            // What is behind it goes together with what is still to come.
            inner.gathered = Some(all);
        }
        tracing::info!(lane = %run.lane.short(), from = start, to = end, "entries were fetched again");
        let goes_on = inner.lanes.get(&run.lane).is_some_and(|state| run.end() > state.size());
        if goes_on && !overlaps(&inner.damaged, run) {
            return Ok(None);
        }
        Ok(self.stands(inner, &run.lane))
    }

    /// Takes what a run holds beyond the lane's end, while what is below cannot be read: its checkpoint may be the only one
    /// that vouches for what was lost at the end. Says whether the lane has advanced.
    fn advance_beyond(&self, inner: &mut Inner, run: &Run) -> Result<bool, ReplicaError> {
        let Some(state) = inner.lanes.get(&run.lane) else { return Ok(false) };
        let mut beyond = run.clone();
        beyond.trim_start(state.size());
        if beyond.entries.is_empty() || beyond.start != state.size() || state.fork.is_some() {
            return Ok(false);
        }
        let log = StoreLog(&*self.store);
        match admit(Some(state), &log, beyond, &inner.roster.certificates) {
            Ok(Admission::Admitted(advance)) => {
                let advances = vec![(advance.run, advance.before, advance.state)];
                self.commit(inner, Batch { advances, ..Batch::default() })?;
                Ok(true)
            }
            Ok(_) | Err(StoreError::DamagedRun { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes note that a run could not be read while another was admitted, and answers for that one. Sessions begin anew
    /// with the lane told as if it ended there.
    pub(super) fn is_unreadable(
        &self,
        inner: &mut Inner,
        lane: LaneId,
        start: u64,
    ) -> Result<Outcome, ReplicaError> {
        tracing::error!(lane = %lane.short(), from = start, "entries cannot be read; the next peer is asked for them");
        let is_known = |run: &DamagedRun| run.lane == lane && run.start <= start && start < run.end;
        // Each session that began when this was known tells of it: none need begin anew for it.
        if !inner.damaged.iter().any(is_known) {
            let end = inner.lanes.get(&lane).map_or(u64::MAX, LaneState::size);
            if inner.damaged.len() < DAMAGED_MAX {
                inner.damaged.push(DamagedRun { lane, start, end });
            }
            inner.damage_found += 1;
            self.note_damage(true)?;
        }
        let unknown = Head::Straight { size: 0, root: Frontier::default().root() };
        Ok(self.stands(inner, &lane).unwrap_or(Outcome::Stored(unknown)))
    }

    /// The outcome of a run that brought nothing more than what the lane is told to hold.
    fn stands(&self, inner: &Inner, lane: &LaneId) -> Option<Outcome> {
        inner.lanes.get(lane).map(|state| Outcome::Stored(self.told_head(state, &inner.damaged)))
    }
}

impl Replica {
    /// Puts a run back where it was lost, as far as it goes there; none when it is not what was lost there.
    fn put_back(&self, run: &Run) -> Result<Option<Range<u64>>, ReplicaError> {
        match self.store().heal(run.clone()) {
            Ok(healed) => Ok(Some(healed.whole)),
            Err(error @ StoreError::BadBatch { .. }) => {
                tracing::debug!(%error, from = run.start, to = run.end(), "not what was lost here, or not all of it");
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Says whether a run overlaps something damaged.
pub(super) fn overlaps(damaged: &[DamagedRun], run: &Run) -> bool {
    damaged.iter().any(|lost| lost.lane == run.lane && run.start < lost.end && run.end() > lost.start)
}

/// Joins a run to the one before it, unless something lies between them or they are too much for one.
fn joined(mut before: Run, run: &Run) -> Option<Run> {
    if before.end() != run.start {
        return None;
    }
    before.entries.extend(run.entries.iter().cloned());
    before.checkpoints.extend(&run.checkpoints);
    before.check_shape().is_ok().then_some(before)
}

/// What is left of damaged ranges when `start..end` of a lane is whole again.
fn remaining(damaged: &[DamagedRun], lane: &LaneId, start: u64, end: u64) -> Vec<DamagedRun> {
    let mut left = Vec::new();
    for lost in damaged {
        if lost.lane != *lane || lost.end <= start || lost.start >= end {
            left.push(*lost);
            continue;
        }
        if lost.start < start {
            left.push(DamagedRun { end: start, ..*lost });
        }
        if lost.end > end {
            left.push(DamagedRun { start: end, ..*lost });
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Checkpoint, Entry, EntryKind};

    #[test]
    fn runs_in_a_row_are_joined_and_others_are_not() {
        let run = |start: u64| {
            let entry = Entry { kind: EntryKind::AUDIT, body: vec![start as u8] };
            let checkpoints = vec![Checkpoint { size: start + 1, signature: [0; 64] }];
            Run { lane: LaneId([1; 32]), start, entries: vec![entry], checkpoints }
        };
        let both = joined(run(4), &run(5)).unwrap();
        assert_eq!((both.start, both.end(), both.checkpoints.len()), (4, 6, 2));
        assert_eq!(joined(run(4), &run(6)), None);
    }

    #[test]
    fn healing_the_middle_leaves_both_ends() {
        let lane = LaneId([1; 32]);
        let lost = DamagedRun { lane, start: 10, end: 20 };
        let parts = remaining(&[lost], &lane, 12, 15);
        let ends = [DamagedRun { lane, start: 10, end: 12 }, DamagedRun { lane, start: 15, end: 20 }];
        assert_eq!(parts, ends);
        assert_eq!(remaining(&parts, &lane, 0, 30), []);
        assert_eq!(remaining(&parts, &LaneId([2; 32]), 0, 30), ends);
    }
}
