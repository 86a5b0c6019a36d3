//! From a seed to a random region.

use std::collections::BTreeSet;
use std::time::Duration;

use super::class::Class;
use super::region::{Happens, Line, QUIET, QUIET_ROT, Region, Shift, Site, name_of};
use crate::drill::chance::Chance;
use crate::drill::scenario::{Scenario, write_span};

/// Most replicas of a region.
pub const REPLICAS_MAX: u64 = 6;
/// Most replicas with a disk: the production store on a simulated disk costs ten times the memory store.
const DISKS_MAX: usize = 2;
/// Fewest and most events of a region, before what cannot be is taken out.
const EVENTS: (u64, u64) = (10, 40);
/// The share of regions in which a class of faults occurs.
const CLASS_SHARE: f64 = 0.5;
/// The two areas of a region.
const AREAS: [&str; 2] = ["shared/east", "shared/west"];
/// Everybody is on record by then, and a backup was written: nothing is lost for good before.
const SETTLED: Duration = minutes(32);
/// How long a lull may take, until something rots: all must hold the same first.
const LULL: Duration = minutes(60);

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Makes the region of a seed, and reads it.
pub fn invent(seed: u64) -> Option<(Region, Scenario)> {
    let mut inventor = Inventor::new(seed);
    inventor.people_and_disks();
    inventor.lines();
    inventor.arguments();
    inventor.faults();
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

struct Inventor {
    region: Region,
    chance: Chance,
    classes: BTreeSet<Class>,
    /// When the first fault happens.
    begins: Duration,
    /// How many patients events have registered.
    aliases: usize,
    /// Replicas that were lost.
    lost: BTreeSet<usize>,
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
        Self { region, chance, classes, begins, aliases: 0, lost: BTreeSet::new() }
    }

    fn has(&self, class: Class) -> bool {
        self.classes.contains(&class)
    }

    fn within(&mut self, from: Duration, until: Duration) -> Duration {
        let seconds = until.saturating_sub(from).as_secs();
        from + Duration::from_secs(self.chance.below(seconds + 1))
    }

    fn span(&mut self, from_s: u64, until_s: u64) -> String {
        // Short spans are as likely as long ones, whatever their length: even in the logarithm.
        let (low, high) = ((from_s as f64).ln(), (until_s as f64).ln());
        let seconds = (low + (high - low) * self.chance.unit()).exp();
        write_span(Duration::from_secs(seconds as u64))
    }

    fn people_and_disks(&mut self) {
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
            self.region.replicas.push(Site { number, disk, areas: holds, battery_h });
        }
        if self.chance.share(0.8) || self.has(Class::SiteLost) || self.has(Class::S3Outage) {
            self.region.backup_every = Some(minutes(5 + self.chance.below(30)));
        }
    }

    /// Links the holders of each area in a random tree, and some more.
    fn lines(&mut self) {
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
            self.region.links.push(Line { ends, profile, meets_every });
        }
        self.region.quiet += self.region.meets_max() * 2;
    }

    fn someone(&mut self) -> usize {
        1 + self.chance.below(self.region.replicas.len() as u64) as usize
    }

    fn a_disk(&mut self) -> usize {
        let disks: Vec<usize> =
            self.region.replicas.iter().filter(|site| site.disk).map(|site| site.number).collect();
        self.chance.pick(&disks).copied().unwrap_or(1)
    }

    /// How many replicas that are not lost hold an area.
    fn holders(&self, area: &str) -> usize {
        let there = |site: &&Site| site.areas.contains(&area) && !self.lost.contains(&site.number);
        self.region.replicas.iter().filter(there).count()
    }

    /// A disk that holds nothing that no other replica holds.
    fn a_disk_that_may_rot(&mut self) -> Option<usize> {
        let may = |site: &&Site| site.disk && site.areas.iter().all(|area| self.holders(area) > 1);
        let disks: Vec<usize> = self.region.replicas.iter().filter(may).map(|site| site.number).collect();
        self.chance.pick(&disks).copied()
    }

    /// Two replicas that hold one area in common.
    fn a_pair(&mut self) -> Option<[usize; 2]> {
        self.a_line().map(|line| if self.chance.share(0.5) { line } else { [line[1], line[0]] })
    }

    fn a_line(&mut self) -> Option<[usize; 2]> {
        self.chance.pick(&self.region.links).map(|line| line.ends)
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("p{}", self.aliases)
    }

    /// People at two places write different things about one patient at the same time.
    fn arguments(&mut self) {
        for _ in 0..1 + self.chance.below(3) {
            let Some([one, other]) = self.a_pair() else { return };
            let patient = self.alias();
            let registered = self.within(minutes(1), minutes(20));
            let name = format!("訓練 {patient}");
            let register = Happens::at(registered, "register").text("at", name_of(one)).text("as", &patient);
            self.region.events.push(register.text("name", name));
            let known = Happens::then("allergy").text("at", name_of(one)).text("patient", &patient);
            self.region.events.push(known.text("substance", "そば"));
            let mut argued = self.within(registered + minutes(10), registered + minutes(40));
            for _ in 0..2 + self.chance.below(3) {
                let parted = self.parted(argued, [one, other]);
                self.region.events.extend(parted);
                // As often as not it is what must never be decided by the clock: an allergy, and no allergy.
                let opposed = self.chance.share(0.5);
                for (at, first) in [(one, 0), (other, 2)] {
                    let kind = if opposed { first } else { self.chance.below(6) };
                    let event = argument(kind, argued, at, &patient);
                    self.region.events.push(event);
                }
                if argued + minutes(3) >= self.region.ends {
                    break;
                }
                argued = self.within(argued + minutes(2), self.region.ends - minutes(1));
            }
        }
    }

    /// Cuts the line between two shortly before they write, so that they do not know of each other.
    fn parted(&mut self, time: Duration, ends: [usize; 2]) -> Vec<Happens> {
        if !self.chance.share(0.5) {
            return Vec::new();
        }
        let between = format!("[\"{}\", \"{}\"]", name_of(ends[0]), name_of(ends[1]));
        let cut = Happens::at(time - minutes(1), "cut").key("between", &between);
        let heal = Happens::at(time + Duration::from_secs(30), "heal").key("between", &between);
        vec![cut, heal]
    }

    fn faults(&mut self) {
        let (begins, ends) = (self.begins, self.region.ends);
        let mut lull = None;
        let rotting = if self.has(Class::DiskCorrupt) { self.a_disk_that_may_rot() } else { None };
        if let Some(disk) = rotting {
            // People write before the lull and after it; during it all come to hold the same, and then a disk rots.
            let meets = self.region.meets_max() * 2;
            let at = self.within(begins + minutes(15), ends);
            self.lull(at, disk);
            let over = at + LULL + meets;
            self.region.ends += LULL + meets + minutes(20);
            self.region.quiet = QUIET_ROT + meets;
            lull = Some((at, over));
        }
        let ends = self.region.ends;
        self.shifts(lull);
        if self.region.backup_every.is_some() {
            self.region.events.push(Happens::at(SETTLED, "backup"));
        }
        let classes: Vec<Class> = self.classes.iter().copied().collect();
        let count = EVENTS.0 + self.chance.below(EVENTS.1 - EVENTS.0 + 1);
        for _ in 0..count {
            let Some(class) = self.chance.pick(&classes).copied() else { break };
            let time = self.within(begins, ends - minutes(1));
            if lull.is_some_and(|(from, over)| (from..over).contains(&time)) {
                continue;
            }
            // What the rotten disk may lack, no other loses.
            if class == Class::SiteLost && lull.is_some_and(|(from, _)| time >= from) {
                continue;
            }
            self.fault(class, time);
        }
    }

    fn shifts(&mut self, lull: Option<(Duration, Duration)>) {
        let (arrivals, notes) = (self.chance.below(3) as f64, 4.0 + self.chance.below(10) as f64);
        let shift = |from, until| Shift { from, until, arrivals_per_hour: arrivals, notes_per_hour: notes };
        self.region.shifts = match lull {
            None => vec![shift(minutes(2), self.region.ends)],
            Some((from, over)) => vec![shift(minutes(2), from), shift(over, self.region.ends)],
        };
    }

    /// Everything is mended and all hold the same; then some sectors of a disk rot.
    fn lull(&mut self, at: Duration, disk: usize) {
        let (disk, sectors) = (name_of(disk), 1 + self.chance.below(12));
        let rot = Happens::then("disk-corrupt").text("at", disk).key("sectors", sectors);
        let waiting = Happens::then("wait-converged").key("within-s", 3_600);
        self.region.events.extend([Happens::at(at, "return-to-normal"), waiting, rot]);
    }

    /// Chooses where a fault of links is: one link, all of a replica, or all.
    fn somewhere(&mut self, event: Happens) -> Happens {
        match (self.chance.below(3), self.a_line()) {
            (0, Some([one, other])) => {
                event.key("between", format!("[\"{}\", \"{}\"]", name_of(one), name_of(other)))
            }
            (1, _) => event.text("at", name_of(self.someone())),
            (_, _) => event.text("at", AREAS[0]).key("share", 0.6),
        }
    }

    fn fault(&mut self, class: Class, time: Duration) {
        let event = match class {
            Class::Cut => return self.cut(time),
            Class::Flap => {
                let (up, down) = (2 + self.chance.below(60), 1 + self.chance.below(40));
                let lasting = self.span(60, 1_800);
                let flap = Happens::at(time, "flap").key("up-s", up).key("down-s", down);
                self.somewhere(flap.text("for", lasting))
            }
            Class::OneWay => {
                let Some([one, other]) = self.a_pair() else { return };
                let between = format!("[\"{}\", \"{}\"]", name_of(one), name_of(other));
                let event =
                    Happens::at(time, "one-way").key("between", between).text("towards", name_of(one));
                event.text("for", self.span(10, 1_800))
            }
            Class::Degrade => {
                let to = [
                    "\"weak-mobile\"",
                    "\"narrow-23k\"",
                    "{ delay_ms = 900, loss_up = 0.3, loss_down = 0.4 }",
                ];
                let to = to[self.chance.below(3) as usize];
                let event = Happens::at(time, "degrade").key("to", to).text("for", self.span(60, 3_600));
                self.somewhere(event)
            }
            Class::PowerFailure => self.machines(time, "power-failure", 60, 3_600),
            Class::PowerLoss => {
                let at = if self.chance.share(0.7) { self.a_disk() } else { self.someone() };
                Happens::at(time, "power-loss").text("at", name_of(at)).text("for", self.span(2, 1_200))
            }
            Class::Crash => self.machines(time, "crash", 1, 900),
            Class::KillInMidWrite => return self.kill_in_mid_write(time),
            Class::Freeze => self.machines(time, "freeze", 1, 900),
            Class::Stop => {
                let at = name_of(self.someone());
                self.region.events.push(Happens::at(time, "stop").text("at", &at));
                let again = time + minutes(1 + self.chance.below(20));
                if again < self.region.ends {
                    self.region.events.push(Happens::at(again, "start").text("at", at));
                }
                return;
            }
            Class::DiskFull => {
                let at = name_of(self.a_disk());
                Happens::at(time, "disk-full").text("at", at).text("for", self.span(30, 2_400))
            }
            // There is one, in the lull.
            Class::DiskCorrupt => return,
            Class::SiteLost => return self.site_lost(time),
            Class::ClockSkew | Class::ClockJump => self.clock(class, time),
            Class::S3Outage => Happens::at(time, "s3-outage").text("for", self.span(60, 3_600)),
            Class::Duplicate => {
                let Some([one, other]) = self.a_pair() else { return };
                let at = format!("[\"{}\", \"{}\"]", name_of(one), name_of(other));
                Happens::at(time, "duplicate-registration").key("at", at)
            }
            Class::WrongLink => return self.wrong_link(time),
            Class::Surge => {
                let event = Happens::at(time, "surge").text("at", AREAS[0]);
                let over = self.region.ends.saturating_sub(time).min(minutes(10));
                event.key("count", 1 + self.chance.below(6)).text("over", write_span(over))
            }
            Class::Lie => {
                let at = name_of(self.someone());
                Happens::at(time, "lie").text("at", at).text("for", self.span(120, 3_600))
            }
            Class::SecondQuake => {
                let event = Happens::at(time, "second-quake").text("at", AREAS[0]);
                event.key("links", 0.5).key("power", 0.4).text("for", self.span(60, 1_800))
            }
        };
        self.region.events.push(event);
    }

    fn machines(&mut self, time: Duration, event: &'static str, from_s: u64, until_s: u64) -> Happens {
        let lasting = self.span(from_s, until_s);
        let event = Happens::at(time, event).text("for", lasting);
        match self.chance.share(0.7) {
            true => event.text("at", name_of(self.someone())),
            false => event.text("at", AREAS[0]).key("share", 0.5),
        }
    }

    fn cut(&mut self, time: Duration) {
        let ends = self.region.ends;
        let mut cut = Happens::at(time, "cut");
        let mut heal = Happens::at(self.within(time, (time + minutes(40)).min(ends)), "heal");
        if self.chance.share(0.3) {
            let what = if self.has(Class::S3Outage) { "everything" } else { "links" };
            (cut, heal) = (cut.text("what", what), heal.text("what", what));
        } else {
            cut = self.somewhere(cut);
            heal.keys = cut.keys.clone();
        }
        self.region.events.push(cut);
        // Some cuts last until everything returns to normal.
        if self.chance.share(0.7) {
            self.region.events.push(heal);
        }
    }

    fn kill_in_mid_write(&mut self, time: Duration) {
        let (at, patient) = (name_of(self.a_disk()), self.alias());
        let name = format!("訓練 {patient}");
        let register = Happens::at(time, "register").text("at", &at).text("as", &patient);
        self.region.events.push(register.text("name", name));
        let kill = Happens::then("kill-in-mid-write").text("at", &at).text("patient", &patient);
        self.region.events.push(kill.key("after-writes", 1 + self.chance.below(8)));
        let again = time + minutes(1 + self.chance.below(10));
        if again < self.region.ends {
            self.region.events.push(Happens::at(again, "start").text("at", at));
        }
    }

    /// Two people are linked, one of them is given a drug, and the link is undone: there, or where it may be unknown.
    fn wrong_link(&mut self, time: Duration) {
        let Some([at, elsewhere]) = self.a_pair() else { return };
        let (one, other) = (self.alias(), self.alias());
        for (place, patient) in [&one, &other].into_iter().enumerate() {
            let register = match place {
                0 => Happens::at(time, "register"),
                _ => Happens::then("register"),
            };
            let register = register.text("at", name_of(at)).text("as", patient);
            self.region.events.push(register.text("name", format!("訓練 {patient}")));
        }
        self.region.events.push(argument(0, time, at, &one));
        let tie = |event: Happens, at: usize| {
            event.text("at", name_of(at)).text("patient", &one).text("with", &other)
        };
        self.region.events.push(tie(Happens::then("link"), at));
        self.region.events.push(Happens { time: None, ..argument(3, time, at, &other) });
        let undone = time + minutes(1 + self.chance.below(30));
        if undone < self.region.ends && self.chance.share(0.8) {
            let from = if self.chance.share(0.5) { at } else { elsewhere };
            let order = argument(self.chance.below(6), undone, elsewhere, &one);
            let unlink = tie(Happens::at(undone, "unlink"), from).key("not-same", self.chance.share(0.5));
            self.region.events.extend([order, unlink]);
        }
    }

    /// A site is lost once at most, and restored: soon, if nobody can keep the bucket from it, or afterwards.
    fn site_lost(&mut self, time: Duration) {
        let at = self.someone();
        let areas = &self.region.replicas[at - 1].areas;
        // What rots is on another disk, even if this one is lost.
        let lost = self.lost.iter().copied().chain([at]).collect();
        let enough = !self.has(Class::DiskCorrupt)
            || areas.iter().all(|area| self.holders(area) > 2) && self.region.is_whole_without(&lost);
        if !enough || self.lost.len() >= self.region.replicas.len() / 2 || !self.lost.insert(at) {
            return;
        }
        let at = name_of(at);
        self.region.events.push(Happens::at(time, "site-lost").text("at", &at));
        let soon = time + minutes(2 + self.chance.below(20));
        let restore = Happens::at(soon, "restore").text("at", &at);
        let start = Happens::then("start").text("at", &at);
        if self.has(Class::S3Outage) || self.has(Class::DiskCorrupt) || soon >= self.region.ends {
            let restore = Happens { time: None, ..restore };
            self.region.afterwards.extend([restore, start]);
        } else {
            self.region.events.extend([restore, start]);
        }
    }

    fn clock(&mut self, class: Class, time: Duration) -> Happens {
        let sign = if self.chance.share(0.5) { "-" } else { "" };
        let by = format!("{sign}{}", self.span(1, 3 * 86_400));
        let at = name_of(self.someone());
        match class {
            Class::ClockJump => Happens::at(time, "clock-jump").text("at", at).text("by", by),
            _ => {
                let skew = Happens::at(time, "clock-skew").text("at", at).text("by", by);
                skew.text("for", self.span(60, 7_200))
            }
        }
    }
}

/// What somebody writes about a patient about whom others write at the same time; `kind` is below 6.
fn argument(kind: u64, time: Duration, at: usize, patient: &str) -> Happens {
    let about = |event| Happens::at(time, event).text("at", name_of(at)).text("patient", patient);
    match kind {
        0 | 1 => about("allergy").text("substance", "そば").text("criticality", "high"),
        2 => about("allergy").text("substance", "そば").text("refute", "問診で否定"),
        3 => about("medication").text("action", "start").text("drug", "ワルファリン").text("dose", "2mg"),
        4 => about("medication").text("action", "stop").text("drug", "ワルファリン"),
        _ => about("handover").text("text", format!("{}より、夜間は見守り。", name_of(at))),
    }
}
