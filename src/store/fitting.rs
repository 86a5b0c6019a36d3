//! Fitting what a peer sends again into the place of what was lost, whatever its runs begin and end with.
//!
//! What is put back must lead from the tree before it to the tree behind it, so it is what was lost and nothing else. A run
//! at rest ends with a checkpoint, and the peer's need not have one there: it may have joined its runs. Then what was lost
//! is put back together with the readable run behind it, up to the first checkpoint of that one.
//!
//! Law: `what_a_peer_joined_heals_what_was_lost`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::error::StoreError;
use super::rules::{bad, frontier_within};
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Run, checkpoint};

/// What is at rest around a damaged place.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The runs that can be read, each with the tree's edge before it, ascending; no two overlap.
    pub held: Vec<(Run, Frontier)>,
    /// Where runs begin that cannot be read.
    pub lost: Vec<u64>,
}

/// What is to be at rest instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// The entries that are whole again; the peer's run holds them all.
    pub whole: Range<u64>,
    /// Runs end to start, each with the tree's edge before it, to be put in place of every row that begins among them. The first
    /// one begins with what is whole again.
    pub runs: Vec<(Run, Frontier)>,
}

impl Fitted {
    /// Returns the entries in whose rows something changes.
    pub fn replaced(&self) -> Range<u64> {
        let end = self.runs.last().map_or(self.whole.start, |(run, _)| run.end());
        self.whole.start..end
    }

    /// Returns the ranges that arrive anew: a run each, as far as it holds what was lost.
    pub fn arrivals(&self) -> impl Iterator<Item = Range<u64>> {
        let whole = self.whole.clone();
        let ranges = self.runs.iter().map(move |(run, _)| run.start..run.end().min(whole.end));
        ranges.filter(|range| range.start < range.end)
    }
}

/// Fits a run that was fetched again: as little as puts back all that it can, and proves it. Its leaves lead from the
/// tree's edge before what was lost to the edge behind; where that cannot be read, to a root that the lane's device has signed.
///
/// # Errors
/// [`StoreError::BadBatch`] when it cannot be fitted or the proof fails.
pub fn fit(state: &LaneState, run: &Run, around: &Around) -> Result<Fitted, StoreError> {
    let lane = run.lane;
    let Some((begin, before, wanted)) = place(state, run, around) else {
        return Err(bad(&lane, "the run begins in the middle of what was lost"));
    };
    let edges = edges(state, run, around, begin);
    let (enough, less): (Vec<u64>, Vec<u64>) = edges.iter().partition(|at| **at >= wanted);
    let ends = enough.into_iter().chain(less.into_iter().rev());
    let reached = frontiers(&before, run, begin, &edges);
    for end in ends {
        let proof = Proof { state, around, reached: &reached[&end], end };
        if let Some(runs) = proof.rows(run, begin, &before)
            && runs.iter().all(|(run, _)| run.check_shape().is_ok())
        {
            return Ok(Fitted { whole: begin..end, runs });
        }
    }
    Err(bad(&lane, "the run is not what was lost, or nothing vouches for its end"))
}

/// Finds where a run can be put: the first lost place within it and the tree's edge there, and up to where it could
/// put back what was lost.
fn place(state: &LaneState, run: &Run, around: &Around) -> Option<(u64, Frontier, u64)> {
    let after = |(held, before): &(Run, Frontier)| (held.end(), frontier_within(before, held, held.end()));
    let known = around.held.iter().map(after).chain([(0, Frontier::default())]);
    let known: BTreeMap<u64, Frontier> =
        known.filter(|(at, _)| (run.start..run.end()).contains(at) && *at < state.size()).collect();
    let starts: BTreeSet<u64> = around.held.iter().map(|(held, _)| held.start).collect();
    let is_lost = |at: &u64| !starts.contains(at);
    match known.iter().find(|(at, _)| is_lost(at)) {
        Some((begin, before)) => {
            let last = known.keys().rev().find(|at| is_lost(at)).unwrap_or(begin);
            let end = starts.range(last..).next().copied().unwrap_or(state.size());
            Some((*begin, before.clone(), end.min(run.end())))
        }
        // Nothing is lost here: it is put anew all the same.
        None if around.held.iter().any(|(held, _)| (held.start..held.end()).contains(&run.start)) => {
            known.into_iter().next().map(|(begin, before)| (begin, before, run.end()))
        }
        None => None,
    }
}

/// Collects where runs at rest begin and end within a run, behind `begin`.
fn edges(state: &LaneState, run: &Run, around: &Around, begin: u64) -> BTreeSet<u64> {
    let held = around.held.iter().flat_map(|(held, _)| [held.start, held.end()]);
    let edges = held.chain(around.lost.iter().copied()).chain([state.size()]);
    edges.filter(|at| *at > begin && *at <= run.end() && *at <= state.size()).collect()
}

/// Computes the tree's edge at each of some places within a run.
fn frontiers(before: &Frontier, run: &Run, begin: u64, at: &BTreeSet<u64>) -> BTreeMap<u64, Frontier> {
    let mut frontier = before.clone();
    let mut found = BTreeMap::new();
    for (seq, entry) in (run.start..).zip(&run.entries).filter(|(seq, _)| *seq >= begin) {
        frontier.push(&entry.leaf());
        if at.contains(&(seq + 1)) {
            found.insert(seq + 1, frontier.clone());
        }
    }
    found
}

/// A place where what is put back may end.
struct Proof<'a> {
    state: &'a LaneState,
    around: &'a Around,
    /// The tree's edge there, after what is put back.
    reached: &'a Frontier,
    end: u64,
}

impl Proof<'_> {
    /// Makes the rows for `begin` to the end, if what is put back is proven and something vouches for it.
    fn rows(&self, run: &Run, begin: u64, before: &Frontier) -> Option<Vec<(Run, Frontier)>> {
        let follower = self.around.held.iter().find(|(held, _)| held.start == self.end);
        let cut = part(run, begin, self.end);
        if let Some(last) = cut.checkpoints.last().filter(|last| last.size == self.end) {
            let proven = match self.known() {
                Some(known) => *self.reached == known,
                None => checkpoint::verify(&self.state.name.device, &run.lane, last, &self.reached.root()),
            };
            return proven.then(|| vec![(cut, before.clone())]);
        }
        let (follower, edge) = follower?;
        let signed = follower.checkpoints.first()?;
        if edge != self.reached {
            return None;
        }
        let mut rows = Vec::new();
        let from = cut.checkpoints.last().map_or(begin, |last| last.size);
        if from > begin {
            rows.push((part(&cut, begin, from), before.clone()));
        }
        let mut joined = part(&cut, from, self.end);
        joined.entries.extend(part(follower, self.end, signed.size).entries);
        joined.checkpoints = vec![*signed];
        rows.push((joined, frontier_within(before, &cut, from)));
        if signed.size < follower.end() {
            let rest = part(follower, signed.size, follower.end());
            rows.push((rest, frontier_within(edge, follower, signed.size)));
        }
        Some(rows)
    }

    /// The tree's edge there, as runs at rest or the lane's state know it.
    fn known(&self) -> Option<Frontier> {
        if self.end == self.state.size() {
            return Some(self.state.frontier.clone());
        }
        self.around.held.iter().find_map(|(held, before)| match self.end {
            end if end == held.start => Some(before.clone()),
            end if end == held.end() => Some(frontier_within(before, held, end)),
            _ => None,
        })
    }
}

/// Returns the part `begin..end` of a run, with the checkpoints within it.
fn part(run: &Run, begin: u64, end: u64) -> Run {
    let index = |seq: u64| (seq.saturating_sub(run.start) as usize).min(run.entries.len());
    let checkpoints =
        run.checkpoints.iter().filter(|it| it.size > begin && it.size <= end).copied().collect();
    let entries = run.entries[index(begin)..index(end).max(index(begin))].to_vec();
    Run { lane: run.lane, start: begin, entries, checkpoints }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::base::laws::cases;
    use crate::lane::Appended;
    use crate::store::conformance::{SampleLane, batch_of};
    use crate::store::{Batch, MemoryStore, Store};

    /// Glues some of the runs to those before them, without the checkpoints between.
    fn glued(parts: &[Appended], glue: &[bool]) -> Vec<Appended> {
        let mut glued: Vec<Appended> = Vec::new();
        for (part, glue) in parts.iter().zip(glue) {
            match glued.last_mut().filter(|_| *glue) {
                Some(last) => {
                    last.run.entries.extend(part.run.entries.clone());
                    last.run.checkpoints.clone_from(&part.run.checkpoints);
                    last.state = part.state.clone();
                }
                None => glued.push(part.clone()),
            }
        }
        glued
    }

    /// Puts a run back, alone or behind what was gathered, as a replica does.
    fn put_back(store: &MemoryStore, run: &Run, gathered: &mut Option<Run>) {
        let mut all = run.clone();
        if let Some(mut before) = gathered.take().filter(|before| before.end() == run.start) {
            before.entries.extend(run.entries.clone());
            before.checkpoints.extend(&run.checkpoints);
            all = before;
        }
        let healed = store.heal(all.clone()).or_else(|_| store.heal(run.clone())).ok();
        all.trim_start(healed.map_or(all.start, |healed| healed.whole.end));
        if (all.start..all.end()).any(|seq| store.entry(&all.lane, seq).is_err()) {
            *gathered = Some(all);
        }
    }

    fn is_whole(store: &MemoryStore, lane: &SampleLane, size: u64) -> bool {
        (0..size).all(|seq| store.entry(&lane.id(), seq).is_ok())
    }

    proptest! {
        #![proptest_config(cases(64))]

        #[test]
        fn what_a_peer_joined_heals_what_was_lost(
            count in 2usize..14,
            ours in prop::collection::vec(any::<bool>(), 14),
            theirs in prop::collection::vec(any::<bool>(), 14),
            lost in prop::collection::vec(any::<Index>(), 1..5),
            lie in any::<Index>(),
        ) {
            let mut lane = SampleLane::new(1);
            let parts: Vec<Appended> = (0..count)
                .flat_map(|number| lane.append((0..=number % 3).map(|index| vec![number as u8, index as u8])))
                .collect();
            let (ours, theirs) = (glued(&parts, &ours), glued(&parts, &theirs));
            let store = MemoryStore::new();
            store.commit(batch_of(ours.clone())).unwrap();
            let size = lane.state().size();
            let expected: Vec<_> = (0..size).map(|seq| store.entry(&lane.id(), seq).unwrap()).collect();
            let starts: BTreeSet<u64> = lost.iter().map(|index| ours[index.index(ours.len())].run.start).collect();
            starts.iter().for_each(|start| store.lose(&lane.id(), *start));
            let first = *starts.first().unwrap();

            let mut gathered = None;
            for part in &theirs {
                let mut run = part.run.clone();
                run.trim_start(first);
                if run.entries.is_empty() {
                    continue;
                }
                let mut false_one = run.clone();
                let index = lie.index(false_one.entries.len());
                false_one.entries[index].body.push(0);
                let before = store.stats().unwrap();
                if store.heal(false_one).is_ok() {
                    // Only what comes before the lie can have been put back.
                    prop_assert!(store.stats().unwrap().last_arrival > before.last_arrival);
                }
                put_back(&store, &run, &mut gathered);
            }

            prop_assert!(is_whole(&store, &lane, size), "{:?} of {:?}", starts, ours.len());
            for (seq, entry) in (0..).zip(expected) {
                prop_assert_eq!(store.entry(&lane.id(), seq).unwrap(), entry);
            }
            let mut frontier = Frontier::default();
            for run in store.runs(&lane.id(), 0, usize::MAX).unwrap() {
                prop_assert_eq!(run.start, frontier.size());
                prop_assert!(run.check_shape().is_ok());
                prop_assert_eq!(&store.frontier_at(&lane.id(), run.start).unwrap(), &frontier);
                frontier = frontier_within(&frontier, &run, run.end());
                let last = run.checkpoints.last().unwrap();
                prop_assert!(checkpoint::verify(&lane.state().name.device, &lane.id(), last, &frontier.root()));
            }
            prop_assert_eq!(&frontier, &lane.state().frontier);
        }
    }

    #[test]
    fn the_readable_run_behind_is_cut_at_its_first_checkpoint() {
        let mut lane = SampleLane::new(1);
        let parts: Vec<Appended> = (0..6_u8).flat_map(|number| lane.append([vec![number]])).collect();
        // Entries 0..2 | 2 | 3, 4, 5 with a checkpoint after each | 6; the peer's run is 2..5.
        let mut large = glued(&parts[2..5], &[false, true, true]).remove(0);
        large.run.checkpoints = parts[2..5].iter().flat_map(|part| part.run.checkpoints.clone()).collect();
        let held = |part: &Appended| (part.run.clone(), part.before.clone());
        let around = Around { held: vec![held(&parts[0]), held(&large), held(&parts[5])], lost: vec![2] };
        let theirs = glued(&parts[1..4], &[false, true, true]).remove(0).run;
        let fitted = fit(lane.state(), &theirs, &around).unwrap();
        assert_eq!(fitted.whole, 2..3);
        let shapes: Vec<(u64, u64)> = fitted.runs.iter().map(|(run, _)| (run.start, run.end())).collect();
        assert_eq!((shapes, fitted.replaced()), (vec![(2, 4), (4, 6)], 2..6));
        assert_eq!(fitted.arrivals().map(|it| (it.start, it.end)).collect::<Vec<_>>(), [(2, 3)]);
        let mut lie = theirs.clone();
        lie.entries[0].body[0] ^= 1;
        assert!(fit(lane.state(), &lie, &around).is_err());
        let mut later = theirs;
        later.trim_start(3);
        let whole = fit(lane.state(), &later, &around).map(|fitted| fitted.whole);
        assert_ne!(whole.ok(), Some(2..3), "it does not hold what was lost");
    }

    #[test]
    fn what_was_lost_at_the_end_waits_for_what_follows() {
        let mut lane = SampleLane::new(1);
        let parts: Vec<Appended> = (0..6_u8).flat_map(|number| lane.append([vec![number]])).collect();
        let store = MemoryStore::new();
        store.commit(batch_of(parts[..4].to_vec())).unwrap();
        store.lose(&lane.id(), parts[3].run.start);
        let theirs = glued(&parts[2..], &[false, true, true, true]).remove(0).run;
        assert!(store.heal(theirs.clone()).is_err(), "nothing vouches for its end here");
        let mut beyond = theirs.clone();
        beyond.trim_start(parts[3].run.end());
        let (before, after) = (parts[4].before.clone(), parts[5].state.clone());
        store.commit(Batch { advances: vec![(beyond, before, after)], ..Batch::default() }).unwrap();
        assert_eq!(store.heal(theirs).unwrap().whole, 4..5);
        assert!(is_whole(&store, &lane, lane.state().size()));
    }
}
