//! Where lanes rest: the Store trait, memory, redb, sealing, indexes.
//!
//! An acknowledged write is one durable commit of its run; whatever can be computed from runs (search tokens,
//! record → entries, views) follows in the background. Every value at rest is sealed, so that a stolen disk
//! tells nothing and rot is detected on every read. A store knows lanes, names, blobs and tokens; it knows no
//! FHIR and no record.
//!
//! The store on disk runs over a file, or over any [`device`], such as the one that fails as it is told ([`faulty`]).

pub mod api;
pub mod conformance;
pub mod device;
pub mod error;
pub mod faulty;
pub mod files;
pub mod fitting;
pub mod index;
pub mod keys;
pub mod log;
pub mod memory;
pub mod redb;
pub mod repacking;
pub mod rules;
pub mod sealing;
pub mod tail;

pub use self::redb::{RedbStore, StoreOptions};
pub use api::{
    Arrival, Batch, Committed, DamagedRun, Healed, KeyedValue, Posting, Repacked, Store, StoreStats, Token,
};
pub use device::BlockDevice;
pub use error::{StoreError, StoreErrorKind};
pub use faulty::{FaultCounters, FaultDisk};
pub use log::StoreLog;
pub use memory::MemoryStore;
pub use sealing::{DataKey, Nonces};
