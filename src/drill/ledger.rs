//! The ledger of acknowledged writes: what the drill was promised, kept outside of the system.
//!
//! A line is added when, and only when, a replica has acknowledged. At the end every line must be found on
//! every replica's disk; [`Ledger::losses`] names those that are not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scenario::{PatientAlias, ReplicaName};
use crate::base::RecordId;

/// The type and id of a FHIR resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// The type, such as `Patient`.
    pub resource_type: String,
    /// The id.
    pub id: String,
}

impl ResourceKey {
    /// Returns the key of a resource.
    pub fn of(resource: &Value) -> Self {
        let field = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
        Self { resource_type: field("resourceType"), id: field("id") }
    }
}

/// A resource that a person's write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcknowledgedWrite {
    /// The step, from 1.
    pub step: usize,
    /// Where it was written.
    pub replica: ReplicaName,
    /// The record.
    pub record: RecordId,
    /// The FHIR id that every export must hold.
    pub resource_id: String,
}

/// What a person typed into a hand-over text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// The step, from 1.
    pub step: usize,
    /// Where it was typed.
    pub replica: ReplicaName,
    /// The patient.
    pub patient: PatientAlias,
    /// The record.
    pub record: RecordId,
    /// The characters.
    pub text: String,
    /// Whether others may have typed between them: true for a whole text, false for an insertion.
    pub may_be_parted: bool,
}

/// What one replica's disk holds, as its export and its charts tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disk {
    /// The resources of its export; several of one key are versions.
    pub resources: BTreeMap<ResourceKey, Vec<Value>>,
    /// The hand-over texts of a record's charts, joined.
    pub handovers: BTreeMap<RecordId, String>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The step in which it was acknowledged, from 1.
    pub step: usize,
    /// Where it was acknowledged.
    pub replica: ReplicaName,
    /// What was acknowledged, named without patient data.
    pub what: String,
    /// The replicas whose disks lack it.
    pub missing_at: Vec<ReplicaName>,
}

/// What the drill was promised.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    imported: BTreeMap<ResourceKey, Imported>,
    written: Vec<AcknowledgedWrite>,
    typed: Vec<Typed>,
}

/// A resource that was imported, as it was imported last.
#[derive(Debug, Clone)]
struct Imported {
    step: usize,
    replica: ReplicaName,
    resource: Value,
}

impl Ledger {
    /// Notes resources whose import by a replica was acknowledged in a step; what two imported is one promise.
    pub fn imported(
        &mut self,
        step: usize,
        replica: &ReplicaName,
        resources: impl IntoIterator<Item = (ResourceKey, Value)>,
    ) {
        let noted = |resource| Imported { step, replica: replica.clone(), resource };
        self.imported.extend(resources.into_iter().map(|(key, resource)| (key, noted(resource))));
    }

    /// Notes a write that was acknowledged.
    pub fn wrote(&mut self, write: AcknowledgedWrite) {
        self.written.push(write);
    }

    /// Notes what was typed and acknowledged.
    pub fn typed(&mut self, typed: Typed) {
        self.typed.push(typed);
    }

    /// Returns how many promises there are: resources imported, writes, and texts typed.
    pub fn acknowledged(&self) -> u64 {
        (self.imported.len() + self.written.len() + self.typed.len()) as u64
    }

    /// Returns how many promises there are of each kind: resources imported, writes, and texts typed.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.imported.len(), self.written.len(), self.typed.len())
    }

    /// Returns the patients that were imported.
    pub fn imported_patients(&self) -> impl Iterator<Item = &Value> {
        let patients = self.imported.iter().filter(|(key, _)| key.resource_type == "Patient");
        patients.map(|(_, imported)| &imported.resource)
    }

    /// Returns the records into whose hand-over texts something was typed.
    pub fn typed_records(&self) -> BTreeSet<RecordId> {
        self.typed.iter().map(|typed| typed.record).collect()
    }

    /// Returns what was typed for a patient.
    pub fn typed_for<'l>(&'l self, patient: &PatientAlias) -> impl Iterator<Item = &'l Typed> {
        self.typed.iter().filter(move |typed| typed.patient == *patient)
    }

    /// Names every promise that some disk does not keep.
    pub fn losses(&self, disks: &BTreeMap<ReplicaName, Disk>) -> Vec<Loss> {
        let ids: BTreeMap<&ReplicaName, BTreeSet<&str>> = disks
            .iter()
            .map(|(name, disk)| (name, disk.resources.keys().map(|key| key.id.as_str()).collect()))
            .collect();
        let loss =
            |(step, replica): (usize, &ReplicaName), what, kept: &dyn Fn(&ReplicaName, &Disk) -> bool| {
                let missing = disks.iter().filter(|(name, disk)| !kept(name, disk));
                let missing_at: Vec<ReplicaName> = missing.map(|(name, _)| name.clone()).collect();
                (!missing_at.is_empty()).then(|| Loss { step, replica: replica.clone(), what, missing_at })
            };
        let imported = self.imported.iter().filter_map(|(key, Imported { step, replica, resource })| {
            let what = format!("imported {}/{}", key.resource_type, key.id);
            loss((*step, replica), what, &|_, disk| {
                disk.resources.get(key).is_some_and(|versions| versions.contains(resource))
            })
        });
        let written = self.written.iter().filter_map(|write| {
            let what = format!("{} of step {} at {}", write.resource_id, write.step, write.replica);
            let by = (write.step, &write.replica);
            loss(by, what, &|name, _| {
                ids.get(name).is_some_and(|ids| ids.contains(write.resource_id.as_str()))
            })
        });
        let typed = self.typed.iter().filter_map(|typed| {
            let what = format!("hand-over text of step {} at {}", typed.step, typed.replica);
            loss((typed.step, &typed.replica), what, &|_, disk| {
                disk.handovers.get(&typed.record).is_some_and(|handover| typed.is_in(handover))
            })
        });
        imported.chain(written).chain(typed).collect()
    }
}

impl Typed {
    /// Says whether a text still holds every character that was typed, in order.
    pub fn is_in(&self, text: &str) -> bool {
        if !self.may_be_parted {
            return text.contains(&self.text);
        }
        let mut rest = text.chars();
        self.text.chars().all(|wanted| rest.any(|found| found == wanted))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(name: &str) -> ReplicaName {
        ReplicaName(name.into())
    }

    fn key(resource_type: &str, id: &str) -> ResourceKey {
        ResourceKey { resource_type: resource_type.into(), id: id.into() }
    }

    const RECORD: RecordId = RecordId([7; 16]);

    fn typed(text: &str, may_be_parted: bool) -> Typed {
        let patient = PatientAlias("p".into());
        Typed { step: 3, replica: name("south"), patient, record: RECORD, text: text.into(), may_be_parted }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let patient = json!({ "resourceType": "Patient", "id": "p1", "active": true });
        ledger.imported(1, &name("north"), [(key("Patient", "p1"), patient.clone())]);
        ledger.imported(1, &name("south"), [(key("Patient", "p1"), patient)]);
        let resource_id = "note-1".to_owned();
        ledger.wrote(AcknowledgedWrite { step: 2, replica: name("north"), record: RECORD, resource_id });
        ledger.typed(typed("と血圧", false));
        ledger
    }

    fn disk() -> Disk {
        let mut disk = Disk::default();
        let patient = json!({ "active": true, "id": "p1", "resourceType": "Patient" });
        disk.resources.insert(key("Patient", "p1"), vec![patient]);
        disk.resources.insert(key("DocumentReference", "note-1"), vec![json!({})]);
        disk.handovers.insert(RECORD, "見守りと血圧、連絡".into());
        disk
    }

    fn losses(north: Disk, south: Disk) -> Vec<Loss> {
        ledger().losses(&[(name("north"), north), (name("south"), south)].into())
    }

    #[test]
    fn disks_that_hold_everything_lose_nothing() {
        assert_eq!(ledger().acknowledged(), 3, "what two replicas imported is one promise");
        assert_eq!(losses(disk(), disk()), []);
    }

    #[test]
    fn each_kind_of_promise_that_one_disk_lacks_is_a_loss_and_is_named() {
        let mut changed = disk();
        changed.resources.insert(key("Patient", "p1"), vec![json!({ "id": "p1", "active": false })]);
        let mut without_note = disk();
        without_note.resources.remove(&key("DocumentReference", "note-1"));
        let mut without_text = disk();
        without_text.handovers.insert(RECORD, "見守り、と血、圧".into());
        for (lossy, named) in
            [(changed, "Patient/p1"), (without_note, "note-1 of step 2"), (without_text, "step 3 at south")]
        {
            let found = losses(disk(), lossy);
            assert_eq!(found.len(), 1, "{named}");
            assert!(found[0].what.contains(named), "{:?}", found[0]);
            assert_eq!(found[0].missing_at, [name("south")]);
        }
        assert_eq!(losses(Disk::default(), disk()).len(), 3);
    }

    #[test]
    fn a_whole_text_may_be_parted_by_what_others_typed_but_keeps_its_order() {
        assert!(typed("見守り、連絡", true).is_in("見守りと血圧、家族へ連絡"));
        assert!(!typed("見守り、連絡", true).is_in("連絡、見守り"));
        assert!(!typed("見守り、連絡", false).is_in("見守りと血圧、連絡"));
    }
}
