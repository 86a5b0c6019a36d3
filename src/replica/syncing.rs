//! The driver of an exchange over QUIC: carries messages between a link and the exchange, and gives it the time.
//! Nothing is decided here.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::block_in_place;

use super::core::{Changed, Replica};
use super::error::ReplicaError;
use super::exchange::{Effect, Exchange};
use crate::base::{DeviceId, WallMs};
use crate::sync::{CloseCode, Closed};
use crate::transport::{self, Link, LinkReceiver, LinkSender, TransportError};

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
    exchange: Exchange,
    outgoing: mpsc::Sender<Vec<u8>>,
    state: watch::Sender<SessionState>,
    closed: Option<Closed>,
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
    let peer = DeviceId(*handle.peer().as_bytes());
    state.send_modify(|state| state.peer = Some(peer));
    let exchange = Exchange::begin(replica.clone(), peer, handle.remote_addr().to_string(), initiator);
    let mut driver = Driver { exchange, outgoing, state, closed: None };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let broken = loop {
        driver.work().await?;
        let done = until == Until::InSync && driver.state.borrow().in_sync;
        if done || *stop.borrow() {
            driver.exchange.close();
            driver.work().await?;
        }
        if driver.closed.is_some() {
            break None;
        }
        tokio::select! {
            message = incoming.recv() => match message {
                Some(message) => {
                    driver.state.send_modify(|state| state.heard = Some(replica.environment().now()));
                    driver.exchange.heard(message);
                }
                None => break reading_error(reading.await),
            },
            changed = changes.recv() => driver.changed(changed),
            _ = ticks.tick() => driver.exchange.tick(),
            _ = stop.changed() => {}
        }
    };
    let Driver { outgoing, closed, exchange, .. } = driver;
    drop((outgoing, exchange, incoming));
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
    fn changed(&mut self, changed: Result<Changed, broadcast::error::RecvError>) {
        match changed {
            Ok(changed) => self.exchange.changed(changed),
            // Too many changes came at once: tell all heads again.
            Err(broadcast::error::RecvError::Lagged(_)) => self.exchange.much_changed(),
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    /// Handles all that has happened and carries out what comes of it.
    async fn work(&mut self) -> Result<(), ReplicaError> {
        while let Some(effects) = block_in_place(|| self.exchange.step())? {
            for effect in effects {
                self.carry_out(effect).await;
            }
        }
        let in_sync = self.exchange.is_in_sync();
        self.state.send_if_modified(|state| std::mem::replace(&mut state.in_sync, in_sync) != in_sync);
        Ok(())
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
            Effect::Closed(closed) => self.closed = Some(closed),
        }
    }
}
