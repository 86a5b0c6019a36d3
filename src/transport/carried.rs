//! What a relay has carried of the bytes of a day. Pure: time is an argument.

use super::profile::LinkProfile;

/// Microseconds of a day.
const DAY_US: u64 = 24 * 3_600 * 1_000_000;

/// The bytes of both directions together, of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carried {
    /// The day, counted from the relay's start.
    day: u64,
    bytes: u64,
    refused: u64,
}

impl Carried {
    /// Counts a datagram, if the day's bytes are enough for it; what is lost on the way was sent, and counts.
    pub(super) fn has_room(&mut self, now_us: u64, bytes: usize, profile: &LinkProfile) -> bool {
        let Some(most) = profile.bytes_per_day else { return true };
        let day = now_us / DAY_US;
        if self.day != day {
            *self = Carried { day, bytes: 0, ..*self };
        }
        let fits = self.bytes + bytes as u64 <= most.get();
        *(if fits { &mut self.bytes } else { &mut self.refused }) += bytes as u64;
        fits
    }

    /// Returns how many bytes came when those of their day were used up.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::Duration;

    use tokio::net::UdpSocket;
    use tokio::time::timeout;

    use super::super::Relay;
    use super::*;

    fn profile() -> LinkProfile {
        LinkProfile { bytes_per_day: NonZeroU64::new(2_500), ..LinkProfile::default() }
    }

    #[test]
    fn a_day_has_its_bytes_and_the_next_day_has_them_again() {
        let mut carried = Carried::default();
        let passed = |carried: &mut Carried, now_us| {
            (0..5).filter(|_| carried.has_room(now_us, 1_000, &profile())).count()
        };
        assert_eq!((passed(&mut carried, 7), carried.refused()), (2, 3_000));
        assert_eq!((passed(&mut carried, DAY_US - 1), passed(&mut carried, DAY_US)), (0, 2));
        assert!((0..100).all(|_| carried.has_room(DAY_US, 65_000, &LinkProfile::default())));
    }

    #[tokio::test]
    async fn a_relay_drops_what_comes_beyond_the_quota_in_either_direction() {
        let upstream = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let relay = Relay::start(upstream.local_addr().expect("bound"), profile(), 1).expect("a relay");
        let client = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        client.connect(relay.addr()).await.expect("loopback");
        let mut buffer = [0; 2_000];
        client.send(&[1; 1_000]).await.expect("sent");
        let (_, from) = upstream.recv_from(&mut buffer).await.expect("it came");
        upstream.send_to(&[2; 1_000], from).await.expect("sent");
        assert_eq!(client.recv(&mut buffer).await.expect("it came back"), 1_000);
        upstream.send_to(&[3; 1_000], from).await.expect("sent");
        let more = timeout(Duration::from_millis(150), client.recv(&mut buffer)).await;
        assert!(more.is_err(), "2,500 bytes a day");
        let counted = relay.counters();
        assert_eq!((counted.up.bytes, counted.down.bytes, relay.beyond_quota()), (1_000, 1_000, 1_000));
    }
}
