//! When to dial again: soon after a loss, ever later while nobody answers, when a busy peer says so, never all at once.

use std::time::Duration;

use super::refusal::COME_BACK_MAX;

/// Longest pause before the first redial.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// Longest pause before any redial of a peer that does not answer: a path that returns is used within this time.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Shortest pause before any redial, so that no chance makes a dialler spin.
pub const BACKOFF_LEAST: Duration = Duration::from_millis(10);

/// The first dials after a start are spread over this time: when the power returns, all start at once.
pub const FIRST_DIAL_WITHIN: Duration = Duration::from_secs(1);

/// Longest pause after the first refusal of a busy peer that gives no hint; it doubles up to [`COME_BACK_MAX`] / 2.
pub const BUSY_FIRST: Duration = Duration::from_secs(2);

/// A hint is exceeded by at most this much of it, so that those who were told the same come apart.
const HINT_EXCEEDED_BY: u32 = 4;

/// Failures beyond this number change nothing; 2^16 × [`BACKOFF_FIRST`] is far above [`BACKOFF_MAX`].
const FAILURES_COUNTED_MAX: u32 = 16;

/// Counts failed dials and says how long to wait before the next.
///
/// The longest pause doubles with each failure from [`BACKOFF_FIRST`] up to [`BACKOFF_MAX`]; the pause itself
/// lies anywhere up to it, as the jitter says (full jitter), so that the devices of a shelter do not dial a
/// returning hospital in step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    busy: u32,
}

impl Backoff {
    /// Returns the state after a success.
    pub fn new() -> Backoff {
        Backoff::default()
    }

    /// Returns how long to wait before the first dial after a start; `jitter` is any random number.
    pub fn first(jitter: u64) -> Duration {
        up_to(FIRST_DIAL_WITHIN, jitter)
    }

    /// Returns how long to wait before the next dial, and counts the failure; `jitter` is any random number.
    pub fn next(&mut self, jitter: u64) -> Duration {
        let longest = BACKOFF_FIRST.saturating_mul(1 << self.failures).min(BACKOFF_MAX);
        self.failures = (self.failures + 1).min(FAILURES_COUNTED_MAX);
        self.busy = 0;
        up_to(longest, jitter).max(BACKOFF_LEAST)
    }

    /// Returns how long to wait after a peer has said that it is busy: as long as it said and up to a quarter
    /// more, or ever longer if it did not say; never longer than [`COME_BACK_MAX`] and a quarter.
    pub fn after_busy(&mut self, come_back: Option<Duration>, jitter: u64) -> Duration {
        let blind = BUSY_FIRST.saturating_mul(1 << self.busy).min(COME_BACK_MAX / 2);
        self.busy = (self.busy + 1).min(FAILURES_COUNTED_MAX);
        match come_back {
            Some(hint) => {
                let hint = hint.min(COME_BACK_MAX);
                (hint + up_to(hint / HINT_EXCEEDED_BY, jitter)).max(BACKOFF_LEAST)
            }
            None => (blind / 2 + up_to(blind / 2, jitter)).max(BACKOFF_LEAST),
        }
    }

    /// Forgets all failures: a link was made.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }
}

fn up_to(longest: Duration, jitter: u64) -> Duration {
    let longest_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(jitter % (longest_us + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again_after_a_success() {
        let mut backoff = Backoff::new();
        let longest = [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000_u64];
        let pauses = longest.map(|ms| backoff.next(ms * 1_000).as_millis() as u64);
        assert_eq!(pauses, longest, "the jitter that gives the longest pause");
        let mut backoff = Backoff::new();
        assert_eq!(backoff.next(100_001), BACKOFF_LEAST, "and one more gives the shortest");
        backoff.reset();
        assert_eq!(backoff, Backoff::new());
    }

    #[test]
    fn jitter_spreads_the_pause() {
        let spread: std::collections::BTreeSet<_> = (0..100).map(|j| Backoff::new().next(j * 997)).collect();
        assert!(spread.len() > 50);
        let spread: std::collections::BTreeSet<_> = (0..100).map(|j| Backoff::first(j * 9_973)).collect();
        assert!(spread.len() > 50 && spread.iter().all(|pause| *pause <= FIRST_DIAL_WITHIN));
    }

    #[test]
    fn a_busy_peer_is_left_alone_for_as_long_as_it_asks_and_no_longer() {
        let hint = Duration::from_secs(8);
        for jitter in (0..u64::MAX).step_by(usize::MAX / 50) {
            let pause = Backoff::new().after_busy(Some(hint), jitter);
            assert!(pause >= hint && pause <= hint * 5 / 4);
            let pause = Backoff::new().after_busy(Some(Duration::MAX), jitter);
            assert!(pause <= COME_BACK_MAX * 5 / 4);
        }
        let mut backoff = Backoff::new();
        let blind: Vec<u64> = (0..7).map(|_| backoff.after_busy(None, 0).as_millis() as u64).collect();
        assert_eq!(blind, [1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    }

    proptest! {
        #[test]
        fn pauses_are_bounded_for_ever(jitters in proptest::collection::vec(any::<u64>(), 1..200)) {
            let mut backoff = Backoff::new();
            for jitter in jitters {
                let pause = backoff.next(jitter);
                prop_assert!(pause >= BACKOFF_LEAST && pause <= BACKOFF_MAX);
            }
        }
    }
}
