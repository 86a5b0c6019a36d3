//! `musubi bench ingest`: how fast others' runs are taken in.

use clap::Args;

use super::held::{HeldArgs, measured};
use crate::bench::held::{CARD_TOLD, Ingest, IngestOptions, Rate, ingest};
use crate::cli::args::Context;
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count, size};

/// How fast others' runs are taken in: checked and durable, and then indexed.
///
/// All runs are signed beforehand; then they go through the admission of every carrier, in commits as a session makes them.
/// The index, which follows in the background, is measured beside it.
#[derive(Debug, Args)]
pub struct IngestBench {
    #[command(flatten)]
    held: HeldArgs,
}

impl IngestBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the disk fails.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let ground = self.held.ground(context)?;
        let options = ground.options.clone();
        let told = measured(&ground.options.stop, async move {
            let crate::bench::held::HeldOptions { records, lanes, seed, folder, stop, told, .. } = options;
            let options = IngestOptions { records, lanes, seed, folder, stop, told };
            tokio::task::block_in_place(|| ingest(&options))
        })?;
        Ok(Outcome::described(&told, told_as_text(&told, &context.paper)))
    }
}

fn told_as_text(ingest: &Ingest, paper: &Paper) -> String {
    let row = |what: &str, rate: &Rate| {
        vec![
            what.to_owned(),
            count(rate.entries),
            count(rate.runs),
            size(rate.entry_bytes),
            size(rate.zstd_bytes),
            format!("{:.2} s", rate.wall_s),
            format!("{:.2} s", rate.cpu_s),
            count(rate.per_core_s as u64),
            format!("{:.2} s", rate.index_wall_s),
            format!("{:.2} s", rate.index_cpu_s),
        ]
    };
    let header = [
        "what",
        "entries",
        "runs",
        "bytes",
        "zstd",
        "wall",
        "CPU",
        "a second of a core (50,000 wanted)",
        "index, wall",
        "index, CPU",
    ];
    let rows = vec![row("records", &ingest.records), row("small changes", &ingest.changes)];
    format!(
        "{} lanes; {CARD_TOLD}; a small change is a pulse\n{}\nthis machine: {} signatures a second checked on one core, \
         fdatasync {:.2} ms",
        count(ingest.lanes),
        paper.table(&header, rows),
        count(ingest.floors.verified_per_s as u64),
        ingest.floors.sync_ms,
    )
}
