//! Who may have what of a person that it asks for: decided here, and nowhere else.
//!
//! Now: a member of the realm that asks for one person gets what is in areas that are shared, and in areas that its own
//! certificate names. What a patient has not agreed to share stays in its site's private area. Roles, consent and
//! break-glass come into [`Replica::grant`] and [`Grant::lets`].

use std::collections::{BTreeMap, BTreeSet};

use super::core::Replica;
use crate::base::{Area, DeviceId, RecordId, WallMs};
use crate::lane::LaneName;
use crate::sync::Ended;

/// How many people a device may ask for one after the other: a large ward.
const BURST: u64 = 128;
/// After how long it may ask for one more, in milliseconds: 8,640 a day, where a region has a million.
const ONE_EVERY_MS: u64 = 10_000;
/// Most devices of which is remembered how often they asked.
const DEVICES_MAX: usize = 8_192;

/// How often each device has asked: when it will be as if it had never.
#[derive(Default)]
pub(super) struct Grants {
    spent_until: BTreeMap<DeviceId, u64>,
}

impl Grants {
    /// Counts one more; says whether it is within the limit.
    fn take(&mut self, device: &DeviceId, now: WallMs) -> bool {
        if self.spent_until.len() >= DEVICES_MAX && !self.spent_until.contains_key(device) {
            self.spent_until.retain(|_, until| *until > now.0);
        }
        if self.spent_until.len() >= DEVICES_MAX && !self.spent_until.contains_key(device) {
            return false;
        }
        let until = self.spent_until.entry(*device).or_insert(0);
        let next = (*until).max(now.0) + ONE_EVERY_MS;
        if next - now.0 > BURST * ONE_EVERY_MS {
            return false;
        }
        *until = next;
        true
    }
}

/// What a device may have.
pub(super) struct Grant {
    areas: BTreeSet<Area>,
}

impl Grant {
    /// Says whether what stands in a lane may be given.
    pub(super) fn lets(&self, lane: &LaneName) -> bool {
        !lane.area.is_private() || self.areas.contains(&lane.area)
    }
}

impl Replica {
    /// Decides whether a device, whose key its link has proven, may ask for one more person.
    ///
    /// # Errors
    /// How its ask ends instead.
    pub(super) fn grant(&self, asker: &DeviceId) -> Result<Grant, Ended> {
        let areas: Option<BTreeSet<Area>> = {
            let inner = self.lock();
            let mut known = inner.roster.certificates.of_device(asker).peekable();
            known.peek().is_some().then(|| known.flat_map(|(_, it)| it.areas.iter().cloned()).collect())
        };
        let now = self.environment().now();
        match areas {
            None => Err(Ended::Withheld),
            Some(_) if !self.pulling.table().grants.take(asker, now) => Err(Ended::TooOften),
            Some(areas) => Ok(Grant { areas }),
        }
    }

    /// Writes down that a record was given to a device, by their ids alone.
    pub(super) fn note_given(&self, asker: &DeviceId, record: &RecordId, entries: usize) {
        self.pulling.table().counts.given += 1;
        tracing::info!(device = %asker, %record, entries, "a record was given to a device that asked for it");
    }

    /// Writes down that a device did not get what it asked for.
    pub(super) fn note_refused(&self, asker: &DeviceId, why: Ended) {
        self.pulling.table().counts.refused += 1;
        tracing::info!(device = %asker, ?why, "a device asked for a person and got nothing");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_asks_for_a_ward_at_once_and_for_a_region_never() {
        let (mut grants, ward, other) = (Grants::default(), DeviceId([1; 32]), DeviceId([2; 32]));
        let now = |ms: u64| WallMs(1_800_000_000_000 + ms);
        assert!((0..BURST).all(|_| grants.take(&ward, now(0))));
        assert!(!grants.take(&ward, now(0)) && !grants.take(&ward, now(ONE_EVERY_MS - 1)));
        assert!(grants.take(&other, now(0)), "others are not hindered");
        assert!(grants.take(&ward, now(ONE_EVERY_MS)) && !grants.take(&ward, now(ONE_EVERY_MS)));
        let day = (0..86_400).filter(|second| grants.take(&ward, now(20_000 + second * 1_000))).count();
        assert!(day < 9_000, "{day} in a day");
    }
}
