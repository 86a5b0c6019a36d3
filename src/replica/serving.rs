//! A running replica: accepts and dials peers, answers commands, keeps the index and the backup up to date.
//!
//! Every task belongs to [`serve`], which stops them in order and waits for them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

use super::asking::{self, Surroundings};
use super::config::{BackupConfig, PeerConfig, ReplicaConfig};
use super::core::Replica;
use super::environment::Environment;
use super::error::ReplicaError;
use super::home::Home;
use super::local::{Answerer, ControlSocket};
use super::neighbours::Neighbours;
use super::request::{Progress, Request};
use super::syncing::{self, SessionState, Until};
use crate::store::keys::KeySource;
use crate::transport::{BACKOFF_MAX, Backoff, Endpoint, Link, PeerKey};

/// A session that lasts longer was no failure: the next dial is made soon.
pub(crate) const SESSION_SHORT: Duration = BACKOFF_MAX;
/// How often the indexer looks for what has arrived.
const INDEX_EVERY: Duration = Duration::from_millis(250);
/// How often everything is read, to find what rotted: first when the replica starts.
const SCRUB_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs a replica until it is asked to stop or `interrupted` changes; `started` hears where peers reach it.
///
/// # Errors
/// When the store, the address or the control socket cannot be had.
pub async fn serve(
    config: &ReplicaConfig,
    key: &KeySource,
    environment: Arc<dyn Environment>,
    interrupted: impl Future<Output = ()> + Send,
    started: impl FnOnce(SocketAddr, &Replica),
) -> Result<(), ReplicaError> {
    check(config)?;
    let mut replica = block_in_place(|| Home::open(&config.store, key, environment))?;
    warn_of_areas(config, &replica);
    if let Some(rules) = &config.interactions {
        replica.use_rules(rules);
    }
    if let Some(areas) = &config.areas {
        replica.hold_only(areas.clone());
    }
    let replica = Arc::new(replica);
    let seed = replica.me().seed.clone();
    let endpoint =
        Arc::new(Endpoint::bind(config.listen, seed.expose(), asking::options(), asking::everybody())?);
    let listen = endpoint.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    let neighbours = Neighbours::default();
    let socket = open_socket(&config.store, listen, &replica).await?;
    started(listen, &replica);

    let mut tasks = JoinSet::new();
    tasks.spawn(accept(replica.clone(), endpoint.clone(), neighbours.clone(), stopped.clone()));
    for peer in config.peers.iter().cloned() {
        tasks.spawn(dial(replica.clone(), endpoint.clone(), peer, neighbours.clone(), stopped.clone()));
    }
    tasks.spawn(keep_index(replica.clone(), stopped.clone()));
    tasks.spawn(keep_whole(replica.clone(), stopped.clone()));
    if let Some(backup) = config.backup.clone() {
        tasks.spawn(keep_backup(replica.clone(), backup, neighbours.clone(), stopped.clone()));
    }
    let answerer = answerer(replica.clone(), neighbours, config.backup.clone(), stop.clone());
    let mut asked = stopped.clone();
    let ending = async {
        tokio::select! {
            () = interrupted => {}
            _ = asked.changed() => {}
        }
        tracing::info!("stopping");
        // Nobody listens any more when all tasks have ended.
        let _ = stop.send(true);
    };
    // The socket stops listening on its own, and finishes what it is answering.
    tokio::join!(socket.serve(answerer, stopped.clone()), ending);
    while tasks.join_next().await.is_some() {}
    endpoint.close("this replica stops").await;
    block_in_place(|| replica.index_step())
}

/// Finds mistakes in a configuration that would otherwise show only when it is used.
fn check(config: &ReplicaConfig) -> Result<(), ReplicaError> {
    if let Some(backup) = &config.backup {
        super::backing::open_bucket(&backup.url)?;
    }
    let is_wrong = |peer: &&PeerConfig| {
        peer.address
            .rsplit_once(':')
            .is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
    };
    match config.peers.iter().find(is_wrong) {
        Some(peer) => Err(ReplicaError::Call(format!(
            "the address '{}' of peer '{}' is not HOST:PORT",
            peer.address, peer.name
        ))),
        None => Ok(()),
    }
}

async fn open_socket(
    store: &Path,
    listen: SocketAddr,
    replica: &Replica,
) -> Result<ControlSocket, ReplicaError> {
    let mut token = [0; 16];
    replica.environment().fill(&mut token);
    ControlSocket::open(store, listen, crate::base::id::hex(&token)).await
}

fn warn_of_areas(config: &ReplicaConfig, replica: &Replica) {
    let held = replica.areas();
    for area in config.areas.iter().flatten().filter(|area| !held.contains(area)) {
        tracing::warn!(%area, "the configuration names an area that the device's certificate does not hold");
    }
}

fn answerer(
    replica: Arc<Replica>,
    neighbours: Neighbours,
    backup: Option<BackupConfig>,
    stop: Arc<watch::Sender<bool>>,
) -> Arc<Answerer> {
    Arc::new(move |request: Request, mut progress: Box<dyn FnMut(Progress) + Send>| {
        let (replica, stop) = (replica.clone(), stop.clone());
        let backup_url = backup.as_ref().map(|backup| backup.url.clone());
        let backup_error = neighbours.backup_error();
        let surroundings = Surroundings { peers: neighbours.status(), backup_url, backup_error };
        Box::pin(async move {
            match request {
                Request::Stop => {
                    // The answer is sent before the socket ends: connections that are answered are finished.
                    let _ = stop.send(true);
                    Ok(serde_json::json!({ "stopping": true }))
                }
                other => asking::ask(&replica, other, surroundings, &mut *progress).await,
            }
        })
    })
}

async fn accept(
    replica: Arc<Replica>,
    endpoint: Arc<Endpoint>,
    neighbours: Neighbours,
    mut stop: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = endpoint.accept() => match accepted {
                Some(Ok(link)) => {
                    let name = peer_name(&replica, &link.peer())
                        .unwrap_or_else(|| crate::base::DeviceId(*link.peer().as_bytes()).short());
                    let (replica, neighbours, stop) = (replica.clone(), neighbours.clone(), stop.clone());
                    sessions.spawn(async move {
                        let ended = session(replica, link, false, &name, &neighbours, stop).await;
                        neighbours.ended(&name, ended.err());
                    });
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "a peer was not admitted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                None => break,
            },
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    while sessions.join_next().await.is_some() {}
}

async fn dial(
    replica: Arc<Replica>,
    endpoint: Arc<Endpoint>,
    peer: PeerConfig,
    neighbours: Neighbours,
    mut stop: watch::Receiver<bool>,
) {
    let mut backoff = Backoff::default();
    while !*stop.borrow() {
        let outcome = tokio::select! {
            outcome = dial_once(&replica, &endpoint, &peer, &neighbours, stop.clone(), &mut backoff) => outcome,
            _ = stop.changed() => return,
        };
        neighbours.ended(&peer.name, outcome.err());
        let mut jitter = [0; 8];
        replica.environment().fill(&mut jitter);
        let pause = backoff.next(u64::from_le_bytes(jitter));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn dial_once(
    replica: &Arc<Replica>,
    endpoint: &Endpoint,
    peer: &PeerConfig,
    neighbours: &Neighbours,
    stop: watch::Receiver<bool>,
    backoff: &mut Backoff,
) -> Result<(), ReplicaError> {
    let address = block_in_place(|| asking::resolve(&peer.address))?;
    let expected = peer.device.map(|device| PeerKey::new(device.0));
    let link = endpoint.connect(address, expected).await?;
    let begun = Instant::now();
    let ended = session(replica.clone(), link, true, &peer.name, neighbours, stop).await;
    // A session that breaks off at once (a full disk, a peer that refuses) is not begun again without a pause.
    if begun.elapsed() >= SESSION_SHORT {
        backoff.reset();
    }
    ended
}

async fn session(
    replica: Arc<Replica>,
    link: Link,
    initiator: bool,
    name: &str,
    neighbours: &Neighbours,
    stop: watch::Receiver<bool>,
) -> Result<(), ReplicaError> {
    let (state, watched) = watch::channel(SessionState::default());
    let device = peer_name(&replica, &link.peer()).unwrap_or_else(|| name.to_owned());
    neighbours.started(name, &device, watched);
    tracing::info!(peer = name, "session begins");
    let ended = syncing::run(replica, link, initiator, Until::Stopped, state, stop).await;
    match &ended {
        Ok(()) => tracing::info!(peer = name, "session over"),
        Err(error) => tracing::info!(peer = name, %error, "session broken"),
    }
    ended
}

async fn keep_index(replica: Arc<Replica>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INDEX_EVERY) => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = block_in_place(|| replica.index_step()) {
            tracing::error!(%error, "the index could not follow; searches still see everything");
        }
    }
}

async fn keep_whole(replica: Arc<Replica>, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = block_in_place(|| replica.scrub()) {
            tracing::error!(%error, "the store could not be read through");
        }
        tokio::select! {
            () = tokio::time::sleep(SCRUB_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

async fn keep_backup(
    replica: Arc<Replica>,
    backup: BackupConfig,
    neighbours: Neighbours,
    mut stop: watch::Receiver<bool>,
) {
    if backup.every_seconds == 0 {
        return;
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(backup.every_seconds)) => {}
            _ = stop.changed() => return,
        }
        let done = replica.backup_now(&backup.url, &mut |_| {}).await;
        neighbours.backed_up(done.as_ref().err());
        match done {
            Ok(done) if done.manifest.is_some() => {
                tracing::info!(entries = done.entries, bytes = done.bytes, "backed up")
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the backup waits for the next turn"),
        }
    }
}

/// Returns the name of a peer that the roster knows.
fn peer_name(replica: &Replica, peer: &PeerKey) -> Option<String> {
    let device = crate::base::DeviceId(*peer.as_bytes());
    let roster = replica.roster();
    roster.certificates.of_device(&device).map(|(_, certificate)| certificate.name.clone()).next()
}
