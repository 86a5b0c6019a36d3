//! One machine of a simulation: its disk, its clock, and the replica while it runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use super::environment::{SimEnvironment, TrueTime};
use super::lying::{Liar, LyingStore};
use super::watch::Knowledge;
use crate::drill::chance::Chance;
use crate::drill::scenario::StorePlan;
use crate::identity::ControlItem;
use crate::base::Digest;
use crate::identity::SecretSeed;
use crate::replica::core::{Beginning, Changed};
use crate::replica::realm::{NewDevice, RecoveryKit};
use crate::replica::{Replica, ReplicaError};
use crate::store::faulty::{FaultCounters, FaultDisk};
use crate::store::sealing::DataKey;
use crate::store::{MemoryStore, RedbStore, Store, StoreError, StoreOptions};

/// Memory for pages of a simulated store's database, in bytes: small, so that reads reach the disk.
const PAGE_CACHE_BYTES: usize = 1 << 20;

/// Where a machine keeps its records.
pub(super) enum Drive {
    /// The production store on a simulated disk.
    Disk(FaultDisk, DataKey, Chance),
    /// The memory store: it survives a crash, as a perfect disk would.
    Memory(Arc<MemoryStore>),
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
    /// Counters of disks that are gone.
    pub(super) past: FaultCounters,
    chance: Chance,
    disks: u64,
    plan: StorePlan,
}

impl Node {
    /// Makes a machine that is switched off and has no disk yet.
    pub(super) fn new(time: &TrueTime, chance: Chance, plan: StorePlan) -> Self {
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
            past: FaultCounters::default(),
            chance,
            disks: 0,
            plan,
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
                let mut key = [0; 32];
                key.chunks_mut(8).for_each(|part| part.copy_from_slice(&chance.bits().to_be_bytes()));
                let key = DataKey::from_bytes(zeroize::Zeroizing::new(key));
                let device = FaultDisk::new(chance.bits());
                let options = options(&chance.fork("opening 0"));
                let store = RedbStore::create_on(Arc::new(device.clone()), &key, options)?;
                self.drive = Some(Drive::Disk(device, key, chance));
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
        let items: Vec<ControlItem> = device.items.clone();
        self.begin(&device.seed, &device.genesis, device.certificate, &items, control)
    }

    fn begin(
        &mut self,
        seed: &SecretSeed,
        genesis: &[u8],
        certificate: Digest,
        items: &[ControlItem],
        control: bool,
    ) -> Result<(), ReplicaError> {
        let store = self.new_disk()?;
        let beginning = Beginning { seed, genesis, certificate, items };
        let environment = self.environment.clone();
        let store = self.before(store);
        let replica = match control {
            true => Replica::begin(store, environment, &beginning)?,
            false => Replica::prepare(store, environment, &beginning)?,
        };
        self.runs(Arc::new(replica));
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
            Some(Drive::Disk(device, key, chance)) => {
                device.restore_power();
                let options = options(&chance.fork(&format!("opening {}", chance.clone().bits())));
                chance.bits();
                Arc::new(RedbStore::open_on(Arc::new(device.clone()), key, options)?)
            }
        };
        let environment = self.environment.clone();
        let replica = Replica::open(self.before(store), environment)?;
        self.runs(Arc::new(replica));
        Ok(())
    }

    /// Takes over a replica that runs from now on, and reads what it holds.
    pub(super) fn runs(&mut self, replica: Arc<Replica>) {
        self.changes = Some(replica.subscribe());
        self.replica = Some(replica);
        self.unindexed = 0;
    }

    /// Stops the replica without a word; what the disk holds, it holds.
    pub(super) fn halt(&mut self) {
        self.replica = None;
        self.changes = None;
        self.untold.clear();
    }

    /// Destroys the disk.
    pub(super) fn destroy(&mut self) {
        self.halt();
        self.past = self.counters();
        self.drive = None;
        self.knowledge.clear();
    }

    /// Returns the simulated disk, if it has one.
    pub(super) fn device(&self) -> Option<&FaultDisk> {
        match &self.drive {
            Some(Drive::Disk(device, _, _)) => Some(device),
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

/// The options of a store whose nonces come from the seed.
fn options(chance: &Chance) -> StoreOptions {
    let source = std::sync::Mutex::new(chance.clone());
    let fill = move |bytes: &mut [u8]| {
        let mut chance = source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bytes.chunks_mut(8).for_each(|part| {
            let drawn = chance.bits().to_be_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        });
        Ok(())
    };
    let _ = fill;
    StoreOptions { page_cache_bytes: PAGE_CACHE_BYTES, run_cache_bytes: 0, ..StoreOptions::default() }
}
