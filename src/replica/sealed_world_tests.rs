//! Replicas in a world of their own: no folder, no clock, no runtime, no random generator of the system.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::Replica;
use super::core::{Append, Beginning};
use super::environment::{Environment, EnvironmentRng};
use super::realm::{Enrolment, NewDevice, Realm, RecoveryKit};
use super::request::{ExportFormat, NewPatient, Write};
use super::restoring::restore_into;
use crate::backup::Bucket;
use crate::backup::memory::MemoryBucket;
use crate::base::{Area, Part, WallMs};
use crate::identity::{ControlBody, ControlItem, DeviceRole, SiteKind};
use crate::lane::{Entry, EntryKind};
use crate::record::Author;
use crate::store::{DataKey, FaultDisk, Nonces, RedbStore, Store, StoreOptions};

/// A clock that moves one second each time it is asked, and random bytes from a seed.
pub(super) struct World {
    now: AtomicU64,
    rng: Mutex<ChaCha20Rng>,
}

impl World {
    pub(super) fn new(seed: u8) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicU64::new(1_800_000_000_000),
            rng: Mutex::new(ChaCha20Rng::from_seed([seed; 32])),
        })
    }

    /// Lets some time pass.
    pub(super) fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Environment for World {
    fn now(&self) -> WallMs {
        WallMs(self.now.fetch_add(1_000, Ordering::Relaxed))
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.rng.lock().unwrap().fill_bytes(bytes);
    }
}

/// Polls a future once, on this thread and without a runtime: it must be ready.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

pub(super) fn author() -> Author {
    Author { name: "北村 夏子".into(), role: "doctor".into() }
}

/// Makes an empty store on a disk, with nonces of this world.
fn store(world: &Arc<World>, disk: &FaultDisk) -> Arc<dyn Store> {
    let (key, from) = (DataKey::from_bytes(zeroize::Zeroizing::new([5; 32])), world.clone());
    let nonces = Nonces::from_fn(move |nonce| {
        from.fill(nonce);
        Ok(())
    });
    let options = StoreOptions { page_cache_bytes: 1 << 20, ..StoreOptions::default() };
    Arc::new(RedbStore::create_on(Arc::new(disk.clone()), &key, nonces, options).unwrap())
}

/// Enrols the device of a new site.
fn enrolled(world: &Arc<World>) -> (NewDevice, RecoveryKit) {
    let mut rng = EnvironmentRng(&**world);
    let mut realm = Realm::create("三浦", world.now(), &mut rng);
    let wanted = Enrolment {
        site: "北病院".into(),
        kind: SiteKind::Hospital,
        device: "north-1".into(),
        role: DeviceRole::Hospital,
        areas: [Area::new("shared/miura").unwrap()].into(),
    };
    let (new, kit) = realm.enrol(&wanted, world.now(), &mut rng).unwrap();
    (new, kit.unwrap())
}

/// Makes the replica of a new site, and writes of two patients.
fn site(world: &Arc<World>, disk: &FaultDisk) -> (Replica, RecoveryKit) {
    let (new, kit) = enrolled(world);
    let (seed, genesis, certificate, items) = (&new.seed, &*new.genesis, new.certificate, &*new.items);
    let beginning = Beginning { seed, genesis, certificate, items };
    let replica = Replica::begin(store(world, disk), world.clone(), &beginning).unwrap();
    for name in ["佐藤 花子", "鈴木 一郎"] {
        let patient = NewPatient { name: name.into(), kana: None, birth_date: None, sex: None };
        let record = replica.register(&patient, None, author()).unwrap().record;
        replica.write(&record, Write::Note { text: "再診".into(), title: None }, author()).unwrap();
    }
    (replica, kit)
}

fn exported(replica: &Replica) -> Vec<String> {
    let mut resources = Vec::new();
    replica.export_each(&mut |record, resource| resources.push(format!("{record} {resource}"))).unwrap();
    resources
}

#[test]
fn a_site_is_backed_up_and_restored_without_clock_folder_or_runtime() {
    let (world, bucket) = (World::new(1), MemoryBucket::default());
    let (north, kit) = site(&world, &FaultDisk::new(1));
    let place = Bucket::from(bucket.clone());
    bucket.set_reachable(false);
    assert!(at_once(north.backup_to(&place, "the gateway's", &mut |_| {})).is_err());
    bucket.set_reachable(true);
    assert!(bucket.refused_calls() > 0);
    let done = at_once(north.backup_to(&place, "the gateway's", &mut |_| {})).unwrap();
    assert!(done.entries > 4 && done.took_ms > 0 && done.took_ms % 1_000 == 0, "{done:?}");
    assert_eq!(north.backup_status("the gateway's").unwrap().unwrap().missing_entries, 0);
    let digest = north.heads_digest();
    let verified = at_once(north.verify_from(&place, &mut |_| {})).unwrap();
    assert_eq!((verified.problems, verified.heads), (Vec::new(), digest));
    let expected = exported(&north);
    assert_eq!(expected.len(), 4);
    drop(north);

    let empty = store(&world, &FaultDisk::new(2));
    let (again, restored) = at_once(restore_into(
        empty,
        &place,
        &kit,
        "north-2",
        DeviceRole::Hospital,
        world.clone(),
        &mut |_| {},
    ))
    .unwrap();
    assert_eq!((restored.problems, restored.heads, restored.records), (Vec::new(), digest, 2));
    assert_eq!(exported(&again), expected);
}

#[test]
fn what_is_given_one_by_one_is_what_an_export_writes() {
    let (north, _) = site(&World::new(1), &FaultDisk::new(1));
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("out");
    let report = north.export(None, ExportFormat::Ndjson, &to, &mut |_| {}).unwrap();
    let files = std::fs::read_dir(&to).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()));
    let text: Vec<String> = files.map(Result::unwrap).collect();
    let mut written: Vec<&str> = text.iter().flat_map(|text| text.lines()).collect();
    let mut given = Vec::new();
    north.export_each(&mut |_, resource| given.push(resource.to_owned())).unwrap();
    written.sort_unstable();
    given.sort_unstable();
    assert_eq!(report.resources, given.len() as u64);
    assert_eq!(written, given);
}

#[test]
fn keys_that_come_later_open_what_they_lead_to() {
    let world = World::new(1);
    let (new, _) = enrolled(&world);
    let is_certificate = |item: &ControlItem| matches!(item, ControlItem::Certificate(_));
    let (items, wraps): (Vec<_>, Vec<_>) = new.items.iter().cloned().partition(is_certificate);
    let (seed, genesis, certificate) = (&new.seed, &*new.genesis, new.certificate);
    let beginning = Beginning { seed, genesis, certificate, items: &items };
    let replica = Replica::begin(store(&world, &FaultDisk::new(1)), world, &beginning).unwrap();
    assert_eq!(replica.keyring().readable().count(), 0);
    // The device's own wrap last, which leads to all others.
    for wraps in wraps.chunks(5) {
        let body = ControlBody::new(wraps.to_vec()).to_bytes();
        let entries = vec![Entry { kind: EntryKind::CONTROL, body }];
        replica
            .append(vec![Append { area: Area::common(), part: Part::Control, entries, knowing: [].into() }])
            .unwrap();
    }
    assert_eq!(replica.keyring().readable().count(), 2 * Part::ALL.len());
}

#[test]
fn the_same_seed_leaves_the_same_disk() {
    let image = |seed| {
        let disk = FaultDisk::new(1);
        let (replica, _) = site(&World::new(seed), &disk);
        replica.index_step().unwrap();
        drop(replica);
        disk.image()
    };
    assert!(image(1) == image(1), "the same seed left other bytes");
    assert!(image(1) != image(2));
}
