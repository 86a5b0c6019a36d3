//! On how many independent replicas something is, as far as this replica knows: at least so many, never more.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::core::{Inner, Place, Replica};
use super::error::ReplicaError;
use crate::base::{DeviceId, LaneId, SiteId, WallMs};
use crate::lane::{LaneMark, LaneName};

/// A device of which nothing was heard for so long does not count any more: 30 days. Nobody tells of a disk that was
/// destroyed, and a promise does not keep data.
pub const UNHEARD_MAX_MS: u64 = 30 * 86_400_000;

/// Where a statement is, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldBy {
    /// Devices that hold it, this one among them.
    pub devices: u64,
    /// Sites of these devices.
    pub sites: u64,
    /// Whether a device of another site than its writer's holds it.
    pub off_site: bool,
    /// Whether it is in the backup.
    pub in_backup: bool,
}

impl HeldBy {
    /// Says whether it is on one device alone and in no backup, as far as known.
    pub fn is_on_one_device_only(&self) -> bool {
        self.devices <= 1 && !self.in_backup
    }
}

/// Who holds how much of one lane.
#[derive(Debug, Clone)]
pub(super) struct LaneHolders {
    /// Its name.
    pub(super) name: LaneName,
    /// The site that writes it, whether or not its word counts.
    pub(super) writer: Option<SiteId>,
    /// How much of it is here.
    pub(super) here: u64,
    /// How much each device holds, this one among them.
    pub(super) devices: BTreeMap<DeviceId, u64>,
    /// How much of it is in the backup.
    pub(super) backup: u64,
}

/// Who holds how much of some lanes: looked up once for an answer.
#[derive(Debug, Default)]
pub(super) struct Holders {
    pub(super) lanes: BTreeMap<LaneId, LaneHolders>,
    /// The site of each device that counts.
    pub(super) sites: BTreeMap<DeviceId, SiteId>,
}

impl Holders {
    /// Says where an entry is, at least.
    pub(super) fn of(&self, lane: &LaneId, seq: u64) -> HeldBy {
        let Some(holders) = self.lanes.get(lane) else { return HeldBy::default() };
        let has = |size: &u64| *size > seq;
        let devices = holders.devices.iter().filter(|(_, size)| has(size)).map(|(device, _)| device);
        let (mut count, mut sites) = (0, BTreeSet::<SiteId>::new());
        for device in devices {
            count += 1;
            sites.extend(self.sites.get(device));
        }
        let off_site = sites.iter().any(|site| holders.writer.is_some_and(|writer| *site != writer));
        HeldBy { devices: count, sites: sites.len() as u64, off_site, in_backup: has(&holders.backup) }
    }
}

impl Replica {
    /// Says on how many independent replicas an entry is, at least.
    ///
    /// # Errors
    /// When the store fails.
    pub fn held_by(&self, place: Place) -> Result<HeldBy, ReplicaError> {
        Ok(self.holders(Some(&BTreeSet::from([place.lane])), u64::MAX)?.of(&place.lane, place.seq))
    }

    /// Lists what this replica says that other devices hold: each device, the lane, and how many of its entries at least.
    ///
    /// # Errors
    /// When the store fails.
    pub fn held_elsewhere(&self) -> Result<Vec<(DeviceId, LaneId, u64)>, ReplicaError> {
        let (me, holders) = (self.me().device, self.holders(None, u64::MAX)?);
        let said = holders.lanes.into_iter().flat_map(|(lane, holders)| {
            holders.devices.into_iter().map(move |(device, size)| (device, lane, size))
        });
        Ok(said.filter(|(device, _, _)| *device != me).collect())
    }

    /// Finds out who holds how much of some lanes, or of all that are held here, looking at so many entries for what others
    /// have said since it was last looked: where that does not suffice, it is less that is told.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn holders(
        &self,
        wanted: Option<&BTreeSet<LaneId>>,
        budget: u64,
    ) -> Result<Holders, ReplicaError> {
        self.note_arrivals()?;
        let mut hearsay = self.hearsay();
        self.listen_to_others(&mut hearsay, budget)?;
        let now = self.environment().now();
        let me = self.me().device;
        let inner = self.lock();
        let sites = self.sites_that_count(&inner, now);
        let heard = self.heard();
        let mut lanes = BTreeMap::new();
        let states =
            inner.lanes.iter().filter(|(lane, _)| wanted.is_none_or(|wanted| wanted.contains(*lane)));
        for (lane, state) in states {
            // Of a forked lane the trunk alone is the same everywhere.
            let trunk = state.fork.as_ref().map_or(u64::MAX, |fork| fork.at);
            let mut devices = BTreeMap::from([(me, state.size())]);
            let mut raise = |device: &DeviceId, size: u64| {
                let size = size.min(trunk);
                if size > 0 && sites.contains_key(device) {
                    let known = devices.entry(*device).or_default();
                    *known = size.max(*known);
                }
            };
            // Who wrote it has it.
            raise(&state.name.device, state.size());
            hearsay.of(&LaneMark::of(lane)).for_each(|(device, size)| raise(device, *size));
            for (device, peer) in heard.peers() {
                peer.lanes.get(lane).into_iter().for_each(|size| raise(device, *size));
                peer.ahead.get(lane).into_iter().for_each(|(_, size)| raise(device, *size));
            }
            let backup = heard.covered().get(lane).copied().unwrap_or_default().min(trunk);
            let (name, here) = (state.name.clone(), state.size());
            let writer =
                inner.roster.certificates.of_device(&name.device).map(|(_, known)| known.site).next();
            lanes.insert(*lane, LaneHolders { name, writer, here, devices, backup });
        }
        Ok(Holders { lanes, sites })
    }

    /// The devices whose word counts, with their sites: with a certificate, without a forked lane, and heard of lately.
    fn sites_that_count(&self, inner: &Inner, now: WallMs) -> BTreeMap<DeviceId, SiteId> {
        let me = self.me().device;
        let forked: BTreeSet<DeviceId> = inner
            .lanes
            .values()
            .filter(|state| state.fork.is_some())
            .map(|state| state.name.device)
            .collect();
        let certificates = inner.roster.certificates.devices();
        let mut sites: BTreeMap<DeviceId, SiteId> =
            certificates.map(|(_, known)| (known.device, known.site)).collect();
        let (heard, tally) = (self.heard(), self.tally());
        let met = |device: &DeviceId| heard.peers().get(device).and_then(|peer| peer.met);
        let arrived = |device: &DeviceId| tally.arrived(device);
        let is_lately = |device: &DeviceId| {
            let last = met(device).max(arrived(device));
            last.is_none_or(|last| now.0.saturating_sub(last.0) <= UNHEARD_MAX_MS)
        };
        sites.retain(|device, _| *device == me || !forked.contains(device) && is_lately(device));
        sites
    }
}
