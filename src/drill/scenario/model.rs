//! A scenario as it is run: names are resolved, paths are absolute, quantities have units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::expectation::Expectation;
use crate::base::{Area, Part, WallMs};
use crate::drill::chance::Chance;
use crate::drill::deed::TimedDeed;
use crate::drill::events::{Event, RETURN_TO_NORMAL};
use crate::identity::{DeviceRole, SiteKind};
use crate::record::Author;
use crate::transport::LinkProfile;

/// The name by which a scenario's events call a replica, such as `north`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaName(
    /// The name.
    pub String,
);

/// The name by which a scenario's events call a patient, such as `grandmother`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientAlias(
    /// The name.
    pub String,
);

impl fmt::Display for ReplicaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PatientAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One text in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Told {
    /// In Japanese; may be empty.
    pub ja: String,
    /// In English.
    pub en: String,
}

impl Told {
    /// Makes a text of its two languages, English first.
    pub fn of(en: impl Into<String>, ja: impl Into<String>) -> Self {
        Self { ja: ja.into(), en: en.into() }
    }

    /// Makes a text that is the same in both languages, such as names and figures.
    pub fn same(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { ja: text.clone(), en: text }
    }

    /// Lists the first few of some names, and says how many more there are.
    pub fn some<T: std::fmt::Display>(items: &[T], most: usize) -> Self {
        let named = items.iter().take(most).map(ToString::to_string).collect::<Vec<_>>().join("; ");
        match items.len().saturating_sub(most) {
            0 => Self::same(named),
            more => Self::of(format!("{named}; and {more} more"), format!("{named}；ほか {more} 件")),
        }
    }
}

/// A drill: who takes part, what happens, and what must hold at its end.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name: its file's name without the ending.
    pub name: String,
    /// One line.
    pub title: Told,
    /// What happens, for the people who watch.
    pub story: Told,
    /// The name of the drill's own realm.
    pub realm: String,
    /// How it may be run.
    pub modes: Modes,
    /// Why it cannot be run with real processes, if so.
    pub live_refusal: Option<LiveRefusal>,
    /// What clocks on the wall show at time zero.
    pub begins: WallMs,
    /// When it ends, counted from time zero; none when it ends after the last event.
    pub lasts: Option<Duration>,
    /// The replicas, at least one; fleets are expanded, in the order of the file.
    pub replicas: Vec<ReplicaPlan>,
    /// The fleets.
    pub fleets: Vec<FleetPlan>,
    /// The links between the replicas; meshes are expanded.
    pub links: Vec<LinkPlan>,
    /// The replica that writes the backup, if there is one.
    pub gateway: Option<ReplicaName>,
    /// How often the gateway writes the backup by itself; none when only events make it do so.
    pub backup_every: Option<Duration>,
    /// Where the central system of a comparison stands; none when the file does not say.
    pub cloud: Option<ReplicaName>,
    /// Patients whom the events name; those that an event registers are not among them.
    pub patients: BTreeMap<PatientAlias, PatientPlan>,
    /// The people of the region who have records before the drill begins.
    pub people: Vec<PeoplePlan>,
    /// Who comes for help, and what is written about them.
    pub workloads: Vec<WorkloadPlan>,
    /// What happens, in order.
    pub events: Vec<EventPlan>,
    /// What must hold, at least one thing.
    pub expectations: Vec<Expectation>,
}

/// The ways in which a scenario may be run; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// With real processes.
    pub live: bool,
    /// In virtual time.
    pub sim: bool,
}

/// Why a scenario cannot be run with real processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRefusal {
    /// The line that says so, from 1.
    pub line: usize,
    /// Why, and what to do instead.
    pub problem: String,
}

/// One replica.
#[derive(Debug, Clone)]
pub struct ReplicaPlan {
    /// Its name in the events.
    pub name: ReplicaName,
    /// Its site, as people call it.
    pub site: String,
    /// What the site is.
    pub kind: SiteKind,
    /// What the device does.
    pub role: DeviceRole,
    /// Its own areas, beside `common`.
    pub areas: BTreeSet<Area>,
    /// Areas, its own or others, of which it holds some parts only, beside control; its own that are not here it holds whole.
    pub in_part: BTreeMap<Area, BTreeSet<Part>>,
    /// How often it syncs through the backup's bucket; none when it does not.
    pub bucket_every: Option<Duration>,
    /// Who writes there.
    pub author: Author,
    /// Where its records are in a simulation.
    pub store: StorePlan,
    /// How long it runs on after its mains power fails; none is for ever.
    pub reserve: Option<Duration>,
}

impl ReplicaPlan {
    /// Returns the areas that its certificate names: its own and those of which it holds a part.
    pub fn certified(&self) -> BTreeSet<Area> {
        self.areas.iter().chain(self.in_part.keys()).cloned().collect()
    }

    /// Says whether it holds a part of an area and asks for it.
    pub fn holds(&self, area: &Area, part: Part) -> bool {
        match self.in_part.get(area) {
            Some(parts) => part == Part::Control || parts.contains(&part),
            None => *area == Area::common() || self.areas.contains(area),
        }
    }

    /// Says whether it holds all that records of an area consist of.
    pub fn holds_records(&self, area: &Area) -> bool {
        [Part::Card, Part::Notes, Part::Data].into_iter().all(|part| self.holds(area, part))
    }

    /// Returns the parts of each area that it is configured to hold; none when that is all that its certificate names.
    pub fn held_in_part(&self) -> Option<BTreeMap<Area, BTreeSet<Part>>> {
        let whole = self.areas.iter().map(|area| (area.clone(), Part::ALL.into()));
        let some = !self.in_part.is_empty();
        some.then(|| whole.chain(self.in_part.clone()).collect())
    }

    /// Returns the area in which it opens records when nothing else is said: the first of its own that is shared.
    pub fn home(&self) -> Option<&Area> {
        self.areas.iter().find(|area| !area.is_private()).or_else(|| self.areas.first())
    }
}

/// Where a simulated replica keeps its records; live replicas always have a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorePlan {
    /// The production store on a simulated disk that tears, rots and fills.
    Disk,
    /// In memory: much faster, and without faults of disks.
    Memory,
}

/// Replicas that were planned together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetPlan {
    /// Its name; its replicas are called by it and a number.
    pub name: String,
    /// Its replicas, by their places in [`Scenario::replicas`].
    pub members: Range<usize>,
}

/// A link between two replicas; both dial each other.
#[derive(Debug, Clone)]
pub struct LinkPlan {
    /// Its ends, by name.
    pub between: [ReplicaName; 2],
    /// Its ends, by their places in [`Scenario::replicas`].
    pub ends: [usize; 2],
    /// What it does to what passes.
    pub profile: LinkProfile,
    /// How the file calls the profile: a name, or `custom`.
    pub profile_name: String,
    /// Only events that name it cut or spoil it; those that mean all links, or all of some replicas, pass it by.
    pub survives: bool,
    /// The two meet only so often, sync until they hold the same, and part again; none when they are always linked.
    pub meets_every: Option<Duration>,
}

impl LinkPlan {
    /// Returns the bytes that it may carry in a day, both ways together; none is without limit.
    pub fn quota_bytes_per_day(&self) -> Option<u64> {
        self.profile.bytes_per_day.map(NonZeroU64::get)
    }
}

/// People of the region who have records before the drill begins, one each.
#[derive(Debug, Clone, PartialEq)]
pub struct PeoplePlan {
    /// How many.
    pub count: u32,
    /// What their numbers begin with.
    pub prefix: String,
    /// The replicas that register them, dealt one after another.
    pub homes: Vec<usize>,
    /// The share of them with an allergy on record, from 0 to 1.
    pub allergies: f64,
    /// The share of them with a medication on record, from 0 to 1.
    pub medications: f64,
}

/// People who come for help at replicas, and what is written about them.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadPlan {
    /// The replicas.
    pub at: Vec<usize>,
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
    /// People who come in an hour, at each replica.
    pub arrivals_per_hour: f64,
    /// Notes that are written in an hour, at each replica.
    pub notes_per_hour: f64,
    /// How badly those who come are hurt.
    pub triage: TriageMix,
    /// The share of those who come who cannot say their names.
    pub unnamed: f64,
    /// The share of those who come who are people of [`Scenario::people`].
    pub known: f64,
    /// The chance that a drug is prescribed, for each contact.
    pub prescriptions: f64,
    /// The chance that an allergy is recorded, for each contact.
    pub allergies: f64,
    /// The chance that an allergy is refuted, for each contact.
    pub refutations: f64,
    /// The chance that the hand-over text is edited, for each contact.
    pub handovers: f64,
    /// Which sections are written.
    pub acts: Acts,
}

/// Which sections the people of a workload write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// Notes, allergies, orders and hand-over texts.
    Usual,
    /// All of them; and people decide what is open, and are asked for a reason before a harmful order is written.
    All,
}

/// How badly people are hurt: weights, in any unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TriageMix {
    /// Immediate (赤).
    pub red: f64,
    /// Delayed (黄).
    pub yellow: f64,
    /// Minor (緑).
    pub green: f64,
    /// Dead or beyond help (黒).
    pub black: f64,
}

/// How a patient is found in a replica that has imported the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientPlan {
    /// A name or an identifier; exactly one patient must match.
    pub find: String,
}

/// Something that happens.
///
/// Without `time` it happens as soon as the one above it is done: when all deeds of that one whose `after` is zero are
/// done. Later deeds of an event, such as power that returns, do not hold up the next one.
#[derive(Debug, Clone)]
pub struct EventPlan {
    /// Its line in the scenario file.
    pub line: usize,
    /// When it happens, counted from time zero; none when it follows the one above it.
    pub time: Option<Duration>,
    /// How long to wait before it, at least.
    pub after: Duration,
    /// How long after the last cut it happens at the earliest: connections notice an outage only after a while.
    pub outage: Duration,
    /// What to tell the people who watch, before it; may be empty.
    pub tell: Told,
    /// What happens.
    pub event: Arc<dyn Event>,
}

/// How a hand-over text is edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandoverEdit {
    /// It is made to read so.
    Whole(String),
    /// A text is typed right after a phrase that must be there.
    Insert {
        /// What is typed.
        text: String,
        /// The phrase; its first occurrence counts.
        after: String,
    },
}

impl Scenario {
    /// Finds a replica's plan.
    pub fn replica(&self, name: &ReplicaName) -> Option<&ReplicaPlan> {
        self.replicas.iter().find(|replica| replica.name == *name)
    }

    /// Finds a replica's place in [`Scenario::replicas`].
    pub fn index(&self, name: &ReplicaName) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.name == *name)
    }

    /// Returns what an event does, by its place in [`Scenario::events`]; `chance` is the run's own, of its seed.
    /// Each event chooses from a source of its own, so that the events above it do not change what it chooses. Later
    /// deeds of a fault are left out from the time of the next `return-to-normal` on.
    pub fn deeds(&self, event: usize, chance: &Chance) -> Vec<TimedDeed> {
        let mut chance = chance.fork(&format!("event {event}"));
        let Some(plan) = self.events.get(event) else { return Vec::new() };
        let mut deeds = plan.event.deeds(self, &mut chance);
        // What a fault would still do or undo is over when all returns to normal; people go on writing.
        let normal = |plan: &EventPlan| std::ptr::eq(plan.event.kind(), &RETURN_TO_NORMAL);
        let ends = (event + 1..self.events.len()).find(|later| normal(&self.events[*later]));
        if let Some(ends) = ends {
            let (begins, ends) = (self.earliest(event), self.earliest(ends));
            let over =
                |deed: &TimedDeed| deed.after > Duration::ZERO && begins.saturating_add(deed.after) >= ends;
            deeds.retain(|deed| deed.deed.is_writing() || !over(deed));
        }
        deeds
    }

    /// Returns the earliest time of an event: its own, or that of the last event above it that has one.
    fn earliest(&self, event: usize) -> Duration {
        self.events[..=event].iter().rev().find_map(|plan| plan.time).unwrap_or_default()
    }
}

/// Returns the name of a device's role, as scenario files and reports write it.
pub fn role_name(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Hospital => "hospital",
        DeviceRole::Tablet => "tablet",
        DeviceRole::Gateway => "gateway",
    }
}

/// Returns the name of a kind of site, as scenario files and commands write it.
pub fn kind_name(kind: SiteKind) -> &'static str {
    match kind {
        SiteKind::Hospital => "hospital",
        SiteKind::Clinic => "clinic",
        SiteKind::Pharmacy => "pharmacy",
        SiteKind::CareHome => "care-home",
        SiteKind::Shelter => "shelter",
        SiteKind::Ambulance => "ambulance",
        SiteKind::Cloud => "cloud",
    }
}
