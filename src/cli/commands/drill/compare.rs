//! `musubi drill compare`: what would have been.

use std::path::PathBuf;

use clap::Args;

use crate::cli::args::Context;
use crate::cli::engine::DrillCompare;
use crate::cli::failure::{DONE, Failure, NOT_DONE};
use crate::cli::outcome::Outcome;
use crate::drill::compare::Against;

/// Most seeds of one sweep.
const SWEEP_MAX: u64 = 100_000;

/// Compare a drill with what would have been: a central system instead of Musubi, one thing changed, or other seeds.
///
/// Everything runs in virtual time with the same seed: the same people come, the same lines fail. What a file changes
/// is laid over the scenario: `[[link]]`, `[[event]]` and all other tables of a scenario are added or replaced. Exit
/// status 1 when the drill itself does not meet its expectations.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi drill compare scenarios/miura-quake.toml
  musubi drill compare scenarios/miura-quake.toml --against central --against dish.toml --report miura.html
  musubi drill compare scenarios/miura-quake.toml --sweep 20 --json
")]
pub struct CompareCommand {
    /// The scenario.
    #[arg(value_name = "SCENARIO.toml")]
    scenario: PathBuf,
    /// With what: `central`, a TOML file that is laid over the scenario, or another scenario; may be given again.
    /// Without it: central, or in a sweep nothing.
    #[arg(long, value_name = "central|FILE.toml", visible_alias = "with")]
    against: Vec<String>,
    /// Run so many seeds, and tell the least, the median and the most of each figure.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=SWEEP_MAX))]
    sweep: Option<u64>,
    /// The seed; in a sweep the first one.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the comparison as a page; a sweep writes one for each way, -2 and so on at the end of the name.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl CompareCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when a file is wrong or a drill could not be run.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let named = |name: &String| match name.as_str() {
            "central" => Against::Central,
            file => Against::File(file.into()),
        };
        let mut against: Vec<Against> = self.against.iter().map(named).collect();
        if against.is_empty() && self.sweep.is_none() {
            against.push(Against::Central);
        }
        let wanted = DrillCompare {
            scenario: self.scenario.clone(),
            against,
            seed: self.seed,
            sweep: self.sweep,
            report: self.report.clone(),
        };
        let told = context.engine.drill_compare(wanted, &context.progress)?;
        let status = if told.passed { DONE } else { NOT_DONE };
        Ok(Outcome::done(told.json, told.text).status(status))
    }
}
