//! Judging a run: from what was observed to expectations that hold or do not.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use super::convergence::differences;
use super::ledger::{Disk, Ledger, Loss};
use super::observer::RecordSeen;
use super::scenario::{Expectation, PatientAlias, ReplicaName, Scenario, Told};
use super::units::{self, coded};
use crate::base::{Digest, RecordId};
use crate::replica::answer::Status;

/// Most names that one detail lists.
const NAMED_MAX: usize = 5;

/// What is said of an expectation that a run with real processes cannot judge; such a run does not fail by it.
const SIMULATED_ONLY: [&str; 2] =
    ["not applicable: judged in --sim only", "対象外：模擬訓練（--sim）でのみ判定する"];

/// How the English detail of a check begins that holds because there was nothing that it could have looked at.
pub const NOTHING_TO_JUDGE: &str = "nothing to judge: ";
/// The same in Japanese.
const NOTHING_JA: &str = "判定の対象なし：";

/// An expectation, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its name; `step` for an event that was not done.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen, in both languages; as JSON in English.
    #[serde(serialize_with = "english")]
    pub detail: Told,
}

fn english<S: Serializer>(told: &Told, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&told.en)
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
    /// Positive allergies that were looked for, each at each replica that was read.
    pub allergies_looked_for: u64,
    /// Positive allergies that a replica holds and does not show.
    pub allergies_missing: Vec<String>,
    /// What was compared with the ledger, in a small region.
    pub clinical: super::invariants::ClinicalSeen,
    /// What a restore of the backup gave; none when nothing was backed up.
    pub backup_restores: Option<Result<Told, Told>>,
    /// The disks that rotted.
    pub damage: Vec<Damage>,
    /// Whether all replicas that can reach each other hold the same.
    pub equal: bool,
    /// How many groups of replicas there are that cannot reach each other.
    pub groups: u64,
}

/// What a link of a live run with a quota has carried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    /// The names of its ends.
    pub between: String,
    /// Bytes carried while it had the quota.
    pub carried: u64,
    /// Bytes that were offered beyond the quota, and did not pass.
    pub refused: u64,
    /// The quota.
    pub quota: u64,
}

impl Metered {
    fn told(&self) -> String {
        let Metered { between, carried, refused, quota } = self;
        match refused {
            0 => format!("{between} {carried} / {quota} B"),
            more => format!("{between} {carried} / {quota} B, and {more} B beyond"),
        }
    }
}

/// Everything that was observed of a run.
#[derive(Debug, Clone, Default)]
pub struct Observations {
    /// How each replica was before the first path healed.
    pub before_heal: BTreeMap<ReplicaName, Status>,
    /// How each replica is at the end, by its disk.
    pub at_end: BTreeMap<ReplicaName, Status>,
    /// What each disk holds at the end, of replicas that hold their areas whole.
    pub disks: BTreeMap<ReplicaName, Disk>,
    /// What each of these replicas shows of each record at the end.
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
    /// What the links with a quota have carried, in a run with real processes.
    pub metered: Vec<Metered>,
    /// What only a simulation observes.
    pub sim: Option<SimSeen>,
}

impl Judged {
    /// Says whether the run could judge it at all; what it could not judge does not make it fail, and is no success.
    pub fn was_judged(&self) -> bool {
        self.detail.en != SIMULATED_ONLY[0] && !self.had_nothing()
    }

    /// Says whether there was nothing to look at, so that it holds for want of a case.
    pub fn had_nothing(&self) -> bool {
        self.ok && self.detail.en.starts_with(NOTHING_TO_JUDGE)
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
        let whole = scenario.replicas.iter().filter(|plan| plan.in_part.is_empty());
        let disks = whole.map(|plan| (plan.name.clone(), disk(&plan.name)));
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

    fn holds(&self, scenario: &Scenario, expectation: &Expectation) -> (bool, Told) {
        match expectation {
            Expectation::HeadsDifferBeforeHeal => self.heads_differ(),
            Expectation::HeadsEqualAfterHeal => self.heads_equal(scenario),
            Expectation::NoAcknowledgedWriteLost => self.nothing_lost(scenario),
            Expectation::ConflictOpen { section, kind, patient } => {
                let (of, what) = (units::section(section), coded(kind));
                let what = Told::of(
                    format!("conflict ({}: {})", of.en, what.en),
                    format!("{}の矛盾（{}）", of.ja, what.ja),
                );
                self.shown_everywhere(scenario, &what, patient.as_ref(), |record| {
                    let wanted = |c: &super::observer::ConflictSeen| {
                        c.open && c.section == *section && c.kind == *kind
                    };
                    record.conflicts().iter().filter(|conflict| wanted(conflict)).count()
                })
            }
            Expectation::AlertOpen { kind, patient } => {
                let what = coded(kind);
                let what = Told::of(format!("alert ({})", what.en), format!("安全警告（{}）", what.ja));
                self.shown_everywhere(scenario, &what, patient.as_ref(), |record| {
                    record.alerts().iter().filter(|alert| alert.kind == *kind).count()
                })
            }
            Expectation::RestoredHeadsEqual => self.restored(),
            Expectation::HandoverHasAll { patient } => self.handover(scenario, patient),
            Expectation::RecordsEqual => self.records_equal(scenario),
            Expectation::Writes { at_least } => {
                let acknowledged = self.ledger.acknowledged();
                (acknowledged >= *at_least, wanted(acknowledged, *at_least))
            }
            Expectation::QuotaKept => self.quotas(),
            Expectation::Converged { .. }
            | Expectation::NoPositiveAllergyMissing
            | Expectation::Clinical(_)
            | Expectation::BackupRestoresEqual
            | Expectation::DamageDetected
            | Expectation::Availability { .. }
            | Expectation::Staleness { .. }
            | Expectation::HeldBy { .. }
            | Expectation::EverywhereWithin { .. }
            | Expectation::Waited { .. }
            | Expectation::CardsAfterReturn { .. }
            | Expectation::MemoryKept { .. }
            | Expectation::TurnedAway { .. }
            | Expectation::Rto { .. }
            | Expectation::Rpo { .. }
            | Expectation::SameTrace => {
                let [en, ja] = SIMULATED_ONLY;
                (true, Told::of(en, ja))
            }
        }
    }

    fn heads_differ(&self) -> (bool, Told) {
        let heads: BTreeSet<Digest> = self.before_heal.values().map(|status| status.heads).collect();
        let told = heads_of(&self.before_heal);
        let nothing = Told::of("nothing was seen before the heal", "復旧前の状態は観測されなかった");
        (heads.len() > 1, if told.is_empty() { nothing } else { Told::same(told) })
    }

    fn heads_equal(&self, scenario: &Scenario) -> (bool, Told) {
        let unseen = unseen(scenario, &self.at_end);
        if !unseen.is_empty() {
            return (false, not_seen(&unseen));
        }
        let differing = differences(&self.at_end);
        match differing.is_empty() {
            true => (true, Told::same(heads_of(&self.at_end))),
            false => (false, Told::some(&differing, NAMED_MAX)),
        }
    }

    fn nothing_lost(&self, scenario: &Scenario) -> (bool, Told) {
        let unseen = unseen(scenario, &self.disks);
        if !unseen.is_empty() {
            return (false, led(["no export of", "書き出しのない拠点："], &unseen));
        }
        let losses = self.losses(scenario);
        if losses.is_empty() {
            let (imported, written, typed) = self.ledger.counts();
            let disks = self.disks.len();
            let en = format!("{imported} resources imported, {written} written, {typed} texts typed");
            let ja = format!("取り込み {imported} 件、記入 {written} 件、申し送りの入力 {typed} 件");
            return (
                true,
                Told::of(
                    format!("{en}: all in the exports of {disks} replicas"),
                    format!("{ja}：すべて {disks} 拠点の書き出しにある"),
                ),
            );
        }
        let told: Vec<String> =
            losses.iter().map(|loss| format!("{} (not at {})", loss.what, names(&loss.missing_at))).collect();
        let (count, told) = (losses.len(), Told::some(&told, NAMED_MAX));
        (false, Told::of(format!("{count} lost: {}", told.en), format!("{count} 件が失われた：{}", told.ja)))
    }

    fn shown_everywhere(
        &self,
        scenario: &Scenario,
        what: &Told,
        patient: Option<&PatientAlias>,
        count: impl Fn(&RecordSeen) -> usize,
    ) -> (bool, Told) {
        let record = patient.map(|patient| self.patients.get(patient));
        if record == Some(None) {
            return (false, Told::of("the patient was not found", "患者が見つからなかった"));
        }
        let record = record.flatten();
        let mut told = Vec::new();
        let mut everywhere = true;
        for plan in scenario.replicas.iter().filter(|plan| plan.in_part.is_empty()) {
            let views = self.views.get(&plan.name).into_iter().flatten();
            let wanted = views.filter(|(id, _)| record.is_none_or(|record| record == *id));
            let found: usize = wanted.map(|(_, seen)| count(seen)).sum();
            everywhere &= found > 0;
            told.push(format!("{} {found}", plan.name));
        }
        let told = told.join(", ");
        (
            everywhere,
            Told::of(format!("{}: {told}", what.en), format!("{}：{told}（拠点ごとの件数）", what.ja)),
        )
    }

    fn restored(&self) -> (bool, Told) {
        let Some(restore) = &self.restore else { return (false, nothing_restored()) };
        let short = |heads: Option<Digest>| heads.map_or("unknown".to_owned(), |heads| heads.short());
        let (held, restored) = (short(restore.destroyed), short(restore.restored));
        let mut told = Told::of(
            format!("held {held}, restored {restored}"),
            format!("失われたもの {held}、復元されたもの {restored}"),
        );
        if !restore.problems.is_empty() {
            let problems = Told::some(&restore.problems, NAMED_MAX);
            told = Told::of(format!("{}; {}", told.en, problems.en), format!("{}；{}", told.ja, problems.ja));
        }
        (restore.ok(), told)
    }

    /// No link has carried more than its quota in a run with real processes, which is shorter than a day.
    fn quotas(&self) -> (bool, Told) {
        if self.metered.is_empty() {
            return (true, nothing_to_judge("no link has a quota", "上限のある回線がない"));
        }
        let over = self.metered.iter().any(|link| link.carried > link.quota || link.refused > 0);
        let told: Vec<String> = self.metered.iter().map(Metered::told).collect();
        (!over, Told::some(&told, NAMED_MAX))
    }

    fn handover(&self, scenario: &Scenario, patient: &PatientAlias) -> (bool, Told) {
        let unseen = unseen(scenario, &self.disks);
        if !unseen.is_empty() {
            return (false, led(["no charts of", "申し送りのない拠点："], &unseen));
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
            (0, _, _) => (
                false,
                Told::of("nobody typed anything that was acknowledged", "受理された入力が一つもなかった"),
            ),
            (_, false, _) => (false, Told::some(&missing, NAMED_MAX)),
            (_, true, 1) => (
                true,
                Told::of(
                    format!("{typed_count} texts by their authors, one merged text everywhere"),
                    format!("{typed_count} 件の入力がすべて残り、どこでも同じ一つの文になった"),
                ),
            ),
            (_, true, texts) => (
                false,
                Told::of(format!("{texts} different merged texts"), format!("{texts} 通りの文に分かれた")),
            ),
        }
    }

    fn records_equal(&self, scenario: &Scenario) -> (bool, Told) {
        let unseen: Vec<String> = [unseen(scenario, &self.disks), unseen(scenario, &self.views)].concat();
        if !unseen.is_empty() {
            return (false, not_seen(&unseen));
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
            let differing: Vec<String> = differing.into_iter().collect();
            let (count, told) = (differing.len(), Told::some(&differing, NAMED_MAX));
            return (
                false,
                Told::of(format!("{count} differ: {}", told.en), format!("{count} 件が異なる：{}", told.ja)),
            );
        }
        let resources = self.disks.values().next().map_or(0, |disk| disk.resources.len());
        let records = self.views.values().next().map_or(0, BTreeMap::len);
        let enough = resources > 0 && records > 0;
        (
            enough,
            Told::of(
                format!("{resources} resources and the views of {records} records, equal everywhere"),
                format!("リソース {resources} 件と患者記録 {records} 件の画面が、どこでも等しい"),
            ),
        )
    }
}

fn unseen<T>(scenario: &Scenario, seen: &BTreeMap<ReplicaName, T>) -> Vec<String> {
    let whole = scenario.replicas.iter().filter(|plan| plan.in_part.is_empty());
    let missing = whole.filter(|plan| !seen.contains_key(&plan.name));
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

fn not_seen(names: &[String]) -> Told {
    led(["not seen:", "観測できなかった拠点："], names)
}

/// Lists names after words in English and Japanese.
fn led([en, ja]: [&str; 2], names: &[String]) -> Told {
    let names = Told::some(names, NAMED_MAX);
    Told::of(format!("{en} {}", names.en), format!("{ja}{}", names.ja))
}

/// Says that there was nothing to look at, and why, in English and Japanese.
pub(super) fn nothing_to_judge(why_en: &str, why_ja: &str) -> Told {
    Told::of(format!("{NOTHING_TO_JUDGE}{why_en}"), format!("{NOTHING_JA}{why_ja}"))
}

/// Says that nothing came back.
pub(super) fn nothing_restored() -> Told {
    Told::of("nothing was restored", "何も復元されなかった")
}

/// Says how many writes were acknowledged, and how many there should be.
pub(super) fn wanted(acknowledged: u64, at_least: u64) -> Told {
    Told::of(
        format!("{acknowledged} acknowledged (at least {at_least} wanted)"),
        format!("受理 {acknowledged} 件（下限 {at_least} 件）"),
    )
}
