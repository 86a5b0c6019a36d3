//! The store over a block device: what it refuses, and that the same operations leave the same bytes.

use std::sync::{Arc, Mutex};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use zeroize::Zeroizing;

use super::disk::{DeviceDisk, Disk as _};
use super::{RedbStore, StoreOptions};
use crate::store::conformance::{self, SampleLane, Subject};
use crate::store::{
    BlockDevice as _, DataKey, FaultDisk, Nonces, Posting, Store, StoreError, StoreErrorKind,
};

/// The key of every store on such disks.
pub(super) fn key() -> DataKey {
    DataKey::from_bytes(Zeroizing::new([7; 32]))
}

/// Small caches.
pub(super) fn options() -> StoreOptions {
    StoreOptions { run_cache_bytes: 0, page_cache_bytes: 1 << 20, ..StoreOptions::default() }
}

/// Makes a disk with a new, empty store on it.
pub(super) fn disk_with_store(seed: u64) -> FaultDisk {
    let disk = FaultDisk::new(seed);
    RedbStore::create_on(Arc::new(disk.clone()), &key(), Nonces::default(), options()).unwrap();
    disk
}

/// Opens the store on a disk.
pub(super) fn open_store(disk: &FaultDisk) -> Result<RedbStore, StoreError> {
    RedbStore::open_on(Arc::new(disk.clone()), &key(), Nonces::default(), options())
}

/// Opens the tables on a disk.
pub(super) fn database_on(disk: &FaultDisk) -> redb::Database {
    DeviceDisk(Arc::new(disk.clone())).open(&redb::Builder::new()).unwrap()
}

struct OnDevice(RedbStore, FaultDisk);

impl Subject for OnDevice {
    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopened(self) -> Self {
        let Self(store, disk) = self;
        drop(store);
        Self(open_store(&disk).unwrap(), disk)
    }
}

#[test]
fn the_store_on_a_device_conforms() {
    conformance::check_all(|| {
        let disk = disk_with_store(1);
        OnDevice(open_store(&disk).unwrap(), disk)
    });
}

#[test]
fn what_is_no_store_of_this_key_is_refused_unchanged() {
    let disk = FaultDisk::new(1);
    assert!(matches!(open_store(&disk).unwrap_err(), StoreError::Missing { .. }));
    disk.set_len(5).unwrap();
    disk.write(0, b"other").unwrap();
    assert_eq!(open_store(&disk).unwrap_err().kind(), StoreErrorKind::Damaged);
    let create = RedbStore::create_on(Arc::new(disk.clone()), &key(), Nonces::default(), options());
    assert!(matches!(create.unwrap_err(), StoreError::Exists { .. }));
    assert_eq!(disk.image(), b"other");
    let disk = disk_with_store(1);
    let other = DataKey::from_bytes(Zeroizing::new([8; 32]));
    let error = RedbStore::open_on(Arc::new(disk), &other, Nonces::default(), options()).unwrap_err();
    assert!(error.to_string().contains("another data key"), "{error}");
    let disk = FaultDisk::new(1);
    disk.cut_power();
    assert!(matches!(open_store(&disk).unwrap_err(), StoreError::File { .. }));
}

/// Nonces that follow from a seed.
fn nonces(seed: u64) -> Nonces {
    let rng = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
    Nonces::from_fn(move |nonce| {
        rng.lock().unwrap().fill_bytes(nonce);
        Ok(())
    })
}

/// Works on a store through power cuts, and returns all that the disk holds in the end.
fn image_after_work(disk_seed: u64, nonce_seed: u64) -> Vec<u8> {
    let (disk, nonces) = (FaultDisk::new(disk_seed), nonces(nonce_seed));
    let device = || Arc::new(disk.clone());
    let mut store = RedbStore::create_on(device(), &key(), nonces.clone(), options()).unwrap();
    let mut lanes: Vec<SampleLane> = (0..12).map(SampleLane::new).collect();
    for round in 0..30 {
        for (number, lane) in lanes.iter_mut().enumerate() {
            let mut next = lane.clone();
            let mut batch = next.batch(&format!("lane {number} round {round}"));
            batch.named.push((format!("name {number}"), vec![round; 100]));
            batch.blobs.push(("space".into(), vec![number as u8, round], vec![round; 2_000]));
            if store.commit(batch).is_ok() {
                *lane = next;
            }
        }
        let arrived = store.stats().map_or(0, |stats| stats.last_arrival);
        let posting = Posting { lane: lanes[0].id(), seq: u64::from(round) };
        let _ = store.index_add(arrived, &[(store.token("round", &[round]), posting)]);
        if round % 10 == 9 {
            disk.cut_power_after(20 + u64::from(round));
            let _ = (0..100).find(|_| store.commit(SampleLane::new(99).batch("cut")).is_err());
            drop(store);
            disk.cut_power();
            disk.restore_power();
            store = RedbStore::open_on(device(), &key(), nonces.clone(), options()).unwrap();
        }
    }
    drop(store);
    disk.image()
}

#[test]
fn the_same_operations_leave_the_same_bytes() {
    let once = image_after_work(1, 2);
    assert!(once == image_after_work(1, 2), "the same seed left other bytes");
    assert!(once != image_after_work(1, 3) && once != image_after_work(2, 2), "the seeds are used");
}
