//! Looking for replicas of the realm on the local network, on a thread of its own.
//!
//! Nothing here runs on the threads that serve sessions: asking the system for interfaces or joining a group may wait, and a
//! flood of messages costs this thread alone, which reads so many in a time and lets the system drop the rest. What is
//! found goes to the others by a channel that keeps the latest value and never blocks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, sleep_until};

use super::config::ReplicaConfig;
use super::core::Replica;
use super::environment::Environment;
use super::error::ReplicaError;
use super::lan::{Found, Lan};
use crate::base::{Area, Part};
use crate::transport::{BEACON_BYTES_MAX, Beacon, Multicast, RealmKey, Salt, TransportError};

/// How often the system is asked for its interfaces.
const LOOKED_EVERY: Duration = Duration::from_secs(2);
/// How long to wait before the sockets are tried again.
const OPENED_EVERY: Duration = Duration::from_secs(30);
/// Most messages that are read in [`TURN`]; a shelter of 200 tablets sends some 10 in a second.
const HEARD_IN_A_TURN_MAX: u32 = 500;
const TURN: Duration = Duration::from_millis(100);

/// What is known of the local network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nearby {
    /// Who was found.
    pub found: Vec<Found>,
    /// Whom of them to dial, and of each whether to wait first.
    pub dialled: Vec<(Found, bool)>,
    /// Why nobody is looked for, if so.
    pub error: Option<String>,
}

/// The thread that looks; it ends when the replica stops.
pub(super) struct Looking {
    pub(super) nearby: watch::Receiver<Nearby>,
    over: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// Looks for replicas on the local network until `stop`, if the configuration wants that and a network can be met.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn look(
    config: &ReplicaConfig,
    listen: SocketAddr,
    replica: &Arc<Replica>,
    stop: watch::Receiver<bool>,
) -> Result<Option<Looking>, ReplicaError> {
    if !config.looks_around() {
        return Ok(None);
    }
    let key = {
        let (ring, area) = (replica.keyring(), Area::common());
        ring.seal_key(&area, Part::Control).map(|(_, secret)| RealmKey::new(&replica.me().realm.0, secret))
    };
    let Some(key) = key else {
        tracing::warn!(
            "this device cannot read the common area of its realm: nobody is looked for on the network"
        );
        return Ok(None);
    };
    let (found, nearby) = watch::channel(Nearby::default());
    let (ended, over) = oneshot::channel();
    let looker = Looker { listen, key, environment: replica.environment.clone(), found, stop };
    let thread = std::thread::Builder::new().name("discovery".to_owned()).spawn(move || {
        match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(looker.run()),
            Err(error) => tracing::warn!(%error, "nobody is looked for on the network"),
        }
        // Nobody waits any more when the replica has failed.
        let _ = ended.send(());
    });
    let thread =
        thread.map_err(|source| TransportError::Socket { attempt: "have a thread for discovery", source })?;
    Ok(Some(Looking { nearby, over, thread }))
}

impl Looking {
    /// Waits until the thread has said that the replica leaves.
    pub(super) async fn ended(self) {
        // An error means that it has panicked, and is over, too.
        let _ = self.over.await;
        if self.thread.join().is_err() {
            tracing::error!("looking for replicas on the network has failed");
        }
    }
}

struct Looker {
    listen: SocketAddr,
    key: RealmKey,
    environment: Arc<dyn Environment>,
    found: watch::Sender<Nearby>,
    stop: watch::Receiver<bool>,
}

impl Looker {
    async fn run(mut self) {
        while !*self.stop.borrow() {
            match Multicast::open(self.listen) {
                Ok(sockets) => return self.converse(sockets).await,
                Err(error) => {
                    tracing::warn!(%error, "nobody can be looked for on the network yet");
                    self.found.send_replace(Nearby { error: Some(error.to_string()), ..Nearby::default() });
                }
            }
            tokio::select! {
                () = sleep(OPENED_EVERY) => {}
                changed = self.stop.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn converse(&mut self, mut sockets: Multicast) {
        let mut lan = Lan::new(self.listen.port(), self.salt(), Instant::now());
        let mut buffer = [0; BEACON_BYTES_MAX + 1];
        let (mut look, mut turn, mut heard) = (Instant::now(), Instant::now(), 0);
        loop {
            let now = Instant::now();
            if now >= look {
                self.look_at_interfaces(&mut sockets, &mut lan, now);
                self.tell(&lan);
                look = now + LOOKED_EVERY;
            }
            if now >= lan.next() {
                lan.expire(now);
                if let Some(beacon) = lan.speak(now, self.jitter()) {
                    sockets.say(&beacon, &self.key);
                }
                self.tell(&lan);
            }
            if now >= turn + TURN {
                (turn, heard) = (now, 0);
            }
            let full = heard >= HEARD_IN_A_TURN_MAX;
            let next = look.min(lan.next());
            let next = if full { next.min(turn + TURN) } else { next };
            tokio::select! {
                biased;
                // Also when nobody can say it any more.
                _ = self.stop.changed() => break,
                () = sleep_until(next.into()) => {}
                (length, from) = sockets.hear(&mut buffer), if !full => {
                    heard += 1;
                    let beacon = Beacon::decode(&buffer[..length], &self.key, from.ip());
                    if let Some(beacon) = beacon.filter(|_| sockets.is_near(&from)) {
                        lan.heard(&beacon, from, Instant::now(), self.jitter());
                        self.tell(&lan);
                    }
                }
            }
        }
        sockets.say(&lan.leave(), &self.key);
    }

    fn look_at_interfaces(&self, sockets: &mut Multicast, lan: &mut Lan, now: Instant) {
        let changed = sockets.refresh().unwrap_or_else(|error| {
            tracing::debug!(%error, "the system does not tell of its networks");
            false
        });
        if lan.wants_salt(now, changed) {
            lan.renew(self.salt(), now);
        }
        if changed {
            lan.network_changed(now, |address| sockets.is_near(address));
        }
    }

    fn tell(&self, lan: &Lan) {
        let now = Nearby { found: lan.found(), dialled: lan.to_dial(), error: None };
        self.found.send_if_modified(|before| {
            let differs = *before != now;
            *before = now;
            differs
        });
    }

    fn salt(&self) -> Salt {
        let mut salt = Salt([0; 12]);
        self.environment.fill(&mut salt.0);
        salt
    }

    fn jitter(&self) -> u64 {
        let mut jitter = [0; 8];
        self.environment.fill(&mut jitter);
        u64::from_le_bytes(jitter)
    }
}
