//! The open database: transactions, reopening after failures, and the directory kept in memory beside it.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use redb::{Builder, Database, Durability, ReadableDatabase as _, WriteTransaction};

use super::disk::Disk;
use super::fault::{Fault, explain, guard};
use super::rows::{
    ARRIVALS, BLOBS, Counts, FORMAT_VERSION, IDS, INDEX, IndexState, LANES, META, META_COUNTS, META_FORMAT,
    META_INDEX, META_NAMES, NAMED, RUNS,
};
use super::view::{Change, View};
use crate::base::planted::{Plant, is_planted};
use crate::base::{LaneId, cbor};
use crate::lane::state::LaneState;
use crate::store::error::StoreError;
use crate::store::sealing::{Sealer, damaged};

/// What is kept in memory beside the open database.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    /// Lane ids by lane number.
    pub(super) ids: Vec<LaneId>,
    /// Lane numbers by id.
    pub(super) numbers: HashMap<LaneId, u32>,
    /// Names in use: a name whose value is not found is damage.
    pub(super) names: BTreeSet<String>,
}

impl Directory {
    fn add(&mut self, id: LaneId) {
        let number = self.ids.len() as u32;
        self.ids.push(id);
        self.numbers.insert(id, number);
    }
}

#[derive(Debug)]
struct Opened {
    database: Database,
    directory: RwLock<Directory>,
}

/// A database that is reopened after every failure.
#[derive(Debug)]
pub(super) struct Engine {
    disk: Box<dyn Disk>,
    cache_bytes: usize,
    sealer: Sealer,
    /// `None` after a failure, until the next call.
    opened: RwLock<Option<Opened>>,
    /// Held through each write, so that directory and database change together.
    writer: Mutex<()>,
    /// How many writes wait that somebody waits for.
    awaited: AtomicUsize,
    /// How often something was written, or tried to be.
    changes: AtomicU64,
}

/// How long work in the background looks again whether writes wait that somebody waits for, and how often at most.
const LET_PASS: Duration = Duration::from_micros(200);
const LET_PASS_TIMES: usize = 50;

impl Engine {
    /// Opens a database that has been initialised.
    pub(super) fn open(disk: Box<dyn Disk>, sealer: Sealer, cache_bytes: usize) -> Result<Self, StoreError> {
        let (opened, writer) = (RwLock::new(None), Mutex::new(()));
        let (awaited, changes) = (AtomicUsize::new(0), AtomicU64::new(0));
        let engine = Self { disk, cache_bytes, sealer, opened, writer, awaited, changes };
        engine.reopen()?;
        Ok(engine)
    }

    /// Makes the tables of a new database.
    pub(super) fn initialise(database: &Database, sealer: &Sealer) -> Result<(), Fault> {
        let transaction = begin(database)?;
        {
            transaction.open_table(IDS)?;
            transaction.open_table(RUNS)?;
            transaction.open_table(ARRIVALS)?;
            transaction.open_table(BLOBS)?;
            transaction.open_table(INDEX)?;
            let mut format = FORMAT_VERSION.to_be_bytes().to_vec();
            format.extend_from_slice(&sealer.key_id().0);
            for twin in 0..2 {
                transaction.open_table(LANES[twin])?;
                transaction.open_table(NAMED[twin])?;
                transaction.open_table(META[twin])?.insert(META_FORMAT, format.as_slice())?;
            }
        }
        let directory = Directory::default();
        let change = Change::new(transaction, &directory, sealer);
        change.put_meta(META_COUNTS, &Counts::default())?;
        change.put_meta(META_INDEX, &IndexState::default())?;
        change.put_meta(META_NAMES, &Vec::<String>::new())?;
        change.commit()?;
        Ok(())
    }

    /// Returns the sealer.
    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Returns the size of the file in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.disk.bytes()
    }

    /// Reads in one consistent view.
    pub(super) fn read<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&View<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.with_open(attempt, |opened| {
            let directory = opened.directory.read().unwrap_or_else(PoisonError::into_inner);
            let transaction = opened.database.begin_read()?;
            work(&View::new(transaction, &directory, &self.sealer))
        })
    }

    /// Returns how often something was written, or tried to be.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Writes in one durable commit, or not at all, before what waits in the background.
    pub(super) fn write<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.awaited.fetch_add(1, Ordering::AcqRel);
        let writer = self.lock_writer();
        self.awaited.fetch_sub(1, Ordering::AcqRel);
        self.write_with(writer, attempt, work)
    }

    /// Writes as [`Engine::write`] does what nobody waits for: writes that somebody waits for go first, though not for ever.
    pub(super) fn write_behind<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut writer = self.lock_writer();
        for _ in 0..LET_PASS_TIMES {
            if self.awaited.load(Ordering::Acquire) == 0 {
                break;
            }
            drop(writer);
            std::thread::sleep(LET_PASS);
            writer = self.lock_writer();
        }
        self.write_with(writer, attempt, work)
    }

    /// As if so many writes waited that somebody waits for.
    #[cfg(test)]
    pub(super) fn pretend_awaited(&self, writes: usize) {
        self.awaited.store(writes, Ordering::Release);
    }

    fn lock_writer(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_with<T>(
        &self,
        _writer: MutexGuard<'_, ()>,
        attempt: &'static str,
        work: impl FnOnce(&mut Change<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let written = self.with_open(attempt, |opened| {
            let mut transaction = begin(&opened.database)?;
            let directory = opened.directory.read().unwrap_or_else(PoisonError::into_inner);
            if is_planted(Plant::SkipFsync) && !directory.ids.is_empty() {
                transaction.set_durability(Durability::None)?;
            }
            let mut change = Change::new(transaction, &directory, &self.sealer).beside(&self.awaited);
            let value = work(&mut change)?;
            let (lanes, names) = change.commit()?;
            drop(directory);
            if !lanes.is_empty() || !names.is_empty() {
                let mut directory = opened.directory.write().unwrap_or_else(PoisonError::into_inner);
                lanes.into_iter().for_each(|id| directory.add(id));
                directory.names.extend(names);
            }
            Ok(value)
        });
        self.changes.fetch_add(1, Ordering::AcqRel);
        written
    }

    /// Runs `work` on the open database, opening it first where a failure has closed it.
    fn with_open<T>(
        &self,
        attempt: &'static str,
        work: impl FnOnce(&Opened) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        if opened.is_none() {
            drop(opened);
            self.reopen()?;
            opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        }
        let result = guard(|| match opened.as_ref() {
            Some(opened) => work(opened),
            None => Err(Fault::Closed),
        });
        drop(opened);
        result.map_err(|fault| {
            if fault.needs_reopening() {
                // If this fails too, the next call tries again and says why.
                let _ = self.reopen();
            }
            explain(attempt, self.disk.path(), fault)
        })
    }

    /// Closes what is open and opens it again, with everything that is kept in memory.
    fn reopen(&self) -> Result<(), StoreError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let old = opened.take();
        let fresh = guard(|| {
            drop(old);
            let database = self.disk.open(Builder::new().set_cache_size(self.cache_bytes))?;
            let directory = load(&database, &self.sealer)?;
            Ok(Opened { database, directory: RwLock::new(directory) })
        });
        *opened = Some(fresh.map_err(|fault| explain_opening(self.disk.as_ref(), fault))?);
        Ok(())
    }
}

/// Found by the drill swarm, seed 1209: the database writes when it closes, and panics where the pages that it needs for that have rotted. Nothing that was
/// acknowledged depends on it.
impl Drop for Engine {
    fn drop(&mut self) {
        let opened = self.opened.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let closed = guard(|| {
            drop(opened);
            Ok(())
        });
        if closed.is_err() {
            tracing::error!(path = %self.disk.path().display(), "the database could not be closed in order: it is damaged");
        }
    }
}

/// Begins a write transaction whose commit is durable and opens fast after a crash.
fn begin(database: &Database) -> Result<WriteTransaction, Fault> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

/// Reads the directory, and proves on the way that the file is a store of this data key.
fn load(database: &Database, sealer: &Sealer) -> Result<Directory, Fault> {
    let mut directory = Directory::default();
    let view = View::new(database.begin_read()?, &directory, sealer);
    view.check_format()?;
    let counts: Counts = view.meta(META_COUNTS)?;
    let names: Vec<String> = view.meta(META_NAMES)?;
    let mut ids = Vec::new();
    for number in 0..counts.lanes {
        ids.push(view.lane_id(number)?);
    }
    directory.names.extend(names);
    ids.into_iter().for_each(|id| directory.add(id));
    Ok(directory)
}

fn explain_opening(disk: &dyn Disk, fault: Fault) -> StoreError {
    let path = disk.path().to_owned();
    match fault {
        Fault::Format { found } => StoreError::Version { path, found, known: FORMAT_VERSION },
        Fault::Damaged(why) => StoreError::Unreadable { path, why },
        Fault::Store(StoreError::Damaged { table, key }) => {
            StoreError::Unreadable { path, why: format!("table {table}, key {key} is damaged or missing") }
        }
        fault => explain("opening", &path, fault),
    }
}

/// Decodes what a seal has proven to be ours.
pub(super) fn decode<T: for<'b> minicbor::Decode<'b, ()>>(
    table: &'static str,
    key: &[u8],
    bytes: &[u8],
) -> Result<T, StoreError> {
    minicbor::decode(bytes).map_err(|_| damaged(table, key))
}

/// The id of a lane, from its state: when the row of its id is damaged.
pub(super) fn id_from_state(bytes: &[u8]) -> Option<LaneId> {
    minicbor::decode::<LaneState>(bytes).ok().map(|state| state.id())
}

/// Encodes a row.
pub(super) fn encode<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    cbor::to_vec(value)
}
