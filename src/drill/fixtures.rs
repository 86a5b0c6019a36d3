//! Values that the tests of several files need.

use super::scenario::ReplicaName;
use crate::base::{Area, DeviceId, Digest, Part};
use crate::replica::answer::{GroupHeads, Status};

/// A replica's name.
pub fn name(name: &str) -> ReplicaName {
    ReplicaName(name.into())
}

/// How a replica is that holds areas, with the same digest everywhere.
pub fn status(areas: &[&str], digest: u8) -> Status {
    let areas: Vec<Area> = areas.iter().map(|area| Area::new(area).unwrap()).collect();
    let group = |area: &Area| GroupHeads {
        area: area.clone(),
        part: Part::Card,
        digest: Digest([digest; 32]),
        lanes: 2,
        entries: 9,
    };
    Status {
        realm: "r".into(),
        site: "s".into(),
        device: "d".into(),
        device_id: DeviceId([1; 32]),
        role: "hospital".into(),
        records: 25,
        entries: 70,
        lanes: 4,
        file_bytes: 1,
        heads: Digest([digest; 32]),
        groups: areas.iter().map(group).collect(),
        areas,
        quarantined: 0,
        forked: 0,
        peers: Vec::new(),
        horizon: Vec::new(),
        backup: None,
    }
}
