//! Rot: every read gives what was written or an error, and a damaged run hurts no other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use redb::ReadableDatabase as _;

use super::device_tests::{database_on, disk_with_store, open_store};
use super::rows::{ARRIVALS, IDS, LANES, META, META_COUNTS, NAMED, RUNS, run_key};
use crate::store::conformance::{SampleLane, batch_of};
use crate::store::tail::{self, Coverage, Tail, TokenInput};
use crate::store::{DamagedRun, FaultDisk, Posting, Store, StoreError, StoreErrorKind};

struct Sample {
    disk: FaultDisk,
    lanes: [SampleLane; 3],
}

impl Sample {
    fn new() -> Self {
        let disk = disk_with_store(1);
        let mut lanes = [1, 2, 3].map(SampleLane::new);
        let store = open_store(&disk).unwrap();
        for (number, lane) in lanes.iter_mut().enumerate() {
            for part in 0..3 {
                let bodies = (0..4).map(|index| format!("lane {number} part {part} entry {index}"));
                store.commit(batch_of(lane.append(bodies))).unwrap();
            }
        }
        let mut batch = lanes[0].batch("the last");
        batch.named.push(("device".into(), b"the device".to_vec()));
        batch.blobs.push(("space".into(), b"key".to_vec(), b"the blob".to_vec()));
        store.commit(batch).unwrap();
        let token = store.token("record", b"one");
        store.index_add(5, &[(token, Posting { lane: lanes[1].id(), seq: 1 })]).unwrap();
        Self { disk, lanes }
    }

    /// Finds where a value lies in the file.
    fn place_of(&self, value: &[u8]) -> usize {
        let image = self.disk.image();
        image.windows(value.len()).position(|window| window == value).unwrap()
    }

    /// Flips a bit in the middle of every copy of a value that the tables hold now.
    fn damage(&self, value: &[u8]) {
        let mut image = self.disk.image();
        image[self.place_of(value) + value.len() / 2] ^= 4;
        self.disk.set_image(&image);
    }

    fn run_value(&self, lane: u32, start: u64) -> Vec<u8> {
        let database = database_on(&self.disk);
        let table = database.begin_read().unwrap().open_table(RUNS).unwrap();
        table.get(&run_key(lane, start)).unwrap().unwrap().value().to_vec()
    }
}

/// Everything that a store tells, each read with its own outcome.
fn read_all(store: &dyn Store, lanes: &[SampleLane; 3]) -> Vec<(String, Result<String, StoreError>)> {
    let mut outcomes: Vec<(String, Result<String, StoreError>)> = Vec::new();
    let token = store.token("record", b"one");
    for lane in lanes {
        let id = lane.id();
        let mut note = |what: &str, outcome| outcomes.push((format!("{what} of {}", id.short()), outcome));
        note("lane", store.lane(&id).map(|state| format!("{state:?}")));
        for seq in 0..=lane.state().size() {
            note("entry", store.entry(&id, seq).map(|entry| format!("{seq} {entry:?}")));
            note("frontier", store.frontier_at(&id, seq).map(|frontier| format!("{seq} {frontier:?}")));
        }
    }
    let mut note = |what: &str, outcome| outcomes.push((what.to_owned(), outcome));
    note("lanes", store.lanes().map(|lanes| format!("{lanes:?}")));
    note("arrivals", store.arrivals(0, 100).map(|lines| format!("{lines:?}")));
    note("named", store.named("device").map(|value| format!("{value:?}")));
    note("blob", store.blob("space", b"key").map(|value| format!("{value:?}")));
    note("cursor", store.index_cursor().map(|cursor| format!("{cursor}")));
    note("index", store.index_find(&token).map(|found| format!("{found:?}")));
    let counts = store.stats().map(|stats| format!("{} {} {}", stats.lanes, stats.runs, stats.entries));
    note("counts", counts);
    outcomes
}

#[test]
fn a_flipped_bit_is_an_error_or_nothing_but_never_another_answer() {
    let flips = std::env::var("MUSUBI_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let sample = Sample::new();
    let good = sample.disk.image();
    let expected = read_all(&open_store(&sample.disk).unwrap(), &sample.lanes);
    sample.disk.set_image(&good);
    let value = sample.run_value(1, 5);
    let live = sample.place_of(&value) + value.len() / 2;
    sample.disk.set_image(&good);
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let (mut refused, mut errors, mut unnoticed) = (0, 0, 0);
    for flip in 0..flips {
        // The first is in a run that is read; where the others are is for chance to say.
        let at = if flip == 0 { live } else { used[rng.next_u64() as usize % used.len()] };
        let bit = 1_u8 << (rng.next_u32() % 8);
        let mut image = good.clone();
        image[at] ^= bit;
        sample.disk.set_image(&image);
        let what = format!("flip {flip}: bit {bit:#x} of byte {at}");
        let store = match open_store(&sample.disk) {
            Ok(store) => store,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Damaged, "{what}: {error:?}");
                refused += 1;
                continue;
            }
        };
        let mut damaged = 0;
        for ((name, outcome), (_, right)) in read_all(&store, &sample.lanes).into_iter().zip(&expected) {
            match outcome {
                Ok(text) => {
                    let absent_blob = name == "blob" && text == "None";
                    assert!(absent_blob || text == *right.as_ref().unwrap(), "{what}: {name} is {text}");
                }
                Err(_) => damaged += 1,
            }
        }
        errors += u64::from(damaged > 0);
        unnoticed += u64::from(damaged == 0);
    }
    println!("{flips} flips: {refused} opens refused, {errors} with errors on reading, {unnoticed} harmless");
    assert!(errors > 0, "rot must be seen at all");
}

#[test]
fn a_flipped_bit_in_the_header_never_brings_back_an_older_state() {
    let sample = Sample::new();
    let good = sample.disk.image();
    // redb's header: magic, flags, layout, and two commit slots of 128 bytes from byte 64 on.
    let mut refused = 0;
    let bits = (0..64 * 8).chain((64 * 8..320 * 8).step_by(9));
    for (at, bit) in bits.map(|place| (place / 8, place % 8)) {
        let mut image = good.clone();
        image[at] ^= 1 << bit;
        sample.disk.set_image(&image);
        match open_store(&sample.disk).and_then(|store| store.stats()) {
            Ok(stats) => assert_eq!((stats.entries, stats.last_arrival), (40, 10), "byte {at}, bit {bit}"),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Damaged, "byte {at}, bit {bit}: {error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

#[test]
fn a_damaged_run_is_named_hurts_no_other_and_heals() {
    let sample = Sample::new();
    // The lanes' runs begin at 0, 5 and 9.
    let lane = &sample.lanes[1];
    sample.damage(&sample.run_value(1, 5));
    let store = open_store(&sample.disk).unwrap();
    let error = store.runs(&lane.id(), 5, usize::MAX).unwrap_err();
    assert!(
        matches!(error, StoreError::DamagedRun { lane: found, start: 5 } if found == lane.id()),
        "{error}"
    );
    assert_eq!(error.kind(), StoreErrorKind::Damaged);
    assert_eq!(store.runs(&lane.id(), 0, usize::MAX).unwrap().len(), 1, "what is before it is given");
    assert_eq!(store.runs(&lane.id(), 9, usize::MAX).unwrap().len(), 1, "and what is after it");
    assert!(store.entry(&lane.id(), 6).is_err() && store.entry(&lane.id(), 9).unwrap().is_some());
    assert_eq!(store.runs(&sample.lanes[0].id(), 0, usize::MAX).unwrap().len(), 4, "another lane");
    assert_eq!(store.scrub(10).unwrap(), [DamagedRun { lane: lane.id(), start: 5, end: 9 }]);
    // What a replica tells its peers of the lane, so that they send what comes after; the run before knows it.
    let mut whole = SampleLane::new(2);
    whole.append((0..4).map(|index| format!("lane 1 part 0 entry {index}")));
    assert_eq!(store.frontier_at(&lane.id(), 5).unwrap(), whole.state().frontier);
    assert!(store.frontier_at(&lane.id(), 6).is_err());

    let mut tail = Tail::after(0);
    let extract = |run: &crate::lane::Run| {
        let term = |seq| (TokenInput { kind: "lane", text: run.lane.0.to_vec() }, seq);
        (run.start..run.end()).map(term).collect()
    };
    assert_eq!(tail.refresh(&store, &extract).unwrap(), Coverage::Complete);
    assert_eq!(tail.take_damaged(), [DamagedRun { lane: lane.id(), start: 5, end: 9 }]);
    let token = store.token("lane", &lane.id().0);
    assert_eq!(tail.find(&token).len(), 9, "what could be read is found");

    // A peer sends the entries in runs of another shape, beginning below what was lost.
    let mut again = SampleLane::new(2);
    let mut parts = again.append((0..4).map(|index| format!("lane 1 part 0 entry {index}")));
    parts.extend(again.append((0..4).map(|index| format!("lane 1 part 1 entry {index}"))));
    let mut run = parts[0].run.clone();
    run.entries.extend(parts[1].run.entries.clone());
    run.checkpoints.extend(parts[1].run.checkpoints.clone());
    run.entries.drain(..2);
    run.start = 2;
    let mut lie = run.clone();
    lie.entries[4].body[0] ^= 1;
    assert!(store.heal(lie).is_err());
    store.heal(run).unwrap();
    assert_eq!(store.scrub(10).unwrap(), []);
    let held: usize =
        store.runs(&lane.id(), 0, usize::MAX).unwrap().iter().map(|run| run.entries.len()).sum();
    assert_eq!(held, 13);
    tail.refresh(&store, &extract).unwrap();
    assert_eq!(tail.find(&token).len(), 13, "what was healed has arrived again");
}

#[test]
fn rows_that_are_gone_are_damage_and_not_absence() {
    let sample = Sample::new();
    {
        let database = database_on(&sample.disk);
        let transaction = database.begin_write().unwrap();
        transaction.open_table(RUNS).unwrap().remove(&run_key(1, 5)).unwrap();
        transaction.open_table(RUNS).unwrap().remove(&run_key(2, 9)).unwrap();
        transaction.open_table(ARRIVALS).unwrap().remove(4).unwrap();
        for table in NAMED {
            transaction.delete_table(table).unwrap();
            transaction.open_table(table).unwrap();
        }
        transaction.open_table(IDS).unwrap().remove(0).unwrap();
        transaction.commit().unwrap();
    }
    let store = open_store(&sample.disk).unwrap();
    let [zero, one, two] = sample.lanes.each_ref().map(SampleLane::id);
    let lost = |start| move |error: StoreError| matches!(error, StoreError::DamagedRun { start: at, .. } if at == start);
    assert!(store.entry(&one, 6).is_err_and(lost(5)));
    assert!(store.frontier_at(&one, 6).is_err_and(lost(5)));
    assert!(store.runs(&one, 5, usize::MAX).is_err_and(lost(5)));
    assert!(store.runs(&two, 9, usize::MAX).is_err_and(lost(9)), "the last run of a lane");
    let lost_runs = [DamagedRun { lane: one, start: 5, end: 9 }, DamagedRun { lane: two, start: 9, end: 13 }];
    assert_eq!(store.scrub(10).unwrap(), lost_runs);
    assert!(store.arrivals(0, 3).is_ok() && store.arrivals(0, 4).is_err() && store.arrivals(3, 1).is_err());
    // A list that cannot be read is made anew: everything that is held arrives once more.
    assert_eq!((store.relist().unwrap(), store.relist().unwrap()), (1, 0));
    let listed = store.arrivals(10, 100).unwrap();
    let sizes = sample.lanes.each_ref().map(|lane| (lane.id(), 0, lane.state().size()));
    assert_eq!(listed.iter().map(|it| (it.lane, it.start, it.end)).collect::<Vec<_>>(), sizes);
    assert_eq!(store.arrivals(3, 1).unwrap()[0].end, 0);
    assert_eq!(store.named("device").unwrap_err().kind(), StoreErrorKind::Damaged);
    assert!(store.lane(&zero).unwrap().is_some(), "its id stands in its state too");
}

/// A scrub took a row whose key had rotted to a place beyond the lane's end for the end of the lane: what was lost
/// was never named, and no peer was asked for it (found by the drill swarm, seed 18).
#[test]
fn a_run_whose_key_rotted_is_named_and_heals() {
    let sample = Sample::new();
    {
        let value = sample.run_value(1, 9);
        let database = database_on(&sample.disk);
        let transaction = database.begin_write().unwrap();
        {
            let mut runs = transaction.open_table(RUNS).unwrap();
            runs.remove(&run_key(1, 9)).unwrap();
            runs.insert(&run_key(1, 9 | 1 << 40), value.as_slice()).unwrap();
        }
        transaction.commit().unwrap();
    }
    let id = sample.lanes[1].id();
    let store = open_store(&sample.disk).unwrap();
    assert_eq!(store.scrub(10).unwrap(), [DamagedRun { lane: id, start: 9, end: 13 }]);
    let mut again = SampleLane::new(2);
    let parts =
        (0..3).map(|part| again.append((0..4).map(|index| format!("lane 1 part {part} entry {index}"))));
    let last = parts.last().unwrap().remove(0).run;
    store.heal(last).unwrap();
    assert_eq!(store.scrub(10).unwrap(), []);
    let held = store.runs(&id, 0, usize::MAX).unwrap();
    assert_eq!(held.iter().map(|run| run.entries.len()).sum::<usize>(), 13);
    assert!(store.runs(&id, 12, usize::MAX).is_ok(), "what is behind the lane's end is not read");
}

/// A key that rotted in the middle of a page led searches for its whole neighbours astray, which a scrub that went
/// through the page did not see: they were never readable again (found by the drill swarm, seed 36).
#[test]
fn a_key_that_rotted_in_the_middle_of_a_page_hides_no_other_run() {
    let sample = Sample::new();
    let keys = [run_key(1, 0), run_key(1, 5), run_key(1, 9)].concat();
    let mut image = sample.disk.image();
    let places: Vec<usize> =
        (0..image.len() - keys.len()).filter(|at| image[*at..].starts_with(&keys)).collect();
    assert!(!places.is_empty(), "keys lie next to each other in a page");
    for at in places {
        // The seventh byte of the second key: its start is now far beyond the lane's end.
        image[at + 12 + 6] ^= 1;
    }
    sample.disk.set_image(&image);
    let id = sample.lanes[1].id();
    let store = open_store(&sample.disk).unwrap();
    assert!(store.entry(&id, 9).is_err(), "it is whole, and not found");
    assert_eq!(store.scrub(10).unwrap(), [DamagedRun { lane: id, start: 5, end: 9 }]);
    assert!(store.entry(&id, 9).unwrap().is_some(), "a scrub puts what is whole back in order");
    let mut again = SampleLane::new(2);
    let parts =
        (0..2).map(|part| again.append((0..4).map(|index| format!("lane 1 part {part} entry {index}"))));
    let lost = parts.last().unwrap().remove(0).run;
    store.heal(lost).unwrap();
    assert_eq!((store.scrub(10).unwrap(), store.stats().unwrap().runs), (vec![], 10));
    for lane in &sample.lanes {
        (0..lane.state().size()).for_each(|seq| assert!(store.entry(&lane.id(), seq).unwrap().is_some()));
    }
}

#[test]
fn neighbouring_damaged_runs_heal_one_after_the_other() {
    let sample = Sample::new();
    sample.damage(&sample.run_value(1, 0));
    sample.damage(&sample.run_value(1, 5));
    let id = sample.lanes[1].id();
    let store = open_store(&sample.disk).unwrap();
    assert_eq!(store.scrub(10).unwrap(), [DamagedRun { lane: id, start: 0, end: 9 }]);
    let mut again = SampleLane::new(2);
    for part in 0..2 {
        let appended = again.append((0..4).map(|index| format!("lane 1 part {part} entry {index}")));
        let mut forged = appended[0].run.clone();
        forged.entries[1].body[0] ^= 1;
        assert!(store.heal(forged).is_err(), "not signed by the device");
        store.heal(appended[0].run.clone()).unwrap();
    }
    assert_eq!(store.scrub(10).unwrap(), []);
    assert_eq!(store.frontier_at(&id, 13).unwrap(), sample.lanes[1].state().frontier);
}

#[test]
fn states_and_counts_are_read_from_their_twins() {
    let sample = Sample::new();
    let (state, counts) = {
        let database = database_on(&sample.disk);
        let transaction = database.begin_read().unwrap();
        let state = transaction.open_table(LANES[0]).unwrap().get(1).unwrap().unwrap().value().to_vec();
        let counts = transaction.open_table(META[0]).unwrap().get(META_COUNTS).unwrap().unwrap();
        (state, counts.value().to_vec())
    };
    // Of each value there are two equal copies; the first found is damaged, whichever table it is in.
    sample.damage(&state);
    sample.damage(&counts);
    let store = open_store(&sample.disk).unwrap();
    assert_eq!(store.lane(&sample.lanes[1].id()).unwrap().as_ref(), Some(sample.lanes[1].state()));
    assert_eq!(store.stats().unwrap().runs, 10);
    let mut lane = sample.lanes[1].clone();
    store.commit(lane.batch("writing goes on")).unwrap();
    drop(store);
    sample.damage(&state);
    let store = open_store(&sample.disk).unwrap();
    assert_eq!(store.lane(&lane.id()).unwrap().as_ref(), Some(lane.state()), "both copies were renewed");
}

#[test]
fn a_damaged_index_is_rebuilt() {
    let sample = Sample::new();
    let store = open_store(&sample.disk).unwrap();
    let token = store.token("record", b"one");
    let posting = Posting { lane: sample.lanes[1].id(), seq: 1 };
    drop(store);
    let block = {
        let database = database_on(&sample.disk);
        let table = database.begin_read().unwrap().open_table(super::rows::INDEX_LOG).unwrap();
        table.get(0).unwrap().unwrap().value().to_vec()
    };
    sample.damage(&block);
    let store = open_store(&sample.disk).unwrap();
    assert_eq!(store.index_find(&token).unwrap_err().kind(), StoreErrorKind::Damaged);
    let found = tail::find(&store, &Tail::after(0), &token).unwrap();
    assert!(found.rebuild && found.postings.is_empty());
    store.rebuild_index().unwrap();
    store.index_add(5, &[(token, posting)]).unwrap();
    assert_eq!(tail::find(&store, &Tail::after(5), &token).unwrap().postings, [posting]);
}
