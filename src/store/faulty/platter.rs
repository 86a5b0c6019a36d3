//! The bytes of a disk: what a reader sees, and what of it would survive a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Bytes of a sector.
pub const SECTOR_BYTES: usize = 512;
/// Bytes that a disk can hold at most.
pub const DISK_BYTES_MAX: u64 = 1 << 30;

/// Bytes for which space is taken at once: a page of the database.
const CHUNK_BYTES: usize = 4_096;
const CHUNK_SECTORS: usize = CHUNK_BYTES / SECTOR_BYTES;
const ZEROS: Sector = [0; SECTOR_BYTES];
const NO_POWER: &str = "no power";

type Sector = [u8; SECTOR_BYTES];

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

/// The bytes of a disk, and what is durable of them.
pub(super) struct Platter {
    /// What a reader sees; `None` is zeros that take no space.
    chunks: Vec<Option<Box<Chunk>>>,
    /// The length that a reader sees.
    pub(super) len: usize,
    /// The length after a power cut that takes back a change of it.
    durable_len: usize,
    /// What is durable of the sectors in which a reader may see something else.
    undo: BTreeMap<usize, Box<Sector>>,
    /// The writes of several sectors since the last sync, as ranges of sectors.
    unsynced: BTreeSet<(usize, usize)>,
    /// How many more sectors can get space.
    pub(super) space: Option<usize>,
    /// How many more operations there are before the power goes.
    pub(super) countdown: Option<u64>,
    /// Why nothing is carried out.
    pub(super) refuses: Option<&'static str>,
    /// Whether syncs make nothing durable.
    pub(super) ignores_syncs: bool,
    /// What has happened.
    pub(super) counters: FaultCounters,
    rng: ChaCha8Rng,
}

impl Platter {
    /// Makes an empty platter.
    pub(super) fn new(seed: u64) -> Self {
        Self {
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
        }
    }

    /// Counts the bytes of memory taken.
    pub(super) fn memory_bytes(&self) -> usize {
        let chunks = self.chunks.iter().flatten().count();
        chunks * size_of::<Chunk>() + self.undo.len() * SECTOR_BYTES
    }

    /// Replaces everything, durably.
    pub(super) fn replace(&mut self, image: &[u8]) {
        self.chunks.clear();
        self.resize(image.len());
        self.copy_in(0, image);
        self.settle_all();
    }

    /// Writes bytes within the length, if there is space for them.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (start, end) = self.range(offset, data.len())?;
        let sectors = start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        let new = sectors.clone().filter(|sector| !self.has_space(*sector)).count();
        if let Some(space) = self.space {
            let Some(left) = space.checked_sub(new) else {
                self.counters.full_refusals += 1;
                return Err(io::ErrorKind::StorageFull.into());
            };
            self.space = Some(left);
        }
        sectors.clone().for_each(|sector| self.remember(sector));
        self.copy_in(start, data);
        if sectors.len() > 1 {
            self.unsynced.insert((sectors.start, sectors.end));
        }
        Ok(())
    }

    /// Says why nothing is carried out, when nothing is.
    pub(super) fn reached(&self) -> io::Result<()> {
        self.refuses.map_or(Ok(()), |why| Err(io::Error::other(why)))
    }

    /// Checks a place against the length.
    pub(super) fn range(&self, offset: u64, length: usize) -> io::Result<(usize, usize)> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.checked_add(length).filter(|end| *end <= self.len);
        end.map(|end| (start, end)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Counts an operation; at the last one the power goes while it is under way.
    pub(super) fn step(&mut self) {
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

    /// Reads bytes; beyond the chunks there are zeros.
    pub(super) fn copy_out(&self, start: usize, out: &mut [u8]) {
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
    pub(super) fn resize(&mut self, len: usize) {
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
    pub(super) fn settle_all(&mut self) {
        self.undo.clear();
        self.unsynced.clear();
        self.durable_len = self.len;
        self.chunks.truncate(self.len.div_ceil(CHUNK_BYTES));
    }

    /// Decides the fate of everything that was not synced.
    pub(super) fn cut_power(&mut self) {
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

    /// Flips bits in so many sectors that hold something; returns in how many.
    pub(super) fn rot(&mut self, wanted: u32) -> u32 {
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

/// A chunk that has space for some of its sectors.
struct Chunk {
    bytes: [u8; CHUNK_BYTES],
    /// One bit for each sector that was ever written.
    allocated: u8,
}
