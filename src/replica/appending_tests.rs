//! What is durable is answered as written, also where it cannot be read back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::Replica;
use super::appending::UNCHECKED;
use super::chart_write::ChartWrite;
use super::knowing_tests::{register, replica_on};
use super::request::Write;
use super::sealed_world_tests::{World, author};
use crate::base::{LaneId, RecordId};
use crate::lane::{Entry, Frontier, LaneState, Run};
use crate::record::linking::{PairState, TieKind};

use crate::store::{
    Arrival, Batch, Committed, DamagedRun, Healed, KeyedValue, MemoryStore, Posting, Repacked, Store,
    StoreError, StoreStats, Token,
};

/// A store whose entries cannot be read any more once something was committed while it `breaks`.
struct BreakingStore {
    memory: MemoryStore,
    breaks: AtomicBool,
    is_broken: AtomicBool,
    /// Carried out once, just before postings are added.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Store for BreakingStore {
    fn runs(&self, id: &LaneId, from: u64, limit_bytes: usize) -> Result<Vec<Run>, StoreError> {
        self.memory.runs(id, from, limit_bytes)
    }

    fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let committed = self.memory.commit(batch)?;
        self.is_broken.fetch_or(self.breaks.load(Ordering::Relaxed), Ordering::Relaxed);
        Ok(committed)
    }

    fn lanes(&self) -> Result<Vec<LaneState>, StoreError> {
        self.memory.lanes()
    }

    fn lane(&self, id: &LaneId) -> Result<Option<LaneState>, StoreError> {
        self.memory.lane(id)
    }

    fn frontier_at(&self, id: &LaneId, seq: u64) -> Result<Frontier, StoreError> {
        self.memory.frontier_at(id, seq)
    }

    fn entry(&self, id: &LaneId, seq: u64) -> Result<Option<Entry>, StoreError> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(StoreError::DamagedRun { lane: *id, start: seq });
        }
        self.memory.entry(id, seq)
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<Arrival>, StoreError> {
        self.memory.arrivals(after, limit)
    }

    fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.named(name)
    }

    fn blob(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.memory.blob(space, key)
    }

    fn blobs(&self, space: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyedValue>, StoreError> {
        self.memory.blobs(space, after, limit)
    }

    fn token(&self, kind: &str, text: &[u8]) -> Token {
        self.memory.token(kind, text)
    }

    fn index_cursor(&self) -> Result<u64, StoreError> {
        self.memory.index_cursor()
    }

    fn index_add_at(
        &self,
        cursor: u64,
        upto: u64,
        postings: &[(Token, Posting)],
    ) -> Result<bool, StoreError> {
        let meanwhile = self.meanwhile.lock().unwrap().take();
        meanwhile.into_iter().for_each(|does| does());
        self.memory.index_add_at(cursor, upto, postings)
    }

    fn index_find(&self, token: &Token) -> Result<Vec<Posting>, StoreError> {
        self.memory.index_find(token)
    }

    fn rebuild_index(&self) -> Result<(), StoreError> {
        self.memory.rebuild_index()
    }

    fn scrub(&self, limit: usize) -> Result<Vec<DamagedRun>, StoreError> {
        self.memory.scrub(limit)
    }

    fn heal(&self, run: Run) -> Result<Healed, StoreError> {
        self.memory.heal(run)
    }

    fn repack(&self, id: &LaneId, from: u64) -> Result<Repacked, StoreError> {
        self.memory.repack(id, from)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        self.memory.stats()
    }
}

/// A replica with two records of one person, and the store that breaks with what is done next.
fn breaking(seed: u8) -> (Arc<Replica>, Arc<BreakingStore>, [RecordId; 2]) {
    let store = Arc::new(BreakingStore {
        memory: MemoryStore::new(),
        breaks: AtomicBool::new(false),
        is_broken: AtomicBool::new(false),
        meanwhile: Mutex::new(None),
    });
    let replica = replica_on(store.clone(), &World::new(seed), 0);
    let records = ["田中 幸雄", "田中 幸夫"].map(|name| register(&replica, name, "shared/miura"));
    (replica, store, records)
}

/// Carries something out that breaks the store once it is durable, and returns how many statements were written.
fn written<T>(
    replica: &Replica,
    store: &BreakingStore,
    records: &[RecordId; 2],
    does: impl FnOnce() -> T,
) -> (usize, T) {
    let count = || records.iter().map(|record| replica.facts(record).unwrap().0.len()).sum::<usize>();
    let before = count();
    store.breaks.store(true, Ordering::Relaxed);
    let done = does();
    store.breaks.store(false, Ordering::Relaxed);
    assert!(store.is_broken.swap(false, Ordering::Relaxed), "nothing was committed");
    (count() - before, done)
}

#[test]
fn what_is_durable_and_cannot_be_checked_is_answered_as_written_with_a_warning() {
    let (replica, store, records) = breaking(41);
    let substance = "ペニシリン".to_owned();
    let allergy = Write::Allergy { substance, code: None, criticality: None, refute: None };
    let (new, done) = written(&replica, &store, &records, || replica.write(&records[0], allergy, author()));
    let done = done.unwrap();
    assert_eq!((new, done.warnings.as_slice()), (1, &[UNCHECKED.to_owned()][..]));
    assert!(done.statement.is_some());

    let draft = ChartWrite::Draft { note: None, text: "経過良好".into() };
    let note = replica.write_chart(&records[0], draft, author()).unwrap().name.unwrap();
    let sign = ChartWrite::Sign { note, title: None, version: None };
    let (new, done) =
        written(&replica, &store, &records, || replica.write_chart(&records[0], sign, author()));
    let done = done.unwrap();
    assert_eq!((new, done.warnings.as_slice()), (1, &[UNCHECKED.to_owned()][..]));
    assert!(done.statement.is_some());

    let (new, done) =
        written(&replica, &store, &records, || replica.tie(TieKind::Link, records, "保険証で確認", author()));
    let done = done.unwrap();
    assert_eq!((new, done.state), (2, PairState::Joined));
    assert_eq!(done.warnings, [UNCHECKED]);
}

/// While postings are on their way into the index others write and find, also what is on its way; and an index that is dropped
/// meanwhile is not left with a part of what it had.
#[test]
fn who_writes_and_who_looks_does_not_wait_for_the_index() {
    for is_dropped in [false, true] {
        let (replica, store, records) = breaking(42);
        let (asked, answers) = mpsc::channel();
        let (told, heard) = mpsc::channel();
        let (other, dropped) = (replica.clone(), store.clone());
        *store.meanwhile.lock().unwrap() = Some(Box::new(move || {
            std::thread::spawn(move || {
                if is_dropped {
                    dropped.rebuild_index().unwrap();
                }
                let note = Write::Note { text: "経過良好".into(), title: None };
                other.write(&records[0], note, author()).unwrap();
                asked.send(other.find("田中", 10).unwrap().patients.len()).unwrap();
            });
            let answer = answers.recv_timeout(Duration::from_secs(20));
            told.send(answer.expect("who asks waits for the index")).unwrap();
        }));
        replica.index_step().unwrap();
        assert_eq!(heard.recv().unwrap(), 2, "what is on its way is found");
        for _ in 0..2 {
            assert_eq!(replica.find("田中", 10).unwrap().patients.len(), 2);
            assert_eq!(replica.facts(&records[0]).unwrap().0.len(), 2);
            replica.index_step().unwrap();
        }
        let arrived = store.stats().unwrap().last_arrival;
        assert_eq!(store.index_cursor().unwrap(), arrived);
    }
}
