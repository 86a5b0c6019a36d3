//! Links whose bytes are counted, over real sockets, and plans of a sync.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use tokio::sync::watch;

use super::Replica;
use super::asking::{self, plan_sync};
use super::metering::Meter;
use super::request::NewPatient;
use super::syncing::{self, SessionState, Until};
use super::tests::{Region, author, data, digest, import, meet, served, views};
use crate::base::Part;
use crate::transport::{Endpoint, LinkProfile, Relay};

/// Meets once over a counted link of 40 kB a second; says what was seen.
async fn meet_counted(at: &Arc<Replica>, with: &Arc<Replica>, bytes_per_day: u64) -> SessionState {
    served(with, async |address| {
        let local = "127.0.0.1:0".parse().unwrap();
        let seed = at.me().seed.clone();
        let endpoint = Endpoint::bind(local, seed.expose(), asking::options(), asking::everybody()).unwrap();
        let profile = LinkProfile { rate_bytes_per_s: NonZeroU64::new(40_000), ..LinkProfile::default() };
        let relay = Relay::start(address, profile, 1).unwrap();
        let link = endpoint.connect(relay.addr(), None).await.unwrap();
        let (state, watched) = watch::channel(SessionState::default());
        let (_stop, stopped) = watch::channel(false);
        let meter = Meter::open(at, "dish", bytes_per_day).unwrap();
        syncing::run(
            at.clone(),
            link,
            syncing::Side::Dials(None),
            Until::InSync,
            Some(meter),
            state,
            stopped,
        )
        .await
        .unwrap();
        let seen = watched.borrow().clone();
        endpoint.close("the test is over").await;
        relay.stop().await;
        seen
    })
    .await
}

/// Counts entries by part.
fn entries(replica: &Replica) -> BTreeMap<Part, u64> {
    let mut entries = BTreeMap::new();
    for lane in replica.lanes().into_values() {
        *entries.entry(lane.name.part).or_default() += lane.size();
    }
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_counted_link_carries_cards_first_and_stops_before_its_bytes_are_used_up() {
    let mut region = Region::new();
    let ((north, _), (island, _)) = (region.enrol("north"), region.enrol("island"));
    import(&north, vec![data()]);
    // The whole import is some 200 kB on the wire.
    let day = 60_000;
    let first = meet_counted(&island, &north, day).await.budget.unwrap();
    assert!(first.held_back, "{first:?}");
    let (here, there) = (entries(&island), entries(&north));
    assert!(here[&Part::Card] >= there[&Part::Card], "{here:?} {there:?}");
    assert!(here.get(&Part::Data).copied().unwrap_or(0) < there[&Part::Data], "{here:?} {there:?}");

    // What is written later in the day finds the line open, and the count goes on where it was.
    let patient = NewPatient { name: "離島 花".into(), kana: None, birth_date: None, sex: None };
    let record = north.register(&patient, None, author()).unwrap().record;
    let second = meet_counted(&island, &north, day).await.budget.unwrap();
    assert!(second.bytes_used > first.bytes_used, "{first:?} {second:?}");
    assert!(island.records().unwrap().contains(&record));
    assert!(second.bytes_used < day, "{second:?}");

    // Without a limit the rest follows.
    meet(&island, &north).await;
    assert_eq!((digest(&island), views(&island)), (digest(&north), views(&north)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_a_sync_then_does_and_sends_nothing() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    import(&north, vec![data()]);
    let patient = NewPatient { name: "三浦 海".into(), kana: None, birth_date: None, sex: None };
    tablet.register(&patient, None, author()).unwrap();
    let before = (digest(&north), digest(&tablet));

    let plan =
        served(&tablet, async |address| plan_sync(&north, &address.to_string(), None).await.unwrap()).await;
    assert_eq!((digest(&north), digest(&tablet)), before, "nothing was sent");
    let (send, take) = plan
        .parts
        .iter()
        .fold((0, 0), |(send, take), part| (send + part.send_entries, take + part.take_entries));
    let bytes_about: u64 = plan.parts.iter().map(|part| part.send_bytes_about).sum();
    let done = meet(&north, &tablet).await;
    assert_eq!((send, take), (done.sent, done.received), "{plan:?}");
    assert!(bytes_about.abs_diff(done.bytes_sent) < done.bytes_sent / 5, "{bytes_about} {done:?}");
    let order: Vec<Part> = plan.parts.iter().map(|part| part.part).collect();
    assert!(order.is_sorted() && order.contains(&Part::Card), "the most urgent first: {order:?}");

    let plan =
        served(&tablet, async |address| plan_sync(&north, &address.to_string(), None).await.unwrap()).await;
    assert_eq!(plan.parts, []);
}
