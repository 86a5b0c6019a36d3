//! The after-action report of a simulated drill.

use super::course::Course;
use super::expectations::came_back;
use super::judge::{Judged, Observations};
use super::observer::{AlertCount, ConflictCount};
use super::report::{DrillReport, RestoreReport, Writes};
use super::scenario::Scenario;
use super::story::Timeline;
use crate::base::Digest;

impl DrillReport {
    /// Makes the report of a simulated run: the same fields, from its course where that knows more than the exports.
    pub fn of_sim(
        scenario: &Scenario,
        seed: u64,
        (course, seen, trace): (&Course, &Observations, Digest),
        judged: Vec<Judged>,
        timeline: Timeline,
    ) -> Self {
        let mut report = Self::of(scenario, seed, seen, timeline);
        let sim = seen.sim.as_ref();
        report.mode = "sim";
        report.trace = trace;
        let lost = sim.map_or(course.lost.len() as u64, |sim| sim.lost);
        report.writes = Writes { acknowledged: course.acknowledged, lost };
        report.converged = sim.map_or(report.converged, |sim| sim.equal);
        if seen.views.is_empty() {
            (report.conflicts, report.alerts) = counts(course);
        }
        if let (None, Some(restore)) = (&report.restore, came_back(course).last()) {
            report.restore = Some(RestoreReport { ok: restore.behind == Some(0), heads: None });
        }
        report.passed = judged.iter().all(|judged| judged.ok);
        report.expectations = judged;
        report.with_course(course)
    }
}

/// Counts the disputes of a course as if they had been counted in views.
fn counts(course: &Course) -> (Vec<ConflictCount>, Vec<AlertCount>) {
    let mut conflicts: Vec<ConflictCount> = Vec::new();
    let mut alerts: Vec<AlertCount> = Vec::new();
    for dispute in &course.disputes {
        let (section, kind) = (dispute.section.clone(), dispute.kind.clone());
        if section == "alerts" {
            let same = |one: &&mut AlertCount| one.kind == kind && one.severity == dispute.harm;
            match alerts.iter_mut().find(same) {
                Some(alert) => alert.count += 1,
                None => alerts.push(AlertCount { kind, severity: dispute.harm.clone(), count: 1 }),
            }
            continue;
        }
        let open = u64::from(dispute.decided.is_none());
        let same = |one: &&mut ConflictCount| one.section == section && one.kind == kind;
        match conflicts.iter_mut().find(same) {
            Some(conflict) => {
                conflict.count += 1;
                conflict.open += open;
            }
            None => conflicts.push(ConflictCount { section, kind, count: 1, open }),
        }
    }
    conflicts.sort_by(|a, b| (&a.section, &a.kind).cmp(&(&b.section, &b.kind)));
    alerts.sort_by(|a, b| a.kind.cmp(&b.kind));
    (conflicts, alerts)
}
