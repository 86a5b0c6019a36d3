//! The drill's own client of a replica's control socket: one connection, one question after another.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::door::through;
use super::place::Home;
use crate::drill::error::StepFailure;
use crate::replica::ReplicaError;
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
    pub async fn connect(home: &Home) -> Result<Self, StepFailure> {
        let told = |error: ReplicaError| StepFailure(error.to_string());
        match home.door {
            None => LocalClient::connect(&home.store).await.map(Self).map_err(told),
            Some(door) => {
                let none = || StepFailure(format!("no replica runs on {}", home.store.display()));
                Self::inside(&home.store, door, &control(&home.store).ok_or_else(none)?).await
            }
        }
    }

    /// Connects to the replica that runs on a store, if it is this process: after a power cut the store still
    /// names the one before.
    pub async fn of_process(home: &Home, process: u32) -> Option<Self> {
        if control(&home.store)?.process != process {
            return None;
        }
        Self::connect(home).await.ok()
    }

    async fn inside(store: &Path, door: SocketAddr, control: &Control) -> Result<Self, StepFailure> {
        let failed = |error: &dyn std::fmt::Display| StepFailure::of(format!("the door {door}"), error);
        let stream = through(door, control.port).await.map_err(|error| failed(&error))?;
        LocalClient::over(store, control, stream).await.map(Self).map_err(|error| failed(&error))
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

/// Reads where the replica on a store says that it is asked.
fn control(store: &Path) -> Option<Control> {
    serde_json::from_slice(&std::fs::read(store.join(CONTROL_FILE)).ok()?).ok()
}
