//! One machine of a simulation: its disk, its clock, and the replica while it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use zeroize::Zeroizing;

use super::environment::{SimEnvironment, TrueTime};
use super::lying::{Liar, LyingStore};
use super::traffic::Waiting;
use super::watch::Knowledge;
use crate::base::{Area, Part};
use crate::drill::chance::Chance;
use crate::drill::scenario::{ReplicaPlan, StorePlan};
use crate::replica::core::{Beginning, Changed};
use crate::replica::realm::{NewDevice, RecoveryKit};
use crate::replica::{Replica, ReplicaError};
use crate::store::faulty::{FaultCounters, FaultDisk};
use crate::store::{DataKey, MemoryStore, Nonces, RedbStore, Store, StoreError, StoreOptions};
use crate::sync::Streams;

/// Memory for pages of a simulated store's database, in bytes: small, so that reads reach the disk.
const PAGE_CACHE_BYTES: usize = 1 << 20;

/// Where a machine keeps its records.
pub(super) enum Drive {
    /// The production store on a simulated disk.
    Disk(Box<SealedDisk>),
    /// The memory store: it survives a crash, as a perfect disk would.
    Memory(Arc<MemoryStore>),
}

/// A simulated disk with what opens the store on it.
pub(super) struct SealedDisk {
    device: FaultDisk,
    /// The key under which its values are sealed.
    key: DataKey,
    /// Where its nonces come from.
    chance: Chance,
    /// How often it was opened.
    openings: u64,
    /// What it held when it was copied last.
    copy: Option<Vec<u8>>,
}

/// One machine.
pub(super) struct Node {
    /// Its clock and random bytes.
    pub(super) environment: Arc<SimEnvironment>,
    /// Its disk; none when it was destroyed.
    pub(super) drive: Option<Drive>,
    /// The replica while it runs.
    pub(super) replica: Option<Arc<Replica>>,
    /// What the replica tells of its lanes.
    pub(super) changes: Option<broadcast::Receiver<Changed>>,
    /// What its sessions have not heard yet.
    pub(super) untold: Vec<Changed>,
    /// What it has heard.
    pub(super) knowledge: Knowledge,
    /// What its site keeps in the safe.
    pub(super) kit: Option<RecoveryKit>,
    /// Whether it lies.
    pub(super) liar: Liar,
    /// Entries that have arrived since the index was last brought up to date.
    pub(super) unindexed: u64,
    /// Whether a step of the indexer is scheduled.
    pub(super) index_due: bool,
    /// When its disk was destroyed, until it is back.
    pub(super) lost_at: Option<Duration>,
    /// Its disk rotted beyond use and was thrown away; a new one is filled when the bucket can be reached.
    pub(super) awaits_disk: bool,
    /// Its disk was put back to what it had held before, once at least.
    pub(super) set_back: bool,
    /// It has returned and lacks cards.
    pub(super) waits: Option<Waiting>,
    /// Counters of disks that are gone.
    pub(super) past: FaultCounters,
    /// Compression contexts that all machines share.
    streams: Streams,
    chance: Chance,
    disks: u64,
    plan: StorePlan,
    /// The parts of each area that it is configured to hold; none when it is all that its certificate names.
    held: Option<BTreeMap<Area, BTreeSet<Part>>>,
}

impl Node {
    /// Makes a machine that is switched off and has no disk yet.
    pub(super) fn new(time: &TrueTime, streams: &Streams, chance: Chance, plan: &ReplicaPlan) -> Self {
        Self {
            environment: SimEnvironment::new(time.clone(), chance.fork("environment")),
            drive: None,
            replica: None,
            changes: None,
            untold: Vec::new(),
            knowledge: Knowledge::default(),
            kit: None,
            liar: Liar::default(),
            unindexed: 0,
            index_due: false,
            lost_at: None,
            awaits_disk: false,
            set_back: false,
            waits: None,
            past: FaultCounters::default(),
            streams: streams.clone(),
            chance,
            disks: 0,
            plan: plan.store,
            held: plan.held_in_part(),
        }
    }

    /// Puts a new, empty disk in, and returns the store on it.
    ///
    /// # Errors
    /// When the store cannot be made.
    pub(super) fn new_disk(&mut self) -> Result<Arc<dyn Store>, StoreError> {
        self.disks += 1;
        let mut chance = self.chance.fork(&format!("disk {}", self.disks));
        match self.plan {
            StorePlan::Memory => {
                let store = Arc::new(MemoryStore::new());
                self.drive = Some(Drive::Memory(store.clone()));
                Ok(store)
            }
            StorePlan::Disk => {
                let mut key = Zeroizing::new([0; 32]);
                chance.fill(&mut *key);
                let key = DataKey::from_bytes(key);
                let device = FaultDisk::new(chance.bits());
                let nonces = nonces(chance.fork("nonces 0"));
                let store = RedbStore::create_on(Arc::new(device.clone()), &key, nonces, options())?;
                self.drive =
                    Some(Drive::Disk(Box::new(SealedDisk { device, key, chance, openings: 0, copy: None })));
                Ok(Arc::new(store))
            }
        }
    }

    /// Makes the machine a device of the realm, on a new disk. With `control` it opens its control lane with what it
    /// knows of the realm; without, it keeps that to itself (so that a region of thousands does not spend its time
    /// on thousands of them).
    ///
    /// # Errors
    /// When the store or the replica fails.
    pub(super) fn enrol(&mut self, device: &NewDevice, control: bool) -> Result<(), ReplicaError> {
        let store = self.new_disk()?;
        let (genesis, certificate) = (&device.genesis[..], device.certificate);
        let beginning = Beginning { seed: &device.seed, genesis, certificate, items: &device.items };
        let environment = self.environment.clone();
        let store = self.before(store);
        let replica = match control {
            true => Replica::begin(store, environment, &beginning)?,
            false => Replica::prepare(store, environment, &beginning)?,
        };
        self.runs(replica);
        Ok(())
    }

    /// Starts the replica on what the disk holds.
    ///
    /// # Errors
    /// When the disk cannot be opened: then the machine stays down.
    pub(super) fn start(&mut self) -> Result<(), ReplicaError> {
        let store: Arc<dyn Store> = match &mut self.drive {
            None => return Err(ReplicaError::Call("its disk is gone; restore it first".to_owned())),
            Some(Drive::Memory(store)) => store.clone(),
            Some(Drive::Disk(disk)) => {
                let SealedDisk { device, key, chance, openings, .. } = &mut **disk;
                device.restore_power();
                *openings += 1;
                let nonces = nonces(chance.fork(&format!("nonces {openings}")));
                Arc::new(RedbStore::open_on(Arc::new(device.clone()), key, nonces, options())?)
            }
        };
        let environment = self.environment.clone();
        let replica = Replica::open(self.before(store), environment)?;
        self.runs(replica);
        Ok(())
    }

    /// Takes over a replica that runs from now on, and reads what it holds.
    fn runs(&mut self, mut replica: Replica) {
        replica.share_streams(self.streams.clone());
        if let Some(held) = &self.held {
            replica.hold_parts(held.clone());
        }
        self.changes = Some(replica.subscribe());
        self.replica = Some(Arc::new(replica));
        self.unindexed = 0;
    }

    /// Stops the replica without a word; what the disk holds, it holds.
    pub(super) fn halt(&mut self) {
        self.replica = None;
        self.changes = None;
        self.untold.clear();
        self.waits = None;
    }

    /// Returns how many bytes of memory its records take, of a store on disk those of its cache.
    pub(super) fn store_bytes(&self) -> u64 {
        match &self.drive {
            Some(Drive::Memory(store)) => store.bytes(),
            Some(Drive::Disk(_)) => PAGE_CACHE_BYTES as u64,
            None => 0,
        }
    }

    /// Copies what the simulated disk holds, in place of what was copied before.
    pub(super) fn copy_disk(&mut self) {
        if let Some(Drive::Disk(disk)) = &mut self.drive {
            disk.copy = Some(disk.device.image());
        }
    }

    /// Says whether there is a copy of this disk.
    pub(super) fn has_copy(&self) -> bool {
        matches!(&self.drive, Some(Drive::Disk(disk)) if disk.copy.is_some())
    }

    /// Puts the copy in place of all that the disk holds, and forgets what was heard since: the replica is down.
    pub(super) fn use_copy(&mut self) {
        if let Some(Drive::Disk(disk)) = &mut self.drive
            && let Some(copy) = disk.copy.take()
        {
            disk.device.set_image(&copy);
            self.set_back = true;
            self.knowledge.clear();
        }
    }

    /// Destroys the disk.
    pub(super) fn destroy(&mut self) {
        if let Some(device) = self.device() {
            device.crash();
        }
        self.halt();
        self.past = self.counters();
        self.drive = None;
        self.knowledge.clear();
    }

    /// Returns the simulated disk, if it has one.
    pub(super) fn device(&self) -> Option<&FaultDisk> {
        match &self.drive {
            Some(Drive::Disk(disk)) => Some(&disk.device),
            Some(Drive::Memory(_)) | None => None,
        }
    }

    /// Returns what its disks have suffered.
    pub(super) fn counters(&self) -> FaultCounters {
        let mut all = self.past;
        if let Some(now) = self.device().map(FaultDisk::counters) {
            all.syncs += now.syncs;
            all.sectors_lost += now.sectors_lost;
            all.writes_torn += now.writes_torn;
            all.sectors_rotten += now.sectors_rotten;
            all.full_refusals += now.full_refusals;
        }
        all
    }

    fn before(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(LyingStore::new(store, self.liar.clone()))
    }
}

fn options() -> StoreOptions {
    StoreOptions { page_cache_bytes: PAGE_CACHE_BYTES, run_cache_bytes: 0, ..StoreOptions::default() }
}

/// Nonces of the seed, so that equal runs write equal bytes.
fn nonces(chance: Chance) -> Nonces {
    let source = Mutex::new(chance);
    Nonces::from_fn(move |bytes| {
        let mut chance = source.lock().unwrap_or_else(PoisonError::into_inner);
        chance.fill(bytes);
        Ok(())
    })
}
