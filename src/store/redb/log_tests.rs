//! The log of postings: whatever has been moved into blocks, everything is found, and a step writes what is new.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use redb::ReadableDatabase as _;

use super::RedbStore;
use super::device_tests::{database_on, disk_with_store, key, open_store, options};
use super::log::LogLimits;
use super::rows::INDEX_LOG;
use crate::store::conformance::SampleLane;
use crate::store::{BlockDevice, FaultDisk, Nonces, Posting, Store, StoreErrorKind, Token};

const LIMITS: LogLimits = LogLimits { move_from: 1_000, row: 300 };

/// A disk that counts what is written.
#[derive(Debug)]
struct Counted(FaultDisk, AtomicU64);

impl BlockDevice for Counted {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.1.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.0.write(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

fn check(store: &RedbStore, known: &BTreeMap<Token, BTreeSet<Posting>>, every: usize) {
    for (token, postings) in known.iter().step_by(every) {
        let expected: Vec<Posting> = postings.iter().copied().collect();
        assert_eq!(store.index_find(token).unwrap(), expected);
    }
}

#[test]
fn everything_is_found_while_postings_are_moved_and_after_each_opening() {
    let disk = disk_with_store(1);
    let mut store = open_store(&disk).unwrap();
    let mut lanes = [1, 2].map(SampleLane::new);
    for lane in &mut lanes {
        store.commit(lane.batch("a")).unwrap();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut known: BTreeMap<Token, BTreeSet<Posting>> = BTreeMap::new();
    let (mut most_rows, mut moved) = (0, 0);
    for round in 0..120_u64 {
        let count = if round % 7 == 0 { 900 } else { rng.next_u64() % 40 };
        let postings: Vec<(Token, Posting)> = (0..count)
            .map(|_| {
                // Some tokens come again and again.
                let text = if rng.next_u64() % 8 == 0 { rng.next_u64() % 5 } else { rng.next_u64() };
                let lane = lanes[rng.next_u64() as usize % 2].id();
                (store.token("t", &text.to_be_bytes()), Posting { lane, seq: rng.next_u64() % 5_000 })
            })
            .collect();
        store.index_add_within(2, &postings, LIMITS).unwrap();
        for (token, posting) in postings {
            known.entry(token).or_default().insert(posting);
        }
        check(&store, &known, 1 + known.len() / 15);
        let log = store.log_state().unwrap();
        let held: u64 = log.rows.iter().map(|row| row.postings).sum();
        assert!(held < 3 * LIMITS.move_from + 900, "{held} postings in the log");
        most_rows = most_rows.max(log.rows.len());
        moved += u64::from(log.moving > 0);
        if round % 30 == 29 {
            drop(store);
            store = open_store(&disk).unwrap();
        }
    }
    assert!(moved > 5 && most_rows < 40, "{moved} steps moved, {most_rows} rows");
    check(&store, &known, 20);
    assert!(store.stats().unwrap().index_blocks > 10);
    store.rebuild_index().unwrap();
    let (token, postings) = known.first_key_value().unwrap();
    assert_eq!(store.index_find(token).unwrap(), []);
    let again = *postings.first().unwrap();
    store.index_add_within(1, &[(*token, again)], LIMITS).unwrap();
    assert_eq!(store.index_find(token).unwrap(), [again]);
}

#[test]
fn what_is_moved_gives_way_to_writes_that_wait_and_is_caught_up_with() {
    let store = open_store(&disk_with_store(1)).unwrap();
    let mut lane = SampleLane::new(1);
    store.commit(lane.batch("a")).unwrap();
    let mut number = 0_u64;
    let mut step = |count: u64| {
        let postings: Vec<_> = (number..number + count)
            .map(|number| (store.token("t", &number.to_be_bytes()), Posting { lane: lane.id(), seq: number }))
            .collect();
        number += count;
        store.index_add_within(1, &postings, LIMITS).unwrap();
        let log = store.log_state().unwrap();
        (log.moving, log.moved, log.rows.iter().map(|row| row.postings).sum::<u64>())
    };
    for _ in 0..20 {
        step(900);
    }
    while step(10).0 == 0 {}
    let (moving, moved, held) = step(10);
    assert!(moving > 0);
    store.pretend_awaited(1);
    for steps in 1..=20 {
        assert_eq!(step(10), (moving, moved, held + 10 * steps), "somebody waits");
    }
    store.pretend_awaited(0);
    assert!(step(0).1 > moved || step(0).0 == 0, "what was put off is done when nobody waits");
    store.pretend_awaited(1);
    let most = (0..200).map(|_| step(100).2).max().unwrap();
    assert!(most < 5 * LIMITS.move_from, "{most} postings in the log, however many wait");
    for known in (0..number).step_by(97) {
        let found = store.index_find(&store.token("t", &known.to_be_bytes())).unwrap();
        assert_eq!(found, [Posting { lane: lane.id(), seq: known }]);
    }
}

#[test]
fn a_step_writes_what_is_new_and_not_the_index() {
    let disk = Arc::new(Counted(FaultDisk::new(1), AtomicU64::new(0)));
    let store = RedbStore::create_on(disk.clone(), &key(), Nonces::default(), options()).unwrap();
    let mut lane = SampleLane::new(1);
    store.commit(lane.batch("a")).unwrap();
    let limits = LogLimits { move_from: 8_000, row: 2_000 };
    let mut number = 0_u64;
    let mut step = |count: u64| {
        let postings: Vec<_> = (number..number + count)
            .map(|number| (store.token("t", &number.to_be_bytes()), Posting { lane: lane.id(), seq: number }))
            .collect();
        number += count;
        disk.1.store(0, Ordering::Relaxed);
        store.index_add_within(1, &postings, limits).unwrap();
        disk.1.load(Ordering::Relaxed)
    };
    // More than the log holds: there are blocks.
    for _ in 0..40 {
        step(1_000);
    }
    let commit = (0..10).map(|_| step(0)).sum::<u64>() / 10;
    let small = (0..40).map(|_| step(30)).sum::<u64>() / 40;
    let stats = store.stats().unwrap();
    assert!(stats.index_blocks > 20 && stats.index_bytes > 700_000, "{stats:?}");
    // Without the log some twenty blocks were written.
    assert!(small < commit + (64 << 10), "{small} bytes for 30 postings, {commit} for none");
}

#[test]
fn a_damaged_row_of_the_log_is_told() {
    let disk = disk_with_store(1);
    let store = open_store(&disk).unwrap();
    let mut lane = SampleLane::new(1);
    store.commit(lane.batch("a")).unwrap();
    let posting = Posting { lane: lane.id(), seq: 0 };
    let tokens = [1_u8, 2].map(|number| store.token("t", &[number]));
    store.index_add(1, &[(tokens[0], posting)]).unwrap();
    drop(store);
    let row = {
        let database = database_on(&disk);
        let table = database.begin_read().unwrap().open_table(INDEX_LOG).unwrap();
        table.get(0).unwrap().unwrap().value().to_vec()
    };
    let mut image = disk.image();
    let place = image.windows(row.len()).position(|window| window == row).unwrap();
    image[place + row.len() / 2] ^= 4;
    disk.set_image(&image);
    let store = open_store(&disk).unwrap();
    for token in tokens {
        assert_eq!(store.index_find(&token).unwrap_err().kind(), StoreErrorKind::Damaged);
    }
    let added = store.index_add(1, &[(tokens[1], posting)]);
    assert_eq!(
        added.unwrap_err().kind(),
        StoreErrorKind::Damaged,
        "it would have become one with the damaged row"
    );
    store.rebuild_index().unwrap();
    store.index_add(1, &[(tokens[1], posting)]).unwrap();
    assert_eq!(store.index_find(&tokens[1]).unwrap(), [posting]);
}
