//! A scenario as it is run: names are resolved, paths are absolute, quantities have units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::Area;
use crate::identity::{DeviceRole, SiteKind};
use crate::record::Author;
use crate::replica::request::{NewPatient, Write};
use crate::transport::LinkProfile;

/// The name by which a scenario's steps call a replica, such as `north`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaName(
    /// The name.
    pub String,
);

/// The name by which a scenario's steps call a patient, such as `grandmother`.
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
    /// The replicas, at least one.
    pub replicas: Vec<ReplicaPlan>,
    /// The links between them.
    pub links: Vec<LinkPlan>,
    /// The replica that writes the backup, if there is one.
    pub gateway: Option<ReplicaName>,
    /// Patients whom the steps name; those that a step registers are not among them.
    pub patients: BTreeMap<PatientAlias, PatientPlan>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What must hold, at least one thing.
    pub expectations: Vec<Expectation>,
}

/// One replica.
#[derive(Debug, Clone)]
pub struct ReplicaPlan {
    /// Its name in the steps.
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
}

/// A link between two replicas; both dial each other.
#[derive(Debug, Clone)]
pub struct LinkPlan {
    /// Its ends.
    pub between: [ReplicaName; 2],
    /// What it does to what passes.
    pub profile: LinkProfile,
}

/// How a patient is found in a replica that has imported the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientPlan {
    /// A name or an identifier; exactly one patient must match.
    pub find: String,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its line in the scenario file.
    pub line: usize,
    /// How long to wait before it.
    pub after: Duration,
    /// How long after the last cut it happens at the earliest: connections notice an outage only after a while.
    pub outage: Duration,
    /// What to tell the people who watch, before it; may be empty.
    pub tell: String,
    /// What happens.
    pub action: Action,
}

/// Which paths are cut or healed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Links by their place in [`Scenario::links`].
    pub links: BTreeSet<usize>,
    /// Whether the backup's bucket is meant, too.
    pub bucket: bool,
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

/// What happens in a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A replica imports files by itself.
    Import {
        /// The replica.
        at: ReplicaName,
        /// The files, absolute.
        files: Vec<PathBuf>,
    },
    /// Waits until all running replicas hold the same.
    WaitConverged {
        /// How long at most.
        within: Duration,
    },
    /// The gateway writes what the bucket lacks.
    Backup,
    /// Paths are cut.
    Cut(Paths),
    /// Paths are healed.
    Heal(Paths),
    /// Two replicas reach each other again.
    Meet {
        /// The link, by its place in [`Scenario::links`].
        link: usize,
    },
    /// A patient is registered in a new record.
    Register {
        /// The replica.
        at: ReplicaName,
        /// How later steps call the patient.
        alias: PatientAlias,
        /// What is known.
        patient: NewPatient,
    },
    /// Something is written into a record.
    Write {
        /// The replica.
        at: ReplicaName,
        /// The patient.
        patient: PatientAlias,
        /// What.
        write: Write,
    },
    /// The hand-over text of a record is edited.
    Handover {
        /// The replica.
        at: ReplicaName,
        /// The patient.
        patient: PatientAlias,
        /// How.
        edit: HandoverEdit,
    },
    /// Writers write one note after another, and power is cut right after one is acknowledged; with two writers
    /// or more another note is being written at that moment.
    KillInMidWrite {
        /// The replica.
        at: ReplicaName,
        /// The patient.
        patient: PatientAlias,
        /// How many notes are acknowledged before.
        after_writes: u64,
        /// How many write at once.
        writers: usize,
    },
    /// A replica that is down starts.
    Start {
        /// The replica.
        at: ReplicaName,
    },
    /// A replica ends in order.
    Stop {
        /// The replica.
        at: ReplicaName,
    },
    /// Power is cut and the disk is gone.
    DestroyDisk {
        /// The replica.
        at: ReplicaName,
    },
    /// A new disk is filled from the bucket and the site's recovery kit alone; the replica is not started yet.
    Restore {
        /// The replica.
        at: ReplicaName,
    },
}

/// What must hold at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Scenario {
    /// Finds a replica's plan.
    pub fn replica(&self, name: &ReplicaName) -> Option<&ReplicaPlan> {
        self.replicas.iter().find(|replica| replica.name == *name)
    }
}

impl Action {
    /// Returns the name by which a scenario file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Import { .. } => "import",
            Action::WaitConverged { .. } => "wait-converged",
            Action::Backup => "backup",
            Action::Cut(_) => "cut",
            Action::Heal(_) => "heal",
            Action::Meet { .. } => "meet",
            Action::Register { .. } => "register",
            Action::Write { write, .. } => match write {
                Write::Note { .. } => "note",
                Write::Allergy { .. } => "allergy",
                Write::Medication { .. } => "medication",
                Write::Handover { .. } => "handover",
                Write::Annotation { .. } => "annotation",
            },
            Action::Handover { .. } => "handover",
            Action::KillInMidWrite { .. } => "kill-in-mid-write",
            Action::Start { .. } => "start",
            Action::Stop { .. } => "stop",
            Action::DestroyDisk { .. } => "destroy-disk",
            Action::Restore { .. } => "restore",
        }
    }

    /// Returns the replica at which it happens, if it happens at one.
    pub fn at(&self) -> Option<&ReplicaName> {
        match self {
            Action::Import { at, .. }
            | Action::Register { at, .. }
            | Action::Write { at, .. }
            | Action::Handover { at, .. }
            | Action::KillInMidWrite { at, .. }
            | Action::Start { at }
            | Action::Stop { at }
            | Action::DestroyDisk { at }
            | Action::Restore { at } => Some(at),
            Action::WaitConverged { .. }
            | Action::Backup
            | Action::Cut(_)
            | Action::Heal(_)
            | Action::Meet { .. } => None,
        }
    }

    /// Returns the patient whom it concerns, if there is one.
    pub fn patient(&self) -> Option<&PatientAlias> {
        match self {
            Action::Register { alias, .. } => Some(alias),
            Action::Write { patient, .. }
            | Action::Handover { patient, .. }
            | Action::KillInMidWrite { patient, .. } => Some(patient),
            Action::Import { .. }
            | Action::WaitConverged { .. }
            | Action::Backup
            | Action::Cut(_)
            | Action::Heal(_)
            | Action::Meet { .. }
            | Action::Start { .. }
            | Action::Stop { .. }
            | Action::DestroyDisk { .. }
            | Action::Restore { .. } => None,
        }
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
