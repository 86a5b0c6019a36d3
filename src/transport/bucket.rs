//! Token buckets, and tables of what is remembered of many, with bounds.

use std::collections::BTreeMap;
use std::time::Duration;

/// How often a table that is full is looked through for what can be forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often something may happen: a burst at once, and then one more each time that `every` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many times at once.
    pub burst: u32,
    /// After how long one more is allowed; zero limits nothing.
    pub every: Duration,
}

impl Rate {
    /// The rate that limits nothing.
    pub const UNLIMITED: Rate = Rate { burst: 1, every: Duration::ZERO };

    fn span(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// One token bucket, as the time at which it is full again (the generic cell rate algorithm of ATM): one number,
/// exact, and nothing to be done while time passes. Time counts from any fixed moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes one token, or says after how long there will be one.
    ///
    /// # Errors
    /// The time until the next token; nothing was taken.
    pub fn take(&mut self, now: Duration, rate: Rate) -> Result<(), Duration> {
        let full_at = self.full_at.max(now).saturating_add(rate.every);
        let latest = now.saturating_add(rate.span());
        if full_at > latest {
            return Err(full_at - latest);
        }
        self.full_at = full_at;
        Ok(())
    }

    /// Says whether the bucket is full: then it is like one that was never used.
    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

/// What is remembered of at most so many; the newest are forgotten.
///
/// When it is full, what can be forgotten without loss is forgotten, at most once a second. When nothing can, a
/// newcomer has no place and shares one value with all others who have none: whoever is remembered is never pushed out by a flood of new names.
#[derive(Debug, Clone)]
pub struct Table<K, V> {
    places: BTreeMap<K, V>,
    places_max: usize,
    swept_at: Option<Duration>,
    crowd: V,
}

impl<K: Ord, V: Default> Table<K, V> {
    /// Makes an empty table of at most so many places.
    pub fn new(places_max: usize) -> Self {
        Self { places: BTreeMap::new(), places_max, swept_at: None, crowd: V::default() }
    }

    /// Returns the value of a name, a new one if it has none, and the crowd's if there is no place.
    pub fn of(&mut self, now: Duration, name: K, may_forget: impl Fn(&V) -> bool) -> &mut V {
        let swept_lately = self.swept_at.is_some_and(|at| now < at.saturating_add(SWEEP_EVERY));
        if self.places.len() >= self.places_max && !swept_lately && !self.places.contains_key(&name) {
            self.places.retain(|_, value| !may_forget(value));
            self.swept_at = Some(now);
        }
        if self.places.len() >= self.places_max && !self.places.contains_key(&name) {
            return &mut self.crowd;
        }
        self.places.entry(name).or_default()
    }

    /// Returns the value of a name that has a place.
    pub fn known(&mut self, name: &K) -> Option<&mut V> {
        self.places.get_mut(name)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_millis(100) };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_one_for_each_interval() {
        let mut bucket = Bucket::default();
        let taken: Vec<_> = [0, 0, 0, 0, 99, 100, 100].map(|at| bucket.take(ms(at), RATE)).to_vec();
        assert_eq!(taken, [Ok(()), Ok(()), Ok(()), Err(ms(100)), Err(ms(1)), Ok(()), Err(ms(100))]);
        assert!(!bucket.is_full(ms(399)) && bucket.is_full(ms(400)));
        assert!((0..1_000).all(|_| Bucket::default().take(ms(0), Rate::UNLIMITED).is_ok()));
    }

    #[test]
    fn a_full_table_keeps_whom_it_knows_and_lets_newcomers_share() {
        let full = |bucket: &Bucket| bucket.is_full(ms(0));
        let mut table: Table<u32, Bucket> = Table::new(2);
        for name in [1, 2] {
            table.of(ms(0), name, full).take(ms(0), RATE).unwrap();
        }
        for stranger in 3..6 {
            table.of(ms(0), stranger, full).take(ms(0), RATE).unwrap();
        }
        assert!(table.of(ms(0), 99, full).take(ms(0), RATE).is_err(), "the crowd has one bucket");
        assert!(table.of(ms(0), 1, full).take(ms(0), RATE).is_ok(), "whoever has a place keeps it");
        // When the others' buckets are full again their places are free.
        let later = ms(2_000);
        table.of(later, 99, |bucket| bucket.is_full(later)).take(later, RATE).unwrap();
        assert!(table.len() == 1 && table.known(&99).is_some());
    }

    proptest! {
        #[test]
        fn no_more_pass_than_the_rate_allows(gaps in proptest::collection::vec(0_u64..300, 1..200)) {
            let (mut bucket, mut now, mut passed) = (Bucket::default(), 0, 0_u64);
            for gap in gaps {
                now += gap;
                passed += u64::from(bucket.take(ms(now), RATE).is_ok());
                prop_assert!(passed <= u64::from(RATE.burst) + now / 100);
            }
        }
    }
}
