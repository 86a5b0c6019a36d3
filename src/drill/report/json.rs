//! The after-action report: one JSON object with stable names, and the story that it came from.

use serde::Serialize;

use super::findings::{Finding, findings};
use super::measures::Measures;
use crate::base::{Area, Digest, Part};
use crate::drill::course::Course;
use crate::drill::judge::{Judged, Observations};
use crate::drill::observer::{AlertCount, ConflictCount, count_alerts, count_conflicts};
use crate::drill::scenario::{ReplicaPlan, Scenario, role_name};
use crate::drill::story::Timeline;

/// The result of a drill. As JSON it has exactly the fields that `musubi drill --json` promises.
#[derive(Debug, Clone, Serialize)]
pub struct DrillReport {
    /// The scenario's name.
    pub scenario: String,
    /// How it was run: `live` or `sim`.
    pub mode: &'static str,
    /// The seed of the links' fates.
    pub seed: u64,
    /// A digest over the events in their order, without times and counts: equal for equal courses of events.
    pub trace: Digest,
    /// The replicas, in the scenario's order.
    pub replicas: Vec<ReplicaReport>,
    /// What was acknowledged, and what of it was lost.
    pub writes: Writes,
    /// Whether all replicas hold the same at the end.
    pub converged: bool,
    /// Seconds from the last heal until all held the same; none when they never did.
    pub converge_after_heal_s: Option<f64>,
    /// Bytes that were moved.
    pub bytes: Bytes,
    /// Conflicts by section and kind.
    pub conflicts: Vec<ConflictCount>,
    /// Alerts by kind.
    pub alerts: Vec<AlertCount>,
    /// Entries that no replica could join to a record, over all replicas.
    pub quarantined: u64,
    /// The restore; none when the scenario has none.
    pub restore: Option<RestoreReport>,
    /// The expectations, failures of steps first.
    pub expectations: Vec<Judged>,
    /// Whether every expectation holds.
    pub passed: bool,
    /// What the run measures; none when no course of it was recorded.
    pub measures: Option<Measures>,
    /// What the measures mean, ranked; empty when no course was recorded.
    pub findings: Vec<Finding>,
    /// What happened, line by line.
    #[serde(skip)]
    pub timeline: Timeline,
}

/// One replica at the end.
#[derive(Debug, Clone, Serialize)]
pub struct ReplicaReport {
    /// Its name in the scenario.
    pub name: String,
    /// What it does: `hospital`, `tablet` or `gateway`.
    pub role: String,
    /// Records held.
    pub records: u64,
    /// Entries held.
    pub entries: u64,
    /// Its heads before the first path healed; none when it was not asked.
    pub heads_before_heal: Option<Digest>,
    /// Its heads at the end; none when its disk could not be read.
    pub heads: Option<Digest>,
    /// The heads of each area and part at the end.
    pub areas: Vec<AreaReport>,
}

/// The heads of one area and part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AreaReport {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The digest over its lanes' heads.
    pub heads: Digest,
    /// Its entries.
    pub entries: u64,
}

/// What was acknowledged, and what of it was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// Live, the resources imported, writes, and texts typed that were acknowledged; in a simulation the entries
    /// that they made.
    pub acknowledged: u64,
    /// Those that some replica's disk lacks at the end.
    pub lost: u64,
}

/// Bytes that were moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// UDP payload that the relays delivered between the replicas.
    pub sync: u64,
    /// Objects that backups wrote.
    pub backup: u64,
}

/// A restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// Whether the restored disk held what the destroyed one had held.
    pub ok: bool,
    /// The heads of what was restored; none where they were not noted: a simulation counts entries instead.
    pub heads: Option<Digest>,
}

impl DrillReport {
    /// Makes the report of a run.
    pub fn of(scenario: &Scenario, seed: u64, seen: &Observations, timeline: Timeline) -> Self {
        let replica = |plan: &ReplicaPlan| {
            let status = seen.at_end.get(&plan.name);
            let area = |group: &crate::replica::answer::GroupHeads| AreaReport {
                area: group.area.clone(),
                part: group.part,
                heads: group.digest,
                entries: group.entries,
            };
            ReplicaReport {
                name: plan.name.to_string(),
                role: role_name(plan.role).to_owned(),
                records: status.map_or(0, |status| status.records),
                entries: status.map_or(0, |status| status.entries),
                heads_before_heal: seen.before_heal.get(&plan.name).map(|status| status.heads),
                heads: status.map(|status| status.heads),
                areas: status.map(|status| status.groups.iter().map(area).collect()).unwrap_or_default(),
            }
        };
        let expectations = seen.judge(scenario);
        Self {
            scenario: scenario.name.clone(),
            mode: "live",
            seed,
            trace: timeline.trace(seed),
            replicas: scenario.replicas.iter().map(replica).collect(),
            writes: Writes {
                acknowledged: seen.ledger.acknowledged(),
                lost: seen.losses(scenario).len() as u64,
            },
            converged: seen.converged(scenario),
            converge_after_heal_s: seen.converge_after_heal_s,
            bytes: Bytes { sync: seen.sync_bytes, backup: seen.backup_bytes },
            conflicts: count_conflicts(seen.shown()),
            alerts: count_alerts(seen.shown()),
            quarantined: seen.at_end.values().map(|status| status.quarantined).sum(),
            restore: seen
                .restore
                .as_ref()
                .map(|restore| RestoreReport { ok: restore.ok(), heads: restore.restored }),
            passed: expectations.iter().all(|judged| judged.ok),
            expectations,
            measures: None,
            findings: Vec::new(),
            timeline,
        }
    }

    /// Adds what a recorded course measures, and the findings.
    pub fn with_course(mut self, course: &Course) -> Self {
        let measures = Measures::of(course);
        self.findings = findings(course, &measures);
        self.measures = Some(measures);
        self
    }
}
