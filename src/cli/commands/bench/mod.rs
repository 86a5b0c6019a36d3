//! `musubi bench`: measures this program on this machine.

mod heal;
mod link;
mod pull;

use clap::{Args, Subcommand};

use crate::cli::args::Context;
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;

/// Measure this program on this machine, with the floor or the target beside each figure.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi bench heal --records 10000 --edited 1%
  musubi bench link linkage.csv
  musubi bench pull --records 1000 --people 5
  musubi bench link --synthetic 100000 --seed 7 --json
")]
pub struct BenchCommand {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Heal(heal::HealBench),
    Link(link::LinkBench),
    Pull(pull::PullBench),
}

impl BenchCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when what is measured cannot be made or read.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.what {
            Bench::Heal(heal) => heal.run(context),
            Bench::Link(link) => link.run(),
            Bench::Pull(pull) => pull.run(context),
        }
    }
}
