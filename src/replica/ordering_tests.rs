//! What a person who orders, gives or states something is told at once.

use std::sync::Arc;

use super::answer::Written;
use super::knowing_tests::{hear_all, region, register};
use super::request::{MedicationAction, Write};
use super::sealed_world_tests::{World, author};
use super::section_write::SectionWrite;
use super::{Replica, ReplicaError};
use crate::base::RecordId;

const AREA: &str = "shared/miura";
const SAWACILLIN: &str = "サワシリンカプセル250";
const PASETOCIN: &str = "パセトシン";
const AMLODIPINE: &str = "アムロジピン";

fn order(action: MedicationAction, drug: &str, dose: &str) -> Write {
    Write::Medication { action, drug: drug.into(), code: None, dose: Some(dose.into()), reason: None }
}

fn allergy(substance: &str) -> Write {
    Write::Allergy { substance: substance.into(), code: None, criticality: None, refute: None }
}

/// Two replicas that hold a patient.
fn both() -> (Vec<Arc<Replica>>, RecordId) {
    let world = World::new(12);
    let replicas: Vec<Arc<Replica>> = region(&world).into_iter().take(2).collect();
    let record = register(&replicas[0], "田中 幸雄", AREA);
    hear_all(&replicas);
    (replicas, record)
}

/// A penicillin is given at one, and the other notes the allergy, before they meet.
fn harmed() -> (Vec<Arc<Replica>>, RecordId) {
    let (replicas, record) = both();
    replicas[0].write(&record, order(MedicationAction::Start, SAWACILLIN, "1C"), author()).unwrap();
    replicas[1].write(&record, allergy("ペニシリン"), author()).unwrap();
    hear_all(&replicas);
    (replicas, record)
}

fn is_blocked(written: Result<Written, ReplicaError>) -> bool {
    matches!(written, Err(ReplicaError::Contraindicated(_)))
}

fn told(written: Written) -> String {
    written.warnings.join("\n")
}

#[test]
fn a_further_order_of_what_is_contraindicated_already_needs_its_own_reason_and_a_changed_dose_does_not() {
    let (replicas, record) = harmed();
    let north = &replicas[0];
    for drug in [PASETOCIN, SAWACILLIN, "アモキシシリン"] {
        assert!(
            is_blocked(north.write(&record, order(MedicationAction::Start, drug, "1C"), author())),
            "{drug}"
        );
    }
    let changed = north.write(&record, order(MedicationAction::Change, SAWACILLIN, "2C"), author()).unwrap();
    assert!(told(changed).contains("サワシリン"));
    let start = order(MedicationAction::Start, PASETOCIN, "1C");
    north.write_overriding(&record, start.clone(), author(), Some("代替なし")).unwrap();
    assert!(is_blocked(north.write(&record, start, author())), "each order needs its own");
}

#[test]
fn a_reason_is_kept_also_where_none_was_asked_for() {
    let (replicas, record) = harmed();
    let change = order(MedicationAction::Change, SAWACILLIN, "2C");
    replicas[0].write_overriding(&record, change, author(), Some("感受性を確認した")).unwrap();
    hear_all(&replicas);
    for replica in &replicas {
        let shown = replica.show(&record).unwrap().text;
        assert!(shown.contains("感受性を確認した"), "{shown}");
    }
    let start = order(MedicationAction::Start, AMLODIPINE, "5mg");
    let written = replicas[0].write_overriding(&record, start, author(), Some("念のため")).unwrap();
    assert!(told(written).contains("not needed"));
    assert!(!replicas[0].show(&record).unwrap().text.contains("念のため"));
}

#[test]
fn a_dose_is_checked_when_it_is_given_and_when_the_allergy_comes_later() {
    let (replicas, record) = both();
    let dose = |drug: &str| {
        let (code, dose) = (None, Some("1g".to_owned()));
        Write::Section(SectionWrite::Administration { drug: drug.into(), code, dose, at: None })
    };
    let quiet = replicas[0].write(&record, dose("ビクシリン"), author()).unwrap();
    assert_eq!(told(quiet), "");
    let known = replicas[0].write(&record, allergy("ペニシリン"), author()).unwrap();
    assert!(told(known).contains("ビクシリン"));
    hear_all(&replicas);
    let again = replicas[1].write(&record, dose("ビクシリン"), author()).unwrap();
    assert!(told(again).contains("ペニシリン"), "what was given is written all the same, and told");
    let other = replicas[1].write(&record, dose("アムロジピン"), author()).unwrap();
    assert_eq!(told(other), "", "another drug");
}

#[test]
fn who_goes_on_with_a_drug_that_waits_for_a_decision_is_told_what_that_settles() {
    let (replicas, record) = both();
    let [north, south] = [&replicas[0], &replicas[1]];
    north.write(&record, order(MedicationAction::Start, AMLODIPINE, "5mg"), author()).unwrap();
    hear_all(&replicas);
    let plain = south.write(&record, order(MedicationAction::Change, AMLODIPINE, "7.5mg"), author()).unwrap();
    assert_eq!(told(plain), "");
    hear_all(&replicas);
    north.write(&record, order(MedicationAction::Change, AMLODIPINE, "10mg"), author()).unwrap();
    south.write(&record, order(MedicationAction::Stop, AMLODIPINE, ""), author()).unwrap();
    hear_all(&replicas);
    for action in [MedicationAction::Change, MedicationAction::Hold] {
        let (replicas, record) = (&replicas, &record);
        let written = replicas[0].write(record, order(action, AMLODIPINE, "10mg"), author()).unwrap();
        let is_first = action == MedicationAction::Change;
        assert_eq!(told(written).contains("this settles what contradicted each other"), is_first);
    }
}

#[test]
fn what_the_tables_do_not_know_and_what_is_given_already_is_told_at_the_order() {
    let (replicas, record) = both();
    let start = |drug: &str| {
        replicas[0].write(&record, order(MedicationAction::Start, drug, "1錠"), author()).map(told).unwrap()
    };
    assert!(start("アモキシリン").contains("NOT CHECKED"));
    assert_eq!(start(AMLODIPINE), "");
    assert!(start(AMLODIPINE).contains("active already"));
}

#[test]
fn a_blood_type_that_is_none_is_refused_and_no_allergies_are_no_allergy() {
    let (replicas, record) = both();
    let typed = |group: &str| {
        let group = SectionWrite::BloodType { group: group.into(), confirm: false };
        replicas[0].write(&record, Write::Section(group), author())
    };
    assert!(typed("C").unwrap_err().to_string().contains("A, B, AB or O"));
    assert!(typed("AB型 Rh(-)").is_ok());
    for none in ["なし", "アレルギーなし", "特になし"] {
        replicas[0].write(&record, allergy(none), author()).unwrap();
    }
    let view = replicas[0].person(&record).unwrap().0.view;
    assert!(view.allergies.active.is_empty() && !view.allergies.none_known.is_empty());
}
