//! Peers that flood, over real QUIC: what they send is cut off with a reason, and others are served as before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Replica;
use super::asking::{self, sync_once};
use super::metrics::Metrics;
use super::neighbours::Neighbours;
use super::serving::{self, Company};
use super::tests::{Region, data, digest, import};
use crate::transport::{
    Backoff, Endpoint, Guard, GuardLimits, Link, Options, Rate, Refusal, SeatLimits, TransportError,
};

/// A message that the session takes for a Hello, and that is none.
const GARBAGE: &[u8] = &[0x82, 0x01, 0xff, 0xff, 0xff];
/// A message of a kind that later versions may use.
const SKIPPED_KIND: &[u8] = &[0x82, 0x18, 0xff];
/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(10);

/// A hospital that serves as `musubi serve` does.
struct Hospital {
    replica: Arc<Replica>,
    guard: Arc<Guard>,
    company: Company,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

fn options() -> Options {
    Options { stall_max: Duration::from_millis(300), ..asking::options() }
}

fn limits() -> GuardLimits {
    GuardLimits::of(&options())
}

impl Hospital {
    fn open(replica: Arc<Replica>, limits: GuardLimits) -> Hospital {
        let guard = serving::guard(&replica, limits);
        let seed = replica.me().seed.clone();
        let local = "127.0.0.1:0".parse().unwrap();
        let policy = asking::everybody();
        let endpoint =
            Endpoint::bind_guarded(local, seed.expose(), options(), policy, guard.clone()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let neighbours = Neighbours::default();
        let meetings = Default::default();
        let company = Company { replica: replica.clone(), guard: guard.clone(), neighbours, meetings };
        let serving = tokio::spawn(serving::accept(company.clone(), Arc::new(endpoint), stopped));
        Hospital { replica, guard, company, address, stop, serving }
    }

    fn refused(&self, why: Refusal) -> u64 {
        self.guard.refused().of(why)
    }

    async fn until(&self, what: &str, holds: impl Fn(&Hospital) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            assert!(begun.elapsed() < SOON, "{what}: {:?}", Metrics::new(self.guard.clone()).counters());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Prints what was cut off, and ends.
    async fn close(self, what: &str) {
        println!("{what}: {:?}", Metrics::new(self.guard.clone()).counters());
        self.stop.send(true).unwrap();
        self.serving.await.unwrap();
    }
}

fn attacker(key: u8) -> Endpoint {
    let options = Options { connect_max: Duration::from_millis(500), ..asking::options() };
    Endpoint::bind("127.0.0.1:0".parse().unwrap(), &[key; 32], options, asking::everybody()).unwrap()
}

async fn ended(link: Link) -> TransportError {
    let handle = link.handle();
    let error = tokio::time::timeout(SOON, handle.closed()).await.expect("it is cut off");
    drop(link);
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_ends_the_session_with_a_reason_and_bars_its_key_alone() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let hospital = Hospital::open(north, limits());
    let vandal = attacker(66);
    let mut link = vandal.connect(hospital.address, None).await.unwrap();
    link.send(GARBAGE).await.unwrap();
    let error = ended(link).await;
    assert!(matches!(&error, TransportError::ClosedByPeer { .. }), "{error}");
    hospital.until("counted", |it| it.refused(Refusal::Protocol) == 1).await;

    let error = vandal.connect(hospital.address, None).await.unwrap_err();
    let TransportError::Busy { reason, come_back: Some(come_back) } = &error else { panic!("{error}") };
    assert!(*come_back <= Duration::from_secs(1) && reason.contains("broke the protocol"), "{error}");
    assert_eq!(hospital.refused(Refusal::Barred), 1);
    // A dialler that is told so waits so long.
    let pause = hospital.company.pause_after(&mut Backoff::new(), &Err(error.into()));
    assert!(pause >= Duration::from_millis(500), "{pause:?}");

    sync_once(&south, &hospital.address.to_string()).await.unwrap();
    assert_eq!(digest(&south), digest(&hospital.replica));
    assert!(
        hospital.company.neighbours.status().iter().all(|it| it.name == "south-1"),
        "no strangers in the status"
    );
    hospital.close("garbage").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_without_an_end_a_stall_and_a_trickle_are_cut_off() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let hospital = Hospital::open(north, limits());
    let vandals: Vec<Endpoint> = (0..4).map(attacker).collect();
    let dial = async |at: usize| vandals[at].connect(hospital.address, None).await.unwrap().split();

    // Ten gigabytes in runs of three: the length is refused before a byte of it is kept.
    let (mut endless, receiver) = dial(1).await;
    endless.write_raw(&3_000_000_000_u32.to_be_bytes()).await.unwrap();
    let error = receiver.handle().closed().await;
    assert!(error.to_string().contains("over the limit"), "{error}");
    hospital.until("too long", |it| it.refused(Refusal::Limit) == 1).await;

    // Half a message, and then nothing.
    let (mut stalled, receiver) = dial(2).await;
    stalled.write_raw(&[0, 0, 1, 0, 7]).await.unwrap();
    receiver.handle().closed().await;
    hospital.until("stalled", |it| it.refused(Refusal::Stalled) == 1).await;

    // A byte now and then.
    let (mut trickle, receiver) = dial(3).await;
    trickle.write_raw(&1_000_u32.to_be_bytes()).await.unwrap();
    while trickle.write_raw(&[7]).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    receiver.handle().closed().await;
    hospital.until("trickled", |it| it.refused(Refusal::Stalled) == 2).await;
    // Slow is no offence.
    vandals[3].connect(hospital.address, None).await.expect("not barred");
    hospital.close("endless, stalled, trickling").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_may_send_little_before_its_certificate() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let hospital = Hospital::open(north, limits());
    let vandal = attacker(4);
    let mut link = vandal.connect(hospital.address, None).await.unwrap();
    let message = [SKIPPED_KIND, &[0x80; 60_000][..]].concat();
    let mut sent = 0;
    while link.send(&message).await.is_ok() {
        sent += message.len();
        assert!(sent < 100 << 20, "nobody stops it");
    }
    hospital.until("cut", |it| it.refused(Refusal::Limit) == 1).await;
    println!("{sent} bytes were taken from it, buffers included");
    hospital.close("flood before a certificate").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconnecting_without_a_pause_costs_a_few_handshakes_and_nobody_else_anything() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let hospital = Hospital::open(north, limits());
    let (address, until) = (hospital.address, Instant::now() + Duration::from_secs(2));
    let (dials, links) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let vandal = Arc::new(attacker(5));
    let flood: Vec<_> = (0..8)
        .map(|_| {
            let (vandal, dials, links) = (vandal.clone(), dials.clone(), links.clone());
            tokio::spawn(async move {
                while Instant::now() < until {
                    dials.fetch_add(1, Ordering::Relaxed);
                    if let Ok(link) = vandal.connect(address, None).await {
                        links.fetch_add(1, Ordering::Relaxed);
                        drop(link);
                    }
                }
            })
        })
        .collect();
    // An honest peer comes in the middle of it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let synced = sync_once(&south, &address.to_string()).await.unwrap();
    assert_eq!(digest(&south), digest(&hospital.replica));
    assert!(synced.received > 0);
    for task in flood {
        task.await.unwrap();
    }
    let (dials, links) = (dials.load(Ordering::Relaxed), links.load(Ordering::Relaxed));
    let turned = hospital.refused(Refusal::SocketRate);
    println!("{dials} dials in 2 s, {links} links, {turned} refused before a handshake");
    assert!(links <= 16 + 16 + 6, "two bursts, unproven and proven, and a few seconds: {links}");
    assert!(turned > 50 && dials > links + 50, "{dials} dials, {turned} turned away");
    assert_eq!(hospital.refused(Refusal::Barred), 0);
    sync_once(&south, &address.to_string()).await.expect("and afterwards");
    hospital.close("reconnecting").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_from_many_sockets_is_told_when_to_come_back() {
    let mut region = Region::new();
    let (north, _) = region.enrol("north");
    let mut limits = limits();
    limits.gate.key = Rate { burst: 2, every: Duration::from_secs(60) };
    let hospital = Hospital::open(north, limits);
    let mut told = Vec::new();
    for _ in 0..5 {
        match attacker(6).connect(hospital.address, None).await {
            Ok(link) => drop(link),
            Err(TransportError::Busy { come_back, .. }) => told.push(come_back.unwrap()),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((told.len(), hospital.refused(Refusal::KeyRate)), (3, 3));
    assert!(told.iter().all(|wait| *wait > Duration::from_secs(50) && *wait <= Duration::from_secs(60)));
    attacker(7).connect(hospital.address, None).await.expect("another key");
    hospital.close("one key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_take_their_share_of_links_and_members_the_rest() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let mut limits = limits();
    limits.seats = SeatLimits { seats_max: 3, strangers_max: 2, strangers_per_source_max: 2, per_key_max: 1 };
    let hospital = Hospital::open(north, limits);
    let vandals: Vec<Endpoint> = (10..13).map(attacker).collect();
    let first = vandals[0].connect(hospital.address, None).await.unwrap();
    let _second = vandals[1].connect(hospital.address, None).await.unwrap();
    let error = vandals[2].connect(hospital.address, None).await.unwrap_err();
    assert!(matches!(error, TransportError::Busy { come_back: Some(_), .. }), "{error}");
    assert_eq!(hospital.refused(Refusal::StrangersFull), 1);
    // South is a stranger to this store until its certificate is there; it comes in when a stranger has gone.
    assert!(sync_once(&south, &hospital.address.to_string()).await.is_err());
    // The same key once more: its older link goes.
    let _again = vandals[0].connect(hospital.address, None).await.unwrap();
    assert!(matches!(ended(first).await, TransportError::Busy { come_back: Some(_), .. }));
    assert_eq!(hospital.refused(Refusal::Replaced), 1);
    drop(_second);
    hospital.until("a link is free", |it| it.guard.links() == 1).await;
    sync_once(&south, &hospital.address.to_string()).await.unwrap();
    hospital.until("south has gone", |it| it.guard.links() == 1).await;
    // Now it is known, and strangers cannot keep it out.
    let _third = vandals[2].connect(hospital.address, None).await.unwrap();
    sync_once(&south, &hospital.address.to_string()).await.unwrap();
    assert_eq!(digest(&south), digest(&hospital.replica));
    hospital.close("strangers").await;
}
