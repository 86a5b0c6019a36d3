//! Conformance: what every store must do, checked by the same code against each implementation.
//!
//! The checks panic with the law that is broken, as tests do; they are public so that a store outside this
//! crate can be checked too. [`SampleLane`] makes lanes to fill stores with.

use super::api::{Arrival, Batch, Committed, Posting, Repacked, Store};
use super::error::StoreError;
use super::log::StoreLog;
use crate::base::limits::JOINED_BYTES_MAX;
use crate::base::{Area, Digest, LaneId, Part, RealmId, WallMs};
use crate::identity::SecretSeed;
use crate::lane::admission::{Forking, LaneLog as _};
use crate::lane::{Appended, Entry, EntryKind, Frontier, LaneName, LaneState, Run, append};

/// A store that can be closed and opened again.
pub trait Subject {
    /// Returns the open store.
    fn store(&self) -> &dyn Store;

    /// Closes the store and opens it again, as after a restart.
    fn reopened(self) -> Self;
}

/// Runs every check, each against a fresh store.
///
/// # Panics
/// When the store breaks a law.
pub fn check_all<S: Subject>(fresh: impl Fn() -> S) {
    committed_is_read_back_after_reopening(fresh());
    runs_begin_anywhere_and_keep_the_limit(fresh());
    every_frontier_is_the_recomputed_one(fresh());
    arrivals_are_consecutive(fresh());
    names_and_values_are_kept_replaced_and_removed(fresh());
    a_fork_cuts_the_trunk(fresh());
    a_batch_is_all_or_nothing(fresh());
    postings_are_found_and_move_with_the_cursor(fresh());
    a_big_index_is_found_whole(fresh());
    only_what_was_there_heals(fresh());
    repacking_changes_no_answer(fresh());
}

/// A lane of invented entries, signed by an invented device.
#[derive(Debug, Clone)]
pub struct SampleLane {
    name: LaneName,
    seed: SecretSeed,
    state: Option<LaneState>,
}

impl SampleLane {
    /// Starts a lane; another number is another device.
    pub fn new(number: u8) -> Self {
        let seed = SecretSeed::from_bytes([number; 32]);
        let (realm, device) = (RealmId([0xAA; 32]), seed.device_id());
        let name = LaneName { realm, device, area: Area::common(), part: Part::Card };
        Self { name, seed, state: None }
    }

    /// Returns the lane's id.
    pub fn id(&self) -> LaneId {
        self.name.id()
    }

    /// Returns the lane's state after all that was appended.
    pub fn state(&self) -> &LaneState {
        self.state.as_ref().expect("something was appended")
    }

    /// Appends entries with these bodies; the first call also opens the lane with an entry of its own.
    pub fn append<B: Into<Vec<u8>>>(&mut self, bodies: impl IntoIterator<Item = B>) -> Vec<Appended> {
        let entry = |body: B| Entry { kind: EntryKind::FACTS, body: body.into() };
        let entries = bodies.into_iter().map(entry).collect();
        let appended = append(self.state.as_ref(), &self.name, &Digest([0xCC; 32]), entries, &self.seed)
            .expect("a sample lane is straight and its entries are small");
        self.state = appended.last().map(|last| last.state.clone()).or(self.state.take());
        appended
    }

    /// Appends one entry and makes the batch that commits it.
    pub fn batch(&mut self, body: &str) -> Batch {
        batch_of(self.append([body]))
    }
}

/// Makes the batch that commits what was appended.
pub fn batch_of(appended: Vec<Appended>) -> Batch {
    let advances = appended.into_iter().map(|part| (part.run, part.before, part.state)).collect();
    Batch { advances, ..Batch::default() }
}

fn committed_is_read_back_after_reopening(subject: impl Subject) {
    let (mut one, mut two) = (SampleLane::new(1), SampleLane::new(2));
    let store = subject.store();
    assert_eq!(store.lane(&one.id()).unwrap(), None, "a lane never committed is not there");
    let first = one.append(["a", "b"]);
    let runs: Vec<Run> = first.iter().map(|part| part.run.clone()).collect();
    store.commit(batch_of(first)).unwrap();
    store.commit(two.batch("c")).unwrap();
    store.commit(one.batch("d")).unwrap();

    let subject = subject.reopened();
    let store = subject.store();
    assert_eq!(store.lane(&one.id()).unwrap().as_ref(), Some(one.state()));
    let mut ids: Vec<LaneId> = store.lanes().unwrap().iter().map(LaneState::id).collect();
    ids.sort();
    let mut expected = [one.id(), two.id()];
    expected.sort();
    assert_eq!(ids, expected);
    assert_eq!(store.runs(&one.id(), 0, 1).unwrap(), runs);
    assert_eq!(store.entry(&one.id(), 2).unwrap().unwrap().body, b"b");
    assert_eq!(store.entry(&one.id(), 3).unwrap().unwrap().body, b"d");
    assert_eq!(store.entry(&one.id(), 4).unwrap(), None);
    assert_eq!(store.entry(&LaneId([9; 32]), 0).unwrap(), None);
    let places = [(one.id(), 2), (one.id(), 4), (one.id(), 3), (LaneId([9; 32]), 0), (one.id(), 2)];
    let places = places.map(|(lane, seq)| Posting { lane, seq });
    let each = places.iter().map(|place| store.entry(&place.lane, place.seq).unwrap());
    assert_eq!(store.entries(&places).unwrap(), each.collect::<Vec<_>>());
    let stats = store.stats().unwrap();
    assert_eq!((stats.lanes, stats.runs, stats.entries, stats.last_arrival), (2, 3, 6, 3));
}

fn runs_begin_anywhere_and_keep_the_limit(subject: impl Subject) {
    let mut lane = SampleLane::new(1);
    let store = subject.store();
    for number in 0..10_u8 {
        store.commit(batch_of(lane.append((0..3).map(|_| vec![number; 100])))).unwrap();
    }
    let size = lane.state().size();
    for from in 0..size {
        for limit in [0, 1, 300, 301, 1_000, usize::MAX] {
            let runs = store.runs(&lane.id(), from, limit).unwrap();
            assert!(runs[0].start <= from && runs[0].end() > from, "the first run holds the entry asked for");
            assert!(runs.windows(2).all(|pair| pair[0].end() == pair[1].start), "runs are in order");
            let bytes: usize = runs.iter().map(Run::body_bytes).sum();
            assert!(runs.len() == 1 || bytes <= limit, "{bytes} bytes of {limit}");
        }
        let all = store.runs(&lane.id(), from, usize::MAX).unwrap();
        assert_eq!(all.last().unwrap().end(), size);
        let logged = StoreLog(store).runs(&lane.id(), from, from + 1).unwrap();
        assert!(logged.len() == 1 && logged[0] == all[0]);
    }
    assert_eq!(store.runs(&lane.id(), size, usize::MAX).unwrap(), []);
    assert_eq!(store.runs(&LaneId([9; 32]), 0, usize::MAX).unwrap(), []);
}

fn every_frontier_is_the_recomputed_one(subject: impl Subject) {
    let mut lane = SampleLane::new(1);
    let store = subject.store();
    let mut expected = Frontier::default();
    let mut frontiers = vec![expected.clone()];
    for number in 0..12_u8 {
        let appended = lane.append((0..=number % 4).map(|index| vec![number, index]));
        for entry in appended.iter().flat_map(|part| &part.run.entries) {
            expected.push(&entry.leaf());
            frontiers.push(expected.clone());
        }
        store.commit(batch_of(appended)).unwrap();
    }
    for (seq, frontier) in frontiers.iter().enumerate() {
        assert_eq!(store.frontier_at(&lane.id(), seq as u64).unwrap(), *frontier, "at {seq}");
    }
    let beyond = store.frontier_at(&lane.id(), frontiers.len() as u64);
    assert!(matches!(beyond, Err(StoreError::NotHeld { .. })));
    assert_eq!(store.frontier_at(&LaneId([9; 32]), 0).unwrap(), Frontier::default());
    assert!(store.frontier_at(&LaneId([9; 32]), 1).is_err());
}

fn arrivals_are_consecutive(subject: impl Subject) {
    let (mut one, mut two) = (SampleLane::new(1), SampleLane::new(2));
    let store = subject.store();
    assert_eq!(store.arrivals(0, 10).unwrap(), []);
    let nothing = store.commit(Batch::default()).unwrap();
    assert_eq!(nothing, Committed { first_arrival: 1, last_arrival: 0 });
    let mut both = one.batch("a");
    both.advances.extend(two.batch("b").advances);
    assert_eq!(store.commit(both).unwrap(), Committed { first_arrival: 1, last_arrival: 2 });
    let time = Some(WallMs(1_795_324_200_000));
    let third = store.commit(Batch { time, ..one.batch("c") }).unwrap();
    assert_eq!(third, Committed { first_arrival: 3, last_arrival: 3 });

    let subject = subject.reopened();
    let store = subject.store();
    let arrivals = store.arrivals(0, 10).unwrap();
    let seen: Vec<_> = arrivals.iter().map(|line| (line.no, line.lane, line.start, line.end)).collect();
    assert_eq!(seen, [(1, one.id(), 0, 2), (2, two.id(), 0, 2), (3, one.id(), 2, 3)]);
    assert_eq!(arrivals.iter().map(|line| line.time).collect::<Vec<_>>(), [None, None, time]);
    assert_eq!(store.arrivals(1, 1).unwrap(), arrivals[1..2]);
    assert_eq!(store.arrivals(3, 10).unwrap(), []);
    assert_eq!(store.arrivals(u64::MAX, 10).unwrap(), []);
}

fn names_and_values_are_kept_replaced_and_removed(subject: impl Subject) {
    let store = subject.store();
    let blob = |space: &str, key: &str, value: &str| (space.to_owned(), key.into(), value.into());
    assert_eq!(store.named("device").unwrap(), None);
    let mut batch = Batch { named: vec![("device".into(), b"one".to_vec())], ..Batch::default() };
    batch.blobs =
        vec![blob("certificate", "k1", "v1"), blob("certificate", "k2", "v2"), blob("chart", "k1", "x")];
    store.commit(batch).unwrap();
    let mut batch = Batch { named: vec![("device".into(), b"two".to_vec())], ..Batch::default() };
    batch.blobs_removed = vec![("certificate".into(), b"k2".to_vec()), ("none".into(), b"k".to_vec())];
    batch.blobs = vec![blob("certificate", "k1", "w1"), blob("certificate", "k3", "v3")];
    store.commit(batch).unwrap();

    let subject = subject.reopened();
    let store = subject.store();
    assert_eq!(store.named("device").unwrap().as_deref(), Some(b"two".as_slice()));
    assert_eq!(store.blob("certificate", b"k1").unwrap().as_deref(), Some(b"w1".as_slice()));
    assert_eq!(store.blob("certificate", b"k2").unwrap(), None);
    assert_eq!(store.blob("chart", b"k1").unwrap().as_deref(), Some(b"x".as_slice()));
    let mut all = store.blobs("certificate", None, 10).unwrap();
    all.sort();
    assert_eq!(all, [(b"k1".to_vec(), b"w1".to_vec()), (b"k3".to_vec(), b"v3".to_vec())]);
    let first = store.blobs("certificate", None, 1).unwrap();
    let second = store.blobs("certificate", Some(&first[0].0), 1).unwrap();
    assert!(first.len() == 1 && second.len() == 1 && first != second, "pages do not overlap");
    assert_eq!(store.blobs("certificate", Some(&second[0].0), 1).unwrap(), []);
    assert_eq!(store.blobs("nothing", None, 10).unwrap(), []);
}

/// Cuts a lane's trunk to `size` as admission would, with the run in which the cut lies.
fn forking(runs: &[Run], frontiers: &[Frontier], state: &LaneState, size: usize) -> Forking {
    let state = LaneState { frontier: frontiers[size].clone(), ..state.clone() };
    let inside = runs.iter().find(|run| (run.start as usize) < size && run.end() as usize > size);
    let replace = inside.map(|run| {
        let mut run = run.clone();
        run.entries.truncate(size - run.start as usize);
        // Where a run is cut there is a checkpoint; the sample takes the one at the old end for it.
        run.checkpoints.iter_mut().for_each(|checkpoint| checkpoint.size = size as u64);
        let before = frontiers[run.start as usize].clone();
        (run, before)
    });
    let truncate_to = replace.as_ref().map_or(size as u64, |(run, _)| run.start);
    Forking { state, truncate_to, replace }
}

fn a_fork_cuts_the_trunk(subject: impl Subject) {
    let mut lane = SampleLane::new(1);
    let store = subject.store();
    let (mut runs, mut frontiers) = (Vec::new(), vec![Frontier::default()]);
    for number in 0..3_u8 {
        let appended = lane.append((0..4).map(|index| vec![number, index]));
        for entry in appended.iter().flat_map(|part| &part.run.entries) {
            let mut frontier = frontiers[frontiers.len() - 1].clone();
            frontier.push(&entry.leaf());
            frontiers.push(frontier);
        }
        runs.extend(appended.iter().map(|part| part.run.clone()));
        store.commit(batch_of(appended)).unwrap();
    }
    // The runs are 0..5, 5..9 and 9..13.
    store.runs(&lane.id(), 0, usize::MAX).unwrap();
    let bad = Forking { replace: None, ..forking(&runs, &frontiers, lane.state(), 11) };
    assert!(store.commit(Batch { forks: vec![bad], ..Batch::default() }).is_err(), "a run would be cut");
    for size in [11, 9, 7, 7, 0] {
        let forking = forking(&runs, &frontiers, lane.state(), size);
        let before = store.stats().unwrap().last_arrival;
        let committed = store.commit(Batch { forks: vec![forking.clone()], ..Batch::default() }).unwrap();
        assert_eq!(committed.last_arrival, before + 1, "a fork is an arrival");
        assert_eq!(store.lane(&lane.id()).unwrap(), Some(forking.state));
        let held: Vec<Entry> =
            store.runs(&lane.id(), 0, usize::MAX).unwrap().into_iter().flat_map(|run| run.entries).collect();
        let expected: Vec<Entry> = runs.iter().flat_map(|run| run.entries.clone()).take(size).collect();
        assert_eq!(held, expected);
        assert_eq!(store.entry(&lane.id(), size as u64).unwrap(), None);
        assert_eq!(store.frontier_at(&lane.id(), size as u64).unwrap(), frontiers[size]);
        assert!(store.arrivals(0, 100).unwrap().iter().all(|line| line.end <= size as u64));
        assert_eq!(store.stats().unwrap().entries, size as u64);
    }
    let stale = store.commit(lane.batch("after"));
    assert!(matches!(stale, Err(StoreError::Stale { .. })), "what continues the old trunk comes too late");
    let subject = subject.reopened();
    assert_eq!(subject.store().stats().unwrap().runs, 0);
}

fn a_batch_is_all_or_nothing(subject: impl Subject) {
    let (mut one, mut two) = (SampleLane::new(1), SampleLane::new(2));
    let store = subject.store();
    store.commit(one.batch("a")).unwrap();
    two.append(["skipped"]);
    let mut batch = one.clone().batch("b");
    batch.advances.extend(two.batch("gap").advances);
    batch.named.push(("name".into(), b"value".to_vec()));
    batch.blobs.push(("space".into(), b"key".to_vec(), b"value".to_vec()));
    let error = store.commit(batch).unwrap_err();
    assert!(matches!(error, StoreError::Stale { held: 0, start: 2, .. }), "{error}");

    let twice = one.clone().append(["b"]);
    let mut batch = batch_of(twice.clone());
    batch.advances.extend(batch_of(twice).advances);
    assert!(store.commit(batch).is_err(), "the same run twice");
    let mut wrong = one.clone().batch("b");
    wrong.advances[0].2 = two.state().clone();
    assert!(matches!(store.commit(wrong), Err(StoreError::BadBatch { .. })), "another lane's state");

    let subject = subject.reopened();
    let store = subject.store();
    assert_eq!(store.lane(&one.id()).unwrap().as_ref(), Some(one.state()));
    assert_eq!(store.lane(&two.id()).unwrap(), None);
    assert_eq!(store.named("name").unwrap(), None);
    assert_eq!(store.blob("space", b"key").unwrap(), None);
    assert_eq!(store.stats().unwrap().last_arrival, 1);
    store.commit(one.batch("b")).unwrap();
}

fn postings_are_found_and_move_with_the_cursor(subject: impl Subject) {
    let (mut one, mut two) = (SampleLane::new(1), SampleLane::new(2));
    let store = subject.store();
    store.commit(one.batch("a")).unwrap();
    store.commit(two.batch("b")).unwrap();
    let (here, there) = (Posting { lane: one.id(), seq: 1 }, Posting { lane: two.id(), seq: 1 });
    let (name, kana) = (store.token("name", b"x"), store.token("kana", b"x"));
    assert_ne!(name, kana);
    assert_eq!(store.index_cursor().unwrap(), 0);
    assert_eq!(store.index_find(&name).unwrap(), []);
    store.index_add(1, &[(name, here), (kana, here), (name, here)]).unwrap();
    store.index_add(2, &[(name, there), (name, here)]).unwrap();
    assert!(store.index_add(1, &[]).is_err(), "the cursor does not go back");
    assert!(store.index_add(3, &[]).is_err(), "nor beyond what has arrived");
    let unknown = Posting { lane: LaneId([9; 32]), seq: 0 };
    assert!(store.index_add(2, &[(kana, unknown)]).is_err());
    assert!(
        !store.index_add_at(1, 2, &[(kana, there)]).unwrap(),
        "the cursor stands elsewhere: nothing is added"
    );
    assert!(store.index_add_at(2, 2, &[(kana, here)]).unwrap());

    let subject = subject.reopened();
    let store = subject.store();
    assert_eq!(store.index_cursor().unwrap(), 2);
    let mut both = [here, there];
    both.sort();
    assert_eq!(store.index_find(&name).unwrap(), both);
    assert_eq!(store.index_find(&kana).unwrap(), [here]);
    assert_eq!(store.token("name", b"x"), name, "tokens outlive the process");
    store.rebuild_index().unwrap();
    assert_eq!(store.index_cursor().unwrap(), 0);
    assert_eq!(store.index_find(&name).unwrap(), []);
    store.index_add(2, &[(name, there)]).unwrap();
    assert_eq!(store.index_find(&name).unwrap(), [there]);
}

fn a_big_index_is_found_whole(subject: impl Subject) {
    let mut lane = SampleLane::new(1);
    let store = subject.store();
    store.commit(lane.batch("a")).unwrap();
    let posting = |seq: u64| Posting { lane: lane.id(), seq };
    let token = |number: u64| store.token("record", &number.to_be_bytes());
    for part in 0..3_u64 {
        let mut postings: Vec<_> =
            (0..1_200).map(|number| (token(part * 1_200 + number), posting(number))).collect();
        postings.push((token(u64::MAX), posting(part)));
        store.index_add(1, &postings).unwrap();
    }
    for number in (0..3_600).step_by(101) {
        assert_eq!(store.index_find(&token(number)).unwrap(), [posting(number % 1_200)], "{number}");
    }
    assert_eq!(store.index_find(&token(u64::MAX)).unwrap().len(), 3);
    assert_eq!(store.index_find(&token(3_600)).unwrap(), []);
}

fn only_what_was_there_heals(subject: impl Subject) {
    let mut lane = SampleLane::new(1);
    let mut other = lane.clone();
    let store = subject.store();
    let good = lane.append(["a", "b"]);
    store.commit(batch_of(good.clone())).unwrap();
    store.commit(lane.batch("c")).unwrap();
    let lie = other.append(["a", "x"]);
    assert!(matches!(store.heal(lie[0].run.clone()), Err(StoreError::BadBatch { .. })));
    assert!(store.heal(SampleLane::new(3).append(["a"])[0].run.clone()).is_err(), "an unknown lane");
    let healed = store.heal(good[0].run.clone()).unwrap();
    assert_eq!(healed.committed, Committed { first_arrival: 3, last_arrival: 3 });
    assert_eq!(healed.whole, 0..3);
    assert_eq!(store.runs(&lane.id(), 0, 0).unwrap(), [good[0].run.clone()]);
    let stats = store.stats().unwrap();
    assert_eq!((stats.runs, stats.entries), (2, 4));
    assert_eq!(store.scrub(10).unwrap(), []);
}

/// Everything that is told of a lane but for where its runs begin and end.
fn told(store: &dyn Store, lane: &SampleLane) -> (Vec<Entry>, Vec<Frontier>, Vec<Arrival>) {
    let (id, size) = (lane.id(), lane.state().size());
    let entries = (0..size).map(|seq| store.entry(&id, seq).unwrap().expect("an entry of the trunk"));
    let frontiers = (0..=size).map(|seq| store.frontier_at(&id, seq).unwrap());
    (entries.collect(), frontiers.collect(), store.arrivals(0, 1_000).unwrap())
}

fn repacking_changes_no_answer(subject: impl Subject) {
    let (mut many, mut few) = (SampleLane::new(1), SampleLane::new(2));
    let store = subject.store();
    for number in 0..40_u8 {
        store.commit(batch_of(many.append([vec![number; 100]]))).unwrap();
    }
    for number in 0..3_u8 {
        store.commit(batch_of(few.append([vec![number; 100]]))).unwrap();
    }
    let before = (told(store, &many), told(store, &few));
    let done = store.repack(&many.id(), 17).unwrap();
    assert_eq!((done.runs_before, done.runs_after, done.next), (40, 1, None));
    assert_eq!(store.repack(&few.id(), 0).unwrap(), Repacked::default(), "too few to be worth it");
    assert_eq!(store.repack(&many.id(), 0).unwrap(), Repacked::default(), "it is joined already");
    assert_eq!(store.repack(&LaneId([9; 32]), 0).unwrap(), Repacked::default());

    let subject = subject.reopened();
    let store = subject.store();
    assert_eq!((told(store, &many), told(store, &few)), before);
    assert_eq!((store.stats().unwrap().runs, store.scrub(10).unwrap()), (4, vec![]));
    let runs = store.runs(&many.id(), 20, usize::MAX).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].checkpoints.iter().map(|it| it.size).collect::<Vec<_>>(), [41]);
    store.commit(many.batch("it goes on")).unwrap();
    assert_eq!(store.runs(&many.id(), 0, usize::MAX).unwrap().len(), 2);

    // Of a hundred large ones each step takes some; in the end all are joined, and no larger than they may be.
    let mut long = SampleLane::new(3);
    for number in 0..100_u8 {
        store.commit(batch_of(long.append([vec![number; 5_000]]))).unwrap();
    }
    let (before, mut from, mut steps) = (told(store, &long), Some(0), 0);
    while let Some(next) = from {
        let done = store.repack(&long.id(), next).unwrap();
        assert!(done.next.is_none_or(|after| after > next), "each step goes on");
        (from, steps) = (done.next, steps + 1);
    }
    assert!(steps > 3, "no step takes all");
    assert_eq!(told(store, &long), before);
    let runs = store.runs(&long.id(), 0, usize::MAX).unwrap();
    assert!(runs.iter().all(|run| run.body_bytes() <= JOINED_BYTES_MAX));
    assert!(runs.len() <= 100 / 6 + 6, "{}", runs.len());
}
