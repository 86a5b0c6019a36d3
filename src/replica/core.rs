//! The replica: one store run by one device; every write and every admission goes through here.
//!
//! One lock guards the clock, the heads and the order of commits. A write is acknowledged by returning: then it
//! is durable. Everything else (views, charts, search) is computed from the lanes when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use minicbor::{Decode, Encode};
use tokio::sync::broadcast;

use super::appending::NextAppend;
use super::environment::Environment;
use super::error::ReplicaError;
use super::heads::holdings_of;
use super::horizon::Horizons;
use super::others::Others;
use super::pull_sessions::Pulling;
use super::repacking::Repacking;
use super::roster_kept;
use super::sabotage::{Fate, LATE_MAX};
use crate::base::{Area, DeviceId, Digest, Hlc, HybridClock, LaneId, Part, RealmId, cbor};
use crate::identity::{
    ControlBody, ControlItem, DeviceCertificate, Keyring, Roster, SecretSeed, SiteCertificate,
};
use crate::lane::{Appended, Entry, EntryKind, Head, LaneName, LaneState, Run, append};
use crate::record::safety::Checker;
use crate::store::tail::{Coverage, Tail};
use crate::store::{Batch, DamagedRun, Store, StoreError};
use crate::sync::{Holdings, Streams};

/// The store's name for the device's own values.
const DEVICE: &str = "device";
/// How many head changes a slow session may lag behind before it is told all heads again. The channel takes memory
/// for all of them at once (some 250 bytes each), in every replica, whether or not a session runs.
const CHANGES_MAX: usize = 256;

/// The device's own values, sealed in its store.
#[derive(Encode, Decode)]
#[cbor(array)]
struct DeviceValues {
    #[n(0)]
    version: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    seed: [u8; 32],
    #[cbor(n(2), with = "minicbor::bytes")]
    genesis: Vec<u8>,
    #[n(3)]
    certificate: Digest,
}

/// Who this replica is.
#[derive(Debug, Clone)]
pub struct Me {
    /// The device's secret.
    pub seed: SecretSeed,
    /// The device.
    pub device: DeviceId,
    /// The realm.
    pub realm: RealmId,
    /// The realm's genesis in its signed form.
    pub genesis: Vec<u8>,
    /// The hash of the certificate that rules what it writes now.
    pub certificate: Digest,
    /// That certificate.
    pub device_certificate: DeviceCertificate,
    /// Its site's certificate.
    pub site_certificate: SiteCertificate,
    /// The realm's name.
    pub realm_name: String,
}

/// A lane that changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Its name.
    pub name: LaneName,
    /// Its head now, durable.
    pub head: Head,
}

/// Where an appended entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The lane.
    pub lane: LaneId,
    /// The first of the entries given, by sequence number; the others follow.
    pub seq: u64,
}

/// Entries for one lane of this device.
pub struct Append {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The areas besides this one of which the author could know what matters here.
    pub knowing: BTreeSet<Area>,
}

pub(super) struct Inner {
    pub(super) clock: HybridClock,
    pub(super) lanes: BTreeMap<LaneId, LaneState>,
    /// The heads of these lanes, which sessions share.
    pub(super) holdings: Holdings,
    pub(super) roster: Roster,
    /// How many signatures of certificates the store knows to be checked.
    pub(super) checked_kept: usize,
    pub(super) ring: Keyring,
    /// Control items that came outside of control lanes and are to be made durable with the next commit.
    pub(super) unsaved: Vec<ControlItem>,
    pub(super) horizons: Horizons,
    pub(super) tail: Tail,
    pub(super) coverage: Coverage,
    /// The store's changes up to which the tail has read everything.
    pub(super) changes_read: Option<u64>,
    /// What a scrub found that cannot be read, and no peer has given back yet.
    pub(super) damaged: Vec<DamagedRun>,
    /// A run that was lost together with those after it, which are still to come.
    pub(super) gathered: Option<Run>,
    /// How many scrubs have found something.
    pub(super) damage_found: u64,
    pub(super) writes: u64,
    /// What a planted fault has acknowledged and not yet written.
    pub(super) late: Vec<Batch>,
    /// How many writes there were at the last step of the indexer.
    pub(super) writes_indexed: u64,
    pub(super) sessions: u64,
    pub(super) repacking: Repacking,
}

/// One store run by one device.
pub struct Replica {
    pub(super) store: Arc<dyn Store>,
    pub(super) environment: Arc<dyn Environment>,
    me: Me,
    pub(super) held: Option<BTreeMap<Area, BTreeSet<Part>>>,
    pub(super) inner: Mutex<Inner>,
    pub(super) others: Others,
    /// Single people that are asked for, and those that were fetched.
    pub(super) pulling: Pulling,
    changes: broadcast::Sender<Changed>,
    /// Held while a chart is read, edited and appended to.
    pub(super) editing: Mutex<()>,
    pub(super) streams: Streams,
    /// The rules by which orders and views are checked.
    pub(super) checker: Arc<Checker>,
    /// Why the site's table of rules is not used, if it is not.
    pub(super) rules_refused: Option<String>,
}

/// What a new store begins with.
pub struct Beginning<'a> {
    /// The device's secret.
    pub seed: &'a SecretSeed,
    /// The realm's genesis in its signed form.
    pub genesis: &'a [u8],
    /// The hash of the device's certificate, which is among the items.
    pub certificate: Digest,
    /// Certificates and key wraps.
    pub items: &'a [ControlItem],
}

impl Replica {
    /// Makes an empty store this device's, with nothing written yet in its lanes.
    ///
    /// # Errors
    /// When the certificate does not verify, or the store fails.
    pub fn prepare(
        store: Arc<dyn Store>,
        environment: Arc<dyn Environment>,
        beginning: &Beginning<'_>,
    ) -> Result<Self, ReplicaError> {
        let values = DeviceValues {
            version: 1,
            seed: *beginning.seed.expose(),
            genesis: beginning.genesis.to_vec(),
            certificate: beginning.certificate,
        };
        let blobs = beginning.items.iter().map(roster_kept::kept).collect();
        let named = vec![(DEVICE.to_owned(), cbor::to_vec(&values)), super::index::terms_kept()];
        store.commit(Batch { named, blobs, ..Batch::default() })?;
        Self::open(store, environment)
    }

    /// Makes an empty store this device's, and opens its control lane with what it knows of the realm.
    ///
    /// # Errors
    /// When the certificate does not verify, or the store fails.
    pub fn begin(
        store: Arc<dyn Store>,
        environment: Arc<dyn Environment>,
        beginning: &Beginning<'_>,
    ) -> Result<Self, ReplicaError> {
        let replica = Self::prepare(store, environment, beginning)?;
        let body = ControlBody::new(beginning.items.to_vec()).to_bytes();
        replica.append(vec![Append {
            area: Area::common(),
            part: Part::Control,
            entries: vec![Entry { kind: EntryKind::CONTROL, body }],
            knowing: BTreeSet::new(),
        }])?;
        Ok(replica)
    }

    /// Opens a store that holds an enrolled device.
    ///
    /// # Errors
    /// When it holds none, or its own values are damaged.
    pub fn open(store: Arc<dyn Store>, environment: Arc<dyn Environment>) -> Result<Self, ReplicaError> {
        let bytes = store.named(DEVICE)?.ok_or_else(|| ReplicaError::NotEnrolled("this store".into()))?;
        let values: DeviceValues =
            cbor::from_canonical(&bytes).map_err(|_| ReplicaError::DeviceDamaged("device values"))?;
        let (roster, checked_kept) = roster_kept::read(&*store, &values.genesis)?;
        let seed = SecretSeed::from_bytes(values.seed);
        let lanes: BTreeMap<_, _> = store.lanes()?.into_iter().map(|lane| (lane.id(), lane)).collect();
        let certificates = &roster.certificates;
        let device_certificate = certificates
            .device(&values.certificate)
            .cloned()
            .ok_or(ReplicaError::DeviceDamaged("device certificate"))?;
        let site_certificate = certificates
            .site(&device_certificate.site)
            .cloned()
            .ok_or(ReplicaError::DeviceDamaged("site certificate"))?;
        let me = Me {
            device: seed.device_id(),
            realm: certificates.realm(),
            realm_name: certificates.genesis().name.clone(),
            genesis: values.genesis,
            certificate: values.certificate,
            device_certificate,
            site_certificate,
            seed,
        };
        let ring = Keyring::open(me.seed.kex(), &roster.wraps);
        super::index::renew_terms(&*store)?;
        let tail = Tail::after(store.index_cursor()?);
        let latest = Self::latest_own_time(&*store, &lanes, &me.device)?;
        let others = Others::open(&*store, lanes.keys().copied());
        let inner = Inner {
            clock: HybridClock::starting_after(latest),
            holdings: holdings_of(&lanes),
            lanes,
            roster,
            checked_kept,
            ring,
            unsaved: Vec::new(),
            horizons: Horizons::default(),
            tail,
            coverage: Coverage::Behind,
            changes_read: None,
            damaged: Vec::new(),
            gathered: None,
            damage_found: 0,
            writes: 0,
            late: Vec::new(),
            writes_indexed: 0,
            sessions: 0,
            repacking: Repacking::default(),
        };
        let replica = Self {
            store,
            environment,
            me,
            held: None,
            inner: Mutex::new(inner),
            others,
            pulling: Pulling::default(),
            changes: broadcast::channel(CHANGES_MAX).0,
            editing: Mutex::new(()),
            streams: Streams::default(),
            checker: Checker::demonstration(),
            rules_refused: None,
        };
        replica.index_step()?;
        Ok(replica)
    }

    /// Returns who this replica is.
    pub fn me(&self) -> &Me {
        &self.me
    }

    /// Returns the store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Returns the environment.
    pub fn environment(&self) -> &dyn Environment {
        &*self.environment
    }

    /// Hears of every lane that changes from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// Shares a pool of compression contexts with others in this process, instead of a pool of its own.
    pub fn share_streams(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// Returns the pool that this replica's sessions take their compression contexts from.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Returns the lanes and their heads.
    pub fn lanes(&self) -> BTreeMap<LaneId, LaneState> {
        self.lock().lanes.clone()
    }

    /// Returns the state of a lane.
    pub fn lane(&self, lane: &LaneId) -> Option<LaneState> {
        self.lock().lanes.get(lane).cloned()
    }

    /// Returns a device certificate that verifies, by its hash.
    pub fn device_certificate(&self, hash: &Digest) -> Option<DeviceCertificate> {
        self.lock().roster.certificates.device(hash).cloned()
    }

    /// Returns the name of a lane.
    pub fn lane_name(&self, lane: &LaneId) -> Option<LaneName> {
        self.lock().lanes.get(lane).map(|state| state.name.clone())
    }

    /// Returns a copy of the roster.
    pub fn roster(&self) -> Roster {
        self.lock().roster.clone()
    }

    /// Returns a copy of what this device can open.
    pub fn keyring(&self) -> Keyring {
        self.lock().ring.clone()
    }

    /// Gives the next time of this device's clock.
    pub fn tick(&self) -> Hlc {
        let now = self.environment.now();
        self.lock().clock.tick(now)
    }

    /// Appends entries to this device's own lanes in one durable commit; when it returns they are
    /// acknowledged. Places are in the order of the appends.
    ///
    /// # Errors
    /// When the device may not write there, a lane is forked, or the disk fails: then nothing was written.
    pub fn append(&self, appends: Vec<Append>) -> Result<Vec<Place>, ReplicaError> {
        self.append_locked(&mut self.lock(), appends)
    }

    /// Appends in one commit what `next` gives, who is told the places of what goes before it.
    pub(super) fn append_all(
        &self,
        inner: &mut Inner,
        next: NextAppend<'_>,
    ) -> Result<Vec<Place>, ReplicaError> {
        let mut after: BTreeMap<LaneId, LaneState> = BTreeMap::new();
        let (mut batch, mut places) = (Batch::default(), Vec::new());
        while let Some(Append { area, part, mut entries, knowing }) = next(&places)? {
            if !self.me.device_certificate.covers(&area, part) {
                return Err(ReplicaError::NotAllowed { area, part });
            }
            let name = LaneName { realm: self.me.realm, device: self.me.device, area, part };
            let (lane, count) = (name.id(), entries.len() as u64);
            let state = after.get(&lane).or_else(|| inner.lanes.get(&lane)).cloned();
            entries.splice(0..0, self.horizon_before(inner, &name, state.as_ref(), &knowing, &entries));
            let runs = append(state.as_ref(), &name, &self.me.certificate, entries, &self.me.seed)?;
            for Appended { run, before, state } in runs {
                after.insert(lane, state.clone());
                batch.advances.push((run, before, state));
            }
            let size = after.get(&lane).map_or(0, LaneState::size);
            places.push(Place { lane, seq: size.saturating_sub(count) });
        }
        inner.writes += 1;
        match Fate::of(inner.writes) {
            Fate::Durable => self.commit(inner, batch)?,
            Fate::Lost => inner.horizons.forget(),
            Fate::Late => {
                inner.lanes.extend(after);
                inner.holdings = holdings_of(&inner.lanes);
                inner.late.push(batch);
                if inner.late.len() >= LATE_MAX {
                    self.commit_late(inner)?;
                }
            }
        }
        Ok(places)
    }

    /// Commits what a planted fault has acknowledged too early.
    pub(super) fn commit_late(&self, inner: &mut Inner) -> Result<(), ReplicaError> {
        let late = std::mem::take(&mut inner.late);
        late.into_iter().try_for_each(|batch| self.commit(inner, batch))
    }

    /// Makes a batch durable, then takes its heads over and tells the sessions.
    pub(super) fn commit(&self, inner: &mut Inner, mut batch: Batch) -> Result<(), ReplicaError> {
        let control: Vec<ControlBody> =
            batch.advances.iter().flat_map(|(run, _, _)| control_of(run)).collect();
        let unsaved = std::mem::take(&mut inner.unsaved);
        let items = control.iter().flat_map(|body| &body.items).chain(&unsaved);
        batch.blobs.extend(items.map(roster_kept::kept));
        let changed: BTreeMap<LaneId, LaneState> = batch
            .advances
            .iter()
            .map(|(_, _, state)| state)
            .chain(batch.forks.iter().map(|forking| &forking.state))
            .map(|state| (state.id(), state.clone()))
            .collect();
        batch.time = Some(self.environment.now());
        self.add_heard(&mut batch);
        if let Err(error) = self.store.commit(batch) {
            inner.unsaved = unsaved;
            self.heard_is_unsaved();
            if matches!(error, StoreError::Stale { .. }) {
                // A commit that a failing disk reported as lost was there after all: the disk is right.
                inner.horizons = Horizons::default();
                inner.lanes = self.store.lanes()?.into_iter().map(|lane| (lane.id(), lane)).collect();
                inner.holdings = holdings_of(&inner.lanes);
            }
            return Err(error.into());
        }
        if !control.is_empty() {
            // A ring is opened anew only for a new wrap that it leads to: in a large realm most are for others.
            let (ring, known) = (&inner.ring, &inner.roster.wraps);
            let opens = control.iter().flat_map(|body| &body.items).any(|item| match item {
                ControlItem::Wrap(wrap) => {
                    ring.kex(&wrap.recipient).is_some() && known.binary_search(wrap).is_err()
                }
                ControlItem::Certificate(_) => false,
            });
            control.iter().for_each(|body| {
                inner.roster.fold(body);
            });
            if opens {
                inner.ring = Keyring::open(self.me.seed.kex(), &inner.roster.wraps);
            }
        }
        for (lane, state) in changed {
            let told = Changed { name: state.name.clone(), head: state.head() };
            inner.horizons.grew(lane, state.name.part);
            inner.holdings.set(&told.name, told.head.clone());
            inner.lanes.insert(lane, state);
            // Nobody listens when no session runs.
            let _ = self.changes.send(told);
        }
        Ok(())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("a thread panicked while it held the replica: that is a bug")
    }
}

fn control_of(run: &Run) -> impl Iterator<Item = ControlBody> {
    let bodies = run.entries.iter().filter(|entry| entry.kind == EntryKind::CONTROL);
    bodies.filter_map(|entry| ControlBody::from_bytes(&entry.body).ok())
}
