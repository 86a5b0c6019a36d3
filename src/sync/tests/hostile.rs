//! A peer that sends garbage, lies, or never stops: the session ends with a reason, and never panics.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::replica::{Realm, Replica, body};
use super::world::{Profile, World};
use crate::base::{Area, Digest, LaneId, Part, WallMs};
use crate::identity::Certificate;
use crate::lane::{Checkpoint, Entry, EntryKind, Head, LaneOpening, Run, frame};
use crate::sync::ask::{Asking, Telling};
use crate::sync::event::{Input, Output};
use crate::sync::limits::{CERTIFICATES_MAX, HEADS_PER_MESSAGE_MAX, LANES_MAX, RESTARTS_MAX};
use crate::sync::message::{Acknowledged, Fork, Heads, Hello, ListedHead};
use crate::sync::segment::Folder;
use crate::sync::{CloseCode, Ended, Message, Session, Streams};

/// A replica whose peer is the test itself.
pub struct Victim {
    pub replica: Replica,
    pub session: Session,
    pub now: WallMs,
    pub sent: Vec<Message>,
    pub closed: Option<CloseCode>,
    /// Numbers under which the peer has asked, and was let.
    pub asked: Vec<u32>,
    /// How what the victim has asked was answered.
    pub answered: Vec<(u32, Ended)>,
    /// What was told of it.
    pub told: usize,
}

impl Victim {
    pub fn new(replica: Replica) -> Self {
        let session = replica.session(false);
        let mut victim = Self {
            replica,
            session,
            now: WallMs(1_000),
            sent: Vec::new(),
            closed: None,
            asked: Vec::new(),
            answered: Vec::new(),
            told: 0,
        };
        victim.input(Input::Start);
        victim
    }

    /// A session that is open: the peer has said hello and listed its digests.
    pub fn open() -> Self {
        let mut world = World::of(2);
        world.replicas[1].write("shared/a", Part::Card, 3, 50);
        Self::open_in(world)
    }

    /// An open session of replica 1 with replica 0, which has a lane of its own.
    fn open_in(mut world: World) -> Self {
        world.replicas[0].write("shared/a", Part::Card, 3, 50);
        let (replica, other) = (world.replicas[1].clone(), world.replicas[0].clone());
        let mut victim = Self::new(replica);
        victim.replica.learn(&other.chain);
        let link = world.connect(0, 1, Profile::LAN);
        world.settle();
        let opening = world.links[link].messages().filter(|(side, _)| *side == 0).map(|(_, message)| message);
        for message in opening.take_while(|message| !matches!(message, Message::Heads(_))) {
            victim.say(&message);
        }
        assert_eq!(victim.closed, None);
        victim
    }

    pub fn say(&mut self, message: &Message) {
        self.receive(message.to_bytes());
    }

    fn receive(&mut self, bytes: Vec<u8>) {
        self.input(Input::Received(bytes));
    }

    pub fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for output in self.session.handle(self.now, input) {
                match output {
                    Output::Send(bytes) => self.sent.push(Message::from_bytes(&bytes).unwrap().unwrap()),
                    Output::Peer { certificate, .. } => inputs.push(self.replica.peer_allowed(&certificate)),
                    Output::Certificates(signed) => self.replica.learn(&signed),
                    Output::ReadRuns { lane, from, limit_bytes } => {
                        inputs.push(self.replica.read_runs(lane, from, limit_bytes));
                    }
                    Output::ReadFork { lane } => inputs.push(self.replica.read_fork(&lane)),
                    Output::Admit { run } => inputs.insert(0, self.replica.admit(run)),
                    Output::AdmitFork { name, bytes } => match self.replica.admit_fork(name.id(), &bytes) {
                        Some(answer) => inputs.insert(0, answer),
                        None => inputs.push(Input::Close(CloseCode::Protocol)),
                    },
                    Output::Close(closed) => self.closed = Some(closed.code),
                    Output::Asked { number, .. } => self.asked.push(number),
                    Output::Told { bytes, .. } => self.told += bytes.len(),
                    Output::Answered { number, ended } => self.answered.push((number, ended)),
                    Output::PeerHas { .. }
                    | Output::PeerLists { .. }
                    | Output::PeerHasAll { .. }
                    | Output::GaveUp { .. }
                    | Output::InSync => {}
                }
            }
        }
    }
}

fn one_of_each() -> Vec<Message> {
    let (lane, area, part) = (LaneId([7; 32]), Area::common(), Part::Card);
    let name = Replica::new(&Realm::new("test"), 9, &["shared/a"]).name("shared/a", Part::Card);
    vec![
        Message::Hello(Hello {
            version_min: 1,
            version_max: 1,
            realm: name.realm,
            certificate: Digest([1; 32]),
            clock: WallMs(5),
            subscription: Digest([2; 32]),
            all: Digest([3; 32]),
        }),
        Message::WantCertificate,
        Message::Certificates(vec![b"not a certificate".to_vec().into()]),
        Message::Digests(Vec::new()),
        Message::Heads(Heads { area, part, last: true, heads: Vec::new(), scope: None }),
        Message::Runs(b"not a stream".to_vec().into()),
        Message::Fork(Fork { name, head: Digest([4; 32]), more: false, evidence: None }),
        Message::Ack(vec![Acknowledged { lane, size: 1 }]),
        Message::Restart(lane, 0),
        Message::Stop(lane),
        Message::Close(CloseCode::Shutdown, "bye".to_owned()),
        Message::Ask(0, Asking::Heard(1)),
        Message::Told(0, Telling::End(0)),
    ]
}

#[test]
fn nothing_but_hello_is_heard_before_hello() {
    let replica = World::of(1).replicas.remove(0);
    for message in one_of_each() {
        let mut victim = Victim::new(replica.clone());
        victim.say(&message);
        let expected = match message {
            Message::Hello(_) => None,
            Message::Close(..) => Some(CloseCode::Shutdown),
            _ => Some(CloseCode::Protocol),
        };
        assert_eq!(victim.closed, expected, "{message:?}");
    }
}

#[test]
fn an_open_session_ends_at_what_is_out_of_place() {
    for message in one_of_each() {
        let mut victim = Victim::open();
        victim.say(&message);
        let expected = match message {
            Message::WantCertificate | Message::Certificates(_) => None,
            Message::Fork(_) => None,
            Message::Close(..) => Some(CloseCode::Shutdown),
            _ => Some(CloseCode::Protocol),
        };
        assert_eq!(victim.closed, expected, "{message:?}");
    }
}

#[test]
fn a_second_hello_and_a_second_list_end_it() {
    let mut victim = Victim::open();
    victim.say(&one_of_each()[0]);
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
    let mut victim = Victim::open();
    victim.say(&Message::Digests(Vec::new()));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
}

#[test]
fn a_certificate_that_never_verifies_ends_it() {
    let mut victim = Victim::new(World::of(1).replicas.remove(0));
    victim.say(&Message::Hello(Hello {
        realm: victim.replica.certificates.realm(),
        certificate: Certificate::hash(b"junk"),
        ..hello_of(&one_of_each()[0])
    }));
    assert!(victim.sent.contains(&Message::WantCertificate));
    victim.say(&Message::Certificates(vec![b"another".to_vec().into()]));
    assert_eq!(victim.closed, None, "other certificates may come first");
    victim.say(&Message::Certificates(vec![b"junk".to_vec().into()]));
    assert_eq!(victim.closed, Some(CloseCode::Certificate));
}

fn hello_of(message: &Message) -> Hello {
    match message {
        Message::Hello(hello) => hello.clone(),
        _ => panic!("the first of each is a hello"),
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_ends_it() {
    let mut victim = Victim::open();
    let lane = victim.replica.name("shared/a", Part::Card).id();
    victim.say(&Message::Ack(vec![Acknowledged { lane, size: 4 }]));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));

    let mut victim = Victim::open();
    list(&mut victim, Vec::new(), true);
    assert!(victim.sent.iter().any(|message| matches!(message, Message::Runs(_))), "4 entries were sent");
    victim.say(&Message::Ack(vec![Acknowledged { lane, size: 4 }]));
    assert_eq!(victim.closed, None);
    victim.say(&Message::Ack(vec![Acknowledged { lane, size: 5 }]));
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
}

fn list(victim: &mut Victim, heads: Vec<ListedHead>, last: bool) {
    let area = Area::new("shared/a").unwrap();
    victim.say(&Message::Heads(Heads { area, part: Part::Card, last, heads, scope: None }));
}

fn invented(number: u32) -> ListedHead {
    let mut lane = [0; 32];
    lane[..4].copy_from_slice(&number.to_be_bytes());
    ListedHead { lane: LaneId(lane), head: Head::Straight { size: u64::MAX, root: Digest([0; 32]) } }
}

#[test]
fn endless_heads_end_it() {
    let mut victim = Victim::open();
    let mut listed = 0;
    while victim.closed.is_none() {
        let next = listed + HEADS_PER_MESSAGE_MAX as u32;
        list(&mut victim, (listed..next).map(invented).collect(), false);
        listed = next;
        assert!(listed as usize <= LANES_MAX + HEADS_PER_MESSAGE_MAX);
    }
    assert_eq!(victim.closed, Some(CloseCode::Limit));
}

#[test]
fn heads_that_repeat_end_it() {
    let mut victim = Victim::open();
    list(&mut victim, vec![invented(2), invented(1)], false);
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
    let mut victim = Victim::open();
    list(&mut victim, vec![invented(1)], false);
    list(&mut victim, vec![invented(1)], false);
    assert_eq!(victim.closed, Some(CloseCode::Protocol));
}

#[test]
fn endless_restarts_and_certificates_end_it() {
    let mut victim = Victim::open();
    list(&mut victim, Vec::new(), true);
    let lane = victim.replica.name("shared/a", Part::Card).id();
    for _ in 0..RESTARTS_MAX {
        victim.say(&Message::Restart(lane, 0));
        assert_eq!(victim.closed, None);
    }
    victim.say(&Message::Restart(lane, 0));
    assert_eq!(victim.closed, Some(CloseCode::Limit));

    let mut victim = Victim::open();
    for _ in 0..=CERTIFICATES_MAX / 32 {
        victim.say(&Message::Certificates(vec![b"junk".to_vec().into(); 32]));
    }
    assert_eq!(victim.closed, Some(CloseCode::Limit));
}

#[test]
fn a_bomb_ends_it() {
    let mut victim = Victim::open();
    let bomb = zstd::bulk::compress(&vec![0; 200 << 20], 1).unwrap();
    victim.say(&Message::Runs(bomb.into()));
    assert_eq!(victim.closed, Some(CloseCode::Limit));
}

#[test]
fn more_in_flight_than_any_window_ends_it() {
    let mut victim = Victim::open();
    let mut folder = Folder::new(Streams::default());
    let lane = victim.replica.name("shared/a", Part::Card).id();
    for message in 0..20 {
        let run = Run {
            lane,
            start: 4 + message,
            entries: vec![Entry { kind: EntryKind::FACTS, body: vec![0; 8 << 20] }],
            checkpoints: vec![Checkpoint { size: 5 + message, signature: [0; 64] }],
        };
        let segment = folder.fold([frame::encode_plain(&run).as_slice()]).unwrap();
        // A driver that stores nothing: its answers never come.
        let outputs =
            victim.session.handle(WallMs(1_000), Input::Received(Message::Runs(segment.into()).to_bytes()));
        let closed = outputs
            .iter()
            .any(|output| matches!(output, Output::Close(closed) if closed.code == CloseCode::Limit));
        if closed {
            assert!((3..8).contains(&message), "{message} messages of 8 MiB");
            return;
        }
    }
    panic!("40 MiB and more were taken");
}

#[test]
fn a_run_that_cannot_be_admitted_stops_its_lane_only() {
    let realm = Realm::new("test");
    let (mut honest, mut forger) =
        (Replica::new(&realm, 5, &["shared/a"]), Replica::new(&realm, 6, &["shared/a"]));
    honest.write("shared/a", Part::Card, 1, 50);
    forger.write("shared/a", Part::Card, 1, 50);
    let opening = |replica: &Replica| {
        let certificate = Certificate::hash(replica.chain.last().unwrap());
        LaneOpening { version: 1, name: replica.name("shared/a", Part::Card), certificate }
    };
    let forged = Run {
        lane: forger.name("shared/a", Part::Card).id(),
        start: 0,
        entries: vec![opening(&forger).entry(), Entry { kind: EntryKind::FACTS, body: body(1, 1, 40) }],
        checkpoints: vec![Checkpoint { size: 2, signature: [9; 64] }],
    };
    let mut victim = Victim::open();
    victim.replica.learn(&honest.chain);
    victim.replica.learn(&forger.chain);
    list(&mut victim, Vec::new(), true);
    let mut folder = Folder::new(Streams::default());
    for attempt in 0..4 {
        let segment = folder.fold([frame::encode_plain(&forged).as_slice()]).unwrap();
        victim.say(&Message::Runs(segment.into()));
        assert_eq!(victim.closed, None, "attempt {attempt}");
    }
    let asked: Vec<&Message> = victim
        .sent
        .iter()
        .filter(|message| matches!(message, Message::Restart(lane, 0) | Message::Stop(lane) if *lane == forged.lane))
        .collect();
    assert_eq!(asked, [&Message::Restart(forged.lane, 0), &Message::Stop(forged.lane)]);
    let lane = honest.name("shared/a", Part::Card).id();
    let Input::Runs { runs, .. } = honest.read_runs(lane, 0, 1 << 20) else { panic!("runs") };
    let segment = folder.fold([frame::encode_plain(&runs[0]).as_slice()]).unwrap();
    victim.say(&Message::Runs(segment.into()));
    assert_eq!(victim.replica.size(&lane), 2);
    assert_eq!(victim.replica.size(&forged.lane), 0);
}

#[test]
fn an_acknowledgement_never_comes_before_the_driver_says_durable() {
    let realm = Realm::new("test");
    let mut writer = Replica::new(&realm, 5, &["shared/a"]);
    writer.write("shared/a", Part::Card, 1, 50);
    let lane = writer.name("shared/a", Part::Card).id();
    let Input::Runs { runs, .. } = writer.read_runs(lane, 0, 1 << 20) else { panic!("runs") };
    let mut victim = Victim::open();
    victim.replica.learn(&writer.chain);
    let segment = Folder::new(Streams::default()).fold([frame::encode_plain(&runs[0]).as_slice()]).unwrap();
    let received = Input::Received(Message::Runs(segment.into()).to_bytes());
    let outputs = victim.session.handle(WallMs(2_000), received);
    assert_eq!(outputs, [Output::Admit { run: runs[0].clone() }]);
    assert_eq!(victim.session.handle(WallMs(9_000), Input::Tick), []);
    let stored = victim.replica.admit(runs[0].clone());
    let acknowledged = Message::Ack(vec![Acknowledged { lane, size: 2 }]).to_bytes();
    assert!(victim.session.handle(WallMs(9_500), stored).contains(&Output::Send(acknowledged)));
}

#[test]
fn a_driver_that_answers_what_was_not_asked_ends_its_own_session() {
    let lane = LaneId([1; 32]);
    let head = Head::Straight { size: 1, root: Digest([0; 32]) };
    for input in [
        Input::Stored { lane, head },
        Input::Runs { lane, from: 0, runs: Vec::new(), certificates: Vec::new() },
        Input::Start,
    ] {
        let mut victim = Victim::open();
        victim.input(input);
        assert_eq!(victim.closed, Some(CloseCode::Internal));
    }
}

#[test]
fn runs_beyond_a_gap_are_left_out_until_the_lane_starts_again() {
    let mut writer = Replica::new(&Realm::new("test"), 5, &["shared/a"]);
    for _ in 0..4 {
        writer.write("shared/a", Part::Card, 1, 50);
    }
    let lane = writer.name("shared/a", Part::Card).id();
    let Input::Runs { runs, .. } = writer.read_runs(lane, 0, 1 << 20) else { panic!("runs") };
    let mut victim = Victim::open();
    victim.replica.learn(&writer.chain);
    list(&mut victim, Vec::new(), true);
    let mut folder = Folder::new(Streams::default());
    for number in [0, 2, 3, 3, 1, 2, 3] {
        let segment = folder.fold([frame::encode_plain(&runs[number]).as_slice()]).unwrap();
        victim.say(&Message::Runs(segment.into()));
    }
    let asked = victim.sent.iter().filter(|message| matches!(message, Message::Restart(..)));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [&Message::Restart(lane, 2)],
        "once, though three runs did not fit"
    );
    assert_eq!(victim.replica.size(&lane), 5);
    assert_eq!(victim.closed, None);
}

#[test]
fn a_restart_takes_back_what_is_in_flight_and_what_is_being_read() {
    let mut world = World::of(2);
    world.replicas[1].write("shared/a", Part::Card, 3_000, 400);
    let mut victim = Victim::open_in(world);
    let lane = victim.replica.name("shared/a", Part::Card).id();
    list(&mut victim, Vec::new(), true);
    let count = |victim: &Victim| victim.sent.iter().filter(|m| matches!(m, Message::Runs(_))).count();
    let sent = count(&victim);
    victim.say(&Message::Restart(lane, 0));
    assert_eq!(count(&victim), 2 * sent, "a window full again, though nothing was acknowledged");

    // The same while a read is under way: its answer is void.
    victim.say(&Message::Restart(lane, 4));
    let restart = Input::Received(Message::Restart(lane, 0).to_bytes());
    let outputs = victim.session.handle(WallMs(1_000), restart);
    assert!(matches!(outputs[..], [Output::ReadRuns { from: 0, .. }]), "{outputs:?}");
    let restart = Input::Received(Message::Restart(lane, 7).to_bytes());
    assert_eq!(victim.session.handle(WallMs(1_000), restart), []);
    let late = victim.replica.read_runs(lane, 0, 1_000);
    let outputs = victim.session.handle(WallMs(1_000), late);
    assert!(matches!(outputs[..], [Output::ReadRuns { from: 7, .. }]), "{outputs:?}");
}

#[test]
fn disputed_entries_are_not_acknowledged() {
    let realm = Realm::new("test");
    let mut author = Replica::new(&realm, 5, &["shared/a"]);
    author.write("shared/a", Part::Card, 3, 50);
    let mut clone = author.clone();
    author.write("shared/a", Part::Card, 1, 51);
    clone.write("shared/a", Part::Card, 1, 52);
    let mut world = World::of(2);
    world.replicas[1].adopt(&author);
    world.replicas[1].adopt(&clone);
    let mut victim = Victim::open_in(world);
    let lane = author.name("shared/a", Part::Card).id();
    assert!(matches!(victim.replica.head(&lane), Some(Head::Forked { at: 4, .. })));
    clone.write("shared/a", Part::Card, 1, 53);
    list(&mut victim, Vec::new(), true);
    let Input::Runs { runs, .. } = clone.read_runs(lane, 0, 1 << 20) else { panic!("runs") };
    let mut folder = Folder::new(Streams::default());
    for run in &runs {
        let segment = folder.fold([frame::encode_plain(run).as_slice()]).unwrap();
        victim.say(&Message::Runs(segment.into()));
    }
    let acks: Vec<&Message> = victim.sent.iter().filter(|m| matches!(m, Message::Ack(_))).collect();
    assert_eq!(acks, [&Message::Ack(vec![Acknowledged { lane, size: 4 }])], "only what lies below the fork");
}

/// The messages of one side of a whole honest session, and the replica that heard them.
fn recorded() -> (Replica, Vec<Vec<u8>>) {
    let mut world = World::of(3);
    world.replicas[0].write("shared/a", Part::Card, 5, 60);
    world.replicas[2] = world.replicas[0].clone();
    world.replicas[2].write("shared/a", Part::Card, 2, 61);
    world.replicas[0].write("shared/a", Part::Card, 1, 62);
    world.replicas[1].write("shared/a", Part::Notes, 3, 60);
    world.connect(2, 1, Profile::LAN);
    world.settle();
    world.cut(0);
    let victim = world.replicas[1].clone();
    let link = world.connect(0, 1, Profile::LAN);
    world.settle();
    let sent = world.links[link].sent.iter().filter(|(side, _)| *side == 0);
    (victim, sent.map(|(_, bytes)| bytes.clone()).collect())
}

#[test]
fn every_truncation_of_every_message_is_survived() {
    let (replica, messages) = recorded();
    assert!(messages.len() >= 8, "{}", messages.len());
    for (index, message) in messages.iter().enumerate() {
        for length in (0..message.len()).step_by(message.len() / 12 + 1) {
            let mut victim = Victim::new(replica.clone());
            messages[..index].iter().for_each(|before| victim.receive(before.clone()));
            victim.receive(message[..length].to_vec());
            assert_eq!(victim.closed, Some(CloseCode::Protocol), "message {index} cut at {length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_and_changed_messages_are_survived_in_every_state(
        state in 0..12usize,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (replica, messages) = recorded();
        let state = state.min(messages.len() - 1);
        for tampered in [noise, tamper(&messages[state], &changes)] {
            let mut victim = Victim::new(replica.clone());
            messages[..state].iter().for_each(|before| victim.receive(before.clone()));
            let before = victim.replica.heads();
            victim.receive(tampered);
            // Lanes may have advanced by what still verifies, never gone back.
            let lanes: BTreeSet<LaneId> = victim.replica.heads().into_keys().collect();
            prop_assert!(before.keys().all(|lane| lanes.contains(lane)));
            messages[state..].iter().for_each(|after| victim.receive(after.clone()));
        }
    }
}

fn tamper(message: &[u8], changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut message = message.to_vec();
    for (index, byte) in changes {
        let index = index.index(message.len());
        message[index] = *byte;
    }
    message
}
