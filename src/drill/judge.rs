//! Judging a run: from what was observed to expectations that hold or do not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::convergence::differences;
use super::ledger::{Disk, Ledger, Loss};
use super::observer::RecordSeen;
use super::scenario::{Expectation, PatientAlias, ReplicaName, Scenario};
use crate::base::{Digest, RecordId};
use crate::replica::answer::Status;

/// Most names that one detail lists.
const NAMED_MAX: usize = 5;

/// What is said of an expectation that a run with real processes cannot judge; such a run does not fail by it.
const SIMULATED_ONLY: &str = "not applicable: judged in --sim only";

/// An expectation, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its name; `step` for an event that was not done.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
}

/// What a restore gave back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSeen {
    /// The heads before the disk was destroyed, as far as they could be asked.
    pub destroyed: Option<Digest>,
    /// The heads of what was restored.
    pub restored: Option<Digest>,
    /// What the restore complained of.
    pub problems: Vec<String>,
}

/// A disk that rotted, read once more at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The replica, by its place in the scenario.
    pub member: usize,
    /// Sectors that rotted.
    pub sectors: u64,
    /// Runs that still cannot be read and are known to be damaged; none when the store does not run.
    pub unread: Option<u64>,
}

/// What only a simulation observes, because it sees every machine from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimSeen {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Of these, those that some replica which should hold them lacks.
    pub lost: u64,
    /// Entries that are there and are not what was acknowledged.
    pub altered: u64,
    /// How many replicas hold the write that the fewest hold.
    pub held_by_least: Option<u64>,
    /// Positive allergies that a replica holds and does not show.
    pub allergies_missing: Vec<String>,
    /// What a restore of the backup gave; none when nothing was backed up.
    pub backup_restores: Option<Result<String, String>>,
    /// The disks that rotted.
    pub damage: Vec<Damage>,
    /// Whether all replicas that can reach each other hold the same.
    pub equal: bool,
    /// How many groups of replicas there are that cannot reach each other.
    pub groups: u64,
}

/// Everything that was observed of a run.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// How each replica was before the first path healed.
    pub before_heal: BTreeMap<ReplicaName, Status>,
    /// How each replica is at the end, by its disk.
    pub at_end: BTreeMap<ReplicaName, Status>,
    /// What each disk holds at the end.
    pub disks: BTreeMap<ReplicaName, Disk>,
    /// What each replica shows of each record at the end.
    pub views: BTreeMap<ReplicaName, BTreeMap<RecordId, RecordSeen>>,
    /// The records of the patients whom the scenario names.
    pub patients: BTreeMap<PatientAlias, RecordId>,
    /// What was acknowledged.
    pub ledger: Ledger,
    /// The restore, if there was one.
    pub restore: Option<RestoreSeen>,
    /// Events that were not done, and other things that went wrong.
    pub failures: Vec<Judged>,
    /// Seconds from the last heal until all held the same.
    pub converge_after_heal_s: Option<f64>,
    /// Datagram bytes that the relays delivered.
    pub sync_bytes: u64,
    /// Bytes that backups wrote.
    pub backup_bytes: u64,
    /// What only a simulation observes.
    pub sim: Option<SimSeen>,
}

impl Judged {
    /// Says whether the run could judge it at all; what it could not judge does not make it fail.
    pub fn was_judged(&self) -> bool {
        self.detail != SIMULATED_ONLY
    }
}

impl RestoreSeen {
    /// Says whether the restored disk held what the destroyed one had held.
    pub fn ok(&self) -> bool {
        self.restored.is_some() && self.restored == self.destroyed && self.problems.is_empty()
    }
}

impl Observations {
    /// Says whether all replicas hold the same at the end.
    pub fn converged(&self, scenario: &Scenario) -> bool {
        self.at_end.len() == scenario.replicas.len() && differences(&self.at_end).is_empty()
    }

    /// Names everything that was acknowledged and that some disk lacks; a disk that could not be read lacks all.
    pub fn losses(&self, scenario: &Scenario) -> Vec<Loss> {
        let disk = |name: &ReplicaName| self.disks.get(name).cloned().unwrap_or_default();
        let disks = scenario.replicas.iter().map(|plan| (plan.name.clone(), disk(&plan.name)));
        self.ledger.losses(&disks.collect())
    }

    /// Returns what the first replica that shows records shows of each.
    pub fn shown(&self) -> impl Iterator<Item = &RecordSeen> {
        self.views.values().next().into_iter().flat_map(BTreeMap::values)
    }

    /// Judges every expectation of the scenario; failures come first.
    pub fn judge(&self, scenario: &Scenario) -> Vec<Judged> {
        let mut judged = self.failures.clone();
        for expectation in &scenario.expectations {
            let (ok, detail) = self.holds(scenario, expectation);
            judged.push(Judged { name: expectation.name().to_owned(), ok, detail });
        }
        judged
    }

    fn holds(&self, scenario: &Scenario, expectation: &Expectation) -> (bool, String) {
        match expectation {
            Expectation::HeadsDifferBeforeHeal => self.heads_differ(),
            Expectation::HeadsEqualAfterHeal => self.heads_equal(scenario),
            Expectation::NoAcknowledgedWriteLost => self.nothing_lost(scenario),
            Expectation::ConflictOpen { section, kind, patient } => {
                let what = format!("conflict {section} {kind}");
                self.shown_everywhere(scenario, &what, patient.as_ref(), |record| {
                    let wanted = |c: &super::observer::ConflictSeen| {
                        c.open && c.section == *section && c.kind == *kind
                    };
                    record.conflicts().iter().filter(|conflict| wanted(conflict)).count()
                })
            }
            Expectation::AlertOpen { kind, patient } => {
                self.shown_everywhere(scenario, &format!("alert {kind}"), patient.as_ref(), |record| {
                    record.alerts().iter().filter(|alert| alert.kind == *kind).count()
                })
            }
            Expectation::RestoredHeadsEqual => self.restored(),
            Expectation::HandoverHasAll { patient } => self.handover(scenario, patient),
            Expectation::RecordsEqual => self.records_equal(scenario),
            Expectation::Writes { at_least } => {
                let acknowledged = self.ledger.acknowledged();
                (acknowledged >= *at_least, format!("{acknowledged} acknowledged, {at_least} wanted"))
            }
            Expectation::Converged { .. }
            | Expectation::NoPositiveAllergyMissing
            | Expectation::BackupRestoresEqual
            | Expectation::DamageDetected
            | Expectation::Availability { .. }
            | Expectation::Staleness { .. }
            | Expectation::HeldBy { .. }
            | Expectation::QuotaKept
            | Expectation::Rto { .. }
            | Expectation::Rpo { .. }
            | Expectation::SameTrace => (true, SIMULATED_ONLY.to_owned()),
        }
    }

    fn heads_differ(&self) -> (bool, String) {
        let heads: BTreeSet<Digest> = self.before_heal.values().map(|status| status.heads).collect();
        let told = heads_of(&self.before_heal);
        (heads.len() > 1, if told.is_empty() { "nothing was seen before the heal".to_owned() } else { told })
    }

    fn heads_equal(&self, scenario: &Scenario) -> (bool, String) {
        let unseen = unseen(scenario, &self.at_end);
        if !unseen.is_empty() {
            return (false, format!("not seen: {}", some(&unseen)));
        }
        let differing = differences(&self.at_end);
        match differing.is_empty() {
            true => (true, heads_of(&self.at_end)),
            false => (false, some(&differing)),
        }
    }

    fn nothing_lost(&self, scenario: &Scenario) -> (bool, String) {
        let unseen = unseen(scenario, &self.disks);
        if !unseen.is_empty() {
            return (false, format!("no export of {}", some(&unseen)));
        }
        let losses = self.losses(scenario);
        if losses.is_empty() {
            let (imported, written, typed) = self.ledger.counts();
            let disks = self.disks.len();
            let told = format!("{imported} resources imported, {written} written, {typed} texts typed");
            return (true, format!("{told}: all in the exports of {disks} replicas"));
        }
        let told: Vec<String> =
            losses.iter().map(|loss| format!("{} (not at {})", loss.what, names(&loss.missing_at))).collect();
        (false, format!("{} lost: {}", losses.len(), some(&told)))
    }

    fn shown_everywhere(
        &self,
        scenario: &Scenario,
        what: &str,
        patient: Option<&PatientAlias>,
        count: impl Fn(&RecordSeen) -> usize,
    ) -> (bool, String) {
        let record = patient.map(|patient| self.patients.get(patient));
        if record == Some(None) {
            return (false, "the patient was not found".to_owned());
        }
        let record = record.flatten();
        let mut told = Vec::new();
        let mut everywhere = true;
        for plan in &scenario.replicas {
            let views = self.views.get(&plan.name).into_iter().flatten();
            let wanted = views.filter(|(id, _)| record.is_none_or(|record| record == *id));
            let found: usize = wanted.map(|(_, seen)| count(seen)).sum();
            everywhere &= found > 0;
            told.push(format!("{} {found}", plan.name));
        }
        (everywhere, format!("{what}: {}", told.join(", ")))
    }

    fn restored(&self) -> (bool, String) {
        let Some(restore) = &self.restore else { return (false, "nothing was restored".to_owned()) };
        let short = |heads: Option<Digest>| heads.map_or("unknown".to_owned(), |heads| heads.short());
        let mut told = format!("held {}, restored {}", short(restore.destroyed), short(restore.restored));
        if !restore.problems.is_empty() {
            told = format!("{told}; {}", some(&restore.problems));
        }
        (restore.ok(), told)
    }

    fn handover(&self, scenario: &Scenario, patient: &PatientAlias) -> (bool, String) {
        let unseen = unseen(scenario, &self.disks);
        if !unseen.is_empty() {
            return (false, format!("no charts of {}", some(&unseen)));
        }
        let mut missing = Vec::new();
        let mut typed_count = 0;
        for typed in self.ledger.typed_for(patient) {
            typed_count += 1;
            let holds = |disk: &Disk| disk.handovers.get(&typed.record).is_some_and(|text| typed.is_in(text));
            for (name, _) in self.disks.iter().filter(|(_, disk)| !holds(disk)) {
                missing.push(format!("{name} lacks what {} typed in step {}", typed.replica, typed.step));
            }
        }
        let record = self.patients.get(patient);
        let texts: BTreeSet<&String> =
            self.disks.values().filter_map(|disk| disk.handovers.get(record?)).collect();
        match (typed_count, missing.is_empty(), texts.len()) {
            (0, _, _) => (false, "nobody typed anything that was acknowledged".to_owned()),
            (_, false, _) => (false, some(&missing)),
            (_, true, 1) => {
                (true, format!("{typed_count} texts by their authors, one merged text everywhere"))
            }
            (_, true, texts) => (false, format!("{texts} different merged texts")),
        }
    }

    fn records_equal(&self, scenario: &Scenario) -> (bool, String) {
        let unseen: Vec<String> = [unseen(scenario, &self.disks), unseen(scenario, &self.views)].concat();
        if !unseen.is_empty() {
            return (false, format!("not seen: {}", some(&unseen)));
        }
        let mut differing = BTreeSet::new();
        if let Some((first, disk)) = self.disks.iter().next() {
            for (name, other) in &self.disks {
                let keys: BTreeSet<_> = disk.resources.keys().chain(other.resources.keys()).collect();
                let differs = |key: &&&_| disk.resources.get(**key) != other.resources.get(**key);
                differing.extend(
                    keys.iter()
                        .filter(differs)
                        .map(|key| format!("{}/{} at {first} and {name}", key.resource_type, key.id)),
                );
            }
        }
        if let Some((first, views)) = self.views.iter().next() {
            for (name, other) in &self.views {
                let records: BTreeSet<_> = views.keys().chain(other.keys()).collect();
                let differs = |record: &&&RecordId| views.get(**record) != other.get(**record);
                differing.extend(
                    records
                        .iter()
                        .filter(differs)
                        .map(|record| format!("view of record {} at {first} and {name}", record.short())),
                );
            }
        }
        if !differing.is_empty() {
            return (false, format!("{} differ: {}", differing.len(), some(&differing)));
        }
        let resources = self.disks.values().next().map_or(0, |disk| disk.resources.len());
        let records = self.views.values().next().map_or(0, BTreeMap::len);
        let enough = resources > 0 && records > 0;
        (enough, format!("{resources} resources and the views of {records} records, equal everywhere"))
    }
}

fn unseen<T>(scenario: &Scenario, seen: &BTreeMap<ReplicaName, T>) -> Vec<String> {
    let missing = scenario.replicas.iter().filter(|plan| !seen.contains_key(&plan.name));
    missing.map(|plan| plan.name.to_string()).collect()
}

fn heads_of(statuses: &BTreeMap<ReplicaName, Status>) -> String {
    let told: Vec<String> =
        statuses.iter().map(|(name, status)| format!("{name} {}", status.heads.short())).collect();
    told.join(", ")
}

fn names(replicas: &[ReplicaName]) -> String {
    replicas.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Lists the first few, and says how many more there are.
fn some<'t>(items: impl IntoIterator<Item = &'t String>) -> String {
    let items: Vec<&String> = items.into_iter().collect();
    let mut told: Vec<String> = items.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if items.len() > NAMED_MAX {
        told.push(format!("and {} more", items.len() - NAMED_MAX));
    }
    told.join("; ")
}
