//! The replicas of a random region and the lines between them.

use std::collections::BTreeSet;

use super::class::Class;
use super::invent::{AREAS, Inventor, minutes};
use super::region::{Line, Site};

/// Most replicas of a region.
pub const REPLICAS_MAX: u64 = 6;
/// Most replicas with a disk: the production store on a simulated disk costs ten times the memory store.
const DISKS_MAX: usize = 2;

impl Inventor {
    pub(super) fn people_and_disks(&mut self) {
        let count = 2 + self.chance.below(REPLICAS_MAX - 1) as usize;
        let areas = 1 + self.chance.below(2) as usize;
        let disks = 1 + self.chance.below(DISKS_MAX as u64) as usize;
        let first = self.chance.below(count as u64) as usize;
        for number in 1..=count {
            // The first replica writes the backup and holds everything.
            let holds = match number {
                1 => AREAS[..areas].to_vec(),
                _ => match self.chance.below(areas as u64 * 2) as usize {
                    place if place < areas => vec![AREAS[place]],
                    _ => AREAS[..areas].to_vec(),
                },
            };
            let disk = (number - 1 + count - first) % count < disks;
            let battery_h = self.chance.share(0.5).then(|| self.chance.below(4) as f64 / 8.0);
            self.region.replicas.push(Site {
                number,
                disk,
                areas: holds,
                battery_h,
                parts: None,
                bucket_every: None,
            });
        }
        if self.chance.share(0.8) || self.has(Class::SiteLost) || self.has(Class::S3Outage) {
            self.region.backup_every = Some(minutes(5 + self.chance.below(30)));
        }
    }

    /// Links the holders of each area in a random tree, and some more.
    pub(super) fn lines(&mut self) {
        let mut linked: BTreeSet<[usize; 2]> = BTreeSet::new();
        for area in AREAS {
            let holds = |site: &&Site| site.areas.contains(&area);
            let holders: Vec<usize> =
                self.region.replicas.iter().filter(holds).map(|site| site.number).collect();
            for place in 1..holders.len() {
                let other = self.chance.below(place as u64) as usize;
                linked.insert([holders[other], holders[place]]);
                if self.chance.share(0.5) {
                    let other = self.chance.below(place as u64) as usize;
                    linked.insert([holders[other], holders[place]]);
                }
            }
        }
        for ends in linked {
            let profile = match self.chance.below(8) {
                0 => "weak-mobile".to_owned(),
                1 => "satellite".to_owned(),
                2 => "narrow-23k".to_owned(),
                3 => {
                    let (delay, loss) = (self.chance.below(400), self.chance.below(20) as f64 / 100.0);
                    format!("{{ delay_ms = {delay}, loss_up = {loss}, loss_down = {loss} }}")
                }
                _ => "lan".to_owned(),
            };
            let meets_every = self.chance.share(0.15).then(|| minutes(3 + self.chance.below(12)));
            self.region.links.push(Line { ends, profile, meets_every, quota_mb: None });
        }
        self.region.quiet += self.region.meets_max() * 2;
    }
}
