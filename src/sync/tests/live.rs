//! What is written while sessions are open.

use super::replica::{Realm, Replica};
use super::world::{Profile, World};
use crate::base::Part;
use crate::base::limits::JOINED_BYTES_MAX;
use crate::base::planted::{Plant, plant};
use crate::sync::{Input, Message};

#[test]
fn new_entries_are_pushed_in_both_directions() {
    let mut world = World::of(2);
    world.replicas[0].write("shared/a", Part::Card, 3, 100);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    for _ in 0..5 {
        world.write(0, "shared/a", Part::Card, 2, 100);
        world.write(1, "shared/a", Part::Notes, 1, 100);
        world.write(1, "shared/a", Part::Card, 1, 100);
        world.settle();
        world.assert_equal();
    }
    assert_eq!(world.links[link].in_sync, [6, 6], "in sync again after each of the writes");
    let entries: usize = world.links[link].runs().iter().map(|(_, run)| run.entries.len()).sum();
    let held = 3 + 5 * 2 + 5 + 5 + 3;
    assert_eq!(entries, held, "each entry travels once, the openings of three lanes included");
}

#[test]
fn what_was_written_one_at_a_time_travels_joined() {
    let mut world = World::of(2);
    for _ in 0..120 {
        world.replicas[0].write("shared/a", Part::Notes, 1, 1_000);
    }
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.assert_equal();
    let runs: Vec<_> = world.links[link].runs().into_iter().map(|(_, run)| run).collect();
    assert_eq!(runs.iter().map(|run| run.entries.len()).sum::<usize>(), 121);
    assert!(runs.len() <= 6, "{} runs", runs.len());
    assert!(runs.iter().all(|run| run.checkpoints.len() == 1 && run.body_bytes() <= JOINED_BYTES_MAX));
}

#[test]
fn a_push_after_an_equal_meeting_needs_no_digests() {
    let mut world = World::of(2);
    world.replicas[0].write("shared/a", Part::Card, 3, 100);
    let other = world.replicas[0].clone();
    world.replicas[1].adopt(&other);
    let link = world.connect(1, 0, Profile::LAN);
    world.settle();
    world.write(0, "shared/a", Part::Card, 1, 100);
    world.write(1, "shared/a", Part::Card, 1, 100);
    world.settle();
    world.assert_equal();
    assert!(world.links[link].messages().all(|(_, m)| !matches!(m, Message::Digests(_) | Message::Heads(_))));
}

#[test]
fn what_is_written_during_the_opening_arrives_too() {
    for writes_after in 0..12 {
        let mut world = World::of(2);
        world.replicas[0].write("shared/a", Part::Card, 3, 100);
        world.replicas[1].write("shared/a", Part::Card, 3, 100);
        world.connect(0, 1, Profile::LAN);
        for _ in 0..writes_after {
            world.step();
        }
        world.write(0, "shared/a", Part::Card, 1, 100);
        world.write(1, "shared/a", Part::Notes, 1, 100);
        world.settle();
        world.assert_equal();
        assert_eq!(world.replicas[0].heads().len(), 3, "written after {writes_after} messages");
    }
}

#[test]
fn a_third_replica_relays() {
    let mut world = World::of(3);
    world.replicas[0].write("shared/a", Part::Card, 3, 100);
    world.connect(0, 1, Profile::LAN);
    world.connect(1, 2, Profile::LAN);
    world.settle();
    world.assert_equal();
    world.write(0, "shared/a", Part::Card, 1, 100);
    world.write(2, "shared/a", Part::Data, 1, 100);
    world.settle();
    world.assert_equal();
    assert_eq!(world.replicas[1].heads().len(), 2);
    assert_eq!(world.links[0].gave_up, []);
}

#[test]
fn a_ring_carries_each_entry_over_each_link_once_at_most() {
    let mut world = World::of(4);
    for replica in 0..4 {
        world.connect(replica, (replica + 1) % 4, Profile::LAN);
    }
    world.settle();
    for replica in 0..4 {
        world.write(replica, "shared/a", Part::Card, 2, 100);
    }
    world.settle();
    world.assert_equal();
    for link in &world.links {
        for lane in world.replicas[0].heads().keys() {
            let entries: usize = link
                .runs()
                .iter()
                .filter(|(_, run)| run.lane == *lane)
                .map(|(_, run)| run.entries.len())
                .sum();
            // Both ends may send the same at once, when it has come to both by other ways.
            assert!(entries <= 2 * 3, "{entries} entries of one lane of three");
        }
    }
}

#[test]
fn the_peers_holdings_are_reported_as_they_become_durable() {
    let mut world = World::of(2);
    let lane = world.replicas[0].name("shared/a", Part::Card).id();
    world.connect(0, 1, Profile::LAN);
    world.settle();
    world.write(0, "shared/a", Part::Card, 4, 100);
    assert_eq!(world.held_by.get(&(0, 1, lane)), None);
    world.settle();
    assert_eq!(world.held_by.get(&(0, 1, lane)), Some(&5));
}

#[test]
fn a_push_that_overtakes_the_peers_own_certificate_does_not_end_the_session() {
    let realm = Realm::new("test");
    let mut world = World::of(2);
    let (mut author, mut late) =
        (Replica::new(&realm, 7, &["shared/a"]), Replica::new(&realm, 8, &["shared/a"]));
    author.write("shared/a", Part::Card, 2, 50);
    late.write("shared/a", Part::Card, 2, 50);
    world.replicas.iter_mut().for_each(|replica| replica.adopt(&author));
    let chain = world.replicas[1].chain.clone();
    world.replicas[0].learn(&chain);
    // Equal replicas; 0 knows 1, and 1 does not know 0, which pushes another device's lane before it is asked.
    let link = world.connect(1, 0, Profile::LAN);
    world.step();
    world.replicas[0].adopt(&late);
    let name = late.name("shared/a", Part::Card);
    let head = late.head(&name.id()).unwrap();
    world.input(link, 1, Input::HeadChanged { name, head });
    world.settle();
    assert_eq!(world.links[link].closed, [None, None]);
    world.assert_equal();
}

#[test]
fn replicas_that_turn_out_to_be_equal_take_no_compression_context() {
    let mut world = World::of(2);
    world.write(0, "shared/a", Part::Card, 3, 100);
    let streams = world.replicas[0].streams.clone();
    let synced = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.cut(synced);
    world.links.clear();
    assert_eq!(streams.idle(), (1, 0), "the writer has sent, and received no runs");
    let fresh = crate::sync::Streams::keeping(4);
    world.replicas.iter_mut().for_each(|replica| replica.streams = fresh.clone());
    world.connect(0, 1, Profile::LAN);
    world.settle();
    assert_eq!(world.links[0].in_sync, [1, 1]);
    world.links.clear();
    assert_eq!(fresh.idle(), (0, 0));
}

/// Two replicas meet; one writes while they are apart; they meet again, as often as is said. Returns the world and
/// the entries that the other lacks in the end of the parts `Card` and `Control`.
fn met_again(times: usize) -> (World, [u64; 2]) {
    let mut world = World::of(2);
    let parts = [Part::Card, Part::Control];
    parts.iter().for_each(|part| world.write(0, "shared/a", *part, 3, 100));
    let met = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.assert_equal();
    parts.iter().for_each(|part| world.write(0, "shared/a", *part, 1, 100));
    world.settle();
    world.assert_equal();
    world.cut(met);
    parts.iter().for_each(|part| world.write(0, "shared/a", *part, 2, 100));
    for _ in 0..times {
        let link = world.connect(0, 1, Profile::LAN);
        world.settle();
        assert!(world.links[link].in_sync[0] > 0, "the writer believes that all is well");
        parts.iter().for_each(|part| world.write(0, "shared/a", *part, 1, 100));
        world.settle();
        world.cut(link);
    }
    let lacks = parts.map(|part| {
        let lane = world.replicas[0].name("shared/a", part).id();
        world.replicas[0].size(&lane) - world.replicas[1].size(&lane)
    });
    (world, lacks)
}

#[test]
fn a_planted_fault_loses_runs_at_every_meeting_but_the_first() {
    let (world, lacks) = met_again(3);
    assert_eq!(lacks, [0, 0]);
    world.assert_nothing_acknowledged_is_lost();
    let fault = plant(Plant::LoseRunOnReconnect);
    let (mut world, lacks) = met_again(3);
    assert_eq!(lacks, [2 + 3, 0]);
    let lane = world.replicas[0].name("shared/a", Part::Card).id();
    assert!(world.held_by[&(0, 1, lane)] > world.replicas[1].size(&lane), "counted as held, and not held");
    drop(fault);
    world.connect(0, 1, Profile::LAN);
    world.settle();
    world.assert_equal();
}

#[test]
fn what_a_device_writes_beside_its_subscription_is_pushed_and_what_others_write_there_is_not() {
    let mut world = World::of(2);
    world.replicas[1].subscription.retain(|group| group.part == Part::Card);
    world.replicas[0].write("shared/a", Part::Notes, 1, 50);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.write(1, "shared/a", Part::Notes, 1, 50);
    world.write(0, "shared/a", Part::Notes, 1, 50);
    world.settle();
    world.write(1, "shared/a", Part::Notes, 2, 50);
    world.settle();
    let own = world.replicas[1].name("shared/a", Part::Notes).id();
    assert_eq!(world.replicas[0].size(&own), 4, "its opening and three entries");
    assert_eq!(world.replicas[1].heads().len(), 1);
    assert_eq!(world.links[link].gave_up, []);
    assert_eq!(world.links[link].closed, [None, None]);
}
