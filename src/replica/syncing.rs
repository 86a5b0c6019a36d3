//! The driver of an exchange over QUIC: carries messages between a link and the exchange, and gives it the time.
//! Nothing is decided here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, watch};
use tokio::task::block_in_place;

use super::core::{Changed, Replica};
use super::error::ReplicaError;
use super::exchange::{Effect, Exchange};
use super::first_word::Opening;
use super::metering::Meter;
use super::pull_sessions::{Order, Orders, Waiting};
use super::sync_answer::{BudgetStatus, PlannedPart};
use crate::base::limits::MESSAGE_BYTES_MAX;
use crate::base::{DeviceId, WallMs};
use crate::sync::{CloseCode, Closed, Reach};
use crate::transport::{
    self, Link, LinkHandle, LinkReceiver, LinkSender, LinkStats, Refusal, TransportError,
};

/// Messages that may wait between the link and the session, in each direction; the session's own window bounds
/// the bytes of those that are sent.
const MESSAGES_WAITING_MAX: usize = 64;
/// Bytes of received messages that may wait for the session, in units: what a peer sends beyond it waits in QUIC, and then at
/// the peer.
const WAITING_UNITS_MAX: u32 = (2 * MESSAGE_BYTES_MAX / WAITING_UNIT) as u32;
/// Bytes of a unit.
const WAITING_UNIT: usize = 1 << 10;
/// Bytes that a peer may send before its certificate is known here; its chain has at most 3 certificates of 16 KiB.
pub const STRANGER_BYTES_MAX: usize = 1 << 20;
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
    /// What was used of the link's bytes, if they are counted.
    pub budget: Option<BudgetStatus>,
    /// What would be sent, once it is known, of a session that sends nothing.
    pub planned: Option<Vec<PlannedPart>>,
    /// Bytes of lists of heads, both ways, of a session that sends nothing.
    pub heads_bytes: u64,
    /// When such a session knew what differs.
    pub compared: Option<Instant>,
    /// Whether the peer's certificate has come in this session.
    pub certified: bool,
    /// Whether both have held the same at any time.
    pub met: bool,
    /// Why this side has ended the session, if the peer is to blame or made no progress.
    pub cut: Option<Refusal>,
}

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When it is known what differs; nothing is sent.
    Compared,
    /// When both sides hold the same: a single sync.
    InSync,
    /// Never: new entries are pushed as they are written.
    Stopped,
}

struct Driver {
    exchange: Exchange,
    outgoing: mpsc::Sender<Vec<u8>>,
    state: watch::Sender<SessionState>,
    closed: Option<Closed>,
    meter: Option<Meter>,
    /// How far the exchange was last told to go.
    reach: Reach,
    /// Who waits for what was asked of the peer.
    waiting: Waiting,
}

/// Which side of a link this is.
pub enum Side {
    /// The accepting one.
    Accepts,
    /// The dialling one, with the exchange that spoke before the link was there, if one did.
    Dials(Option<Box<Opening>>),
}

/// What a session is for.
struct Terms {
    side: Side,
    until: Until,
    meter: Option<Meter>,
    /// Whether it is for asking alone.
    only_asks: bool,
    /// Whom to ask the peer for, as it becomes known.
    orders: Orders,
}

/// Runs a session over a link until it ends; `state` hears how it is. With a meter the link is used as far as the
/// day's bytes allow, and the session ends when they are used up. A session that ends in order is `Ok`.
///
/// # Errors
/// When the link breaks, the peer refuses or breaks the protocol, or this replica's store fails.
pub async fn run(
    replica: Arc<Replica>,
    link: Link,
    side: Side,
    until: Until,
    meter: Option<Meter>,
    state: watch::Sender<SessionState>,
    stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let (_joined, orders) = replica.join_asked(DeviceId(*link.peer().as_bytes()));
    drive(replica, link, Terms { side, until, meter, only_asks: false, orders }, state, stop).await
}

/// Runs a session that this side has begun to ask for people, and for nothing else, until `stop`.
///
/// # Errors
/// As [`run`].
pub(super) async fn run_asking(
    replica: Arc<Replica>,
    link: Link,
    opening: Option<Box<Opening>>,
    orders: Orders,
    stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let terms =
        Terms { side: Side::Dials(opening), until: Until::Stopped, meter: None, only_asks: true, orders };
    drive(replica, link, terms, watch::channel(SessionState::default()).0, stop).await
}

async fn drive(
    replica: Arc<Replica>,
    link: Link,
    Terms { side, until, meter, only_asks, mut orders }: Terms,
    state: watch::Sender<SessionState>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let handle = link.handle();
    let (sender, receiver) = link.split();
    let (outgoing, to_send) = mpsc::channel(MESSAGES_WAITING_MAX);
    let (to_handle, mut incoming) = mpsc::channel(MESSAGES_WAITING_MAX);
    let writing = tokio::spawn(write_all(sender, to_send));
    let reading = tokio::spawn(read_all(receiver, to_handle));
    let peer = DeviceId(*handle.peer().as_bytes());
    let mut stranger = Stranger { known: replica.knows(&peer), bytes: 0 };
    state.send_modify(|state| state.peer = Some(peer));
    let (exchange, mut changes) = match side {
        Side::Dials(Some(opening)) => (opening.exchange, opening.changes),
        side @ (Side::Accepts | Side::Dials(None)) => {
            let (changes, from) = (replica.subscribe(), handle.remote_addr().to_string());
            let mut exchange = Exchange::begin(replica.clone(), peer, from, matches!(side, Side::Dials(_)));
            if only_asks {
                exchange.only_ask();
            }
            (exchange, changes)
        }
    };
    let waiting = Waiting::default();
    let mut driver = Driver { exchange, outgoing, state, closed: None, meter, reach: Reach::ALL, waiting };
    if until == Until::Compared {
        driver.reach_to(Reach::NOTHING);
    }
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What the messages being handled hold of the bytes that may wait.
    let mut heard: Vec<OwnedSemaphorePermit> = Vec::new();
    let broken = loop {
        let has_bytes = driver.count(&handle.stats())?;
        if driver.work().await? {
            handle.note_in_sync(driver.state.borrow().in_sync);
        }
        heard.clear();
        if stranger.look(&replica, &peer, &handle) {
            driver.state.send_modify(|state| state.certified = true);
        }
        if stranger.bytes > STRANGER_BYTES_MAX {
            return Err(driver.cut(&handle, Refusal::Limit, "too much before a certificate"));
        }
        let in_sync = driver.state.borrow().in_sync;
        if in_sync && until == Until::Compared {
            let heads_bytes = driver.exchange.heads_bytes();
            driver.state.send_modify(|state| {
                (state.heads_bytes, state.compared) = (heads_bytes, Some(Instant::now()))
            });
            let planned = block_in_place(|| driver.exchange.planned())?;
            driver.state.send_modify(|state| state.planned = Some(planned));
        }
        let done = in_sync && until != Until::Stopped;
        if done || !has_bytes || *stop.borrow() {
            driver.exchange.close();
            driver.work().await?;
        }
        if driver.closed.is_some() {
            break None;
        }
        tokio::select! {
            message = incoming.recv() => match message {
                Some((message, place)) => {
                    driver.state.send_modify(|state| state.heard = Some(replica.environment().now()));
                    stranger.heard(&message);
                    driver.exchange.heard(message);
                    heard.push(place);
                    // What has come meanwhile is handled, and stored, with it.
                    for _ in 0..MESSAGES_WAITING_MAX {
                        let Ok((message, place)) = incoming.try_recv() else { break };
                        stranger.heard(&message);
                        driver.exchange.heard(message);
                        heard.push(place);
                    }
                }
                None => break reading_error(reading.await),
            },
            changed = changes.recv() => driver.changed(changed),
            Some(order) = orders.recv() => driver.order(order),
            _ = ticks.tick() => driver.tick(),
            _ = stop.changed() => {}
        }
    };
    let why = match (&broken, &driver.closed) {
        (Some(error), _) => blamed_link(error),
        (None, Some(closed)) => blamed_session(closed),
        (None, None) => None,
    };
    driver.state.send_modify(|state| state.cut = why);
    let Driver { outgoing, closed, exchange, mut meter, .. } = driver;
    drop((outgoing, exchange, incoming));
    let finished = writing.await;
    if let Some(meter) = &mut meter {
        meter.count(&handle.stats())?;
        meter.save()?;
    }
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

async fn read_all(
    mut receiver: LinkReceiver,
    messages: mpsc::Sender<(Vec<u8>, OwnedSemaphorePermit)>,
) -> Result<(), TransportError> {
    let room = Arc::new(Semaphore::new(WAITING_UNITS_MAX as usize));
    while let Some(message) = receiver.recv().await? {
        let units = u32::try_from(message.len() / WAITING_UNIT + 1).unwrap_or(u32::MAX);
        let Ok(place) = room.clone().acquire_many_owned(units.min(WAITING_UNITS_MAX)).await else { break };
        if messages.send((message, place)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What is counted of a peer whose certificate is not known here yet.
struct Stranger {
    known: bool,
    bytes: usize,
}

impl Stranger {
    fn heard(&mut self, message: &[u8]) {
        self.bytes += if self.known { 0 } else { message.len() };
    }

    /// Says whether the roster has come to name the peer.
    fn look(&mut self, replica: &Replica, peer: &DeviceId, handle: &LinkHandle) -> bool {
        if self.known || self.bytes == 0 || !replica.knows(peer) {
            return false;
        }
        (self.known, self.bytes) = (true, 0);
        handle.note_known();
        true
    }
}

/// Tells why the transport ended a link, if the peer is to blame or made no progress.
fn blamed_link(error: &TransportError) -> Option<Refusal> {
    match error {
        TransportError::PeerMessageTooLong { .. } => Some(Refusal::Limit),
        TransportError::Stalled { .. } => Some(Refusal::Stalled),
        _ => None,
    }
}

/// Tells why this side ended a session, if the peer is to blame or made no progress.
fn blamed_session(closed: &Closed) -> Option<Refusal> {
    match closed.code {
        _ if closed.by_peer => None,
        CloseCode::Protocol => Some(Refusal::Protocol),
        CloseCode::Limit => Some(Refusal::Limit),
        CloseCode::Realm => Some(Refusal::OtherRealm),
        CloseCode::Certificate => Some(Refusal::NoCertificate),
        CloseCode::Timeout => Some(Refusal::Stalled),
        CloseCode::Shutdown | CloseCode::Version | CloseCode::Internal | CloseCode::Unknown => None,
    }
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
    fn reach_to(&mut self, reach: Reach) {
        if self.reach != reach {
            self.reach = reach;
            self.exchange.limit(reach);
        }
    }

    /// Counts what the link has carried; says whether it may carry more today.
    fn count(&mut self, stats: &LinkStats) -> Result<bool, ReplicaError> {
        let Some(meter) = &mut self.meter else { return Ok(true) };
        meter.count(stats)?;
        let (reach, used) = (meter.reach(), meter.used());
        let status = BudgetStatus {
            bytes_per_day: meter.budget().per_day(),
            bytes_used: used.bytes,
            held_back: self.exchange.is_held_back(),
        };
        self.state.send_modify(|state| state.budget = Some(status));
        self.reach_to(reach);
        Ok(reach != Reach::NOTHING)
    }

    /// Asks the peer for a person.
    fn order(&mut self, order: Order) {
        let number = self.exchange.ask(order.whom.clone(), order.reach);
        self.waiting.begun(number, order);
    }

    fn tick(&mut self) {
        self.waiting.left().into_iter().for_each(|number| self.exchange.enough(number));
        self.exchange.tick();
    }

    fn changed(&mut self, changed: Result<Changed, broadcast::error::RecvError>) {
        match changed {
            Ok(changed) => self.exchange.changed(changed),
            // Too many changes came at once: tell all heads again.
            Err(broadcast::error::RecvError::Lagged(_)) => self.exchange.much_changed(),
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    /// Ends the session at once for what the peer did.
    fn cut(&self, handle: &LinkHandle, why: Refusal, reason: &str) -> ReplicaError {
        self.state.send_modify(|state| state.cut = Some(why));
        handle.close(transport::CloseCode::Broken, reason);
        ReplicaError::Session { peer: handle.remote_addr().to_string(), reason: reason.to_owned() }
    }

    /// Handles all that has happened and carries out what comes of it; says whether it came to be in sync, or no
    /// longer is.
    async fn work(&mut self) -> Result<bool, ReplicaError> {
        while let Some(effects) = block_in_place(|| self.exchange.step())? {
            for effect in effects {
                self.carry_out(effect).await;
            }
        }
        let in_sync = self.exchange.is_in_sync();
        Ok(self.state.send_if_modified(|state| {
            state.met |= in_sync;
            std::mem::replace(&mut state.in_sync, in_sync) != in_sync
        }))
    }

    async fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Send(message) => {
                // A broken link is reported by the reading side.
                let _ = self.outgoing.send(message).await;
            }
            Effect::Received(entries) => self.state.send_modify(|state| state.received += entries),
            Effect::Sent(entries) => self.state.send_modify(|state| state.sent += entries),
            Effect::Refused(_) => {}
            Effect::Pulled { number, news } => {
                if !self.waiting.tell(number, news) {
                    self.exchange.enough(number);
                }
            }
            Effect::Closed(closed) => self.closed = Some(closed),
        }
    }
}
