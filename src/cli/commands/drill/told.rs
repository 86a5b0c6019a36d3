//! The text that is told of a drill, from its report.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::failure::{DONE, Failure, NOT_DONE};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, count, size};
use crate::drill::judge::NOTHING_TO_JUDGE;

/// What is told of a drill's report; the whole of it is printed with `--json`.
#[derive(Debug, Deserialize)]
struct Report {
    scenario: String,
    mode: String,
    seed: u64,
    #[serde(default)]
    replicas: Vec<Replica>,
    writes: Writes,
    converged: bool,
    converge_after_heal_s: Option<f64>,
    bytes: Option<Bytes>,
    #[serde(default)]
    conflicts: Vec<Conflicts>,
    #[serde(default)]
    alerts: Vec<Alerts>,
    restore: Option<RestoreReport>,
    expectations: Vec<Expectation>,
    passed: bool,
    #[serde(default)]
    trace: String,
    /// The command that runs it again.
    command: Option<String>,
    /// Where the page was written.
    page: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    name: String,
    role: String,
    records: u64,
    entries: u64,
    heads: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Writes {
    acknowledged: u64,
    lost: u64,
}

#[derive(Debug, Deserialize)]
struct Bytes {
    sync: u64,
    backup: u64,
}

#[derive(Debug, Deserialize)]
struct Conflicts {
    section: String,
    kind: String,
    count: u64,
    open: u64,
}

#[derive(Debug, Deserialize)]
struct Alerts {
    kind: String,
    severity: String,
    count: u64,
}

#[derive(Debug, Deserialize)]
struct RestoreReport {
    ok: bool,
}

#[derive(Debug, Deserialize)]
struct Expectation {
    name: String,
    ok: bool,
    #[serde(default)]
    detail: String,
}

/// Tells a report as text, with the exit status that it deserves.
///
/// # Errors
/// [`Failure`] when the report has another form.
pub(super) fn outcome(answer: Value, paper: Paper) -> Result<Outcome, Failure> {
    let report: Report = read(&answer)?;
    let status = match report.passed {
        true => DONE,
        false => NOT_DONE,
    };
    let text = render(&report, paper);
    Ok(Outcome::done(answer, text).status(status))
}

fn render(report: &Report, paper: Paper) -> String {
    let converged = match (report.converged, report.converge_after_heal_s) {
        (true, Some(seconds)) => format!("yes, {seconds:.1} s after the network healed"),
        (true, None) => "yes".to_owned(),
        (false, _) => "NO".to_owned(),
    };
    let mut rows = vec![
        ("drill", format!("{} ({}, seed {})", report.scenario, report.mode, report.seed)),
        (
            "writes",
            format!("{} acknowledged, {} lost", count(report.writes.acknowledged), count(report.writes.lost)),
        ),
        ("converged", converged),
    ];
    if let Some(bytes) = &report.bytes {
        rows.push(("bytes", format!("{} by sync, {} by backup", size(bytes.sync), size(bytes.backup))));
    }
    if !report.conflicts.is_empty() {
        let told = |c: &Conflicts| format!("{} {} of {} ({} open)", c.count, c.kind, c.section, c.open);
        rows.push(("conflicts", report.conflicts.iter().map(told).collect::<Vec<_>>().join("\n")));
    }
    if !report.alerts.is_empty() {
        let told = |a: &Alerts| format!("{} {} ({})", a.count, a.kind, a.severity);
        rows.push(("alerts", report.alerts.iter().map(told).collect::<Vec<_>>().join("\n")));
    }
    if let Some(restore) = &report.restore {
        let told = match restore.ok {
            true => "equal to what was lost",
            false => "FAILED",
        };
        rows.push(("restore", told.to_owned()));
    }
    let replicas = report.replicas.iter().map(|replica| {
        let heads = match &replica.heads {
            Some(heads) => heads.chars().take(16).collect(),
            None => "could not be read".to_owned(),
        };
        vec![
            replica.name.clone(),
            replica.role.clone(),
            count(replica.records),
            count(replica.entries),
            heads,
        ]
    });
    let expectations = report.expectations.iter().map(|expectation| {
        let mark = match expectation.ok {
            // What looked at nothing has shown nothing.
            true if expectation.detail.starts_with(NOTHING_TO_JUDGE) => "-",
            true => "ok",
            false => "FAILED",
        };
        vec![mark.to_owned(), expectation.name.clone(), expectation.detail.clone()]
    });
    let mut verdict = match report.passed {
        true => "PASSED".to_owned(),
        false => format!("FAILED; the same drill again: --seed {}", report.seed),
    };
    if let Some(command) = &report.command {
        verdict = format!("{verdict}\ntrace {}\nagain {command}", report.trace);
    }
    if let Some(page) = &report.page {
        verdict = format!("{verdict}\npage  {page}");
    }
    [
        paper.fields(&rows),
        paper.table(&["replica", "role", "records", "entries", "heads"], replicas.collect()),
        paper.table(&["", "expectation", "detail"], expectations.collect()),
        verdict,
    ]
    .join("\n")
}
