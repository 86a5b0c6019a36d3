//! The fate of one datagram: lost, dropped by a full queue, or delivered later. Pure: time and seed are arguments.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::profile::{LinkProfile, Loss};

/// What happens to a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is delivered at this time, in microseconds of the caller's clock; never before an earlier one.
    Deliver {
        /// Microseconds since the path's start.
        at_us: u64,
    },
    /// It is lost by chance, or the path is down.
    Lost,
    /// Too many bytes wait for the rate.
    QueueFull,
}

/// One direction of a path.
#[derive(Debug)]
pub(super) struct Shaper {
    random: ChaCha8Rng,
    line_free_us: u64,
    last_delivery_us: u64,
}

impl Shaper {
    /// Starts at time 0; equal seeds give equal fates.
    pub(super) fn new(seed: u64) -> Shaper {
        Shaper { random: ChaCha8Rng::seed_from_u64(seed), line_free_us: 0, last_delivery_us: 0 }
    }

    /// Decides on a datagram that arrives now; `now_us` must not go backwards.
    pub(super) fn fate(&mut self, now_us: u64, bytes: usize, loss: Loss, profile: &LinkProfile) -> Fate {
        // Two draws for every datagram, whatever the profile: fates depend on the seed and the count alone.
        let (chance, spread) = (self.random.next_u32(), self.random.next_u32());
        if !profile.is_up(now_us / 1_000) || loss.strikes(chance) {
            return Fate::Lost;
        }
        let sent_us = match profile.rate_bytes_per_s {
            None => now_us,
            Some(rate) => {
                let rate = u128::from(rate.get());
                let begin_us = self.line_free_us.max(now_us);
                let waiting_bytes = u128::from(begin_us - now_us) * rate / 1_000_000;
                if waiting_bytes + bytes as u128 > u128::from(profile.queue_bytes_max) {
                    return Fate::QueueFull;
                }
                let takes_us = bytes as u128 * 1_000_000 / rate;
                self.line_free_us = begin_us.saturating_add(u64::try_from(takes_us).unwrap_or(u64::MAX));
                self.line_free_us
            }
        };
        let jitter_us = u64::from(spread) * u64::from(profile.jitter_ms) * 1_000 / u64::from(u32::MAX);
        let at_us = sent_us.saturating_add(u64::from(profile.delay_ms) * 1_000).saturating_add(jitter_us);
        self.last_delivery_us = at_us.max(self.last_delivery_us);
        Fate::Deliver { at_us: self.last_delivery_us }
    }

    /// Forgets what waits: the path was cut, or is another one now.
    pub(super) fn clear(&mut self) {
        self.line_free_us = 0;
        self.last_delivery_us = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    fn fates(seed: u64, count: u64, loss: f64, profile: &LinkProfile) -> Vec<Fate> {
        let loss = Loss::try_from(loss).expect("tests use 0 to 1");
        let mut shaper = Shaper::new(seed);
        (0..count).map(|i| shaper.fate(i * 1_000, 1_000, loss, profile)).collect()
    }

    #[test]
    fn the_seed_alone_decides() {
        let profile = LinkProfile { jitter_ms: 50, ..LinkProfile::default() };
        assert_eq!(fates(1, 500, 0.3, &profile), fates(1, 500, 0.3, &profile));
        assert_ne!(fates(1, 500, 0.3, &profile), fates(2, 500, 0.3, &profile));
    }

    #[test]
    fn a_fifth_is_lost_when_the_profile_says_so() {
        let lost =
            fates(3, 10_000, 0.2, &LinkProfile::default()).iter().filter(|f| **f == Fate::Lost).count();
        assert!((1_900..2_100).contains(&lost), "{lost} of 10,000 lost with seed 3");
    }

    #[test]
    fn the_rate_holds_and_the_queue_is_bounded() {
        // 10,000 bytes a second, offered 1,000 bytes every millisecond, 5,000 may wait.
        let profile = LinkProfile {
            rate_bytes_per_s: NonZeroU64::new(10_000),
            queue_bytes_max: 5_000,
            ..LinkProfile::default()
        };
        let fates = fates(4, 2_000, 0.0, &profile);
        let delivered: Vec<u64> = fates
            .iter()
            .filter_map(|fate| match fate {
                Fate::Deliver { at_us } => Some(*at_us),
                Fate::Lost | Fate::QueueFull => None,
            })
            .collect();
        assert!((20..=25).contains(&delivered.len()), "{} delivered in 2 s", delivered.len());
        assert!(delivered.windows(2).all(|pair| pair[1] - pair[0] >= 99_000));
    }

    proptest! {
        #[test]
        fn deliveries_keep_their_order_and_are_never_early(
            seed in any::<u64>(),
            delay_ms in 0_u32..1_000,
            jitter_ms in 0_u32..1_000,
            gaps in proptest::collection::vec(0_u64..100_000, 1..100),
        ) {
            let profile = LinkProfile { delay_ms, jitter_ms, ..LinkProfile::default() };
            let mut shaper = Shaper::new(seed);
            let (mut now_us, mut last_us) = (0, 0);
            for gap in gaps {
                now_us += gap;
                match shaper.fate(now_us, 100, Loss::NONE, &profile) {
                    Fate::Deliver { at_us } => {
                        prop_assert!(at_us >= now_us + u64::from(delay_ms) * 1_000 && at_us >= last_us);
                        last_us = at_us;
                    }
                    Fate::Lost | Fate::QueueFull => prop_assert!(false, "nothing may be lost here"),
                }
            }
        }
    }
}
