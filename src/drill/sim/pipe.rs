//! One direction of a connection over a line: when a message that is sent now arrives.
//!
//! A connection is reliable and keeps order, as QUIC does: lost datagrams delay what they are part of by the time
//! of sending them again, and a line that is down holds everything back until it is up again or the connection is
//! given up. So a message is late, or lost with its connection, and never missing from the middle.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::drill::chance::Chance;
use crate::transport::LinkProfile;

/// Payload of one datagram, in bytes (the smallest that every QUIC path carries, RFC 9000, section 14).
const DATAGRAM_BYTES: u64 = 1_200;
/// Shortest time until a lost datagram is sent again: a guess for measured, short paths, where RFC 9002 (section 6.2.1)
/// waits for the round trip, its variation and the peer's delay of 25 ms.
const RESEND_MIN: Duration = Duration::from_millis(50);
/// Rounds of sending again after which a message is taken to have arrived: at 30 % loss one datagram in 10^10.
const ROUNDS_MAX: u32 = 20;

/// A direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// When the line's sending end is free.
    free_at: Duration,
    /// When the last message arrives.
    last_arrival: Duration,
    /// Messages that were lost and wait for the line to be up, with their numbers.
    pub(super) stalled: Vec<(u64, Vec<u8>)>,
    /// Messages that arrived before those ahead of them.
    early: BTreeMap<u64, Vec<u8>>,
    sent: u64,
    heard: u64,
    /// Bytes of the messages that were sent and not heard.
    under_way: usize,
}

/// When a message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When.
    pub(super) at: Duration,
    /// Whether lost datagrams delayed it.
    pub(super) resent: bool,
}

impl Pipe {
    /// A pipe of which nothing leaves before a time: until then the handshake is under way.
    pub(super) fn free_from(at: Duration) -> Self {
        Self { free_at: at, ..Self::default() }
    }

    /// Numbers the next message, of so many bytes.
    pub(super) fn next_number(&mut self, bytes: usize) -> u64 {
        self.sent += 1;
        self.under_way += bytes;
        self.sent
    }

    /// Returns the bytes of the messages that were sent and not heard.
    pub(super) fn bytes_under_way(&self) -> usize {
        self.under_way
    }

    /// Takes a message that has arrived; returns those whose turn it is, in order.
    pub(super) fn arrived(&mut self, number: u64, message: Vec<u8>) -> Vec<Vec<u8>> {
        self.early.insert(number, message);
        let mut ready = Vec::new();
        while let Some(message) = self.early.remove(&(self.heard + 1)) {
            self.heard += 1;
            self.under_way = self.under_way.saturating_sub(message.len());
            ready.push(message);
        }
        ready
    }

    /// Says whether everything that was sent was heard.
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.heard
    }

    /// Returns the messages that were sent and not heard, as far as they are here and not on their way.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.stalled.iter().map(|(_, message)| message).chain(self.early.values())
    }

    /// Sends a message of so many bytes now; `loss` is the part of datagrams lost in this direction.
    pub(super) fn depart(
        &mut self,
        now: Duration,
        bytes: usize,
        profile: &LinkProfile,
        loss: f64,
        chance: &mut Chance,
    ) -> Arrival {
        let bytes = bytes as u64;
        let start = self.free_at.max(now);
        let sending = profile.rate_bytes_per_s.map_or(Duration::ZERO, |rate| {
            Duration::from_micros(bytes.saturating_mul(1_000_000) / rate.get())
        });
        self.free_at = start + sending;
        let delay = Duration::from_millis(u64::from(profile.delay_ms));
        let jitter = Duration::from_millis(chance.below(u64::from(profile.jitter_ms) + 1));
        let again = resending(bytes, loss, (delay * 2).max(RESEND_MIN), chance);
        let at = (self.free_at + delay + jitter + again).max(self.last_arrival);
        self.last_arrival = at;
        Arrival { at, resent: !again.is_zero() }
    }
}

/// The time that lost datagrams add.
fn resending(bytes: u64, loss: f64, round: Duration, chance: &mut Chance) -> Duration {
    if loss <= 0.0 {
        return Duration::ZERO;
    }
    let mut left = bytes.div_ceil(DATAGRAM_BYTES).max(1);
    let mut added = Duration::ZERO;
    for _ in 0..ROUNDS_MAX {
        left = match left {
            few @ 0..=64 => (0..few).filter(|_| chance.share(loss)).count() as u64,
            many => (many as f64 * loss).ceil() as u64,
        };
        if left == 0 {
            break;
        }
        added += round;
    }
    added
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ProfileName;

    fn arrival(pipe: &mut Pipe, now_ms: u64, bytes: usize, name: ProfileName, loss: f64) -> u64 {
        let mut chance = Chance::of_seed(1);
        let arrival = pipe.depart(Duration::from_millis(now_ms), bytes, &name.profile(), loss, &mut chance);
        arrival.at.as_millis() as u64
    }

    #[test]
    fn a_narrow_line_takes_its_time_and_the_next_message_waits() {
        let mut pipe = Pipe::default();
        // 2,875 bytes a second, 300 ms.
        assert_eq!(arrival(&mut pipe, 0, 2_875, ProfileName::Narrow23k, 0.0), 1_300);
        assert_eq!(arrival(&mut pipe, 100, 2_875, ProfileName::Narrow23k, 0.0), 2_300);
        assert_eq!(arrival(&mut Pipe::default(), 100, 2_875, ProfileName::Lan, 0.0), 100);
    }

    #[test]
    fn loss_delays_and_order_is_kept() {
        let (mut pipe, mut last) = (Pipe::default(), 0);
        let mut resent = 0;
        let mut chance = Chance::of_seed(2);
        for now_ms in 0..200 {
            let now = Duration::from_millis(now_ms);
            let arrival = pipe.depart(now, 300, &ProfileName::Lan.profile(), 0.3, &mut chance);
            assert!(arrival.at.as_millis() >= last && arrival.at >= now);
            last = arrival.at.as_millis();
            resent += u32::from(arrival.resent);
        }
        assert!((30..90).contains(&resent), "{resent} of 200 at 30 %");
    }
}
