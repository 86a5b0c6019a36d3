//! Backing up: this replica as a gateway writes what the bucket lacks, and checks what is there.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use super::answer::{BackedUp, BackupStatus, Verified};
use super::core::{Beginning, Replica};
use super::environment::blocking;
use super::error::ReplicaError;
use super::heads;
use super::packing::{Packing, Seal};
use super::request::Progress;
use super::restoring::{Vault, read_segments};
use crate::backup::manifest::{Manifest, SegmentRange, SegmentRef};
use crate::backup::plan::{Covered, GroupPlan, HeldLane, plan};
use crate::backup::segment::plain_of;
use crate::backup::{Bucket, BucketUrl, ObjectKey};
use crate::base::{Digest, LaneId, WallMs, cbor, hash_tagged};
use crate::identity::{ControlItem, KeyWrap, ReadKeyId};
use crate::lane::join;
use crate::store::Batch;
use crate::store::memory::MemoryStore;

/// How many bytes of runs are read from the store at once.
const READ_BYTES: usize = 4 << 20;
/// After so many bytes of segments a manifest is written, so that a backup which then breaks off is gone on with
/// from there, and not begun anew: a quarter of an hour on a link of 150 kbit/s.
const CHECKPOINT_BYTES: u64 = 16 << 20;

/// What this gateway remembers of its chain in one bucket: a cache of the chain itself.
#[derive(Debug, Clone, Default, Encode, Decode)]
#[cbor(array)]
struct Chain {
    #[n(0)]
    next: u64,
    #[n(1)]
    previous: Option<Digest>,
    #[n(2)]
    time: WallMs,
    #[n(3)]
    covered: Vec<(LaneId, u64)>,
    /// Hashes of the certificates and wraps that the chain carries.
    #[n(4)]
    carried: BTreeSet<Digest>,
}

/// One backup under way.
struct Backup<'a> {
    /// The name under which the chain is remembered.
    name: &'a str,
    bucket: &'a Bucket,
    chain: Chain,
    packing: Packing,
    /// Written, and named by no manifest yet.
    segments: Vec<SegmentRef>,
    /// Bytes of segments after which a manifest is written.
    checkpoint_bytes: u64,
    /// Entries that are to be written.
    of: u64,
    done: BackedUp,
}

/// Opens a bucket by its URL.
///
/// # Errors
/// When the URL is malformed or credentials are missing.
pub fn open_bucket(url: &str) -> Result<Bucket, ReplicaError> {
    Ok(Bucket::open(&BucketUrl::parse(url)?)?)
}

impl Replica {
    /// Writes what the bucket at an address lacks, and manifests that name it; nothing is written when nothing is
    /// new.
    ///
    /// # Errors
    /// When the bucket or the store fails: then what the manifests name stays, and the next attempt goes on there.
    pub async fn backup_now(
        &self,
        url: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BackedUp, ReplicaError> {
        self.backup_to(&open_bucket(url)?, url, progress).await
    }

    /// Writes what a bucket lacks; `name` is that under which this gateway remembers how far it is there, which
    /// [`Replica::backup_status`] takes too.
    ///
    /// # Errors
    /// As [`Replica::backup_now`].
    pub async fn backup_to(
        &self,
        bucket: &Bucket,
        name: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BackedUp, ReplicaError> {
        self.backup_in_steps(bucket, name, &Covered::new(), CHECKPOINT_BYTES, progress).await
    }

    /// Backs up what neither this replica nor, by `covered`, others have put into the bucket.
    ///
    /// # Errors
    /// As [`Replica::backup_now`].
    pub(super) async fn backup_the_rest(
        &self,
        bucket: &Bucket,
        name: &str,
        covered: &Covered,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BackedUp, ReplicaError> {
        self.backup_in_steps(bucket, name, covered, CHECKPOINT_BYTES, progress).await
    }

    /// Backs up with a manifest after every `checkpoint_bytes` of segments.
    ///
    /// # Errors
    /// As [`Replica::backup_now`].
    pub(super) async fn backup_in_steps(
        &self,
        bucket: &Bucket,
        name: &str,
        others: &Covered,
        checkpoint_bytes: u64,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<BackedUp, ReplicaError> {
        let began = self.environment.now();
        bucket.make_sure().await?;
        let chain = self.chain(name, bucket).await?;
        let held: Vec<HeldLane> = self.lanes().into_values().map(|state| held_lane(&state)).collect();
        let mut covered: Covered = chain.covered.iter().copied().collect();
        for (lane, size) in others {
            let known = covered.entry(*lane).or_default();
            *known = (*known).max(*size);
        }
        let groups = plan(&held, &covered);
        let of = groups.iter().flat_map(|group| &group.ranges).map(|range| range.to - range.from).sum();
        let done =
            BackedUp { url: bucket.address(), manifest: None, segments: 0, entries: 0, bytes: 0, took_ms: 0 };
        let packing = Packing::begin(bucket)?;
        let mut backup =
            Backup { name, bucket, chain, packing, segments: Vec::new(), checkpoint_bytes, of, done };
        for group in groups {
            self.write_group(&mut backup, &group, progress).await?;
        }
        self.name_what_is_put(&mut backup, true).await?;
        if !backup.segments.is_empty() {
            self.write_manifest(&mut backup).await?;
        }
        backup.done.took_ms = self.environment.ms_since(began);
        Ok(backup.done)
    }

    /// Reads the whole backup at an address back, as a restore would, into memory: every hash, seal, signature and
    /// tree.
    ///
    /// # Errors
    /// When the bucket cannot be read at all; what is wrong inside is listed in the answer.
    pub async fn backup_verify(
        &self,
        url: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Verified, ReplicaError> {
        self.verify_from(&open_bucket(url)?, progress).await
    }

    /// Reads a whole backup back, as [`Replica::backup_verify`] does.
    ///
    /// # Errors
    /// When the bucket cannot be read at all; what is wrong inside is listed in the answer.
    pub async fn verify_from(
        &self,
        bucket: &Bucket,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Verified, ReplicaError> {
        let me = self.me();
        let mut vault = Vault::read(bucket, &me.genesis).await?;
        let items = vault.items();
        let beginning =
            Beginning { seed: &me.seed, genesis: &me.genesis, certificate: me.certificate, items: &items };
        let store = std::sync::Arc::new(MemoryStore::new());
        let rehearsal = match Replica::prepare(store, self.environment.clone(), &beginning) {
            Ok(rehearsal) => rehearsal,
            Err(_) => {
                vault.problems.push("the backup does not hold this device's own certificate".into());
                return Ok(vault.verified(bucket, Digest([0; 32])));
            }
        };
        read_segments(bucket, &mut vault, &rehearsal.keyring(), &rehearsal, &|_| true, progress).await?;
        let heads = heads::shared(&rehearsal.groups(), &self.subscription());
        Ok(vault.verified(bucket, heads))
    }

    /// Tells of the last backup to a bucket, from what this gateway remembers under its address (or the name given to
    /// [`Replica::backup_to`]).
    ///
    /// # Errors
    /// When the store fails.
    pub fn backup_status(&self, url: &str) -> Result<Option<BackupStatus>, ReplicaError> {
        let Some(chain) = self.remembered(url)? else { return Ok(None) };
        let covered: Covered = chain.covered.iter().copied().collect();
        let missing =
            |lane: HeldLane| lane.size - covered.get(&lane.lane).copied().unwrap_or(0).min(lane.size);
        let missing_entries = self.lanes().into_values().map(|state| missing(held_lane(&state))).sum();
        Ok(Some(BackupStatus { url: url.to_owned(), time: chain.time, missing_entries }))
    }

    async fn write_group(
        &self,
        backup: &mut Backup<'_>,
        group: &GroupPlan,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ReplicaError> {
        let ring = self.keyring();
        let Some(key) = ring.seal_key(&group.area, group.part) else {
            tracing::warn!(area = %group.area, part = %group.part, "no key to seal this part: it is not backed up");
            return Ok(());
        };
        let mut ranges = Vec::new();
        for range in &group.ranges {
            let mut next = range.from;
            while next < range.to {
                let (lane, from) = (range.lane, next);
                let mut runs = blocking(|| self.store.runs(&lane, from, READ_BYTES))?;
                let Some(last) = runs.last() else { break };
                let end = last.end();
                // The run at rest may begin with what the bucket has already.
                runs.iter_mut().for_each(|run| run.trim_start(next));
                let is_full = backup.packing.push(plain_of(&join(runs)));
                ranges.push(SegmentRange { lane, from, to: end });
                backup.done.entries += end - next;
                next = end;
                if is_full {
                    self.end_segment(backup, group, std::mem::take(&mut ranges), key).await?;
                }
                let (doing, unit) = ("backing up".to_owned(), "entries".to_owned());
                progress(Progress { doing, done: backup.done.entries, of: backup.of, unit });
            }
        }
        if !ranges.is_empty() {
            self.end_segment(backup, group, ranges, key).await?;
        }
        Ok(())
    }

    /// Ends the open segment.
    async fn end_segment(
        &self,
        backup: &mut Backup<'_>,
        group: &GroupPlan,
        ranges: Vec<SegmentRange>,
        (key, secret): (ReadKeyId, &[u8; 32]),
    ) -> Result<(), ReplicaError> {
        let mut nonce = [0; 24];
        self.environment.fill(&mut nonce);
        let (area, part, secret) = (group.area.clone(), group.part, Zeroizing::new(*secret));
        backup.packing.seal(Seal { area, part, key, secret, nonce }, joined(ranges));
        self.name_what_is_put(backup, false).await
    }

    /// Counts the segments that are in the bucket now, all of them at the end, and writes manifests where they are due.
    async fn name_what_is_put(&self, backup: &mut Backup<'_>, at_end: bool) -> Result<(), ReplicaError> {
        while let Some(segment) = backup.packing.put(at_end).await? {
            backup.done.bytes += segment.size;
            backup.done.segments += 1;
            backup.segments.push(segment);
            if backup.segments.iter().map(|segment| segment.size).sum::<u64>() >= backup.checkpoint_bytes {
                self.write_manifest(backup).await?;
            }
        }
        Ok(())
    }

    /// Writes the manifest that names the segments written since the last one.
    async fn write_manifest(&self, backup: &mut Backup<'_>) -> Result<(), ReplicaError> {
        let (roster, me, chain) = (self.roster(), self.me(), &mut backup.chain);
        let mut fresh = |bytes: &[u8]| chain.carried.insert(item_hash(bytes));
        let certificates = roster.certificates.all().into_iter().filter(|(_, signed)| fresh(signed));
        let certificates = certificates.map(|(_, signed)| signed.to_vec().into()).collect();
        let wraps: Vec<KeyWrap> =
            roster.wraps.iter().filter(|wrap| fresh(&cbor::to_vec(*wrap))).cloned().collect();
        let manifest = Manifest {
            version: Manifest::VERSION,
            realm: me.realm,
            gateway: me.device,
            number: chain.next,
            previous: chain.previous,
            time: self.environment.now(),
            segments: std::mem::take(&mut backup.segments),
            certificates,
            wraps,
        };
        let object = manifest.sign(&me.seed);
        let hash = Manifest::hash(&object);
        let size = object.len() as u64;
        backup.bucket.put_if_absent(&ObjectKey::new(Manifest::key(&me.device, chain.next))?, object).await?;
        chain.take(&manifest, hash);
        backup.done.bytes += size;
        backup.done.manifest = Some(manifest.number);
        self.remember(backup.name, &backup.chain)
    }

    /// Returns this gateway's chain in a bucket: as remembered where the bucket agrees, else read again.
    async fn chain(&self, name: &str, bucket: &Bucket) -> Result<Chain, ReplicaError> {
        let me = self.me();
        let place = |number| ObjectKey::new(Manifest::key(&me.device, number));
        if let Some(chain) = self.remembered(name)? {
            let last = match chain.next.checked_sub(1) {
                Some(last) => bucket.head(&place(last)?).await?.is_some(),
                None => true,
            };
            if last && bucket.head(&place(chain.next)?).await?.is_none() {
                return Ok(chain);
            }
        }
        let mut chain = Chain::default();
        while bucket.head(&place(chain.next)?).await?.is_some() {
            let object = bucket.get(&place(chain.next)?).await?;
            let manifest = Manifest::read(&object, &me.realm, &me.device, chain.next)?;
            chain.take(&manifest, Manifest::hash(&object));
        }
        Ok(chain)
    }

    fn remembered(&self, name: &str) -> Result<Option<Chain>, ReplicaError> {
        let bytes = self.store.named(&chain_name(name))?;
        // A cache of another version is read again from the bucket.
        Ok(bytes.and_then(|bytes| cbor::from_canonical(&bytes).ok()))
    }

    fn remember(&self, name: &str, chain: &Chain) -> Result<(), ReplicaError> {
        let named = vec![(chain_name(name), cbor::to_vec(chain))];
        self.store.commit(Batch { named, ..Batch::default() })?;
        self.backup_covers(&chain.covered);
        Ok(())
    }
}

impl Chain {
    fn take(&mut self, manifest: &Manifest, hash: Digest) {
        let mut covered: Covered = self.covered.iter().copied().collect();
        for range in manifest.segments.iter().flat_map(|segment| &segment.ranges) {
            let end = covered.entry(range.lane).or_default();
            *end = (*end).max(range.to);
        }
        self.covered = covered.into_iter().collect();
        self.carried.extend(manifest.certificates.iter().map(|signed| item_hash(signed)));
        self.carried.extend(manifest.wraps.iter().map(|wrap| item_hash(&cbor::to_vec(wrap))));
        self.previous = Some(hash);
        self.time = manifest.time;
        self.next = manifest.number + 1;
    }
}

/// Returns the key of a segment.
///
/// # Errors
/// Never for a digest; the bucket's own rule is asked all the same.
pub fn segment_key(name: &Digest) -> Result<ObjectKey, ReplicaError> {
    Ok(ObjectKey::new(format!("segments/{name}"))?)
}

/// Returns the control items of a manifest's certificates and wraps.
pub(super) fn items_of(manifest: &Manifest) -> Vec<ControlItem> {
    let certificates = manifest.certificates.iter().map(|signed| ControlItem::Certificate(signed.to_vec()));
    certificates.chain(manifest.wraps.iter().cloned().map(ControlItem::Wrap)).collect()
}

fn held_lane(state: &crate::lane::LaneState) -> HeldLane {
    let (area, part) = (state.name.area.clone(), state.name.part);
    HeldLane { lane: state.id(), area, part, size: state.size() }
}

fn joined(ranges: Vec<SegmentRange>) -> Vec<SegmentRange> {
    let mut joined: Vec<SegmentRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.lane == range.lane && last.to == range.from => last.to = range.to,
            Some(_) | None => joined.push(range),
        }
    }
    joined
}

fn item_hash(bytes: &[u8]) -> Digest {
    hash_tagged("musubi.manifest.item.v1", &[bytes])
}

fn chain_name(name: &str) -> String {
    format!("backup-{}", hash_tagged("musubi.backup.url.v1", &[name.as_bytes()]).short())
}
