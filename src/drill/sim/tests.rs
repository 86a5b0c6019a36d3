//! Small regions, simulated.

use std::path::Path;
use std::time::Duration;

use super::run::{SimOptions, SimRun, simulate};
use crate::base::planted::{AVAILABLE, Plant};
use crate::drill::course::Act;
use crate::drill::invariants::{self, Evidence};
use crate::drill::scenario::Scenario;

fn scenario(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn run(scenario: &Scenario, seed: u64, plant: Option<Plant>) -> SimRun {
    simulate(scenario, SimOptions { seed, plant }, &mut |_, _| {}).unwrap()
}

fn broken(scenario: &Scenario, run: &SimRun) -> Vec<String> {
    let evidence = Evidence { scenario, course: &run.course, seen: &run.seen };
    let judged = invariants::all(&evidence).into_iter().chain(run.seen.failures.clone());
    judged
        .filter(|judged| !judged.ok)
        .map(|judged| format!("{}: {}", judged.name, judged.detail.en))
        .collect()
}

#[test]
fn the_first_drill_holds_every_invariant() {
    let scenario = scenario("miura-quake.toml");
    let one = run(&scenario, 1, None);
    assert_eq!(broken(&scenario, &one), [""; 0]);
    assert!(one.course.faults.connections_broken > 0 && one.course.faults.power_cuts == 2);
    // A dose and its stop, an allergy, and warfarin beside the other anticoagulant of the imported patient.
    let kinds: Vec<&str> = one.course.disputes.iter().map(|dispute| dispute.kind.as_str()).collect();
    assert_eq!(kinds, ["drug-allergy", "dose-vs-stop", "duplicate-class"], "{:?}", one.course.disputes);
    // Nobody was registered at North: its power fails in the middle of a write all the same.
    assert!(one.course.faults.sectors_lost > 0, "{:?}", one.course.faults);
    // South prescribes what the shelter has been told is dangerous, and cannot know.
    let blind = one.course.decisions.iter().filter(|decision| decision.unknown > 0);
    assert!(
        blind.clone().any(|decision| (decision.member, decision.act) == (1, Act::Medication)),
        "{blind:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let scenario = small(
        r#"
        [[event]]
        time = "1h"
        do = "power-loss"
        at = "clinic"
        for = "5m"
        [[workload]]
        at = ["hospital", "clinic"]
        until = "4h"
        arrivals-per-hour = 1
        notes-per-hour = 1
        "#,
    );
    let one = run(&scenario, 1, None);
    assert_eq!(broken(&scenario, &one), [""; 0]);
    assert_eq!(run(&scenario, 1, None).trace, one.trace);
    assert_ne!(run(&scenario, 2, None).trace, one.trace);
}

#[test]
fn a_write_that_is_dropped_is_found_out() {
    if AVAILABLE {
        let scenario = scenario("miura-quake.toml");
        let run = run(&scenario, 1, Some(Plant::DropAcknowledgedWrite));
        assert!(broken(&scenario, &run).iter().any(|told| told.starts_with("no-acknowledged-write-lost")));
    }
}

/// The great one is simulated by the command only: it takes minutes in a debug build.
const GREAT: &str = "nankai-m9-region.toml";

#[test]
fn every_scenario_that_is_shipped_reads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = entries.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".toml"));
    let names: Vec<String> = names.filter(|name| name != GREAT).collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let scenario = scenario(&name);
        let (ja, lines) = (&scenario.story.ja, |told: &str| told.trim().lines().count());
        assert!(!scenario.title.ja.is_empty() && lines(ja) >= 3 && lines(&scenario.story.en) >= 3, "{name}");
        assert!(scenario.expectations.len() >= 2, "{name} tests its story");
    }
}

#[test]
fn the_island_holds_every_invariant() {
    holds("satellite-only-island.toml");
}

#[test]
fn wrong_clocks_break_no_invariant() {
    holds("clock-chaos.toml");
}

#[test]
fn sticks_and_paper_tie_two_valleys_together() {
    holds("courier-and-qr.toml");
}

fn holds(name: &str) {
    let scenario = scenario(name);
    assert_eq!(broken(&scenario, &run(&scenario, 1, None)), [""; 0], "{name}");
}

/// A region of a hospital and a clinic with a battery for four hours, and some events.
fn small(events: &str) -> Scenario {
    let text = format!(
        r#"
        realm = "small"
        [title]
        en = "small"
        [story]
        en = "small"
        [clock]
        lasts = "12h"
        [[replica]]
        name = "hospital"
        site = "Hospital"
        kind = "hospital"
        role = "hospital"
        areas = ["shared/miura"]
        author = {{ name = "佐藤 直子", role = "doctor" }}
        store = "memory"
        [[replica]]
        name = "clinic"
        site = "Clinic"
        kind = "clinic"
        role = "hospital"
        areas = ["shared/miura"]
        author = {{ name = "三上 修", role = "doctor" }}
        store = "memory"
        battery-h = 4
        [[link]]
        between = ["hospital", "clinic"]
        [backup]
        gateway = "hospital"
        [[event]]
        do = "register"
        at = "clinic"
        as = "oka"
        name = "岡 昭"
        {events}
        [[expect]]
        name = "no-acknowledged-write-lost"
        "#
    );
    Scenario::parse(Path::new("small.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn after_a_return_to_normal_nothing_fails_any_more() {
    let scenario = small(
        r#"
        [[event]]
        do = "power-failure"
        at = "clinic"
        [[event]]
        time = "3h"
        do = "return-to-normal"
        "#,
    );
    let run = run(&scenario, 1, None);
    assert_eq!(broken(&scenario, &run), [""; 0]);
    assert_eq!((run.course.faults.power_cuts, run.course.faults.crashes), (0, 0));
    assert!(run.course.able.iter().all(|from| from.able.read), "the battery was to end in the fifth hour");
}

#[test]
fn a_restore_ends_with_a_reunion() {
    let scenario = small(
        r#"
        [[event]]
        time = "1h"
        do = "backup"
        [[event]]
        time = "2h"
        do = "destroy-disk"
        at = "clinic"
        [[event]]
        time = "3h"
        do = "note"
        at = "hospital"
        patient = "oka"
        text = "経過をみる。"
        [[event]]
        time = "5h"
        do = "restore"
        at = "clinic"
        [[event]]
        do = "start"
        at = "clinic"
        "#,
    );
    let run = run(&scenario, 1, None);
    assert_eq!(broken(&scenario, &run), [""; 0]);
    let last = run.course.reunions.last().copied();
    let took = last.and_then(|last| last.converged).map(|converged| converged - last.unwrap().healed);
    assert!(took.is_some_and(|took| Duration::ZERO < took && took < Duration::from_secs(60)), "{last:?}");
}

/// Runs any scenario, and tells about it: `SCENARIO=name.toml cargo test drill::sim::tests::told -- --nocapture`.
#[test]
fn told() {
    let Ok(name) = std::env::var("SCENARIO") else { return };
    let scenario = scenario(&name);
    let begun = std::time::Instant::now();
    let options = SimOptions { seed: 1, plant: None };
    let run = simulate(&scenario, options, &mut |at, told| println!("{:?} {at:?} {told}", begun.elapsed()));
    let run = run.unwrap();
    println!("took {:?}, {} events, trace {:?}", begun.elapsed(), run.events, run.trace);
    let course = &run.course;
    println!("{:?}\n{:?}", broken(&scenario, &run), course.faults);
    println!("{:?} {:?}", course.reunions, course.restores);
    let (decisions, disputes) = (course.decisions.len(), course.disputes.len());
    println!(
        "{} acknowledged, held by {:?}, {decisions} decisions, {disputes} disputes",
        course.acknowledged, course.held_by_least
    );
    println!("{} bytes synced, {} backed up", course.sync_bytes, course.backup_bytes);
}
