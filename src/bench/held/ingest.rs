//! How fast others' runs are taken in: checked and durable, and then indexed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use super::super::accounting::thread_cpu;
use super::super::floors::{Floors, floors, zstd_bytes};
use super::built::{BATCH_RUNS, Told, admit_all, empty_replica};
use super::devices::Devices;
use crate::drill::StepFailure;
use crate::lane::{Run, join};
use crate::replica::Replica;
use crate::replica::request::Progress;

/// Changes that one device writes, one after another.
const CHANGES_EACH: u64 = 100;

/// What is taken in.
#[derive(Clone)]
pub struct IngestOptions {
    /// How many records, and how many small changes.
    pub records: u64,
    /// In how many lanes.
    pub lanes: usize,
    /// From what all is drawn.
    pub seed: u64,
    /// An empty folder, on the disk that is measured.
    pub folder: PathBuf,
    /// Set when the job is to end soon.
    pub stop: Arc<AtomicBool>,
    /// Hears how far it is.
    pub told: Told,
}

/// How fast something was taken in.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rate {
    /// Entries.
    pub entries: u64,
    /// Runs, each with one signature or more.
    pub runs: u64,
    /// The entries' bodies, in bytes.
    pub entry_bytes: u64,
    /// The same as one zstd stream, in bytes: the least that had to be written.
    pub zstd_bytes: u64,
    /// Seconds until all was checked and durable.
    pub wall_s: f64,
    /// Seconds of CPU of that.
    pub cpu_s: f64,
    /// Seconds until all could be found as well, beside it.
    pub index_wall_s: f64,
    /// Seconds of CPU of that.
    pub index_cpu_s: f64,
    /// Entries checked and durable in a second of one core.
    pub per_core_s: f64,
}

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Ingest {
    /// Lanes.
    pub lanes: u64,
    /// How fast this machine is at what cannot be left out.
    pub floors: Floors,
    /// Records, several in a run.
    pub records: Rate,
    /// Small changes (a pulse each), written one by one and joined for the wire.
    pub changes: Rate,
}

/// Takes in what the devices of a region have signed beforehand.
///
/// # Errors
/// [`StepFailure`] when the disk fails or the job was ended.
pub fn ingest(options: &IngestOptions) -> Result<Ingest, StepFailure> {
    let floors = floors(&options.folder)
        .map_err(|error| StepFailure::of(format!("using {}", options.folder.display()), error))?;
    let mut devices = Devices::of_seed(options.seed, options.lanes)?;
    let replica = empty_replica(&options.folder.join("one"), &devices, 0)?;
    tell(options, "inventing records", 0);
    let runs = devices.records(options.records, usize::MAX)?;
    let records = take_in(options, &replica, runs)?;
    tell(options, "inventing changes", 0);
    let mut runs = Vec::new();
    for turn in 0..options.records / CHANGES_EACH {
        let device = usize::try_from(turn).unwrap_or(0) % options.lanes;
        let about: Vec<u64> = (0..CHANGES_EACH).map(|place| turn * CHANGES_EACH + place).collect();
        runs.extend(join(devices.changes(device, &about, turn)?));
    }
    let changes = take_in(options, &replica, runs)?;
    Ok(Ingest { lanes: options.lanes as u64, floors, records, changes })
}

fn take_in(options: &IngestOptions, replica: &Replica, runs: Vec<Run>) -> Result<Rate, StepFailure> {
    let entries: u64 = runs.iter().map(|run| run.entries.len() as u64).sum();
    let bodies: Vec<u8> =
        runs.iter().flat_map(|run| &run.entries).flat_map(|entry| entry.body.clone()).collect();
    let zstd_bytes = zstd_bytes(&bodies).map_err(|error| StepFailure::of("packing the entries", error))?;
    let (count, entry_bytes) = (runs.len() as u64, bodies.len() as u64);
    drop(bodies);
    let (begun, cpu) = (Instant::now(), thread_cpu()?);
    let (mut batch, mut done) = (Vec::new(), 0);
    for run in runs {
        done += run.entries.len() as u64;
        batch.push(run);
        if batch.len() == BATCH_RUNS {
            if options.stop.load(Ordering::Relaxed) {
                return Err(StepFailure("taking in was interrupted".to_owned()));
            }
            admit_all(replica, std::mem::take(&mut batch))?;
            tell(options, "taking in", done);
        }
    }
    admit_all(replica, batch)?;
    let (wall_s, cpu_s) = (begun.elapsed().as_secs_f64(), (thread_cpu()? - cpu).as_secs_f64());
    let (begun, cpu) = (Instant::now(), thread_cpu()?);
    replica.index_step().map_err(|error| StepFailure::of("indexing", error))?;
    let (index_wall_s, index_cpu_s) = (begun.elapsed().as_secs_f64(), (thread_cpu()? - cpu).as_secs_f64());
    let per_core_s = entries as f64 / cpu_s.max(f64::EPSILON);
    Ok(Rate {
        entries,
        runs: count,
        entry_bytes,
        zstd_bytes,
        wall_s,
        cpu_s,
        index_wall_s,
        index_cpu_s,
        per_core_s,
    })
}

fn tell(options: &IngestOptions, doing: &str, done: u64) {
    let (doing, unit) = (doing.to_owned(), "entries".to_owned());
    (options.told)(Progress { doing, done, of: options.records, unit });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_signed_is_taken_in_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let options = IngestOptions {
            records: 400,
            lanes: 5,
            seed: 2,
            folder: dir.path().to_owned(),
            stop: Arc::default(),
            told: Arc::new(|_| {}),
        };
        let told = ingest(&options).unwrap();
        assert_eq!((told.records.entries, told.changes.entries), (405, 404));
        assert!(told.changes.runs < 40, "changes of one device are joined: {}", told.changes.runs);
        assert!(told.records.per_core_s > 0.0 && told.records.zstd_bytes < told.records.entry_bytes / 3);
        options.stop.store(true, Ordering::Relaxed);
        let other = IngestOptions { records: 2_000, folder: dir.path().join("other"), ..options };
        std::fs::create_dir(&other.folder).unwrap();
        assert!(ingest(&other).unwrap_err().to_string().contains("interrupted"));
    }
}
