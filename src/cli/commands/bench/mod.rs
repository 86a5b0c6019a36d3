//! `musubi bench`: measures this program on this machine.

mod asked;
mod growth;
mod heal;
mod held;
mod ingest;
mod link;
mod meet;

use clap::{Args, Subcommand};

use crate::cli::args::Context;
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;

/// Measure this program on this machine, with the floor or the target beside each figure.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi bench heal --records 10000 --edited 1%
  musubi bench growth --to docs
  musubi bench open --records 1000000 --keep /data/million
  musubi bench find --store /data/million
  musubi bench write --store /data/million
  musubi bench meet --store /data/million
  musubi bench meet --records 10000 --lanes 10000 --changes 100000
  musubi bench ingest --records 100000
  musubi bench link linkage.csv
  musubi bench link --synthetic 100000 --seed 7 --json
")]
pub struct BenchCommand {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    Heal(heal::HealBench),
    Growth(growth::GrowthBench),
    Meet(meet::MeetBench),
    Ingest(ingest::IngestBench),
    Open(asked::OpenBench),
    Find(asked::FindBench),
    Write(asked::WriteBench),
    Link(link::LinkBench),
}

impl BenchCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when what is measured cannot be made or read.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.what {
            Bench::Heal(heal) => heal.run(context),
            Bench::Growth(growth) => growth.run(context),
            Bench::Meet(meet) => meet.run(context),
            Bench::Ingest(ingest) => ingest.run(context),
            Bench::Open(open) => open.run(context),
            Bench::Find(find) => find.run(context),
            Bench::Write(write) => write.run(context),
            Bench::Link(link) => link.run(),
        }
    }
}
