//! Why a replica could not do what was asked.

use std::path::PathBuf;

use crate::backup::BucketError;
use crate::backup::manifest::ManifestError;
use crate::backup::segment::SegmentError;
use crate::base::{Area, Part, RecordId};
use crate::chart::ChartError;
use crate::identity::CertificateError;
use crate::lane::writer::AppendError;
use crate::record::safety::TableError;
use crate::store::{StoreError, StoreErrorKind};
use crate::transport::TransportError;

use super::files::FileError;
use super::realm::RealmError;

/// What the caller can do about an error; the exit status of a command follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Something outside did not answer: trying again may help. Exit status 1.
    Retry,
    /// The call or the configuration is wrong. Exit status 2.
    Fix,
    /// The input or the store is damaged. Exit status 3.
    Damaged,
}

/// Why a replica could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The realm folder or a recovery kit failed.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A lane cannot be appended to.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A chart cannot be edited.
    #[error("the chart: {0}")]
    Chart(#[from] ChartError),
    /// A certificate is not accepted.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The bucket failed.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A manifest is not accepted.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A segment is not accepted.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The backup is damaged beyond what was asked.
    #[error("{0}")]
    BackupDamaged(String),
    /// A bundle, a request for one or a set of codes is not what it should be.
    #[error("{0}")]
    Bundle(String),
    /// The network failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The store has no device in it.
    #[error("{0} holds no enrolled device; create it with `musubi realm enrol` or `musubi backup restore`")]
    NotEnrolled(PathBuf),
    /// The device's own values in the store are not readable.
    #[error("the store's {0} is damaged; restore this site from the backup as a new device")]
    DeviceDamaged(&'static str),
    /// No record has this id.
    #[error(
        "no record begins with '{0}'; `musubi find` names records, and `musubi pull` asks the neighbours for one"
    )]
    NoRecord(String),
    /// Several records have this beginning.
    #[error("'{0}' is the beginning of several records; give more digits")]
    AmbiguousRecord(String),
    /// A record id is malformed.
    #[error("'{0}' is not the beginning of a record id: 8 to 32 hexadecimal digits")]
    BadRecord(String),
    /// The device may not write there.
    #[error("this device may not write in area {area}, part {part}; its certificate names its areas")]
    NotAllowed {
        /// The area.
        area: Area,
        /// The part.
        part: Part,
    },
    /// The device has no shared area of its own.
    #[error("this device's certificate names no area besides `common`; give one with --area")]
    NoArea,
    /// Nothing is there to follow.
    #[error("record {record} has no {what}; `musubi show` lists what it has")]
    NothingToFollow {
        /// The record.
        record: RecordId,
        /// What was looked for.
        what: String,
    },
    /// An order brings a contraindication, and no reason was given for it; nothing was written. What meets what is in
    /// the answer alone.
    #[error("this order brings a contraindication; nothing was written")]
    Contraindicated(Box<super::blocked::Blocked>),
    /// A table of rules is not accepted; nothing of it was loaded.
    #[error("{path}: {error}")]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: TableError,
    },
    /// What was asked makes no sense.
    #[error("{0}")]
    Call(String),
    /// An import failed as a whole.
    #[error("importing: {0}")]
    Import(String),
    /// The peer ended the session.
    #[error("syncing with {peer}: {reason}")]
    Session {
        /// The peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// No peer has given a good answer about a person.
    #[error("asking for a person: {0}")]
    Pull(String),
    /// The replica that runs on this store could not be asked.
    #[error("asking the replica that runs on {store}: {reason}")]
    Local {
        /// The store.
        store: PathBuf,
        /// Why.
        reason: String,
    },
    /// The replica that runs on this store answered with an error.
    #[error("{message}")]
    Answered {
        /// What it said.
        message: String,
        /// What the caller can do.
        kind: Kind,
    },
}

impl ReplicaError {
    /// Says what the caller can do.
    pub fn kind(&self) -> Kind {
        use crate::backup::ErrorKind as Bucket;
        use crate::transport::ErrorKind as Transport;
        match self {
            ReplicaError::Store(error) => match error.kind() {
                StoreErrorKind::Retry => Kind::Retry,
                StoreErrorKind::Fix => Kind::Fix,
                StoreErrorKind::Damaged => Kind::Damaged,
            },
            ReplicaError::Bucket(error) => match error.kind() {
                Bucket::Damaged | Bucket::Conflict => Kind::Damaged,
                Bucket::FixCredentials | Bucket::FixAddress | Bucket::FixClock => Kind::Fix,
                Bucket::Retry | Bucket::FixSpace | Bucket::NotFound | Bucket::Report => Kind::Retry,
            },
            ReplicaError::Transport(error) => match error.kind() {
                Transport::Refused => Kind::Fix,
                Transport::Retry | Transport::Broken | Transport::Closed => Kind::Retry,
            },
            ReplicaError::Manifest(_)
            | ReplicaError::Segment(_)
            | ReplicaError::Certificate(_)
            | ReplicaError::Chart(_)
            | ReplicaError::BackupDamaged(_)
            | ReplicaError::Bundle(_)
            | ReplicaError::DeviceDamaged(_)
            | ReplicaError::Import(_) => Kind::Damaged,
            // No other kind has the exit status 1.
            ReplicaError::Session { .. } | ReplicaError::Contraindicated(_) | ReplicaError::Pull(_) => {
                Kind::Retry
            }
            ReplicaError::Answered { kind, .. } => *kind,
            ReplicaError::File(_)
            | ReplicaError::Realm(_)
            | ReplicaError::Append(_)
            | ReplicaError::NotEnrolled(_)
            | ReplicaError::NoRecord(_)
            | ReplicaError::AmbiguousRecord(_)
            | ReplicaError::BadRecord(_)
            | ReplicaError::NotAllowed { .. }
            | ReplicaError::NoArea
            | ReplicaError::NothingToFollow { .. }
            | ReplicaError::Call(_)
            | ReplicaError::Rules { .. }
            | ReplicaError::Local { .. } => Kind::Fix,
        }
    }
}
