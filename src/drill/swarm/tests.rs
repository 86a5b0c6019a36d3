//! A handful of seeds; the sweep of the command line runs many.

use super::invent::invent;

#[test]
fn tell() {
    let seed = std::env::var("MUSUBI_SWARM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let (region, _) = invent(seed).unwrap();
    println!("{}", region.text(""));
}

#[test]
fn explore() {
    let get = |name: &str| std::env::var(name).ok();
    let number = |name: &str, usual: u64| get(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let options = super::SweepOptions {
        first_seed: number("FIRST", 1),
        seeds: number("SEEDS", 3),
        plant: get("PLANT").map(|name| crate::base::planted::Plant::by_name(&name).unwrap()),
        threads: number("THREADS", 1) as usize,
        shrink: get("SHRINK").is_some(),
    };
    let report = super::sweep(&options, &mut |progress| {
        if get("LOUD").is_some() {
            println!("{progress:?}");
        }
    });
    println!("{report}");
    if get("SHRINK").is_some() {
        for failure in report.failures.iter().take(3) {
            println!("{}\n{} events", failure.scenario, failure.events);
        }
    }
}
