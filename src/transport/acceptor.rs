//! The accepting side: strangers' first datagrams become welcomed links, or refusals with a reason.

use std::sync::Arc;

use quinn::{Incoming, ReadError, ReadExactError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::close::{CloseCode, close};
use super::error::TransportError;
use super::gate::Step;
use super::guard::Guard;
use super::link::Link;
use super::options::{Admission, AdmissionPolicy, Options};
use super::raw_key::proven_key;
use super::refusal::{Refusal, Turned};
use super::seats::TURN_EVERY;

/// First bytes of the stream in each direction, format 2. From the accepting side it is the welcome: the dialling side is
/// admitted. The dialling side's opens the stream, and what it says first may follow before it is welcomed.
pub(super) const GREETING: [u8; 8] = *b"musubi\x00\x02";

/// What an accepting endpoint needs to know.
#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) quic: quinn::Endpoint,
    pub(super) options: Arc<Options>,
    pub(super) policy: AdmissionPolicy,
    pub(super) guard: Arc<Guard>,
    pub(super) accepted: mpsc::Sender<Result<Link, TransportError>>,
}

impl Acceptor {
    /// Serves until the endpoint is closed, then lets running handshakes end.
    pub(super) async fn run(self) {
        let acceptor = Arc::new(self);
        let mut handshakes = JoinSet::new();
        loop {
            tokio::select! {
                Some(ended) = handshakes.join_next(), if !handshakes.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a handshake task failed");
                    }
                }
                incoming = acceptor.quic.accept() => match incoming {
                    Some(incoming) => acceptor.begin(incoming, &mut handshakes),
                    None => break,
                },
            }
        }
        while handshakes.join_next().await.is_some() {}
    }

    fn begin(self: &Arc<Self>, incoming: Incoming, handshakes: &mut JoinSet<()>) {
        let addr = incoming.remote_address();
        let (running, proven) = (handshakes.len(), incoming.remote_address_validated());
        let step = match self.guard.knock(addr, proven) {
            Step::Begin if running >= self.options.handshakes_max => self.full(Refusal::HandshakesFull, addr),
            Step::Begin if self.quic.open_connections() >= self.options.links_max => {
                self.full(Refusal::LinksFull, addr)
            }
            Step::Begin if running >= self.options.handshakes_before_retry && !proven => Step::Prove,
            step => step,
        };
        match step {
            Step::Begin => {
                let acceptor = self.clone();
                handshakes.spawn(async move { acceptor.handshake(incoming).await });
            }
            Step::Prove if incoming.may_retry() => {
                if let Err(error) = incoming.retry() {
                    tracing::debug!(%addr, %error, "could not ask for a proof of address");
                }
            }
            Step::Prove | Step::Refuse(_) => incoming.refuse(),
            Step::Ignore(_) => incoming.ignore(),
        }
    }

    fn full(&self, why: Refusal, addr: std::net::SocketAddr) -> Step {
        self.guard.turned_away(why, &addr);
        Step::Refuse(why)
    }

    async fn handshake(&self, incoming: Incoming) {
        let addr = incoming.remote_address();
        let result = match timeout(self.options.connect_max, self.welcome(incoming)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Unreachable { addr, waited: self.options.connect_max }),
        };
        if let Err(error) = result {
            tracing::debug!(%addr, %error, "no link");
            match &error {
                // The guard has counted it.
                TransportError::Busy { .. } => {}
                TransportError::Stranger { .. } => self.guard.turned_away(Refusal::NotAdmitted, &addr),
                _ => self.guard.turned_away(Refusal::HandshakeFailed, &addr),
            }
            // Refusals may fill half of the queue: strangers must not crowd out the enrolled.
            if self.accepted.capacity() > self.options.accept_queue_max / 2 {
                // Full or closed: nobody is there to be told, and the peer has been.
                let _ = self.accepted.try_send(Err(error));
            }
        }
    }

    /// Proves, admits and welcomes a peer, and hands the link to whoever accepts.
    async fn welcome(&self, incoming: Incoming) -> Result<(), TransportError> {
        let addr = incoming.remote_address();
        let silence_max = self.options.silence_max;
        let connection =
            incoming.await.map_err(|error| TransportError::from_handshake(error, addr, silence_max))?;
        let Some(peer) = proven_key(&connection) else {
            close(&connection, CloseCode::Broken, "no raw ed25519 key");
            return Err(TransportError::Handshake { addr, detail: "no raw ed25519 key".to_owned() });
        };
        match self.policy.decide(&peer) {
            Admission::Admit => {}
            Admission::Refuse { reason } => {
                close(&connection, CloseCode::Refused, &reason);
                return Err(TransportError::Stranger { peer, addr, reason });
            }
        }
        let seat = self.guard.seat(&connection, peer).map_err(|turned| busy(&connection, turned))?;
        let lost = |error| TransportError::from_handshake(error, addr, silence_max);
        let mut streams = connection.accept_bi().await.map_err(lost)?;
        let mut greeting = [0; GREETING.len()];
        match streams.1.read_exact(&mut greeting).await {
            Ok(()) if greeting == GREETING => {}
            Err(ReadExactError::ReadError(ReadError::ConnectionLost(error))) => return Err(lost(error)),
            Ok(()) | Err(_) => {
                close(&connection, CloseCode::Broken, "the stream did not begin with a greeting");
                let detail = "the dialling side's stream did not begin with a greeting".to_owned();
                return Err(TransportError::Handshake { addr, detail });
            }
        }
        let Ok(place) = self.accepted.try_reserve() else {
            self.guard.turned_away(Refusal::QueueFull, &addr);
            let wait = TURN_EVERY.saturating_mul(self.options.accept_queue_max as u32);
            return Err(busy(&connection, Turned::new(Refusal::QueueFull, wait)));
        };
        streams.0.write_all(&GREETING).await.map_err(|error| match error {
            quinn::WriteError::ConnectionLost(error) => lost(error),
            other => TransportError::Handshake { addr, detail: other.to_string() },
        })?;
        place.send(Ok(Link::new(connection, peer, streams, &self.options).seated(seat)));
        Ok(())
    }
}

/// Tells a dialler why it has no link, and when to come back.
fn busy(connection: &quinn::Connection, turned: Turned) -> TransportError {
    let reason = turned.reason();
    close(connection, CloseCode::Busy, &reason);
    TransportError::Busy { reason, come_back: Some(turned.come_back) }
}
