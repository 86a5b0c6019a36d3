//! A UDP relay in user space that loses, delays, throttles and cuts: faults without root.
//!
//! Clients send to the relay's address; each gets a socket of its own towards the upstream, so the upstream sees
//! as many peers as there are clients. *Up* is from client to upstream. Delayed datagrams wait in one queue for
//! each direction, served by one task; fates come from the seed (one generator for each direction).

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::carried::Carried;
use super::error::TransportError;
use super::profile::LinkProfile;
use super::shaper::{Fate, Shaper};

/// Clients that a relay serves at once; datagrams of more are dropped.
const CLIENTS_MAX: usize = 256;

/// How long a client may be silent in both directions before its socket is closed.
const CLIENT_IDLE_MAX: Duration = Duration::from_secs(60);

/// Bytes of delayed datagrams that a relay holds in each direction, whatever the profile says.
const HELD_BYTES_MAX: usize = 16 << 20;

/// Largest datagram that passes.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Datagrams that are taken out of the queues under one lock.
const BATCH_MAX: usize = 64;

/// Pause after a socket error, so that a broken socket cannot spin.
const ERROR_PAUSE: Duration = Duration::from_millis(1);

/// A path with faults between whoever dials [`addr`](Self::addr) and one upstream.
///
/// It stops when it is dropped; [`stop`](Self::stop) also waits for its tasks.
#[derive(Debug)]
pub struct Relay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What a relay has seen, by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// From clients to the upstream.
    pub up: DirectionCounters,
    /// From the upstream to clients.
    pub down: DirectionCounters,
}

/// What has passed, and has not, in one direction; what is still delayed is in neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Datagrams delivered.
    pub datagrams: u64,
    /// UDP payload bytes delivered.
    pub bytes: u64,
    /// Datagrams dropped: by chance, a cut, a full queue, a refusing socket, or too many clients.
    pub datagrams_dropped: u64,
    /// UDP payload bytes dropped.
    pub bytes_dropped: u64,
}

impl Relay {
    /// Starts on a free port of the loopback address. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bind`] when no socket is to be had.
    pub fn start(upstream: SocketAddr, profile: LinkProfile, seed: u64) -> Result<Relay, TransportError> {
        Self::start_at(loopback_like(upstream), upstream, profile, seed)
    }

    /// Starts on a free port of this address of the machine. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`TransportError::Bind`] when no socket is to be had.
    pub fn start_at(
        front: IpAddr,
        upstream: SocketAddr,
        profile: LinkProfile,
        seed: u64,
    ) -> Result<Relay, TransportError> {
        let wanted = SocketAddr::new(front, 0);
        let front = bind(wanted).map_err(|source| TransportError::Bind { addr: wanted, source })?;
        let addr = front
            .local_addr()
            .map_err(|source| TransportError::Socket { attempt: "tell its address", source })?;
        let shared = Arc::new(Shared {
            upstream,
            front,
            started: Instant::now(),
            wake: Notify::new(),
            up_counters: Counters::default(),
            down_counters: Counters::default(),
            core: Mutex::new(Core {
                profile,
                cut: false,
                up: Lane::new(seed),
                // Another constant than 0, so that both directions do not share their fates.
                down: Lane::new(seed ^ 0x9e37_79b9_7f4a_7c15),
                carried: Carried::default(),
                clients: HashMap::new(),
            }),
        });
        let tasks = vec![
            tokio::spawn(shared.clone().serve_clients()),
            tokio::spawn(shared.clone().deliver_delayed()),
        ];
        Ok(Relay { addr, shared, tasks })
    }

    /// Returns the address to dial instead of the upstream.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Drops everything from now on, in both directions, and what is under way.
    pub fn cut(&self) {
        let mut core = self.shared.core();
        core.cut = true;
        for (lane, counters) in
            [(Direction::Up, &self.shared.up_counters), (Direction::Down, &self.shared.down_counters)]
        {
            for held in core.lane(lane).clear() {
                counters.dropped(held.bytes.len());
            }
        }
    }

    /// Ends a cut.
    pub fn heal(&self) {
        self.shared.core().cut = false;
    }

    /// Changes what happens to datagrams that arrive from now on; what waits leaves after the new delay at most.
    pub fn set_profile(&self, profile: LinkProfile) {
        let latest_us = self.shared.now_us() + u64::from(profile.delay_ms) * 1_000;
        let mut core = self.shared.core();
        core.up.hasten(latest_us);
        core.down.hasten(latest_us);
        core.profile = profile;
        drop(core);
        self.shared.wake.notify_one();
    }

    /// Makes the upstream see every client at a new address, as when a tablet changes networks.
    pub fn rebind(&self) {
        let clients: Vec<Client> = self.shared.core().clients.drain().map(|(_, client)| client).collect();
        for client in clients {
            client.task.abort();
        }
    }

    /// Returns what has passed so far.
    pub fn counters(&self) -> RelayCounters {
        RelayCounters { up: self.shared.up_counters.read(), down: self.shared.down_counters.read() }
    }

    /// Returns how many bytes came when those of their day were used up, and did not pass.
    pub fn beyond_quota(&self) -> u64 {
        self.shared.core().carried.refused()
    }

    /// Stops and waits until all sockets are closed.
    pub async fn stop(mut self) {
        // First those that make clients, then the clients.
        let makers: Vec<JoinHandle<()>> = self.tasks.drain(..).collect();
        end(makers).await;
        let clients: Vec<Client> = self.shared.core().clients.drain().map(|(_, client)| client).collect();
        end(clients.into_iter().map(|client| client.task).collect()).await;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.rebind();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    front: UdpSocket,
    started: Instant,
    wake: Notify,
    up_counters: Counters,
    down_counters: Counters,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    profile: LinkProfile,
    cut: bool,
    up: Lane,
    down: Lane,
    /// What was carried of the bytes of a day, and of which.
    carried: Carried,
    clients: HashMap<SocketAddr, Client>,
}

#[derive(Debug)]
struct Lane {
    shaper: Shaper,
    queue: VecDeque<Held>,
    held_bytes: usize,
}

#[derive(Debug)]
struct Held {
    at_us: u64,
    path: Arc<ClientPath>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Client {
    path: Arc<ClientPath>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct ClientPath {
    addr: SocketAddr,
    socket: UdpSocket,
    heard_us: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    datagrams: AtomicU64,
    bytes: AtomicU64,
    datagrams_dropped: AtomicU64,
    bytes_dropped: AtomicU64,
}

impl Shared {
    async fn serve_clients(self: Arc<Self>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            match self.front.recv_from(&mut buffer).await {
                Ok((bytes, addr)) => match self.client(addr) {
                    Some(path) => self.offer(Direction::Up, &path, &buffer[..bytes]).await,
                    None => self.up_counters.dropped(bytes),
                },
                Err(_) => sleep(ERROR_PAUSE).await,
            }
        }
    }

    async fn serve_upstream(self: Arc<Self>, path: Arc<ClientPath>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            match timeout(CLIENT_IDLE_MAX, path.socket.recv(&mut buffer)).await {
                Ok(Ok(bytes)) => self.offer(Direction::Down, &path, &buffer[..bytes]).await,
                // An upstream that is down shows as "connection refused" (ICMP); it may come back.
                Ok(Err(_)) => sleep(ERROR_PAUSE).await,
                Err(_) => {
                    let idle_us = self.now_us().saturating_sub(path.heard_us.load(Ordering::Relaxed));
                    if idle_us >= CLIENT_IDLE_MAX.as_micros() as u64 {
                        self.core().clients.remove(&path.addr);
                        return;
                    }
                }
            }
        }
    }

    /// Serves both queues: sleeps until the first datagram is due, or until a queue gets its first.
    async fn deliver_delayed(self: Arc<Self>) {
        loop {
            let (due, next_us) = self.core().take_due(self.now_us());
            if due.is_empty() {
                match next_us {
                    None => self.wake.notified().await,
                    Some(next_us) => tokio::select! {
                        () = sleep_until(self.started + Duration::from_micros(next_us)) => {}
                        () = self.wake.notified() => {}
                    },
                }
            }
            for (direction, held) in due {
                self.deliver(direction, &held.path, &held.bytes).await;
            }
        }
    }

    /// Decides on a datagram and delivers it at once when nothing delays it.
    async fn offer(&self, direction: Direction, path: &Arc<ClientPath>, bytes: &[u8]) {
        let now_us = self.now_us();
        path.heard_us.store(now_us, Ordering::Relaxed);
        match self.core().offer(now_us, direction, path, bytes) {
            Offered::Now => {}
            Offered::Dropped => return self.counters(direction).dropped(bytes.len()),
            Offered::Held { first } => {
                if first {
                    self.wake.notify_one();
                }
                return;
            }
        }
        self.deliver(direction, path, bytes).await;
    }

    async fn deliver(&self, direction: Direction, path: &ClientPath, bytes: &[u8]) {
        let sent = match direction {
            Direction::Up => path.socket.send(bytes).await,
            Direction::Down => self.front.send_to(bytes, path.addr).await,
        };
        match sent {
            Ok(_) => self.counters(direction).delivered(bytes.len()),
            Err(_) => self.counters(direction).dropped(bytes.len()),
        }
    }

    /// Finds or makes the client at this address; `None` when there is no room or no socket for it.
    fn client(self: &Arc<Self>, addr: SocketAddr) -> Option<Arc<ClientPath>> {
        let mut core = self.core();
        if let Some(client) = core.clients.get(&addr) {
            return Some(client.path.clone());
        }
        if core.clients.len() >= CLIENTS_MAX {
            return None;
        }
        let socket = connected(self.upstream).ok()?;
        let path = Arc::new(ClientPath { addr, socket, heard_us: AtomicU64::new(self.now_us()) });
        let task = tokio::spawn(self.clone().serve_upstream(path.clone()));
        core.clients.insert(addr, Client { path: path.clone(), task });
        Some(path)
    }

    fn counters(&self, direction: Direction) -> &Counters {
        match direction {
            Direction::Up => &self.up_counters,
            Direction::Down => &self.down_counters,
        }
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }
}

enum Offered {
    Now,
    Held { first: bool },
    Dropped,
}

impl Core {
    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    fn offer(&mut self, now_us: u64, direction: Direction, path: &Arc<ClientPath>, bytes: &[u8]) -> Offered {
        if self.cut || !self.carried.has_room(now_us, bytes.len(), &self.profile) {
            return Offered::Dropped;
        }
        let (lane, loss) = match direction {
            Direction::Up => (&mut self.up, self.profile.loss_up),
            Direction::Down => (&mut self.down, self.profile.loss_down),
        };
        match lane.shaper.fate(now_us, bytes.len(), loss, &self.profile) {
            Fate::Lost | Fate::QueueFull => Offered::Dropped,
            Fate::Deliver { at_us } if at_us <= now_us && lane.queue.is_empty() => Offered::Now,
            Fate::Deliver { .. } if lane.held_bytes + bytes.len() > HELD_BYTES_MAX => Offered::Dropped,
            Fate::Deliver { at_us } => {
                let first = lane.queue.is_empty();
                lane.held_bytes += bytes.len();
                lane.queue.push_back(Held { at_us, path: path.clone(), bytes: bytes.to_vec() });
                Offered::Held { first }
            }
        }
    }

    /// Takes what is due, and says when the next is.
    fn take_due(&mut self, now_us: u64) -> (Vec<(Direction, Held)>, Option<u64>) {
        let mut due = Vec::new();
        for direction in [Direction::Up, Direction::Down] {
            let lane = self.lane(direction);
            for _ in 0..BATCH_MAX {
                match lane.queue.pop_front_if(|held| held.at_us <= now_us) {
                    Some(held) => {
                        lane.held_bytes -= held.bytes.len();
                        due.push((direction, held));
                    }
                    None => break,
                }
            }
        }
        let next_us =
            [&self.up, &self.down].into_iter().filter_map(|l| l.queue.front()).map(|h| h.at_us).min();
        (due, next_us)
    }
}

impl Lane {
    fn new(seed: u64) -> Lane {
        Lane { shaper: Shaper::new(seed), queue: VecDeque::new(), held_bytes: 0 }
    }

    /// Lets nothing wait longer than until `latest_us`; order is kept.
    fn hasten(&mut self, latest_us: u64) {
        self.shaper.clear();
        for held in &mut self.queue {
            held.at_us = held.at_us.min(latest_us);
        }
    }

    fn clear(&mut self) -> VecDeque<Held> {
        self.shaper.clear();
        self.held_bytes = 0;
        std::mem::take(&mut self.queue)
    }
}

impl Counters {
    fn delivered(&self, bytes: usize) {
        self.datagrams.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn dropped(&self, bytes: usize) {
        self.datagrams_dropped.fetch_add(1, Ordering::Relaxed);
        self.bytes_dropped.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn read(&self) -> DirectionCounters {
        DirectionCounters {
            datagrams: self.datagrams.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            datagrams_dropped: self.datagrams_dropped.load(Ordering::Relaxed),
            bytes_dropped: self.bytes_dropped.load(Ordering::Relaxed),
        }
    }
}

async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.abort();
        // Cancelled is what was asked for.
        let _ = task.await;
    }
}

fn loopback_like(upstream: SocketAddr) -> IpAddr {
    match upstream {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

fn bind(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(addr)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn connected(upstream: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match upstream {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(upstream)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
