//! A replica of the region that runs as users run it: `musubi serve`, asked over its control socket.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::super::accounting::{at_rest, memory_of};
use super::built::Built;
use crate::drill::StepFailure;
use crate::drill::live::{Client, Home, Place, ServeProcess};
use crate::replica::request::Request;

/// How long a replica may take until it answers: far more than the target.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a replica may take until it has read its whole store, as it does when it starts.
const REST_WITHIN: Duration = Duration::from_secs(1_800);

/// A running replica.
pub(super) struct Served {
    process: ServeProcess,
    home: Home,
    client: Client,
    /// Where peers reach it.
    pub(super) place: Place,
    /// Milliseconds from its start until it answered.
    pub(super) ready_ms: f64,
    folder: PathBuf,
}

impl Served {
    /// Starts one of the two replicas (0 or 1).
    ///
    /// # Errors
    /// [`StepFailure`] when it does not answer.
    pub(super) async fn start(built: &Built, which: usize) -> Result<Self, StepFailure> {
        let folder = built.folder(which);
        let failed = |error: std::io::Error| StepFailure::of(format!("using {}", folder.display()), error);
        let place = Place::on_loopback().map_err(failed)?;
        let (config, log) = (folder.join("replica.toml"), folder.join("log"));
        let store = built.store(which);
        fs::write(&config, format!("store = {store:?}\nlisten = \"{}\"\n", place.listen)).map_err(failed)?;
        let home = Home { store, door: None };
        let begun = Instant::now();
        let process = ServeProcess::spawn(place.command(&built.options.exe), &config, &log, None)?;
        loop {
            if let Some(client) = Client::of_process(&home, process.id()).await {
                let ready_ms = begun.elapsed().as_secs_f64() * 1e3;
                return Ok(Self { process, home, client, place, ready_ms, folder });
            }
            if begun.elapsed() > READY_WITHIN {
                let log = fs::read_to_string(&log).unwrap_or_default();
                let end = log.lines().last().unwrap_or("its log is empty").to_owned();
                return Err(StepFailure::of(format!("waiting for the replica in {}", folder.display()), end));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until it has read through its store.
    ///
    /// # Errors
    /// [`StepFailure`] when it has ended.
    pub(super) async fn rest(&self) -> Result<Duration, StepFailure> {
        at_rest(self.process.id(), REST_WITHIN).await
    }

    /// Asks something; returns the answer, and how long it took in milliseconds.
    ///
    /// # Errors
    /// [`StepFailure`] when it does not answer, or something else.
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        request: &Request,
    ) -> Result<(T, f64), StepFailure> {
        let begun = Instant::now();
        let answer = self.client.ask(request).await;
        let answer = answer
            .map_err(|failure| StepFailure::of(format!("asking {}", self.folder.display()), failure))?;
        Ok((answer, begun.elapsed().as_secs_f64() * 1e3))
    }

    /// Returns the memory that it holds now, and the most that it held, in bytes.
    pub(super) fn memory(&self) -> (u64, u64) {
        memory_of(self.process.id())
    }

    /// Returns its process.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Cuts its power, and waits until it has ended.
    ///
    /// # Errors
    /// [`StepFailure`] when the system refuses.
    pub(super) async fn kill(mut self) -> Result<(), StepFailure> {
        self.process.kill()?;
        self.process.end().await.map(drop)
    }

    /// Lets it end in order.
    ///
    /// # Errors
    /// [`StepFailure`] when it complains.
    pub(super) async fn stop(self) -> Result<(), StepFailure> {
        drop(self.client);
        self.process.stop(&self.home).await
    }
}
