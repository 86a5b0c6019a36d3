//! A running replica: accepts and dials peers, answers commands, keeps the index and the backup up to date.
//!
//! Every task belongs to [`serve`], which stops them in order and waits for them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};

use super::asking::{self, Surroundings};
use super::bucket_syncing::is_bucket;
use super::config::{BackupConfig, PeerConfig, ReplicaConfig};
use super::core::Replica;
use super::dialling::dial;
use super::discovering::{self, Nearby};
use super::environment::Environment;
use super::error::ReplicaError;
use super::home::Home;
use super::local::{Answerer, ControlSocket};
use super::meeting::{Meetings, meet_found};
use super::metering::Meter;
use super::metrics::Metrics;
use super::neighbours::Neighbours;
use super::request::{Progress, Request};
use super::syncing::{self, SessionState, Side, Until};
use crate::base::DeviceId;
use crate::store::Repacked;
use crate::store::keys::KeySource;
use crate::transport::{Backoff, Endpoint, Guard, GuardLimits, Link, PeerKey, TransportError};

/// How often the indexer looks for what has arrived.
const INDEX_EVERY: Duration = Duration::from_millis(250);
/// How often it does not look when nothing has changed since it last found nothing to do: two seconds.
const STEPS_PASSED_OVER: u32 = 7;
/// How often everything is read, to find what rotted: first when the replica starts.
const SCRUB_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// How often what was fetched of single people is looked through for what has grown old.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

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
    if let Some(wanted) = config.holds() {
        replica.hold_parts(wanted);
    }
    if let Some(days) = config.keep_pulled_days {
        replica.keep_pulled(u64::from(days.get()) * 86_400_000);
    }
    let replica = Arc::new(replica);
    let seed = replica.me().seed.clone();
    let (options, policy) = (asking::options(), asking::everybody());
    let guard = guard(&replica, GuardLimits::of(&options));
    let endpoint = Endpoint::bind_guarded(config.listen, seed.expose(), options, policy, guard.clone())?;
    let endpoint = Arc::new(endpoint);
    let metrics = Metrics::new(guard.clone());
    let listen = endpoint.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let stop = Arc::new(stop);
    let neighbours = Neighbours::default();
    let socket = open_socket(&config.store, listen, &replica).await?;
    started(listen, &replica);

    let mut tasks = JoinSet::new();
    let (buckets, peers): (Vec<_>, Vec<_>) =
        config.peers.iter().cloned().partition(|peer| is_bucket(&peer.address));
    for bucket in buckets {
        tasks.spawn(keep_in_bucket(replica.clone(), bucket, neighbours.clone(), stopped.clone()));
    }
    let meetings = Meetings::default();
    let company = Company {
        replica: replica.clone(),
        guard,
        neighbours: neighbours.clone(),
        meetings: meetings.clone(),
    };
    let looking = discovering::look(config, listen, &replica, stopped.clone())?;
    let nearby = looking.as_ref().map(|looking| looking.nearby.clone());
    if let Some(nearby) = nearby.clone() {
        tasks.spawn(meet_found(company.clone(), endpoint.clone(), nearby, stopped.clone()));
    }
    tasks.spawn(accept(company.clone(), endpoint.clone(), stopped.clone()));
    for peer in peers {
        tasks.spawn(dial(company.clone(), endpoint.clone(), peer, stopped.clone()));
    }
    tasks.spawn(keep_index(replica.clone(), stopped.clone()));
    tasks.spawn(keep_whole(replica.clone(), stopped.clone()));
    tasks.spawn(keep_pulled(replica.clone(), stopped.clone()));
    if let Some(backup) = config.backup.clone() {
        tasks.spawn(keep_backup(replica.clone(), backup, neighbours.clone(), stopped.clone()));
    }
    let around = Around { neighbours, meetings, nearby, metrics, endpoint: endpoint.clone() };
    let answerer = answerer(replica.clone(), around, config.backup.clone(), stop.clone());
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
    if let Some(looking) = looking {
        looking.ended().await;
    }
    endpoint.close("this replica stops").await;
    block_in_place(|| replica.settle())
}

/// Finds mistakes in a configuration that would otherwise show only when it is used.
fn check(config: &ReplicaConfig) -> Result<(), ReplicaError> {
    if config.discovery == Some(true) && config.listen.ip().is_loopback() {
        let text = format!(
            "discovery is on, but nobody on a network reaches {}: listen on 0.0.0.0 or [::]",
            config.listen
        );
        return Err(ReplicaError::Call(text));
    }
    if let Some(backup) = &config.backup {
        super::backing::open_bucket(&backup.url)?;
    }
    for peer in config.peers.iter().filter(|peer| is_bucket(&peer.address)) {
        super::backing::open_bucket(&peer.address)?;
        if peer.megabytes_per_day.is_some() {
            let text =
                format!("megabytes-per-day of peer '{}' counts a link, and this is a bucket", peer.name);
            return Err(ReplicaError::Call(text));
        }
    }
    let is_wrong = |peer: &&PeerConfig| {
        let parts = peer.address.rsplit_once(':');
        !is_bucket(&peer.address)
            && parts.is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err())
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
    let wanted = config.holds().unwrap_or_default();
    for area in wanted.keys().filter(|area| !held.contains(*area)) {
        tracing::warn!(%area, "the configuration names an area that the device's certificate does not hold");
    }
}

/// What a status tells of those around a replica.
struct Around {
    neighbours: Neighbours,
    meetings: Meetings,
    nearby: Option<watch::Receiver<Nearby>>,
    metrics: Metrics,
    endpoint: Arc<Endpoint>,
}

fn answerer(
    replica: Arc<Replica>,
    around: Around,
    backup: Option<BackupConfig>,
    stop: Arc<watch::Sender<bool>>,
) -> Arc<Answerer> {
    Arc::new(move |request: Request, mut progress: Box<dyn FnMut(Progress) + Send>| {
        let (replica, stop) = (replica.clone(), stop.clone());
        let backup_url = backup.as_ref().map(|backup| backup.url.clone());
        let backup_error = around.neighbours.backup_error();
        let (peers, refused) = (around.neighbours.status(), around.metrics.refused());
        let nearby = around.nearby.as_ref().map(|it| around.meetings.told(&replica, &it.borrow()));
        let endpoint = Some(around.endpoint.clone());
        let surroundings = Surroundings { peers, refused, nearby, backup_url, backup_error, endpoint };
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

/// What every session of a running replica needs.
#[derive(Clone)]
pub(super) struct Company {
    pub(super) replica: Arc<Replica>,
    pub(super) guard: Arc<Guard>,
    pub(super) neighbours: Neighbours,
    pub(super) meetings: Meetings,
}

/// Makes the guard of a replica, which tells members by its roster.
pub(super) fn guard(replica: &Arc<Replica>, limits: GuardLimits) -> Arc<Guard> {
    let known = Arc::downgrade(replica);
    Arc::new(Guard::new(limits, move |key| {
        known.upgrade().is_some_and(|replica| replica.knows(&DeviceId(*key.as_bytes())))
    }))
}

/// Runs a session with every peer that comes. Whom the endpoint's guard has refused is counted there.
pub(super) async fn accept(company: Company, endpoint: Arc<Endpoint>, mut stop: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = endpoint.accept() => match accepted {
                Some(Ok(link)) => {
                    sessions.spawn(company.clone().receive(link, stop.clone()));
                }
                Some(Err(error)) => tracing::debug!(%error, "a peer was not admitted"),
                None => break,
            },
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
            _ = stop.changed() => break,
        }
    }
    while sessions.join_next().await.is_some() {}
}

impl Company {
    /// Returns how long to wait before the next dial: as long as a busy peer asks, or after the back-off.
    pub(super) fn pause_after(&self, backoff: &mut Backoff, outcome: &Result<(), ReplicaError>) -> Duration {
        match outcome {
            Err(ReplicaError::Transport(TransportError::Busy { come_back, .. })) => {
                backoff.after_busy(*come_back, self.jitter())
            }
            Ok(()) | Err(_) => backoff.next(self.jitter()),
        }
    }

    /// Returns a random number.
    pub(super) fn jitter(&self) -> u64 {
        let mut jitter = [0; 8];
        self.replica.environment().fill(&mut jitter);
        u64::from_le_bytes(jitter)
    }

    async fn receive(self, link: Link, stop: watch::Receiver<bool>) {
        let device = DeviceId(*link.peer().as_bytes());
        let known = self.replica.name_of(&device);
        let name = known.clone().unwrap_or_else(|| device.short());
        let ended = self.session(link, Side::Accepts, &name, None, stop).await;
        self.neighbours.ended(&name, ended.as_ref().err());
        if known.is_none() {
            // Strangers come without end, and a member has a name of its own by now.
            self.neighbours.forget(&name);
        }
    }

    /// Gives a neighbour its own name as soon as its certificate has come.
    async fn naming(
        &self,
        key: &PeerKey,
        name: &str,
        mut state: watch::Receiver<SessionState>,
    ) -> Infallible {
        let certified = state.wait_for(|state| state.certified).await.is_ok();
        if certified && let Some(device) = self.replica.name_of(&DeviceId(*key.as_bytes())) {
            self.neighbours.named(name, &device);
        }
        std::future::pending().await
    }

    /// Runs a session, and tells the guard how it was.
    pub(super) async fn session(
        &self,
        link: Link,
        side: Side,
        name: &str,
        meter: Option<Meter>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), ReplicaError> {
        let until = if meter.is_some() { Until::InSync } else { Until::Stopped };
        let (state, watched) = watch::channel(SessionState::default());
        let (key, from) = (link.peer(), link.handle().remote_addr());
        let device = self.replica.name_of(&DeviceId(*key.as_bytes())).unwrap_or_else(|| name.to_owned());
        self.neighbours.started(name, &device, watched.clone());
        let _meeting = self.meetings.begun(DeviceId(*key.as_bytes()), from);
        let told = self.guard.may_tell_of_session();
        if told {
            tracing::info!(peer = name, "session begins");
        }
        let running = syncing::run(self.replica.clone(), link, side, until, meter, state, stop);
        let ended = tokio::select! {
            ended = running => ended,
            never = self.naming(&key, name, watched.clone()) => match never {},
        };
        let last = watched.borrow().clone();
        match (last.cut, last.met) {
            (Some(why), _) => self.guard.cut_off(&key, from, why),
            (None, true) => self.guard.served(&key, from),
            (None, false) => {}
        }
        match &ended {
            Ok(()) if told => tracing::info!(peer = name, "session over"),
            Err(error) if told => tracing::info!(peer = name, %error, "session broken"),
            Ok(()) | Err(_) => {}
        }
        ended
    }
}

async fn keep_index(replica: Arc<Replica>, mut stop: watch::Receiver<bool>) {
    let (mut changes, mut passed_over) = (replica.subscribe(), 0);
    let mut is_at_rest = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(INDEX_EVERY) => {}
            _ = stop.changed() => return,
        }
        let changed = !changes.is_empty();
        if is_at_rest && !changed && passed_over < STEPS_PASSED_OVER {
            passed_over += 1;
            continue;
        }
        passed_over = 0;
        changes = changes.resubscribe();
        is_at_rest = !changed;
        if let Err(error) = block_in_place(|| replica.index_step()) {
            tracing::error!(%error, "the index could not follow; searches still see everything");
        }
        match block_in_place(|| replica.listen_step()) {
            Ok(heard_all) => is_at_rest &= heard_all,
            Err(error) => {
                tracing::warn!(%error, "what others have said could not be read; less is told of who holds what");
            }
        }
        match block_in_place(|| replica.repack_step()) {
            Ok(done) if done.runs_after == 0 => is_at_rest &= done.next.is_none(),
            Ok(Repacked { runs_before, runs_after, bytes_before, bytes_after, next: _ }) => {
                is_at_rest = false;
                tracing::debug!(runs_before, runs_after, bytes_before, bytes_after, "small runs were joined");
            }
            Err(error) => tracing::warn!(%error, "small runs could not be joined; they are read as they are"),
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

/// Forgets what was fetched of single people when its time is over.
async fn keep_pulled(replica: Arc<Replica>, mut stop: watch::Receiver<bool>) {
    loop {
        match block_in_place(|| replica.forget_pulled()) {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "what was fetched of these records was forgotten"),
            Err(error) => {
                tracing::warn!(%error, "what was fetched could not be forgotten; the next turn tries again")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Syncs with a bucket now and then; where it fails, `status` says why, and the next turn tries again.
async fn keep_in_bucket(
    replica: Arc<Replica>,
    bucket: PeerConfig,
    neighbours: Neighbours,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let progress = &mut |_| {};
        let synced = tokio::select! {
            synced = replica.sync_bucket(&bucket.address, progress) => synced,
            _ = stop.changed() => return,
        };
        match &synced {
            Ok(synced) if synced.received + synced.sent > 0 => {
                tracing::info!(bucket = %bucket.name, received = synced.received, sent = synced.sent, "synced with a bucket");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(bucket = %bucket.name, %error, "the bucket waits for the next turn"),
        }
        neighbours.met(&bucket.name, replica.environment().now(), synced.err());
        tokio::select! {
            () = tokio::time::sleep(bucket.every()) => {}
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

impl Replica {
    /// Says whether the roster names a device.
    pub(crate) fn knows(&self, device: &DeviceId) -> bool {
        self.lock().roster.certificates.of_device(device).next().is_some()
    }

    /// Returns the name of a device that the roster names.
    pub(super) fn name_of(&self, device: &DeviceId) -> Option<String> {
        let inner = self.lock();
        inner.roster.certificates.of_device(device).map(|(_, certificate)| certificate.name.clone()).next()
    }
}
