//! Replicas, links and time: each link has a delay and a bandwidth, and can be cut at any message.

use std::collections::{BTreeMap, VecDeque};

use super::replica::{Realm, Replica};
use crate::base::{LaneId, Part, WallMs};
use crate::lane::{Head, Run, frame};
use crate::sync::ask::Telling;
use crate::sync::event::{GiveUp, Input, Output};
use crate::sync::segment::Unfolder;
use crate::sync::{Closed, Ended, Message, Session, Streams};

/// How a link behaves.
#[derive(Clone, Copy)]
pub struct Profile {
    pub delay_ms: u64,
    pub bytes_per_s: u64,
}

impl Profile {
    pub const LAN: Profile = Profile { delay_ms: 1, bytes_per_s: 100_000_000 };
    pub const NARROW: Profile = Profile { delay_ms: 300, bytes_per_s: 2_900 };
}

/// One direction of a link.
#[derive(Default)]
struct Wire {
    free_at: u64,
    under_way: VecDeque<(u64, Vec<u8>)>,
}

/// One connection between two replicas.
pub struct Link {
    pub ends: [usize; 2],
    pub profile: Profile,
    pub sessions: [Session; 2],
    wires: [Wire; 2],
    /// What was sent, by side, in order.
    pub sent: Vec<(usize, Vec<u8>)>,
    /// The link is cut instead of sending the message of this number.
    pub cut_at: Option<usize>,
    pub up: bool,
    pub closed: [Option<Closed>; 2],
    pub in_sync: [usize; 2],
    pub reads: usize,
    pub gave_up: Vec<(usize, LaneId, GiveUp)>,
    /// Bytes that were told to each side of what it has asked, and when the last of them came.
    pub told: [(usize, u64); 2],
    /// How that ended.
    pub answered: Vec<(usize, u32, Ended)>,
}

impl Link {
    pub fn bytes(&self) -> usize {
        self.sent.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Returns what was sent, decoded.
    pub fn messages(&self) -> impl Iterator<Item = (usize, Message)> {
        self.sent.iter().map(|(side, bytes)| (*side, Message::from_bytes(bytes).unwrap().unwrap()))
    }
}

impl Link {
    /// Returns the runs that were sent, by side, in order.
    pub fn runs(&self) -> Vec<(usize, Run)> {
        let mut streams = [Unfolder::new(Streams::default()), Unfolder::new(Streams::default())];
        let mut runs = Vec::new();
        for (side, message) in self.messages() {
            match message {
                Message::Runs(segment) => {
                    let plain = streams[side].unfold(&segment).unwrap();
                    runs.extend(plain.iter().map(|run| (side, frame::decode_plain(run).unwrap())));
                }
                Message::Told(_, Telling::Piece(segment)) => {
                    streams[side].unfold(&segment).unwrap();
                }
                Message::Fork(fork) => {
                    if let Some(segment) = fork.evidence {
                        streams[side].unfold(&segment).unwrap();
                    }
                }
                _ => {}
            }
        }
        runs
    }
}

/// The world.
pub struct World {
    pub now: u64,
    pub replicas: Vec<Replica>,
    pub links: Vec<Link>,
    /// What each replica was told that each other one holds: (who, of whom, lane) → size.
    pub held_by: BTreeMap<(usize, usize, LaneId), u64>,
    /// What every replica answers to who asks for a person.
    pub answer: Vec<(Part, Vec<u8>)>,
}

impl World {
    /// Makes replicas 0, 1, … that all hold the areas `shared/a` and `common`.
    pub fn of(count: u16) -> Self {
        let realm = Realm::new("test");
        let replicas = (0..count).map(|number| Replica::new(&realm, number, &["shared/a"])).collect();
        Self::with(replicas)
    }

    pub fn with(replicas: Vec<Replica>) -> Self {
        Self { now: 1_000_000, replicas, links: Vec::new(), held_by: BTreeMap::new(), answer: Vec::new() }
    }

    /// Connects two replicas and returns the link's number.
    pub fn connect(&mut self, one: usize, other: usize, profile: Profile) -> usize {
        self.connect_until(one, other, profile, None)
    }

    /// Connects two replicas by a link that is cut instead of sending message `cut_at`.
    pub fn connect_until(
        &mut self,
        one: usize,
        other: usize,
        profile: Profile,
        cut_at: Option<usize>,
    ) -> usize {
        let sessions = [self.replicas[one].session(true), self.replicas[other].session(false)];
        self.connect_sessions(one, other, profile, cut_at, sessions)
    }

    /// Connects two replicas by sessions that were prepared.
    pub fn connect_sessions(
        &mut self,
        one: usize,
        other: usize,
        profile: Profile,
        cut_at: Option<usize>,
        sessions: [Session; 2],
    ) -> usize {
        self.links.push(Link {
            ends: [one, other],
            profile,
            sessions,
            wires: Default::default(),
            sent: Vec::new(),
            cut_at,
            up: true,
            closed: [None, None],
            in_sync: [0, 0],
            reads: 0,
            gave_up: Vec::new(),
            told: Default::default(),
            answered: Vec::new(),
        });
        let link = self.links.len() - 1;
        self.input(link, 0, Input::Start);
        self.input(link, 1, Input::Start);
        link
    }

    /// Writes entries at a replica; its sessions learn of it.
    pub fn write(&mut self, replica: usize, area: &str, part: Part, count: usize, bytes: usize) {
        let changed = self.replicas[replica].write(area, part, count, bytes);
        self.tell(replica, usize::MAX, &changed);
    }

    /// Tells every session of a replica but `except` of a changed head.
    fn tell(&mut self, replica: usize, except: usize, changed: &Input) {
        let Input::HeadChanged { name, head } = changed else { panic!("only heads are told") };
        for link in (0..self.links.len()).filter(|link| *link != except) {
            for side in 0..2 {
                if self.links[link].ends[side] == replica && self.links[link].up {
                    self.input(link, side, Input::HeadChanged { name: name.clone(), head: head.clone() });
                }
            }
        }
    }

    /// Feeds a session and carries out what it asks for, and what follows from that.
    pub fn input(&mut self, link: usize, side: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if !self.links[link].up {
                return;
            }
            let outputs = self.links[link].sessions[side].handle(WallMs(self.now), input);
            for output in outputs {
                inputs.extend(self.output(link, side, output));
            }
        }
    }

    fn output(&mut self, link: usize, side: usize, output: Output) -> Option<Input> {
        let me = self.links[link].ends[side];
        let peer = self.links[link].ends[1 - side];
        match output {
            Output::Send(bytes) => {
                self.send(link, side, bytes);
                None
            }
            Output::Peer { certificate, .. } => Some(self.replicas[me].peer_allowed(&certificate)),
            Output::Certificates(signed) => {
                self.replicas[me].learn(&signed);
                None
            }
            Output::ReadRuns { lane, from, limit_bytes } => {
                self.links[link].reads += 1;
                Some(self.replicas[me].read_runs(lane, from, limit_bytes))
            }
            Output::ReadFork { lane } => {
                self.links[link].reads += 1;
                Some(self.replicas[me].read_fork(&lane))
            }
            Output::Admit { run } => {
                let lane = run.lane;
                let before = self.replicas[me].head(&lane);
                let answer = self.replicas[me].admit(run);
                self.tell_stored(me, link, lane, before);
                Some(answer)
            }
            Output::AdmitFork { name, bytes } => {
                let lane = name.id();
                let before = self.replicas[me].head(&lane);
                let answer = self.replicas[me].admit_fork(lane, &bytes);
                self.tell_stored(me, link, lane, before);
                Some(answer.expect("honest replicas send evidence that decodes"))
            }
            Output::PeerHas { lane, size } => {
                let held = self.held_by.entry((me, peer, lane)).or_default();
                *held = size.max(*held);
                None
            }
            Output::PeerLists { .. } => None,
            Output::Asked { number, .. } => {
                Some(Input::Answer { number, parts: self.answer.clone(), ended: Ended::Whole })
            }
            Output::Told { bytes, .. } => {
                let (told, at) = &mut self.links[link].told[side];
                (*told, *at) = (*told + bytes.len(), self.now);
                None
            }
            Output::Answered { number, ended } => {
                self.links[link].answered.push((side, number, ended));
                None
            }
            Output::PeerHasAll { heads, .. } => {
                for (lane, head) in heads.heads() {
                    if let Head::Straight { size, .. } = head {
                        let held = self.held_by.entry((me, peer, lane)).or_default();
                        *held = size.max(*held);
                    }
                }
                None
            }
            Output::GaveUp { lane, reason } => {
                self.links[link].gave_up.push((side, lane, reason));
                None
            }
            Output::InSync => {
                self.links[link].in_sync[side] += 1;
                None
            }
            Output::Close(closed) => {
                self.links[link].closed[side] = Some(closed);
                None
            }
        }
    }

    fn tell_stored(&mut self, me: usize, link: usize, lane: LaneId, before: Option<Head>) {
        let Some(state) = self.replicas[me].state(&lane) else { return };
        let (name, head) = (state.name.clone(), state.head());
        if before.as_ref() != Some(&head) {
            self.tell(me, link, &Input::HeadChanged { name, head });
        }
    }

    fn send(&mut self, link: usize, side: usize, bytes: Vec<u8>) {
        let now = self.now;
        let link = &mut self.links[link];
        if link.cut_at == Some(link.sent.len()) {
            link.up = false;
        }
        if !link.up {
            return;
        }
        link.sent.push((side, bytes.clone()));
        let wire = &mut link.wires[side];
        let sent = wire.free_at.max(now) + bytes.len() as u64 * 1_000 / link.profile.bytes_per_s;
        wire.free_at = sent;
        wire.under_way.push_back((sent + link.profile.delay_ms, bytes));
    }

    /// Cuts a link: what is under way is lost.
    pub fn cut(&mut self, link: usize) {
        self.links[link].up = false;
    }

    /// Lets the next message arrive; false when nothing is under way.
    pub fn step(&mut self) -> bool {
        let next = (0..self.links.len())
            .filter(|link| self.links[*link].up)
            .flat_map(|link| [(link, 0), (link, 1)])
            .filter_map(|(link, side)| {
                let (at, _) = self.links[link].wires[side].under_way.front()?;
                Some((*at, link, side))
            })
            .min();
        let Some((at, link, side)) = next else { return false };
        self.now = self.now.max(at);
        let (_, bytes) = self.links[link].wires[side].under_way.pop_front().expect("seen just now");
        self.input(link, 1 - side, Input::Received(bytes));
        true
    }

    /// Runs until nothing is under way.
    pub fn settle(&mut self) {
        for _ in 0..200_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the sessions do not come to rest");
    }

    /// Runs for a time, with a tick every second.
    pub fn run_ms(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            let tick = (self.now / 1_000 + 1) * 1_000;
            while self.next_at().is_some_and(|at| at <= tick.min(end)) {
                self.step();
            }
            self.now = tick.min(end).max(self.now);
            if self.now == tick {
                self.tick();
            }
        }
    }

    fn next_at(&self) -> Option<u64> {
        let up = self.links.iter().filter(|link| link.up);
        up.flat_map(|link| &link.wires).filter_map(|wire| wire.under_way.front().map(|(at, _)| *at)).min()
    }

    /// Ticks every session.
    pub fn tick(&mut self) {
        for link in 0..self.links.len() {
            for side in 0..2 {
                self.input(link, side, Input::Tick);
            }
        }
    }

    /// Asserts that all replicas hold the same.
    pub fn assert_equal(&self) {
        for (number, replica) in self.replicas.iter().enumerate() {
            assert_eq!(replica.heads(), self.replicas[0].heads(), "replicas 0 and {number}");
        }
    }

    /// Asserts that no replica lacks what another one was told that it holds.
    pub fn assert_nothing_acknowledged_is_lost(&self) {
        for ((_, holder, lane), size) in &self.held_by {
            let held = match self.replicas[*holder].head(lane) {
                Some(Head::Straight { size, .. }) => size,
                Some(Head::Forked { .. }) => u64::MAX, // What is kept of a fork is judged by the lane.
                None => 0,
            };
            assert!(held >= *size, "replica {holder} holds {held} of {size} acknowledged entries");
        }
    }
}
