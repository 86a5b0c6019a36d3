//! What some random regions have beside their faults: a link whose bytes are counted, a replica that holds some parts only,
//! replicas that also sync through the bucket, and a storm of reconnections.

use super::class::Class;
use super::invent::{AREAS, Inventor, minutes};
use super::region::{Happens, QUIET};
use crate::drill::chance::Chance;
use crate::drill::scenario::write_span;

/// The share of regions that have each of these.
const SHARE: f64 = 0.25;
/// Megabytes a day: a few times what a region carries, because all must hold the same in the end.
const QUOTA_MB: u64 = 20;
/// What is held by who does not hold all.
const PARTS: [&[&str]; 2] = [&["card"], &["card", "notes"]];

impl Inventor {
    /// Adds them; they have a source of their own, so that they change nothing else in the region of a seed.
    pub(super) fn extras(&mut self, seed: u64) {
        let mut chance = Chance::of_seed(seed).fork("swarm extras");
        if chance.share(SHARE) && !self.region.links.is_empty() {
            let place = chance.below(self.region.links.len() as u64) as usize;
            let line = &mut self.region.links[place];
            line.quota_mb = Some(QUOTA_MB);
            line.meets_every = Some(minutes(5 + chance.below(10)));
            self.region.quiet = QUIET + self.region.meets_max() * 2;
        }
        // What rots is fetched from whoever holds it all.
        if chance.share(SHARE)
            && !self.has(Class::DiskCorrupt)
            && let Some(leaf) = self.leaf()
        {
            self.region.replicas[leaf].parts = chance.pick(&PARTS).copied();
        }
        if chance.share(SHARE) && self.region.backup_every.is_some() {
            for site in &mut self.region.replicas {
                site.bucket_every = chance.share(0.6).then(|| minutes(2 + chance.below(8)));
            }
        }
        if chance.share(SHARE) && !self.has(Class::DiskCorrupt) {
            let time = self.begins + (self.region.ends - self.begins).mul_f64(chance.unit() * 0.9);
            let share = (chance.below(6) + 5) as f64 / 10.0;
            let out = write_span(std::time::Duration::from_secs(5 + chance.below(1_200)));
            let storm = Happens::at(time, "reconnect-storm").text("at", AREAS[0]).key("share", share);
            self.region.events.push(storm.text("for", out));
        }
    }

    /// A replica that passes nothing on: it has one link, and is not the gateway.
    fn leaf(&self) -> Option<usize> {
        let links =
            |number: usize| self.region.links.iter().filter(|line| line.ends.contains(&number)).count();
        let mut sites = self.region.replicas.iter().enumerate().skip(1);
        sites.find(|(_, site)| links(site.number) == 1).map(|(place, _)| place)
    }
}
