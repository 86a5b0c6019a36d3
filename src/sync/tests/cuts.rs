//! The link is cut at every message, and the next session goes on where the last one ended.

use std::collections::BTreeMap;

use super::replica::Replica;
use super::world::{Profile, World};
use crate::base::{LaneId, Part};
use crate::lane::Head;

fn two_that_differ() -> Vec<Replica> {
    let mut world = World::of(2);
    for part in [Part::Card, Part::Data] {
        world.replicas[0].write("shared/a", part, 5, 70_000);
        world.replicas[0].write("shared/a", part, 30, 100);
        world.replicas[1].write("shared/a", part, 10, 100);
        world.replicas[1].write("common", part, 2, 70_000);
    }
    world.replicas
}

fn sizes(replica: &Replica) -> BTreeMap<LaneId, u64> {
    let size = |head| match head {
        Head::Straight { size, .. } => size,
        Head::Forked { .. } => panic!("nobody forked"),
    };
    replica.heads().into_iter().map(|(lane, head)| (lane, size(head))).collect()
}

#[test]
fn a_cut_at_any_message_costs_nothing_that_was_durable() {
    let mut whole = World::with(two_that_differ());
    let link = whole.connect(0, 1, Profile::LAN);
    whole.settle();
    whole.assert_equal();
    let messages = whole.links[link].sent.len();
    assert!(messages > 20, "{messages}");
    let mut resumed = 0;
    for cut_at in 0..messages {
        let mut world = World::with(two_that_differ());
        world.connect_until(0, 1, Profile::LAN, Some(cut_at));
        world.settle();
        assert!(!world.links[0].up, "cut at {cut_at}");
        world.assert_nothing_acknowledged_is_lost();

        let durable = [sizes(&world.replicas[0]), sizes(&world.replicas[1])];
        let link = world.connect(1, 0, Profile::LAN);
        world.settle();
        world.assert_equal();
        let sent_again = world.links[link].runs();
        for (side, run) in &sent_again {
            let receiver = world.links[link].ends[1 - side];
            let had = durable[receiver].get(&run.lane).copied().unwrap_or_default();
            assert!(run.start >= had, "cut at {cut_at}: entry {} sent, {had} durable", run.start);
        }
        let missing: u64 = (0..2)
            .map(|replica| {
                let held: u64 = durable[replica].values().sum();
                sizes(&world.replicas[replica]).values().sum::<u64>() - held
            })
            .sum();
        let sent: usize = sent_again.iter().map(|(_, run)| run.entries.len()).sum();
        assert_eq!(sent as u64, missing, "cut at {cut_at}");
        resumed += usize::from(missing > 0 && durable[0].len() + durable[1].len() > 6);
    }
    assert!(resumed > 3, "some cuts were in the middle: {resumed}");
}

#[test]
fn a_flapping_link_makes_progress_each_time() {
    let mut world = World::with(two_that_differ());
    for attempt in 0..40 {
        let before: usize = world.replicas.iter().map(|replica| replica.admitted.len()).sum();
        let link = world.connect_until(attempt % 2, 1 - attempt % 2, Profile::LAN, Some(19));
        world.settle();
        if world.links[link].up {
            world.assert_equal();
            assert!(attempt > 1, "the first sessions were cut");
            return;
        }
        let after: usize = world.replicas.iter().map(|replica| replica.admitted.len()).sum();
        assert!(attempt == 0 || after > before, "attempt {attempt} brought nothing");
    }
    panic!("never done");
}
