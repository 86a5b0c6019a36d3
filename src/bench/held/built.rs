//! Building a store of very many records, keeping it, and using it again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::devices::Devices;
use crate::drill::StepFailure;
use crate::lane::Run;
use crate::replica::Replica;
use crate::replica::admit::Outcome;
use crate::replica::environment::SystemEnvironment;
use crate::replica::home::Home;
use crate::replica::request::Progress;
use crate::store::keys::KeySource;

/// Most lanes of a region: the target speaks of 10,000.
pub const LANES_MAX: usize = 100_000;
/// What a kept region says of itself.
const MANIFEST: &str = "held.json";
const VERSION: u32 = 1;
/// The replicas' folders.
const NAMES: [&str; 2] = ["one", "two"];
/// The key file that a command uses when none is named.
const KEY_FILE: &str = "store.key";
/// Runs that are admitted in one commit: about as many bytes as a session gathers.
pub(super) const BATCH_RUNS: usize = 48;
/// Batches that wait to be admitted.
const BATCHES_WAITING: usize = 4;

/// Hears how far a long job is.
pub type Told = Arc<dyn Fn(Progress) + Send + Sync>;

/// A region to be made, or used again.
#[derive(Clone)]
pub struct HeldOptions {
    /// How many records.
    pub records: u64,
    /// In how many lanes.
    pub lanes: usize,
    /// From what all is drawn.
    pub seed: u64,
    /// The region's folder, which may hold it already.
    pub folder: PathBuf,
    /// The binary that is measured.
    pub exe: PathBuf,
    /// Set when the job is to end soon.
    pub stop: Arc<AtomicBool>,
    /// Hears how far it is.
    pub told: Told,
}

/// What it took to make a store.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// Records.
    pub records: u64,
    /// Lanes.
    pub lanes: u64,
    /// Entries, with those that open the lanes.
    pub entries: u64,
    /// The entries' bodies, in bytes.
    pub entry_bytes: u64,
    /// Seconds until all was admitted, durable and indexed, each signature checked.
    pub seconds: f64,
    /// The store's file, in bytes.
    pub file_bytes: u64,
    /// Plain bytes of the index in it.
    pub index_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    records: u64,
    lanes: usize,
    seed: u64,
    made: [Option<Made>; 2],
}

/// A region on disk.
pub struct Built {
    /// What was asked for; records, lanes and seed are those of the region that is there.
    pub options: HeldOptions,
    made: [Option<Made>; 2],
}

impl Built {
    /// Uses the region in the folder, or begins one there; nothing is built yet.
    ///
    /// # Errors
    /// [`StepFailure`] when the folder cannot be used, or holds a region of another version.
    pub fn begin(mut options: HeldOptions) -> Result<Self, StepFailure> {
        let path = options.folder.join(MANIFEST);
        let failed = |error: std::io::Error| StepFailure::of(format!("using {}", path.display()), error);
        fs::create_dir_all(&options.folder).map_err(failed)?;
        if !path.exists() {
            return Ok(Self { options, made: [None; 2] });
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let kept: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| StepFailure::of(format!("reading {}", path.display()), error))?;
        if kept.version != VERSION {
            let why = format!("it is of version {}; build it anew with --keep", kept.version);
            return Err(StepFailure::of(format!("using {}", path.display()), why));
        }
        (options.records, options.lanes, options.seed) = (kept.records, kept.lanes, kept.seed);
        Ok(Self { options, made: kept.made })
    }

    /// Says whether a folder holds a region.
    pub fn exists(folder: &Path) -> bool {
        folder.join(MANIFEST).exists()
    }

    /// Builds one of the two replicas (0 or 1), if it is not there; says what that took.
    ///
    /// # Errors
    /// [`StepFailure`] when the disk fails or the job was ended.
    pub fn make(&mut self, which: usize) -> Result<Made, StepFailure> {
        if let Some(made) = self.made[which] {
            return Ok(made);
        }
        let folder = self.folder(which);
        // What was left half built cannot go on: its devices' lanes would begin again.
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(|error| StepFailure::of(format!("clearing {}", folder.display()), error))?;
        }
        let mut devices = Devices::of_seed(self.options.seed, self.options.lanes)?;
        let made = build(&self.options, &folder, &mut devices, which)?;
        self.made[which] = Some(made);
        let HeldOptions { records, lanes, seed, .. } = self.options;
        let manifest = Manifest { version: VERSION, records, lanes, seed, made: self.made };
        let path = self.options.folder.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain values");
        fs::write(&path, text)
            .map_err(|error| StepFailure::of(format!("writing {}", path.display()), error))?;
        Ok(made)
    }

    /// Returns the folder of a replica.
    pub fn folder(&self, which: usize) -> PathBuf {
        self.options.folder.join(NAMES[which])
    }

    /// Returns the store of a replica.
    pub fn store(&self, which: usize) -> PathBuf {
        store_in(&self.folder(which))
    }

    /// Opens a replica in this process, to give it what others wrote.
    ///
    /// # Errors
    /// [`StepFailure`] when it cannot be opened.
    pub fn open(&self, which: usize) -> Result<Replica, StepFailure> {
        let store = self.store(which);
        Home::open(&store, &key_of(&store), Arc::new(SystemEnvironment))
            .map_err(|error| StepFailure::of(format!("opening {}", store.display()), error))
    }
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("store")
}

fn key_of(store: &Path) -> KeySource {
    KeySource::File(store.join(KEY_FILE))
}

/// Makes an empty replica of the region's realm that knows the certificates of all devices.
pub(super) fn empty_replica(folder: &Path, devices: &Devices, which: usize) -> Result<Replica, StepFailure> {
    let store = store_in(folder);
    let failed =
        |error: &dyn std::fmt::Display| StepFailure::of(format!("making {}", store.display()), error);
    let replica =
        Home::create_enrolled(&store, &key_of(&store), Arc::new(SystemEnvironment), devices.replica(which))
            .map_err(|error| failed(&error))?;
    match replica.offer_certificates(devices.certificates()) {
        0 => Ok(replica),
        bad => Err(failed(&format!("{bad} certificates do not verify"))),
    }
}

/// Admits runs as a session does; all of them must be new.
pub(super) fn admit_all(replica: &Replica, runs: Vec<Run>) -> Result<(), StepFailure> {
    let outcomes =
        replica.admit(runs).map_err(|error| StepFailure::of("storing what was received", error))?;
    match outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Stored(_))) {
        None => Ok(()),
        Some(outcome) => Err(StepFailure::of("storing what was received", format!("{outcome:?}"))),
    }
}

/// One thread writes and signs what the devices of the region send, the other one stores it.
fn build(
    options: &HeldOptions,
    folder: &Path,
    devices: &mut Devices,
    which: usize,
) -> Result<Made, StepFailure> {
    let replica = empty_replica(folder, devices, which)?;
    let (begun, records) = (Instant::now(), options.records);
    let (mut entries, mut entry_bytes, lanes) = (0, 0, options.lanes as u64);
    let tell = |done| {
        let (doing, unit) = (format!("building replica {}", NAMES[which]), "records".to_owned());
        (options.told)(Progress { doing, done, of: records, unit });
    };
    std::thread::scope(|scope| {
        let (sender, batches) = sync_channel::<Result<Vec<Run>, StepFailure>>(BATCHES_WAITING);
        scope.spawn(move || {
            loop {
                let runs = devices.records(records, BATCH_RUNS);
                let is_last = runs.as_ref().map_or(true, Vec::is_empty);
                // Nobody takes it when storing has failed.
                if sender.send(runs).is_err() || is_last {
                    return;
                }
            }
        });
        for runs in batches {
            if options.stop.load(Ordering::Relaxed) {
                return Err(StepFailure("building was interrupted".to_owned()));
            }
            let runs = runs?;
            entries += runs.iter().map(|run| run.entries.len() as u64).sum::<u64>();
            entry_bytes += runs.iter().map(|run| run.body_bytes() as u64).sum::<u64>();
            admit_all(&replica, runs)?;
            index_when_behind(&replica, entries)?;
            tell(entries.saturating_sub(lanes).min(records));
        }
        Ok(())
    })?;
    let failed = |error: crate::replica::ReplicaError| StepFailure::of("indexing what was stored", error);
    replica.index_step().map_err(failed)?;
    let seconds = begun.elapsed().as_secs_f64();
    let stats = replica.store().stats().map_err(|error| StepFailure::of("looking at the store", error))?;
    let (file_bytes, index_bytes) = (stats.file_bytes, stats.index_bytes);
    Ok(Made { records, lanes: stats.lanes, entries, entry_bytes, seconds, file_bytes, index_bytes })
}

/// The indexer follows in its own time; here it is called when it has as much to do as it takes at once.
fn index_when_behind(replica: &Replica, entries: u64) -> Result<(), StepFailure> {
    let every = (BATCH_RUNS * 13 * 16) as u64;
    if entries % every < (BATCH_RUNS * 13) as u64 {
        replica.index_step().map_err(|error| StepFailure::of("indexing what was stored", error))?;
    }
    Ok(())
}
