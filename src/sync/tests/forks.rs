//! A device that was cloned writes two histories of one lane: all replicas learn it and agree.

use std::collections::{BTreeMap, BTreeSet};

use super::replica::Replica;
use super::world::{Profile, World};
use crate::base::{Digest, LaneId, Part};
use crate::lane::Head;
use crate::sync::Message;

fn digests(replica: &Replica) -> BTreeMap<LaneId, Digest> {
    replica.heads().into_iter().map(|(lane, head)| (lane, head.digest(&lane))).collect()
}

fn meet(world: &mut World, one: usize, other: usize) {
    let link = world.connect(one, other, Profile::LAN);
    world.settle();
    world.tick();
    world.settle();
    let ended = &world.links[link];
    assert_eq!(ended.closed, [None, None], "{one} meets {other}");
    assert_eq!(ended.gave_up, [], "{one} meets {other}");
    assert_eq!(digests(&world.replicas[one]), digests(&world.replicas[other]), "{one} meets {other}");
    assert_eq!(ended.in_sync.map(|times| times > 0), [true, true], "{one} meets {other}");
    world.cut(link);
}

fn assert_forked(world: &World, lane: &LaneId, at: u64, branches: usize) {
    for (number, replica) in world.replicas.iter().enumerate() {
        let Some(Head::Forked { at: forked_at, branches: kept }) = replica.head(lane) else {
            panic!("replica {number} does not know of the fork");
        };
        assert_eq!((forked_at, kept.len()), (at, branches), "replica {number}");
    }
}

/// Replica 0 and its clone 1, both after `common` entries; then 0 writes `left` and 1 writes `right` more.
fn cloned(common: usize, left: usize, right: usize, others: u16) -> (World, LaneId) {
    let mut world = World::of(2 + others);
    if common > 0 {
        world.replicas[0].write("shared/a", Part::Card, common, 100);
    }
    world.replicas[1] = world.replicas[0].clone();
    if left > 0 {
        world.replicas[0].write("shared/a", Part::Card, left, 101);
    }
    if right > 0 {
        world.replicas[1].write("shared/a", Part::Card, right, 102);
    }
    let lane = world.replicas[0].name("shared/a", Part::Card).id();
    (world, lane)
}

#[test]
fn a_fork_spreads_to_all_and_all_agree() {
    for (left, right) in [(1, 1), (3, 3), (1, 5), (5, 1), (300, 2), (2, 700)] {
        let (mut world, lane) = cloned(10, left, right, 3);
        meet(&mut world, 0, 2);
        meet(&mut world, 1, 3);
        assert!(matches!(world.replicas[2].head(&lane), Some(Head::Straight { .. })));
        meet(&mut world, 2, 3);
        meet(&mut world, 3, 4);
        meet(&mut world, 0, 2);
        meet(&mut world, 1, 4);
        assert_forked(&world, &lane, 11, 2);
    }
}

#[test]
fn clones_that_meet_each_other_agree() {
    let (mut world, lane) = cloned(10, 4, 9, 0);
    meet(&mut world, 0, 1);
    assert_forked(&world, &lane, 11, 2);
    let evidence = world.links[0].messages().filter(|(_, message)| match message {
        Message::Fork(fork) => fork.evidence.is_some(),
        _ => false,
    });
    assert_eq!(evidence.count(), 3, "from the side that sees the fork first: the proof and two branches");
}

#[test]
fn a_fork_before_the_first_entry_is_a_fork_too() {
    // The opening is the same in both, since it has no salt: they differ from entry 1 on.
    let (mut world, lane) = cloned(0, 4, 4, 1);
    meet(&mut world, 0, 2);
    meet(&mut world, 2, 1);
    meet(&mut world, 2, 0);
    assert_forked(&world, &lane, 1, 2);
}

#[test]
fn three_clones_and_a_newcomer_agree() {
    let (mut world, lane) = cloned(600, 300, 300, 3);
    world.replicas[2] = world.replicas[0].clone();
    world.replicas[0].write("shared/a", Part::Card, 2, 103);
    world.replicas[2].write("shared/a", Part::Card, 2, 104);
    meet(&mut world, 0, 2);
    meet(&mut world, 1, 3);
    meet(&mut world, 3, 2);
    meet(&mut world, 3, 4);
    for one in 0..5 {
        meet(&mut world, one, (one + 1) % 5);
    }
    for one in 0..5 {
        meet(&mut world, one, (one + 1) % 5);
    }
    let digest = digests(&world.replicas[0]);
    assert!(matches!(world.replicas[0].head(&lane), Some(Head::Forked { at: 601, .. })));
    assert!(world.replicas.iter().all(|replica| digests(replica) == digest));
}

#[test]
fn a_fork_shows_in_open_sessions_without_a_new_meeting() {
    let (mut world, lane) = cloned(10, 0, 0, 2);
    world.connect(0, 2, Profile::LAN);
    world.connect(2, 3, Profile::LAN);
    world.connect(3, 1, Profile::LAN);
    world.settle();
    world.write(0, "shared/a", Part::Card, 2, 101);
    world.write(1, "shared/a", Part::Card, 1, 102);
    world.settle();
    assert_forked(&world, &lane, 11, 2);
    let digest = digests(&world.replicas[0]);
    assert!(world.replicas.iter().all(|replica| digests(replica) == digest));
    assert!(world.links.iter().all(|link| link.gave_up.is_empty() && link.closed == [None, None]));
}

#[test]
fn who_knows_of_a_fork_still_gets_the_rest_of_a_branch() {
    let (mut world, lane) = cloned(10, 2, 1, 2);
    // Replica 2 hears the beginning of what 0 writes, replica 3 all of it.
    meet(&mut world, 0, 2);
    world.replicas[0].write("shared/a", Part::Card, 3, 103);
    meet(&mut world, 0, 3);
    meet(&mut world, 1, 2);
    meet(&mut world, 1, 3);
    meet(&mut world, 2, 3);
    meet(&mut world, 0, 1);
    let Some(Head::Forked { branches, .. }) = world.replicas[3].head(&lane) else { panic!() };
    let ends: BTreeSet<u64> = branches.iter().map(|(_, end)| *end).collect();
    assert_eq!(ends, BTreeSet::from([12, 16]), "one entry of the clone, five of the other");
    assert!(world.replicas.iter().all(|replica| replica.head(&lane) == world.replicas[3].head(&lane)));
}

#[test]
fn other_lanes_do_not_notice() {
    let (mut world, _) = cloned(10, 2, 3, 1);
    world.replicas[2].write("shared/a", Part::Card, 50, 100);
    meet(&mut world, 0, 2);
    meet(&mut world, 1, 2);
    let own = world.replicas[2].name("shared/a", Part::Card).id();
    assert!(matches!(world.replicas[1].head(&own), Some(Head::Straight { size: 51, .. })));
}
