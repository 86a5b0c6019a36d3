//! What can go wrong with a bucket, and what a person or a program can do about it.

use std::fmt;
use std::io;

/// Says what a caller can do about a [`BucketError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing is wrong with the request: the same call may succeed later.
    Retry,
    /// The credentials, or what they permit, must be corrected first.
    FixCredentials,
    /// The address, the region, the key or the bucket's existence must be corrected first.
    FixAddress,
    /// The disk that holds the bucket is full: space must be made first.
    FixSpace,
    /// The clock of this machine and the server's are too far apart for signed requests.
    FixClock,
    /// An object exists and is not whole, or the disk under it fails.
    Damaged,
    /// The bucket answers and holds nothing under this key.
    NotFound,
    /// Another writer put other bytes under this key first.
    Conflict,
    /// The request cannot succeed as it is, whoever repeats it: a limit, or an answer nobody foresaw.
    Report,
}

/// Names an operation on a bucket, for error messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Opening the bucket, or checking that it answers.
    Check,
    /// Making the directory or the bucket.
    Create,
    /// Writing an object that is absent.
    Put,
    /// Reading an object or a range of one.
    Get,
    /// Asking for an object's size.
    Head,
    /// Listing the objects under a prefix.
    List,
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Action::Check => "check",
            Action::Create => "create",
            Action::Put => "put",
            Action::Get => "get",
            Action::Head => "look up",
            Action::List => "list",
        })
    }
}

/// Says what was tried, on which object of which bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The operation.
    pub action: Action,
    /// The address of the bucket, without credentials.
    pub bucket: String,
    /// The key or prefix; empty when the operation concerns the whole bucket.
    pub key: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {} ", self.action)?;
        if !self.key.is_empty() {
            write!(out, "\"{}\" in ", self.key)?;
        }
        out.write_str(&self.bucket)
    }
}

/// Reports a failed operation on a bucket: what was tried, why it failed, what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The address of a bucket cannot be understood. The address itself may hold a secret and is not shown.
    #[error("the bucket's address is wrong: {problem}")]
    Address {
        /// What is wrong, and what a right address looks like.
        problem: String,
    },
    /// A key or prefix breaks the rules of [`ObjectKey`](super::ObjectKey).
    #[error("{key:?} cannot be the key of an object: {problem}")]
    Key {
        /// The beginning of the refused key.
        key: String,
        /// The rule it breaks.
        problem: &'static str,
    },
    /// Nothing is stored under the key.
    #[error("{attempt}: there is no such object")]
    NotFound {
        /// What was tried.
        attempt: Attempt,
    },
    /// The bucket or directory does not exist.
    #[error("{attempt}: this bucket does not exist; create it first, or correct its address")]
    BucketMissing {
        /// What was tried.
        attempt: Attempt,
    },
    /// The server names another region or place as the bucket's home.
    #[error(
        "{attempt}: the server says that the bucket lives elsewhere ({detail}); correct region or endpoint"
    )]
    WrongPlace {
        /// What was tried.
        attempt: Attempt,
        /// The server's code.
        detail: String,
    },
    /// Other bytes are stored under this key. They were left as they are.
    #[error("{attempt}: other bytes are already there under this key; they were left untouched")]
    Conflict {
        /// What was tried.
        attempt: Attempt,
    },
    /// No credentials were given, or the server refuses them, or they do not permit this.
    #[error(
        "{attempt}: the server refused the credentials ({detail}); check AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, and what they may do in this bucket"
    )]
    Credentials {
        /// What was tried.
        attempt: Attempt,
        /// The server's code, or which credential is missing.
        detail: String,
    },
    /// The operating system denies access to a directory or file.
    #[error("{attempt}: permission denied; give this user the right to read and write there")]
    Permission {
        /// What was tried.
        attempt: Attempt,
        /// The system's error.
        source: io::Error,
    },
    /// The server refuses a signed request because the clocks differ too much.
    #[error("{attempt}: the server's clock and this machine's differ too much; set this machine's clock")]
    Clock {
        /// What was tried.
        attempt: Attempt,
    },
    /// The server could not be reached or did not answer in time. A put may or may not have arrived:
    /// putting the same bytes again settles it.
    #[error("{attempt}: no answer ({detail}); check endpoint and network, or try again later")]
    Unreachable {
        /// What was tried.
        attempt: Attempt,
        /// The transport's reason.
        detail: String,
    },
    /// The server answered that it cannot do it now.
    #[error("{attempt}: the server is busy or failing ({detail}); try again later")]
    Busy {
        /// What was tried.
        attempt: Attempt,
        /// The server's code.
        detail: String,
    },
    /// The disk is full.
    #[error("{attempt}: the disk is full or over quota; make space, then try again (nothing was stored)")]
    Full {
        /// What was tried.
        attempt: Attempt,
        /// The system's error.
        source: io::Error,
    },
    /// The object exceeds the size limit.
    #[error("{attempt}: the object has {size} bytes, the limit is {limit}")]
    TooLarge {
        /// What was tried.
        attempt: Attempt,
        /// The size of the object, bytes.
        size: u64,
        /// The limit, bytes.
        limit: u64,
    },
    /// A listing exceeds the count limit; it is refused rather than cut short.
    #[error("{attempt}: more than {limit} objects; list a narrower prefix")]
    TooMany {
        /// What was tried.
        attempt: Attempt,
        /// The limit, objects.
        limit: usize,
    },
    /// The object is shorter than asked for, or than its own declared size.
    #[error("{attempt}: the object is not whole ({detail}); restore it from another copy")]
    Damaged {
        /// What was tried.
        attempt: Attempt,
        /// What does not fit.
        detail: String,
    },
    /// The disk reports a fault.
    #[error("{attempt}: the disk reports: {source}; check the disk and its mount")]
    Disk {
        /// What was tried.
        attempt: Attempt,
        /// The system's error.
        source: io::Error,
    },
    /// The server refused the request for a reason that no variant above foresees.
    #[error("{attempt}: refused ({detail})")]
    Refused {
        /// What was tried.
        attempt: Attempt,
        /// The server's code and message.
        detail: String,
    },
}

impl BucketError {
    /// Says what the caller can do about this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BucketError::Unreachable { .. } | BucketError::Busy { .. } => ErrorKind::Retry,
            BucketError::Credentials { .. } | BucketError::Permission { .. } => ErrorKind::FixCredentials,
            BucketError::Address { .. }
            | BucketError::BucketMissing { .. }
            | BucketError::WrongPlace { .. } => ErrorKind::FixAddress,
            BucketError::Clock { .. } => ErrorKind::FixClock,
            BucketError::Full { .. } => ErrorKind::FixSpace,
            BucketError::Damaged { .. } | BucketError::Disk { .. } => ErrorKind::Damaged,
            BucketError::NotFound { .. } => ErrorKind::NotFound,
            BucketError::Conflict { .. } => ErrorKind::Conflict,
            BucketError::Key { .. }
            | BucketError::TooLarge { .. }
            | BucketError::TooMany { .. }
            | BucketError::Refused { .. } => ErrorKind::Report,
        }
    }

    /// Sorts an error of the operating system by what can be done about it. A missing file is reported as
    /// a missing object; who can tell that the whole bucket is missing does so before.
    pub(super) fn from_io(attempt: Attempt, source: io::Error) -> BucketError {
        match source.kind() {
            io::ErrorKind::NotFound => BucketError::NotFound { attempt },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                BucketError::Permission { attempt, source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                BucketError::Full { attempt, source }
            }
            _ => BucketError::Disk { attempt, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt { action: Action::Put, bucket: "file:///backup".into(), key: "a/b".into() }
    }

    #[test]
    fn a_message_says_what_was_tried_where_and_what_to_do() {
        let full = BucketError::from_io(attempt(), io::Error::from(io::ErrorKind::StorageFull));
        let text = full.to_string();
        assert!(text.starts_with("cannot put \"a/b\" in file:///backup: the disk is full"), "{text}");
        assert!(text.contains("make space"), "{text}");
        assert_eq!(full.kind(), ErrorKind::FixSpace);
    }

    #[test]
    fn system_errors_are_sorted_by_what_can_be_done() {
        let kind = |kind| BucketError::from_io(attempt(), io::Error::from(kind)).kind();
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::FixCredentials);
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::FixCredentials);
        assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::NotFound);
        assert_eq!(kind(io::ErrorKind::QuotaExceeded), ErrorKind::FixSpace);
        assert_eq!(kind(io::ErrorKind::Other), ErrorKind::Damaged);
    }
}
