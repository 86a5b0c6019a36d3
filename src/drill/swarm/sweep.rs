//! Running many seeds on several threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::invent::invent;
use super::region::Region;
use super::report::{Failure, SweepReport, add, kinds};
use super::shrink::{ShrinkOptions, remarks, shrink};
use super::verdict::{Broken, Verdict, judge};
use crate::base::planted::Plant;

/// Seeds beyond the first thousand that have found a bug: long sweeps run them too. In 1209 a database that had rotted
/// panicked as it was closed.
pub const FOUND: [u64; 1] = [1_209];
/// Every so many seeds, one is run twice and the traces are compared.
const TWICE_EVERY: u64 = 20;
/// Fewest seeds of a sweep of which every kind of fault is demanded; a handful cannot have them all.
pub const TRIED_ALL_MIN: u64 = 200;
/// Seeds that are shortened in one sweep: the first that fail.
const SHRUNK_MAX: usize = 3;
/// Most threads of a sweep.
const THREADS_MAX: usize = 64;

/// Which seeds are run, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// The first seed.
    pub first_seed: u64,
    /// How many.
    pub seeds: u64,
    /// A bug to plant in all of them.
    pub plant: Option<Plant>,
    /// How many threads share them, from 1 to 64; each simulation has one.
    pub threads: usize,
    /// Whether the first seeds that fail are shortened.
    pub shrink: bool,
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepProgress {
    /// A region was run.
    Ran {
        /// How many were.
        done: u64,
        /// How many of them failed.
        failed: u64,
    },
    /// A region that failed is being shortened.
    Shrinks {
        /// Its seed.
        seed: u64,
        /// How often it was run for that.
        runs: u32,
        /// How many events are left.
        events: usize,
    },
}

struct Outcome {
    seed: u64,
    verdict: Verdict,
    twice: bool,
}

/// Runs seeds and judges each; `progress` hears of every one, on the caller's thread.
pub fn sweep(options: &SweepOptions, progress: &mut dyn FnMut(SweepProgress)) -> SweepReport {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let range = options.first_seed..options.first_seed.saturating_add(options.seeds);
    let found = FOUND.into_iter().filter(|seed| options.seeds >= TRIED_ALL_MIN && !range.contains(seed));
    let found: Vec<u64> = found.collect();
    let mut report = SweepReport {
        first_seed: options.first_seed,
        also: found.clone(),
        plant: options.plant.map(Plant::name),
        ..SweepReport::default()
    };
    let mut failed: Vec<(u64, Vec<Broken>)> = Vec::new();
    thread::scope(|scope| {
        let (tell, outcomes) = mpsc::channel();
        for _ in 0..options.threads.clamp(1, THREADS_MAX) {
            let (tell, next, found) = (tell.clone(), &next, &found);
            scope.spawn(move || {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let seed = match found.get(place as usize) {
                        Some(seed) => *seed,
                        None if place - found.len() as u64 >= options.seeds => return,
                        None => options.first_seed.wrapping_add(place - found.len() as u64),
                    };
                    // Nobody listens any more when the sweep has ended.
                    let _ = tell.send(run(seed, options.plant, place.is_multiple_of(TWICE_EVERY)));
                }
            });
        }
        drop(tell);
        for Outcome { seed, verdict, twice } in outcomes {
            report.seeds += 1;
            report.run_twice += u64::from(twice);
            report.events += verdict.events;
            report.acknowledged += verdict.acknowledged;
            add(&mut report.faults, &verdict.faults);
            for (name, count) in verdict.clinical.counts() {
                *report.compared.entry(name).or_default() += count;
            }
            if !verdict.broken.is_empty() {
                failed.push((seed, verdict.broken));
            }
            progress(SweepProgress::Ran { done: report.seeds, failed: failed.len() as u64 });
        }
    });
    failed.sort_by_key(|(seed, _)| *seed);
    for (place, (seed, broken)) in failed.into_iter().enumerate() {
        let shrinks = options.shrink && place < SHRUNK_MAX;
        report.failures.push(failure(seed, broken, options.plant, shrinks, progress));
    }
    if options.seeds >= TRIED_ALL_MIN && options.plant.is_none() {
        let compared = report.compared.iter().map(|(name, count)| (*name, *count));
        let never = kinds(&report.faults).into_iter().chain(compared).filter(|(_, count)| *count == 0);
        report.without_effect = never.map(|(name, _)| name).collect();
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report
}

/// Returns the command that plays a seed again.
pub fn command(seed: u64, plant: Option<Plant>) -> String {
    let sabotage = plant.map(|plant| format!(" --sabotage {}", plant.name())).unwrap_or_default();
    format!("musubi drill swarm --first-seed {seed} --seeds 1{sabotage}")
}

fn run(seed: u64, plant: Option<Plant>, twice: bool) -> Outcome {
    let Some((_, scenario)) = invent(seed) else {
        let detail = "the reader of scenarios refuses the whole region".to_owned();
        let broken = vec![Broken { invariant: "set-up".to_owned(), detail }];
        return Outcome { seed, verdict: Verdict { broken, ..Verdict::default() }, twice: false };
    };
    let mut verdict = judge(&scenario, seed, plant);
    if twice {
        let again = judge(&scenario, seed, plant);
        if again.trace != verdict.trace {
            let detail = format!("{:?} and then {:?}", verdict.trace, again.trace);
            verdict.broken.push(Broken { invariant: "same-trace".to_owned(), detail });
        }
    }
    Outcome { seed, verdict, twice }
}

fn failure(
    seed: u64,
    broken: Vec<Broken>,
    plant: Option<Plant>,
    shrinks: bool,
    progress: &mut dyn FnMut(SweepProgress),
) -> Failure {
    let mut failure =
        Failure { seed, broken, command: command(seed, plant), scenario: String::new(), events: 0 };
    let (Some((mut region, _)), Some(first)) = (invent(seed), failure.broken.first().cloned()) else {
        return failure;
    };
    let mut found = first;
    if shrinks {
        let options = ShrinkOptions { plant, ..ShrinkOptions::default() };
        let shrunk = shrink(&region, &found, &options, &mut |runs, region: &Region| {
            progress(SweepProgress::Shrinks { seed, runs, events: region.events.len() });
        });
        (region, found) = (shrunk.region, shrunk.broken);
    }
    failure.events = region.events.len();
    failure.scenario = region.text(&remarks(seed, &found, plant));
    failure
}
