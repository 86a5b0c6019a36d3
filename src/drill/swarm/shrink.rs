//! Finding the smallest region that fails in the same way: delta debugging (Zeller and Hildebrandt: Simplifying and
//! Isolating Failure-Inducing Input, IEEE TSE 2002) over what happens, who takes part and for how long.

use std::time::Duration;

use super::region::{QUIET, Region, Shift};
use super::verdict::{Broken, judge};
use crate::base::planted::Plant;

/// Runs that one shrinking may take, unless its options say otherwise.
pub const RUNS_MAX: u32 = 400;

/// How a region is shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShrinkOptions {
    /// The bug that was planted, if there was one.
    pub plant: Option<Plant>,
    /// How often the region may be run.
    pub runs_max: u32,
}

impl Default for ShrinkOptions {
    fn default() -> Self {
        Self { plant: None, runs_max: RUNS_MAX }
    }
}

/// A region that was shortened.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The region.
    pub region: Region,
    /// How it fails: the same invariant as before.
    pub broken: Broken,
    /// How often it was run.
    pub runs: u32,
}

struct Shrinker<'p> {
    best: Shrunk,
    options: ShrinkOptions,
    progress: &'p mut dyn FnMut(u32, &Region),
}

/// Shortens a region that breaks an invariant as far as it goes on breaking it; `progress` hears of every run.
pub fn shrink(
    region: &Region,
    broken: &Broken,
    options: &ShrinkOptions,
    progress: &mut dyn FnMut(u32, &Region),
) -> Shrunk {
    let best = Shrunk { region: region.clone(), broken: broken.clone(), runs: 0 };
    let mut shrinker = Shrinker { best, options: *options, progress };
    loop {
        let before = shrinker.best.region.clone();
        shrinker.times();
        shrinker.list(|region| &mut region.events);
        shrinker.list(|region| &mut region.afterwards);
        shrinker.list(|region| &mut region.shifts);
        shrinker.list(|region| &mut region.replicas);
        shrinker.list(|region| &mut region.links);
        shrinker.people_and_work();
        shrinker.plain();
        if shrinker.best.region == before || shrinker.is_over() {
            return shrinker.best;
        }
    }
}

/// What a shortened scenario says of itself at its top.
pub fn remarks(seed: u64, broken: &Broken, plant: Option<Plant>) -> String {
    let again = super::sweep::command(seed, plant);
    let sabotage = plant.map(|plant| format!(" --sabotage {}", plant.name())).unwrap_or_default();
    let planted = plant.map(|plant| format!("\nPlanted bug: {}", plant.name())).unwrap_or_default();
    format!(
        "Found by the drill swarm: seed {seed} breaks '{}'.{planted}\n{}\nThe whole region: {again}\nThis file: musubi \
         drill THIS.toml --sim --seed {seed}{sabotage}",
        broken.invariant,
        broken.detail.replace('\n', " ")
    )
}

impl Shrinker<'_> {
    fn is_over(&self) -> bool {
        self.best.runs >= self.options.runs_max
    }

    /// Runs a smaller region, and keeps it if it fails in the same way.
    fn holds(&mut self, mut region: Region) -> bool {
        if self.is_over() || region == self.best.region {
            return false;
        }
        let Some(scenario) = region.legalise() else { return false };
        if region == self.best.region || !region.is_fair() {
            return false;
        }
        self.best.runs += 1;
        (self.progress)(self.best.runs, &self.best.region);
        let verdict = judge(&scenario, region.seed, self.options.plant);
        let same = verdict.broken.into_iter().find(|broken| broken.invariant == self.best.broken.invariant);
        let Some(broken) = same else { return false };
        (self.best.region, self.best.broken) = (region, broken);
        true
    }

    fn tries(&mut self, change: impl FnOnce(&mut Region)) -> bool {
        let mut region = self.best.region.clone();
        change(&mut region);
        self.holds(region)
    }

    /// Takes parts out of a list: halves first, then quarters, at last one by one.
    fn list<T>(&mut self, of: impl Fn(&mut Region) -> &mut Vec<T>) {
        let len = |this: &mut Self| of(&mut this.best.region.clone()).len();
        let mut size = len(self).div_ceil(2).max(1);
        loop {
            let mut end = len(self);
            while end > 0 && !self.is_over() {
                let begin = end.saturating_sub(size);
                self.tries(|region| drop(of(region).drain(begin..end)));
                end = begin.min(len(self));
            }
            if size == 1 || self.is_over() {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    /// Leaves less time: none after the end that is not needed, and everything in half the time.
    fn times(&mut self) {
        let last = |region: &Region| region.events.iter().filter_map(|event| event.time).max();
        self.tries(|region| {
            let ends = last(region).unwrap_or_default() + Duration::from_secs(60);
            cut_off(region, ends);
        });
        self.tries(|region| region.quiet = QUIET + region.meets_max() * 2);
        for _ in 0..4 {
            let ends = self.best.region.ends / 2;
            if !self.tries(|region| {
                let later = |event: &super::region::Happens| event.time.is_some_and(|time| time >= ends);
                // What happens later is left out, with what follows it.
                let keep = region.events.iter().position(later).unwrap_or(region.events.len());
                region.events.truncate(keep);
                cut_off(region, ends);
            }) {
                break;
            }
        }
    }

    fn people_and_work(&mut self) {
        while self.best.region.people > 0 && self.tries(|region| region.people /= 2) {}
        self.tries(|region| region.shifts.iter_mut().for_each(|shift| shift.arrivals_per_hour = 0.0));
        for place in 0..self.best.region.shifts.len() {
            while self.tries(|region| halve(&mut region.shifts[place])) {}
        }
        self.tries(|region| {
            region.replicas.iter_mut().for_each(|site| site.bucket_every = None);
            region.backup_every = None;
        });
    }

    /// Makes everything plain that is special for no reason.
    fn plain(&mut self) {
        for place in 0..self.best.region.links.len() {
            self.tries(|region| {
                let link = &mut region.links[place];
                (link.profile, link.meets_every) = ("lan".to_owned(), None);
            });
            self.tries(|region| region.links[place].quota_mb = None);
        }
        for place in 0..self.best.region.replicas.len() {
            self.tries(|region| region.replicas[place].battery_h = None);
            self.tries(|region| region.replicas[place].disk = false);
            self.tries(|region| region.replicas[place].parts = None);
            self.tries(|region| region.replicas[place].bucket_every = None);
        }
    }
}

/// Ends a region earlier.
fn cut_off(region: &mut Region, ends: Duration) {
    region.ends = region.ends.min(ends);
    let ends = region.ends;
    region.shifts.retain(|shift| shift.from < ends);
    region.shifts.iter_mut().for_each(|shift| shift.until = shift.until.min(ends));
}

/// Makes a shift half as long.
fn halve(shift: &mut Shift) {
    let half = (shift.until - shift.from) / 2;
    if half >= Duration::from_secs(30) {
        shift.until = shift.from + half;
    }
}
