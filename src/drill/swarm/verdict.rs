//! Running one region and judging it.

use serde::Serialize;

use super::quiet::quietly;
use crate::base::Digest;
use crate::base::planted::Plant;
use crate::drill::course::Faults;
use crate::drill::invariants::{self, ClinicalSeen, Evidence};
use crate::drill::scenario::Scenario;
use crate::drill::sim::{SimOptions, SimRun, simulate};

/// Events that every region can carry out: a failure of one is a failure of the system.
const MUST_BE_DONE: [&str; 4] = ["wait-converged", "return-to-normal", "restore", "start"];

/// So many decisions of people, and one at least is written down: not all replicas are always down or full.
const DECISIONS_MIN: usize = 10;

/// Something that must hold and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The name of the invariant; also `panic`, `set-up`, `event`, `writes`, `runs-again` and `same-trace`.
    pub invariant: String,
    /// What was seen.
    pub detail: String,
}

/// What came of a region.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// What does not hold; empty when all is well.
    pub broken: Vec<Broken>,
    /// What was done to the region.
    pub faults: Faults,
    /// What was compared with what was written.
    pub clinical: ClinicalSeen,
    /// The hash over everything that happened; none after a panic.
    pub trace: Option<Digest>,
    /// How many things happened.
    pub events: u64,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
}

impl Verdict {
    fn only(invariant: &str, detail: String) -> Self {
        Self { broken: vec![Broken { invariant: invariant.to_owned(), detail }], ..Self::default() }
    }

    /// Says whether an invariant is broken.
    pub fn breaks(&self, invariant: &str) -> bool {
        self.broken.iter().any(|broken| broken.invariant == invariant)
    }
}

/// Runs a region on this thread and judges it.
pub fn judge(scenario: &Scenario, seed: u64, plant: Option<Plant>) -> Verdict {
    let run = quietly(|| {
        let run = simulate(scenario, SimOptions { seed, plant }, &mut |_, _| {});
        run.map(|run| (broken(scenario, &run), run))
    });
    match run {
        Err(panic) => Verdict::only("panic", panic),
        Ok(Err(error)) => Verdict::only("set-up", error.to_string()),
        Ok(Ok((broken, run))) => Verdict {
            broken,
            faults: run.course.faults,
            clinical: run.seen.sim.map(|sim| sim.clinical).unwrap_or_default(),
            trace: Some(run.trace),
            events: run.events,
            acknowledged: run.course.acknowledged,
        },
    }
}

fn broken(scenario: &Scenario, run: &SimRun) -> Vec<Broken> {
    let (course, seen) = (&run.course, &run.seen);
    let note = |invariant: &str, detail: String| Broken { invariant: invariant.to_owned(), detail };
    let judged = invariants::all(&Evidence { scenario, course, seen });
    let failed = judged.into_iter().filter(|judged| !judged.ok);
    let mut broken: Vec<Broken> = failed.map(|judged| note(&judged.name, judged.detail.en)).collect();
    let observer = seen.failures.iter().filter(|failure| failure.name != "event");
    broken.extend(observer.map(|failure| note(&failure.name, failure.detail.en.clone())));
    for happening in course.happenings.iter().filter(|it| MUST_BE_DONE.contains(&it.event)) {
        // Nothing starts on a full disk; that it runs when there is room again is asked below.
        let on_full_disk = |why: &&String| happening.event == "start" && why.contains("the disk is full");
        if let Some(why) = happening.failed.as_ref().filter(|why| !on_full_disk(why)) {
            broken.push(note("event", format!("{} at {:?}: {why}", happening.event, happening.at)));
        }
    }
    if course.acknowledged == 0 && course.decisions.len() >= DECISIONS_MIN {
        // Where nothing is ever written, nothing can be lost.
        broken.push(note("writes", format!("none of {} decisions was written", course.decisions.len())));
    }
    let missing = scenario.replicas.iter().enumerate().filter(|(member, plan)| {
        // One whose disk is gone for good: it rotted, and there was no backup.
        !seen.at_end.contains_key(&plan.name) && !course.is_lost(*member)
    });
    let missing: Vec<&str> = missing.map(|(_, plan)| plan.name.0.as_str()).collect();
    if !missing.is_empty() {
        broken.push(note("runs-again", format!("not running at the end: {}", missing.join(", "))));
    }
    broken
}
