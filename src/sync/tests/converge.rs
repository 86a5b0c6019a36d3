//! Two replicas meet.

use super::replica::{Realm, Replica};
use super::world::{Link, Profile, World};
use crate::base::Part;
use crate::base::limits::CHECKPOINT_BYTES_MAX;
use crate::sync::limits::{HELLO_TIMEOUT_MS, STALL_TIMEOUT_MS};
use crate::sync::message::Acknowledged;
use crate::sync::{CloseCode, Input, Message};

const PARTS: [Part; 3] = [Part::Card, Part::Notes, Part::Data];

#[test]
fn replicas_with_different_lanes_end_with_equal_heads() {
    let mut world = World::of(2);
    for part in PARTS {
        world.replicas[0].write("shared/a", part, 300, 900);
        world.replicas[1].write("shared/a", part, 40, 200);
        world.replicas[1].write("common", part, 3, 70);
    }
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.assert_equal();
    assert_eq!(world.replicas[0].heads().len(), 9);
    assert_eq!(world.links[link].in_sync, [1, 1]);
    assert_eq!(world.links[link].gave_up, []);
}

#[test]
fn every_card_entry_arrives_before_any_note_and_every_note_before_any_data() {
    let mut world = World::of(2);
    for part in [Part::Data, Part::Audit, Part::Notes, Part::Card] {
        world.replicas[0].write("shared/a", part, 2_000, 500);
        world.replicas[0].write("common", part, 2_000, 500);
    }
    world.connect(0, 1, Profile::LAN);
    world.settle();
    let arrived: Vec<Part> = world.replicas[1].admitted.iter().map(|(part, ..)| *part).collect();
    assert!(arrived.len() > 20 && arrived.is_sorted(), "{arrived:?}");
}

#[test]
fn equal_replicas_are_done_after_one_round_trip_and_512_bytes() {
    let mut world = World::of(2);
    for part in PARTS {
        world.replicas[0].write("shared/a", part, 100, 100);
        world.replicas[1].write("shared/a", part, 100, 100);
    }
    world.connect(0, 1, Profile::LAN);
    world.settle();
    world.cut(0);
    let started = world.now;
    let link = world.connect(1, 0, Profile { delay_ms: 300, bytes_per_s: 1_000_000 });
    world.settle();
    let took_ms = world.now - started;
    world.tick();
    world.settle();
    let link = &world.links[link];
    assert_eq!(link.in_sync, [1, 1]);
    assert!((600..=601).contains(&took_ms), "one round trip took {took_ms} ms");
    assert!(link.bytes() <= 512, "{} bytes", link.bytes());
    assert_eq!((link.sent.len(), link.reads), (2, 0));
    assert_eq!(link.closed, [None, None]);
}

#[test]
fn strangers_show_their_certificates_once() {
    let mut world = World::of(2);
    world.replicas[0].write("shared/a", Part::Card, 5, 100);
    world.replicas[0].write("shared/a", Part::Data, 5, 100);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    let certificates: Vec<usize> = world.links[link]
        .messages()
        .filter_map(|(_, message)| match message {
            Message::Certificates(signed) => Some(signed.len()),
            _ => None,
        })
        .collect();
    assert_eq!(certificates, [2, 2], "the chain of each side: site and device");
    world.assert_equal();
}

#[test]
fn what_the_peer_may_not_hold_is_neither_named_nor_sent() {
    let realm = Realm::new("test");
    let hospital = Replica::new(&realm, 0, &["shared/a", "private/n"]);
    let mut shelter = Replica::new(&realm, 1, &["shared/a"]);
    shelter.subscription = hospital.subscription.clone();
    let mut world = World::with(vec![hospital, shelter]);
    world.replicas[0].write("shared/a", Part::Card, 5, 100);
    world.replicas[0].write("private/n", Part::Card, 5, 100);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    assert_eq!(world.replicas[1].heads().len(), 1);
    for (side, message) in world.links[link].messages() {
        match message {
            Message::Digests(groups) if side == 0 => {
                assert!(groups.iter().all(|group| !group.area.is_private()));
            }
            Message::Heads(heads) => assert!(!heads.area.is_private()),
            _ => {}
        }
    }
    // Nor later, when it is written.
    world.write(0, "private/n", Part::Card, 1, 100);
    world.settle();
    assert_eq!(world.replicas[1].heads().len(), 1);
}

#[test]
fn what_is_not_subscribed_to_stays_away() {
    let mut world = World::of(2);
    world.replicas[1].subscription.retain(|group| group.part <= Part::Notes);
    for part in PARTS {
        world.replicas[0].write("shared/a", part, 5, 100);
    }
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    assert_eq!(world.replicas[1].heads().len(), 2);
    assert_eq!(world.links[link].in_sync, [1, 1]);
}

#[test]
fn many_lanes_are_listed_in_several_messages() {
    let realm = Realm::new("test");
    let mut world = World::of(2);
    for number in 2..1_150 {
        let mut other = Replica::new(&realm, number, &["shared/a"]);
        other.write("shared/a", Part::Card, 1, 60);
        world.replicas[usize::from(number % 100 == 0)].adopt(&other);
    }
    let link = world.connect(1, 0, Profile::LAN);
    world.settle();
    world.assert_equal();
    assert_eq!(world.replicas[1].heads().len(), 1_148);
    assert_eq!(world.links[link].in_sync, [1, 1]);
    let lists: Vec<(usize, usize)> = world.links[link]
        .messages()
        .filter_map(|(side, message)| match message {
            Message::Heads(heads) => Some((side, heads.heads.len())),
            _ => None,
        })
        .collect();
    assert!(lists.iter().filter(|(side, _)| *side == 1).count() > 2, "{lists:?}");
    let listed: usize = lists.iter().map(|(_, heads)| heads).sum();
    assert!((1_148..1_400).contains(&listed), "each lane is listed by one side: {lists:?}");
}

#[test]
fn known_peers_heal_in_three_round_trips() {
    let mut world = World::of(2);
    let chains: Vec<_> = world.replicas.iter().map(|replica| replica.chain.clone()).collect();
    world.replicas[0].learn(&chains[1]);
    world.replicas[1].learn(&chains[0]);
    for part in PARTS {
        world.replicas[0].write("shared/a", part, 20, 100);
        world.replicas[1].write("shared/a", part, 20, 100);
    }
    let started = world.now;
    world.connect(0, 1, Profile { delay_ms: 300, bytes_per_s: 1_000_000_000 });
    world.settle();
    world.assert_equal();
    assert_eq!(world.now - started, 3 * 600, "acknowledged in both directions");
}

#[test]
fn what_is_urgent_overtakes_on_a_narrow_link() {
    let mut world = World::of(2);
    world.replicas[0].write("shared/a", Part::Data, 6_000, 600);
    let link = world.connect(0, 1, Profile::NARROW);
    world.run_ms(60_000);
    let before = world.replicas[1].admitted.len();
    world.write(0, "shared/a", Part::Card, 1, 400);
    let card = world.replicas[0].name("shared/a", Part::Card).id();
    let written = world.now;
    while world.replicas[1].size(&card) == 0 {
        world.run_ms(100);
        assert!(world.now < written + 60_000, "the card waits for ever");
    }
    let waited_ms = world.now - written;
    assert!(before > 0 && waited_ms < 9_000, "{waited_ms} ms");
    assert_eq!(world.links[link].closed, [None, None]);
    world.run_ms(1_200_000);
    world.assert_equal();
    assert_eq!(world.links[link].closed, [None, None]);
    let largest = |link: &Link| link.runs().iter().map(|(_, run)| run.body_bytes()).max();
    assert!(largest(&world.links[link]) <= Some(CHECKPOINT_BYTES_MAX), "parted at the checkpoints");
    let newcomer = Replica::new(&Realm::new("test"), 9, &["shared/a"]);
    world.replicas.push(newcomer);
    let link = world.connect(0, 2, Profile::LAN);
    world.settle();
    assert!(largest(&world.links[link]) > Some(CHECKPOINT_BYTES_MAX), "whole when the link is fast");
}

#[test]
fn a_full_window_waits_for_acknowledgements() {
    let mut world = World::of(2);
    world.replicas[0].write("shared/a", Part::Data, 40, 250_000);
    world.connect(0, 1, Profile::LAN);
    let mut flying_most = 0;
    let lane = world.replicas[0].name("shared/a", Part::Data).id();
    while world.step() {
        let (mut sent, mut acked) = (0, 0);
        for (side, message) in world.links[0].messages() {
            match message {
                Message::Runs(_) => sent += 1,
                Message::Ack(lanes) if side == 1 => {
                    let Acknowledged { lane: acked_lane, size } = lanes[0];
                    assert_eq!(acked_lane, lane);
                    acked = size;
                }
                _ => {}
            }
        }
        flying_most = flying_most.max(sent - acked.min(sent));
    }
    world.assert_equal();
    assert!((2..=18).contains(&flying_most), "{flying_most} runs of 250 kB in flight");
}

#[test]
fn another_realm_or_version_ends_on_both_sides_with_the_reason() {
    let ours = Replica::new(&Realm::new("ours"), 0, &["shared/a"]);
    let theirs = Replica::new(&Realm::new("theirs"), 1, &["shared/a"]);
    let mut world = World::with(vec![ours, theirs]);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    let link = &world.links[link];
    let [Some(here), Some(there)] = &link.closed else { panic!("both ends know") };
    assert_eq!((here.code, there.code), (CloseCode::Realm, CloseCode::Realm));
    assert_eq!((here.by_peer, there.by_peer), (true, false));
    assert!(here.text.contains("realm"));
    assert!(link.messages().all(|(side, message)| side == 0 || !matches!(message, Message::Hello(_))));
}

#[test]
fn silence_ends_the_session() {
    let mut world = World::of(2);
    let link = world.connect(0, 1, Profile { delay_ms: 60_000, ..Profile::LAN });
    world.run_ms(HELLO_TIMEOUT_MS + 2_000);
    let closed = world.links[link].closed[0].clone().unwrap();
    assert_eq!((closed.code, closed.by_peer), (CloseCode::Timeout, false));
}

#[test]
fn an_acknowledgement_that_does_not_come_ends_the_session() {
    let mut world = World::of(2);
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.run_ms(10 * STALL_TIMEOUT_MS);
    assert_eq!(world.links[link].closed, [None, None], "an idle session lives");
    world.links[link].profile.delay_ms = 10 * STALL_TIMEOUT_MS;
    world.write(0, "shared/a", Part::Card, 1, 100);
    world.run_ms(STALL_TIMEOUT_MS + 3_000);
    let closed = world.links[link].closed[0].clone().unwrap();
    assert_eq!((closed.code, closed.by_peer), (CloseCode::Timeout, false));
}

#[test]
fn what_both_learn_elsewhere_between_hello_and_digests_is_not_sent() {
    let realm = Realm::new("test");
    let mut world = World::of(2);
    let mut author = Replica::new(&realm, 7, &["shared/a"]);
    author.write("shared/a", Part::Notes, 2, 50);
    world.replicas[0].write("shared/a", Part::Card, 1, 50);
    let link = world.connect(0, 1, Profile::LAN);
    let name = author.name("shared/a", Part::Notes);
    for side in 0..2 {
        world.replicas[side].adopt(&author);
        let head = author.head(&name.id()).unwrap();
        world.input(link, side, Input::HeadChanged { name: name.clone(), head });
    }
    world.settle();
    world.assert_equal();
    assert!(world.links[link].runs().iter().all(|(_, run)| run.lane != name.id()));
}
