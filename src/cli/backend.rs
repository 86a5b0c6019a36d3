//! The one place where commands meet the layers below.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::runtime::Runtime;

use super::drilling;
use super::engine::{
    Backend, Drill, DrillCompare, DrillSwarm, DrillTold, Engine, OnProgress, Restore, Serving,
};
use super::failure::Failure;
use super::key::KeyChoice;
use crate::identity::DeviceRole;
use crate::replica::asking::{self, Surroundings};
use crate::replica::config::ReplicaConfig;
use crate::replica::environment::{Environment as _, SystemEnvironment};
use crate::replica::home::Home;
use crate::replica::local::LocalClient;
use crate::replica::realm::NewDevice;
use crate::replica::request::Request;
use crate::replica::restoring::{self, RestorePlan};
use crate::replica::{Kind, Replica, ReplicaError, serving};
use crate::store::keys::KeySource;

/// The engine of the `musubi` binary.
#[derive(Debug, Clone, Copy, Default)]
pub struct Replicas;

impl Engine for Replicas {
    fn open(&self, store: &Path, key: &KeyChoice) -> Result<Box<dyn Backend>, Failure> {
        let runtime = runtime()?;
        if let Some(client) = runtime.block_on(LocalClient::find(store))? {
            return Ok(Box::new(Running { runtime, client: Mutex::new(client) }));
        }
        let replica = Home::open(store, &source(key), Arc::new(SystemEnvironment))?;
        Ok(Box::new(Opened { runtime, replica: Arc::new(replica) }))
    }

    fn create_store(&self, store: &Path, key: &KeyChoice, device: NewDevice) -> Result<(), Failure> {
        Home::create_enrolled(store, &source(key), Arc::new(SystemEnvironment), &device)?;
        Ok(())
    }

    fn serve(
        &self,
        config: ReplicaConfig,
        key: &KeyChoice,
        ready: &mut dyn FnMut(&Serving),
    ) -> Result<(), Failure> {
        let started = |listen, replica: &Replica| {
            let me = replica.me();
            ready(&Serving {
                realm: me.realm_name.clone(),
                site: me.site_certificate.name.clone(),
                device: me.device_certificate.name.clone(),
                listen,
            });
        };
        let environment = Arc::new(SystemEnvironment);
        let key = source(key);
        let serving = serving::serve(&config, &key, environment, interrupted(), started);
        Ok(runtime()?.block_on(serving)?)
    }

    fn restore(&self, wanted: Restore, progress: &OnProgress) -> Result<Value, Failure> {
        let now = SystemEnvironment.now();
        let plan = RestorePlan {
            url: &wanted.url,
            kit: &wanted.kit,
            store: &wanted.store,
            key: &source(&wanted.key),
            device: &format!("{} restored {}", wanted.kit.site_name, crate::record::build::fhir_time(now)),
            role: DeviceRole::Hospital,
        };
        let mut told = |step| progress(step);
        let restored =
            runtime()?.block_on(restoring::restore(&plan, Arc::new(SystemEnvironment), &mut told))?;
        to_json(&restored)
    }

    fn drill(&self, wanted: Drill, _progress: &OnProgress) -> Result<Value, Failure> {
        drilling::drill(wanted)
    }

    fn drill_compare(&self, wanted: DrillCompare, _progress: &OnProgress) -> Result<DrillTold, Failure> {
        drilling::compared(wanted)
    }

    fn drill_door(&self, listen: std::net::SocketAddr) -> Result<(), Failure> {
        drilling::door(listen)
    }

    fn drill_swarm(&self, wanted: DrillSwarm, progress: &OnProgress) -> Result<DrillTold, Failure> {
        drilling::swarmed(wanted, progress)
    }
}

/// The replica that runs on the store.
struct Running {
    runtime: Runtime,
    client: Mutex<LocalClient>,
}

impl Backend for Running {
    fn ask(&self, request: Request, progress: &OnProgress) -> Result<Value, Failure> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = |step| progress(step);
        Ok(self.runtime.block_on(client.ask(&request, &mut told))?)
    }
}

/// The store, opened by this command.
struct Opened {
    runtime: Runtime,
    replica: Arc<Replica>,
}

impl Backend for Opened {
    fn ask(&self, request: Request, progress: &OnProgress) -> Result<Value, Failure> {
        let mut told = |step| progress(step);
        let surroundings = Surroundings::default();
        let answer = self.runtime.block_on(asking::ask(&self.replica, request, surroundings, &mut told))?;
        self.replica.settle()?;
        Ok(answer)
    }
}

impl From<ReplicaError> for Failure {
    fn from(error: ReplicaError) -> Self {
        let message = error.to_string();
        match error.kind() {
            Kind::Retry => Failure::not_done(message).hint("nothing was lost; try again"),
            Kind::Fix => Failure::wrong_call(message),
            Kind::Damaged => Failure::damaged(message),
        }
    }
}

/// Most threads beside those that run tasks: each that waits for the disk or the replica needs one, and keeps some megabytes
/// of compression contexts and freed memory to itself. What finds none waits.
const WAITING_THREADS_MAX: usize = 8;

pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(WAITING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| Failure::not_done(format!("starting threads: {error}")))
}

fn source(key: &KeyChoice) -> KeySource {
    match key {
        KeyChoice::File(path) | KeyChoice::Inside(path) => KeySource::File(PathBuf::clone(path)),
        KeyChoice::Passphrase(passphrase) => KeySource::Passphrase(passphrase.clone()),
    }
}

pub(super) fn to_json(answer: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(|error| Failure::not_done(format!("the answer: {error}")))
}

/// Ends when the process is asked to end.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    // Without signals a replica runs until it is asked to stop by a command.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
