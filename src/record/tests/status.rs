//! The merge rules of what is acted on at once: triage, whereabouts, resuscitation, blood type, care level, consent.

use serde_json::{Value, json};

use crate::record::fixtures::{Story, blood, consent, resuscitation, stay, triage};
use crate::record::safety::AlertKind;
use crate::record::sections::blood_type::{Abo, Rh};
use crate::record::sections::care_level::{CARE_LEVEL_CODE, CareLevel};
use crate::record::sections::consent::{ConsentKind, ConsentLevel};
use crate::record::sections::registry::{CONSENT_CATEGORY_SYSTEM, FOR_RESUSCITATION, MUSUBI_SYSTEM};
use crate::record::sections::resuscitation::{Order, ResuscitationState};
use crate::record::sections::triage::Colour;
use crate::record::statement::Act;
use crate::record::{RecordView, Section};

/// Kinds of the conflicts of a view, and whether they are open.
fn kinds(view: &RecordView) -> Vec<(&'static str, bool)> {
    view.conflicts.iter().map(|conflict| (conflict.kind, conflict.open)).collect()
}

#[test]
fn nobody_triaged_is_no_colour_and_asks_for_no_doctor() {
    let triage = Story::default().view().triage;
    assert_eq!((triage.shown, triage.needs_doctor, triage.marks.disputed), (None, false, false));
    assert!(Colour::Green.is_living() && !Colour::Black.is_living());
}

#[test]
fn what_stands_is_listed_before_what_was_ended_and_the_latest_first() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &triage("green"));
    story.write_as("nurse", 1, Act::Change, &[first], &triage("red"));
    story.write_as("nurse", 3, Act::Assert, &[], &triage("black"));
    story.write_as("nurse", 2, Act::Change, &[first], &triage("red"));
    let second = story.write(2, Act::Assert, &[], &triage("yellow"));
    story.write(2, Act::Refute, &[second], &triage("yellow"));
    let view = story.view();
    let listed: Vec<_> =
        view.triage.assessments.iter().map(|one| (one.colour.name(), one.stands, one.needs_doctor)).collect();
    assert_eq!(
        listed,
        [
            ("red", true, false),
            ("black", true, true),
            ("red", true, false),
            ("yellow", false, false),
            ("green", false, false),
        ]
    );
    assert_eq!(view.triage.shown, Some(Colour::Red));
    assert!(view.triage.marks.concurrent && view.triage.marks.disputed);
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!((conflict.kind, conflict.summary.as_str()), ("black-vs-living", "red ‖ black"));
    let mut places = [1, 2, 3].map(|handle| story.position(handle));
    places.sort_unstable();
    assert_eq!(conflict.statements, places);
}

#[test]
fn equal_colours_are_no_conflict_and_what_was_entered_in_error_is_no_colour() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &triage("yellow"));
    let north = story.write(1, Act::Change, &[base], &triage("red"));
    let south = story.write(2, Act::Change, &[base], &triage("red"));
    assert!(story.view().conflicts.is_empty());
    let other = story.write(3, Act::Change, &[base], &triage("green"));
    assert_eq!(kinds(&story.view()), [("two-colours", true)]);
    story.write(1, Act::Change, &[north, south, other], &triage("green"));
    let view = story.view();
    assert_eq!((kinds(&view), view.triage.shown), (vec![("two-colours", false)], Some(Colour::Green)));
    let mut error = triage("red");
    error["status"] = json!("entered-in-error");
    story.write(2, Act::Assert, &[], &error);
    assert_eq!(story.view().triage.shown, Some(Colour::Green));
}

#[test]
fn colours_that_were_imported_crosswise_all_stand_and_no_nurse_s_black_ends_them() {
    let mut story = Story::default();
    let versions = ["green", "red", "yellow"].map(triage);
    let handles = story.import_crosswise("urn:emr", &versions);
    assert_eq!(story.view().triage.shown, Some(Colour::Red));
    story.write_as("nurse", 3, Act::Change, &[handles[1]], &triage("black"));
    assert_eq!(story.view().triage.shown, Some(Colour::Red));
    story.write_as("nurse", 3, Act::Change, &[handles[1]], &triage("green"));
    assert_eq!(story.view().triage.shown, Some(Colour::Green));
}

#[test]
fn two_writings_of_a_place_have_one_name_and_the_alert_names_the_statements_in_order() {
    for writings in [["三浦 市立", "三浦市立"], ["三浦市立", "三浦 市立"]] {
        let mut story = Story::default();
        let handles = [writings[0], writings[1], "第二小学校"]
            .iter()
            .zip([1, 2, 3])
            .map(|(place, site)| story.write(site, Act::Assert, &[], &stay(place, false)))
            .collect::<Vec<_>>();
        let view = story.view();
        let [alert] = view.alerts.as_slice() else { panic!("expected one alert") };
        assert_eq!(alert.kind, AlertKind::TwoPlaces);
        assert_eq!(alert.why.en, "at 2 places at once: 三浦 市立 ‖ 第二小学校");
        assert_eq!(alert.statements, [0, 1, 2].map(|at| story.position(handles[at])));
        assert_eq!(kinds(&view), [("two-places", true)]);
        assert!(view.whereabouts.current.iter().all(|stay| stay.marks.disputed));
        let shown: Vec<_> = view.whereabouts.current.iter().map(|stay| stay.position).collect();
        assert_eq!(shown, [2, 1, 0].map(|at| story.position(handles[at])), "the latest first");
    }
}

#[test]
fn of_several_places_of_one_stay_the_active_one_counts() {
    let mut story = Story::default();
    let mut moved = stay("", false);
    moved["location"] = json!([
        {"location": {"display": "3階病棟"}, "status": "completed"},
        {"location": {"display": "ICU"}, "status": "active"},
        {"location": {"display": "5階病棟"}, "status": "planned"},
    ]);
    story.import(1, "urn:north", &[], &moved);
    assert_eq!(story.view().whereabouts.current[0].place.as_deref(), Some("ICU"));
}

#[test]
fn who_has_left_or_is_expected_is_nowhere_and_contradicts_nobody() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &stay("第二小学校", false));
    story.write(1, Act::Stop, &[base], &stay("第二小学校", true));
    story.write(2, Act::Stop, &[base], &stay("第二小学校", true));
    let mut planned = stay("三浦市立", false);
    planned["status"] = json!("planned");
    story.write(3, Act::Assert, &[], &planned);
    let view = story.view();
    assert_eq!((view.whereabouts.current.len(), view.whereabouts.history.len()), (0, 4));
    assert!(view.conflicts.is_empty());
    let listed: Vec<_> = view.whereabouts.history.iter().map(|stay| stay.position).collect();
    assert_eq!(listed, [3, 2, 1, 0].map(|handle| story.position(handle)), "the latest first");
}

#[test]
fn arrived_twice_at_one_place_contradicts_nothing_and_a_settled_contradiction_stays_listed() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &stay("自宅", false));
    let north = story.write(1, Act::Change, &[base], &stay("第二小学校", false));
    let south = story.write(2, Act::Change, &[base], &stay("第二小学校", false));
    let view = story.view();
    assert!(view.conflicts.is_empty());
    assert_eq!(view.whereabouts.current.len(), 2, "where the patient was before is history");
    assert!(view.whereabouts.current.iter().all(|stay| stay.marks.concurrent && !stay.marks.disputed));
    let other = story.write(3, Act::Change, &[base], &stay("三浦市立", false));
    story.write(1, Act::Change, &[north, south, other], &stay("三浦市立", false));
    assert_eq!(kinds(&story.view()), [("two-places", false)]);
}

#[test]
fn a_statement_that_has_seen_both_orders_settles_nothing_and_each_is_named_once() {
    let mut story = Story::default();
    let north = story.write(2, Act::Assert, &[], &resuscitation(Order::Attempt));
    let south = story.write(1, Act::Assert, &[], &resuscitation(Order::DoNotAttempt));
    let seen = story.write(3, Act::Change, &[north, south], &resuscitation(Order::Attempt));
    let view = story.view();
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!((conflict.section, conflict.open), (Section::Resuscitation, true));
    assert_eq!(conflict.summary, [Order::Attempt, Order::DoNotAttempt].map(Order::words).join(" ‖ "));
    assert_eq!(conflict.statements, [south, north, seen].map(|handle| story.position(handle)));
    assert!(view.resuscitation.marks.disputed && !view.resuscitation.marks.concurrent);
    assert_eq!(view.resuscitation.orders, [Order::Attempt, Order::DoNotAttempt, Order::Attempt]);
    let sides: Vec<_> = view.resuscitation.sides.iter().map(|side| side.source.positions.clone()).collect();
    assert_eq!(sides, [seen, south, north].map(|handle| vec![story.position(handle)]), "the latest first");
}

#[test]
fn two_decisions_that_had_not_seen_each_other_are_one_open_conflict() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &resuscitation(Order::Attempt));
    story.write(1, Act::Decide, &[base], &resuscitation(Order::Attempt));
    story.write(2, Act::Decide, &[base], &resuscitation(Order::DoNotAttempt));
    let view = story.view();
    assert_eq!(kinds(&view), [("attempt-vs-do-not-attempt", true)]);
    assert!(view.resuscitation.marks.concurrent);
    story.write(3, Act::Decide, &[1, 2], &resuscitation(Order::Attempt));
    assert_eq!(kinds(&story.view()), [("attempt-vs-do-not-attempt", false)]);
}

#[test]
fn a_refuted_order_says_nothing_and_equal_orders_are_no_conflict() {
    let mut story = Story::default();
    let dnar = story.write(1, Act::Assert, &[], &resuscitation(Order::DoNotAttempt));
    story.write(2, Act::Assert, &[], &resuscitation(Order::DoNotAttempt));
    let view = story.view();
    assert!(view.conflicts.is_empty() && view.resuscitation.state == ResuscitationState::DoNotAttempt);
    story.write(1, Act::Refute, &[dnar, 1], &resuscitation(Order::DoNotAttempt));
    assert!(story.view().resuscitation.state == ResuscitationState::Unknown);
}

#[test]
fn a_stolen_device_overrules_itself_and_nobody_else() {
    let mut story = Story::default();
    let said = story.write(1, Act::Assert, &[], &resuscitation(Order::DoNotAttempt));
    let decided = story.write(1, Act::Decide, &[said], &resuscitation(Order::Attempt));
    [said, decided].into_iter().for_each(|thief| story.dispute(thief));
    assert!(story.view().resuscitation.state == ResuscitationState::Attempt);
}

#[test]
fn a_code_of_another_system_is_not_taken_for_a_finding() {
    let mut story = Story::default();
    let code = json!({"coding": [{"system": "urn:local", "code": FOR_RESUSCITATION}]});
    let will = json!({
        "resourceType": "Consent", "status": "active",
        "category": [{"coding": [{"system": CONSENT_CATEGORY_SYSTEM, "code": "dnr"}]}],
        "provision": {"code": [code]},
    });
    story.import(1, "urn:home", &[], &will);
    assert!(story.view().resuscitation.state == ResuscitationState::DoNotAttempt);
}

#[test]
fn a_finding_that_was_entered_in_error_is_no_order() {
    for (status, state) in
        [("final", ResuscitationState::DoNotAttempt), ("entered-in-error", ResuscitationState::Unknown)]
    {
        let mut story = Story::default();
        let finding = json!({"coding": [{"system": "http://snomed.info/sct", "code": "304253006"}]});
        let seen = json!({"resourceType": "Observation", "status": status, "code": finding});
        story.import(1, "urn:home", &[], &seen);
        assert!(story.view().resuscitation.state == state, "{status}");
    }
}

/// A blood type with codes only.
fn coded_blood(codes: &[(&str, &str)]) -> Value {
    let coding: Vec<Value> =
        codes.iter().map(|(system, code)| json!({"system": system, "code": code})).collect();
    json!({
        "resourceType": "Observation", "status": "final", "valueCodeableConcept": {"coding": coding},
        "code": {"coding": [{"system": "http://loinc.org", "code": "882-1"}]},
    })
}

#[test]
fn codes_of_one_blood_type_in_two_systems_are_one_and_of_two_types_are_none() {
    let (snomed, loinc) = ("http://snomed.info/sct", "http://loinc.org");
    let mut story = Story::default();
    story.import(
        1,
        "urn:lab",
        &[],
        &coded_blood(&[(snomed, "165747007"), (snomed, "112144000"), (loinc, "LA6576-8")]),
    );
    let shown = story.view().blood_type;
    assert_eq!((shown.abo, shown.rh, shown.usable), (Some(Abo::A), Some(Rh::Positive), true));
    let mut story = Story::default();
    story.import(1, "urn:lab", &[], &coded_blood(&[(snomed, "112144000"), (snomed, "112149005")]));
    let shown = story.view().blood_type;
    assert_eq!((shown.abo, shown.usable, shown.sides.len()), (None, false, 1), "A beside B is not AB");
}

#[test]
fn a_verified_rh_makes_no_unverified_group_usable() {
    let mut story = Story::default();
    let thief = story.write(1, Act::Assert, &[], &blood("O"));
    story.dispute(thief);
    story.write(2, Act::Assert, &[], &blood("Rh+"));
    let shown = story.view().blood_type;
    assert_eq!((shown.abo, shown.rh, shown.usable), (Some(Abo::O), Some(Rh::Positive), false));
}

#[test]
fn a_blood_type_that_differs_in_both_names_each_statement_once() {
    let mut story = Story::default();
    let north = story.write(2, Act::Assert, &[], &blood("A+"));
    let south = story.write(1, Act::Assert, &[], &blood("B-"));
    let view = story.view();
    assert_eq!(kinds(&view), [("two-abo-groups", true), ("two-rh-types", true)]);
    for conflict in &view.conflicts {
        assert_eq!(conflict.statements, [story.position(south), story.position(north)]);
        assert_eq!(conflict.follows.len(), 2);
    }
}

#[test]
fn both_statements_of_a_forked_lane_stand_at_one_place() {
    let mut story = Story::default();
    let mut twin = story.clone();
    story.write(1, Act::Assert, &[], &blood("A"));
    let other = twin.write(1, Act::Assert, &[], &blood("B"));
    story.entries.push(twin.entries[other].clone());
    let view = story.view();
    assert_eq!((view.conflicts[0].statements.len(), view.conflicts[0].follows.len()), (1, 2));
}

#[test]
fn a_source_corrects_its_own_blood_type_alone_and_on_verified_ground() {
    let with_id = |group: &str, id: &str| {
        let mut resource = blood(group);
        resource["id"] = json!(id);
        resource
    };
    let cases =
        [("b1", false, false, 1), ("b2", false, false, 2), ("b1", true, false, 2), ("b1", true, true, 1)];
    for (id, later_disputed, first_disputed, sides) in cases {
        let mut story = Story::default();
        let first = story.import(1, "urn:lab", &[], &with_id("A", "b1"));
        let later = story.import(1, "urn:lab", &[first], &with_id("B", id));
        if later_disputed {
            story.dispute(later);
        }
        if first_disputed {
            story.dispute(first);
        }
        let shown = story.view().blood_type;
        assert_eq!((shown.sides.len(), shown.usable), (sides, sides == 1 && !later_disputed), "{id}");
    }
}

#[test]
fn blood_types_that_were_imported_crosswise_are_all_shown() {
    for versions in [vec![blood("A"), blood("B")], vec![blood("A"), blood("B"), blood("O")]] {
        let mut story = Story::default();
        let handles = story.import_crosswise("urn:lab", &versions);
        let shown = |story: &Story| {
            let view = story.view();
            (view.blood_type.sides.len(), view.blood_type.usable, kinds(&view))
        };
        assert_eq!(shown(&story), (versions.len(), false, vec![("two-abo-groups", true)]));
        story.write(3, Act::Decide, &handles, &blood("B"));
        assert_eq!(shown(&story), (1, true, vec![]));
    }
}

fn care(value: Value) -> Value {
    json!({
        "resourceType": "Observation", "status": "final", "valueCodeableConcept": value,
        "code": {"coding": [{"system": MUSUBI_SYSTEM, "code": CARE_LEVEL_CODE}]},
    })
}

#[test]
fn a_care_level_is_read_from_its_code_and_from_no_other_system_s() {
    for level in [CareLevel::None, CareLevel::Support2, CareLevel::Care3] {
        let mut story = Story::default();
        let coding = json!([{"system": MUSUBI_SYSTEM, "code": level.code()}]);
        story.import(1, "urn:care", &[], &care(json!({"text": "認定済み", "coding": coding})));
        let shown = &story.view().care_level.certified[0];
        assert_eq!((shown.level, shown.says.as_str()), (Some(level), "認定済み"));
    }
    let mut story = Story::default();
    let coding = json!([{"system": "urn:other", "code": "care-3"}]);
    story.import(1, "urn:care", &[], &care(json!({"text": "認定済み", "coding": coding})));
    assert_eq!(story.view().care_level.certified[0].level, None);
}

#[test]
fn widths_of_a_consent_are_named_from_the_narrowest_on_and_once() {
    for order in [[0, 1, 0], [1, 0, 1]] {
        let levels = [ConsentLevel::Withdrawn, ConsentLevel::Permitted];
        let mut story = Story::default();
        let base = story.write(1, Act::Assert, &[], &consent(ConsentKind::Sharing, ConsentLevel::Limited));
        for (site, level) in [1, 2, 3].into_iter().zip(order) {
            story.write(site, Act::Change, &[base], &consent(ConsentKind::Sharing, levels[level]));
        }
        let view = story.view();
        assert_eq!(kinds(&view), [("consent-widths", true)]);
        assert_eq!(view.conflicts[0].summary, "sharing: withdrawn ‖ permitted");
    }
}
