//! Links whose bytes are counted: what saves lives first, the rest when there is room; and what would be sent.

use super::world::{Profile, World};
use crate::base::{Area, Part};
use crate::sync::{CloseCode, Group, Input, Message, Outlook, Reach};

fn group(part: Part) -> Group {
    Group { part, area: Area::new("shared/a").unwrap() }
}

/// Two replicas, of which the second has notes and a card that the first lacks.
fn filled() -> World {
    let mut world = World::of(2);
    world.replicas[1].write("shared/a", Part::Notes, 7, 300);
    world.replicas[1].write("shared/a", Part::Card, 3, 100);
    world.replicas[0].write("shared/a", Part::Data, 2, 100);
    world
}

fn limit(world: &mut World, link: usize, reach: Reach) {
    world.input(link, 0, Input::Limit(reach));
}

fn parts_at(world: &World, replica: usize) -> Vec<Part> {
    world.replicas[replica]
        .heads()
        .keys()
        .map(|lane| world.replicas[replica].state(lane).unwrap().name.part)
        .collect()
}

#[test]
fn cards_alone_cross_a_link_that_lets_nothing_else_through_and_the_rest_follows() {
    let mut world = filled();
    let link = world.connect(0, 1, Profile::LAN);
    limit(&mut world, link, Reach::to(Part::Card));
    world.settle();
    assert_eq!(parts_at(&world, 1).len(), 2, "data stayed where it was");
    let mut parts = parts_at(&world, 0);
    parts.sort();
    assert_eq!(parts, [Part::Card, Part::Data]);
    assert_eq!(world.links[link].in_sync, [1, 1], "as far as may be");
    assert!(world.links[link].sessions.iter().all(|session| session.is_held_back()));
    // A card is pushed, a note is not.
    world.write(1, "shared/a", Part::Notes, 1, 100);
    world.write(1, "shared/a", Part::Card, 1, 100);
    world.settle();
    assert_eq!(parts_at(&world, 0).len(), 2);
    let card = world.replicas[1].name("shared/a", Part::Card).id();
    assert_eq!(world.replicas[0].size(&card), world.replicas[1].size(&card));

    limit(&mut world, link, Reach::ALL);
    world.settle();
    world.assert_equal();
    assert!(!world.links[link].sessions.iter().any(|session| session.is_held_back()));
}

#[test]
fn the_peer_s_limit_holds_even_before_it_has_compared() {
    let mut world = filled();
    let link = world.connect(0, 1, Profile::LAN);
    limit(&mut world, link, Reach::NOTHING);
    world.settle();
    assert!(world.links[link].runs().is_empty());
    let outlook = world.links[link].sessions[0].outlook();
    // The opening of a lane is an entry, too.
    let expected = Outlook { take_lanes: 1, take_entries: 8, ..Outlook::default() };
    assert_eq!(outlook[&group(Part::Notes)], expected);
    let expected = Outlook { send_lanes: 1, send_entries: 3, ..Outlook::default() };
    assert_eq!(outlook[&group(Part::Data)], expected);
    let ahead: Vec<(Part, u64)> =
        world.links[link].sessions[0].ahead().map(|(_, part, from)| (part, from)).collect();
    assert_eq!(ahead, [(Part::Data, 0)]);
    assert_eq!(world.links[link].in_sync, [1, 1]);
}

#[test]
fn a_limit_that_was_never_reached_costs_nothing() {
    let bytes = |limited: bool| {
        let mut world = filled();
        let link = world.connect(0, 1, Profile::LAN);
        if limited {
            limit(&mut world, link, Reach::ALL);
        }
        world.settle();
        world.assert_equal();
        world.links[link].bytes()
    };
    assert_eq!(bytes(true), bytes(false));
}

#[test]
fn a_limit_beyond_all_parts_ends_the_session() {
    let mut world = filled();
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    world.input(link, 1, Input::Received(Message::Only(6).to_bytes()));
    assert!(matches!(&world.links[link].closed[1], Some(closed) if closed.code == CloseCode::Protocol));
}
