//! A scenario as it is run: names are resolved, paths are absolute, quantities have units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::base::{Area, WallMs};
use crate::drill::chance::Chance;
use crate::drill::deed::TimedDeed;
use crate::drill::events::Event;
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
    /// The areas that it holds, beside `common`.
    pub areas: BTreeSet<Area>,
    /// Who writes there.
    pub author: Author,
    /// Where its records are in a simulation.
    pub store: StorePlan,
    /// How long it runs on after its mains power fails; none is for ever.
    pub reserve: Option<Duration>,
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
    /// The two meet only so often, sync until they hold the same, and part again; none when they are always linked.
    pub meets_every: Option<Duration>,
    /// The bytes that it may carry in a day, both ways together; none is without limit.
    pub quota_bytes_per_day: Option<u64>,
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

/// What must hold at the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Before the first path healed, the replicas held different things: the cut was real.
    HeadsDifferBeforeHeal,
    /// At the end all replicas hold the same.
    HeadsEqualAfterHeal,
    /// Everything that was acknowledged is on every replica's disk.
    NoAcknowledgedWriteLost,
    /// A conflict waits for a person's decision.
    ConflictOpen {
        /// The section, such as `medication`.
        section: String,
        /// The kind.
        kind: String,
        /// The patient, if only that one will do.
        patient: Option<PatientAlias>,
    },
    /// An alert is shown.
    AlertOpen {
        /// The kind.
        kind: String,
        /// The patient, if only that one will do.
        patient: Option<PatientAlias>,
    },
    /// The restored disk held what the destroyed one had held.
    RestoredHeadsEqual,
    /// The hand-over text holds what each author typed, on every replica.
    HandoverHasAll {
        /// The patient.
        patient: PatientAlias,
    },
    /// Every replica's export and every patient's view are equal.
    RecordsEqual,
    /// After the last fault all replicas that can reach each other hold the same before long.
    Converged {
        /// How long after the last fault at most.
        within: Duration,
    },
    /// No replica shows a record without an allergy that it holds a statement of.
    NoPositiveAllergyMissing,
    /// A restore from the bucket gives what the gateway had written to it.
    BackupRestoresEqual,
    /// Everything that the disks lost or altered was noticed: nothing damaged was shown or passed on.
    DamageDetected,
    /// People could read or write for a share of the time.
    Availability {
        /// What they could do.
        of: Access,
        /// Where; each of these replicas must do.
        at: Vec<usize>,
        /// The share of the time, from 0 to 1.
        at_least: f64,
    },
    /// Decisions rested on knowledge that was not too old.
    Staleness {
        /// The age.
        at_most: Duration,
        /// The share of decisions for which it must hold, from 0 to 1.
        share: f64,
    },
    /// Each acknowledged write is on so many replicas at the end.
    HeldBy {
        /// How many.
        at_least: u64,
    },
    /// So many writes were acknowledged: the drill was no empty one.
    Writes {
        /// How many.
        at_least: u64,
    },
    /// No link carried more in a day than it may.
    QuotaKept,
    /// Each replica whose disk was lost could be read and written again soon (recovery time objective).
    Rto {
        /// How long after the loss at most.
        at_most: Duration,
    },
    /// The backup from which a replica came back was not too old at the loss (recovery point objective).
    Rpo {
        /// How old at most.
        at_most: Duration,
    },
    /// A second run with the same seed gives the same trace.
    SameTrace,
}

/// What people do with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They read.
    Read,
    /// They write.
    Write,
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
    /// Each event chooses from a source of its own, so that the events above it do not change what it chooses.
    pub fn deeds(&self, event: usize, chance: &Chance) -> Vec<TimedDeed> {
        let mut chance = chance.fork(&format!("event {event}"));
        self.events.get(event).map_or_else(Vec::new, |plan| plan.event.deeds(self, &mut chance))
    }
}

impl Expectation {
    /// Returns the name by which scenario files and reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            Expectation::HeadsDifferBeforeHeal => "heads-differ-before-heal",
            Expectation::HeadsEqualAfterHeal => "heads-equal-after-heal",
            Expectation::NoAcknowledgedWriteLost => "no-acknowledged-write-lost",
            Expectation::ConflictOpen { .. } => "conflict-open",
            Expectation::AlertOpen { .. } => "alert-open",
            Expectation::RestoredHeadsEqual => "restored-heads-equal",
            Expectation::HandoverHasAll { .. } => "handover-has-all",
            Expectation::RecordsEqual => "records-equal",
            Expectation::Converged { .. } => "converged",
            Expectation::NoPositiveAllergyMissing => "no-positive-allergy-missing",
            Expectation::BackupRestoresEqual => "backup-restores-equal",
            Expectation::DamageDetected => "damage-detected",
            Expectation::Availability { .. } => "availability",
            Expectation::Staleness { .. } => "staleness",
            Expectation::HeldBy { .. } => "held-by",
            Expectation::Writes { .. } => "writes",
            Expectation::QuotaKept => "quota-kept",
            Expectation::Rto { .. } => "rto",
            Expectation::Rpo { .. } => "rpo",
            Expectation::SameTrace => "same-trace",
        }
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
