//! The driver of a sync session: carries messages between a link and the sans-IO session, and does what the
//! session asks of the store. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::block_in_place;

use super::admit::Outcome;
use super::core::{Changed, Replica};
use super::error::ReplicaError;
use crate::base::planted::{Plant, is_planted};
use crate::base::{DeviceId, Digest, LaneId, Part, WallMs, cbor};
use crate::lane::{ForkState, Head, LaneName, LaneState, Refusal, RefusalReason, Run};
use crate::sync::{CloseCode, Closed, Group, Input, Output, Session, SessionConfig};
use crate::transport::{self, Link, LinkHandle, LinkReceiver, LinkSender, TransportError};

/// Messages that may wait between the link and the session, in each direction; the session's own window bounds
/// their bytes.
const MESSAGES_WAITING_MAX: usize = 64;
/// How often the session is told that time has passed.
const TICK: Duration = Duration::from_millis(500);
/// How long a closing side waits for its last messages to be read.
const FINISH_WAIT: Duration = Duration::from_secs(2);

/// What a session tells while it runs, for the status of the peer.
#[derive(Debug, Clone, Default)]
pub struct SessionState {
    /// The peer's device, once it is known.
    pub peer: Option<DeviceId>,
    /// Whether both held the same when last compared.
    pub in_sync: bool,
    /// When something was last heard.
    pub heard: Option<WallMs>,
    /// Entries received.
    pub received: u64,
    /// Entries sent, by what the peer acknowledged.
    pub sent: u64,
}

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When both sides hold the same: a single sync.
    InSync,
    /// Never: new entries are pushed as they are written.
    Stopped,
}

struct Driver {
    replica: Arc<Replica>,
    session: Session,
    inputs: VecDeque<Input>,
    outgoing: mpsc::Sender<Vec<u8>>,
    handle: LinkHandle,
    state: watch::Sender<SessionState>,
    peer_sizes: BTreeMap<LaneId, u64>,
    forgotten: Option<LaneId>,
    closed: Option<Closed>,
    damaged_at_start: usize,
}

/// Runs a session over a link until it ends; `state` hears how it is. A session that ends in order is `Ok`.
///
/// # Errors
/// When the link breaks, the peer refuses or breaks the protocol, or this replica's store fails.
pub async fn run(
    replica: Arc<Replica>,
    link: Link,
    initiator: bool,
    until: Until,
    state: watch::Sender<SessionState>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let mut changes = replica.subscribe();
    let handle = link.handle();
    let (sender, receiver) = link.split();
    let (outgoing, to_send) = mpsc::channel(MESSAGES_WAITING_MAX);
    let (to_handle, mut incoming) = mpsc::channel(MESSAGES_WAITING_MAX);
    let writing = tokio::spawn(write_all(sender, to_send));
    let reading = tokio::spawn(read_all(receiver, to_handle));
    let mut driver = Driver::new(replica, initiator, outgoing, handle.clone(), state);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    driver.inputs.push_back(Input::Start);
    let broken = loop {
        driver.work().await?;
        let done = until == Until::InSync && driver.state.borrow().in_sync;
        if done || *stop.borrow() {
            driver.inputs.push_back(Input::Close(CloseCode::Shutdown));
            driver.work().await?;
        }
        if driver.closed.is_some() {
            break None;
        }
        tokio::select! {
            message = incoming.recv() => match message {
                Some(message) => driver.heard(message),
                None => break reading_error(reading.await),
            },
            changed = changes.recv() => driver.changed(changed),
            _ = ticks.tick() => {
                // New damage was found: a new session tells the peer what to send again.
                let found = driver.replica.damaged().len() > driver.damaged_at_start;
                driver.inputs.push_back(if found { Input::Close(CloseCode::Shutdown) } else { Input::Tick });
            }
            _ = stop.changed() => {}
        }
    };
    let Driver { outgoing, closed, session, .. } = driver;
    drop((outgoing, session, incoming));
    let finished = writing.await;
    if let Some(error) = broken {
        return Err(error.into());
    }
    match closed {
        Some(closed) if closed.code == CloseCode::Shutdown => {
            if let Ok(Ok(sender)) = finished {
                // The peer may be gone already; what was acknowledged is durable on both sides.
                let _ = sender.finish(FINISH_WAIT).await;
            }
            handle.close(transport::CloseCode::Done, "the session is over");
            Ok(())
        }
        Some(closed) => {
            if let Ok(Ok(sender)) = finished {
                let _ = sender.finish(FINISH_WAIT).await;
            }
            let code = if closed.code == CloseCode::Certificate {
                transport::CloseCode::Refused
            } else {
                transport::CloseCode::Broken
            };
            handle.close(code, &closed.text);
            Err(ReplicaError::Session { peer: handle.remote_addr().to_string(), reason: closed.text })
        }
        None => Ok(()),
    }
}

async fn write_all(
    mut sender: LinkSender,
    mut messages: mpsc::Receiver<Vec<u8>>,
) -> Result<LinkSender, TransportError> {
    while let Some(message) = messages.recv().await {
        sender.send(&message).await?;
    }
    Ok(sender)
}

async fn read_all(mut receiver: LinkReceiver, messages: mpsc::Sender<Vec<u8>>) -> Result<(), TransportError> {
    while let Some(message) = receiver.recv().await? {
        if messages.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn reading_error(
    ended: Result<Result<(), TransportError>, tokio::task::JoinError>,
) -> Option<TransportError> {
    match ended {
        Ok(Err(error)) => Some(error),
        Ok(Ok(())) | Err(_) => None,
    }
}

impl Driver {
    fn new(
        replica: Arc<Replica>,
        initiator: bool,
        outgoing: mpsc::Sender<Vec<u8>>,
        handle: LinkHandle,
        state: watch::Sender<SessionState>,
    ) -> Self {
        let me = replica.me();
        let subscription: BTreeSet<Group> = replica
            .areas()
            .into_iter()
            .flat_map(|area| Part::ALL.map(|part| Group { part, area: area.clone() }))
            .collect();
        let (chain, streams) = (replica.own_chain(), replica.streams.clone());
        let config = SessionConfig { realm: me.realm, chain, subscription, initiator, streams };
        let mut lanes = replica.lanes();
        let forgotten = replica.forgotten_lane(&lanes);
        if let Some(lane) = &forgotten {
            lanes.remove(lane);
        }
        let damaged = replica.damaged();
        let told = |state: &LaneState| (state.name.clone(), replica.told_head(state, &damaged));
        let heads = lanes.iter().map(|(lane, state)| (*lane, told(state)));
        let session = Session::new(config, heads.collect());
        state.send_modify(|state| state.peer = Some(DeviceId(*handle.peer().as_bytes())));
        Self {
            replica,
            session,
            inputs: VecDeque::new(),
            outgoing,
            handle,
            state,
            peer_sizes: BTreeMap::new(),
            forgotten,
            closed: None,
            damaged_at_start: damaged.len(),
        }
    }

    fn heard(&mut self, message: Vec<u8>) {
        let now = self.replica.environment().now();
        self.state.send_modify(|state| state.heard = Some(now));
        self.inputs.push_back(Input::Received(message));
    }

    fn changed(&mut self, changed: Result<Changed, broadcast::error::RecvError>) {
        match changed {
            Ok(Changed { name, head }) => self.head_changed(name, head),
            // Too many changes came at once: tell all heads again.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                for state in self.replica.lanes().into_values() {
                    self.head_changed(state.name.clone(), state.head());
                }
            }
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    fn head_changed(&mut self, name: LaneName, head: Head) {
        if self.forgotten != Some(name.id()) {
            self.state.send_modify(|state| state.in_sync = false);
            self.inputs.push_back(Input::HeadChanged { name, head });
        }
    }

    /// Handles all waiting inputs and carries out what comes of them.
    async fn work(&mut self) -> Result<(), ReplicaError> {
        while let Some(input) = self.inputs.pop_front() {
            let outputs = self.session.handle(self.replica.environment().now(), input);
            let mut runs = Vec::new();
            for output in outputs {
                match output {
                    Output::Admit { run } => runs.push(run),
                    other => {
                        self.admit(&mut runs)?;
                        self.carry_out(other).await?;
                    }
                }
            }
            self.admit(&mut runs)?;
        }
        Ok(())
    }

    async fn carry_out(&mut self, output: Output) -> Result<(), ReplicaError> {
        match output {
            Output::Send(message) => {
                // A broken link is reported by the reading side.
                let _ = self.outgoing.send(message).await;
            }
            Output::Peer { certificate, clock: _ } => self.check_peer(&certificate),
            Output::Certificates(signed) => {
                let bad = self.replica.offer_certificates(&signed);
                if bad > 0 {
                    tracing::warn!(peer = %self.handle.remote_addr(), bad, "certificates that never verify");
                }
            }
            Output::ReadRuns { lane, from, limit_bytes } => {
                let runs = block_in_place(|| self.replica.store().runs(&lane, from, limit_bytes))?;
                let certificates = self.replica.certificates_of(&lane);
                self.inputs.push_back(Input::Runs { lane, from, runs, certificates });
            }
            Output::ReadFork { lane } => {
                let lanes = self.replica.lanes();
                if let Some(LaneState { name, fork: Some(fork), .. }) = lanes.get(&lane) {
                    let states = std::iter::once(fork.without_branches()).chain(fork.pieces());
                    let pieces = states.map(|state| cbor::to_vec(&state)).collect();
                    let head = lanes[&lane].head();
                    let certificates = self.replica.certificates_of(&lane);
                    let name = name.clone();
                    self.inputs.push_back(Input::ForkState { name, head, pieces, certificates });
                }
            }
            Output::AdmitFork { name, bytes } => {
                let lane = name.id();
                let outcome = match cbor::from_canonical::<ForkState>(&bytes) {
                    Ok(fork) => block_in_place(|| self.replica.admit_fork(&lane, &fork))?,
                    Err(_) => Outcome::Refused(Refusal { lane, reason: RefusalReason::NoOpening }),
                };
                self.answer(lane, outcome);
            }
            Output::PeerHas { lane, size } => {
                let known = self.peer_sizes.insert(lane, size).unwrap_or(0);
                self.state.send_modify(|state| state.sent += size.saturating_sub(known));
            }
            Output::GaveUp { lane, reason } => {
                tracing::warn!(lane = %lane.short(), ?reason, peer = %self.handle.remote_addr(), "a lane is given up for this session");
            }
            Output::InSync => self.state.send_modify(|state| state.in_sync = true),
            Output::Close(closed) => self.closed = Some(closed),
            Output::Admit { .. } => unreachable!("admissions are gathered before"),
        }
        Ok(())
    }

    fn admit(&mut self, runs: &mut Vec<Run>) -> Result<(), ReplicaError> {
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
        let lanes: Vec<(LaneId, u64)> = kept.iter().map(|run| (run.lane, run.entries.len() as u64)).collect();
        let outcomes = block_in_place(|| self.replica.admit(kept))?;
        for ((lane, entries), outcome) in lanes.into_iter().zip(outcomes) {
            if matches!(outcome, Outcome::Stored(_)) {
                self.state.send_modify(|state| state.received += entries);
            }
            self.answer(lane, outcome);
        }
        Ok(())
    }

    fn answer(&mut self, lane: LaneId, outcome: Outcome) {
        self.inputs.push_back(match outcome {
            Outcome::Stored(head) => Input::Stored { lane, head },
            Outcome::Waiting(wait) => Input::Waiting { lane, wait },
            Outcome::Refused(refusal) => Input::Refused { lane, refusal },
        });
    }

    /// Finds out what the peer may hold: its certificate must verify and be of the key that the link has proven.
    fn check_peer(&mut self, certificate: &Digest) {
        let roster = self.replica.roster();
        let known = roster.certificates.device(certificate);
        match known {
            Some(known) if known.device.0 == *self.handle.peer().as_bytes() => {
                if known.not_after < self.replica.environment().now() {
                    tracing::warn!(device = %known.device.short(), "the peer's certificate has expired; it is served all the same");
                }
                self.inputs.push_back(Input::PeerAllowed(Some(known.areas.clone())));
            }
            Some(_) => self.inputs.push_back(Input::Close(CloseCode::Certificate)),
            None => self.inputs.push_back(Input::PeerAllowed(None)),
        }
    }
}

impl Replica {
    /// Counts a session that begins, and returns the lane that a planted fault leaves out of it: the driver takes
    /// it out of the heads that it gives the session, tells none of its changes and refuses runs of it.
    pub fn forgotten_lane(&self, lanes: &BTreeMap<LaneId, LaneState>) -> Option<LaneId> {
        let reconnected = self.count_session() > 1;
        if !is_planted(Plant::ForgetLaneOnReconnect) || !reconnected {
            return None;
        }
        let own = |state: &&LaneState| state.name.device == self.me().device && state.name.part == Part::Card;
        lanes.values().find(own).map(LaneState::id)
    }
}
