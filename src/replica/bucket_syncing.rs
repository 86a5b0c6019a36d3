//! Syncing through a bucket: S3 (or a folder) as a passive peer, where no path to another replica is left.
//!
//! Whoever syncs reads what the manifests of all writers have added since the last time, takes the segments that it
//! lacks, vital parts first, through the same admission as everything else, and then puts what no manifest names
//! under a chain of its own. Nothing is ever overwritten, so any number of replicas may do so at one time; two that
//! put the same runs cost each other bytes, and nothing else.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::backing::open_bucket;
use super::core::Replica;
use super::error::ReplicaError;
use super::request::Progress;
use super::restoring::{ReadUpTo, Vault, read_segments};
use super::sync_answer::Synced;
use crate::backup::Bucket;
use crate::backup::manifest::SegmentRef;
use crate::backup::plan::Covered;
use crate::base::{DeviceId, Digest, LaneId, cbor, hash_tagged};
use crate::identity::ControlItem;
use crate::store::Batch;
use crate::sync::Group;

/// What a replica remembers of a bucket that it syncs with: a cache, read again from the bucket when it is lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Memory {
    /// What was wanted and could be opened when it was written; when that changes, everything is looked at again.
    #[n(0)]
    wanted: Option<Digest>,
    /// How far each writer's chain was read: device, next number, hash of the manifest before it.
    #[n(1)]
    read: Vec<(DeviceId, u64, Digest)>,
    /// How far each lane is in the bucket, by all manifests that were read.
    #[n(2)]
    covered: Vec<(LaneId, u64)>,
}

/// Says whether an address names a bucket, and not a replica.
pub fn is_bucket(address: &str) -> bool {
    address.contains("://")
}

impl Replica {
    /// Syncs with the bucket at an address, both ways.
    ///
    /// # Errors
    /// When the bucket or the store fails, and when what lies in the bucket is damaged: then everything that is
    /// whole was taken and given all the same.
    pub async fn sync_bucket(
        &self,
        url: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Synced, ReplicaError> {
        self.sync_with_bucket(&open_bucket(url)?, url, progress).await
    }

    /// Syncs with a bucket; `name` is that under which this replica remembers how far it is there.
    ///
    /// # Errors
    /// As [`Replica::sync_bucket`].
    pub async fn sync_with_bucket(
        &self,
        bucket: &Bucket,
        name: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Synced, ReplicaError> {
        let began = self.environment.now();
        bucket.make_sure().await?;
        let memory = self.memory_of(name)?;
        let read: ReadUpTo =
            memory.read.iter().map(|(gateway, next, hash)| (*gateway, (*next, *hash))).collect();
        let mut vault = Vault::read_on(bucket, self.roster(), read).await?;
        let mut covered: Covered = memory.covered.iter().copied().collect();
        for range in vault.segments().flat_map(|segment| &segment.ranges) {
            let size = covered.entry(range.lane).or_default();
            *size = (*size).max(range.to);
        }
        self.take_from(bucket, &mut vault, progress).await?;
        if vault.problems.is_empty() {
            let read = vault.reached().iter().map(|(gateway, (next, hash))| (*gateway, *next, *hash));
            let covered_now = covered.iter().map(|(lane, size)| (*lane, *size));
            let now = Memory {
                wanted: Some(self.wanted_digest()),
                read: read.collect(),
                covered: covered_now.collect(),
            };
            if now != memory {
                let named = vec![(memory_name(name), cbor::to_vec(&now))];
                self.store.commit(Batch { named, ..Batch::default() })?;
            }
        }
        let given = self.backup_the_rest(bucket, name, &covered, progress).await?;
        if !vault.problems.is_empty() {
            let what = vault.problems.join("; ");
            return Err(ReplicaError::BackupDamaged(format!("{}: {what}", bucket.address())));
        }
        Ok(Synced {
            peer: bucket.address(),
            received: vault.entries(),
            sent: given.entries,
            bytes_received: vault.bytes(),
            bytes_sent: given.bytes,
            took_ms: self.environment.ms_since(began),
        })
    }

    /// Admits the segments of which this replica lacks something. Certificates come first; key wraps come in the
    /// control lanes, as from any peer.
    async fn take_from(
        &self,
        bucket: &Bucket,
        vault: &mut Vault,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), ReplicaError> {
        let signed: Vec<Vec<u8>> = vault
            .items()
            .into_iter()
            .filter_map(|item| match item {
                ControlItem::Certificate(signed) => Some(signed),
                ControlItem::Wrap(_) => None,
            })
            .collect();
        let bad = self.offer_certificates(&signed);
        if bad > 0 {
            vault.problems.push(format!("{bad} certificates that never verify"));
        }
        let subscription = self.subscription();
        let held: BTreeMap<LaneId, u64> =
            self.lanes().into_iter().map(|(lane, state)| (lane, state.size())).collect();
        let is_wanted = |segment: &SegmentRef| {
            let brings = |lane, to| held.get(lane).is_none_or(|size| to > *size);
            let group = Group { part: segment.part, area: segment.area.clone() };
            subscription.contains(&group) && segment.ranges.iter().any(|range| brings(&range.lane, range.to))
        };
        read_segments(bucket, vault, &self.keyring(), self, &is_wanted, progress).await
    }

    /// Returns what is remembered of a bucket; nothing when this replica wants, or can open, other things now.
    fn memory_of(&self, name: &str) -> Result<Memory, ReplicaError> {
        let bytes = self.store.named(&memory_name(name))?;
        let memory: Option<Memory> = bytes.and_then(|bytes| cbor::from_canonical(&bytes).ok());
        Ok(memory.filter(|memory| memory.wanted == Some(self.wanted_digest())).unwrap_or_default())
    }

    /// Digests the groups subscribed to, with the keys that open them.
    fn wanted_digest(&self) -> Digest {
        let ring = self.keyring();
        let group = |group: &Group| {
            let key = ring.seal_key(&group.area, group.part).map(|(id, _)| cbor::to_vec(&id));
            [&[group.part.code()], group.area.as_str().as_bytes(), &[0], &key.unwrap_or_default()].concat()
        };
        let groups: Vec<Vec<u8>> = self.subscription().iter().map(group).collect();
        let parts: Vec<&[u8]> = groups.iter().map(Vec::as_slice).collect();
        hash_tagged("musubi.bucket.wanted.v1", &parts)
    }
}

fn memory_name(name: &str) -> String {
    format!("bucket-{}", hash_tagged("musubi.backup.url.v1", &[name.as_bytes()]).short())
}
