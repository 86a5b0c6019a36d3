//! Joined runs: they are the same entries, and are admitted as these.

use proptest::prelude::*;

use super::support::*;
use crate::base::Part;
use crate::base::laws::cases;
use crate::base::limits::{JOINED_BYTES_MAX, JOINED_ENTRIES_MAX};
use crate::lane::{Admission, Entry, Run, join, join_within};

/// Runs of one lane, with one entry of each group's sizes in each.
fn written(groups: &[Vec<usize>]) -> (World, Vec<Run>) {
    let mut world = World::new();
    let device = world.device(10);
    let name = device.name("shared/a", Part::Card);
    let entry = |(index, size): (usize, &usize)| facts(vec![index as u8; *size]);
    let groups: Vec<Vec<Entry>> =
        groups.iter().map(|group| group.iter().enumerate().map(entry).collect()).collect();
    let runs = device.write(&name, &groups);
    (world, runs)
}

#[test]
fn neighbours_become_one_run_with_the_last_checkpoint() {
    let (_, runs) = written(&[vec![100], vec![100, 100], vec![100]]);
    let joined = join(runs.clone());
    assert_eq!(joined.len(), 1);
    assert_eq!((joined[0].start, joined[0].end()), (0, 5));
    assert_eq!(joined[0].checkpoints, runs[2].checkpoints);
    let apart = vec![runs[0].clone(), runs[2].clone()];
    assert_eq!(join(apart.clone()), apart, "something lies between them");
    let (_, other) = written(&[vec![1]]);
    let mut foreign = runs[1].clone();
    foreign.lane = crate::base::LaneId([9; 32]);
    let mixed = vec![other[0].clone(), foreign];
    assert_eq!(join(mixed.clone()), mixed, "of another lane");
}

#[test]
fn runs_that_are_large_or_have_many_entries_stay_apart() {
    let (_, runs) = written(&[vec![JOINED_BYTES_MAX], vec![1], vec![1]]);
    assert_eq!(join(runs).iter().map(|run| run.entries.len()).collect::<Vec<_>>(), [2, 2]);
    let (_, runs) = written(&vec![vec![1]; JOINED_ENTRIES_MAX + 10]);
    assert_eq!(join(runs).iter().map(|run| run.entries.len()).collect::<Vec<_>>(), [JOINED_ENTRIES_MAX, 11]);
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn joined_runs_are_the_same_entries_and_are_admitted_like_them(
        groups in prop::collection::vec(prop::collection::vec(0usize..9_000, 1..4), 1..24),
        within in 0usize..40_000,
        held in any::<prop::sample::Index>(),
    ) {
        let (world, runs) = written(&groups);
        let joined = join_within(runs.clone(), within);
        prop_assert_eq!(join_within(joined.clone(), within), joined.clone(), "joining again changes nothing");
        let entries = |runs: &[Run]| -> Vec<Entry> { runs.iter().flat_map(|run| run.entries.clone()).collect() };
        prop_assert_eq!(entries(&joined), entries(&runs));
        for run in &joined {
            prop_assert!(run.check_shape().is_ok());
            prop_assert!(runs.contains(run) || run.body_bytes() <= within.min(JOINED_BYTES_MAX));
        }
        let mut one_by_one = Replica::new(&world.certificates);
        runs.iter().for_each(|run| drop(one_by_one.offer(run)));
        // Whoever holds a part of it, also the middle of a joined run, takes the rest.
        let mut other = Replica::new(&world.certificates);
        runs[..held.index(runs.len())].iter().for_each(|run| drop(other.offer(run)));
        for run in &joined {
            let admission = other.offer(run);
            prop_assert!(matches!(admission, Admission::Admitted(_) | Admission::Duplicate), "{:?}", admission);
        }
        prop_assert_eq!(other.heads(), one_by_one.heads());
        prop_assert_eq!(other.entries(runs[0].lane), entries(&runs));
    }
}
