//! Small regions, simulated.

use std::path::Path;

use super::run::{SimOptions, SimRun, simulate};
use crate::base::planted::Plant;
use crate::drill::scenario::Scenario;

fn run(name: &str, seed: u64, plant: Option<Plant>) -> SimRun {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    let scenario = Scenario::read(&path).unwrap();
    simulate(&scenario, SimOptions { seed, plant }, &mut |at, told| println!("{at:?} {told}")).unwrap()
}

#[test]
fn miura() {
    let run = run("miura-quake.toml", 1, None);
    println!("{:#?}", run.seen.failures);
    println!("{:#?}", run.seen.sim);
    println!("{:?} {} {:?}", run.trace, run.events, run.course.faults);
    println!("{:?} {:?} {:?}", run.course.lost, run.course.reunions, run.course.restores);
    assert!(run.seen.failures.is_empty());
}
