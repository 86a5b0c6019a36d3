//! A disk in memory that loses power, runs full and rots as it is told, always the same from the same seed.
//!
//! *Power.* What was written but not synced is kept or lost sector by sector (512 bytes, the unit that disks promise
//! to write whole), by the toss of a coin: so a write of several sectors can be torn, and later writes can survive
//! earlier ones. *Space.* Overwriting always works, a sector never written before needs space, as on a real file
//! system. *Rot.* Bits flip in sectors that hold something; nobody is told. *Lies.* A disk, or a program, that says
//! that it has synced and has not.
//!
//! Memory: space is taken in chunks of 4 KiB when they are first written; what was not synced is kept twice. A sync
//! costs as much as there is to sync.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::device::BlockDevice;

/// Bytes of a sector.
pub const SECTOR_BYTES: usize = 512;
/// Bytes that a disk can hold at most.
pub const DISK_BYTES_MAX: u64 = 1 << 30;

/// Bytes for which space is taken at once: a page of the database.
const CHUNK_BYTES: usize = 4_096;
const CHUNK_SECTORS: usize = CHUNK_BYTES / SECTOR_BYTES;

type Sector = [u8; SECTOR_BYTES];
const ZEROS: Sector = [0; SECTOR_BYTES];

/// What has happened to a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct FaultCounters {
    /// Syncs that returned `Ok`, also those that did nothing because syncs are ignored.
    pub syncs: u64,
    /// Sectors whose new content a power cut took back.
    pub sectors_lost: u64,
    /// Writes of several changed sectors of which only some survived a power cut.
    pub writes_torn: u64,
    /// Sectors in which bits have flipped.
    pub sectors_rotten: u64,
    /// Writes that were refused for want of space.
    pub full_refusals: u64,
}

/// The disk; clones are the same disk.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<Platter>>);

impl FaultDisk {
    /// Makes an empty disk; everything random on it follows from the seed and the operations.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            chunks: Vec::new(),
            len: 0,
            durable_len: 0,
            undo: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            space: None,
            countdown: None,
            refuses: None,
            ignores_syncs: false,
            counters: FaultCounters::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        })))
    }

    /// Cuts the power: each sector that was not synced is lost or not, and every operation fails until
    /// [`FaultDisk::restore_power`].
    pub fn cut_power(&self) {
        self.lock().cut_power();
    }

    /// Makes the power go after so many more writes, syncs and changes of length (at least one), while the last of
    /// them is under way.
    pub fn cut_power_after(&self, operations: u64) {
        self.lock().countdown = Some(operations.max(1));
    }

    /// Takes the disk from a program that has died (killed, not switched off): all that it wrote stays, synced or
    /// not, and every operation fails until [`FaultDisk::restore_power`], so that a store that is dropped changes nothing.
    pub fn crash(&self) {
        let mut platter = self.lock();
        platter.countdown = None;
        platter.refuses.get_or_insert("the program has died");
    }

    /// Brings the power back, or gives the disk to a new program. Who had it before must have let go of it: a store
    /// that is still open would go on writing.
    pub fn restore_power(&self) {
        let mut platter = self.lock();
        platter.refuses = None;
        platter.countdown = None;
    }

    /// Says whether operations are carried out: not after a power cut or crash, until [`FaultDisk::restore_power`].
    pub fn is_up(&self) -> bool {
        self.lock().refuses.is_none()
    }

    /// Sets how many more sectors can get space; `Some(0)` is a full disk, `None` is no limit.
    pub fn set_space(&self, sectors: Option<usize>) {
        self.lock().space = sectors;
    }

    /// Flips bits in so many different sectors, drawn from those that hold anything but zeros; returns how many they
    /// are: fewer when there are fewer.
    pub fn rot(&self, sectors: u32) -> u32 {
        self.lock().rot(sectors)
    }

    /// Makes syncs return `Ok` and make nothing durable, or work again from now on.
    pub fn ignore_syncs(&self, ignored: bool) {
        self.lock().ignores_syncs = ignored;
    }

    /// Tells what has happened so far.
    pub fn counters(&self) -> FaultCounters {
        self.lock().counters
    }

    /// Returns what a reader sees, from the first byte to the last.
    pub fn image(&self) -> Vec<u8> {
        let platter = self.lock();
        let mut image = vec![0; platter.len];
        platter.copy_out(0, &mut image);
        image
    }

    /// Puts another content in place of everything, durably: as rot, a thief, or a copy of an older day would.
    ///
    /// # Panics
    /// When it is larger than [`DISK_BYTES_MAX`].
    pub fn set_image(&self, image: &[u8]) {
        assert!(image.len() as u64 <= DISK_BYTES_MAX, "an image is no larger than a disk");
        let mut platter = self.lock();
        platter.chunks.clear();
        platter.resize(image.len());
        platter.copy_in(0, image);
        platter.settle_all();
    }

    /// Returns the bytes of memory that it takes, without small change.
    pub fn memory_bytes(&self) -> usize {
        let platter = self.lock();
        let chunks = platter.chunks.iter().flatten().count();
        chunks * size_of::<Chunk>() + platter.undo.len() * SECTOR_BYTES
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaultDisk({} bytes)", self.lock().len)
    }
}

impl BlockDevice for FaultDisk {
    fn len(&self) -> io::Result<u64> {
        let platter = self.lock();
        platter.reached()?;
        Ok(platter.len as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.lock();
        platter.reached()?;
        let (start, _) = platter.range(offset, out.len())?;
        platter.copy_out(start, out);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.lock();
        platter.reached()?;
        let (start, end) = platter.range(offset, data.len())?;
        let sectors = start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        let new = sectors.clone().filter(|sector| !platter.has_space(*sector)).count();
        if let Some(space) = platter.space {
            let Some(left) = space.checked_sub(new) else {
                platter.counters.full_refusals += 1;
                return Err(io::ErrorKind::StorageFull.into());
            };
            platter.space = Some(left);
        }
        sectors.clone().for_each(|sector| platter.remember(sector));
        platter.copy_in(start, data);
        if sectors.len() > 1 {
            platter.unsynced.insert((sectors.start, sectors.end));
        }
        platter.step();
        platter.reached()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.lock();
        platter.reached()?;
        if len > DISK_BYTES_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        platter.resize(usize::try_from(len).map_err(io::Error::other)?);
        platter.step();
        platter.reached()
    }

    fn sync(&self) -> io::Result<()> {
        let mut platter = self.lock();
        platter.reached()?;
        platter.step();
        platter.reached()?;
        if !platter.ignores_syncs {
            platter.settle_all();
        }
        platter.counters.syncs += 1;
        Ok(())
    }
}

/// A chunk that has space for some of its sectors.
struct Chunk {
    bytes: [u8; CHUNK_BYTES],
    /// One bit for each sector that was ever written.
    allocated: u8,
}

struct Platter {
    /// What a reader sees; `None` is zeros that take no space.
    chunks: Vec<Option<Box<Chunk>>>,
    len: usize,
    durable_len: usize,
    /// What is durable of the sectors in which a reader may see something else.
    undo: BTreeMap<usize, Box<Sector>>,
    /// The writes of several sectors since the last sync, as ranges of sectors.
    unsynced: BTreeSet<(usize, usize)>,
    /// How many more sectors can get space.
    space: Option<usize>,
    /// How many more operations there are before the power goes.
    countdown: Option<u64>,
    /// Why nothing is carried out.
    refuses: Option<&'static str>,
    ignores_syncs: bool,
    counters: FaultCounters,
    rng: ChaCha8Rng,
}

impl Platter {
    fn reached(&self) -> io::Result<()> {
        self.refuses.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    /// Checks a place against the length.
    fn range(&self, offset: u64, length: usize) -> io::Result<(usize, usize)> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(length).filter(|end| *end <= self.len);
        end.map(|end| (start, end)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Counts an operation; at the last one the power goes while it is under way.
    fn step(&mut self) {
        if let Some(left) = &mut self.countdown {
            *left -= 1;
            if *left == 0 {
                self.cut_power();
            }
        }
    }

    fn has_space(&self, sector: usize) -> bool {
        let chunk = self.chunks.get(sector / CHUNK_SECTORS).and_then(Option::as_ref);
        chunk.is_some_and(|chunk| chunk.allocated & bit(sector) != 0)
    }

    fn sector(&self, sector: usize) -> Sector {
        let mut bytes = ZEROS;
        self.copy_out(sector * SECTOR_BYTES, &mut bytes);
        bytes
    }

    /// Keeps what is durable of a sector that is about to change.
    fn remember(&mut self, sector: usize) {
        if !self.undo.contains_key(&sector) {
            let durable = Box::new(self.sector(sector));
            self.undo.insert(sector, durable);
        }
    }

    fn copy_out(&self, start: usize, out: &mut [u8]) {
        for (place, part) in pieces(start, out.len()) {
            let within = place % CHUNK_BYTES;
            let target = &mut out[part.clone()];
            match self.chunks.get(place / CHUNK_BYTES).and_then(Option::as_ref) {
                Some(chunk) => target.copy_from_slice(&chunk.bytes[within..within + part.len()]),
                None => target.fill(0),
            }
        }
    }

    /// Writes bytes for which there are chunks: below the length in force.
    fn copy_in(&mut self, start: usize, data: &[u8]) {
        for (place, part) in pieces(start, data.len()) {
            let within = place % CHUNK_BYTES;
            let Some(slot) = self.chunks.get_mut(place / CHUNK_BYTES) else { return };
            let chunk = slot.get_or_insert_with(|| Box::new(Chunk { bytes: [0; CHUNK_BYTES], allocated: 0 }));
            chunk.bytes[within..within + part.len()].copy_from_slice(&data[part.clone()]);
            let sectors = place / SECTOR_BYTES..(place + part.len()).div_ceil(SECTOR_BYTES);
            sectors.for_each(|sector| chunk.allocated |= bit(sector));
        }
    }

    /// Changes the length; what is cut off reads as zeros when the disk grows again.
    fn resize(&mut self, len: usize) {
        if len < self.len {
            for sector in len / SECTOR_BYTES..self.len.div_ceil(SECTOR_BYTES) {
                if self.has_space(sector) {
                    self.remember(sector);
                    let kept = len.saturating_sub(sector * SECTOR_BYTES).min(SECTOR_BYTES);
                    self.copy_in(sector * SECTOR_BYTES + kept, &ZEROS[kept..]);
                }
            }
        }
        // Chunks beyond the end stay until the cut is durable: a power cut may bring them back.
        let chunks = len.max(self.durable_len).div_ceil(CHUNK_BYTES);
        self.chunks.resize_with(chunks.max(self.chunks.len()), || None);
        self.len = len;
    }

    /// Makes all that a reader sees durable.
    fn settle_all(&mut self) {
        self.undo.clear();
        self.unsynced.clear();
        self.durable_len = self.len;
        self.chunks.truncate(self.len.div_ceil(CHUNK_BYTES));
    }

    /// Decides the fate of everything that was not synced.
    fn cut_power(&mut self) {
        if self.refuses == Some(NO_POWER) {
            return;
        }
        (self.refuses, self.countdown) = (Some(NO_POWER), None);
        let seen = self.len;
        let len = if self.toss() { self.durable_len } else { seen };
        let mut kept: BTreeMap<usize, bool> = BTreeMap::new();
        for (sector, durable) in std::mem::take(&mut self.undo) {
            let is_kept = self.toss() && sector * SECTOR_BYTES < len.min(seen);
            if self.sector(sector) != *durable {
                kept.insert(sector, is_kept);
                if !is_kept {
                    self.copy_in(sector * SECTOR_BYTES, &durable[..]);
                    self.counters.sectors_lost += u64::from(sector * SECTOR_BYTES < len);
                }
            }
        }
        for (start, end) in std::mem::take(&mut self.unsynced) {
            let mut fates = kept.range(start..end).map(|(_, is_kept)| *is_kept);
            let first = fates.next();
            self.counters.writes_torn += u64::from(fates.any(|fate| Some(fate) != first));
        }
        self.len = len.max(seen);
        self.resize(len);
        self.settle_all();
    }

    fn rot(&mut self, wanted: u32) -> u32 {
        let sectors = 0..self.len.div_ceil(SECTOR_BYTES);
        let mut used: Vec<usize> =
            sectors.filter(|sector| self.has_space(*sector) && self.sector(*sector) != ZEROS).collect();
        let count = used.len().min(wanted as usize);
        for index in 0..count {
            let other = index + self.below(used.len() - index);
            used.swap(index, other);
            let mut bytes = self.sector(used[index]);
            for _ in 0..=self.below(4) {
                let at = self.below(SECTOR_BYTES);
                bytes[at] ^= 1 << self.below(8);
            }
            // Two flips of one bit are none.
            if bytes == self.sector(used[index]) {
                bytes[0] ^= 1;
            }
            self.copy_in(used[index] * SECTOR_BYTES, &bytes);
        }
        self.counters.sectors_rotten += count as u64;
        count as u32
    }

    fn toss(&mut self) -> bool {
        self.rng.next_u32() & 1 == 0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.rng.next_u64() % limit as u64) as usize
    }
}

const NO_POWER: &str = "no power";

fn bit(sector: usize) -> u8 {
    1 << (sector % CHUNK_SECTORS)
}

/// Divides a range of bytes where chunks end: each piece's place on the disk, and its part of the range.
fn pieces(start: usize, length: usize) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == length {
            return None;
        }
        let place = start + done;
        let part = done..length.min(done + CHUNK_BYTES - place % CHUNK_BYTES);
        done = part.end;
        Some((place, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEN: usize = 64 * SECTOR_BYTES;

    fn disk(seed: u64) -> FaultDisk {
        let disk = FaultDisk::new(seed);
        disk.set_len(LEN as u64).unwrap();
        disk.write(0, &[1; LEN]).unwrap();
        disk.sync().unwrap();
        disk
    }

    #[test]
    fn a_power_cut_keeps_what_was_synced_and_tears_what_was_not() {
        let disk = disk(3);
        disk.write(100, &[2; 10 * SECTOR_BYTES]).unwrap();
        assert_eq!(disk.image()[100..102], [2, 2], "a reader sees what was written");
        disk.cut_power();
        assert!(disk.read(0, &mut [0]).is_err() && !disk.is_up());
        disk.restore_power();
        let image = disk.image();
        assert_eq!(image.len(), LEN);
        assert!(image[..100].iter().chain(&image[100 + 10 * SECTOR_BYTES..]).all(|byte| *byte == 1));
        for sector in image.chunks(SECTOR_BYTES).skip(1).take(9) {
            assert!(sector.iter().all(|byte| byte == &sector[0]), "a sector is written whole or not");
        }
        let counters = disk.counters();
        assert!(counters.sectors_lost > 0 && counters.sectors_lost < 11, "{counters:?}");
        assert_eq!((counters.writes_torn, counters.syncs), (1, 1));
    }

    #[test]
    fn a_cut_and_regrown_disk_reads_zeros_and_an_unsynced_cut_may_come_back() {
        let mut lengths = BTreeSet::new();
        for seed in 0..20 {
            let disk = disk(seed);
            disk.set_len(700).unwrap();
            disk.set_len(2_000).unwrap();
            let image = disk.image();
            assert!(image[..700].iter().all(|byte| *byte == 1) && image[700..].iter().all(|byte| *byte == 0));
            disk.cut_power();
            lengths.insert(disk.image().len());
            assert_eq!(disk.image()[..SECTOR_BYTES], [1; SECTOR_BYTES]);
        }
        assert_eq!(lengths, BTreeSet::from([2_000, LEN]));
    }

    #[test]
    fn a_dead_program_loses_nothing_and_writes_nothing_more() {
        let disk = disk(1);
        disk.write(0, &[7]).unwrap();
        disk.crash();
        assert!(disk.write(1, &[8]).is_err() && disk.sync().is_err());
        disk.restore_power();
        assert_eq!(disk.image()[..2], [7, 1]);
    }

    #[test]
    fn an_ignored_sync_makes_nothing_durable() {
        let lost = |ignored| {
            let disk = disk(1);
            disk.ignore_syncs(ignored);
            disk.write(0, &[2; LEN]).unwrap();
            disk.sync().unwrap();
            disk.cut_power();
            disk.counters().sectors_lost
        };
        assert_eq!(lost(false), 0);
        assert!(lost(true) > 10);
    }

    #[test]
    fn rot_hits_as_many_used_sectors_as_asked_for_and_no_others() {
        let disk = FaultDisk::new(5);
        disk.set_len(LEN as u64).unwrap();
        disk.write(10 * SECTOR_BYTES as u64, &[9; 20 * SECTOR_BYTES]).unwrap();
        let before = disk.image();
        assert_eq!((disk.rot(7), disk.counters().sectors_rotten), (7, 7));
        let after = disk.image();
        let differ: Vec<usize> = (0..64)
            .filter(|sector| {
                let bytes = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                before[bytes.clone()] != after[bytes]
            })
            .collect();
        assert!(differ.len() == 7 && differ.iter().all(|sector| (10..30).contains(sector)), "{differ:?}");
        assert_eq!(disk.rot(100), 20);
    }

    #[test]
    fn a_full_disk_takes_overwriting_only_and_memory_is_taken_when_it_is_written() {
        let disk = disk(1);
        let taken = disk.memory_bytes();
        disk.set_len(DISK_BYTES_MAX).unwrap();
        assert_eq!(disk.memory_bytes(), taken);
        disk.set_space(Some(1));
        disk.write(LEN as u64, &[1; SECTOR_BYTES]).unwrap();
        let error = disk.write(DISK_BYTES_MAX - 1, &[1]).unwrap_err();
        assert_eq!((error.kind(), disk.counters().full_refusals), (io::ErrorKind::StorageFull, 1));
        disk.write(0, &[3; SECTOR_BYTES]).unwrap();
        assert!(disk.set_len(DISK_BYTES_MAX + 1).is_err());
    }
}
