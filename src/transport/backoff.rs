//! When to dial again: soon after a loss, ever later while nobody answers, never all at once.

use std::time::Duration;

/// Longest pause before the first redial.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(100);

/// Longest pause before any redial: a path that returns is used within this time.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Failures beyond this number change nothing; 2^16 × [`BACKOFF_FIRST`] is far above [`BACKOFF_MAX`].
const FAILURES_COUNTED_MAX: u32 = 16;

/// Counts failed dials and says how long to wait before the next.
///
/// The longest pause doubles with each failure from [`BACKOFF_FIRST`] up to [`BACKOFF_MAX`]; the pause itself
/// lies between half of that and all of it, as the jitter says, so that the devices of a shelter do not dial a
/// returning hospital in step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the state after a success.
    pub fn new() -> Backoff {
        Backoff::default()
    }

    /// Returns how long to wait before the next dial, and counts the failure; `jitter` is any random number.
    pub fn next(&mut self, jitter: u64) -> Duration {
        let first_us = BACKOFF_FIRST.as_micros() as u64;
        let max_us = BACKOFF_MAX.as_micros() as u64;
        let longest_us = (first_us << self.failures).min(max_us);
        self.failures = (self.failures + 1).min(FAILURES_COUNTED_MAX);
        let half_us = longest_us / 2;
        Duration::from_micros(half_us + jitter % (longest_us - half_us + 1))
    }

    /// Forgets all failures: a link was made.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_start_again_after_a_success() {
        let mut backoff = Backoff::new();
        let longest: Vec<u128> = (0..8).map(|_| backoff.next(0).as_millis() * 2).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.reset();
        assert_eq!(backoff.next(0), BACKOFF_FIRST / 2);
    }

    #[test]
    fn jitter_spreads_the_pause() {
        let spread: std::collections::BTreeSet<_> = (0..100).map(|j| Backoff::new().next(j * 997)).collect();
        assert!(spread.len() > 50);
    }

    proptest! {
        #[test]
        fn pauses_are_bounded_for_ever(jitters in proptest::collection::vec(any::<u64>(), 1..200)) {
            let mut backoff = Backoff::new();
            for jitter in jitters {
                let pause = backoff.next(jitter);
                prop_assert!(pause >= BACKOFF_FIRST / 2 && pause <= BACKOFF_MAX);
            }
        }
    }
}
