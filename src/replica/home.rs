//! The store's folder on disk: created once for one device, opened by one process at a time.

use std::path::Path;
use std::sync::Arc;

use super::core::{Beginning, Replica};
use super::environment::Environment;
use super::error::ReplicaError;
use super::guarding::RULES_FILE;
use super::realm::NewDevice;
use crate::store::Store;
use crate::store::keys::KeySource;
use crate::store::redb::{RedbStore, StoreOptions};

/// A store's folder.
pub struct Home;

impl Home {
    /// Creates a store and makes it this device's.
    ///
    /// # Errors
    /// When there is a store already, or the folder cannot be written.
    pub fn create(
        path: &Path,
        key: &KeySource,
        environment: Arc<dyn Environment>,
        beginning: &Beginning<'_>,
    ) -> Result<Replica, ReplicaError> {
        Replica::begin(Self::create_store(path, key)?, environment, beginning)
    }

    /// Creates an empty store that is nobody's yet.
    ///
    /// # Errors
    /// When there is a store already, or the folder cannot be written.
    pub fn create_store(path: &Path, key: &KeySource) -> Result<Arc<dyn Store>, ReplicaError> {
        Ok(Arc::new(RedbStore::create(path, key, StoreOptions::default())?))
    }

    /// Creates the store of a device that was just enrolled.
    ///
    /// # Errors
    /// When there is a store already, or the folder cannot be written.
    pub fn create_enrolled(
        path: &Path,
        key: &KeySource,
        environment: Arc<dyn Environment>,
        device: &NewDevice,
    ) -> Result<Replica, ReplicaError> {
        let beginning = Beginning {
            seed: &device.seed,
            genesis: &device.genesis,
            certificate: device.certificate,
            items: &device.items,
        };
        Self::create(path, key, environment, &beginning)
    }

    /// Opens a store; a table of rules in its folder ([`RULES_FILE`]) is used from then on, if it is right.
    ///
    /// # Errors
    /// When there is none, it is in use, the key does not open it, or it is damaged.
    pub fn open(
        path: &Path,
        key: &KeySource,
        environment: Arc<dyn Environment>,
    ) -> Result<Replica, ReplicaError> {
        let store = RedbStore::open(path, key, StoreOptions::default())?;
        let mut replica = Replica::open(Arc::new(store), environment).map_err(|error| match error {
            ReplicaError::NotEnrolled(_) => ReplicaError::NotEnrolled(path.to_owned()),
            other => other,
        })?;
        let rules = path.join(RULES_FILE);
        if rules.exists() {
            replica.use_rules(&rules);
        }
        Ok(replica)
    }

    /// Says whether there is a store in a folder.
    pub fn exists(path: &Path) -> bool {
        RedbStore::exists(path)
    }
}
