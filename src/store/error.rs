//! What can go wrong with a store, said so that a person knows what to do next.

use std::path::PathBuf;

use crate::base::LaneId;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// Doing the same again, perhaps after a while, can succeed.
    Retry,
    /// The call, the configuration or the machine has to be changed first.
    Fix,
    /// Bytes at rest are not what was written: fetch again, heal, rebuild or restore.
    Damaged,
}

/// Why a store could not do what was asked. Names files, tables and ids, never contents.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store's directory or file is not there.
    #[error("opening the store {path}: not found (create it with `musubi realm enrol`, or check the path)")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A store is to be created where there is one.
    #[error("creating the store {path}: there is a store already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process holds the store.
    #[error("opening the store {path}: the store is in use by another process (running `musubi serve`?)")]
    InUse {
        /// The store's directory.
        path: PathBuf,
    },
    /// The file is not a store, or is damaged so that nothing in it can be reached. Nothing was changed.
    #[error("opening the store {path}: {why}; nothing was changed (restore it with `musubi backup restore`)")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The store was written by a newer program.
    #[error("opening the store {path}: format version {found} is not known, this program knows {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u64,
        /// The version known.
        known: u64,
    },
    /// The key file or passphrase is not the one that the store was made with.
    #[error(
        "unlocking {path}: the {method} does not open data key {key_id}; \
         give the one that this store was created with"
    )]
    WrongKey {
        /// The file of wrapped keys.
        path: PathBuf,
        /// "key file" or "passphrase".
        method: &'static str,
        /// The first hexadecimal digits of the data key's id.
        key_id: String,
    },
    /// The file of wrapped keys cannot be used.
    #[error("reading {path}: {why}")]
    KeysFile {
        /// The file of wrapped keys, or the key file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A file operation failed.
    #[error("{attempt} {path}: {source}")]
    File {
        /// What was attempted ("creating", "writing", …).
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database refused or failed; the store has been or will be reopened.
    #[error("{attempt} in {path}: {why}")]
    Database {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// What the database said.
        why: String,
    },
    /// There is no room on the disk.
    #[error(
        "{attempt} in {path}: the disk is full; nothing acknowledged is lost, free some space and try again"
    )]
    Full {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A value is not what was written.
    #[error("reading {table} {key}: the value is damaged or missing")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The key's first bytes as hexadecimal digits.
        key: String,
    },
    /// A run is not what was written.
    #[error("reading lane {}: the run at {start} is damaged or missing; fetch it again from a peer or the backup", lane.short())]
    DamagedRun {
        /// The lane.
        lane: LaneId,
        /// The first sequence number that cannot be read.
        start: u64,
    },
    /// A lane is no longer as the batch's maker saw it.
    #[error("committing to lane {}: it holds {held} entries, the run starts at {start}; admit it again", lane.short())]
    Stale {
        /// The lane.
        lane: LaneId,
        /// The trunk's size.
        held: u64,
        /// The run's start.
        start: u64,
    },
    /// A batch contradicts itself or what is stored.
    #[error("committing: {why}")]
    BadBatch {
        /// What is wrong.
        why: String,
    },
    /// The trunk does not hold so many entries.
    #[error("reading lane {}: it holds {held} entries, asked for {asked}", lane.short())]
    NotHeld {
        /// The lane.
        lane: LaneId,
        /// The sequence number asked for.
        asked: u64,
        /// The trunk's size.
        held: u64,
    },
    /// The system gave no random numbers.
    #[error("drawing random bytes: {why}")]
    Random {
        /// What the system said.
        why: String,
    },
}

impl StoreError {
    /// Says what the caller can do.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            StoreError::Stale { .. }
            | StoreError::InUse { .. }
            | StoreError::Full { .. }
            | StoreError::Database { .. }
            | StoreError::Random { .. } => StoreErrorKind::Retry,
            StoreError::Missing { .. }
            | StoreError::Exists { .. }
            | StoreError::Version { .. }
            | StoreError::WrongKey { .. }
            | StoreError::KeysFile { .. }
            | StoreError::File { .. }
            | StoreError::BadBatch { .. }
            | StoreError::NotHeld { .. } => StoreErrorKind::Fix,
            StoreError::Unreadable { .. } | StoreError::Damaged { .. } | StoreError::DamagedRun { .. } => {
                StoreErrorKind::Damaged
            }
        }
    }
}
