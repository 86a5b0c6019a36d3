//! The report: the shape of its JSON, the trace, and the story as people read it.

use crate::drill::story::clock;
use std::time::Duration;

use super::json::DrillReport;
use crate::drill::fixtures::{good_run, name};
use crate::drill::judge::Observations;
use crate::drill::scenario::{Scenario, Told};
use crate::drill::story::{Outcome, Timeline};

/// Tells the whole scenario, each event a second after the other.
fn timeline(scenario: &Scenario, outcome: impl Fn(usize) -> Outcome) -> Timeline {
    let mut timeline = Timeline::begin(scenario);
    for (number, plan) in scenario.events.iter().enumerate() {
        let at = Duration::from_millis(1_000 * number as u64);
        if !plan.tell.en.is_empty() {
            timeline.tell(at, &plan.tell.en);
        }
        timeline.happened(at, scenario, plan.event.as_ref(), &outcome(number));
    }
    timeline
}

fn done(number: usize) -> Outcome {
    match number {
        0 => Outcome::Imported { resources: 1_848, patients: 25, added: 1_848 },
        1 | 9 => Outcome::Converged { after: Duration::from_millis(340) },
        2 => Outcome::BackedUp { entries: 90, bytes: 7_890 },
        4 => Outcome::Written { warnings: 0 },
        5 => Outcome::Written { warnings: 2 },
        6 => Outcome::Killed { acknowledged: 30 },
        11 => Outcome::Restored { records: 25, entries: 140 },
        _ => Outcome::Done,
    }
}

fn report(change: impl Fn(&mut Observations)) -> DrillReport {
    let (scenario, mut seen) = good_run();
    change(&mut seen);
    let timeline = timeline(&scenario, done);
    DrillReport::of(&scenario, 5, &seen, timeline)
}

#[test]
fn the_json_has_exactly_the_promised_fields() {
    let json = serde_json::to_value(report(|_| {})).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort_unstable();
        keys
    };
    let mut promised: Vec<&str> =
        "scenario mode seed trace replicas writes converged converge_after_heal_s bytes \
        conflicts alerts quarantined restore expectations passed measures findings"
            .split_whitespace()
            .collect();
    promised.sort_unstable();
    assert_eq!(keys(&json), promised);
    let of = |key: &str| keys(&json[key][0]);
    assert_eq!(of("replicas"), ["areas", "entries", "heads", "heads_before_heal", "name", "records", "role"]);
    assert_eq!(of("conflicts"), ["count", "kind", "open", "section"]);
    assert_eq!(of("alerts"), ["count", "kind", "severity"]);
    assert_eq!(of("expectations"), ["detail", "name", "ok"]);
    assert_eq!(keys(&json["writes"]), ["acknowledged", "lost"]);
    assert_eq!(keys(&json["bytes"]), ["backup", "sync"]);
    assert_eq!(keys(&json["restore"]), ["heads", "ok"]);
    assert_eq!(keys(&json["replicas"][0]["areas"][0]), ["area", "entries", "heads", "part"]);
    assert_eq!((&json["scenario"], &json["mode"]), (&"short".into(), &"live".into()));
    assert_eq!((&json["passed"], &json["writes"]["acknowledged"]), (&true.into(), &3.into()));
}

#[test]
fn one_failure_fails_the_drill_and_is_listed_first() {
    let failed = report(|seen| {
        let detail = Told::same("step 2 (wait-converged): still different after 15s");
        seen.failures.push(crate::drill::judge::Judged { name: "step".to_owned(), ok: false, detail });
    });
    assert!(!failed.passed && failed.expectations[0].name == "step");
    let lost = report(|seen| drop(seen.disks.get_mut(&name("south")).unwrap().resources.pop_first()));
    assert_eq!((lost.writes.lost, lost.passed), (1, false));
}

#[test]
fn the_trace_tells_courses_of_events_apart_and_ignores_times_and_counts() {
    let (scenario, _) = good_run();
    let told = |outcome: &dyn Fn(usize) -> Outcome, seed| timeline(&scenario, outcome).trace(seed);
    let slower = |number| match done(number) {
        Outcome::Converged { .. } => Outcome::Converged { after: Duration::from_secs(9) },
        Outcome::Killed { .. } => Outcome::Killed { acknowledged: 31 },
        other => other,
    };
    let failing = |number| match number {
        9 => Outcome::Failed { reason: "still different".into() },
        _ => done(number),
    };
    assert_eq!(told(&done, 5), told(&slower, 5));
    assert_ne!(told(&done, 5), told(&failing, 5));
    assert_ne!(told(&done, 5), told(&done, 6));
}

#[test]
fn the_story_reads_as_one() {
    let report = report(|_| {});
    let expected = "\
訓練 DRILL: an exercise. All people, places and events are invented.
A short drill
短い訓練
Two hospitals are cut off from each other.
二つの病院が孤立する。

  00:00.0  North 北 imports 1 files: 1848 resources of 25 patients, 1848 new there.
  00:01.0  All that can hear each other hold the same, after 0.3 s.
  00:02.0  North 北 writes the backup: 90 entries, 7890 bytes.
  00:03.0  The quake.
  00:03.0  Cut: every link, the bucket.
  00:04.0  South 南 stops ワルファリン of aoki.
  00:05.0  South 南 types \"と血圧\" after \"見守り\" in the hand-over of aoki, and is warned at once (2).
  00:06.0  North 北 loses power while it writes about aoki: 30 notes had been acknowledged when the power failed.
  00:07.0  North 北 starts again.
  00:08.0  Healed: every link, the bucket.
  00:09.0  All that can hear each other hold the same, after 0.3 s.
  00:10.0  The disk of South 南 is destroyed.
  00:11.0  South 南 is restored from the bucket and its recovery kit alone: 25 records, 140 entries, as a new device.
  00:12.0  South 南 starts again.
";
    let lines = report.timeline.lines.iter().map(|(at, line)| format!("  {}  {line}\n", clock(*at)));
    assert_eq!(format!("{}\n\n{}", report.timeline.opening(), lines.collect::<String>()), expected);
}

#[test]
fn a_course_adds_measures_and_findings_and_the_json_stays_small() {
    let json = serde_json::to_string(&report(|_| {}).with_course(&super::fixtures::large())).unwrap();
    assert!(json.len() < 1_000_000, "{} bytes", json.len());
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(value["measures"]["availability"]["all"]["read"].as_f64().unwrap() < 1.0);
    assert!(value["findings"][0]["kind"].is_string() && value["findings"][0]["told"]["ja"].is_string());
    assert!(serde_json::to_value(report(|_| {})).unwrap()["measures"].is_null());
}
