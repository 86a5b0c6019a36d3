//! The one place where commands meet the layers below.

use std::path::Path;

use serde_json::Value;

use super::engine::{Backend, Drill, Engine, OnProgress, Restore, Serving};
use super::failure::Failure;
use super::key::KeyChoice;
use crate::replica::config::ReplicaConfig;
use crate::replica::realm::NewDevice;

/// The engine of the `musubi` binary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replicas;

impl Engine for Replicas {
    fn open(&self, _store: &Path, _key: &KeyChoice) -> Result<Box<dyn Backend>, Failure> {
        Err(absent("opening a store"))
    }

    fn create_store(&self, _store: &Path, _key: &KeyChoice, _device: NewDevice) -> Result<(), Failure> {
        Err(absent("creating a store"))
    }

    fn serve(
        &self,
        _config: ReplicaConfig,
        _key: &KeyChoice,
        _ready: &mut dyn FnMut(&Serving),
    ) -> Result<(), Failure> {
        Err(absent("serving"))
    }

    fn restore(&self, _wanted: Restore, _progress: &OnProgress) -> Result<Value, Failure> {
        Err(absent("restoring"))
    }

    fn drill(&self, _wanted: Drill, _progress: &OnProgress) -> Result<Value, Failure> {
        Err(absent("running a drill"))
    }
}

fn absent(attempt: &str) -> Failure {
    Failure::wrong_call(format!("{attempt}: this build has no replica layer"))
}
