//! One UDP socket that dials peers and is dialled by them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use quinn::{ClientConfig, Connection, ReadExactError, RecvStream, ServerConfig, WriteError};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::acceptor::{Acceptor, GREETING};
use super::close::{CloseCode, clean_reason, close};
use super::error::TransportError;
use super::guard::Guard;
use super::link::Link;
use super::options::{Admission, AdmissionPolicy, Options, Side};
use super::raw_key::{PeerKey, Pin, TlsIdentity, proven_key};

/// How long [`Endpoint::close`] waits for peers to take note.
const DRAIN_MAX: Duration = Duration::from_secs(3);

/// Bytes of a stranger's datagrams that may wait for its handshake to begin.
const INCOMING_BYTES_MAX: u64 = 64 << 10;

/// Name that QUIC wants for a server; it is neither sent nor checked.
const SERVER_NAME: &str = "musubi";

/// One device on one UDP socket: it accepts links and dials them.
///
/// Dropping it closes all its links without waiting; [`close`](Self::close) is kinder.
#[derive(Debug)]
pub struct Endpoint {
    quic: quinn::Endpoint,
    identity: TlsIdentity,
    key: PeerKey,
    options: Arc<Options>,
    policy: AdmissionPolicy,
    accepted: Mutex<mpsc::Receiver<Result<Link, TransportError>>>,
    acceptor: StdMutex<Option<JoinHandle<()>>>,
}

impl Endpoint {
    /// Opens the socket and begins to accept; port 0 picks one. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bind`] for the socket, [`TransportError::Setup`] for unusable options.
    pub fn bind(
        addr: SocketAddr,
        seed: &[u8; 32],
        options: Options,
        policy: AdmissionPolicy,
    ) -> Result<Endpoint, TransportError> {
        Endpoint::bind_guarded(addr, seed, options, policy, Arc::new(Guard::open()))
    }

    /// Opens the socket as [`bind`](Self::bind) does, with a guard that keeps rates, bars and shares of links.
    ///
    /// # Errors
    ///
    /// Those of [`bind`](Self::bind).
    pub fn bind_guarded(
        addr: SocketAddr,
        seed: &[u8; 32],
        options: Options,
        policy: AdmissionPolicy,
        guard: Arc<Guard>,
    ) -> Result<Endpoint, TransportError> {
        let identity = TlsIdentity::new(seed)?;
        let options = Arc::new(options);
        let mut config = ServerConfig::with_crypto(Arc::new(identity.accepting()?));
        config
            .transport_config(options.quic(Side::Accepting)?)
            .migration(true)
            .max_incoming(options.handshakes_max)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_MAX * options.handshakes_max as u64);
        let quic =
            quinn::Endpoint::server(config, addr).map_err(|source| TransportError::Bind { addr, source })?;
        let (sender, accepted) = mpsc::channel(options.accept_queue_max.max(1));
        let acceptor = Acceptor {
            quic: quic.clone(),
            options: options.clone(),
            policy: policy.clone(),
            guard,
            accepted: sender,
        };
        Ok(Endpoint {
            quic,
            identity,
            key: PeerKey::of_seed(seed),
            options,
            policy,
            accepted: Mutex::new(accepted),
            acceptor: StdMutex::new(Some(tokio::spawn(acceptor.run()))),
        })
    }

    /// Returns this device's own key.
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// [`TransportError::Socket`] when the system has lost the socket.
    pub fn local_addr(&self) -> Result<SocketAddr, TransportError> {
        self.quic
            .local_addr()
            .map_err(|source| TransportError::Socket { attempt: "tell its address", source })
    }

    /// Returns the next welcomed link, or the next dial that led to none; `None` once the endpoint is closed.
    ///
    /// An `Err` concerns one dialler only ([`TransportError::Stranger`] names the key that was refused): log it
    /// and go on accepting.
    pub async fn accept(&self) -> Option<Result<Link, TransportError>> {
        self.accepted.lock().await.recv().await
    }

    /// Dials a peer and returns once it has welcomed this device.
    ///
    /// With `expected`, another device at that address is refused before it learns this device's key; without,
    /// whoever the policy admits will do.
    ///
    /// # Errors
    ///
    /// [`Refused`](TransportError::Refused) with the peer's reason, [`Stranger`](TransportError::Stranger) and
    /// [`WrongPeer`](TransportError::WrongPeer) when this side refuses,
    /// [`Unreachable`](TransportError::Unreachable) after [`Options::connect_max`],
    /// [`Busy`](TransportError::Busy), or what failed in the handshake.
    pub async fn connect(&self, addr: SocketAddr, expected: Option<PeerKey>) -> Result<Link, TransportError> {
        self.connect_saying(addr, expected, |_| Vec::new()).await
    }

    /// Dials as [`connect`](Self::connect) does, and says something as soon as the peer has proven its key and the policy
    /// has admitted it, without waiting for its welcome: the answer comes a round trip earlier. `first` hears the peer's key
    /// and gives the messages; a peer that refuses this device has heard them as well.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](Self::connect).
    pub async fn connect_saying(
        &self,
        addr: SocketAddr,
        expected: Option<PeerKey>,
        first: impl FnOnce(PeerKey) -> Vec<Vec<u8>>,
    ) -> Result<Link, TransportError> {
        if self.quic.open_connections() >= self.options.links_max {
            let reason = "too many links are open on this device".to_owned();
            return Err(TransportError::Busy { reason, come_back: None });
        }
        let waited = self.options.connect_max;
        match timeout(waited, self.dial(addr, expected, first)).await {
            Ok(result) => result,
            Err(_) => Err(TransportError::Unreachable { addr, waited }),
        }
    }

    /// Returns the number of open links and running handshakes.
    pub fn open_links(&self) -> usize {
        self.quic.open_connections()
    }

    /// Closes all links with [`CloseCode::Shutdown`], stops accepting, and waits up to 3 s for peers to know.
    pub async fn close(&self, reason: &str) {
        self.shut(reason);
        let acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner).take();
        let drained = timeout(DRAIN_MAX, async {
            if let Some(acceptor) = acceptor
                && let Err(error) = acceptor.await
            {
                tracing::error!(%error, "the accepting task failed");
            }
            self.quic.wait_idle().await;
        });
        if drained.await.is_err() {
            tracing::debug!("closed before every peer took note");
        }
    }

    fn shut(&self, reason: &str) {
        self.quic.close(CloseCode::Shutdown.number().into(), clean_reason(reason.as_bytes()).as_bytes());
    }

    async fn dial(
        &self,
        addr: SocketAddr,
        expected: Option<PeerKey>,
        first: impl FnOnce(PeerKey) -> Vec<Vec<u8>>,
    ) -> Result<Link, TransportError> {
        let silence_max = self.options.silence_max;
        let connection = self.prove(addr, expected).await?;
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
        let lost = |error| TransportError::from_handshake(error, addr, silence_max);
        let mut streams = connection.open_bi().await.map_err(lost)?;
        // Why it was stopped otherwise is told when the welcome is read.
        if let Err(WriteError::ConnectionLost(error)) = streams.0.write_all(&GREETING).await {
            return Err(lost(error));
        }
        let mut link = Link::new(connection.clone(), peer, streams, &self.options);
        for message in first(peer) {
            // What went wrong is told when the welcome is read.
            if link.send(&message).await.is_err() {
                break;
            }
        }
        self.read_welcome(&connection, addr, peer, link.stream()).await?;
        Ok(link)
    }

    /// Runs the TLS handshake: both sides hold the keys that they show.
    async fn prove(&self, addr: SocketAddr, expected: Option<PeerKey>) -> Result<Connection, TransportError> {
        let pin = expected.map(|key| Arc::new(Pin::new(key)));
        let mut config = ClientConfig::new(Arc::new(self.identity.dialling(pin.clone())?));
        config.transport_config(self.options.quic(Side::Dialling)?);
        let connecting = self
            .quic
            .connect_with(config, addr, SERVER_NAME)
            .map_err(|error| TransportError::Dial { addr, detail: error.to_string() })?;
        connecting.await.map_err(|error| match pin.and_then(|pin| pin.mismatch()) {
            Some((expected, found)) => TransportError::WrongPeer { addr, expected, found },
            None => TransportError::from_handshake(error, addr, self.options.silence_max),
        })
    }

    async fn read_welcome(
        &self,
        connection: &Connection,
        addr: SocketAddr,
        peer: PeerKey,
        stream: &mut RecvStream,
    ) -> Result<(), TransportError> {
        let mut welcome = [0; GREETING.len()];
        match stream.read_exact(&mut welcome).await {
            Ok(()) if welcome == GREETING => Ok(()),
            Err(ReadExactError::ReadError(quinn::ReadError::ConnectionLost(error))) => {
                Err(TransportError::from_handshake(error, addr, self.options.silence_max))
            }
            Ok(()) | Err(ReadExactError::ReadError(_) | ReadExactError::FinishedEarly(_)) => {
                close(connection, CloseCode::Broken, "the stream did not begin with a welcome");
                Err(TransportError::NotWelcomed { peer })
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // The accepting task holds the socket; it ends by itself once the endpoint is shut.
        self.shut("");
    }
}
