//! Values that the tests of several files need.

use std::collections::BTreeMap;

use serde_json::json;

use super::judge::{Observations, RestoreSeen};
use super::ledger::{AcknowledgedWrite, Disk, Ledger, ResourceKey, Typed};
use super::observer::RecordSeen;
use super::scenario::{PatientAlias, ReplicaName, Scenario};
use crate::base::{Area, DeviceId, Digest, Part, RecordId};
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
        subscription: Vec::new(),
        quarantined: 0,
        damaged: 0,
        backup_error: None,
        rules_refused: None,
        forked: 0,
        peers: Vec::new(),
        nearby: None,
        known: Default::default(),
        refused: Default::default(),
        horizon: Vec::new(),
        backup: None,
    }
}

/// The one record of [`good_run`].
pub const RECORD: RecordId = RecordId([7; 16]);

const SCENARIO: &str = r#"
realm = "drill"
title = { en = "A short drill", ja = "短い訓練" }
story = { en = "Two hospitals are cut off from each other.", ja = "二つの病院が孤立する。" }
patients = { aoki = { find = "青木 武" } }
backup = { gateway = "north" }
replica = [
  { name = "north", site = "North 北", kind = "hospital", role = "hospital", areas = ["shared/miura"], author = { name = "佐藤", role = "doctor" } },
  { name = "south", site = "South 南", kind = "hospital", role = "hospital", areas = ["shared/miura"], author = { name = "三上", role = "doctor" } },
]
link = [{ between = ["north", "south"], profile = "lan" }]
event = [
  { do = "import", at = "north", data = "." },
  { do = "wait-converged" },
  { do = "backup" },
  { do = "cut", what = "everything", tell = "The quake." },
  { do = "medication", at = "south", patient = "aoki", action = "stop", drug = "ワルファリン" },
  { do = "handover", at = "south", patient = "aoki", insert = "と血圧", after = "見守り" },
  { do = "kill-in-mid-write", at = "north", patient = "aoki" },
  { do = "start", at = "north" },
  { do = "heal", what = "everything" },
  { do = "wait-converged" },
  { do = "destroy-disk", at = "south" },
  { do = "restore", at = "south" },
  { do = "start", at = "south" },
]
expect = [
  { name = "heads-differ-before-heal" },
  { name = "heads-equal-after-heal" },
  { name = "no-acknowledged-write-lost" },
  { name = "conflict-open", section = "medication", kind = "dose-vs-stop", patient = "aoki" },
  { name = "alert-open", kind = "drug-allergy", patient = "aoki" },
  { name = "handover-has-all", patient = "aoki" },
  { name = "restored-heads-equal" },
  { name = "records-equal" },
]
"#;

/// A scenario with every expectation, and what was observed of a run in which all of them hold.
pub fn good_run() -> (Scenario, Observations) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Patient.ndjson"), "").unwrap();
    let path = dir.path().join("short.toml");
    std::fs::write(&path, SCENARIO).unwrap();
    let scenario = Scenario::read(&path).unwrap();

    let (north, south) = (name("north"), name("south"));
    let both = |north_has: u8, south_has: u8| {
        let status = |digest| status(&["shared/miura"], digest);
        BTreeMap::from([(north.clone(), status(north_has)), (south.clone(), status(south_has))])
    };
    let patient = PatientAlias("aoki".into());
    let mut ledger = Ledger::default();
    let key = |kind: &str, id: &str| ResourceKey { resource_type: kind.into(), id: id.into() };
    let imported = json!({ "resourceType": "Patient", "id": "p1" });
    ledger.imported(1, &north, [(key("Patient", "p1"), imported.clone())]);
    let resource_id = "note-1".to_owned();
    ledger.wrote(AcknowledgedWrite { step: 7, replica: north.clone(), record: RECORD, resource_id });
    let (text, may_be_parted) = ("と血圧".to_owned(), false);
    let (replica, alias) = (south.clone(), patient.clone());
    ledger.typed(Typed { step: 6, replica, patient: alias, record: RECORD, text, may_be_parted });
    let note = json!({ "resourceType": "DocumentReference", "id": "note-1" });
    let disk = Disk {
        resources: [(key("Patient", "p1"), vec![imported]), (key("DocumentReference", "note-1"), vec![note])]
            .into(),
        handovers: [(RECORD, "夜間は見守りと血圧、採血。".to_owned())].into(),
    };
    let view = json!({
        "conflicts": [{ "section": "medication", "kind": "dose-vs-stop", "open": true }],
        "alerts": [{ "kind": "drug-allergy", "severity": "contraindicated" }],
    });
    let shown =
        BTreeMap::from([(RECORD, RecordSeen { view, handover: "夜間は見守りと血圧、採血。".into() })]);
    let seen = Observations {
        sim: None,
        before_heal: both(1, 2),
        at_end: both(3, 3),
        disks: [(north.clone(), disk.clone()), (south.clone(), disk)].into(),
        views: [(north, shown.clone()), (south, shown)].into(),
        patients: [(patient, RECORD)].into(),
        ledger,
        restore: Some(RestoreSeen {
            destroyed: Some(Digest([3; 32])),
            restored: Some(Digest([3; 32])),
            problems: Vec::new(),
        }),
        failures: Vec::new(),
        converge_after_heal_s: Some(1.25),
        sync_bytes: 123_456,
        backup_bytes: 7_890,
        metered: Vec::new(),
    };
    (scenario, seen)
}
