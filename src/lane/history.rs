//! Histories: entries from one place of a lane on, signed at their end, and the choice among them.
//!
//! The choice is what makes forks a join. With `n` the first entry on which known histories differ:
//!
//! 1. each history counts by its *window*, a function of its entries from `n` on (`fork::Window`);
//! 2. histories are grouped by their leaf at `n`, and in each group the best window is kept: at the first
//!    difference the smaller leaf wins, and a window that is a prefix of another loses;
//! 3. the `FORK_BRANCHES_MAX` groups with the smallest leaves at `n` are kept.
//!
//! The order of 2 compares windows as texts in which the end is the greatest letter, so cutting windows (which
//! is all that a lower `n` does) never lets the loser win; and when `n` is lowered, all that was kept falls into
//! one group, whose best was among the kept. So what is dropped could never have mattered, and the result depends
//! on the set of histories alone. Checkpoints inside do not matter for it, so they may be dropped on the way.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::entry::Entry;
use super::fork::Window;
use super::run::{Checkpoint, Run};
use crate::base::limits::FORK_BRANCHES_MAX;
use crate::base::{Digest, LaneId};

/// Entries with their leaves, and checkpoints among and after them; the last one is at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// The sequence number of the first entry.
    pub start: u64,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Their leaf hashes.
    pub leaves: Vec<Digest>,
    /// The checkpoints, ascending, above `start`.
    pub checkpoints: Vec<Checkpoint>,
}

impl History {
    /// Starts a history without entries.
    pub fn empty(start: u64) -> Self {
        Self { start, entries: Vec::new(), leaves: Vec::new(), checkpoints: Vec::new() }
    }

    /// Makes the history of a run.
    pub fn of(run: Run) -> Self {
        let leaves = run.leaves();
        Self { start: run.start, entries: run.entries, leaves, checkpoints: run.checkpoints }
    }

    /// Makes a run of the history.
    pub fn into_run(self, lane: LaneId) -> Run {
        Run { lane, start: self.start, entries: self.entries, checkpoints: self.checkpoints }
    }

    /// Returns the sequence number after the last entry.
    pub fn end(&self) -> u64 {
        self.start + self.leaves.len() as u64
    }

    /// Returns the leaves from `seq` on, which lies in the history or at its end.
    pub fn leaves_from(&self, seq: u64) -> &[Digest] {
        &self.leaves[self.index(seq)..]
    }

    /// Returns the part before `seq`.
    pub fn before(&self, seq: u64) -> History {
        let mut part = self.clone();
        part.cut(seq);
        part
    }

    /// Drops the part before `seq`.
    pub fn trim_start(&mut self, seq: u64) {
        let count = self.index(seq);
        self.start += count as u64;
        self.entries.drain(..count);
        self.leaves.drain(..count);
        self.checkpoints.retain(|checkpoint| checkpoint.size > self.start);
    }

    /// Drops the part from `seq` on.
    pub fn cut(&mut self, seq: u64) {
        let count = self.index(seq);
        self.entries.truncate(count);
        self.leaves.truncate(count);
        self.checkpoints.retain(|checkpoint| checkpoint.size <= seq);
    }

    /// Appends the history that starts where this one ends.
    pub fn join(&mut self, next: History) {
        debug_assert_eq!(self.end(), next.start, "histories join end to start");
        self.entries.extend(next.entries);
        self.leaves.extend(next.leaves);
        self.checkpoints.extend(next.checkpoints);
    }

    /// Returns the first checkpoint that covers `size` entries.
    pub fn covering(&self, size: u64) -> Option<&Checkpoint> {
        self.checkpoints.iter().find(|checkpoint| checkpoint.size >= size)
    }

    fn window_end(&self, window: Window, at: u64) -> u64 {
        window.end(at, self.start, &self.entries)
    }

    fn window(&self, window: Window, at: u64) -> &[Digest] {
        &self.leaves[self.index(at)..self.index(self.window_end(window, at))]
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq.saturating_sub(self.start))
            .map_or(self.leaves.len(), |i| i.min(self.leaves.len()))
    }
}

/// Returns the sequence number of the first entry on which two histories of the same start differ; none when
/// one is a prefix of the other.
pub(super) fn first_difference(one: &History, other: &History) -> Option<u64> {
    debug_assert_eq!(one.start, other.start, "histories are compared from one start");
    let index = one.leaves.iter().zip(&other.leaves).position(|(a, b)| a != b)?;
    Some(one.start + index as u64)
}

/// Chooses the branches of a fork at `at` among histories of one start at or below it that agree below it: the
/// normal form, in ascending order of the leaf at `at`.
pub(super) fn choose(window: Window, at: u64, histories: &[History]) -> Vec<History> {
    let mut best: BTreeMap<Digest, &History> = BTreeMap::new();
    for history in histories {
        let Some(leaf) = history.leaves_from(at).first() else { continue };
        best.entry(*leaf)
            .and_modify(|kept| {
                if compare(window, at, history, kept) == Ordering::Less {
                    *kept = history;
                }
            })
            .or_insert(history);
    }
    best.into_values()
        .take(FORK_BRANCHES_MAX)
        .map(|history| clipped(window, at, history, histories))
        .collect()
}

/// Orders two histories of one group, the better one first. Of equal windows the one that is covered sooner
/// comes first: this only spares entries beyond the window.
fn compare(window: Window, at: u64, one: &History, other: &History) -> Ordering {
    let cover =
        |history: &History| history.covering(history.window_end(window, at)).map(|covering| covering.size);
    lexical(one.window(window, at), other.window(window, at))
        .then_with(|| cover(one).cmp(&cover(other)))
        .then_with(|| lexical(&one.leaves, &other.leaves))
}

/// Compares leaf by leaf; the end is greater than any leaf.
fn lexical(one: &[Digest], other: &[Digest]) -> Ordering {
    let different = one.iter().zip(other).find(|(a, b)| a != b);
    different.map_or_else(|| other.len().cmp(&one.len()), |(a, b)| a.cmp(b))
}

/// Clips a chosen history to the first checkpoint that covers its window, with the checkpoints of all histories
/// as far as they agree with it.
fn clipped(window: Window, at: u64, history: &History, all: &[History]) -> History {
    let mut checkpoints: BTreeMap<u64, Checkpoint> = BTreeMap::new();
    for other in all {
        let agreed = first_difference(history, other).unwrap_or(history.end().min(other.end()));
        for checkpoint in other.checkpoints.iter().filter(|checkpoint| checkpoint.size <= agreed) {
            let kept = checkpoints.entry(checkpoint.size).or_insert(*checkpoint);
            if checkpoint.signature < kept.signature {
                *kept = *checkpoint;
            }
        }
    }
    let mut clipped = History { checkpoints: checkpoints.into_values().collect(), ..history.clone() };
    let covered =
        clipped.covering(clipped.window_end(window, at)).map_or(clipped.end(), |covering| covering.size);
    clipped.cut(covered);
    clipped
}
