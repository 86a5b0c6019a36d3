//! Why a command did not do what was asked: the exit status, what was tried, and what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::backup::{BucketError, ErrorKind};
use crate::replica::files::FileError;
use crate::replica::realm::RealmError;

/// The exit status when all was done.
pub const DONE: u8 = 0;
/// The exit status when a check or an expectation failed, or something outside did not answer.
pub const NOT_DONE: u8 = 1;
/// The exit status when the call or the configuration is wrong.
pub const WRONG_CALL: u8 = 2;
/// The exit status when the input or the store is damaged.
pub const DAMAGED: u8 = 3;

/// A refusal that a person can act on; holds no patient data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The exit status: [`NOT_DONE`], [`WRONG_CALL`] or [`DAMAGED`].
    pub status: u8,
    /// What was tried, on what, and why it did not work.
    pub message: String,
    /// What to do next; empty when the message says it.
    pub hint: String,
}

impl Failure {
    /// Says that a check failed or that something outside did not answer.
    pub fn not_done(message: impl Into<String>) -> Self {
        Self { status: NOT_DONE, message: message.into(), hint: String::new() }
    }

    /// Says that the call or the configuration is wrong.
    pub fn wrong_call(message: impl Into<String>) -> Self {
        Self { status: WRONG_CALL, message: message.into(), hint: String::new() }
    }

    /// Says that the input or the store is damaged.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self { status: DAMAGED, message: message.into(), hint: String::new() }
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Returns the object that `--json` prints: `{"error":{"message","hint","status"}}`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": { "message": self.message, "hint": self.hint, "status": self.status }
        })
    }
}

impl fmt::Display for Failure {
    /// Writes `error: …`, and `hint: …` on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let hint = match &error {
            FileError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                "check the path; nothing was changed"
            }
            FileError::Read { .. } => "check that this user may read it",
            FileError::Write { .. } => "check that this user may write there, and that the disk is not full",
            FileError::Toml { .. } => "correct the line that is named",
        };
        Failure::wrong_call(error.to_string()).hint(hint)
    }
}

impl From<RealmError> for Failure {
    fn from(error: RealmError) -> Self {
        match error {
            RealmError::File(error) => error.into(),
            RealmError::Exists(_) | RealmError::Areas(_) => Failure::wrong_call(error.to_string()),
            RealmError::Value { .. } | RealmError::Certificate(_) => {
                Failure::damaged(error.to_string()).hint("take the realm folder from its offline copy")
            }
        }
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::Damaged | ErrorKind::Conflict => Failure::damaged(message),
            ErrorKind::FixCredentials | ErrorKind::FixAddress | ErrorKind::FixClock => {
                Failure::wrong_call(message)
            }
            ErrorKind::Retry | ErrorKind::FixSpace | ErrorKind::NotFound | ErrorKind::Report => {
                Failure::not_done(message)
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    /// Takes the failure, or the error of a lower layer, that stands anywhere in the chain; anything else is
    /// [`NOT_DONE`] with the whole chain as its message.
    fn from(error: anyhow::Error) -> Self {
        let whole = format!("{error:#}");
        let error = match error.downcast::<Failure>() {
            Ok(failure) => return failure,
            Err(error) => error,
        };
        let error = match error.downcast::<RealmError>() {
            Ok(realm) => return Failure { message: whole, ..realm.into() },
            Err(error) => error,
        };
        let error = match error.downcast::<FileError>() {
            Ok(file) => return Failure { message: whole, ..file.into() },
            Err(error) => error,
        };
        match error.downcast::<BucketError>() {
            Ok(bucket) => Failure { message: whole, ..bucket.into() },
            Err(_) => Failure::not_done(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_failure_reads_as_error_and_hint() {
        let failure = Failure::damaged("reading a.db: bad block 7").hint("restore it");
        assert_eq!(failure.to_string(), "error: reading a.db: bad block 7\nhint: restore it");
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"error":{"hint":"restore it","message":"reading a.db: bad block 7","status":3}}"#
        );
        assert_eq!(Failure::not_done("no").to_string(), "error: no");
    }

    #[test]
    fn what_lower_layers_refuse_becomes_the_right_status() {
        let exists = RealmError::Exists("r/realm.toml".into());
        assert_eq!(Failure::from(exists).status, WRONG_CALL);
        let value = RealmError::Value { path: "r/realm.toml".into(), what: "version 9".into() };
        assert_eq!(Failure::from(value).status, DAMAGED);
        let missing = FileError::Read { path: "n.toml".into(), source: std::io::ErrorKind::NotFound.into() };
        let failure = Failure::from(missing);
        assert_eq!(failure.status, WRONG_CALL);
        assert!(failure.message.contains("n.toml") && !failure.hint.is_empty(), "{failure}");
    }

    #[test]
    fn a_failure_inside_a_chain_is_found_again() {
        let chain = anyhow::Error::from(Failure::damaged("x")).context("opening");
        assert_eq!(Failure::from(chain), Failure::damaged("x"));
        let file = Err::<(), _>(RealmError::Exists("r".into())).context("enrolling").unwrap_err();
        let failure = Failure::from(file);
        assert_eq!(failure.status, WRONG_CALL);
        assert!(failure.message.starts_with("enrolling: r exists"), "{failure}");
        assert_eq!(Failure::from(anyhow::anyhow!("no route")).status, NOT_DONE);
    }
}
