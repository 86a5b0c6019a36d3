//! A link whose bytes are counted: so many a day, the cards first.
//!
//! A satellite contract ends for the day when its bytes are used up, and what was sent until then is what others know.
//! So the less is left of the day's bytes, the fewer parts are sent: results and orders while more than half is left,
//! notes while more than a quarter is, cards until [`RESERVE`] is left, which control alone may use. A card that is
//! written in the evening finds the line open.

use minicbor::{Decode, Encode};

use crate::base::{Part, WallMs};
use crate::sync::Reach;

/// The part of a day's bytes, in hundredths, down to which everything is sent.
const ALL_ABOVE: u128 = 50;
/// The part down to which notes are sent.
const NOTES_ABOVE: u128 = 25;
/// The part that is kept for revocations, declarations of a disaster and the like, and for what is on its way when
/// the rest is used up.
pub const RESERVE: u128 = 5;
/// What a meeting of two who hold the same costs at most: a handshake, and digests that are equal.
const MEETING_BYTES: u128 = 8_000;
/// A day begins at midnight in Japan (UTC+9, without summer time).
const DAY_BEGINS_MS: u64 = 9 * 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// What was used of a day's bytes; kept by the store, so that a replica that starts again does not begin anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Used {
    /// The day, counted from 1970-01-01 in Japan.
    #[n(0)]
    pub day: u64,
    /// The bytes, both ways, with everything that a datagram holds but the headers of IP and UDP.
    #[n(1)]
    pub bytes: u64,
}

/// The bytes of one link and day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    per_day: u64,
    used: Used,
}

impl Budget {
    /// Begins with what was used before.
    pub fn new(per_day: u64, used: Used) -> Self {
        Self { per_day, used }
    }

    /// Counts bytes that have passed.
    pub fn spend(&mut self, now: WallMs, bytes: u64) {
        let used = self.used(now);
        self.used = Used { bytes: used.bytes.saturating_add(bytes), ..used };
    }

    /// Returns what was used of today's.
    pub fn used(&self, now: WallMs) -> Used {
        let day = day_of(now);
        if self.used.day == day { self.used } else { Used { day, bytes: 0 } }
    }

    /// Returns the bytes of a day.
    pub fn per_day(&self) -> u64 {
        self.per_day
    }

    /// Says whether what is left today is enough for one more meeting; if not, the two meet tomorrow.
    pub fn is_enough_to_meet(&self, now: WallMs) -> bool {
        let left = self.per_day.saturating_sub(self.used(now).bytes);
        let reserve = u128::from(self.per_day) * RESERVE / 100;
        u128::from(left) > reserve.min(MEETING_BYTES)
    }

    /// Says how far down the order of urgency things are sent now.
    pub fn reach(&self, now: WallMs) -> Reach {
        let left = u128::from(self.per_day.saturating_sub(self.used(now).bytes)) * 100;
        let above = |hundredths: u128| left > u128::from(self.per_day) * hundredths;
        match () {
            () if above(ALL_ABOVE) => Reach::ALL,
            () if above(NOTES_ABOVE) => Reach::to(Part::Notes),
            () if above(RESERVE) => Reach::to(Part::Card),
            () if above(0) => Reach::to(Part::Control),
            () => Reach::NOTHING,
        }
    }
}

/// Returns the day of a moment, counted from 1970-01-01 in Japan.
pub fn day_of(now: WallMs) -> u64 {
    now.0.saturating_add(DAY_BEGINS_MS) / DAY_MS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: WallMs = WallMs(3 * 3_600_000);

    #[test]
    fn the_less_is_left_the_fewer_parts_are_sent() {
        let reach = |spent| {
            let mut budget = Budget::new(1_000, Used::default());
            budget.spend(NOON, spent);
            budget.reach(NOON)
        };
        let reaches = [0, 499, 500, 749, 750, 949, 950, 999, 1_000, u64::MAX].map(reach);
        let [all, notes] = [Reach::ALL, Reach::to(Part::Notes)];
        let [card, control, nothing] = [Reach::to(Part::Card), Reach::to(Part::Control), Reach::NOTHING];
        assert_eq!(reaches, [all, all, notes, notes, card, card, control, control, nothing, nothing]);
    }

    #[test]
    fn who_has_too_little_left_for_a_meeting_does_not_begin_one() {
        let enough = |per_day, spent| {
            let mut budget = Budget::new(per_day, Used::default());
            budget.spend(NOON, spent);
            budget.is_enough_to_meet(NOON)
        };
        assert!(enough(1_000_000, 991_999) && !enough(1_000_000, 992_000) && !enough(1_000_000, 2_000_000));
        // Of a tiny budget a twentieth is the reserve.
        assert!(enough(1_000, 949) && !enough(1_000, 950));
    }

    #[test]
    fn a_day_ends_at_midnight_in_japan() {
        let mut budget = Budget::new(1_000, Used::default());
        budget.spend(WallMs(14 * 3_600_000), 1_000);
        assert_eq!(budget.reach(WallMs(15 * 3_600_000 - 1)), Reach::NOTHING);
        assert_eq!(budget.reach(WallMs(15 * 3_600_000)), Reach::ALL);
        let kept = Budget::new(1_000, budget.used(WallMs(14 * 3_600_000)));
        assert_eq!(kept.reach(WallMs(14 * 3_600_000)), Reach::NOTHING);
    }

    proptest! {
        #[test]
        fn spending_never_lets_more_through(per_day in any::<u64>(), spent in proptest::collection::vec(any::<u32>(), 0..20)) {
            let mut budget = Budget::new(per_day, Used::default());
            let mut before = budget.reach(NOON);
            for bytes in spent {
                budget.spend(NOON, bytes.into());
                prop_assert!(budget.reach(NOON) <= before);
                before = budget.reach(NOON);
            }
        }
    }
}
