//! `musubi drill swarm`: random small regions with all faults on.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::Context;
use crate::cli::engine::DrillSwarm;
use crate::cli::failure::{DONE, Failure, NOT_DONE};
use crate::cli::outcome::Outcome;

/// Most threads of a sweep.
const THREADS_MAX: u64 = 64;

/// Run random small regions with all faults on, one for each seed: whatever invariant breaks is a bug.
///
/// Lines are cut, power fails in mid-write, disks rot and fill, clocks jump, devices lie, the bucket is out of reach:
/// after it all everything that was acknowledged must be there, everywhere, unaltered. Exit status 1 when a seed fails,
/// or when a long sweep never tried some kind of fault; each seed that fails is told with the command that repeats it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi drill swarm
  musubi drill swarm --seeds 2000 --first-seed 10001 --json
  musubi drill swarm --first-seed 4711 --seeds 1 --shrink-to found
")]
pub struct SwarmCommand {
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, value_name = "N", default_value_t = 1, visible_alias = "from")]
    first_seed: u64,
    /// How many run at once; without it, as many as the machine has processors.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=THREADS_MAX))]
    threads: Option<u64>,
    /// Shorten the first regions that fail, and write each as a scenario into this folder.
    #[arg(long, value_name = "DIR")]
    shrink_to: Option<PathBuf>,
    /// Plant a fault that must be found.
    #[cfg(any(debug_assertions, feature = "sabotage"))]
    #[arg(long, value_name = "NAME", hide = true)]
    sabotage: Option<String>,
}

impl SwarmCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when no such fault can be planted, or a shortened region cannot be written.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.and_then(|threads| usize::try_from(threads).ok()).unwrap_or_else(all);
        let wanted = DrillSwarm {
            first_seed: self.first_seed,
            seeds: self.seeds,
            threads,
            sabotage: self.sabotage(),
            shrink_to: self.shrink_to.clone(),
        };
        let told = context.engine.drill_swarm(wanted, &context.progress)?;
        let status = if told.passed { DONE } else { NOT_DONE };
        Ok(Outcome::done(told.json, told.text).status(status))
    }

    #[cfg(any(debug_assertions, feature = "sabotage"))]
    fn sabotage(&self) -> Option<String> {
        self.sabotage.clone()
    }

    #[cfg(not(any(debug_assertions, feature = "sabotage")))]
    fn sabotage(&self) -> Option<String> {
        None
    }
}
