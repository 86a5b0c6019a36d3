//! What is durable is answered as written, also where it cannot be read back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
