//! What can go wrong inside a transaction, and how it is told outside.
//!
//! redb trusts the file: rot can make it panic (in debug builds it asserts on purpose), so every call into it
//! runs under [`guard`], and after a panic or an I/O error the database is reopened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::store::error::StoreError;

/// What can go wrong inside a transaction, before the file is named.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database says so.
    Database(Box<redb::Error>),
    /// This layer says so.
    Store(StoreError),
    /// The file is not a store, not of this key, or rotten at its root.
    Damaged(String),
    /// The file is of another version.
    Format {
        /// The version found.
        found: u64,
    },
    /// The database has panicked.
    Panicked,
    /// The database could not be reopened in time for this call.
    Closed,
}

impl Fault {
    /// Says whether the database must not be used again before it is reopened.
    pub(super) fn needs_reopening(&self) -> bool {
        match self {
            Fault::Store(_) | Fault::Damaged(_) | Fault::Format { .. } => false,
            Fault::Database(_) | Fault::Panicked | Fault::Closed => true,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Store(error)
    }
}

macro_rules! database_faults {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Fault {
            fn from(error: redb::$error) -> Self {
                Fault::Database(Box::new(error.into()))
            }
        })*
    };
}
database_faults!(DatabaseError, TransactionError, TableError, StorageError, CommitError, SetDurabilityError);

/// Runs a piece of work with redb so that its panics become faults.
///
/// Nothing of ours is left half changed by an unwinding: memory beside the database changes only after a
/// commit, and is read again when the database is reopened.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Fault::Panicked))
}

/// Names the file in a fault.
pub(super) fn explain(attempt: &'static str, path: &Path, fault: Fault) -> StoreError {
    let path = path.to_owned();
    let error = match fault {
        Fault::Store(error) => return error,
        Fault::Damaged(why) => return StoreError::Unreadable { path, why },
        Fault::Format { found } => {
            return StoreError::Version { path, found, known: super::rows::FORMAT_VERSION };
        }
        Fault::Panicked => {
            let why = "the database file is damaged (the database stopped on it)".to_owned();
            return StoreError::Unreadable { path, why };
        }
        Fault::Closed => {
            return StoreError::Database { attempt, path, why: "the database is closed".to_owned() };
        }
        Fault::Database(error) => *error,
    };
    match error {
        redb::Error::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            StoreError::Full { attempt, path }
        }
        redb::Error::Io(source)
            if matches!(
                source.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Unreadable { path, why: source.to_string() }
        }
        redb::Error::Io(source) => StoreError::File { attempt, path, source },
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path },
        redb::Error::UpgradeRequired(found) => {
            StoreError::Unreadable { path, why: format!("the database's file format is {found}") }
        }
        redb::Error::Corrupted(why) => StoreError::Unreadable { path, why },
        error @ (redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TableIsNotMultimap(_)) => {
            StoreError::Unreadable { path, why: format!("its list of tables is damaged: {error}") }
        }
        other => StoreError::Database { attempt, path, why: other.to_string() },
    }
}
