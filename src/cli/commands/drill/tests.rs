//! `musubi drill`: what is asked of the layers below, and what is told.

use crate::backup::BucketUrl;
use crate::cli::engine::DrillMode;
use crate::cli::fixtures::{Asked, Fake, text};
use crate::drill::compare::Against;

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
    let outcome = fake.run(&["drill", "scenarios/q.toml", "--seed", "7", "--bucket", "file:///b"]).unwrap();
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
    assert_eq!((drill.seed, drill.mode, &drill.sabotage), (Some(7), DrillMode::AsItCan, &None));
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

#[test]
fn a_simulated_drill_tells_its_trace_and_the_command_that_repeats_it() {
    let mut answer = report(true);
    answer["command"] = "musubi drill q.toml --sim --seed 7".into();
    answer["page"] = "q.html".into();
    let fake = Fake::answering(answer);
    let outcome = fake.run(&["drill", "q.toml", "--sim", "--twice", "--report", "q.html"]).unwrap();
    let end = "PASSED\ntrace 00\nagain musubi drill q.toml --sim --seed 7\npage  q.html";
    assert!(text(&outcome).ends_with(end), "{}", text(&outcome));
    let asked = fake.asked();
    let [Asked::Drill(drill)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((drill.mode, drill.twice), (DrillMode::Sim, true));
    assert_eq!(drill.report.as_deref(), Some("q.html".as_ref()));
}

#[test]
fn ways_to_run_that_exclude_each_other_are_refused() {
    let fake = Fake::answering(report(true));
    for words in [
        &["drill", "q.toml", "--sim", "--live"][..],
        &["drill", "q.toml", "--sim", "--bucket", "file:///b"],
        &["drill", "q.toml", "--netns"],
        &["drill", "q.toml", "--sim", "--netns"],
        &["drill", "q.toml", "--twice"],
        &["drill", "q.toml", "--schema"],
        &["drill"],
        &["drill", "compare", "q.toml", "--sweep", "0"],
    ] {
        assert_eq!(fake.run(words).unwrap_err().status, 2, "{words:?}");
    }
    assert!(fake.asked().is_empty());
}

#[test]
fn the_schema_is_printed_without_a_scenario() {
    let fake = Fake::answering(report(true));
    let outcome = fake.run(&["drill", "--schema"]).unwrap();
    assert_eq!(outcome.status, 0);
    let schema: serde_json::Value = serde_json::from_str(text(&outcome)).unwrap();
    assert!(schema["properties"]["event"].is_object());
}

#[test]
fn a_comparison_is_with_a_central_system_unless_something_else_is_named() {
    let against = |words: &[&str]| {
        let fake = Fake::answering(serde_json::json!({ "passed": false }));
        let outcome = fake.run(&[&["drill", "compare", "q.toml"], words].concat()).unwrap();
        assert_eq!((outcome.status, text(&outcome)), (1, "told"));
        let asked = fake.asked();
        let [Asked::Compare(wanted)] = asked.as_slice() else { panic!("{asked:?}") };
        (wanted.against.clone(), wanted.sweep)
    };
    assert_eq!(against(&[]), (vec![Against::Central], None));
    assert_eq!(against(&["--with", "dish.toml"]), (vec![Against::File("dish.toml".into())], None));
    assert_eq!(against(&["--sweep", "9"]), (vec![], Some(9)));
}

#[test]
fn a_door_is_for_drills_and_stands_in_no_help() {
    use clap::CommandFactory as _;
    let fake = Fake::answering(report(true));
    assert_eq!(text(&fake.run(&["drill", "door", "198.18.0.2:4747"]).unwrap()), "");
    let asked = fake.asked();
    let [Asked::Door(listen)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(listen.to_string(), "198.18.0.2:4747");
    let mut command = crate::cli::args::Cli::command();
    let help = command.find_subcommand_mut("drill").unwrap().render_long_help().to_string();
    assert!(!help.contains("door"), "{help}");
}

#[test]
fn namespaces_are_for_real_processes() {
    let fake = Fake::answering(report(true));
    fake.run(&["drill", "q.toml", "--live", "--netns", "--report", "q.html"]).unwrap();
    let asked = fake.asked();
    let [Asked::Drill(drill)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((drill.mode, drill.netns), (DrillMode::Live, true));
}

#[test]
fn a_swarm_takes_its_seeds_and_threads() {
    let fake = Fake::answering(serde_json::json!({ "passed": true }));
    let words = ["drill", "swarm", "--seeds", "3", "--from", "7", "--threads", "2", "--shrink-to", "found"];
    assert_eq!(fake.run(&words).unwrap().status, 0);
    let asked = fake.asked();
    let [Asked::Swarm(wanted)] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((wanted.first_seed, wanted.seeds, wanted.threads), (7, 3, 2));
    assert_eq!(wanted.shrink_to.as_deref(), Some("found".as_ref()));
}
