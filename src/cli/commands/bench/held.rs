//! What the measurements of a large store have in common: the region, the folder, and how it is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use crate::bench::held::{Asked, Built, CARD_TOLD, HeldOptions, LANES_MAX, Made, Spread};
use crate::bench::{Floors, RECORDS_MAX};
use crate::cli::args::Context;
use crate::cli::backend::{interrupted, runtime};
use crate::cli::failure::Failure;
use crate::cli::text::{count, size};
use crate::drill::StepFailure;

/// Without `--lanes` there is a lane for so many records, but at least 200 and at most 2,000: the devices of a region.
const RECORDS_PER_LANE: u64 = 500;

/// A region of very many records.
#[derive(Debug, Args)]
pub struct HeldArgs {
    /// How many records the replica holds.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=10 * RECORDS_MAX))]
    records: u64,
    /// By how many devices they are written, each in a lane of its own; one for 500 records, from 200 to 2,000 otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(2..=LANES_MAX as u64))]
    lanes: Option<u64>,
    /// The seed of what is invented.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The folder for the replicas, on the disk that is to be measured; a folder of its own is made in it and removed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Build the region in this folder, and leave it there for --store.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["store", "dir"])]
    keep: Option<PathBuf>,
    /// Use a region that was kept; it decides records, lanes and seed. Measurements write into it.
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    store: Option<PathBuf>,
}

/// A region's folder; removed when it is dropped, unless it is to be kept.
pub struct Ground {
    /// The region that is to be made or used.
    pub options: HeldOptions,
    _removed: Option<tempfile::TempDir>,
}

impl HeldArgs {
    /// Chooses the folder.
    ///
    /// # Errors
    /// [`Failure`] when it cannot be made, or holds no region and should.
    pub fn ground(&self, context: &Context<'_>) -> Result<Ground, Failure> {
        let exe = std::env::current_exe()
            .map_err(|error| Failure::not_done(format!("finding this program's own file: {error}")))?;
        let (folder, removed) = match (&self.store, &self.keep) {
            (Some(store), _) if !Built::exists(store) => {
                let text = format!("{} holds no region of `musubi bench`", store.display());
                return Err(Failure::wrong_call(text).hint("build one there with --keep"));
            }
            (_, Some(keep)) if Built::exists(keep) => {
                let text = format!("{} holds a region already", keep.display());
                return Err(Failure::wrong_call(text).hint("use it with --store, or name another folder"));
            }
            (Some(folder), _) | (None, Some(folder)) => (folder.clone(), None),
            (None, None) => {
                let made = temporary(self.dir.clone())?;
                (made.path().to_owned(), Some(made))
            }
        };
        let folder = std::path::absolute(&folder)
            .map_err(|error| Failure::not_done(format!("finding {}: {error}", folder.display())))?;
        let lanes = self.lanes.unwrap_or_else(|| (self.records / RECORDS_PER_LANE).clamp(200, 2_000));
        let lanes = usize::try_from(lanes.min(self.records)).unwrap_or(LANES_MAX);
        let (told, stop) = (context.progress.clone(), Arc::<AtomicBool>::default());
        let options = HeldOptions { records: self.records, lanes, seed: self.seed, folder, exe, stop, told };
        Ok(Ground { options, _removed: removed })
    }
}

/// Makes a folder that is removed afterwards.
///
/// # Errors
/// [`Failure`] when it cannot be made.
pub fn temporary(parent: Option<PathBuf>) -> Result<tempfile::TempDir, Failure> {
    let parent = parent.unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new().prefix("musubi-bench-").tempdir_in(&parent).map_err(|error| {
        Failure::not_done(format!("making a folder in {}: {error}", parent.display()))
            .hint("choose a folder with --dir")
    })
}

/// Runs a measurement until it is done or interrupted.
///
/// # Errors
/// [`Failure`] saying what could not be done.
pub fn measured<T>(
    stop: &Arc<AtomicBool>,
    measurement: impl Future<Output = Result<T, StepFailure>>,
) -> Result<T, Failure> {
    runtime()?.block_on(async {
        // A task of its own: the measurement may be busy in this one.
        let stop = stop.clone();
        let stopped = tokio::spawn(async move {
            interrupted().await;
            stop.store(true, Ordering::Relaxed);
        });
        tokio::select! {
            measured = measurement => {
                measured.map_err(|failure| Failure::not_done(format!("measuring: {failure}")))
            }
            _ = stopped => Err(Failure::not_done("the measurement was interrupted")),
        }
    })
}

/// Tells what a store is, and how fast the machine.
pub fn store_told(made: &Made, floors: &Floors) -> String {
    let Made { records, lanes, entries, entry_bytes, seconds, file_bytes, index_bytes } = *made;
    format!(
        "{} records in {} lanes; {CARD_TOLD}\nbuilt in {seconds:.1} s ({} entries of {} a second, signed, checked, durable \
         and indexed); the store has {}, {} for each record; {} of its plain bytes are the index\nthis machine: {} signatures a \
         second checked on one core, fdatasync {:.2} ms",
        count(records),
        count(lanes),
        count((entries as f64 / seconds) as u64),
        size(entry_bytes / entries.max(1)),
        size(file_bytes),
        size(file_bytes / records.max(1)),
        size(index_bytes),
        count(floors.verified_per_s as u64),
        floors.sync_ms,
    )
}

/// Tells what was asked of a running replica, and its memory.
pub fn asked_told(asked: &Asked) -> String {
    let memory = format!(
        "memory of the replica: {} now, {} at the peak (512 MB wanted)",
        size(asked.resident_bytes),
        size(asked.peak_bytes)
    );
    format!("{}\n{memory}", store_told(&asked.made, &asked.floors))
}

/// A row of a table: what, how often, how long, and the target.
pub fn row(what: &str, spread: &Spread, target: &str) -> Vec<String> {
    let ms = |ms: f64| if ms < 100.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") };
    let [p50, p99, max] = [spread.p50_ms, spread.p99_ms, spread.max_ms].map(ms);
    vec![what.to_owned(), count(spread.times), p50, p99, max, target.to_owned()]
}

/// The header of such a table.
pub const ROW_HEADER: [&str; 6] = ["what", "times", "p50", "p99", "longest", "target"];
