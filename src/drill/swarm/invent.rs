//! From a seed to a random region.

use std::collections::BTreeSet;
use std::time::Duration;

use super::class::Class;
use super::region::{Happens, QUIET, Region, Site};
use crate::drill::chance::Chance;
use crate::drill::scenario::{Scenario, write_span};

/// The share of regions in which a class of faults occurs.
const CLASS_SHARE: f64 = 0.5;
/// The two areas of a region.
pub(super) const AREAS: [&str; 2] = ["shared/east", "shared/west"];
/// Everybody is on record by then, and a backup was written: nothing is lost for good before.
pub(super) const SETTLED: Duration = minutes(32);

/// Returns so many minutes.
pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Makes the region of a seed, and reads it.
pub fn invent(seed: u64) -> Option<(Region, Scenario)> {
    let mut inventor = Inventor::new(seed);
    inventor.people_and_disks();
    inventor.lines();
    inventor.extras(seed);
    inventor.arguments();
    inventor.faults();
    inventor.lists();
    inventor.clones();
    let mut region = inventor.region;
    // Stable: what follows something else stays behind it.
    region.events = in_order(region.events);
    let scenario = region.legalise()?;
    region.is_fair().then_some((region, scenario))
}

/// Sorts events by their times; one without a time stays behind the one before it.
fn in_order(events: Vec<Happens>) -> Vec<Happens> {
    let mut groups: Vec<(Duration, Vec<Happens>)> = Vec::new();
    for event in events {
        match (event.time, groups.last_mut()) {
            (None, Some((_, group))) => group.push(event),
            (time, _) => groups.push((time.unwrap_or_default(), vec![event])),
        }
    }
    groups.sort_by_key(|(time, _)| *time);
    groups.into_iter().flat_map(|(_, group)| group).collect()
}

/// A region in the making.
pub(super) struct Inventor {
    /// What there is of it.
    pub(super) region: Region,
    /// Where faults and what people do come from.
    pub(super) chance: Chance,
    /// Its classes of faults.
    pub(super) classes: BTreeSet<Class>,
    /// When the first fault happens.
    pub(super) begins: Duration,
    /// From when to when all is mended and nobody writes, so that something can rot.
    pub(super) lull: Option<(Duration, Duration)>,
    /// How many patients events have registered.
    pub(super) aliases: usize,
    /// Replicas that were lost.
    pub(super) lost: BTreeSet<usize>,
}

impl Inventor {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::of_seed(seed).fork("swarm region");
        let classes: BTreeSet<Class> = Class::ALL.into_iter().filter(|_| chance.share(CLASS_SHARE)).collect();
        let begins = if classes.contains(&Class::SiteLost) { SETTLED + minutes(2) } else { minutes(3) };
        let ends = begins + minutes(60 + chance.below(91));
        let region = Region {
            seed,
            replicas: Vec::new(),
            links: Vec::new(),
            backup_every: None,
            people: 3 + chance.below(4) as u32,
            shifts: Vec::new(),
            events: Vec::new(),
            ends,
            afterwards: Vec::new(),
            quiet: QUIET,
            expects: vec![
                "no-acknowledged-write-lost",
                "no-positive-allergy-missing",
                "backup-restores-equal",
                "damage-detected",
            ],
        };
        Self { region, chance, classes, begins, lull: None, aliases: 0, lost: BTreeSet::new() }
    }

    pub(super) fn has(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    pub(super) fn within(&mut self, from: Duration, until: Duration) -> Duration {
        let seconds = until.saturating_sub(from).as_secs();
        from + Duration::from_secs(self.chance.below(seconds + 1))
    }

    pub(super) fn span(&mut self, from_s: u64, until_s: u64) -> String {
        // Short spans are as likely as long ones, whatever their length: even in the logarithm.
        let (low, high) = ((from_s as f64).ln(), (until_s as f64).ln());
        let seconds = (low + (high - low) * self.chance.unit()).exp();
        write_span(Duration::from_secs(seconds as u64))
    }

    pub(super) fn someone(&mut self) -> usize {
        1 + self.chance.below(self.region.replicas.len() as u64) as usize
    }

    pub(super) fn a_disk(&mut self) -> usize {
        let disks: Vec<usize> =
            self.region.replicas.iter().filter(|site| site.disk).map(|site| site.number).collect();
        self.chance.pick(&disks).copied().unwrap_or(1)
    }

    /// How many replicas that are not lost hold an area.
    pub(super) fn holders(&self, area: &str) -> usize {
        let there = |site: &&Site| site.areas.contains(&area) && !self.lost.contains(&site.number);
        self.region.replicas.iter().filter(there).count()
    }

    /// A disk that holds nothing that no other replica holds.
    pub(super) fn a_disk_that_may_rot(&mut self) -> Option<usize> {
        let may = |site: &&Site| site.disk && site.areas.iter().all(|area| self.holders(area) > 1);
        let disks: Vec<usize> = self.region.replicas.iter().filter(may).map(|site| site.number).collect();
        self.chance.pick(&disks).copied()
    }

    /// Two replicas that hold one area in common.
    pub(super) fn a_pair(&mut self) -> Option<[usize; 2]> {
        self.a_line().map(|line| if self.chance.share(0.5) { line } else { [line[1], line[0]] })
    }

    pub(super) fn a_line(&mut self) -> Option<[usize; 2]> {
        self.chance.pick(&self.region.links).map(|line| line.ends)
    }

    pub(super) fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("p{}", self.aliases)
    }
}
