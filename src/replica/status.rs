//! How a replica is: what it holds, how far it has heard of whom, what its backup lacks.

use std::collections::BTreeMap;

use super::answer::{Horizon, PeerStatus, Status};
use super::core::Replica;
use super::error::ReplicaError;
use super::heads;
use crate::base::{DeviceId, WallMs};
use crate::identity::DeviceRole;

impl Replica {
    /// Tells how this replica is; `peers` and `backup_url` come from who runs it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn status(&self, peers: Vec<PeerStatus>, backup_url: Option<&str>) -> Result<Status, ReplicaError> {
        let (me, lanes, stats) = (self.me(), self.lanes(), self.store().stats()?);
        let groups = heads::groups(&lanes);
        let mut records = std::collections::BTreeSet::new();
        let mut latest: BTreeMap<DeviceId, WallMs> = BTreeMap::new();
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
        let roster = self.roster();
        let mut entries: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for state in lanes.values() {
            *entries.entry(state.name.device).or_default() += state.size();
        }
        let horizon = entries.into_iter().map(|(device, entries)| {
            let certificate = roster.certificates.of_device(&device).map(|(_, known)| known).next();
            let site = certificate.and_then(|known| roster.certificates.site(&known.site));
            Horizon {
                device: certificate.map_or_else(|| device.short(), |known| known.name.clone()),
                site: site.map_or_else(String::new, |site| site.name.clone()),
                entries,
                latest: latest.get(&device).copied(),
            }
        });
        let backup = backup_url.map(|url| self.backup_status(url)).transpose()?.flatten();
        Ok(Status {
            realm: me.realm_name.clone(),
            site: me.site_certificate.name.clone(),
            device: me.device_certificate.name.clone(),
            device_id: me.device,
            role: role_name(me.device_certificate.role).to_owned(),
            areas: self.areas().into_iter().collect(),
            records: records.len() as u64,
            entries: stats.entries,
            lanes: stats.lanes,
            file_bytes: stats.file_bytes,
            heads: heads::shared(&groups),
            groups,
            quarantined: self.quarantined()?,
            damaged,
            forked: lanes.values().filter(|state| state.fork.is_some()).count() as u64,
            peers,
            horizon: horizon.collect(),
            backup,
            backup_error: None,
            rules_refused: self.rules_refused().map(str::to_owned),
        })
    }
}

/// Names a role as configuration and JSON do.
pub fn role_name(role: DeviceRole) -> &'static str {
    match role {
        DeviceRole::Hospital => "hospital",
        DeviceRole::Tablet => "tablet",
        DeviceRole::Gateway => "gateway",
    }
}
