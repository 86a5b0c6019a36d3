//! Why a peer was turned away or cut off: the reasons, and how often there was each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Longest time ahead for which a peer is told, or lets itself be told, to come back.
pub const COME_BACK_MAX: Duration = Duration::from_secs(60);

/// How a hint begins in the reason of a close with [`CloseCode::Busy`](super::CloseCode::Busy); digits and
/// [`HINT_END`] follow.
const HINT_BEGIN: &str = "come back in ";
const HINT_END: &str = " ms: ";

/// Names why a peer was turned away, or its link was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// One UDP socket knocked too often.
    SocketRate,
    /// One source address knocked too often.
    SourceRate,
    /// One key came too often.
    KeyRate,
    /// The key is barred for the faults of its earlier sessions.
    Barred,
    /// Too many handshakes run at once.
    HandshakesFull,
    /// All links are taken.
    LinksFull,
    /// All links that strangers may have, or one address of them, are taken.
    StrangersFull,
    /// Too many links wait to be served.
    QueueFull,
    /// The handshake failed or did not end in time.
    HandshakeFailed,
    /// The policy does not admit the key.
    NotAdmitted,
    /// The same key has come again, and its oldest link went.
    Replaced,
    /// A link that had been served made room for a peer that waited.
    MadeRoom,
    /// The session was ended: the peer broke the protocol.
    Protocol,
    /// The session was ended: the peer exceeded a limit.
    Limit,
    /// The session was ended: the peer belongs to another realm.
    OtherRealm,
    /// The session was ended: the peer has no certificate that verifies.
    NoCertificate,
    /// The session was ended: the peer made no progress for too long.
    Stalled,
}

impl Refusal {
    /// All reasons, in their order.
    pub const ALL: [Refusal; 17] = [
        Refusal::SocketRate,
        Refusal::SourceRate,
        Refusal::KeyRate,
        Refusal::Barred,
        Refusal::HandshakesFull,
        Refusal::LinksFull,
        Refusal::StrangersFull,
        Refusal::QueueFull,
        Refusal::HandshakeFailed,
        Refusal::NotAdmitted,
        Refusal::Replaced,
        Refusal::MadeRoom,
        Refusal::Protocol,
        Refusal::Limit,
        Refusal::OtherRealm,
        Refusal::NoCertificate,
        Refusal::Stalled,
    ];

    /// Returns the reason's name in metrics, status and log.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::SocketRate => "socket-rate",
            Refusal::SourceRate => "source-rate",
            Refusal::KeyRate => "key-rate",
            Refusal::Barred => "barred",
            Refusal::HandshakesFull => "handshakes-full",
            Refusal::LinksFull => "links-full",
            Refusal::StrangersFull => "strangers-full",
            Refusal::QueueFull => "queue-full",
            Refusal::HandshakeFailed => "handshake-failed",
            Refusal::NotAdmitted => "not-admitted",
            Refusal::Replaced => "replaced",
            Refusal::MadeRoom => "made-room",
            Refusal::Protocol => "protocol",
            Refusal::Limit => "limit",
            Refusal::OtherRealm => "other-realm",
            Refusal::NoCertificate => "no-certificate",
            Refusal::Stalled => "stalled",
        }
    }

    /// Returns what the peer is told.
    pub fn told(self) -> &'static str {
        match self {
            Refusal::SocketRate => "too many dials from this socket",
            Refusal::SourceRate => "too many dials from this address",
            Refusal::KeyRate => "too many dials of this device",
            Refusal::Barred => "earlier sessions of this device broke the protocol",
            Refusal::HandshakesFull => "too many handshakes run",
            Refusal::LinksFull => "all links are taken",
            Refusal::StrangersFull => "all links for devices that are not known here yet are taken",
            Refusal::QueueFull => "too many links wait to be served",
            Refusal::HandshakeFailed => "the handshake failed",
            Refusal::NotAdmitted => "the device is not admitted",
            Refusal::Replaced => "the same device has dialled again",
            Refusal::MadeRoom => "others wait for this link",
            Refusal::Protocol => "the protocol was broken",
            Refusal::Limit => "a limit was exceeded",
            Refusal::OtherRealm => "the realms differ",
            Refusal::NoCertificate => "no certificate that verifies",
            Refusal::Stalled => "no progress for too long",
        }
    }

    /// Says whether the peer itself is to blame, as no honest device is whose link flaps, clock is wrong or disk is full.
    pub fn is_offence(self) -> bool {
        match self {
            Refusal::Protocol | Refusal::Limit | Refusal::OtherRealm | Refusal::NoCertificate => true,
            Refusal::SocketRate
            | Refusal::SourceRate
            | Refusal::KeyRate
            | Refusal::Barred
            | Refusal::HandshakesFull
            | Refusal::LinksFull
            | Refusal::StrangersFull
            | Refusal::QueueFull
            | Refusal::HandshakeFailed
            | Refusal::NotAdmitted
            | Refusal::Replaced
            | Refusal::MadeRoom
            | Refusal::Stalled => false,
        }
    }
}

/// A peer that is turned away: why, and when it may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// Why.
    pub why: Refusal,
    /// After how long it will be served, if nothing else changes; at most [`COME_BACK_MAX`].
    pub come_back: Duration,
}

impl Turned {
    /// Says why, and after how long to come back, up to [`COME_BACK_MAX`].
    pub fn new(why: Refusal, come_back: Duration) -> Turned {
        Turned { why, come_back: come_back.min(COME_BACK_MAX) }
    }

    /// Returns the reason of the close, with the hint that `come_back_of` reads.
    pub fn reason(&self) -> String {
        format!("{HINT_BEGIN}{}{HINT_END}{}", self.come_back.as_millis(), self.why.told())
    }
}

/// Reads after how long a busy peer wants to be dialled again, at most [`COME_BACK_MAX`] whatever it says.
pub fn come_back_of(reason: &str) -> Option<Duration> {
    let (digits, _) = reason.strip_prefix(HINT_BEGIN)?.split_once(HINT_END)?;
    let ms = digits.parse().ok()?;
    Some(Duration::from_millis(ms).min(COME_BACK_MAX))
}

/// Counts refusals by reason since the start.
#[derive(Debug, Default)]
pub struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    /// Counts one.
    pub fn count(&self, why: Refusal) {
        self.0[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how often there was one reason.
    pub fn of(&self, why: Refusal) -> u64 {
        self.0[why as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_name_and_counter() {
        let counters = Refusals::default();
        for (times, why) in Refusal::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| counters.count(why));
        }
        let counted: Vec<u64> = Refusal::ALL.map(|why| counters.of(why)).to_vec();
        assert_eq!(counted, (0..17).collect::<Vec<u64>>());
        let names: std::collections::BTreeSet<_> = Refusal::ALL.map(Refusal::name).into();
        assert_eq!(names.len(), Refusal::ALL.len());
    }

    #[test]
    fn a_hint_is_read_back_and_nobody_is_sent_away_for_ever() {
        let turned = Turned::new(Refusal::LinksFull, Duration::from_millis(1_500));
        assert_eq!(turned.reason(), "come back in 1500 ms: all links are taken");
        assert_eq!(come_back_of(&turned.reason()), Some(turned.come_back));
        assert_eq!(come_back_of("come back in 18446744073709551615 ms: x"), Some(COME_BACK_MAX));
        for other in ["", "come back in  ms: ", "come back in -1 ms: x", "come back in 1e9 ms: x", "busy"] {
            assert_eq!(come_back_of(other), None, "{other}");
        }
    }
}
