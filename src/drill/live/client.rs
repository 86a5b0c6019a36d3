//! The drill's own client of a replica's control socket: one connection, one question after another.

use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::drill::error::StepFailure;
use crate::replica::local::{CONTROL_FILE, Control, LocalClient};
use crate::replica::request::Request;

/// How long a replica may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A connection to a running replica.
pub struct Client(LocalClient);

impl Client {
    /// Connects to the replica that runs on a store.
    ///
    /// # Errors
    /// [`StepFailure`] when none runs there.
    pub async fn connect(store: &Path) -> Result<Self, StepFailure> {
        LocalClient::connect(store).await.map(Self).map_err(|error| StepFailure(error.to_string()))
    }

    /// Connects to the replica that runs on a store, if it is this process: after a power cut the store still
    /// names the one before.
    pub async fn of_process(store: &Path, process: u32) -> Option<Self> {
        let text = std::fs::read(store.join(CONTROL_FILE)).ok()?;
        let control: Control = serde_json::from_slice(&text).ok()?;
        if control.process != process {
            return None;
        }
        LocalClient::connect(store).await.ok().map(Self)
    }

    /// Asks something and waits for the answer.
    ///
    /// # Errors
    /// [`StepFailure`] with what the replica answered, or that it did not.
    pub async fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, StepFailure> {
        let mut ignored = |_| {};
        let answer = match timeout(ANSWER_WITHIN, self.0.ask(request, &mut ignored)).await {
            Ok(answer) => answer.map_err(|error| StepFailure(error.to_string()))?,
            Err(_) => return Err(StepFailure(format!("no answer after {ANSWER_WITHIN:?}"))),
        };
        serde_json::from_value(answer).map_err(|error| StepFailure::of("an answer of another form", error))
    }
}
