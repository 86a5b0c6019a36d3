//! What can go wrong on the way to a peer, and what a caller should do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, TransportErrorCode};

use super::close::{CloseCode, clean_reason};
use super::raw_key::PeerKey;
use super::refusal::come_back_of;

/// Names what a caller should do about a [`TransportError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Dial again after a [`Backoff`](super::Backoff): the network or the peer's state is the cause.
    Retry,
    /// A key is not admitted: a person must enrol a device or correct an address; retry slowly.
    Refused,
    /// The peer or the configuration breaks the protocol: report it; retrying will hardly help.
    Broken,
    /// This side closed the link or endpoint: nothing to do.
    Closed,
}

/// Says what was attempted on a link, relay or endpoint, and why it failed.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The local UDP socket could not be opened.
    #[error("cannot listen on UDP {addr}: {source}; is the port in use, or the address not of this machine?")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// A socket that was open failed.
    #[error("the UDP socket cannot {attempt}: {source}")]
    Socket {
        /// What was attempted.
        attempt: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// TLS could not be set up with this device's key or these options.
    #[error("cannot set up QUIC: {detail}")]
    Setup {
        /// What TLS or QUIC said.
        detail: String,
    },
    /// The dial could not start, for instance because the endpoint is closed or the address is unusable.
    #[error("cannot dial {addr}: {detail}")]
    Dial {
        /// The address dialled.
        addr: SocketAddr,
        /// What QUIC said.
        detail: String,
    },
    /// Nothing welcomed the dial in time.
    #[error("no answer from {addr} within {waited:?}; is it reachable over UDP?")]
    Unreachable {
        /// The address dialled.
        addr: SocketAddr,
        /// How long was waited.
        waited: Duration,
    },
    /// The TLS or QUIC handshake failed.
    #[error("handshake with {addr} failed: {detail}")]
    Handshake {
        /// The other side's address.
        addr: SocketAddr,
        /// What TLS or QUIC said.
        detail: String,
    },
    /// Another device answers at the address than the one that was expected.
    #[error(
        "the device at {addr} has key {found}, not the expected {expected}; correct the address or the expected key"
    )]
    WrongPeer {
        /// The address dialled.
        addr: SocketAddr,
        /// The key that was asked for.
        expected: PeerKey,
        /// The key that answered.
        found: PeerKey,
    },
    /// The other side does not admit this device.
    #[error("refused by the peer: {reason}")]
    Refused {
        /// The peer's own words, cleaned and cut.
        reason: String,
    },
    /// This side does not admit the other device.
    #[error("refused device {peer} at {addr}: {reason}")]
    Stranger {
        /// The device's proven key.
        peer: PeerKey,
        /// Its address.
        addr: SocketAddr,
        /// What it was told.
        reason: String,
    },
    /// One side has no room for another link at the moment.
    #[error("busy: {reason}")]
    Busy {
        /// Which limit was reached.
        reason: String,
        /// After how long the peer wants to be dialled again, if it said so.
        come_back: Option<Duration>,
    },
    /// The peer's first bytes on the stream were not a welcome.
    #[error(
        "the peer {peer} is admitted but did not send a welcome; is its version of musubi too old or too new?"
    )]
    NotWelcomed {
        /// The peer's proven key.
        peer: PeerKey,
    },
    /// The caller's message is over the limit; nothing was sent.
    #[error("a message of {bytes} bytes is over the limit of {bytes_max}; split it")]
    MessageTooLong {
        /// Length of the message.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The peer announced a message over the limit; nothing was allocated and the link was closed.
    #[error("the peer announced a message of {bytes} bytes, over the limit of {bytes_max}")]
    PeerMessageTooLong {
        /// Length announced.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The peer's stream ended within a message.
    #[error("the peer's stream ended within a message")]
    Truncated,
    /// No message began in the time that the caller gave; the link is still usable.
    #[error("no message within {waited:?}")]
    NoMessage {
        /// How long was waited.
        waited: Duration,
    },
    /// The peer is alive but a message made no progress, in or out; the link was closed.
    #[error("no progress while {attempt} a message for {waited:?}")]
    Stalled {
        /// "sending" or "receiving".
        attempt: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// Nothing at all arrived from the peer for too long; the link was closed.
    #[error("nothing heard from the peer for {waited:?}; the path is cut")]
    Silent {
        /// The limit that was reached.
        waited: Duration,
    },
    /// An earlier `send` was cancelled halfway, so the stream is no longer at a message boundary.
    #[error("an earlier send on this link was cancelled halfway; dial again")]
    SendInterrupted,
    /// The peer closed the link.
    #[error("closed by the peer: {code}: {reason}")]
    ClosedByPeer {
        /// Why, as a number of the protocol.
        code: CloseCode,
        /// The peer's own words, cleaned and cut.
        reason: String,
    },
    /// The peer has restarted and knows nothing of this connection.
    #[error("the peer restarted")]
    PeerRestarted,
    /// This side closed the link or the endpoint.
    #[error("closed by this side")]
    ClosedHere,
    /// The connection failed on the level of QUIC.
    #[error("connection failed: {detail}")]
    Connection {
        /// What QUIC said.
        detail: String,
    },
}

impl TransportError {
    /// Returns what the caller should do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TransportError::Bind { .. }
            | TransportError::Setup { .. }
            | TransportError::Handshake { .. }
            | TransportError::NotWelcomed { .. }
            | TransportError::MessageTooLong { .. }
            | TransportError::PeerMessageTooLong { .. }
            | TransportError::Connection { .. } => ErrorKind::Broken,
            TransportError::Socket { .. }
            | TransportError::Dial { .. }
            | TransportError::Unreachable { .. }
            | TransportError::Busy { .. }
            | TransportError::Truncated
            | TransportError::NoMessage { .. }
            | TransportError::Stalled { .. }
            | TransportError::Silent { .. }
            | TransportError::SendInterrupted
            | TransportError::PeerRestarted => ErrorKind::Retry,
            TransportError::WrongPeer { .. }
            | TransportError::Refused { .. }
            | TransportError::Stranger { .. } => ErrorKind::Refused,
            TransportError::ClosedHere => ErrorKind::Closed,
            TransportError::ClosedByPeer { code, .. } => match code {
                CloseCode::Dropped
                | CloseCode::Done
                | CloseCode::Busy
                | CloseCode::Stalled
                | CloseCode::Shutdown
                | CloseCode::Other(_) => ErrorKind::Retry,
                CloseCode::Refused => ErrorKind::Refused,
                CloseCode::Broken => ErrorKind::Broken,
            },
        }
    }

    /// Translates the end of a connection; `silence_max` is the idle limit that a time-out stands for.
    pub(super) fn from_connection(error: ConnectionError, silence_max: Duration) -> TransportError {
        match error {
            ConnectionError::ApplicationClosed(close) => {
                let reason = clean_reason(&close.reason);
                match CloseCode::from_number(close.error_code.into_inner()) {
                    CloseCode::Refused => TransportError::Refused { reason },
                    CloseCode::Busy => TransportError::Busy { come_back: come_back_of(&reason), reason },
                    code => TransportError::ClosedByPeer { code, reason },
                }
            }
            ConnectionError::ConnectionClosed(close)
                if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
            {
                let reason = "the peer takes no more connections at the moment".to_owned();
                TransportError::Busy { reason, come_back: None }
            }
            ConnectionError::TimedOut => TransportError::Silent { waited: silence_max },
            ConnectionError::LocallyClosed => TransportError::ClosedHere,
            ConnectionError::Reset => TransportError::PeerRestarted,
            error @ (ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::ConnectionClosed(_)
            | ConnectionError::CidsExhausted) => {
                TransportError::Connection { detail: clean_reason(error.to_string().as_bytes()) }
            }
        }
    }

    /// Translates a failure before the link exists, when it is known which address it concerns.
    pub(super) fn from_handshake(
        error: ConnectionError,
        addr: SocketAddr,
        silence_max: Duration,
    ) -> TransportError {
        match TransportError::from_connection(error, silence_max) {
            TransportError::Silent { waited } => TransportError::Unreachable { addr, waited },
            TransportError::Connection { detail } => TransportError::Handshake { addr, detail },
            other => other,
        }
    }
}
