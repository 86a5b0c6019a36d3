//! What the commands need of the layers below, so that they can be tested without a store.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::failure::Failure;
use super::key::KeyChoice;
use crate::backup::BucketUrl;
use crate::drill::compare::Against;
use crate::replica::config::ReplicaConfig;
use crate::replica::realm::{NewDevice, RecoveryKit};
use crate::replica::request::{Progress, Request};

/// Hears how far a long job is; may be called from any thread, as often as wanted.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// An opened store, or the running replica that has it open.
pub trait Backend {
    /// Asks one thing and waits for the answer: the JSON form of the type that [`Request`] names.
    ///
    /// # Errors
    /// [`Failure`] with the exit status that fits.
    fn ask(&self, request: Request, progress: &OnProgress) -> Result<Value, Failure>;
}

/// The layers below, as the commands see them.
pub trait Engine {
    /// Opens a store, or reaches the replica that runs on it.
    ///
    /// # Errors
    /// [`Failure`] when there is no such store, or the key does not fit.
    fn open(&self, store: &Path, key: &KeyChoice) -> Result<Box<dyn Backend>, Failure>;

    /// Makes the store of a newly certified device, in a folder that is empty or not there yet; a key file that
    /// is not there yet is made.
    ///
    /// # Errors
    /// [`Failure`] when the folder cannot be made or is not empty.
    fn create_store(&self, store: &Path, key: &KeyChoice, device: NewDevice) -> Result<(), Failure>;

    /// Runs a replica until it is told to stop; calls `ready` once peers can reach it.
    ///
    /// # Errors
    /// [`Failure`] when it cannot start, or had to stop.
    fn serve(
        &self,
        config: ReplicaConfig,
        key: &KeyChoice,
        ready: &mut dyn FnMut(&Serving),
    ) -> Result<(), Failure>;

    /// Restores a lost site as a new device: answers [`crate::replica::answer::Restored`] as JSON.
    ///
    /// # Errors
    /// [`Failure`] when the bucket or the kit is of no use.
    fn restore(&self, wanted: Restore, progress: &OnProgress) -> Result<Value, Failure>;

    /// Runs a drill: answers the report of design section 12 as one JSON object, passed or not.
    ///
    /// # Errors
    /// [`Failure`] when the scenario is wrong or the drill could not be run.
    fn drill(&self, wanted: Drill, progress: &OnProgress) -> Result<Value, Failure>;

    /// Runs a drill beside what would have been.
    ///
    /// # Errors
    /// [`Failure`] when a file is wrong or a drill could not be run.
    fn drill_compare(&self, wanted: DrillCompare, progress: &OnProgress) -> Result<DrillTold, Failure>;

    /// Holds open a door into the network namespace of this process, for the drill that started it.
    ///
    /// # Errors
    /// [`Failure`] when the address cannot be had.
    fn drill_door(&self, listen: std::net::SocketAddr) -> Result<(), Failure>;

    /// Runs random regions.
    ///
    /// # Errors
    /// [`Failure`] when no such fault can be planted, or a shortened region cannot be written.
    fn drill_swarm(&self, wanted: DrillSwarm, progress: &OnProgress) -> Result<DrillTold, Failure>;
}

/// A replica that peers can reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Serving {
    /// The realm's name.
    pub realm: String,
    /// The site's name.
    pub site: String,
    /// The device's name.
    pub device: String,
    /// Where it listens, with the port that was really taken.
    pub listen: SocketAddr,
}

/// A restore that is wanted.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The bucket.
    pub url: BucketUrl,
    /// The lost site's recovery kit.
    pub kit: RecoveryKit,
    /// The new store's folder.
    pub store: PathBuf,
    /// What will open the new store; a key file that is not there yet is made.
    pub key: KeyChoice,
}

/// A drill that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// The scenario file.
    pub scenario: PathBuf,
    /// How it is run.
    pub mode: DrillMode,
    /// Whether a simulation is run twice and the traces are compared.
    pub twice: bool,
    /// The seed of everything random; without it, the drill's own.
    pub seed: Option<u64>,
    /// Whether each replica of a live run gets a network namespace of its own.
    pub netns: bool,
    /// The bucket, in place of a folder of the drill's own.
    pub bucket: Option<BucketUrl>,
    /// Where the page of the report is written.
    pub report: Option<PathBuf>,
    /// The fault to plant; none in builds without sabotage.
    pub sabotage: Option<String>,
    /// Whether standard output is kept for the JSON report, so that the story goes to standard error.
    pub json: bool,
}

/// How a drill is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrillMode {
    /// With real processes where the scenario can, else in virtual time.
    AsItCan,
    /// With real processes.
    Live,
    /// In virtual time.
    Sim,
}

/// A comparison that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillCompare {
    /// The scenario file.
    pub scenario: PathBuf,
    /// With what.
    pub against: Vec<Against>,
    /// The seed; without it, the drill's own.
    pub seed: Option<u64>,
    /// How many seeds, for a sweep.
    pub sweep: Option<u64>,
    /// Where the page is written.
    pub report: Option<PathBuf>,
}

/// A sweep of random regions that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSwarm {
    /// The first seed.
    pub first_seed: u64,
    /// How many.
    pub seeds: u64,
    /// How many run at once.
    pub threads: usize,
    /// The fault to plant; none in builds without sabotage.
    pub sabotage: Option<String>,
    /// The folder into which shortened regions are written.
    pub shrink_to: Option<PathBuf>,
}

/// What came of a comparison or a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillTold {
    /// For tools.
    pub json: Value,
    /// For people.
    pub text: String,
    /// Whether everything that was expected holds.
    pub passed: bool,
}
