//! `musubi drill SCENARIO`: rehearses the disaster of a scenario and tells what came of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::compare::CompareCommand;
use super::swarm::SwarmCommand;
use super::told;
use crate::cli::args::Context;
use crate::cli::engine::{Drill, DrillMode};
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::values::bucket;
use crate::drill::scenario;

/// Rehearse a disaster: runs a scenario with replicas of a realm of its own, and checks what is expected of it.
///
/// With real processes (--live) or in virtual time (--sim): the same code on simulated networks, disks and clocks,
/// where 72 hours pass in seconds and the same seed gives the same run. Exit status 1 when an expectation fails or an
/// acknowledged write is lost.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_long_help = "\
Examples:
  musubi drill scenarios/miura-quake.toml
  musubi drill scenarios/miura-quake.toml --live --seed 7 --json
  musubi drill scenarios/miura-quake.toml --live --netns --report miura-live.html
  musubi drill scenarios/miura-quake.toml --sim --seed 7 --report miura.html
  musubi drill scenarios/miura-quake.toml --sim --twice
  musubi drill scenarios/miura-quake.toml --bucket \"s3://drill/miura?endpoint=http://127.0.0.1:8333\"
  musubi drill compare scenarios/miura-quake.toml --report with-and-without.html
  musubi drill swarm --seeds 200
  musubi drill --schema
")]
pub struct DrillCommand {
    #[command(subcommand)]
    what: Option<DrillWhat>,
    #[command(flatten)]
    rehearse: RehearseArgs,
}

/// Other things to do with scenarios.
#[derive(Debug, Subcommand)]
pub enum DrillWhat {
    /// Compare a drill with a central system, with one thing changed, or over many seeds.
    Compare(CompareCommand),
    /// Run random small regions with all faults on: each must keep every promise.
    Swarm(SwarmCommand),
    /// Hold a door into a network namespace open, for the drill that started this.
    #[command(hide = true)]
    Door {
        /// Where the door stands.
        #[arg(value_name = "ADDRESS:PORT")]
        listen: SocketAddr,
    },
}

/// What is rehearsed, and how.
#[derive(Debug, Args)]
pub struct RehearseArgs {
    /// The scenario.
    #[arg(value_name = "SCENARIO.toml", required_unless_present = "schema")]
    scenario: Option<PathBuf>,
    /// Run real processes over a real network, with faults made by a relay; the default where the scenario can.
    #[arg(long)]
    live: bool,
    /// Give each replica a network namespace and an IP address of its own (--live; Linux, root and iproute2).
    #[arg(long, requires = "live")]
    netns: bool,
    /// Run in virtual time, on simulated networks, disks and clocks; the default where the scenario cannot be live.
    #[arg(long, conflicts_with_all = ["live", "netns", "bucket"])]
    sim: bool,
    /// Run the simulation twice and compare the traces.
    #[arg(long, requires = "sim")]
    twice: bool,
    /// Draw everything random from this seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Write the after-action report as a page.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Keep the backup in this bucket in place of a folder of the drill's own (--live).
    #[arg(long, value_name = "URL")]
    bucket: Option<String>,
    /// Print the JSON schema of scenario files, for editors.
    #[arg(long, exclusive = true)]
    schema: bool,
    /// Plant a fault that the drill must find.
    #[cfg(any(debug_assertions, feature = "sabotage"))]
    #[arg(long, value_name = "NAME", hide = true)]
    sabotage: Option<String>,
}

impl DrillCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the scenario is wrong or the drill could not be run.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        match &self.what {
            Some(DrillWhat::Compare(command)) => command.run(context),
            Some(DrillWhat::Swarm(command)) => command.run(context),
            Some(DrillWhat::Door { listen }) => {
                context.engine.drill_door(*listen)?;
                Ok(Outcome::done(serde_json::Value::Null, String::new()))
            }
            None => self.rehearse.run(context),
        }
    }
}

impl RehearseArgs {
    fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let Some(scenario) = self.scenario.clone() else {
            let schema = scenario::schema();
            let text = format!("{schema:#}");
            return Ok(Outcome::done(schema, text));
        };
        let wanted = Drill {
            scenario,
            mode: match (self.live, self.sim) {
                (true, _) => DrillMode::Live,
                (false, true) => DrillMode::Sim,
                (false, false) => DrillMode::AsItCan,
            },
            twice: self.twice,
            seed: self.seed,
            netns: self.netns,
            bucket: self.bucket.as_deref().map(bucket).transpose()?,
            report: self.report.clone(),
            sabotage: self.sabotage(),
            json: context.json,
        };
        told::outcome(context.engine.drill(wanted, &context.progress)?, context.paper)
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
