//! The merge rule of medication, and which imported orders are active.

use serde_json::{Value, json};

use crate::record::fixtures::{Story, allergy, order};
use crate::record::sections::medication::{MedicationState, is_giving};
use crate::record::statement::Act;

fn kinds(story: &Story) -> Vec<(&'static str, bool)> {
    story.view().conflicts.iter().map(|conflict| (conflict.kind, conflict.open)).collect()
}

#[test]
fn a_stop_never_wins_over_a_change_it_has_not_seen() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("ワルファリン", "active", "2mg"));
    story.write(1, Act::Change, &[base], &order("ワルファリン", "active", "3mg"));
    story.write(2, Act::Stop, &[base], &order("ワルファリン", "stopped", ""));
    let view = story.view();
    let [drug] = view.medication.active.as_slice() else { panic!("expected one active drug") };
    assert_eq!(drug.state, MedicationState::DecisionNeeded);
    assert!(drug.state.is_active_for_checks());
    assert_eq!(drug.doses, ["3mg"]);
    assert_eq!(kinds(&story), [("dose-vs-stop", true)]);
    assert_eq!(view.conflicts[0].summary, "give ワルファリン 3mg ‖ stop ワルファリン");
}

#[test]
fn a_decision_leaves_one_tip() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("ワルファリン", "active", "2mg"));
    let change = story.write(1, Act::Change, &[base], &order("ワルファリン", "active", "3mg"));
    let stop = story.write(2, Act::Stop, &[base], &order("ワルファリン", "stopped", ""));
    story.write(2, Act::Decide, &[change, stop], &order("ワルファリン", "stopped", ""));
    let view = story.view();
    assert!(view.medication.active.is_empty());
    assert_eq!(view.medication.ended.len(), 1);
    assert!(!view.medication.ended[0].state.is_active_for_checks());
    assert_eq!(kinds(&story), [("dose-vs-stop", false)]);
}

#[test]
fn two_doses_are_both_shown() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("アムロジピン", "active", "5mg"));
    story.write(1, Act::Change, &[base], &order("アムロジピン", "active", "10mg"));
    story.write(2, Act::Change, &[base], &order("アムロジピン", "active", "2.5mg"));
    let view = story.view();
    assert_eq!(view.medication.active[0].doses, ["10mg", "2.5mg"]);
    assert_eq!(kinds(&story), [("two-doses", true)]);
}

#[test]
fn equal_changes_made_apart_are_no_conflict() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("アムロジピン", "active", "5mg"));
    story.write(1, Act::Change, &[base], &order("アムロジピン", "active", "10mg"));
    story.write(2, Act::Change, &[base], &order("アムロジピン", "active", "10mg"));
    let view = story.view();
    assert!(view.conflicts.is_empty());
    assert_eq!(view.medication.active[0].state, MedicationState::Active);
    assert!(view.medication.active[0].marks.concurrent);
}

#[test]
fn kinds_of_conflict_are_named() {
    let dose = || (Act::Change, order("薬", "active", "1"));
    let hold = || (Act::Hold, order("薬", "on-hold", ""));
    let stop = || (Act::Stop, order("薬", "stopped", ""));
    let other = || (Act::Change, order("別の薬", "active", "1"));
    type Step = (Act, Value);
    let cases: [(Step, Step, &str); 5] = [
        (dose(), stop(), "dose-vs-stop"),
        (dose(), hold(), "dose-vs-hold"),
        (hold(), stop(), "hold-vs-stop"),
        (dose(), other(), "two-drugs"),
        (dose(), (Act::Change, order("薬", "active", "2")), "two-doses"),
    ];
    for (north, south, kind) in cases {
        let mut story = Story::default();
        let base = story.write(1, Act::Assert, &[], &order("薬", "active", "0"));
        story.write(1, north.0, &[base], &north.1);
        story.write(2, south.0, &[base], &south.1);
        assert_eq!(kinds(&story), [(kind, true)]);
        assert_eq!(story.view().medication.active[0].state, MedicationState::DecisionNeeded, "{kind}");
    }
}

#[test]
fn which_imported_orders_are_active() {
    let with = |status: &str, change: Value| {
        let mut resource = order("薬", status, "1錠");
        change.as_object().unwrap().iter().for_each(|(key, value)| resource[key] = value.clone());
        resource
    };
    let continuous = json!({"courseOfTherapyType": {"coding": [{"code": "continuous"}]}});
    let cases = [
        (with("active", json!({})), MedicationState::Active),
        (with("completed", continuous.clone()), MedicationState::Active),
        (with("completed", json!({})), MedicationState::Recorded),
        (with("unknown", json!({})), MedicationState::Recorded),
        (json!({"resourceType": "MedicationRequest"}), MedicationState::Recorded),
        (with("on-hold", json!({})), MedicationState::OnHold),
        (with("stopped", continuous), MedicationState::Stopped),
        (with("cancelled", json!({})), MedicationState::Stopped),
        (with("draft", json!({})), MedicationState::Planned),
        (with("active", json!({"intent": "proposal"})), MedicationState::Planned),
        (with("active", json!({"doNotPerform": true})), MedicationState::Prohibited),
        (with("entered-in-error", json!({})), MedicationState::EnteredInError),
        (with("completed", json!({"resourceType": "MedicationStatement"})), MedicationState::Stopped),
        (with("completed", json!({"resourceType": "MedicationDispense"})), MedicationState::Recorded),
    ];
    for (resource, state) in cases {
        let mut story = Story::default();
        story.import(1, "urn:source", &[], &resource);
        let list = story.view().medication;
        let all: Vec<_> = [list.active, list.recorded, list.ended].concat();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].state, state, "{resource}");
    }
}

#[test]
fn the_last_day_comes_from_supply_and_timing() {
    let mut resource = order("薬", "completed", "1錠");
    resource["authoredOn"] = json!("2026-07-05T08:10:00+09:00");
    resource["dosageInstruction"][0]["timing"] =
        json!({"repeat": {"boundsDuration": {"value": 1, "unit": "日", "code": "d"}}});
    let until = |resource: &Value| {
        let mut story = Story::default();
        story.import(1, "urn:source", &[], resource);
        story.view().medication.recorded[0].until.clone()
    };
    assert_eq!(until(&resource).as_deref(), Some("2026-07-05"));
    resource["dispenseRequest"] = json!({"expectedSupplyDuration": {"value": 30, "unit": "日", "code": "d"}});
    assert_eq!(until(&resource).as_deref(), Some("2026-08-03"));
    resource["dispenseRequest"] =
        json!({"expectedSupplyDuration": {"value": 1e12, "unit": "日", "code": "d"}});
    assert_eq!(until(&resource).as_deref(), Some("2026-07-05"), "an impossible duration tells nothing");
}

#[test]
fn a_drug_in_a_contained_resource_is_named() {
    let mut story = Story::default();
    story.import(
        1,
        "urn:source",
        &[],
        &json!({
            "resourceType": "MedicationRequest", "status": "active",
            "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "ヘパリン"}}],
            "medicationReference": {"reference": "#m"},
        }),
    );
    assert_eq!(story.view().medication.active[0].name, "ヘパリン");
}

#[test]
fn a_disputed_stop_does_not_stop() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("ワルファリン", "active", "2mg"));
    let thief = story.write(2, Act::Stop, &[base], &order("ワルファリン", "stopped", ""));
    story.dispute(thief);
    let view = story.view();
    let [drug] = view.medication.active.as_slice() else { panic!("expected one active drug") };
    assert!(drug.marks.unverified);
    assert_eq!(drug.state, MedicationState::DecisionNeeded);
    // A verified statement that stands on it countersigns it.
    story.write(1, Act::Stop, &[thief], &order("ワルファリン", "stopped", ""));
    assert!(story.view().medication.active.is_empty());
}

#[test]
fn two_sites_that_name_a_drug_by_the_same_codes_show_each_code_once() {
    let mut story = Story::default();
    let coded = |dose: &str| {
        let mut resource = order("ワルファリン", "active", dose);
        resource["medicationCodeableConcept"]["coding"] =
            json!([{"system": "urn:yj", "code": "3332001F1024"}, {"system": "urn:hot", "code": "104197401"}]);
        resource
    };
    let base = story.write(1, Act::Assert, &[], &coded("2mg"));
    story.write(1, Act::Change, &[base], &coded("3mg"));
    story.write(2, Act::Change, &[base], &coded("1mg"));
    let view = story.view();
    let codes: Vec<&str> = view.medication.active[0].codes.iter().map(|code| code.code.as_str()).collect();
    assert_eq!(codes, ["104197401", "3332001F1024"]);
}

#[test]
fn a_prohibition_beside_an_order_needs_a_decision() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("ワルファリン", "active", "2mg"));
    story.write(1, Act::Change, &[base], &order("ワルファリン", "active", "3mg"));
    let mut never = order("ワルファリン", "active", "");
    never["doNotPerform"] = json!(true);
    story.write(2, Act::Change, &[base], &never);
    assert_eq!(kinds(&story), [("dose-vs-prohibition", true)]);
    assert_eq!(story.view().medication.active[0].state, MedicationState::DecisionNeeded);
}

#[test]
fn an_order_gives_a_drug_and_a_stop_or_an_allergy_gives_none() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("アスピリン", "active", "100mg"));
    story.write(1, Act::Stop, &[base], &order("アスピリン", "stopped", ""));
    story.write(1, Act::Assert, &[], &allergy("アスピリン"));
    let facts = story.facts();
    assert_eq!(facts.iter().map(is_giving).collect::<Vec<_>>(), [true, false, false]);
}
