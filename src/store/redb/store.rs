//! The store itself: made, opened, and used through the Store trait.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use redb::Builder;

use super::cache::RunCache;
use super::commit::PackedBatch;
use super::disk::{DeviceDisk, Disk as _, FileDisk};
use super::engine::Engine;
use super::fault::{Fault, explain, guard};
use super::log::{self, LOG_LIMITS, LogCache};
use super::read::{self, Lane};
use super::rows::{Counts, IndexState, META_COUNTS, META_INDEX};
use super::{blocks, commit, heal, relist, repack};
use crate::base::LaneId;
use crate::lane::state::LaneState;
use crate::lane::tree::Frontier;
use crate::lane::{Entry, Run};
use crate::store::api::{
    Arrival, Batch, Committed, DamagedRun, Healed, KeyedValue, Posting, Repacked, Store, StoreStats, Token,
};
use crate::store::device::BlockDevice;
use crate::store::error::StoreError;
use crate::store::files::{self, DirectoryLock};
use crate::store::keys::{self, Argon2Cost, KeySource};
use crate::store::sealing::{DataKey, Nonces, Sealer};

/// The name of the database in a store's directory.
const STORE_FILE: &str = "store.redb";

/// What may be chosen when a store is made or opened.
#[derive(Debug, Clone, Copy)]
pub struct StoreOptions {
    /// Memory for pages of the database, in bytes.
    pub page_cache_bytes: usize,
    /// Memory for unpacked runs, in bytes.
    pub run_cache_bytes: usize,
    /// What a guess at the passphrase costs, when the store is made.
    pub argon2: Argon2Cost,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { page_cache_bytes: 40 << 20, run_cache_bytes: 24 << 20, argon2: Argon2Cost::default() }
    }
}

/// The store on disk.
#[derive(Debug)]
pub struct RedbStore {
    engine: Engine,
    cache: Mutex<RunCache>,
    /// The rows of the log of postings.
    log: Mutex<LogCache>,
    /// Held through each change of the index, until the log's cache knows of it.
    indexing: Mutex<()>,
    /// Released last: fields are dropped in order.
    _lock: Option<DirectoryLock>,
}

impl RedbStore {
    /// Makes a store in a directory, which is made too. A creation that was broken off leaves nothing that
    /// stands in the way of the next.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when there is a store; [`StoreError::InUse`]; what the disk says.
    pub fn create(dir: &Path, source: &KeySource, options: StoreOptions) -> Result<Self, StoreError> {
        let failed =
            |attempt, path: &Path, source| StoreError::File { attempt, path: path.to_owned(), source };
        if !dir.exists() {
            std::fs::create_dir_all(dir).map_err(|error| failed("creating the directory", dir, error))?;
            files::sync_parent(dir)?;
        }
        let lock = DirectoryLock::take(dir)?;
        let path = dir.join(STORE_FILE);
        if path.exists() {
            return Err(StoreError::Exists { path });
        }
        let sealer = Sealer::new(&keys::create(dir, source, options.argon2)?);
        let new = files::temporary_name(&path);
        let file = files::private_options()
            .truncate(true)
            .open(&new)
            .map_err(|error| failed("creating", &new, error))?;
        guard(|| {
            let mut builder = Builder::new();
            let database = builder.set_cache_size(options.page_cache_bytes).create(&new)?;
            Engine::initialise(&database, &sealer)
        })
        .map_err(|fault| explain("creating the store", &new, fault))?;
        file.sync_all().map_err(|error| failed("syncing", &new, error))?;
        files::rename_durably(&new, &path)?;
        let engine = Engine::open(Box::new(FileDisk::new(path)), sealer, options.page_cache_bytes)?;
        Ok(Self::assemble(engine, Some(lock), options))
    }

    /// Opens the store in a directory. What is not a store, or not of this key, is left as it is.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::InUse`], [`StoreError::WrongKey`], [`StoreError::KeysFile`],
    /// [`StoreError::Unreadable`], [`StoreError::Version`], or what the disk says.
    pub fn open(dir: &Path, source: &KeySource, options: StoreOptions) -> Result<Self, StoreError> {
        let path = dir.join(STORE_FILE);
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let lock = DirectoryLock::take(dir)?;
        let sealer = Sealer::new(&keys::unlock(dir, source)?);
        let disk = FileDisk::new(path);
        guard(|| disk.check_format(&sealer)).map_err(|fault| explain("opening", disk.path(), fault))?;
        let engine = Engine::open(Box::new(disk), sealer, options.page_cache_bytes)?;
        Ok(Self::assemble(engine, Some(lock), options))
    }

    /// Makes a store on an empty device; durable when it returns. A creation that was broken off leaves a device
    /// that is neither empty nor a store: whoever owns it sets its length to 0 and begins again.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the device is not empty; what the device says.
    pub fn create_on(
        device: Arc<dyn BlockDevice>,
        key: &DataKey,
        nonces: Nonces,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let (disk, sealer) = (DeviceDisk(device), Sealer::with_nonces(key, nonces));
        guard(|| {
            let database = disk.create(Builder::new().set_cache_size(options.page_cache_bytes))?;
            Engine::initialise(&database, &sealer)
        })
        .map_err(|fault| explain("creating the store", disk.path(), fault))?;
        let engine = Engine::open(Box::new(disk), sealer, options.page_cache_bytes)?;
        Ok(Self::assemble(engine, None, options))
    }

    /// Opens the store on a device, which nobody else may use meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the device is empty; [`StoreError::Unreadable`] when it holds no store, a damaged
    /// one, or one of another key; [`StoreError::Version`]; what the device says.
    pub fn open_on(
        device: Arc<dyn BlockDevice>,
        key: &DataKey,
        nonces: Nonces,
        options: StoreOptions,
    ) -> Result<Self, StoreError> {
        let (disk, sealer) = (DeviceDisk(device), Sealer::with_nonces(key, nonces));
        let engine = Engine::open(Box::new(disk), sealer, options.page_cache_bytes)?;
        Ok(Self::assemble(engine, None, options))
    }

    /// Says whether there is a store in a directory.
    pub fn exists(dir: &Path) -> bool {
        dir.join(STORE_FILE).exists()
    }

    /// As `Store::index_add`, with other limits of the log.
    #[cfg(test)]
    pub(super) fn index_add_within(
        &self,
        upto: u64,
        postings: &[(Token, Posting)],
        limits: log::LogLimits,
    ) -> Result<(), StoreError> {
        let cursor = self.index_cursor()?;
        let written = self.engine.write("writing the index", |change| {
            blocks::add(change, &self.log, cursor, upto, postings, limits)
        })?;
        log::lock(&self.log).took(written.expect("the cursor stands still in tests"));
        Ok(())
    }

    /// As if so many writes waited that somebody waits for.
    #[cfg(test)]
    pub(super) fn pretend_awaited(&self, writes: usize) {
        self.engine.pretend_awaited(writes);
    }

    /// Tells where the log of postings stands.
    #[cfg(test)]
    pub(super) fn log_state(&self) -> Result<super::rows::LogState, StoreError> {
        self.engine.read("reading the index", |view| {
            Ok(view.meta::<IndexState>(META_INDEX)?.log.unwrap_or_default())
        })
    }

    /// Puts the parts together.
    fn assemble(engine: Engine, lock: Option<DirectoryLock>, options: StoreOptions) -> Self {
        let (cache, log) = (Mutex::new(RunCache::new(options.run_cache_bytes)), Mutex::default());
        Self { engine, cache, log, indexing: Mutex::new(()), _lock: lock }
    }
}

impl Store for RedbStore {
    fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let packed = PackedBatch::new(batch);
        let committed = self.engine.write("committing", |change| commit::write(change, &packed));
        if packed.replaces() {
            read::lock(&self.cache).clear();
        }
        let (committed, lanes) = committed?;
        // The indexer reads what was written next: it need not be opened and unpacked for that.
        let mut cache = read::lock(&self.cache);
        for ((lane, stamp), added) in lanes.into_iter().zip(packed.into_added()) {
            cache.insert(stamp, (lane, added.run.start), Arc::new(added));
        }
        Ok(committed)
    }

    fn lanes(&self) -> Result<Vec<LaneState>, StoreError> {
        self.engine.read("reading lanes", |view| {
            (0..view.directory.ids.len()).map(|number| view.lane_state(number as u32)).collect()
        })
    }

    fn lane(&self, id: &LaneId) -> Result<Option<LaneState>, StoreError> {
        self.engine.read("reading a lane", |view| Ok(view.lane(id)?.map(|(_, state)| state)))
    }

    fn runs(&self, id: &LaneId, from: u64, limit_bytes: usize) -> Result<Vec<Run>, StoreError> {
        self.engine.read("reading runs", |view| read::runs(view, &self.cache, id, from, limit_bytes))
    }

    fn run_with(&self, id: &LaneId, from: u64) -> Result<Option<Arc<Run>>, StoreError> {
        self.engine.read("reading runs", |view| read::run_with(view, &self.cache, id, from))
    }

    fn frontier_at(&self, id: &LaneId, seq: u64) -> Result<Frontier, StoreError> {
        self.engine.read("reading a frontier", |view| read::frontier_at(view, &self.cache, id, seq))
    }

    fn entry(&self, id: &LaneId, seq: u64) -> Result<Option<Entry>, StoreError> {
        self.engine.read("reading an entry", |view| {
            let Some(lane) = Lane::find(view, id)? else { return Ok(None) };
            read::entry(view, &self.cache, &lane, seq)
        })
    }

    fn entries(&self, places: &[Posting]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.engine.read("reading entries", |view| read::entries(view, &self.cache, places))
    }

    fn changes(&self) -> Option<u64> {
        Some(self.engine.changes())
    }

    fn arrivals(&self, after: u64, limit: usize) -> Result<Vec<Arrival>, StoreError> {
        self.engine.read("reading arrivals", |view| read::arrivals(view, after, limit))
    }

    fn relist(&self) -> Result<u64, StoreError> {
        self.engine.write("listing arrivals anew", relist::relist)
    }

    fn named(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read("reading a named value", |view| {
            if view.directory.names.contains(name) { view.named(name).map(Some) } else { Ok(None) }
        })
    }

    fn blob(&self, space: &str, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.read("reading a value", |view| read::blob(view, space, key))
    }

    fn blobs(&self, space: &str, after: Option<&[u8]>, limit: usize) -> Result<Vec<KeyedValue>, StoreError> {
        self.engine.read("reading values", |view| read::blobs(view, space, after, limit))
    }

    fn token(&self, kind: &str, text: &[u8]) -> Token {
        self.engine.sealer().token(kind, text)
    }

    fn index_cursor(&self) -> Result<u64, StoreError> {
        self.engine.read("reading the index", |view| Ok(view.meta::<IndexState>(META_INDEX)?.cursor))
    }

    fn index_add_at(
        &self,
        cursor: u64,
        upto: u64,
        postings: &[(Token, Posting)],
    ) -> Result<bool, StoreError> {
        // The log's cache is told in the order of the commits.
        let _indexing = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.engine.write_behind("writing the index", |change| {
            blocks::add(change, &self.log, cursor, upto, postings, LOG_LIMITS)
        })?;
        let is_added = written.is_some();
        written.into_iter().for_each(|written| log::lock(&self.log).took(written));
        Ok(is_added)
    }

    fn index_find(&self, token: &Token) -> Result<Vec<Posting>, StoreError> {
        self.engine.read("reading the index", |view| blocks::find(view, &self.log, token))
    }

    fn rebuild_index(&self) -> Result<(), StoreError> {
        let _indexing = self.indexing.lock().unwrap_or_else(PoisonError::into_inner);
        let cleared = self.engine.write("dropping the index", blocks::clear);
        log::lock(&self.log).clear();
        cleared
    }

    fn scrub(&self, limit: usize) -> Result<Vec<DamagedRun>, StoreError> {
        if !self.engine.read("scrubbing", heal::is_in_order)? {
            tracing::error!(
                "runs on the disk are out of order: they are written anew, and what is lost is fetched again"
            );
            self.engine.write("putting runs in order", heal::put_in_order)?;
            read::lock(&self.cache).clear();
        }
        let ids = self.engine.read("scrubbing", |view| Ok(view.directory.ids.clone()))?;
        let mut found = Vec::new();
        for id in ids.iter().take_while(|_| limit > 0) {
            self.engine.read("scrubbing", |view| heal::scrub_lane(view, id, limit, &mut found))?;
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    fn heal(&self, run: Run) -> Result<Healed, StoreError> {
        let healed = self.engine.write("healing", |change| heal::heal(change, &run));
        read::lock(&self.cache).clear();
        healed
    }

    fn repack(&self, id: &LaneId, from: u64) -> Result<Repacked, StoreError> {
        let plan = self.engine.read("repacking", |view| repack::plan(view, &self.cache, id, from))?;
        let Some(plan) = plan else { return Ok(Repacked::default()) };
        if plan.is_empty() {
            return Ok(Repacked { next: plan.next, ..Repacked::default() });
        }
        let (done, stored) =
            self.engine.write_behind("repacking", |change| repack::replace(change, &plan))?;
        repack::remember(&self.cache, &plan, stored);
        Ok(done)
    }

    fn stats(&self) -> Result<StoreStats, StoreError> {
        let file_bytes = self.engine.bytes();
        self.engine.read("reading counts", |view| {
            let counts: Counts = view.meta(META_COUNTS)?;
            let index: IndexState = view.meta(META_INDEX)?;
            Ok::<_, Fault>(StoreStats {
                file_bytes,
                lanes: u64::from(counts.lanes),
                runs: counts.runs,
                entries: counts.entries,
                last_arrival: counts.arrivals,
                index_blocks: u64::from(index.blocks),
                index_bytes: index.bytes
                    + index.log.iter().flat_map(|log| &log.rows).map(|row| row.bytes).sum::<u64>(),
            })
        })
    }
}
