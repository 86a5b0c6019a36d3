//! Limits and times of an endpoint, and the caller's word on who is admitted.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::BbrConfig;
use quinn::{IdleTimeout, TransportConfig, VarInt};

use super::error::TransportError;
use super::raw_key::PeerKey;

/// Round trip that is assumed before one is measured; RFC 9002 recommends 333 ms.
///
/// The handshake's padded datagrams need 1.4 s for their first round trip over 23 kbit/s and a satellite. At
/// 333 ms they would all be sent a second time (0.5 s and 3 kB more until the welcome); at 500 ms a lost first
/// datagram is repeated after 1.5 s instead of 1 s.
const INITIAL_ROUND_TRIP: Duration = Duration::from_millis(500);

/// Limits and times of an endpoint and its links; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Longest message in bytes, in or out; at most `u32::MAX`.
    pub message_bytes_max: usize,
    /// Longest time from dialling, or from a stranger's first datagram, to the welcome.
    pub connect_max: Duration,
    /// How often an idle link asks the peer for a sign of life.
    pub keep_alive: Duration,
    /// How long QUIC itself waits for a sign of life; both sides' minimum holds.
    pub idle_max: Duration,
    /// How long nothing at all may arrive before a waiting `send` or `recv` fails.
    ///
    /// QUIC's idle timer alone was seen not to fire while a request was pending, hence this second clock. It
    /// must be several times `keep_alive`.
    pub silence_max: Duration,
    /// How long a message that has begun may make no progress while the peer is alive.
    pub stall_max: Duration,
    /// Slowest average rate in bytes per second at which a message may trickle in, beyond `stall_max`.
    pub message_bytes_per_s_min: u64,
    /// Bytes that QUIC may hold for one link in each direction.
    pub window_bytes: u32,
    /// How fast data is sent where some of it is lost.
    pub congestion: Congestion,
    /// Links that may be open at once, dialled and accepted, with running handshakes.
    pub links_max: usize,
    /// Of them, those that accepting leaves to dialling.
    pub links_for_dialling: usize,
    /// Handshakes that may run at once; more are refused.
    pub handshakes_max: usize,
    /// Running handshakes from which on a dialler must first prove its address (QUIC Retry).
    pub handshakes_before_retry: usize,
    /// Accepted links, or refusals to report, that may wait for [`Endpoint::accept`](super::Endpoint::accept).
    pub accept_queue_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            message_bytes_max: 4 << 20,
            connect_max: Duration::from_secs(10),
            keep_alive: Duration::from_secs(2),
            idle_max: Duration::from_secs(10),
            silence_max: Duration::from_secs(10),
            stall_max: Duration::from_secs(30),
            message_bytes_per_s_min: 256,
            window_bytes: 2 << 20,
            congestion: Congestion::Cubic,
            links_max: 512,
            links_for_dialling: 32,
            handshakes_max: 64,
            handshakes_before_retry: 16,
            accept_queue_max: 64,
        }
    }
}

impl Options {
    /// Builds QUIC's settings for one side; only the accepting side lets its peer open the one stream.
    pub(super) fn quic(&self, side: Side) -> Result<Arc<TransportConfig>, TransportError> {
        let idle = IdleTimeout::try_from(self.idle_max)
            .map_err(|error| TransportError::Setup { detail: format!("idle_max: {error}") })?;
        let streams: u32 = match side {
            Side::Accepting => 1,
            Side::Dialling => 0,
        };
        let mut quic = TransportConfig::default();
        quic.max_concurrent_bidi_streams(streams.into())
            .max_concurrent_uni_streams(0_u32.into())
            .max_idle_timeout(Some(idle))
            .keep_alive_interval(Some(self.keep_alive))
            .stream_receive_window(VarInt::from_u32(self.window_bytes))
            .receive_window(VarInt::from_u32(self.window_bytes))
            .send_window(u64::from(self.window_bytes))
            .datagram_receive_buffer_size(None)
            .initial_rtt(INITIAL_ROUND_TRIP)
            // Datagrams stay at QUIC's least, 1,200 bytes. Probing for more costs 4 kB each way on every
            // connection (1.2 s of a 23 kbit/s line) and saves less than 1 % of the bytes of a long one.
            .mtu_discovery_config(None);
        match self.congestion {
            Congestion::Cubic => {}
            Congestion::Bbr => {
                quic.congestion_controller_factory(Arc::new(BbrConfig::default()));
            }
        }
        Ok(Arc::new(quic))
    }
}

/// Names how a link decides how fast to send.
///
/// Measured through the relay, one transfer each: satellite profile (0.5 % loss, 10 Mbit/s) 82 kB/s with Cubic,
/// 634 kB/s with BBR. In return BBR overfills slow queues: on the weak mobile profile it gave 118 kB/s instead of
/// 82, but 28 % of its datagrams were dropped (Cubic 2 %); over 23 kbit/s it needed 30 s for what took Cubic 22 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Congestion {
    /// RFC 9438: takes loss for a full queue; frugal and fair, slow where loss is mere chance.
    Cubic,
    /// BBR, as quinn has it (experimental there): for satellite and other lossy paths with room.
    Bbr,
}

/// Names the role of an endpoint in one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The server of QUIC: sends the welcome.
    Accepting,
    /// The client of QUIC: opens the stream.
    Dialling,
}

/// Says whether a device with a proven key may have a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The device may have a link.
    Admit,
    /// The device may not; the reason is sent to it and must name what to do. No patient data, no secrets.
    Refuse {
        /// At most [`CLOSE_REASON_BYTES_MAX`](super::CLOSE_REASON_BYTES_MAX) bytes reach the peer.
        reason: String,
    },
}

impl Admission {
    /// Returns the usual refusal of a key that no roster names.
    pub fn stranger(peer: &PeerKey) -> Admission {
        Admission::Refuse {
            reason: format!(
                "device key {peer} is not in the roster of this realm; enrol it with `musubi realm enrol` and let \
                 the roster reach this replica"
            ),
        }
    }
}

/// The caller's word on who is admitted; asked once for each connection, on both sides.
#[derive(Clone)]
pub struct AdmissionPolicy(Arc<dyn Fn(&PeerKey) -> Admission + Send + Sync>);

impl AdmissionPolicy {
    /// Wraps a function that must answer quickly and without blocking.
    pub fn new(policy: impl Fn(&PeerKey) -> Admission + Send + Sync + 'static) -> AdmissionPolicy {
        AdmissionPolicy(Arc::new(policy))
    }

    /// Returns a policy that admits exactly these keys and tells others to be enrolled.
    pub fn only(keys: impl IntoIterator<Item = PeerKey>) -> AdmissionPolicy {
        let keys: std::collections::BTreeSet<PeerKey> = keys.into_iter().collect();
        AdmissionPolicy::new(
            move |peer| {
                if keys.contains(peer) { Admission::Admit } else { Admission::stranger(peer) }
            },
        )
    }

    /// Decides on one peer.
    pub fn decide(&self, peer: &PeerKey) -> Admission {
        (self.0)(peer)
    }
}

impl fmt::Debug for AdmissionPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdmissionPolicy")
    }
}
