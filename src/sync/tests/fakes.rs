//! Replicas of many invented lanes, without signatures: a lane is a name and a size, and its root follows from these.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::{Area, DeviceId, Digest, LaneId, Part, RealmId, WallMs, hash_tagged};
use crate::lane::{Checkpoint, Entry, EntryKind, Head, LaneName, LaneOpening, Run, Wait};
use crate::sync::event::{Input, Output, SessionConfig};
use crate::sync::{Closed, Group, Holdings, Session, Streams};

/// The kinds of the messages by which two find out what differs: `Digests`, `Heads`, `Ranges`.
const COMPARING: [u8; 3] = [3, 4, 11];
const REALM: RealmId = RealmId([7; 32]);

/// A replica.
#[derive(Clone)]
pub struct Fake {
    pub device: DeviceId,
    pub subscription: BTreeSet<Group>,
    pub lanes: BTreeMap<LaneId, (LaneName, u64)>,
}

/// What became of a session of two.
#[derive(Default)]
pub struct Meeting {
    /// Bytes by the kind of the message, of both directions.
    pub bytes: BTreeMap<u8, usize>,
    /// How many times messages were on their way, one after the other.
    pub trips: usize,
    /// On which of these trips was found out last what differs.
    pub compared_after: usize,
    pub in_sync: [bool; 2],
    pub closed: Option<Closed>,
    /// Entries that were admitted, by side; each once.
    pub received: [BTreeSet<(LaneId, u64)>; 2],
    /// Lanes that each side had to look at.
    pub touched: [usize; 2],
    /// Of how many lanes each side was told that the peer holds all.
    pub peer_has: [usize; 2],
}

impl Meeting {
    /// Returns the bytes by which the two found out what differs.
    pub fn reconciling(&self) -> usize {
        COMPARING.iter().filter_map(|kind| self.bytes.get(kind)).sum()
    }
}

/// Returns a device of a number.
pub fn device(number: u32) -> DeviceId {
    DeviceId(hash_tagged("device", &[&number.to_be_bytes()]).0)
}

/// Returns a group.
pub fn group(area: &str, part: Part) -> Group {
    Group { part, area: Area::new(area).unwrap() }
}

/// Returns the head of a lane of a size.
pub fn head(lane: &LaneId, size: u64) -> Head {
    Head::Straight { size, root: hash_tagged("root", &[&lane.0, &size.to_be_bytes()]) }
}

impl Fake {
    /// Makes a replica of a device with nothing in it.
    pub fn new(number: u32, subscription: impl IntoIterator<Item = Group>) -> Self {
        Self {
            device: device(number),
            subscription: subscription.into_iter().collect(),
            lanes: BTreeMap::new(),
        }
    }

    /// Sets the size of a device's lane, and returns its id.
    pub fn set(&mut self, group: &Group, number: u32, size: u64) -> LaneId {
        let (area, part) = (group.area.clone(), group.part);
        let name = LaneName { realm: REALM, device: device(number), area, part };
        let lane = name.id();
        self.lanes.insert(lane, (name, size));
        lane
    }

    /// Returns the size of a lane.
    pub fn size(&self, lane: &LaneId) -> u64 {
        self.lanes.get(lane).map_or(0, |(_, size)| *size)
    }

    /// Returns what it holds.
    pub fn holdings(&self) -> Holdings {
        Holdings::of(self.lanes.iter().map(|(lane, (name, size))| (name.clone(), head(lane, *size))))
    }

    /// Opens a session.
    pub fn session(&self, initiator: bool, held: Holdings) -> Session {
        let config = SessionConfig {
            realm: REALM,
            device: self.device,
            chain: vec![self.device.0.to_vec()],
            subscription: self.subscription.clone(),
            initiator,
            streams: Streams::default(),
        };
        Session::new(config, held)
    }

    /// Answers an output, if it asks for something.
    pub fn answer(&mut self, output: Output, received: &mut BTreeSet<(LaneId, u64)>) -> Option<Input> {
        match output {
            Output::Peer { .. } => {
                let areas = ["shared/a", "shared/b"].map(|area| Area::new(area).unwrap());
                Some(Input::PeerAllowed(Some(areas.into())))
            }
            Output::ReadRuns { lane, from, .. } => {
                let (name, size) = &self.lanes[&lane];
                let opening = LaneOpening { version: 1, name: name.clone(), certificate: Digest([0; 32]) };
                let entries = (from..*size).map(|seq| match seq {
                    0 => opening.entry(),
                    _ => Entry { kind: EntryKind::FACTS, body: seq.to_be_bytes().to_vec() },
                });
                let checkpoints = vec![Checkpoint { size: *size, signature: [0; 64] }];
                let runs = vec![Run { lane, start: from, entries: entries.collect(), checkpoints }];
                Some(Input::Runs { lane, from, runs, certificates: Vec::new() })
            }
            Output::Admit { run } => {
                let (lane, have) = (run.lane, self.size(&run.lane));
                if run.start > have {
                    return Some(Input::Waiting { lane, wait: Wait::Gap { have } });
                }
                for seq in run.start..run.end() {
                    assert!(received.insert((lane, seq)), "an entry was sent twice");
                }
                let size = have.max(run.end());
                let name = run.entries.first().and_then(|first| LaneOpening::read(&first.body).ok());
                match self.lanes.get_mut(&lane) {
                    Some(known) => known.1 = size,
                    None => {
                        self.lanes.insert(lane, (name.unwrap().name, size));
                    }
                }
                Some(Input::Stored { lane, head: head(&lane, size) })
            }
            Output::ReadFork { .. } | Output::AdmitFork { .. } => panic!("nobody forks here"),
            Output::Asked { .. } | Output::Told { .. } | Output::Answered { .. } => {
                panic!("nobody asks here")
            }
            Output::GaveUp { reason, .. } => panic!("a lane is given up: {reason:?}"),
            Output::Send(_)
            | Output::Certificates(_)
            | Output::PeerHas { .. }
            | Output::PeerHasAll { .. }
            | Output::PeerLists { .. }
            | Output::InSync
            | Output::Close(_) => None,
        }
    }
}

/// Lets two meet until nothing more is said.
pub fn meet(replicas: [&mut Fake; 2]) -> Meeting {
    let held = [&replicas[0], &replicas[1]].map(|replica| replica.holdings());
    meet_holding(replicas, held)
}

/// Lets two meet over what they are said to hold.
pub fn meet_holding(replicas: [&mut Fake; 2], held: [Holdings; 2]) -> Meeting {
    let mut meeting = Meeting::default();
    let [first, second] = held;
    let mut sessions = [replicas[0].session(true, first), replicas[1].session(false, second)];
    let mut inputs: [VecDeque<Input>; 2] = [[Input::Start].into(), [Input::Start].into()];
    while inputs.iter().any(|inputs| !inputs.is_empty()) {
        let mut under_way: [Vec<Vec<u8>>; 2] = Default::default();
        for side in 0..2 {
            while let Some(input) = inputs[side].pop_front() {
                for output in sessions[side].handle(WallMs(1_000), input) {
                    match &output {
                        Output::Send(bytes) => {
                            *meeting.bytes.entry(bytes[1]).or_default() += bytes.len();
                            if COMPARING.contains(&bytes[1]) {
                                meeting.compared_after = meeting.trips + 1;
                            }
                            under_way[1 - side].push(bytes.clone());
                        }
                        Output::Close(closed) => meeting.closed = Some(closed.clone()),
                        Output::PeerHas { .. } => meeting.peer_has[side] += 1,
                        Output::PeerHasAll { heads, .. } => meeting.peer_has[side] += heads.len(),
                        _ => {}
                    }
                    let answer = replicas[side].answer(output, &mut meeting.received[side]);
                    // What the driver answers comes before what the peer says next.
                    inputs[side].extend(answer);
                }
            }
        }
        meeting.trips += usize::from(under_way.iter().any(|messages| !messages.is_empty()));
        for (inputs, messages) in inputs.iter_mut().zip(under_way) {
            inputs.extend(messages.into_iter().map(Input::Received));
        }
    }
    for (side, session) in sessions.iter().enumerate() {
        meeting.in_sync[side] = session.is_in_sync();
        let groups = replicas[side].subscription.iter();
        meeting.touched[side] = groups.map(|group| session.lanes.touched(group).len()).sum();
    }
    meeting
}
