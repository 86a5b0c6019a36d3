//! Running a drill in virtual time from its scenario file to its report.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::course::Course;
use super::error::DrillError;
use super::expectations::{self, Run, Twice};
use super::report::DrillReport;
use super::scenario::{Expectation, Mistake, Scenario};
use super::sim::{SimOptions, TIME_PASSES, simulate};
use super::story::Timeline;
use crate::base::planted::Plant;

/// How a drill is simulated.
#[derive(Debug, Clone)]
pub struct SimDrillOptions {
    /// The scenario file.
    pub scenario_path: PathBuf,
    /// The seed of everything random.
    pub seed: u64,
    /// The fault to plant, by the name of a [`Plant`].
    pub sabotage: Option<String>,
    /// Whether it is run twice, to see that both runs are the same; an expectation `same-trace` asks for that, too.
    pub twice: bool,
}

/// A simulated drill.
#[derive(Debug)]
pub struct SimDrill {
    /// The scenario.
    pub scenario: Scenario,
    /// What happened.
    pub course: Course,
    /// The report.
    pub report: DrillReport,
}

/// A line of the story, as it happens.
#[derive(Debug, Clone, Copy)]
pub struct SimLine<'l> {
    /// The virtual time; none for a line outside of the story.
    pub at: Option<Duration>,
    /// How far the drill is, of 100; none where the scenario does not say when it ends.
    pub percent: Option<u64>,
    /// The line.
    pub text: &'l str,
}

/// Simulates a drill; `on_event` hears each line of the story.
///
/// # Errors
/// [`DrillError`] when the drill could not be run at all. What goes wrong in it is in the report.
pub fn run_sim(
    options: &SimDrillOptions,
    on_event: &mut dyn FnMut(&SimLine<'_>),
) -> Result<SimDrill, DrillError> {
    let plant = options.sabotage.as_deref().map(plant_named).transpose()?;
    let scenario = read_simulated(&options.scenario_path)?;
    let (seed, mut timeline) = (options.seed, Timeline::begin(&scenario));
    on_event(&SimLine::outside(&timeline.opening()));
    let sim = SimOptions { seed, plant };
    let run = simulate(&scenario, sim, &mut |at, line| {
        if line != TIME_PASSES {
            timeline.tell(at, line);
        }
        on_event(&SimLine::of(&scenario, at, line));
    })?;
    let twice = match options.twice || scenario.expectations.contains(&Expectation::SameTrace) {
        false => None,
        true => {
            on_event(&SimLine::outside("The same again, to compare the traces."));
            let again =
                simulate(&scenario, sim, &mut |at, line| on_event(&SimLine::of(&scenario, at, line)))?;
            Some(Twice { first: run.trace, second: again.trace })
        }
    };
    let told = Run { scenario: &scenario, seed, course: &run.course };
    let judged = expectations::judge(told, &run.seen, twice);
    let report = DrillReport::of_sim(&scenario, seed, (&run.course, &run.seen, run.trace), judged, timeline);
    Ok(SimDrill { course: run.course, report, scenario })
}

impl<'l> SimLine<'l> {
    /// Makes a line outside of the story.
    pub fn outside(text: &'l str) -> Self {
        Self { at: None, percent: None, text }
    }

    /// Makes a line of a scenario's story.
    pub fn of(scenario: &Scenario, at: Duration, text: &'l str) -> Self {
        Self { at: Some(at), percent: percent_done(at, scenario), text }
    }
}

impl fmt::Display for SimLine<'_> {
    /// Writes `T+16:32  (12 %)  what happened`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{}  ", virtual_clock(at))?;
        }
        if let Some(percent) = self.percent {
            write!(f, "({percent} %)  ")?;
        }
        f.write_str(self.text)
    }
}

/// Reads a scenario that is to be simulated.
///
/// # Errors
/// [`DrillError::Scenario`] when it is wrong, or says that it is for real processes only.
pub(super) fn read_simulated(path: &Path) -> Result<Scenario, DrillError> {
    let scenario = Scenario::read(path)?;
    match scenario.modes.sim {
        true => Ok(scenario),
        false => {
            let problem = "modes do not name \"sim\": run it with --live, or add \"sim\" to 'modes'";
            Err(DrillError::Scenario(Mistake::at(1, problem).of_file(path)))
        }
    }
}

/// Finds a fault that is to be planted.
///
/// # Errors
/// [`DrillError::Sabotage`] when no fault has that name.
pub fn plant_named(name: &str) -> Result<Plant, DrillError> {
    let known = || Plant::ALL.map(Plant::name).join(", ");
    Plant::by_name(name).ok_or_else(|| DrillError::Sabotage { name: name.to_owned(), known: known() })
}

/// Writes a virtual time for people: `T+16:32`, with seconds where they matter, and days as hours.
fn virtual_clock(at: Duration) -> String {
    let seconds = at.as_secs();
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match rest {
        0 => format!("T+{hours:02}:{minutes:02}"),
        _ => format!("T+{hours:02}:{minutes:02}:{rest:02}"),
    }
}

/// Tells how far a drill is, where the scenario says when it ends: a part of 100.
fn percent_done(at: Duration, scenario: &Scenario) -> Option<u64> {
    let lasts = scenario.lasts.filter(|lasts| !lasts.is_zero())?;
    Some((at.as_secs_f64() / lasts.as_secs_f64() * 100.0).min(100.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_times_are_hours_and_minutes() {
        let told = [0, 59_520, 59_521, 260_000].map(|s| virtual_clock(Duration::from_secs(s)));
        assert_eq!(told, ["T+00:00", "T+16:32", "T+16:32:01", "T+72:13:20"]);
    }
}
