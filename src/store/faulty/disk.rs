//! The disk as a store and a test see it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::platter::{DISK_BYTES_MAX, FaultCounters, Platter};
use crate::store::device::BlockDevice;

/// The disk; clones are the same disk.
#[derive(Clone)]
pub struct FaultDisk(Arc<Mutex<Platter>>);

impl FaultDisk {
    /// Makes an empty disk; everything random on it follows from the seed and the operations.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter::new(seed))))
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
        platter.replace(image);
    }

    /// Returns the bytes of memory that it takes, without small change.
    pub fn memory_bytes(&self) -> usize {
        self.lock().memory_bytes()
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
        platter.write(offset, data)?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::SECTOR_BYTES;
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
        // The first of the sectors changed from byte 100 on, the last one below it.
        let changed = |sector: usize| sector * SECTOR_BYTES + if sector == 0 { 200 } else { 0 };
        let lost = (0..11).filter(|sector| image[changed(*sector)] == 1).count();
        assert_eq!(lost as u64, counters.sectors_lost);
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
