//! The hybrid logical clock (Kulkarni et al., 2014): wall-clock milliseconds and a counter in one number.
//!
//! A time is a claim of its writer; causality comes from what statements follow, never from clocks.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::limits::CLOCK_ADVANCE_MS_MAX;

/// Milliseconds since 1970-01-01T00:00:00Z, as a wall clock claims.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize, Default,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct WallMs(
    /// The milliseconds.
    #[n(0)]
    pub u64,
);

/// A hybrid logical time: 48 bits of milliseconds, 16 bits of counter.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize, Default,
)]
#[cbor(transparent)]
#[serde(transparent)]
pub struct Hlc(
    /// Milliseconds shifted left by 16, plus the counter.
    #[n(0)]
    pub u64,
);

impl Hlc {
    /// Returns the wall-clock part.
    pub fn wall(self) -> WallMs {
        WallMs(self.0 >> 16)
    }

    /// Returns the first time of a millisecond; milliseconds beyond 48 bits are clipped.
    pub fn at(wall: WallMs) -> Self {
        Self(wall.0.min((1 << 48) - 1) << 16)
    }
}

/// One device's hybrid logical clock: its times only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HybridClock {
    last: Hlc,
}

impl HybridClock {
    /// Starts a clock that will never go behind `last`.
    pub fn starting_after(last: Hlc) -> Self {
        Self { last }
    }

    /// Returns the latest time given or seen.
    pub fn last(&self) -> Hlc {
        self.last
    }

    /// Gives the next time: the wall clock, or one step after the last time if that is later.
    pub fn tick(&mut self, now: WallMs) -> Hlc {
        self.last = Hlc::at(now).max(Hlc(self.last.0.saturating_add(1)));
        self.last
    }

    /// Learns a remote time: it advances this clock to at most wall clock + 10 minutes, so that one wrong
    /// clock cannot drag a region into the future.
    pub fn observe(&mut self, remote: Hlc, now: WallMs) {
        let most = Hlc::at(WallMs(now.0.saturating_add(CLOCK_ADVANCE_MS_MAX)));
        self.last = self.last.max(remote.min(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_only_grow_even_when_the_wall_clock_jumps_back() {
        let mut clock = HybridClock::default();
        let first = clock.tick(WallMs(1_000_000));
        let second = clock.tick(WallMs(10));
        assert!(second > first);
        assert_eq!(second.wall(), WallMs(1_000_000));
    }

    #[test]
    fn a_remote_clock_far_ahead_advances_ours_by_ten_minutes_only() {
        let mut clock = HybridClock::default();
        clock.observe(Hlc(u64::MAX), WallMs(1_000));
        assert_eq!(clock.last().wall(), WallMs(1_000 + CLOCK_ADVANCE_MS_MAX));
    }
}
