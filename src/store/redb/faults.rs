//! A disk in memory that loses power, runs full and rots, as a test tells it.
//!
//! Power: what was written but not synced is lost or kept sector by sector (512 bytes), at random. Space:
//! overwriting always works, a sector never written before needs space, as on a real file system.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use redb::{Builder, Database, StorageBackend};
use zeroize::Zeroizing;

use super::disk::Disk;
use super::engine::Engine;
use super::fault::Fault;
use super::{RedbStore, StoreOptions};
use crate::store::StoreError;
use crate::store::sealing::{DataKey, Sealer};

const SECTOR: usize = 512;

/// The disk; clones are the same disk.
#[derive(Clone)]
pub(super) struct FaultDisk(Arc<Mutex<Platter>>);

struct Platter {
    /// What survives a power cut for certain.
    durable: Vec<u8>,
    /// What a reader sees.
    current: Vec<u8>,
    /// Sectors in which the two may differ.
    dirty: BTreeSet<usize>,
    /// Sectors that have space.
    allocated: BTreeSet<usize>,
    /// How many more sectors can get space; `None` is no limit.
    space: Option<usize>,
    /// How many more writes and syncs there are before the power goes; `None` is no cut.
    countdown: Option<u64>,
    has_power: bool,
    rng: ChaCha8Rng,
}

impl std::fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaultDisk({} bytes)", self.lock().current.len())
    }
}

impl FaultDisk {
    /// Makes a disk with a new, empty store on it.
    pub(super) fn with_store(seed: u64) -> Self {
        let disk = Self(Arc::new(Mutex::new(Platter {
            durable: Vec::new(),
            current: Vec::new(),
            dirty: BTreeSet::new(),
            allocated: BTreeSet::new(),
            space: None,
            countdown: None,
            has_power: true,
            rng: ChaCha8Rng::seed_from_u64(seed),
        })));
        let database = disk.open(&Builder::new()).unwrap();
        Engine::initialise(&database, &sealer()).unwrap();
        drop(database);
        disk
    }

    /// Opens the store on it.
    pub(super) fn open_store(&self) -> Result<RedbStore, StoreError> {
        let options = StoreOptions { run_cache_bytes: 0, ..StoreOptions::default() };
        let engine = Engine::open(Box::new(self.clone()), sealer(), 1 << 20)?;
        Ok(RedbStore::assemble(engine, None, options))
    }

    /// Makes the power go after so many more writes and syncs.
    pub(super) fn cut_power_after(&self, operations: u64) {
        self.lock().countdown = Some(operations);
    }

    /// Brings the power back: of what was not synced, each sector is there or not.
    pub(super) fn restore_power(&self) {
        let mut platter = self.lock();
        platter.settle();
        platter.has_power = true;
        platter.countdown = None;
    }

    /// Draws a number below `limit`.
    pub(super) fn draw(&self, limit: u64) -> u64 {
        self.lock().rng.next_u64() % limit
    }

    /// Sets how many more sectors can get space.
    pub(super) fn set_space(&self, sectors: Option<usize>) {
        self.lock().space = sectors;
    }

    /// Returns what a reader sees.
    pub(super) fn image(&self) -> Vec<u8> {
        self.lock().current.clone()
    }

    /// Replaces everything, as rot or a thief would.
    pub(super) fn set_image(&self, image: Vec<u8>) {
        let mut platter = self.lock();
        platter.dirty.clear();
        platter.durable = image.clone();
        platter.current = image;
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sealer of every store on such disks.
pub(super) fn sealer() -> Sealer {
    Sealer::new(&DataKey::from_bytes(Zeroizing::new([7; 32])))
}

impl Disk for FaultDisk {
    fn open(&self, builder: &Builder) -> Result<Database, Fault> {
        Ok(builder.create_with_backend(self.clone())?)
    }

    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn bytes(&self) -> u64 {
        self.lock().current.len() as u64
    }
}

impl Platter {
    fn powered(&self) -> io::Result<()> {
        if self.has_power { Ok(()) } else { Err(io::Error::other("no power")) }
    }

    /// Counts an operation; at the last one the power goes while it is under way.
    fn step(&mut self) {
        if let Some(left) = &mut self.countdown {
            *left = left.saturating_sub(1);
            self.has_power = *left > 0;
        }
    }

    /// Decides the fate of everything that was not synced.
    fn settle(&mut self) {
        let length = if self.rng.next_u32() & 1 == 0 { self.durable.len() } else { self.current.len() };
        let mut settled = self.durable.clone();
        settled.resize(length, 0);
        for sector in std::mem::take(&mut self.dirty) {
            let start = sector * SECTOR;
            let end = (start + SECTOR).min(length).min(self.current.len());
            if start < end && self.rng.next_u32() & 1 == 0 {
                settled[start..end].copy_from_slice(&self.current[start..end]);
            }
        }
        self.durable = settled.clone();
        self.current = settled;
    }
}

impl StorageBackend for FaultDisk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.lock();
        platter.powered()?;
        Ok(platter.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.lock();
        platter.powered()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let bytes = platter.current.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.lock();
        platter.powered()?;
        let len = usize::try_from(len).map_err(io::Error::other)?;
        if len > 1 << 30 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.current.resize(len, 0);
        // A file that was cut and grown again reads zeros there.
        let sectors = len / SECTOR..platter.durable.len().div_ceil(SECTOR);
        platter.dirty.extend(sectors);
        platter.step();
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.lock();
        platter.powered()?;
        platter.step();
        platter.powered()?;
        platter.durable = platter.current.clone();
        platter.dirty.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.lock();
        platter.powered()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(data.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        let sectors = start / SECTOR..end.div_ceil(SECTOR);
        let new: Vec<usize> = sectors.clone().filter(|sector| !platter.allocated.contains(sector)).collect();
        if let Some(space) = platter.space {
            platter.space = Some(space.checked_sub(new.len()).ok_or(io::ErrorKind::StorageFull)?);
        }
        platter.allocated.extend(new);
        let target = platter.current.get_mut(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        target.copy_from_slice(data);
        platter.dirty.extend(sectors);
        platter.step();
        platter.powered()
    }
}
