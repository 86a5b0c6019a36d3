//! Small regions, simulated.

use std::path::Path;

use super::run::{SimOptions, SimRun, simulate};
use crate::base::planted::{AVAILABLE, Plant};
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
    judged.filter(|judged| !judged.ok).map(|judged| format!("{}: {}", judged.name, judged.detail)).collect()
}

#[test]
fn the_first_drill_holds_every_invariant_and_the_same_seed_gives_the_same_trace() {
    let scenario = scenario("miura-quake.toml");
    let one = run(&scenario, 1, None);
    assert_eq!(broken(&scenario, &one), [""; 0]);
    assert!(one.course.faults.messages_dropped > 0 && one.course.faults.power_cuts == 2);
    assert_eq!(one.course.disputes.len(), 2, "{:?}", one.course.disputes);
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
