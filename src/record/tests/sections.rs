//! The sections, case by case: what a law does not say, and what comes from elsewhere.

use serde_json::json;

use crate::base::WallMs;
use crate::record::fixtures::{
    Story, blood, consent, dose, note, potassium, pulse, resuscitation, shot, stay, triage,
};
use crate::record::render;
use crate::record::safety::AlertKind;
use crate::record::sections::administration::DoseState;
use crate::record::sections::blood_type::{Abo, Rh};
use crate::record::sections::consent::{ConsentKind, ConsentLevel};
use crate::record::sections::immunisation::ShotState;
use crate::record::sections::resuscitation::{Order, ResuscitationState};
use crate::record::sections::triage::Colour;
use crate::record::statement::Act;

#[test]
fn a_nurse_s_black_after_red_shows_red_and_asks_for_a_doctor() {
    let mut story = Story::default();
    let red = story.write_as("nurse", 1, Act::Assert, &[], &triage("red"));
    let black = story.write_as("nurse", 2, Act::Change, &[red], &triage("black"));
    let view = story.view();
    assert_eq!(view.triage.shown, Some(Colour::Red));
    assert_eq!((view.conflicts[0].kind, view.conflicts[0].open), ("black-vs-living", true));
    story.write_as("医師", 1, Act::Change, &[black], &triage("black"));
    let view = story.view();
    assert_eq!((view.triage.shown, view.triage.needs_doctor), (Some(Colour::Black), false));
    assert!(view.conflicts.is_empty());
    assert_eq!(view.triage.assessments.len(), 3);
}

#[test]
fn a_black_that_nobody_else_contradicts_is_shown_as_unconfirmed_and_a_stolen_device_confirms_nothing() {
    let mut story = Story::default();
    let black = story.write_as("nurse", 1, Act::Assert, &[], &triage("black"));
    assert!(story.view().triage.needs_doctor);
    story.write_as("nurse", 1, Act::Change, &[black], &triage("green"));
    assert_eq!(story.view().triage.shown, Some(Colour::Green), "a living colour needs no doctor");
    let thief = story.write(2, Act::Change, &[1], &triage("black"));
    story.dispute(thief);
    assert_eq!(story.view().triage.shown, Some(Colour::Green));
    let mut alone = Story::default();
    let thief = alone.write(1, Act::Assert, &[], &triage("black"));
    assert!(!alone.view().triage.needs_doctor);
    alone.dispute(thief);
    assert!(alone.view().triage.needs_doctor);
}

#[test]
fn a_later_green_replaces_red_when_it_has_seen_it() {
    let mut story = Story::default();
    let red = story.write_as("nurse", 1, Act::Assert, &[], &triage("red"));
    story.write_as("nurse", 2, Act::Change, &[red], &triage("green"));
    assert_eq!(story.view().triage.shown, Some(Colour::Green));
    story.write_as("nurse", 3, Act::Change, &[red], &triage("yellow"));
    assert_eq!(story.view().triage.shown, Some(Colour::Yellow));
}

#[test]
fn two_places_are_the_first_alert_and_another_writing_of_one_place_is_none() {
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &stay("三浦 市立", false));
    story.write(2, Act::Assert, &[], &stay("三浦市立", false));
    assert!(story.view().alerts.is_empty());
    story.write(3, Act::Assert, &[], &stay("第二小学校", false));
    story.write(1, Act::Assert, &[], &crate::record::fixtures::allergy("アスピリン"));
    story.write(1, Act::Assert, &[], &crate::record::fixtures::order("アスピリン", "active", "1"));
    let view = story.view();
    assert_eq!(
        view.alerts.iter().map(|alert| alert.kind).collect::<Vec<_>>(),
        [AlertKind::TwoPlaces, AlertKind::DrugAllergy]
    );
    story.write(1, Act::Change, &[0, 1, 2], &stay("三浦市立", false));
    assert!(!story.view().whereabouts.two_places);
}

#[test]
fn imported_stays_count_while_they_last_and_visits_do_not() {
    let mut story = Story::default();
    let encounter = |id: &str, class: &str, status: &str, place: &str| {
        json!({"resourceType": "Encounter", "id": id, "status": status, "class": {"code": class},
               "location": [{"location": {"display": place}}]})
    };
    story.import(1, "urn:north", &[], &encounter("1", "IMP", "in-progress", "北病棟"));
    story.import(2, "urn:south", &[], &encounter("1", "AMB", "in-progress", "南外来"));
    story.import(2, "urn:south", &[], &encounter("2", "EMER", "finished", "南救急"));
    let view = story.view();
    assert_eq!(view.whereabouts.current.len(), 1);
    assert_eq!(view.whereabouts.history.len(), 1);
    assert!(view.alerts.is_empty());
    assert_eq!(view.others["Encounter"], 1);
    let left = story.write(3, Act::Change, &[0], &stay("北病棟", false));
    story.write(1, Act::Stop, &[0], &stay("北病棟", true));
    let view = story.view();
    assert_eq!((view.whereabouts.current.len(), view.conflicts[0].kind), (1, "here-vs-left"));
    assert_eq!(view.whereabouts.current[0].position, story.position(left));
}

#[test]
fn arrived_somewhere_else_after_leaving_is_one_place() {
    let mut story = Story::default();
    let school = story.write(1, Act::Assert, &[], &stay("第二小学校", false));
    story.write(1, Act::Change, &[school], &stay("三浦市立", false));
    let view = story.view();
    assert_eq!(view.whereabouts.current[0].place.as_deref(), Some("三浦市立"));
    assert!(view.alerts.is_empty() && view.conflicts.is_empty());
}

#[test]
fn a_blood_type_is_read_from_codes_and_words_and_what_is_unreadable_makes_it_unusable() {
    let mut story = Story::default();
    let coded = json!({"resourceType": "Observation", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "883-9"}]},
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "112144000"}]}});
    story.import(1, "urn:lab", &[], &coded);
    let view = story.view();
    assert_eq!((view.blood_type.abo, view.blood_type.rh, view.blood_type.usable), (Some(Abo::A), None, true));
    story.write(2, Act::Assert, &[], &blood("A型 Rh(+)"));
    let view = story.view();
    assert_eq!((view.blood_type.rh, view.blood_type.usable), (Some(Rh::Positive), true));
    let odd = story.write(2, Act::Assert, &[], &blood("A or B"));
    assert!(!story.view().blood_type.usable);
    story.write(1, Act::Refute, &[odd], &blood("A or B"));
    assert!(story.view().blood_type.usable);
    let mut two = coded.clone();
    let group_b = json!({"system": "http://snomed.info/sct", "code": "112149005"});
    two["valueCodeableConcept"]["coding"].as_array_mut().unwrap().push(group_b);
    story.import(3, "urn:other", &[], &two);
    assert!(!story.view().blood_type.usable, "A beside B is not AB");
}

#[test]
fn a_decision_about_rh_says_nothing_of_abo_and_an_unverified_type_is_unusable() {
    let mut story = Story::default();
    let north = story.write(1, Act::Assert, &[], &blood("A"));
    let south = story.write(2, Act::Assert, &[], &blood("B"));
    story.write(1, Act::Decide, &[north, south], &blood("Rh+"));
    let view = story.view();
    assert_eq!((view.blood_type.sides.len(), view.conflicts[0].kind), (3, "two-abo-groups"));
    story.write(1, Act::Decide, &[north, south], &blood("B"));
    let view = story.view();
    assert_eq!((view.blood_type.abo, view.blood_type.usable), (Some(Abo::B), true));
    let mut alone = Story::default();
    let only = alone.write(1, Act::Assert, &[], &blood("O"));
    alone.dispute(only);
    assert!(!alone.view().blood_type.usable);
}

#[test]
fn a_laboratory_corrects_its_own_blood_type() {
    let mut story = Story::default();
    let mut first = blood("A");
    first["id"] = json!("b1");
    let mut second = blood("B");
    second["id"] = json!("b1");
    let before = story.import(1, "urn:lab", &[], &first);
    story.import(1, "urn:lab", &[before], &second);
    let view = story.view();
    assert_eq!((view.blood_type.abo, view.blood_type.usable), (Some(Abo::B), true));
}

#[test]
fn resuscitation_is_read_from_flags_and_observations_and_both_sides_are_shown() {
    let mut story = Story::default();
    assert!(story.view().resuscitation.state == ResuscitationState::Unknown);
    let finding = json!({"coding": [{"system": "http://snomed.info/sct", "code": "304253006"}]});
    let flag = json!({"resourceType": "Flag", "status": "active", "code": finding});
    let old = json!({"resourceType": "Flag", "status": "inactive", "code": finding});
    story.import(1, "urn:home", &[], &old);
    assert!(story.view().resuscitation.state == ResuscitationState::Unknown);
    let flag = story.import(1, "urn:home", &[], &flag);
    assert!(story.view().resuscitation.state == ResuscitationState::DoNotAttempt);
    let other = story.write(2, Act::Change, &[flag], &resuscitation(Order::Attempt));
    let view = story.view();
    assert!(view.resuscitation.state == ResuscitationState::Disagreement, "to have seen is not to decide");
    assert_eq!(view.resuscitation.sides.len(), 2);
    let thief = story.write(3, Act::Decide, &[flag, other], &resuscitation(Order::DoNotAttempt));
    story.dispute(thief);
    assert!(story.view().resuscitation.state == ResuscitationState::Disagreement);
    story.write(2, Act::Decide, &[flag, other, thief], &resuscitation(Order::Attempt));
    assert!(story.view().resuscitation.state == ResuscitationState::Attempt);
}

#[test]
fn doses_beyond_the_window_of_other_drugs_or_not_given_are_no_twins() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &dose("アドレナリン注0.1%", 0));
    story.write(2, Act::Assert, &[], &dose("アドレナリン", 31));
    story.write(2, Act::Assert, &[], &dose("モルヒネ", 0));
    let mut not_done = dose("アドレナリン", 1);
    not_done["status"] = json!("not-done");
    story.write(2, Act::Assert, &[], &not_done);
    assert!(story.view().alerts.is_empty());
    let twin = story.write(3, Act::Assert, &[], &dose("アドレナリン", 30));
    let view = story.view();
    let pairs = view.alerts.iter().filter(|alert| alert.kind == AlertKind::DoubleDose);
    assert_eq!(pairs.count(), 2, "with the one before and the one after");
    let shown = view.administrations.iter().find(|dose| dose.position == story.position(first)).unwrap();
    assert_eq!(shown.twins, [story.position(twin)]);
    story.write(3, Act::Refute, &[twin], &dose("アドレナリン", 30));
    let view = story.view();
    assert!(view.alerts.is_empty());
    let withdrawn = view.administrations.iter().filter(|dose| dose.state == DoseState::Withdrawn).count();
    assert_eq!((view.administrations.len(), withdrawn), (6, 2), "nothing disappears");
}

#[test]
fn a_corrected_dose_stays_listed_and_is_not_its_own_twin() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &dose("モルヒネ", 0));
    story.write(1, Act::Change, &[first], &dose("モルヒネ", 5));
    let view = story.view();
    assert!(view.alerts.is_empty());
    let states: Vec<DoseState> = view.administrations.iter().map(|dose| dose.state).collect();
    assert_eq!(states, [DoseState::Given, DoseState::Corrected]);
}

#[test]
fn values_form_series_with_the_latest_first_and_corrections_beside_them() {
    let mut story = Story::default();
    let wrong = story.write(1, Act::Assert, &[], &pulse(188, 10));
    story.write(2, Act::Assert, &[], &pulse(90, 5));
    story.write(1, Act::Change, &[wrong], &pulse(88, 10));
    let view = story.view();
    let [series] = view.vital_signs.as_slice() else { panic!("expected one series") };
    assert_eq!(series.latest[0].value, "88 /min");
    let values: Vec<&str> = series.values.iter().map(|point| point.value.as_str()).collect();
    assert_eq!(values, ["188 /min", "88 /min", "90 /min"]);
}

#[test]
fn tubes_of_two_sources_named_alike_are_two_tubes() {
    let mut story = Story::default();
    let of = |value: &str| {
        let mut result = potassium(value, "");
        result["specimen"] = json!({"reference": "Specimen/1"});
        result
    };
    story.import(1, "urn:north", &[], &of("3.5"));
    story.import(2, "urn:south", &[], &of("6.9"));
    assert!(story.view().conflicts.is_empty());
    let mut again = of("4.0");
    again["id"] = json!("x");
    story.import(3, "urn:north", &[], &again);
    let view = story.view();
    assert_eq!(view.conflicts[0].kind, "one-specimen-two-values");
    assert_eq!(view.results[0].latest.len(), 3, "of one moment all are shown");
}

#[test]
fn the_same_shot_is_suggested_by_lot_and_withdrawn_ones_stay_listed() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &shot("破傷風トキソイド", "ab-1"));
    let second = story.write(2, Act::Assert, &[], &shot("破傷風トキソイド", "AB-1"));
    story.write(2, Act::Assert, &[], &shot("破傷風トキソイド", "AB-2"));
    let view = story.view();
    let same = |handle: usize| {
        let place = story.position(handle);
        view.immunisations.iter().find(|shot| shot.position == place).unwrap().same.clone()
    };
    assert_eq!(same(first), [story.position(second)]);
    assert_eq!(view.immunisations.len(), 3);
    story.write(1, Act::Refute, &[second], &shot("破傷風トキソイド", "AB-1"));
    let view = story.view();
    let withdrawn = view.immunisations.iter().find(|shot| shot.state == ShotState::Withdrawn).unwrap();
    assert_eq!(withdrawn.position, story.position(second));
    assert!(view.immunisations.iter().all(|shot| shot.same.is_empty()));
}

#[test]
fn consents_of_two_kinds_do_not_touch_each_other_and_a_disputed_permit_lifts_nothing() {
    let mut story = Story::default();
    let no = story.write(1, Act::Assert, &[], &consent(ConsentKind::Sharing, ConsentLevel::Withdrawn));
    story.write(1, Act::Change, &[no], &consent(ConsentKind::Backup, ConsentLevel::Permitted));
    let thief = story.write(2, Act::Change, &[no], &consent(ConsentKind::Sharing, ConsentLevel::Permitted));
    story.dispute(thief);
    let level = |story: &Story, kind: ConsentKind| {
        story.view().consents.iter().find(|one| one.kind == kind).and_then(|one| one.level)
    };
    assert_eq!(level(&story, ConsentKind::Sharing), Some(ConsentLevel::Withdrawn));
    assert_eq!(level(&story, ConsentKind::Backup), Some(ConsentLevel::Permitted));
    story.write(1, Act::Change, &[no, thief], &consent(ConsentKind::Sharing, ConsentLevel::Limited));
    assert_eq!(level(&story, ConsentKind::Sharing), Some(ConsentLevel::Limited));
}

#[test]
fn an_inactive_consent_is_withdrawn_and_a_draft_says_nothing() {
    let mut story = Story::default();
    let with = |status: &str| {
        let mut resource = consent(ConsentKind::Sharing, ConsentLevel::Permitted);
        resource["status"] = json!(status);
        resource
    };
    story.write(1, Act::Assert, &[], &with("draft"));
    assert_eq!(story.view().consents[0].level, None);
    story.write(1, Act::Assert, &[], &with("inactive"));
    assert_eq!(story.view().consents[0].level, Some(ConsentLevel::Withdrawn));
}

#[test]
fn the_page_shows_colour_place_resuscitation_and_blood_before_the_rest() {
    let mut story = Story::default();
    story.write_as("nurse", 1, Act::Assert, &[], &triage("black"));
    story.write(1, Act::Assert, &[], &stay("第二小学校", false));
    story.write(1, Act::Assert, &[], &resuscitation(Order::DoNotAttempt));
    story.write(1, Act::Assert, &[], &blood("AB-"));
    story.write(1, Act::Assert, &[], &dose("モルヒネ", 0));
    story.write(2, Act::Assert, &[], &dose("モルヒネ", 3));
    story.write(1, Act::Assert, &[], &pulse(88, 0));
    story.write(1, Act::Assert, &[], &potassium("6.9 mmol/L", "t"));
    story.write(1, Act::Assert, &[], &shot("破傷風トキソイド", "T1"));
    story.write(1, Act::Assert, &[], &consent(ConsentKind::Sharing, ConsentLevel::Withdrawn));
    story.write(1, Act::Assert, &[], &note("経過"));
    let view = story.view();
    let page = render::text(&view, WallMs(view.latest.wall().0 + 3 * 3_600_000));
    let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing in\n{page}"));
    let order = [
        "double dose or double entry?",
        "BLACK 黒 (0) (no doctor has confirmed it",
        "at 第二小学校",
        "DO NOT ATTEMPT",
        "AB rhd negative",
        "Allergies",
        "モルヒネ, 3 h ago",
        "脈拍: 88 /min, 3 h ago",
        "K: 6.9 mmol/L",
        "破傷風トキソイド, lot T1",
        "sharing: withdrawn",
        "Notes",
    ];
    let places: Vec<usize> = order.iter().map(|text| place(text)).collect();
    assert!(places.is_sorted(), "{page}");
}
