//! Why a drill could not be run, or a step of it not be done.

use std::path::PathBuf;

use super::live::NetnsError;
use super::scenario::ScenarioError;
use crate::backup::BucketError;
use crate::base::planted::Plant;

/// Why a drill could not be run at all. A drill that runs and fails is a report, not an error.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The scenario is wrong.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The bucket's address is wrong.
    #[error("the drill's bucket: {0}")]
    Bucket(#[from] BucketError),
    /// A bucket was given that the drill cannot cut.
    #[error("the drill's bucket: {0}")]
    BucketNotCuttable(&'static str),
    /// The replicas cannot have network namespaces.
    #[error("setting up network namespaces: {0}")]
    Netns(#[from] NetnsError),
    /// A fault was asked for that is not known.
    #[error("no fault is named '{name}'; known are {known}")]
    Sabotage {
        /// What was asked for.
        name: String,
        /// What is known.
        known: String,
    },
    /// A bug is to be planted where none can be: what followed would prove nothing.
    #[error("planting '{}': this build has no bugs to plant; build it with `--features sabotage`, or without `--release`", .0.name())]
    NoSabotage(Plant),
    /// The work folder could not be used.
    #[error("using the work folder {path}: {source}")]
    Work {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The region could not be set up.
    #[error("setting up the drill: {doing}: {failure}")]
    SetUp {
        /// What was being done.
        doing: String,
        /// Why it failed.
        failure: StepFailure,
    },
}

/// Why a step was not done: text for the report. The drill goes on, and fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StepFailure(
    /// What was attempted and why it failed.
    pub String,
);

impl StepFailure {
    /// Notes what was attempted and why it failed.
    pub fn of(attempt: impl std::fmt::Display, reason: impl std::fmt::Display) -> Self {
        Self(format!("{attempt}: {reason}"))
    }
}
