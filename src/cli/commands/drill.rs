//! `musubi drill`: rehearses the disaster of a scenario and tells what came of it.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::cli::args::Context;
use crate::cli::engine::Drill;
use crate::cli::failure::{DONE, Failure, NOT_DONE};
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{Paper, count, size};
use crate::cli::values::bucket;

/// Rehearse a disaster: runs a scenario with replicas of a realm of its own, and checks what is expected of it.
///
/// Exit status 1 when an expectation fails or an acknowledged write is lost.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi drill scenarios/miura-quake.toml
  musubi drill scenarios/miura-quake.toml --live --seed 7 --json
  musubi drill scenarios/miura-quake.toml --bucket \"s3://drill/miura?endpoint=http://127.0.0.1:8333\"
")]
pub struct DrillCommand {
    /// The scenario.
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// Run real processes over a real network, with faults made by a relay: the only way so far, and the default.
    #[arg(long)]
    live: bool,
    /// Draw what the links do to each packet from this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Keep the backup in this bucket in place of a folder of the drill's own.
    #[arg(long, value_name = "URL")]
    bucket: Option<String>,
    /// Plant a fault that the drill must find.
    #[cfg(any(debug_assertions, feature = "sabotage"))]
    #[arg(long, value_name = "NAME", hide = true)]
    sabotage: Option<String>,
}

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

impl DrillCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the scenario is wrong or the drill could not be run.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let wanted = Drill {
            scenario: self.scenario.clone(),
            live: self.live,
            seed: self.seed,
            bucket: self.bucket.as_deref().map(bucket).transpose()?,
            sabotage: self.sabotage(),
            json: context.json,
        };
        let answer = context.engine.drill(wanted, &context.progress)?;
        let report: Report = read(&answer)?;
        let status = match report.passed {
            true => DONE,
            false => NOT_DONE,
        };
        Ok(Outcome::done(answer, render(&report, context.paper)).status(status))
    }

    #[cfg(any(debug_assertions, feature = "sabotage"))]
    fn sabotage(&self) -> Option<String> {
        self.sabotage.clone()
    }

    #[cfg(not(any(debug_assertions, feature = "sabotage")))]
    fn sabotage(&self) -> Option<String> {
        None
    }
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
            true => "ok",
            false => "FAILED",
        };
        vec![mark.to_owned(), expectation.name.clone(), expectation.detail.clone()]
    });
    let verdict = match report.passed {
        true => "PASSED".to_owned(),
        false => format!("FAILED; the same drill again: --seed {}", report.seed),
    };
    [
        paper.fields(&rows),
        paper.table(&["replica", "role", "records", "entries", "heads"], replicas.collect()),
        paper.table(&["", "expectation", "detail"], expectations.collect()),
        verdict,
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use crate::backup::BucketUrl;
    use crate::cli::fixtures::{Asked, Fake, text};

    fn report(ok: bool) -> serde_json::Value {
        serde_json::json!({
            "scenario": "miura-quake", "mode": "live", "seed": 7, "trace": "00",
            "replicas": [{
                "name": "north", "role": "hospital", "records": 1_000, "entries": 5_000,
                "heads_before_heal": "11", "heads": "abcdef0123456789abcdef", "areas": []
            }],
            "writes": { "acknowledged": 1_200, "lost": u8::from(!ok) },
            "converged": true, "converge_after_heal_s": 1.25,
            "bytes": { "sync": 1_500_000, "backup": 420_000 },
            "conflicts": [{ "section": "medication", "kind": "dose", "count": 2, "open": 1 }],
            "alerts": [{ "kind": "allergy", "severity": "high", "count": 1 }],
            "quarantined": 0, "restore": { "ok": ok, "heads": "ab" },
            "expectations": [{ "name": "no write is lost", "ok": ok, "detail": "1,200 of 1,200 found" }],
            "passed": ok
        })
    }

    #[test]
    fn a_drill_that_passed_is_told_from_the_report() {
        let fake = Fake::answering(report(true));
        let outcome =
            fake.run(&["drill", "scenarios/q.toml", "--seed", "7", "--bucket", "file:///b"]).unwrap();
        assert_eq!(outcome.status, 0);
        let expected = "\
drill      miura-quake (live, seed 7)
writes     1,200 acknowledged, 0 lost
converged  yes, 1.2 s after the network healed
bytes      1.5 MB by sync, 420.0 kB by backup
conflicts  2 dose of medication (1 open)
alerts     1 allergy (high)
restore    equal to what was lost
┌─────────┬──────────┬─────────┬─────────┬──────────────────┐
│ replica ┆ role     ┆ records ┆ entries ┆ heads            │
╞═════════╪══════════╪═════════╪═════════╪══════════════════╡
│ north   ┆ hospital ┆ 1,000   ┆ 5,000   ┆ abcdef0123456789 │
└─────────┴──────────┴─────────┴─────────┴──────────────────┘
┌────┬──────────────────┬──────────────────────┐
│    ┆ expectation      ┆ detail               │
╞════╪══════════════════╪══════════════════════╡
│ ok ┆ no write is lost ┆ 1,200 of 1,200 found │
└────┴──────────────────┴──────────────────────┘
PASSED";
        assert_eq!(text(&outcome), expected);
        let asked = fake.asked();
        let [Asked::Drill(drill)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!((drill.seed, drill.live, &drill.sabotage), (Some(7), false, &None));
        assert!(matches!(drill.bucket, Some(BucketUrl::File { .. })));
    }

    #[test]
    fn a_failed_expectation_fails_the_command_and_names_the_seed() {
        let outcome = Fake::answering(report(false)).run(&["drill", "scenarios/q.toml"]).unwrap();
        assert_eq!(outcome.status, 1);
        assert!(text(&outcome).ends_with("FAILED; the same drill again: --seed 7"));
        assert!(text(&outcome).contains("│ FAILED ┆ no write is lost"));
    }

    #[test]
    fn a_replica_whose_disk_could_not_be_read_is_told_too() {
        let mut report = report(false);
        report["replicas"][0]["heads"] = serde_json::Value::Null;
        let outcome = Fake::answering(report).run(&["drill", "scenarios/q.toml"]).unwrap();
        assert_eq!(outcome.status, 1);
        assert!(text(&outcome).contains("could not be read"));
    }

    #[cfg(any(debug_assertions, feature = "sabotage"))]
    #[test]
    fn sabotage_is_passed_on_and_hidden() {
        use clap::CommandFactory as _;
        let fake = Fake::answering(report(false));
        fake.run(&["drill", "q.toml", "--sabotage", "drop-write"]).unwrap();
        let asked = fake.asked();
        let [Asked::Drill(drill)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(drill.sabotage.as_deref(), Some("drop-write"));
        let mut command = crate::cli::args::Cli::command();
        let help = command.find_subcommand_mut("drill").unwrap().render_long_help().to_string();
        assert!(!help.contains("sabotage"), "{help}");
    }
}
