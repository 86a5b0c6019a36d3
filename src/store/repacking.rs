//! Which runs at rest are worth joining: a pure choice that all stores share.
//!
//! An entry that is written alone takes a seal, a signature and a tree's edge, more than it is itself. Neighbours are joined
//! as they are for the wire (`lane::join`). A group that can grow no more is joined once and for all; the last runs
//! of a lane only when they have as many bytes again as the largest of them, so that an entry is written anew at most
//! as often as a run can double.

use crate::base::limits::{JOINED_BYTES_MAX, JOINED_ENTRIES_MAX};
use crate::lane::tree::Frontier;
use crate::lane::{Run, join};

/// Larger rows are not looked into: what they hold is enough for a run.
pub const JOINABLE_ROW_BYTES_MAX: usize = JOINED_BYTES_MAX / 2;
/// Most rows that one step looks at.
pub const STEP_ROWS_MAX: usize = 256;
/// Bodies that one step unpacks and packs again, in bytes: about 2 ms of one core.
pub const STEP_BYTES_MAX: usize = 128 << 10;
/// The last runs of a lane are joined when there are so many.
pub const OPEN_RUNS_MIN: usize = 8;

/// Runs to be replaced by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where the replaced runs begin, ascending.
    pub starts: Vec<u64>,
    /// What stands for them.
    pub run: Run,
    /// The tree's edge before it.
    pub before: Frontier,
}

/// Finds where a step begins: `back` gives where runs begin and how many bytes of bodies they have, from the one in question
/// back; none for what is not joined. No run that begins before can be joined to that one.
pub fn beginning(back: impl Iterator<Item = (u64, Option<usize>)>) -> Option<u64> {
    let (mut first, mut bodies) = (None, 0);
    for (start, bytes) in back.take(JOINED_ENTRIES_MAX) {
        let Some(bytes) = bytes else { break };
        bodies += bytes;
        if first.is_some() && bodies > JOINED_BYTES_MAX {
            break;
        }
        first = Some(start);
    }
    first
}

/// The runs that a step has come by, and what of them is worth joining.
#[derive(Debug, Default)]
pub struct Step {
    neighbours: Vec<(Run, Frontier)>,
    groups: Vec<Group>,
    rows: usize,
    bytes: usize,
}

impl Step {
    /// Counts a row; says no when the step has seen enough.
    pub fn goes_on(&mut self) -> bool {
        self.rows += 1;
        self.rows <= STEP_ROWS_MAX && self.bytes < STEP_BYTES_MAX
    }

    /// Takes the next run that may be joined.
    pub fn take(&mut self, run: Run, before: Frontier) {
        if self.neighbours.last().is_some_and(|(last, _)| last.end() != run.start) {
            self.part();
        }
        self.bytes += run.body_bytes();
        self.neighbours.push((run, before));
    }

    /// Comes by something that is not joined: a large run, or one that cannot be read.
    pub fn part(&mut self) {
        let groups = groups(std::mem::take(&mut self.neighbours));
        self.groups.extend(groups.into_iter().filter(|group| group.starts.len() > 1));
    }

    /// Ends: returns what is worth joining, and where the last group begins, which may grow.
    pub fn end(mut self) -> (Vec<Group>, Option<u64>) {
        let largest_of = |group: &Group, runs: &[(Run, Frontier)]| {
            let members = runs.iter().filter(|(run, _)| group.starts.contains(&run.start));
            members.map(|(run, _)| run.body_bytes()).max().unwrap_or(0)
        };
        let mut last = groups(self.neighbours.clone());
        let open = last.pop();
        self.groups.extend(last.into_iter().filter(|group| group.starts.len() > 1));
        let begins = open.as_ref().map(|group| group.run.start);
        let is_worth_it = |group: &Group| {
            let largest = largest_of(group, &self.neighbours);
            group.starts.len() >= OPEN_RUNS_MIN && group.run.body_bytes() >= 2 * largest
        };
        self.groups.extend(open.filter(is_worth_it));
        (self.groups, begins)
    }
}

/// Joins neighbours, and says of which each is made.
fn groups(neighbours: Vec<(Run, Frontier)>) -> Vec<Group> {
    let (runs, edges): (Vec<Run>, Vec<Frontier>) = neighbours.into_iter().unzip();
    let starts: Vec<u64> = runs.iter().map(|run| run.start).collect();
    let group = |run: Run| {
        let within = |start: &&u64| (run.start..run.end()).contains(*start);
        let before = starts.iter().zip(&edges).find(|(start, _)| **start == run.start);
        let before = before.map(|(_, edge)| edge.clone()).unwrap_or_default();
        Group { starts: starts.iter().filter(within).copied().collect(), run, before }
    };
    join(runs).into_iter().map(group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::SampleLane;

    fn step(sizes: &[usize]) -> Step {
        let mut lane = SampleLane::new(1);
        let mut step = Step::default();
        for size in sizes {
            for part in lane.append([vec![b'x'; *size]]) {
                step.take(part.run, part.before);
            }
        }
        step
    }

    fn starts(step: Step) -> Vec<Vec<u64>> {
        step.end().0.into_iter().map(|group| group.starts).collect()
    }

    #[test]
    fn what_cannot_grow_is_joined_and_the_last_runs_when_it_is_worth_it() {
        // The first append opens the lane, too: runs begin at 0, 2, 3, 4 …
        assert_eq!(starts(step(&[300; 3])), Vec::<Vec<u64>>::new(), "too few");
        assert_eq!(starts(step(&[300; 8])), [vec![0, 2, 3, 4, 5, 6, 7, 8]]);
        let mut sizes = vec![20 << 10];
        sizes.extend([300; 9]);
        assert_eq!(starts(step(&sizes)), Vec::<Vec<u64>>::new(), "20 KiB would be written anew for 3");
        sizes.push(30 << 10);
        assert_eq!(starts(step(&sizes)).len(), 1, "the first ten can grow no more");
        let mut parted = step(&[300, 300]);
        parted.part();
        assert_eq!(starts(parted), [vec![0, 2]], "a large run is behind them");
    }

    #[test]
    fn a_step_begins_where_the_run_in_question_could_be_joined() {
        let known = |start: u64, bytes: usize| (start, Some(bytes));
        let rows = [known(9, 300), known(8, 300), known(7, 20 << 10), known(6, 20 << 10)];
        assert_eq!(beginning(rows.into_iter()), Some(7));
        assert_eq!(beginning([known(9, 300), (8, None), known(7, 300)].into_iter()), Some(9));
        assert_eq!(beginning([(9, None), known(8, 300)].into_iter()), None);
        assert_eq!(beginning([known(9, 30 << 10), known(8, 30 << 10)].into_iter()), Some(9));
        let many = (0..1_000).rev().map(|start| known(start, 1));
        assert_eq!(beginning(many), Some(1_000 - JOINED_ENTRIES_MAX as u64));
    }
}
