//! Machines of a random region that go on from an older copy of their disk.

use std::time::Duration;

use super::arguments::argument;
use super::class::Class;
use super::invent::{Inventor, minutes};
use super::region::{Happens, Site, name_of};
use crate::drill::chance::Chance;
use crate::drill::scenario::write_span;

/// The share of regions in which a machine is set back, if no disk rots there.
const SHARE: f64 = 0.5;
/// The share of those in which the machine is cut off while it is set back, so that it writes before it hears what it
/// had written.
const CUT_OFF: f64 = 0.7;
/// Shortest and longest time from the copy to the setting back, in seconds.
const AFTER: (u64, u64) = (300, 2_400);

impl Inventor {
    /// Sets a machine back, in a region in which no disk rots: what rots must be healed from what others hold. People
    /// write there after the copy, and again when it is set back.
    pub(super) fn clones(&mut self) {
        let mut chance = Chance::of_seed(self.region.seed).fork("swarm clones");
        if !chance.share(SHARE) || self.has(Class::DiskCorrupt) {
            return;
        }
        // The gateway is the first. One that is set back writes two histories into the bucket, and nothing is restored.
        let may = |site: &&Site| site.disk && (site.number != 1 || self.region.backup_every.is_none());
        let disks: Vec<usize> = self.region.replicas.iter().filter(may).map(|site| site.number).collect();
        let Some(at) = chance.pick(&disks).copied() else { return };
        let after = Duration::from_secs(AFTER.0 + chance.below(AFTER.1 - AFTER.0));
        let room = self.region.ends.saturating_sub(after + minutes(15));
        let time = minutes(5) + Duration::from_secs(chance.below(room.as_secs().max(1)));
        let (patient, back) = (self.alias(), time + after);
        let register =
            Happens::at(time - minutes(2), "register").text("at", name_of(at)).text("as", &patient);
        let set_back = Happens::at(time, "set-back").text("at", name_of(at));
        self.region.events.extend([
            register.text("name", format!("訓練 {patient}")),
            set_back.text("after", write_span(after)),
            argument(chance.below(6), time + after / 2, at, &patient),
            argument(chance.below(6), back + Duration::from_secs(20), at, &patient),
        ]);
        if chance.share(CUT_OFF) {
            let around = [back - Duration::from_secs(30), back + minutes(10)];
            for (event, time) in ["cut", "heal"].into_iter().zip(around) {
                self.region.events.push(Happens::at(time, event).text("at", name_of(at)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::invent::invent;

    #[test]
    fn machines_are_set_back_in_some_regions() {
        let regions = (1..=60).filter_map(|seed| Some(invent(seed)?.0));
        let set_back = |event: &super::Happens| event.event == "set-back";
        let with = regions.filter(|region| region.events.iter().any(set_back)).count();
        assert!((8..30).contains(&with), "{with}");
    }
}
