//! `musubi bench growth`: how the cost of a heal grows.

use std::path::PathBuf;

use clap::Args;

use super::held::temporary;
use crate::bench::{Growth, GrowthOptions, Point, growth};
use crate::cli::args::Context;
use crate::cli::backend::{interrupted, runtime};
use crate::cli::failure::Failure;
use crate::cli::outcome::Outcome;
use crate::cli::text::{Paper, count, size};

/// The exit status when an edit was lost.
const FAILED: u8 = 1;
/// The names of the pictures.
const PICTURES: [&str; 2] = ["heal-by-held.svg", "heal-by-changed.svg"];

/// How the cost of a heal grows with what is held, and with what was changed: ten heals as `bench heal` measures them, and two
/// pictures.
#[derive(Debug, Args)]
pub struct GrowthBench {
    /// The folder in which the two pictures are written.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// So many times fewer records are held and changed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    smaller: u64,
    /// The seed of what is invented.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder for the replicas, on the disk that is to be measured; a folder of its own is made in it and removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl GrowthBench {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when a folder cannot be used, or a replica did not do as it was told.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let exe = std::env::current_exe()
            .map_err(|error| Failure::not_done(format!("finding this program's own file: {error}")))?;
        // Before minutes of measuring, not after.
        std::fs::create_dir_all(&self.to).map_err(|error| {
            Failure::not_done(format!("making the folder {}: {error}", self.to.display()))
                .hint("name a folder that can be written to with --to")
        })?;
        let work = temporary(self.dir.clone())?;
        let (seed, smaller) = (self.seed, self.smaller);
        let options = GrowthOptions { work: work.path().to_owned(), exe, seed, smaller };
        let told = context.progress.clone();
        let mut progress = move |step| told(step);
        let measured = runtime()?.block_on(async {
            tokio::select! {
                measured = growth(&options, &mut progress) => {
                    measured.map_err(|failure| Failure::not_done(format!("measuring: {failure}")))
                }
                () = interrupted() => Err(Failure::not_done("the measurement was interrupted; nothing of it is left")),
            }
        })?;
        let (held, changed) = measured.plots();
        for (name, picture) in PICTURES.iter().zip([held, changed]) {
            let path = self.to.join(name);
            std::fs::write(&path, picture).map_err(|error| {
                Failure::not_done(format!("writing {}: {error}", path.display()))
                    .hint("name a folder that is there with --to")
            })?;
        }
        let status = if measured.holds() { 0 } else { FAILED };
        Ok(Outcome::described(&measured, told_as_text(&measured, &context.paper)).status(status))
    }
}

fn told_as_text(growth: &Growth, paper: &Paper) -> String {
    let row = |point: &Point| {
        vec![
            count(point.records),
            count(point.edited),
            count(point.entries),
            size(point.bytes),
            size(point.session_bytes),
            size(point.floor_bytes),
            format!("{:.3} s", point.cpu_s),
            if point.holds { "" } else { "EDITS ARE MISSING" }.to_owned(),
        ]
    };
    let rows = growth.by_held.iter().chain(&growth.by_changed).map(row).collect();
    let header =
        ["held", "changed on each side", "entries", "UDP", "session", "zstd of the edits", "CPU of both", ""];
    format!("{}\npictures: {} and {}", paper.table(&header, rows), PICTURES[0], PICTURES[1])
}
