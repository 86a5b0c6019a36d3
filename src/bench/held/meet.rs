//! Two replicas of a region that hold the same, or that have heard different devices for three days, meet.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::super::accounting::cpu_of;
use super::super::floors::{Floors, floors};
use super::built::{BATCH_RUNS, Built, HeldOptions, Made, admit_all};
use super::devices::Devices;
use super::served::Served;
use super::spread::Spread;
use crate::drill::StepFailure;
use crate::lane::Run;
use crate::replica::answer::Status;
use crate::replica::environment::{Environment as _, SystemEnvironment};
use crate::replica::request::{Progress, Request};
use crate::replica::sync_answer::{SyncPlan, Synced};
use crate::transport::{LinkProfile, Relay, RelayCounters};

/// How often two equal replicas meet.
const MEETINGS: u64 = 20;
/// How long both are watched while nothing happens, for what they take anyway.
const IDLE: Duration = Duration::from_secs(3);
/// One way over the long link, in milliseconds: in so long nothing else takes time that counts.
const FAR_MS: u32 = 250;

/// Two that hold the same met so many times.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Meetings {
    /// From dialling to the end, over loopback.
    pub wall: Spread,
    /// CPU of both for one meeting, handshake included, without what they take when nothing happens, in milliseconds.
    pub cpu_ms: f64,
    /// What both take in a second when nothing happens, in milliseconds of CPU.
    pub idle_cpu_ms_per_s: f64,
    /// Messages of the session in one meeting, both ways, in bytes.
    pub session_bytes: u64,
    /// UDP payload of one meeting, both ways: handshake and padding of QUIC included.
    pub bytes: u64,
    /// Entries that went either way.
    pub entries: u64,
    /// Trips to the other and back over a long link, from dialling until the one knew that both hold the same: the handshake
    /// is one of them.
    pub round_trips: f64,
    /// How many more it takes until both have hung up, for which nobody waits.
    pub hanging_up: f64,
}

/// Two that had heard different devices met.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Differing {
    /// Lanes of the region's devices.
    pub lanes: u64,
    /// Entries that went over, both ways, with those that open lanes.
    pub entries: u64,
    /// Their bodies, in bytes.
    pub entry_bytes: u64,
    /// Seconds from dialling to the end, over loopback.
    pub wall_s: f64,
    /// Seconds of CPU of both, from then until both are at rest again: the index is included.
    pub cpu_s: f64,
    /// Messages of the session, both ways, in bytes.
    pub session_bytes: u64,
    /// UDP payload, both ways.
    pub bytes: u64,
    /// Of the session's bytes those that it took to find out what differs.
    pub compare_bytes: u64,
    /// Of these the heads (lane, size, root) that were listed; the rest are Hellos, digests and what says which heads come.
    pub heads_bytes: u64,
    /// Trips to the other and back over a long link until the one knew what differs, by the clock: the handshake is one of them,
    /// and so are those in which nothing was waited for but that QUIC, which begins with 12 kB in flight, opened its window.
    pub compare_round_trips: f64,
    /// Session bytes for each byte of the entries' bodies.
    pub payload_share: f64,
    /// The most memory that either of the two held, in bytes.
    pub peak_bytes: u64,
    /// Whether both hold the same then.
    pub equal: bool,
}

/// What was measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Meet {
    /// The store of the one; the other is as large.
    pub made: Made,
    /// How fast this machine is at what cannot be left out.
    pub floors: Floors,
    /// Both held the same.
    pub equal: Meetings,
    /// Both had heard different devices, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing: Option<Differing>,
}

impl Meet {
    /// Says whether both hold the same in the end.
    pub fn holds(&self) -> bool {
        self.equal.entries == 0 && self.differing.is_none_or(|differing| differing.equal)
    }
}

/// Lets two replicas of a region meet.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn meet(built: &mut Built, changes: u64) -> Result<Meet, StepFailure> {
    let made = tokio::task::block_in_place(|| built.make(0))?;
    tokio::task::block_in_place(|| built.make(1))?;
    let folder = &built.options.folder;
    let floors =
        floors(folder).map_err(|error| StepFailure::of(format!("using {}", folder.display()), error))?;
    let mut pair = Pair::start(built).await?;
    let equal = equal(&mut pair, &built.options).await?;
    let mut differing = None;
    if changes > 0 {
        pair.stop().await?;
        let given = tokio::task::block_in_place(|| give(built, changes))?;
        pair = Pair::start(built).await?;
        differing = Some(differ(&mut pair, &built.options, given).await?);
    }
    pair.stop().await?;
    Ok(Meet { made, floors, equal, differing })
}

/// Both replicas, running, and the relays to the second.
struct Pair {
    one: Served,
    two: Served,
    near: Relay,
    far: Relay,
}

impl Pair {
    async fn start(built: &Built) -> Result<Self, StepFailure> {
        let (one, two) = (Served::start(built, 0).await?, Served::start(built, 1).await?);
        one.rest().await?;
        two.rest().await?;
        let relay = |delay_ms| {
            let profile = LinkProfile { delay_ms, ..LinkProfile::default() };
            Relay::start(two.place.listen, profile, 1)
                .map_err(|error| StepFailure::of("starting the relay", error))
        };
        let (near, far) = (relay(0)?, relay(FAR_MS)?);
        Ok(Self { one, two, near, far })
    }

    fn cpu(&self) -> Result<Duration, StepFailure> {
        Ok(cpu_of(self.one.id())? + cpu_of(self.two.id())?)
    }

    async fn sync(&mut self, far: bool) -> Result<(Synced, f64), StepFailure> {
        let relay = if far { &self.far } else { &self.near };
        let with = relay.addr().to_string();
        self.one.ask(&Request::Sync { with }).await
    }

    async fn rest(&self) -> Result<(), StepFailure> {
        self.one.rest().await?;
        self.two.rest().await.map(drop)
    }

    async fn stop(self) -> Result<(), StepFailure> {
        self.one.stop().await?;
        self.two.stop().await
    }
}

async fn equal(pair: &mut Pair, options: &HeldOptions) -> Result<Meetings, StepFailure> {
    tell(options, "meeting", 0, MEETINGS);
    // Each learns that the other is there, and what either wrote since the region was built.
    pair.sync(false).await?;
    pair.rest().await?;
    let (begun, before) = (Instant::now(), pair.cpu()?);
    tokio::time::sleep(IDLE).await;
    let idle = (pair.cpu()? - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    let (mut walls, mut session_bytes, mut entries) = (Vec::new(), 0, 0);
    let (begun, before, bytes) = (Instant::now(), pair.cpu()?, total(&pair.near.counters()));
    for meeting in 0..MEETINGS {
        tell(options, "meeting", meeting, MEETINGS);
        let (synced, ms) = pair.sync(false).await?;
        walls.push(ms);
        session_bytes += synced.bytes_sent + synced.bytes_received;
        entries += synced.sent + synced.received;
    }
    let took = (pair.cpu()? - before).as_secs_f64() - idle * begun.elapsed().as_secs_f64();
    let bytes = total(&pair.near.counters()) - bytes;
    let begun = SystemEnvironment.now();
    let (_, far_ms) = pair.sync(true).await?;
    let (status, _): (Status, f64) = pair.one.ask(&Request::Status).await?;
    let other = status.known.sites.iter().find(|site| site.site == "two");
    let known = other.and_then(|site| site.in_sync).map_or(far_ms, |at| at.0.saturating_sub(begun.0) as f64);
    let round_trip = f64::from(2 * FAR_MS);
    Ok(Meetings {
        wall: Spread::of(walls),
        cpu_ms: took.max(0.0) * 1e3 / MEETINGS as f64,
        idle_cpu_ms_per_s: idle * 1e3,
        session_bytes: session_bytes / MEETINGS,
        bytes: bytes / MEETINGS,
        entries,
        round_trips: known / round_trip,
        hanging_up: (far_ms - known) / round_trip,
    })
}

/// What each of the two was given.
struct Given {
    entries: u64,
    entry_bytes: u64,
}

/// Lets the devices of the first half of the lanes write for the one, and the others for the other.
fn give(built: &Built, changes: u64) -> Result<Given, StepFailure> {
    let HeldOptions { records, lanes, seed, .. } = built.options;
    let mut devices = Devices::of_seed(seed, lanes)?;
    let half = (lanes / 2).max(1);
    let each = changes.div_ceil(half as u64).max(1);
    let mut given = Given { entries: 0, entry_bytes: 0 };
    for which in 0..2 {
        let replica = built.open(which)?;
        let failed = |error: crate::replica::ReplicaError| StepFailure::of("taking changes in", error);
        // Changes of many devices come mixed, as they are written; a lane's own stay in order.
        let mut waiting: Vec<Run> = Vec::new();
        for place in 0..half {
            let device = (which * half + place) % lanes;
            let about: Vec<u64> =
                (0..each).map(|turn| (device as u64 + turn * lanes as u64) % records).collect();
            waiting.extend(devices.changes(device, &about, 0)?);
            if waiting.len() >= BATCH_RUNS * 16 || place + 1 == half {
                let runs = std::mem::take(&mut waiting);
                given.entries += runs.iter().map(|run| run.entries.len() as u64).sum::<u64>();
                given.entry_bytes += runs.iter().map(|run| run.body_bytes() as u64).sum::<u64>();
                admit_all(&replica, runs)?;
                tell(&built.options, "hearing changes", place as u64, half as u64);
            }
        }
        replica.index_step().map_err(failed)?;
        while replica.repack_step().map_err(failed)?.runs_after > 0 {}
    }
    Ok(given)
}

async fn differ(pair: &mut Pair, options: &HeldOptions, given: Given) -> Result<Differing, StepFailure> {
    let with = pair.far.addr().to_string();
    let (plan, _): (SyncPlan, f64) = pair.one.ask(&Request::PlanSync { with }).await?;
    pair.rest().await?;
    let (before, bytes) = (pair.cpu()?, total(&pair.near.counters()));
    tell(options, "meeting", 0, 1);
    let (synced, wall_ms) = pair.sync(false).await?;
    pair.rest().await?;
    let cpu_s = (pair.cpu()? - before).as_secs_f64();
    let bytes = total(&pair.near.counters()) - bytes;
    let session_bytes = synced.bytes_sent + synced.bytes_received;
    let (one, _): (Status, f64) = pair.one.ask(&Request::Status).await?;
    let (two, _): (Status, f64) = pair.two.ask(&Request::Status).await?;
    let Given { entry_bytes, entries } = given;
    Ok(Differing {
        lanes: options.lanes as u64,
        entries: synced.sent + synced.received,
        entry_bytes,
        wall_s: wall_ms / 1e3,
        cpu_s,
        session_bytes,
        bytes,
        compare_bytes: plan.bytes,
        heads_bytes: plan.heads_bytes,
        compare_round_trips: plan.compared_ms as f64 / f64::from(2 * FAR_MS),
        payload_share: session_bytes as f64 / entry_bytes as f64,
        peak_bytes: pair.one.memory().1.max(pair.two.memory().1),
        equal: one.heads == two.heads && synced.sent + synced.received == entries,
    })
}

fn total(counters: &RelayCounters) -> u64 {
    counters.up.bytes + counters.down.bytes
}

fn tell(options: &HeldOptions, doing: &str, done: u64, of: u64) {
    (options.told)(Progress { doing: doing.to_owned(), done, of, unit: "steps".to_owned() });
}
