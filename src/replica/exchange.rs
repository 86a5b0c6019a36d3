//! One session of this replica with one peer, apart from what carries its messages: the sans-IO session, and
//! what it asks of the store. The QUIC driver (`syncing`) and the simulator run the same exchange.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::admit::Outcome;
use super::core::{Changed, Replica};
use super::error::ReplicaError;
use super::pull_gathering::Gathering;
use super::pull_sessions::News;
use super::sync_answer::PlannedPart;
use crate::base::planted::{Plant, is_planted};
use crate::base::{DeviceId, Digest, LaneId, Part, cbor};
use crate::lane::{ForkState, Head, LaneName, LaneState, Refusal, RefusalReason, Run};
use crate::record::Whom;
use crate::store::StoreError;
use crate::sync::{CloseCode, Closed, Holdings, Input, Output, Reach, Session, SessionConfig};

/// What an exchange asks of whoever carries its messages, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a message to the peer.
    Send(Vec<u8>),
    /// So many entries were received and are durable here.
    Received(u64),
    /// The peer has acknowledged so many entries more.
    Sent(u64),
    /// Something that the peer offered can never be admitted.
    Refused(LaneId),
    /// Something has come of what this side has asked.
    Pulled {
        /// Under which number.
        number: u32,
        /// What.
        news: News,
    },
    /// The session is over: close the connection when everything is sent.
    Closed(Closed),
}

/// Runs of several messages are stored in one commit until their bodies have so many bytes: each commit waits for the
/// disk several times.
const COMMIT_BYTES: usize = 1 << 20;

/// One session with one peer, and the replica on this side of it.
pub struct Exchange {
    replica: Arc<Replica>,
    session: Session,
    peer: DeviceId,
    /// The peer in logs: an address, or a name.
    remote: String,
    inputs: VecDeque<Input>,
    peer_sizes: BTreeMap<LaneId, u64>,
    /// Lanes that were read for the peer, and from where first: what it says to hold of others, it had before.
    read_from: BTreeMap<LaneId, u64>,
    forgotten: Option<LaneId>,
    damage_at_start: u64,
    /// What the replica held when the session last learned of all.
    seen: Holdings,
    /// Answers that are coming, by number.
    asked: BTreeMap<u32, Gathering>,
    /// The next number to ask under.
    next_ask: u32,
}

impl Exchange {
    /// Prepares a session over what the replica holds now; `peer` is the key that the connection has proven, and
    /// `remote` names it in logs.
    pub fn begin(replica: Arc<Replica>, peer: DeviceId, remote: String, initiator: bool) -> Self {
        let me = replica.me();
        let config = SessionConfig {
            realm: me.realm,
            device: me.device,
            chain: replica.own_chain(),
            subscription: replica.subscription(),
            initiator,
            streams: replica.streams.clone(),
        };
        let damage_at_start = replica.damage_found();
        let (told, seen, forgotten) = {
            let mut inner = replica.lock();
            inner.sessions += 1;
            let forgotten = replica.forgotten_lane(&inner.lanes, inner.sessions);
            (replica.told_holdings(&inner, forgotten), inner.holdings.clone(), forgotten)
        };
        let mut session = Session::new(config, told);
        if replica.knows(&peer) {
            session.knows_peer();
        }
        Self {
            replica,
            session,
            peer,
            remote,
            inputs: VecDeque::from([Input::Start]),
            peer_sizes: BTreeMap::new(),
            read_from: BTreeMap::new(),
            forgotten,
            damage_at_start,
            seen,
            asked: BTreeMap::new(),
            next_ask: 0,
        }
    }

    /// Makes this a session for asking alone; to be called before the first step.
    pub fn only_ask(&mut self) {
        self.session.only_ask();
    }

    /// Asks the peer for a person, as far down the order of urgency; returns the number under which news come.
    pub fn ask(&mut self, whom: Whom, reach: Reach) -> u32 {
        let number = self.next_ask;
        self.next_ask += 1;
        self.asked.insert(number, Gathering::new(whom.clone(), reach));
        self.inputs.push_back(Input::Ask { number, whom, reach });
        number
    }

    /// Needs no more of what was asked under a number.
    pub fn enough(&mut self, number: u32) {
        if self.asked.remove(&number).is_some() {
            self.inputs.push_back(Input::Enough(number));
        }
    }

    /// Takes a message of the peer.
    pub fn heard(&mut self, message: Vec<u8>) {
        self.inputs.push_back(Input::Received(message));
    }

    /// Learns that a lane of this replica has advanced.
    pub fn changed(&mut self, changed: Changed) {
        self.head_changed(changed.name, changed.head);
    }

    /// Learns that lanes have advanced, and not which.
    pub fn much_changed(&mut self) {
        let now = self.replica.holdings();
        for (lane, head) in now.changed_since(&self.seen) {
            if let Some(name) = self.replica.lane_name(&lane) {
                self.head_changed(name, head);
            }
        }
        self.seen = now;
    }

    /// Learns that time has passed; at least once a second while something is under way.
    pub fn tick(&mut self) {
        // A scrub has found damage since: a new session tells the peer what to send again.
        let found = self.replica.damage_found() > self.damage_at_start;
        if self.is_in_sync() {
            self.replica.in_sync_with(self.peer);
        }
        self.inputs.push_back(if found { Input::Close(CloseCode::Shutdown) } else { Input::Tick });
    }

    /// Ends the session in order.
    pub fn close(&mut self) {
        self.inputs.push_back(Input::Close(CloseCode::Shutdown));
    }

    /// Says whether both sides hold the same and nothing waits to be handled.
    pub fn is_in_sync(&self) -> bool {
        self.inputs.is_empty() && self.session.is_in_sync()
    }

    /// Lets nothing less urgent over the link from now on, in either direction.
    pub fn limit(&mut self, reach: Reach) {
        self.inputs.push_back(Input::Limit(reach));
    }

    /// Says whether something was left out because of the limits of either side.
    pub fn is_held_back(&self) -> bool {
        self.session.is_held_back()
    }

    /// Says whether the session holds a compressing context, and one that unfolds.
    pub fn contexts(&self) -> [bool; 2] {
        self.session.contexts()
    }

    /// Returns how many bytes of lists of heads went over the link so far, both ways.
    pub fn heads_bytes(&self) -> u64 {
        self.session.heads_bytes()
    }

    /// Tells what is still to be sent and taken.
    ///
    /// # Errors
    /// When the store fails.
    pub fn planned(&self) -> Result<Vec<PlannedPart>, ReplicaError> {
        self.replica.planned(self.session.outlook(), self.session.ahead())
    }

    /// Handles the next thing that has happened; none when nothing waits. To be called until it gives none.
    ///
    /// # Errors
    /// When this replica's store fails: then the session is of no more use.
    pub fn step(&mut self) -> Result<Option<Vec<Effect>>, ReplicaError> {
        let Some(input) = self.inputs.pop_front() else { return Ok(None) };
        let (mut effects, mut runs) = (Vec::new(), Vec::new());
        self.handle(input, &mut runs, &mut effects)?;
        // Messages that have come meanwhile are made durable in the same commit.
        while gathers_more(&runs)
            && let Some(input) = self.inputs.pop_front_if(|input| matches!(input, Input::Received(_)))
        {
            self.handle(input, &mut runs, &mut effects)?;
        }
        self.admit(&mut runs, &mut effects)?;
        Ok(Some(effects))
    }

    fn handle(
        &mut self,
        input: Input,
        runs: &mut Vec<Run>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ReplicaError> {
        for output in self.session.handle(self.replica.environment().now(), input) {
            match output {
                Output::Admit { run } => runs.push(run),
                other => {
                    self.admit(runs, effects)?;
                    self.carry_out(other, effects)?;
                }
            }
        }
        Ok(())
    }

    fn head_changed(&mut self, name: LaneName, head: Head) {
        if self.forgotten.is_none_or(|forgotten| forgotten != name.id()) {
            self.inputs.push_back(Input::HeadChanged { name, head });
        }
    }

    fn carry_out(&mut self, output: Output, effects: &mut Vec<Effect>) -> Result<(), ReplicaError> {
        match output {
            Output::Send(message) => effects.push(Effect::Send(message)),
            Output::Peer { certificate, clock: _ } => self.check_peer(&certificate),
            Output::Certificates(signed) => {
                let bad = self.replica.offer_certificates(&signed);
                if bad > 0 {
                    tracing::warn!(peer = %self.remote, bad, "certificates that never verify");
                }
            }
            Output::ReadRuns { lane, from, limit_bytes } => {
                self.read_from.entry(lane).or_insert(from);
                let runs = match self.replica.store().runs(&lane, from, limit_bytes) {
                    // Only this lane stands still, until it is healed; the others go on.
                    Err(StoreError::DamagedRun { .. }) => Vec::new(),
                    read => read?,
                };
                runs.last().into_iter().for_each(|run| self.replica.run_read_for(self.peer, lane, run.end()));
                let certificates = self.replica.certificates_of(&lane);
                self.inputs.push_back(Input::Runs { lane, from, runs, certificates });
            }
            Output::ReadFork { lane } => {
                let state = self.replica.lane(&lane);
                if let Some(LaneState { name, fork: Some(fork), .. }) = &state {
                    let states = std::iter::once(fork.without_branches()).chain(fork.pieces());
                    let pieces = states.map(|state| cbor::to_vec(&state)).collect();
                    let head = state
                        .as_ref()
                        .map_or_else(|| Head::Straight { size: 0, root: Digest([0; 32]) }, LaneState::head);
                    let certificates = self.replica.certificates_of(&lane);
                    let name = name.clone();
                    self.inputs.push_back(Input::ForkState { name, head, pieces, certificates });
                }
            }
            Output::AdmitFork { name, bytes } => {
                let lane = name.id();
                let outcome = match cbor::from_canonical::<ForkState>(&bytes) {
                    Ok(fork) => self.replica.admit_fork(&lane, &fork)?,
                    Err(_) => Outcome::Refused(Refusal { lane, reason: RefusalReason::NoOpening }),
                };
                self.answer(lane, outcome, effects);
            }
            Output::PeerHas { lane, size } => {
                self.replica.peer_has(self.peer, lane, size);
                let known = self.peer_sizes.insert(lane, size).unwrap_or(0);
                let from = self.read_from.get(&lane).map_or(size, |from| known.max(*from));
                effects.push(Effect::Sent(size.saturating_sub(from)));
            }
            Output::PeerLists { group, lane, size } => self.replica.peer_lists(self.peer, group, lane, size),
            Output::GaveUp { lane, reason } => {
                tracing::warn!(lane = %lane.short(), ?reason, peer = %self.remote, "a lane is given up for this session");
            }
            Output::Asked { number, whom, reach } => {
                let (parts, ended) = self.replica.answer_ask(&self.peer, &whom, reach);
                self.inputs.push_back(Input::Answer { number, parts, ended });
            }
            Output::Told { number, bytes } => {
                let Some(gathering) = self.asked.get_mut(&number) else { return Ok(()) };
                let news = gathering.take(&self.replica, &self.peer, &bytes)?;
                if matches!(news.last(), Some(News::Unfit(_))) {
                    self.enough(number);
                }
                effects.extend(news.into_iter().map(|news| Effect::Pulled { number, news }));
            }
            Output::Answered { number, ended } => {
                if let Some(gathering) = self.asked.remove(&number) {
                    effects.push(Effect::Pulled { number, news: gathering.ended(ended) });
                }
            }
            Output::InSync => self.replica.in_sync_with(self.peer),
            Output::PeerHasAll { group, heads } => self.replica.peer_has_all(self.peer, &group, &heads),
            Output::Close(closed) => effects.push(Effect::Closed(closed)),
            Output::Admit { .. } => unreachable!("admissions are gathered before"),
        }
        Ok(())
    }

    fn admit(&mut self, runs: &mut Vec<Run>, effects: &mut Vec<Effect>) -> Result<(), ReplicaError> {
        let forgotten = self.forgotten;
        let (dropped, kept): (Vec<Run>, Vec<Run>) =
            std::mem::take(runs).into_iter().partition(|run| Some(run.lane) == forgotten);
        for run in dropped {
            let refusal = Refusal { lane: run.lane, reason: RefusalReason::NoOpening };
            self.inputs.push_back(Input::Refused { lane: run.lane, refusal });
        }
        if kept.is_empty() {
            return Ok(());
        }
        let lanes: Vec<(LaneId, u64, u64)> =
            kept.iter().map(|run| (run.lane, run.entries.len() as u64, run.end())).collect();
        let outcomes = self.replica.admit(kept)?;
        let mut received = 0;
        for ((lane, entries, end), outcome) in lanes.into_iter().zip(outcomes) {
            received += if matches!(outcome, Outcome::Stored(_)) { entries } else { 0 };
            if let Outcome::Stored(Head::Straight { size, .. }) = &outcome {
                // It was read from the peer's own store.
                self.replica.peer_has(self.peer, lane, end.min(*size));
            }
            self.answer(lane, outcome, effects);
        }
        effects.push(Effect::Received(received));
        Ok(())
    }

    fn answer(&mut self, lane: LaneId, outcome: Outcome, effects: &mut Vec<Effect>) {
        self.inputs.push_back(match outcome {
            Outcome::Stored(head) => Input::Stored { lane, head },
            Outcome::Waiting(wait) => Input::Waiting { lane, wait },
            Outcome::Refused(refusal) => {
                effects.push(Effect::Refused(lane));
                Input::Refused { lane, refusal }
            }
        });
    }

    /// Finds out what the peer may hold: its certificate must verify and be of the key that the connection has
    /// proven.
    fn check_peer(&mut self, certificate: &Digest) {
        let known = self.replica.device_certificate(certificate);
        self.inputs.push_back(match known {
            Some(known) if known.device == self.peer => {
                if known.not_after < self.replica.environment().now() {
                    tracing::warn!(device = %known.device.short(), "the peer's certificate has expired; it is served all the same");
                }
                Input::PeerAllowed(Some(known.areas))
            }
            Some(_) => Input::Close(CloseCode::Certificate),
            None => Input::PeerAllowed(None),
        });
    }
}

/// Says whether there are runs to be stored, and more may be stored with them.
fn gathers_more(runs: &[Run]) -> bool {
    !runs.is_empty() && runs.iter().map(Run::body_bytes).sum::<usize>() < COMMIT_BYTES
}

impl Replica {
    /// The lane that a planted fault leaves out of the `session`th session of the process: out of the heads that the
    /// session is given, of what it is told later, and of what it admits.
    pub(super) fn forgotten_lane(&self, lanes: &BTreeMap<LaneId, LaneState>, session: u64) -> Option<LaneId> {
        if !is_planted(Plant::ForgetLaneOnReconnect) || session <= 1 {
            return None;
        }
        let own = |state: &&LaneState| state.name.device == self.me().device && state.name.part == Part::Card;
        lanes.values().find(own).map(LaneState::id)
    }
}
