//! Laws: whatever is written, cut and met, after healing all replicas hold the same, and nothing that was
//! acknowledged is lost.

use proptest::prelude::*;

use super::replica::Replica;
use super::world::{Profile, World};
use crate::base::Part;
use crate::lane::Head;

#[derive(Debug, Clone)]
enum Event {
    Write { replica: usize, part: Part, area: &'static str, count: usize },
    Connect { one: usize, other: usize, cut_at: Option<usize> },
    Cut { link: usize },
    Steps(usize),
    Tick,
}

fn events(replicas: usize, most: usize) -> impl Strategy<Value = Vec<Event>> {
    let part = prop::sample::select(Part::ALL.to_vec());
    let area = prop::sample::select(vec!["shared/a", "common"]);
    let event = prop_oneof![
        4 => (0..replicas, part, area, 1..40usize)
            .prop_map(|(replica, part, area, count)| Event::Write { replica, part, area, count }),
        3 => (0..replicas, 1..replicas, prop::option::of(0..60usize)).prop_map(move |(one, step, cut_at)| {
            Event::Connect { one, other: (one + step) % replicas, cut_at }
        }),
        1 => (0..8usize).prop_map(|link| Event::Cut { link }),
        3 => (0..60usize).prop_map(Event::Steps),
        1 => Just(Event::Tick),
    ];
    prop::collection::vec(event, 1..most)
}

fn play(world: &mut World, events: &[Event]) {
    for event in events {
        match event.clone() {
            Event::Write { replica, part, area, count } => {
                let name = world.replicas[replica].name(area, part);
                // A device that has learned of its own clone writes no more to that lane.
                if !matches!(world.replicas[replica].head(&name.id()), Some(Head::Forked { .. })) {
                    world.write(replica, area, part, count, 120);
                }
            }
            Event::Connect { one, other, cut_at } => {
                world.connect_until(one, other, Profile::LAN, cut_at);
            }
            Event::Cut { link } if link < world.links.len() => world.cut(link),
            Event::Cut { .. } => {}
            Event::Steps(count) => {
                for _ in 0..count {
                    world.step();
                }
            }
            Event::Tick => world.tick(),
        }
        world.assert_nothing_acknowledged_is_lost();
    }
}

/// Closes every link and connects the replicas in a line, twice.
fn heal(world: &mut World) {
    for link in 0..world.links.len() {
        world.cut(link);
    }
    for _ in 0..2 {
        let links: Vec<usize> =
            (1..world.replicas.len()).map(|other| world.connect(other - 1, other, Profile::LAN)).collect();
        world.settle();
        world.tick();
        world.settle();
        for link in links {
            assert_eq!(world.links[link].closed, [None, None]);
            assert_eq!(world.links[link].gave_up, []);
            world.cut(link);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn after_healing_all_hold_the_same_and_nothing_acknowledged_is_lost(
        (count, events) in (3..=5usize).prop_flat_map(|count| (Just(count), events(count, 24)))
    ) {
        let mut world = World::of(count as u16);
        play(&mut world, &events);
        let written: Vec<Replica> = world.replicas.clone();
        heal(&mut world);
        world.assert_equal();
        world.assert_nothing_acknowledged_is_lost();
        for (number, replica) in written.iter().enumerate() {
            for (lane, head) in replica.heads() {
                if replica.state(&lane).unwrap().name.device == replica.device() {
                    prop_assert_eq!(world.replicas[0].head(&lane), Some(head), "written by {}", number);
                }
            }
        }
    }

    #[test]
    fn with_a_clone_among_them_all_agree_on_the_forks(events in events(4, 20)) {
        let mut world = World::of(4);
        world.replicas[0].write("shared/a", Part::Card, 20, 100);
        world.replicas[3] = world.replicas[0].clone();
        play(&mut world, &events);
        heal(&mut world);
        for (number, replica) in world.replicas.iter().enumerate() {
            for (lane, head) in world.replicas[0].heads() {
                let other = replica.head(&lane).map(|head| head.digest(&lane));
                prop_assert_eq!(other, Some(head.digest(&lane)), "replica {}", number);
            }
        }
    }
}
