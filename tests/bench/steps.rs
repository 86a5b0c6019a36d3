//! The steps of which everything else is made, each alone: `cargo bench`. Whole journeys, with processes and sockets, are
//! measured by `musubi bench`.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use musubi::base::{Area, LaneId, Part, hash_tagged};
use musubi::bench::held::Devices;
use musubi::identity::Certificates;
use musubi::lane::{Admission, Frontier, Head, HeadVector, LaneLog, LaneRange, Run, admit};
use musubi::replica::Replica;
use musubi::replica::core::Append;
use musubi::replica::environment::SystemEnvironment;
use musubi::replica::home::Home;
use musubi::store::keys::KeySource;

const RECORDS: u64 = 5_000;
const LANES: usize = 100;

/// A replica that holds a small region.
fn held(folder: &Path) -> (Replica, Devices) {
    let mut devices = Devices::of_seed(1, LANES).unwrap();
    let key = KeySource::File(folder.join("key"));
    let environment = Arc::new(SystemEnvironment);
    let replica =
        Home::create_enrolled(&folder.join("store"), &key, environment, devices.replica(0)).unwrap();
    assert_eq!(replica.offer_certificates(devices.certificates()), 0);
    replica.admit(devices.records(RECORDS, usize::MAX).unwrap()).unwrap();
    replica.index_step().unwrap();
    (replica, devices)
}

/// A log of which nothing is needed: what is admitted is new.
struct Nothing;

impl LaneLog for Nothing {
    type Error = std::convert::Infallible;

    fn runs(&self, _: &LaneId, _: u64, _: u64) -> Result<Vec<Run>, Self::Error> {
        Ok(Vec::new())
    }

    fn frontier_at(&self, _: &LaneId, _: u64) -> Result<Frontier, Self::Error> {
        Ok(Frontier::default())
    }
}

fn admission(c: &mut Criterion) {
    let mut devices = Devices::of_seed(1, 2).unwrap();
    let mut certificates = Certificates::new(&devices.replica(0).genesis).unwrap();
    for signed in devices.certificates() {
        certificates.insert(signed).unwrap();
    }
    let run = devices.records(13 * 2, 1).unwrap().remove(0);
    c.bench_function("admission of a run of 13 records", |b| {
        b.iter_batched(
            || run.clone(),
            |run| {
                let admitted = admit(None, &Nothing, run, &certificates).unwrap();
                assert!(matches!(admitted, Admission::Admitted(_)));
                admitted
            },
            BatchSize::SmallInput,
        );
    });
}

fn comparing(c: &mut Criterion) {
    let head = |number: u64| Head::Straight {
        size: number + 1,
        root: hash_tagged("bench", &[&number.to_be_bytes()]),
    };
    let lane = |number: u64| LaneId(hash_tagged("lane", &[&number.to_be_bytes()]).0);
    let mut vector = HeadVector::default();
    (0..10_000).for_each(|number| vector.set(lane(number), head(number)));
    vector.digest();
    let turn = AtomicU64::new(0);
    c.bench_function("digest of 10,000 lanes after one has changed", |b| {
        b.iter(|| {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            vector.set(lane(number % 10_000), head(number + 1));
            black_box(vector.digest())
        });
    });
    let other = vector.clone();
    (0..100).for_each(|number| vector.set(lane(number * 100), head(number + 20_000)));
    vector.digest();
    let ranges: Vec<LaneRange> = (0..4_096).filter_map(|index| LaneRange::new(12, index)).collect();
    c.bench_function("comparing 4,096 ranges of 10,000 lanes of which 100 differ", |b| {
        b.iter(|| {
            let differs = |range: &&LaneRange| vector.digest_in(**range) != other.digest_in(**range);
            let found = ranges.iter().filter(differs).count();
            assert!((90..=100).contains(&found));
            found
        });
    });
}

fn replica(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (replica, devices) = held(dir.path());
    let cards = devices.cards();
    let turn = AtomicU64::new(0);
    let next = || turn.fetch_add(1, Ordering::Relaxed) * 7 % RECORDS;
    c.bench_function("opening a card", |b| b.iter(|| replica.show(&cards.record(next())).unwrap()));
    c.bench_function("the view of a record", |b| {
        b.iter(|| replica.person(&cards.record(next())).unwrap());
    });
    c.bench_function("finding a whole name", |b| {
        b.iter(|| {
            let found = replica.find(&cards.person(next()).name, 20).unwrap();
            assert!(!found.patients.is_empty());
            found
        });
    });
    let token = replica.store().token("name", "さと".as_bytes());
    c.bench_function("looking a token up in the index", |b| {
        b.iter(|| replica.store().index_find(&token).unwrap());
    });
    // Last: what is written makes the store larger.
    let area = Area::new("shared/bench").unwrap();
    c.bench_function("appending an entry, durably", |b| {
        b.iter_batched(
            || {
                let number = next();
                let entries = vec![cards.change(number, turn.load(Ordering::Relaxed))];
                Append { area: area.clone(), part: Part::Data, entries, knowing: BTreeSet::new() }
            },
            |append| replica.append(vec![append]).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = steps;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(3));
    targets = admission, comparing, replica
}
criterion_main!(steps);
