//! Asking for one person: beside the lanes, in the order of urgency, within the window, and against peers that lie or are
//! silent.

use minicbor::bytes::ByteVec;

use super::hostile::Victim;
use super::world::{Profile, World};
use crate::base::{Digest, Part, RecordId, WallMs};
use crate::identity::Certificate;
use crate::record::Whom;
use crate::sync::ask::{Asking, Telling};
use crate::sync::event::Input;
use crate::sync::limits::{
    ANSWER_BYTES_MAX, ANSWER_TIMEOUT_MS, ASKS_OPEN_MAX, STRAY_BYTES_MAX, WINDOW_BYTES_FIRST,
};
use crate::sync::message::Hello;
use crate::sync::segment::Folder;
use crate::sync::{CloseCode, Ended, Message, Reach, Streams};

fn whom() -> Whom {
    Whom::Record { record: RecordId([7; 16]) }
}

fn ask(number: u32) -> Input {
    Input::Ask { number, whom: whom(), reach: Reach::ALL }
}

/// Bytes that no compressor makes smaller.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// The kinds of the messages that a side has sent, in order, with those of pieces told by their part.
fn kinds(world: &World, link: usize, side: usize) -> Vec<u8> {
    let sent = world.links[link].sent.iter().filter(|(from, _)| *from == side);
    sent.map(|(_, bytes)| bytes[1]).collect()
}

#[test]
fn an_answer_overtakes_a_first_sync_over_a_narrow_link_and_nothing_is_lost_of_either() {
    let mut world = World::of(2);
    world.replicas[1].write("shared/a", Part::Data, 2_000, 2_000);
    world.answer =
        vec![(Part::Card, noise(3_000, 1)), (Part::Card, noise(1_000, 2)), (Part::Data, noise(4_000, 3))];
    let link = world.connect(0, 1, Profile::NARROW);
    world.run_ms(60_000);
    assert!(world.links[link].in_sync[0] == 0, "the sync goes on");
    let asked_at = world.now;
    world.input(link, 0, ask(0));
    world.run_ms(60_000);
    let (told, at) = world.links[link].told[0];
    assert_eq!((told, world.links[link].answered.as_slice()), (8_000, &[(0, 0, Ended::Whole)][..]));
    // One round trip, what was on its way (2 s by the window, and a piece), and its own bytes.
    assert!(at - asked_at < 20_000, "{} ms", at - asked_at);
    assert!(world.links[link].in_sync[0] == 0, "the sync goes on");
    world.run_ms(1_200_000);
    world.assert_equal();
    assert!(world.links[link].in_sync.iter().all(|times| *times > 0));
}

#[test]
fn the_rest_of_an_answer_waits_for_cards_that_are_being_sent() {
    let mut world = World::of(2);
    world.replicas[1].write("shared/a", Part::Card, 200, 2_000);
    world.answer = vec![(Part::Card, noise(2_000, 1)), (Part::Data, noise(2_000, 2))];
    let link = world.connect(0, 1, Profile::NARROW);
    world.run_ms(5_000);
    assert!(kinds(&world, link, 1).contains(&5), "cards are being sent");
    world.input(link, 0, ask(0));
    while world.links[link].answered.is_empty() && world.step() {}
    assert_eq!(world.links[link].told[0].0, 4_000);
    let told = kinds(&world, link, 1);
    let (first, last) = (told.iter().position(|kind| *kind == 14), told.iter().rposition(|kind| *kind == 14));
    let runs_after = |place: Option<usize>| told[place.unwrap()..].iter().filter(|kind| **kind == 5).count();
    assert!(runs_after(first) > 0, "the card of the one goes before the cards of all");
    assert_eq!(runs_after(last), 0, "and what else is known of the one after them");
}

#[test]
fn a_session_for_asking_alone_compares_nothing_and_asks_a_known_member_behind_its_hello() {
    let mut world = World::of(2);
    world.replicas[1].write("shared/a", Part::Card, 5, 100);
    world.replicas[0].write("shared/a", Part::Data, 5, 100);
    world.answer = vec![(Part::Card, noise(500, 1))];
    for knows_peer in [true, false] {
        let mut sessions = [world.replicas[0].session(true), world.replicas[1].session(false)];
        sessions[0].only_ask();
        if knows_peer {
            sessions[0].knows_peer();
        }
        let link = world.connect_sessions(0, 1, Profile::NARROW, None, sessions);
        world.input(link, 0, ask(0));
        let at_once = if knows_peer { [0, 13].as_slice() } else { &[0, 2, 1] };
        assert_eq!(kinds(&world, link, 0), at_once, "a stranger is asked for its certificate first");
        world.settle();
        let sent = kinds(&world, link, 0);
        assert!(sent.iter().all(|kind| matches!(kind, 0 | 1 | 2 | 13)), "{sent:?}");
        assert!(sent.iter().filter(|kind| **kind == 1).count() <= 1, "{sent:?}");
        assert_eq!(world.links[link].told[0].0, 500);
        assert_eq!(world.links[link].answered, [(0, 0, Ended::Whole)]);
        assert_eq!(world.links[link].runs(), []);
        world.cut(link);
    }
}

#[test]
fn nobody_is_answered_before_its_certificate_has_come() {
    let mut world = World::of(2);
    let (replica, mut stranger) = (world.replicas.remove(0), world.replicas.remove(0));
    let mut victim = Victim::new(replica);
    let hello = Hello {
        version_min: 1,
        version_max: 1,
        realm: stranger.name("shared/a", Part::Card).realm,
        certificate: Certificate::hash(stranger.chain.last().unwrap()),
        clock: WallMs(5),
        subscription: Digest([2; 32]),
        all: Digest([3; 32]),
    };
    victim.say(&Message::Hello(hello));
    victim.say(&Message::Ask(0, Asking::For(whom(), 5)));
    assert_eq!((victim.closed, victim.asked.as_slice()), (None, &[][..]));
    assert!(victim.sent.contains(&Message::WantCertificate));
    let chain = std::mem::take(&mut stranger.chain).into_iter().map(ByteVec::from).collect();
    victim.say(&Message::Certificates(chain));
    assert_eq!((victim.closed, victim.asked.as_slice()), (None, &[0][..]));
}

#[test]
fn who_asks_for_too_many_at_once_out_of_order_or_lies_about_what_it_heard_is_cut_off() {
    let asking = |number| Message::Ask(number, Asking::For(whom(), 5));
    let mut victim = Victim::open();
    (0..ASKS_OPEN_MAX as u32).for_each(|number| victim.say(&asking(number)));
    assert_eq!((victim.closed, victim.asked.len()), (None, ASKS_OPEN_MAX));
    victim.say(&asking(99));
    assert_eq!(victim.closed, Some(CloseCode::Limit));

    let mut victim = Victim::open();
    victim.say(&asking(5));
    victim.say(&asking(5));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
    for lie in [Asking::Heard(1), Asking::Enough, Asking::For(whom(), 6)] {
        let mut victim = Victim::open();
        victim.say(&Message::Ask(0, lie.clone()));
        assert_eq!(victim.closed, Some(CloseCode::Protocol), "{lie:?}");
    }
    let mut victim = Victim::open();
    victim.say(&asking(0));
    victim.input(Input::Answer { number: 0, parts: vec![(Part::Card, noise(100, 1))], ended: Ended::Whole });
    assert_eq!(victim.closed, None);
    victim.say(&Message::Ask(0, Asking::Heard(101)));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
}

#[test]
fn no_more_of_an_answer_is_on_its_way_than_the_window_lets_and_enough_makes_room() {
    let told = |victim: &Victim| {
        let pieces = victim.sent.iter().filter_map(|message| match message {
            Message::Told(_, Telling::Piece(segment)) => Some(segment.len()),
            _ => None,
        });
        pieces.sum::<usize>()
    };
    let mut victim = Victim::open();
    // Nothing of lanes is to fly beside it.
    victim.input(Input::Limit(Reach::NOTHING));
    let before = victim.sent.len();
    victim.say(&Message::Ask(0, Asking::For(whom(), 5)));
    let parts = vec![(Part::Card, noise(1 << 20, 1))];
    victim.input(Input::Answer { number: 0, parts: parts.clone(), ended: Ended::Whole });
    let first = told(&victim);
    assert!(first <= WINDOW_BYTES_FIRST + (64 << 10) && first > 0, "{first}");
    victim.say(&Message::Ask(0, Asking::Heard(32 << 10)));
    assert!(told(&victim) > first, "what was heard makes room");
    victim.say(&Message::Ask(0, Asking::Enough));
    victim.say(&Message::Ask(1, Asking::For(whom(), 5)));
    let second = told(&victim);
    victim.input(Input::Answer { number: 1, parts, ended: Ended::Whole });
    assert!(told(&victim) > second, "what is no longer wanted takes no room");
    assert!(victim.sent.len() > before && victim.closed.is_none());
}

/// A victim that has asked, and the stream of its peer.
fn asked(numbers: u32) -> (Victim, Folder) {
    let mut victim = Victim::open();
    (0..numbers).for_each(|number| victim.input(ask(number)));
    let asks =
        victim.sent.iter().filter(|message| matches!(message, Message::Ask(_, Asking::For(..)))).count();
    assert_eq!(asks, (numbers as usize).min(ASKS_OPEN_MAX), "no more at once");
    (victim, Folder::new(Streams::default()))
}

#[test]
fn garbage_empty_and_endless_answers_and_those_that_nobody_asked_for_end_the_session() {
    let piece = |number, segment: Vec<u8>| Message::Told(number, Telling::Piece(segment.into()));
    for (message, words) in [
        (piece(0, b"not a stream".to_vec()), "garbage"),
        (piece(1, b"not a stream".to_vec()), "unasked"),
        (Message::Told(1, Telling::End(0)), "the end of what was unasked"),
    ] {
        let (mut victim, _) = asked(1);
        victim.say(&message);
        assert_eq!(victim.closed, Some(CloseCode::Protocol), "{words}");
    }
    let (mut victim, mut folder) = asked(1);
    victim.say(&piece(0, folder.fold([&[][..]]).unwrap()));
    assert_eq!(victim.closed, Some(CloseCode::Protocol), "an empty piece");

    let (mut victim, mut folder) = asked(1);
    let (zeros, mut said) = (vec![0; 256 << 10], 0);
    while victim.closed.is_none() && said < 1_000 {
        victim.say(&piece(0, folder.fold([zeros.as_slice()]).unwrap()));
        said += 1;
    }
    assert_eq!((victim.closed, said), (Some(CloseCode::Limit), ANSWER_BYTES_MAX / zeros.len() + 1));

    // What was on its way when it was enough is passed over, but not for ever.
    let (mut victim, mut folder) = asked(1);
    victim.input(Input::Enough(0));
    let mut said = 0;
    while victim.closed.is_none() && said < 1_000 {
        victim.say(&piece(0, folder.fold([zeros.as_slice()]).unwrap()));
        said += 1;
    }
    assert_eq!(
        (victim.closed, said, victim.told),
        (Some(CloseCode::Limit), STRAY_BYTES_MAX / zeros.len() + 1, 0)
    );
}

#[test]
fn a_peer_that_is_silent_about_a_person_is_given_up_and_the_session_lives() {
    let (mut victim, mut folder) = asked(ASKS_OPEN_MAX as u32 + 1);
    victim.now = WallMs(victim.now.0 + ANSWER_TIMEOUT_MS - 1_000);
    let segment = folder.fold([&b"begins, and stops"[..]]).unwrap();
    victim.say(&Message::Told(0, Telling::Piece(segment.into())));
    victim.now = WallMs(victim.now.0 + 2_000);
    victim.input(Input::Tick);
    let late: Vec<u32> = victim.answered.iter().map(|(number, _)| *number).collect();
    assert_eq!(
        late,
        (1..ASKS_OPEN_MAX as u32).collect::<Vec<_>>(),
        "the first is being answered, the last was just asked"
    );
    assert!(victim.answered.iter().all(|(_, ended)| *ended == Ended::Late));
    let sent = |victim: &Victim, message: &Message| victim.sent.contains(message);
    assert!(sent(&victim, &Message::Ask(1, Asking::Enough)));
    assert!(
        sent(&victim, &Message::Ask(ASKS_OPEN_MAX as u32, Asking::For(whom(), 5))),
        "there is room again"
    );
    victim.say(&Message::Told(0, Telling::End(1)));
    assert_eq!(victim.answered.last(), Some(&(0, Ended::Nobody)));
    // An end that comes too late is no lie.
    victim.say(&Message::Told(1, Telling::End(0)));
    assert_eq!(victim.closed, None);
}
