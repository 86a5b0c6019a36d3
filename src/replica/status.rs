//! How a replica is: what it holds, how far it has heard of whom, where its own writings are, what its backup lacks.
//!
//! Nothing here reads all entries: what is counted is kept (`replica/tally`). Only what is asked for in depth, and a store in
//! which something could not be read before, is read through.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::{Horizon, Status};
use super::core::Replica;
use super::error::ReplicaError;
use super::heads;
use super::held_by::Holders;
use super::horizon::is_heard;
use super::known::{Known, OnDevices, OwnWritings, SiteHeard};
use super::sync_answer::PeerStatus;
use crate::base::{DeviceId, LaneId, WallMs};
use crate::identity::DeviceRole;
use crate::lane::LaneState;

impl Replica {
    /// Tells how this replica is; `peers` and `backup_url` come from who runs it. Of damage it tells what the last scrub
    /// found.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status(&self, peers: Vec<PeerStatus>, backup_url: Option<&str>) -> Result<Status, ReplicaError> {
        let damaged = self.damaged().len() as u64;
        if damaged == 0 && self.is_damage_noted()? {
            // Something could not be read, and nobody has looked since how much.
            return self.status_deep(peers, backup_url);
        }
        let records = self.count_all()?;
        self.save_tally()?;
        let lanes = self.lanes();
        let latest = {
            let tally = self.tally();
            latest_of(&lanes, |lane| tally.latest(lane))
        };
        self.told_status(peers, backup_url, &lanes, (records, damaged, latest))
    }

    /// Tells how this replica is after reading every entry, with the runs that cannot be read.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status_deep(
        &self,
        peers: Vec<PeerStatus>,
        backup_url: Option<&str>,
    ) -> Result<Status, ReplicaError> {
        let lanes = self.lanes();
        let (mut records, mut latest) = (BTreeSet::new(), BTreeMap::<DeviceId, WallMs>::new());
        let damaged = self.scan_whole(|name, _, entry| {
            records.extend(super::index::record_of(entry));
            if let Some(time) = super::index::time_of(entry) {
                let known = latest.entry(name.device).or_default();
                *known = (*known).max(time.wall());
            }
        })?;
        if damaged > 0 {
            self.note_damage(true)?;
        }
        self.count_all()?;
        self.told_status(peers, backup_url, &lanes, (records.len() as u64, damaged, latest))
    }

    fn told_status(
        &self,
        peers: Vec<PeerStatus>,
        backup_url: Option<&str>,
        lanes: &BTreeMap<LaneId, LaneState>,
        (records, damaged, latest): (u64, u64, BTreeMap<DeviceId, WallMs>),
    ) -> Result<Status, ReplicaError> {
        let (me, stats, groups) = (self.me(), self.store().stats()?, self.groups());
        let mut entries: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for state in lanes.values() {
            *entries.entry(state.name.device).or_default() += state.size();
        }
        let backup = backup_url.map(|url| self.backup_status(url)).transpose()?.flatten();
        Ok(Status {
            realm: me.realm_name.clone(),
            site: me.site_certificate.name.clone(),
            device: me.device_certificate.name.clone(),
            device_id: me.device,
            role: role_name(me.device_certificate.role).to_owned(),
            areas: self.areas().into_iter().collect(),
            records,
            entries: stats.entries,
            lanes: stats.lanes,
            file_bytes: stats.file_bytes,
            subscription: self.subscribed(),
            heads: heads::shared(&groups, &self.subscription()),
            groups,
            quarantined: self.quarantined()?,
            damaged,
            forked: lanes.values().filter(|state| state.fork.is_some()).count() as u64,
            peers: self.with_configured(peers),
            refused: BTreeMap::new(),
            known: self.known(&entries, &latest)?,
            horizon: self.horizon_told(&entries, &latest),
            backup,
            backup_error: None,
            rules_refused: self.rules_refused().map(str::to_owned),
        })
    }

    fn horizon_told(
        &self,
        entries: &BTreeMap<DeviceId, u64>,
        latest: &BTreeMap<DeviceId, WallMs>,
    ) -> Vec<Horizon> {
        let told = entries.iter().map(|(device, entries)| {
            let (name, site) = self.device_told(device);
            let (site, latest) = (site.unwrap_or_default(), latest.get(device).copied());
            Horizon { device: name, site, entries: *entries, latest }
        });
        told.collect()
    }

    /// Adds what is remembered of the peers of the configuration, also of those that no session ever named.
    fn with_configured(&self, mut peers: Vec<PeerStatus>) -> Vec<PeerStatus> {
        let heard = self.heard();
        for (name, tried) in heard.configured() {
            let found =
                peers.iter_mut().find(|peer| peer.name == *name || peer.configured.as_ref() == Some(name));
            if let Some(peer) = found {
                (peer.reached, peer.tried_since) = (tried.reached, tried.since);
            }
        }
        peers
    }

    fn known(
        &self,
        entries: &BTreeMap<DeviceId, u64>,
        latest: &BTreeMap<DeviceId, WallMs>,
    ) -> Result<Known, ReplicaError> {
        let (sites, holders, heard) = (self.sites(), self.holders(None, u64::MAX)?, self.sites_heard()?);
        let (own, now) = (self.me().site_certificate.site(), self.environment().now());
        let mut told: Vec<SiteHeard> = sites
            .iter()
            .map(|(site, (name, _))| {
                let times = heard.get(site).copied().unwrap_or_default();
                let (last, own) = (times.heard(), *site == own);
                SiteHeard {
                    site: name.clone(),
                    own,
                    entries: 0,
                    wrote: None,
                    arrived: times.arrived,
                    in_sync: times.in_sync,
                    heard: last,
                    silent_ms: last.map(|last| now.0.saturating_sub(last.0)),
                }
            })
            .collect();
        {
            let inner = self.lock();
            for (place, site) in sites.keys().enumerate() {
                let devices = inner.roster.certificates.devices().filter(|(_, device)| device.site == *site);
                let devices: BTreeSet<DeviceId> = devices.map(|(_, device)| device.device).collect();
                for device in devices {
                    told[place].entries += entries.get(&device).copied().unwrap_or_default();
                    told[place].wrote = told[place].wrote.max(latest.get(&device).copied());
                }
            }
        }
        told.sort_by(|a, b| (!a.own, &a.site).cmp(&(!b.own, &b.site)));
        let readiness = self.readiness_of(&sites, &holders)?.into_iter().map(|(_, ready)| ready);
        Ok(Known { sites: told, own: self.own_writings(&holders)?, readiness: readiness.collect() })
    }

    /// Counts where this device's own writings are.
    fn own_writings(&self, holders: &Holders) -> Result<OwnWritings, ReplicaError> {
        let me = self.me().device;
        let (mut own, mut on) = (OwnWritings::default(), BTreeMap::<u64, u64>::new());
        for (lane, it) in &holders.lanes {
            if it.name.device != me || !is_heard(it.name.part) {
                continue;
            }
            let others = || it.devices.iter().filter(|(device, _)| **device != me).map(|(_, size)| *size);
            let site = holders.sites.get(&me);
            let elsewhere = it
                .devices
                .iter()
                .filter(|(device, _)| holders.sites.get(*device).is_some_and(|other| Some(other) != site));
            let off_site = elsewhere.map(|(_, size)| *size).max().unwrap_or_default();
            let ends: BTreeSet<u64> =
                others().chain([off_site, it.backup, it.here]).map(|size| size.min(it.here)).collect();
            let ends: Vec<u64> = ends.into_iter().collect();
            let counts = self.writings_below(lane, &ends)?;
            let mut before = (0, 0);
            for (end, count) in ends.iter().copied().zip(counts) {
                let writings = count.saturating_sub(before.1);
                if end > before.0 && writings > 0 {
                    let has = |size: u64| size >= end;
                    let devices = 1 + others().filter(|size| has(*size)).count() as u64;
                    *on.entry(devices).or_default() += writings;
                    own.writings += writings;
                    own.off_site += if has(off_site) { writings } else { 0 };
                    own.in_backup += if has(it.backup) { writings } else { 0 };
                    own.on_this_device_only += if devices == 1 && !has(it.backup) { writings } else { 0 };
                }
                before = (end, count);
            }
        }
        own.on = on.into_iter().map(|(devices, writings)| OnDevices { devices, writings }).collect();
        Ok(own)
    }
}

fn latest_of(
    lanes: &BTreeMap<LaneId, LaneState>,
    of: impl Fn(&LaneId) -> Option<WallMs>,
) -> BTreeMap<DeviceId, WallMs> {
    let mut latest: BTreeMap<DeviceId, WallMs> = BTreeMap::new();
    for (lane, state) in lanes {
        if let Some(time) = of(lane) {
            let known = latest.entry(state.name.device).or_default();
            *known = (*known).max(time);
        }
    }
    latest
}

/// Names a role as configuration and JSON do.
pub fn role_name(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Hospital => "hospital",
        DeviceRole::Tablet => "tablet",
        DeviceRole::Gateway => "gateway",
    }
}
