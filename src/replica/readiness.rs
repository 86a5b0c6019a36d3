//! How ready a site is to be cut off or lost: a number from 0 to 100 with its reasons, the same for the same measures.
//!
//! `40 × off-site + 20 × backup + 20 × heard + 20 × held`, rounded down. The first two are the shares of what the site has
//! written that a device of another site holds and that is in the backup; `heard` is how lately the site was heard, whole
//! within an hour and nothing from a day on; `held` is the share of what is known in the site's areas that its own devices are
//! known to hold. A share of nothing is whole. Each measure that gets better makes the number no smaller.

use serde::{Deserialize, Serialize};

/// What the share that is held off-site is worth.
pub const OFF_SITE_POINTS: u64 = 40;
/// What the share that is in the backup is worth.
pub const BACKUP_POINTS: u64 = 20;
/// What it is worth that the site was heard a moment ago.
pub const HEARD_POINTS: u64 = 20;
/// What the share of its areas that the site holds is worth.
pub const HELD_POINTS: u64 = 20;
/// Within so long of being heard a site is heard: an hour.
pub const HEARD_MS: u64 = 3_600_000;
/// From so long on it is not heard: a day.
pub const UNHEARD_MS: u64 = 24 * 3_600_000;

/// A part of a whole, in entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub of: u64,
}

/// What a site's readiness is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Of what the site has written, what a device of another site holds.
    pub off_site: Share,
    /// Of what the site has written, what is in the backup.
    pub backup: Share,
    /// Of what is known in the site's areas, what its devices hold.
    pub held: Share,
    /// How long ago the site was heard, in milliseconds; of this replica's own site, any other one. None when never.
    pub heard_ms: Option<u64>,
}

/// How ready a site is, as far as this replica knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// The site's name.
    pub site: String,
    /// From 0, not at all, to 100.
    pub score: u64,
    /// Of [`OFF_SITE_POINTS`], what it has.
    pub off_site_points: u64,
    /// Of [`BACKUP_POINTS`], what it has.
    pub backup_points: u64,
    /// Of [`HEARD_POINTS`], what it has.
    pub heard_points: u64,
    /// Of [`HELD_POINTS`], what it has.
    pub held_points: u64,
    /// What it is computed from.
    pub measures: Measures,
}

impl Share {
    /// Counts something of which `part` of `of` is there; never more than all.
    pub fn add(&mut self, part: u64, of: u64) {
        self.part = self.part.saturating_add(part.min(of));
        self.of = self.of.saturating_add(of);
    }

    /// Returns the share of some points, rounded down: all only when nothing is missing.
    pub fn points(self, points: u64) -> u64 {
        if self.of == 0 {
            return points;
        }
        let share = u128::from(self.part.min(self.of)) * u128::from(points) / u128::from(self.of);
        u64::try_from(share).unwrap_or(points)
    }
}

impl Readiness {
    /// Computes it.
    pub fn of(site: String, measures: Measures) -> Self {
        let left = measures.heard_ms.map_or(0, |ms| UNHEARD_MS.saturating_sub(ms.max(HEARD_MS)));
        let (off_site_points, backup_points, held_points) = (
            measures.off_site.points(OFF_SITE_POINTS),
            measures.backup.points(BACKUP_POINTS),
            measures.held.points(HELD_POINTS),
        );
        let heard_points = left * HEARD_POINTS / (UNHEARD_MS - HEARD_MS);
        let score = off_site_points + backup_points + heard_points + held_points;
        Self { site, score, off_site_points, backup_points, heard_points, held_points, measures }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(part: u64, of: u64) -> Share {
        Share { part, of }
    }

    #[test]
    fn nothing_missing_and_heard_within_the_hour_is_100_and_a_site_never_heard_of_has_0() {
        let whole = Measures { heard_ms: Some(HEARD_MS), ..Measures::default() };
        assert_eq!(Readiness::of("北".into(), whole).score, 100);
        let none = share(0, 1_000_000);
        let worst = Measures { off_site: none, backup: none, held: none, heard_ms: None };
        assert_eq!(Readiness::of("北".into(), worst).score, 0);
        let nearly = Measures { off_site: share(999_999, 1_000_000), ..whole };
        assert_eq!(Readiness::of("北".into(), nearly).score, 99, "one entry on one device is not nothing");
        let noon = Measures { heard_ms: Some(UNHEARD_MS), ..whole };
        assert_eq!(Readiness::of("北".into(), noon).score, 80);
    }

    fn measures() -> impl Strategy<Value = Measures> {
        let one = || (0_u64..50, 0_u64..50).prop_map(|(part, of)| share(part.min(of), of));
        (one(), one(), one(), prop::option::of(0..2 * UNHEARD_MS))
            .prop_map(|(off_site, backup, held, heard_ms)| Measures { off_site, backup, held, heard_ms })
    }

    proptest! {
        #[test]
        fn what_gets_better_makes_it_no_smaller(before in measures(), which in 0..4, by in 1_u64..90_000_000) {
            let mut after = before;
            let better = |share: &mut Share| share.part = (share.part + by % 50).min(share.of);
            match which {
                0 => better(&mut after.off_site),
                1 => better(&mut after.backup),
                2 => better(&mut after.held),
                _ => after.heard_ms = Some(before.heard_ms.map_or(u64::MAX, |ms| ms.saturating_sub(by))),
            }
            let score = |measures| Readiness::of(String::new(), measures).score;
            prop_assert!(score(after) >= score(before), "{before:?} {after:?}");
            prop_assert!(score(after) <= 100);
        }
    }
}
