//! A peer that lies about its ranges: the session ends with a reason or costs little, and never panics.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fakes::{Fake, device, group, meet};
use crate::base::{Area, Digest, LaneId, Part, WallMs};
use crate::lane::Head;
use crate::sync::event::{Input, Output};
use crate::sync::limits::{LANES_MAX, RANGE_DIGEST_BYTES, STALL_TIMEOUT_MS};
use crate::sync::message::{GroupDigest, Heads, ListedHead, RangeDigests, Ranges, Scope};
use crate::sync::{CloseCode, Message, Session};

const LANES: u32 = 600;

/// A replica of 600 lanes, whose peer is the test itself.
struct Victim {
    fake: Fake,
    session: Session,
    sent: Vec<Message>,
    bytes: usize,
    closed: Option<CloseCode>,
}

impl Victim {
    /// Opens a session with a peer that says to hold so many lanes of the card.
    fn open(initiator: bool, lanes: u64) -> Self {
        let card = group("shared/a", Part::Card);
        let mut fake = Fake::new(0, [card.clone()]);
        (0..LANES).for_each(|number| {
            fake.set(&card, number, 5);
        });
        let session = fake.session(initiator, fake.holdings());
        let mut victim = Self { fake, session, sent: Vec::new(), bytes: 0, closed: None };
        victim.input(Input::Start);
        let mut hello = Fake::new(1, []).session(true, Default::default());
        for output in hello.handle(WallMs(1_000), Input::Start) {
            let Output::Send(bytes) = output else { panic!("a hello") };
            victim.input(Input::Received(bytes));
        }
        let (area, part) = (card.area, card.part);
        victim.say(&Message::Digests(vec![GroupDigest { area, part, digest: Digest([9; 32]), lanes }]));
        assert_eq!(victim.closed, None);
        victim
    }

    fn say(&mut self, message: &Message) {
        self.input(Input::Received(message.to_bytes()));
    }

    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.session.handle(WallMs(1_000), input) {
                match output {
                    Output::Send(bytes) => {
                        self.bytes += bytes.len();
                        self.sent.push(Message::from_bytes(&bytes).unwrap().unwrap());
                    }
                    Output::Close(closed) => self.closed = Some(closed.code),
                    Output::GaveUp { .. } | Output::ReadFork { .. } | Output::AdmitFork { .. } => {}
                    other => inputs.extend(self.fake.answer(other, &mut BTreeSet::new())),
                }
            }
        }
    }

    fn lists(&self) -> usize {
        self.sent.iter().filter(|message| matches!(message, Message::Heads(_))).count()
    }
}

fn ranges(depth: u8, last: bool, ranges: Vec<(u64, usize)>) -> Message {
    let ranges = ranges
        .into_iter()
        .map(|(index, parts)| RangeDigests { index, digests: vec![3; parts * RANGE_DIGEST_BYTES].into() });
    Message::Ranges(Ranges {
        area: Area::new("shared/a").unwrap(),
        part: Part::Card,
        depth,
        last,
        ranges: ranges.collect(),
        sample: None,
    })
}

fn sampled(message: Message, bytes: usize) -> Message {
    let Message::Ranges(ranges) = message else { panic!("ranges have samples") };
    Message::Ranges(Ranges { sample: Some(vec![1; bytes].into()), ..ranges })
}

fn list(scope: Scope, heads: Vec<ListedHead>) -> Message {
    let area = Area::new("shared/a").unwrap();
    Message::Heads(Heads { area, part: Part::Card, last: false, heads, scope: Some(scope) })
}

fn invented(first: u8, number: u32) -> ListedHead {
    let mut lane = [first; 32];
    lane[1..5].copy_from_slice(&number.to_be_bytes());
    ListedHead { lane: LaneId(lane), head: Head::Straight { size: 3, root: Digest([0; 32]) } }
}

#[test]
fn what_is_out_of_place_order_or_size_ends_it() {
    let first = |parts| ranges(0, true, vec![(0, parts)]);
    for (told, messages) in [
        (
            "another group",
            vec![Message::Ranges(Ranges {
                area: Area::common(),
                part: Part::Card,
                depth: 0,
                last: true,
                ranges: Vec::new(),
                sample: None,
            })],
        ),
        ("a sample of another length", vec![sampled(ranges(0, true, vec![(0, 256)]), 63)]),
        ("a sample in a later round", vec![sampled(ranges(8, true, Vec::new()), 64)]),
        ("a later round", vec![ranges(8, true, Vec::new())]),
        ("too few digests", vec![first(255)]),
        ("too many digests", vec![first(257)]),
        ("another range", vec![ranges(0, true, vec![(1, 256)])]),
        ("the same twice", vec![ranges(0, true, vec![(0, 256), (0, 256)])]),
        ("the same in two messages", vec![ranges(0, false, vec![(0, 256)]), ranges(0, true, vec![(0, 256)])]),
        ("a round that is over", vec![first(256), first(256)]),
        ("a list out of order", vec![first(256), list(Scope::Ranges(8, vec![4, 3]), Vec::new())]),
        ("a range that cannot be", vec![first(256), list(Scope::Ranges(8, vec![256]), Vec::new())]),
        ("a range of too many bits", vec![first(256), list(Scope::Ranges(200, vec![0]), Vec::new())]),
        ("a lane outside", vec![first(256), list(Scope::Ranges(8, vec![4]), vec![invented(5, 1)])]),
        (
            "lanes out of order",
            vec![first(256), list(Scope::Ranges(8, vec![4]), vec![invented(4, 2), invented(4, 1)])],
        ),
        ("an answer to nothing", vec![list(Scope::Answer(false), vec![invented(1, 1)])]),
        (
            "an empty answer to nothing",
            vec![Message::Heads(Heads {
                area: Area::common(),
                part: Part::Card,
                last: true,
                heads: Vec::new(),
                scope: Some(Scope::Answer(true)),
            })],
        ),
        (
            "a plain list",
            vec![Message::Heads(Heads {
                area: Area::new("shared/a").unwrap(),
                part: Part::Card,
                last: true,
                heads: Vec::new(),
                scope: None,
            })],
        ),
    ] {
        // 600 lanes: rounds at 8 bits only, so that a second round is out of place; 5,000 have one more.
        let mut victim = Victim::open(false, 600);
        messages.iter().for_each(|message| victim.say(message));
        assert_eq!(victim.closed, Some(CloseCode::Protocol), "{told}");
    }
    let mut victim = Victim::open(false, 5_000);
    victim.say(&first(256));
    assert_eq!(victim.closed, None);
    let mut offers = Victim::open(false, 600);
    offers.say(&Message::Heads(Heads {
        area: Area::new("shared/b").unwrap(),
        part: Part::Card,
        last: true,
        heads: vec![invented(1, 1)],
        scope: Some(Scope::Offer),
    }));
    assert_eq!(offers.closed, Some(CloseCode::Protocol), "an offer of what is not subscribed to");
}

#[test]
fn what_is_asked_for_twice_is_not_answered_twice() {
    let mut victim = Victim::open(false, 600);
    victim.say(&list(Scope::Ranges(0, vec![0]), Vec::new()));
    assert_eq!(victim.closed, None);
    let once = victim.bytes;
    assert!(once > LANES as usize * 70, "all lanes, since the peer says to lack them");
    victim.say(&list(Scope::Ranges(0, vec![0]), Vec::new()));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
    assert!(victim.bytes < once + 300);
}

#[test]
fn counts_that_lie_cost_no_more_than_what_is_held() {
    for initiator in [true, false] {
        let mut victim = Victim::open(initiator, u64::MAX);
        let mut round = usize::from(initiator);
        let depths = [0, 8, 12, 16, 20];
        // The peer says that everything differs, wherever it may.
        while victim.closed.is_none() && round < 5 {
            let asked = victim.sent.iter().rev().find_map(|message| match message {
                Message::Ranges(ranges) if !ranges.ranges.is_empty() => Some(ranges.clone()),
                _ => None,
            });
            let named: Vec<u64> = match &asked {
                Some(asked) => {
                    let step = depths[round] - asked.depth;
                    asked
                        .ranges
                        .iter()
                        .flat_map(|range| (range.index << step)..((range.index + 1) << step))
                        .collect()
                }
                None => vec![0],
            };
            if round > 3 {
                break;
            }
            let step = depths[round + 1] - depths[round];
            let named: Vec<(u64, usize)> = named.iter().map(|index| (*index, 1 << step)).collect();
            for (number, chunk) in named.chunks(1_024).enumerate() {
                victim.say(&ranges(depths[round], (number + 1) * 1_024 >= named.len(), chunk.to_vec()));
            }
            round += 2;
        }
        assert_eq!(victim.closed, None);
        // Digests of up to three rounds, the empty ranges beside it, and its head: for each lane that is held.
        let most = LANES as usize * 1_600;
        assert!(victim.bytes < most, "{} bytes, {} lists", victim.bytes, victim.lists());
    }
}

#[test]
fn endless_lanes_end_it() {
    let mut victim = Victim::open(false, u64::MAX);
    let mut listed = 0;
    while victim.closed.is_none() {
        let heads = (listed..listed + 1_024).map(|number| invented(4, number)).collect();
        victim.say(&list(Scope::Ranges(8, vec![4]), heads));
        listed += 1_024;
        assert!(listed as usize <= LANES_MAX + 1_024);
    }
    // Lanes of our own in that range may be listed once; what is new is bounded.
    assert!(matches!(victim.closed, Some(CloseCode::Limit | CloseCode::Protocol)));
}

#[test]
fn a_peer_that_never_ends_its_rounds_is_left() {
    let mut victim = Victim::open(false, 5_000);
    victim.say(&ranges(0, true, vec![(0, 256)]));
    let mut closed = None;
    for second in 0..2 * STALL_TIMEOUT_MS / 1_000 {
        for output in victim.session.handle(WallMs(1_000 + second * 1_000), Input::Tick) {
            if let Output::Close(end) = output {
                closed = Some(end.code);
            }
        }
    }
    assert_eq!(closed, Some(CloseCode::Timeout));
}

/// What the initiator of an honest session says.
fn recorded() -> ([Fake; 2], Vec<Vec<u8>>) {
    let card = group("shared/a", Part::Card);
    let mut one = Fake::new(0, [card.clone()]);
    (0..300).for_each(|number| {
        one.set(&card, number, 3);
    });
    let mut other = Fake { device: device(1), ..one.clone() };
    for number in 0..20 {
        one.set(&card, number * 7, 4);
        other.set(&card, number * 5 + 1, 6);
    }
    let before = [one.clone(), other.clone()];
    let mut said = Vec::new();
    let mut session = one.session(true, one.holdings());
    let mut peer = other.session(false, other.holdings());
    let mut inputs: Vec<(usize, Input)> = vec![(1, Input::Start), (0, Input::Start)];
    while !inputs.is_empty() {
        let (side, input) = inputs.remove(0);
        let (session, fake) = if side == 0 { (&mut session, &mut one) } else { (&mut peer, &mut other) };
        for output in session.handle(WallMs(1_000), input) {
            if let Output::Send(bytes) = &output {
                said.extend((side == 0).then(|| bytes.clone()));
                inputs.push((1 - side, Input::Received(bytes.clone())));
            }
            inputs.extend(fake.answer(output, &mut BTreeSet::new()).map(|input| (side, input)));
        }
    }
    assert!(one.lanes == other.lanes);
    (before, said)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn changed_messages_are_survived(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let ([_, mut victim], said) = recorded();
        let which = which.index(said.len());
        let mut session = victim.session(false, victim.holdings());
        let mut inputs = vec![Input::Start];
        for (number, message) in said.iter().enumerate() {
            let mut message = message.clone();
            if number == which {
                for (index, byte) in &changes {
                    let index = index.index(message.len());
                    message[index] = *byte;
                }
            }
            inputs.push(Input::Received(message));
            while !inputs.is_empty() {
                for output in session.handle(WallMs(1_000), inputs.remove(0)) {
                    match output {
                        Output::GaveUp { .. } | Output::ReadFork { .. } | Output::AdmitFork { .. } => {}
                        // Runs that were changed are for admission to refuse; here nobody verifies.
                        Output::Admit { run } => {
                            let lane = run.lane;
                            let head = super::fakes::head(&lane, victim.size(&lane));
                            inputs.push(Input::Stored { lane, head });
                        }
                        other => inputs.extend(victim.answer(other, &mut BTreeSet::new())),
                    }
                }
            }
        }
    }

    #[test]
    fn equal_lanes_meet_equal_whatever_they_are(lanes in 0..700u32) {
        let card = group("shared/a", Part::Card);
        let mut one = Fake::new(0, [card.clone()]);
        (0..lanes).for_each(|number| {
            one.set(&card, number, 1);
        });
        let mut other = Fake { device: device(1), ..one.clone() };
        prop_assert_eq!(meet([&mut one, &mut other]).touched, [0, 0]);
    }
}
