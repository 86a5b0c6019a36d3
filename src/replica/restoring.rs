//! Restoring: from a bucket and a site's recovery kit alone, into an empty folder, as a new device of the site.
//!
//! A store that is restored is a new device: the lost device's lanes are read to their end and never appended to
//! again. The site's signing key comes out of the bucket, sealed to the recovery key, so the new device is
//! certified without the realm's root.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::admit::Outcome;
use super::answer::{Restored, Verified};
use super::backing::items_of;
use super::core::{Beginning, Replica};
use super::environment::{Environment, EnvironmentRng, blocking};
use super::error::ReplicaError;
use super::heads;
use super::home::Home;
use super::index::record_of;
use super::opening::{End, Opened, Opening, What};
use super::realm::{RecoveryKit, certify};
use super::request::Progress;
use crate::backup::manifest::{Manifest, ManifestError, SegmentRef};
use crate::backup::{Bucket, BucketUrl, ErrorKind, ObjectKey};
use crate::base::{DeviceId, Digest, LaneId, RecordId, WallMs};
use crate::identity::{
    Certificate, Certificates, ControlBody, ControlItem, DeviceRole, KeyWrap, Keyring, Roster, SecretName,
    SecretSeed,
};
use crate::lane::Run;
use crate::store::Store;
use crate::store::keys::KeySource;

/// What a bucket's manifests say, and what was found wrong.
pub struct Vault {
    roster: Roster,
    manifests: Vec<Manifest>,
    segments: u64,
    entries: u64,
    bytes: u64,
    sealed_for_others: u64,
    /// What the entries are about that were read into a replica.
    records: HashSet<RecordId>,
    reached: ReadUpTo,
    /// What is wrong with the backup; empty when all is well.
    pub problems: Vec<String>,
}

/// How far the chains of manifests in a bucket have been read: of each gateway, the number of the next manifest and
/// the hash of the one before it.
pub type ReadUpTo = BTreeMap<DeviceId, (u64, Digest)>;

impl Vault {
    /// Reads all chains of manifests; a chain that is broken is read up to the break.
    ///
    /// # Errors
    /// When the bucket cannot be read, or the genesis is none.
    pub async fn read(bucket: &Bucket, genesis: &[u8]) -> Result<Self, ReplicaError> {
        Self::read_on(bucket, Roster::new(Certificates::new(genesis)?), ReadUpTo::new()).await
    }

    /// Reads the manifests behind those that were read before; `roster` holds what is known of the realm.
    ///
    /// # Errors
    /// When the bucket cannot be read.
    pub async fn read_on(bucket: &Bucket, roster: Roster, from: ReadUpTo) -> Result<Self, ReplicaError> {
        let mut vault = Self {
            roster,
            manifests: Vec::new(),
            segments: 0,
            entries: 0,
            bytes: 0,
            sealed_for_others: 0,
            records: HashSet::new(),
            reached: from,
            problems: Vec::new(),
        };
        for (gateway, last) in vault.find_unread(bucket).await? {
            vault.read_chain(bucket, gateway, last).await?;
        }
        let unknown: Vec<String> = vault
            .manifests
            .iter()
            .filter(|manifest| vault.roster.certificates.of_device(&manifest.gateway).next().is_none())
            .map(|manifest| format!("gateway {} has no certificate of this realm", manifest.gateway.short()))
            .collect();
        let certificates = &vault.roster.certificates;
        vault.manifests.retain(|manifest| certificates.of_device(&manifest.gateway).next().is_some());
        vault.problems.extend(unknown);
        Ok(vault)
    }

    /// Finds the gateways with manifests that were not read, and the last number of each. What was read is jumped
    /// over, so a bucket of years costs a few pages.
    async fn find_unread(&mut self, bucket: &Bucket) -> Result<BTreeMap<DeviceId, u64>, ReplicaError> {
        let mut unread = BTreeMap::new();
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = bucket.list_after("manifests/", after.as_ref()).await?;
            let Some(last) = page.last() else { return Ok(unread) };
            let mut on = last.key.clone();
            for object in &page {
                let mut names = object.key.as_str().split('/').skip(1);
                let gateway = names.next().and_then(|name| name.parse::<DeviceId>().ok());
                let number = names.next().and_then(|name| name.parse::<u64>().ok());
                let (Some(gateway), Some(number)) = (gateway, number) else {
                    let problem = format!("'{}' is not the name of a manifest", object.key.as_str());
                    self.problems.push(problem);
                    continue;
                };
                match self.reached.get(&gateway) {
                    Some((next, _)) if number < *next => {
                        on = on.max(ObjectKey::new(Manifest::key(&gateway, next - 1))?);
                    }
                    Some(_) | None => {
                        let most = unread.entry(gateway).or_insert(number);
                        *most = number.max(*most);
                    }
                }
            }
            after = Some(on);
        }
    }

    /// Reads a chain to its end. A manifest that is lost or damaged is named; those after it are signed on their
    /// own, and what they name goes through admission like everything else.
    async fn read_chain(
        &mut self,
        bucket: &Bucket,
        gateway: DeviceId,
        last: u64,
    ) -> Result<(), ReplicaError> {
        let realm = self.roster.certificates.realm();
        let read_before = self.reached.get(&gateway).copied();
        let first = read_before.map_or(0, |(next, _)| next);
        let mut previous: Option<Digest> = read_before.map(|(_, hash)| hash);
        let mut broken = false;
        for number in first..=last {
            let object = match bucket.get(&ObjectKey::new(Manifest::key(&gateway, number))?).await {
                Ok(object) => object,
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Damaged) => {
                    self.problems.push(error.to_string());
                    broken = true;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            self.bytes += object.len() as u64;
            let manifest = match Manifest::read(&object, &realm, &gateway, number) {
                Ok(manifest) => manifest,
                Err(error) => {
                    self.problems.push(format!("{}: {error}", Manifest::key(&gateway, number)));
                    broken = true;
                    continue;
                }
            };
            if manifest.previous != previous && !broken {
                self.problems.push(ManifestError::Chain { gateway, number }.to_string());
            }
            let hash = Manifest::hash(&object);
            (previous, broken) = (Some(hash), false);
            self.reached.insert(gateway, (number + 1, hash));
            self.roster.fold(&ControlBody::new(items_of(&manifest)));
            self.manifests.push(manifest);
        }
        Ok(())
    }

    /// Returns how far the chains are read now.
    pub fn reached(&self) -> &ReadUpTo {
        &self.reached
    }

    /// Returns what the manifests say to be in the bucket.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentRef> {
        self.manifests.iter().flat_map(|manifest| &manifest.segments)
    }

    /// Returns how many entries were new to the replica that the segments were read into.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Returns how many bytes were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the certificates and wraps of all manifests.
    pub fn items(&self) -> Vec<ControlItem> {
        self.manifests.iter().flat_map(items_of).collect()
    }

    /// Returns when the backup was last written, by its gateways' clocks.
    pub fn time(&self) -> WallMs {
        self.manifests.iter().map(|manifest| manifest.time).max().unwrap_or_default()
    }

    /// Tells what was read and found.
    pub fn verified(self, bucket: &Bucket, heads: Digest) -> Verified {
        Verified {
            url: bucket.address(),
            manifests: self.manifests.len() as u64,
            segments: self.segments,
            entries: self.entries,
            sealed_for_others: self.sealed_for_others,
            bytes: self.bytes,
            problems: self.problems,
            heads,
        }
    }

    /// The segments that are wanted, vital parts first, each part in the order of writing.
    fn ordered(&self, is_wanted: impl Fn(&SegmentRef) -> bool) -> Vec<SegmentRef> {
        let mut segments: Vec<_> = self.segments().filter(|segment| is_wanted(segment)).cloned().collect();
        segments.sort_by_key(|segment| segment.part);
        segments
    }
}

/// Reads the wanted segments that `ring` opens into a replica, through the same admission as everything else.
///
/// Runs that wait for something are not kept in memory: their segments are read again, as long as that brings
/// anything new.
///
/// # Errors
/// When the bucket or the replica's store fails; what is wrong with single segments is put into the vault.
pub async fn read_segments(
    bucket: &Bucket,
    vault: &mut Vault,
    ring: &Keyring,
    into: &Replica,
    is_wanted: &(dyn Fn(&SegmentRef) -> bool + Sync),
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), ReplicaError> {
    let mut segments = vault.ordered(is_wanted);
    vault.segments = segments.len() as u64;
    let mut of: u64 = segments.iter().map(|segment| segment.size).sum();
    let mut done = 0;
    loop {
        let (mut again, mut waits): (Vec<SegmentRef>, _) = (Vec::new(), BTreeMap::new());
        let before = vault.entries;
        let mut opening = Opening::begin(bucket, ring, segments)?;
        while let Some(Opened { reference, what }) = opening.following().await? {
            match what {
                What::Runs(runs) => {
                    let waiting = admit(into, vault, runs)?;
                    if !waiting.is_empty() && again.last() != Some(&*reference) {
                        again.push((*reference).clone());
                    }
                    waits.extend(waiting);
                    continue;
                }
                What::End(End::Whole) => {}
                What::End(End::SealedForOthers) => vault.sealed_for_others += 1,
                // A segment that is read again has what it had.
                What::End(End::Problem(problem)) if vault.problems.contains(&problem) => {}
                What::End(End::Problem(problem)) => vault.problems.push(problem),
            }
            vault.bytes += reference.size;
            done += reference.size;
            let (doing, unit) = ("reading the backup".to_owned(), "bytes".to_owned());
            progress(Progress { doing, done, of, unit });
        }
        if again.is_empty() || vault.entries == before {
            let wait = |(lane, start): (LaneId, u64)| {
                format!("lane {}: entries from {start} on wait for what is missing before them", lane.short())
            };
            vault.problems.extend(waits.into_iter().map(wait));
            return Ok(());
        }
        of += again.iter().map(|segment| segment.size).sum::<u64>();
        segments = again;
    }
}

/// Admits runs; says where those stand that wait for something.
fn admit(into: &Replica, vault: &mut Vault, runs: Vec<Run>) -> Result<Vec<(LaneId, u64)>, ReplicaError> {
    let mut waiting = Vec::new();
    let places: Vec<_> = runs.iter().map(|run| (run.lane, run.start, run.entries.len() as u64)).collect();
    let lanes: BTreeSet<LaneId> = places.iter().map(|(lane, _, _)| *lane).collect();
    let held: BTreeMap<LaneId, u64> =
        lanes.into_iter().filter_map(|lane| Some((lane, into.lane(&lane)?.size()))).collect();
    let records: Vec<BTreeSet<RecordId>> =
        runs.iter().map(|run| run.entries.iter().filter_map(record_of).collect()).collect();
    let outcomes = blocking(|| into.admit(runs))?;
    for (((lane, start, entries), records), outcome) in places.into_iter().zip(records).zip(outcomes) {
        let is_new = held.get(&lane).is_none_or(|size| start + entries > *size);
        if let Outcome::Stored(_) = outcome {
            vault.records.extend(records);
        }
        match outcome {
            Outcome::Stored(_) if is_new => vault.entries += entries,
            Outcome::Stored(_) => {}
            Outcome::Waiting(_) => waiting.push((lane, start)),
            Outcome::Refused(refusal) => vault.problems.push(refusal.to_string()),
        }
    }
    Ok(waiting)
}

/// Where and how to restore.
pub struct RestorePlan<'a> {
    /// The bucket.
    pub url: &'a BucketUrl,
    /// The site's recovery kit.
    pub kit: &'a RecoveryKit,
    /// The new store's folder, empty or not there yet.
    pub store: &'a Path,
    /// What opens the new store.
    pub key: &'a KeySource,
    /// The new device's name.
    pub device: &'a str,
    /// What the new device does.
    pub role: DeviceRole,
}

/// Restores a lost site as a new device, into a new store in a folder; without a backup no folder is made.
///
/// # Errors
/// When the bucket, the kit or the folder cannot be used; single damaged segments are listed in the answer.
pub async fn restore(
    plan: &RestorePlan<'_>,
    environment: Arc<dyn Environment>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Restored, ReplicaError> {
    let bucket = Bucket::open(plan.url)?;
    let recovery = Recovery::open(&bucket, plan.kit, plan.device, plan.role, &*environment).await?;
    let store = Home::create_store(plan.store, plan.key)?;
    Ok(recovery.fill(store, environment, progress).await?.1)
}

/// Restores a lost site as a new device named `device`, into an empty store.
///
/// # Errors
/// When the bucket, the kit or the store cannot be used; single damaged segments are listed in the answer.
pub async fn restore_into(
    store: Arc<dyn Store>,
    bucket: &Bucket,
    kit: &RecoveryKit,
    device: &str,
    role: DeviceRole,
    environment: Arc<dyn Environment>,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(Replica, Restored), ReplicaError> {
    let recovery = Recovery::open(bucket, kit, device, role, &*environment).await?;
    recovery.fill(store, environment, progress).await
}

/// A restore of which the manifests are read and the new device is certified.
struct Recovery<'a> {
    bucket: &'a Bucket,
    kit: &'a RecoveryKit,
    began: WallMs,
    vault: Vault,
    /// What the recovery kit opens.
    ring: Keyring,
    seed: SecretSeed,
    certificate: Digest,
    items: Vec<ControlItem>,
}

impl<'a> Recovery<'a> {
    /// Reads the manifests, opens the site's own key, certifies the new device with it, and lets the device open
    /// what its site may.
    async fn open(
        bucket: &'a Bucket,
        kit: &'a RecoveryKit,
        device: &str,
        role: DeviceRole,
        environment: &dyn Environment,
    ) -> Result<Self, ReplicaError> {
        let began = environment.now();
        let vault = Vault::read(bucket, &kit.genesis).await?;
        let ring = Keyring::open(kit.seed.kex(), &vault.roster.wraps);
        let site_seed = ring.site_seed(&kit.site).cloned().ok_or_else(|| {
            let (bucket, site) = (bucket.address(), &kit.site_name);
            let nothing = format!("{bucket} holds nothing that this recovery kit of '{site}' opens");
            match vault.problems.is_empty() {
                true => ReplicaError::Call(format!("{nothing}; there is no backup of this site")),
                false => ReplicaError::BackupDamaged(format!("{nothing}: {}", vault.problems.join("; "))),
            }
        })?;
        let certificates = &vault.roster.certificates;
        let site = certificates.site(&kit.site).ok_or_else(|| {
            ReplicaError::Call(format!("the backup holds no certificate of the site '{}'", kit.site_name))
        })?;
        let mut rng = EnvironmentRng(environment);
        let seed = SecretSeed::generate(&mut rng);
        let realm = certificates.realm();
        let signed = certify(realm, &site_seed, &seed, device, role, &site.areas, environment.now());
        let certificate = Certificate::hash(&signed);
        let name = SecretName::SiteKex { site: kit.site };
        let wrap = KeyWrap::seal(name, site_seed.kex().expose(), &seed.kex().public(), &mut rng);
        let mut items = vault.items();
        items.extend([ControlItem::Certificate(signed), ControlItem::Wrap(wrap)]);
        Ok(Self { bucket, kit, began, vault, ring, seed, certificate, items })
    }

    /// Makes an empty store the new device's and reads into it all that the kit opens.
    async fn fill(
        self,
        store: Arc<dyn Store>,
        environment: Arc<dyn Environment>,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(Replica, Restored), ReplicaError> {
        let Self { bucket, kit, began, mut vault, ring, seed, certificate, items } = self;
        let beginning = Beginning { seed: &seed, genesis: &kit.genesis, certificate, items: &items };
        let replica = Replica::begin(store, environment, &beginning)?;
        let before = replica.lanes();
        // The index follows: whoever opens the store next, or asks this replica, has it built.
        read_segments(bucket, &mut vault, &ring, &replica, &|_| true, progress).await?;
        let mut lanes = replica.lanes();
        lanes.retain(|lane, _| !before.contains_key(lane));
        let restored = Restored {
            device_id: replica.me().device,
            site: kit.site_name.clone(),
            records: vault.records.len() as u64,
            entries: lanes.values().map(crate::lane::LaneState::size).sum(),
            heads: heads::shared(&heads::groups(&lanes), &replica.subscription()),
            backup_time: vault.time(),
            problems: vault.problems,
            took_ms: replica.environment().ms_since(began),
        };
        Ok((replica, restored))
    }
}
