//! The merge rules of what was done and measured: doses, vital signs, results, immunisations.

use serde_json::{Value, json};

use crate::record::RecordView;
use crate::record::fixtures::{Story, dose, potassium, pulse, shot};
use crate::record::sections::administration::DoseState;
use crate::record::sections::immunisation::ShotState;
use crate::record::sections::measurements::ValueState;
use crate::record::statement::{Act, Position};

#[test]
fn twins_of_a_dose_are_named_in_the_order_in_which_they_were_given() {
    let mut story = Story::default();
    // Too short for a name of an ingredient: the words themselves are compared.
    let handles = [(1, 10), (2, 0), (1, 20)]
        .map(|(site, minute)| story.write(site, Act::Assert, &[], &dose("生食", minute)));
    let [middle, early, late] = handles.map(|handle| story.position(handle));
    let view = story.view();
    let shown = |place: Position| view.administrations.iter().find(|dose| dose.position == place).unwrap();
    assert_eq!(shown(middle).twins, [early, late]);
    assert_eq!(shown(early).twins, [middle, late]);
    assert_eq!(view.alerts.len(), 3);
}

#[test]
fn a_stolen_device_withdraws_no_verified_dose() {
    let mut story = Story::default();
    let given = story.write(1, Act::Assert, &[], &dose("モルヒネ", 0));
    let thief = story.write(2, Act::Refute, &[given], &dose("モルヒネ", 0));
    story.dispute(thief);
    let view = story.view();
    let shown = view.administrations.iter().find(|dose| dose.position == story.position(given)).unwrap();
    assert_eq!(shown.state, DoseState::Given);
    assert!(shown.marks.concurrent);
    story.write(3, Act::Refute, &[given, thief], &dose("モルヒネ", 0));
    let view = story.view();
    assert!(view.administrations.iter().all(|dose| dose.state == DoseState::Withdrawn));
}

#[test]
fn a_correction_whose_predecessor_has_not_arrived_says_so() {
    let mut story = Story::default();
    let [given, seen] =
        [dose("モルヒネ", 0), pulse(188, 0)].map(|one| story.write(1, Act::Assert, &[], &one));
    let better = [(given, dose("モルヒネ", 5)), (seen, pulse(88, 0))]
        .map(|(before, after)| story.write(2, Act::Change, &[before], &after));
    let waits = |view: RecordView| {
        let value = view.vital_signs[0].latest[0].marks.waiting;
        (view.administrations.iter().any(|dose| dose.marks.waiting), value)
    };
    assert_eq!(waits(RecordView::of(&story.facts_of(&better))), (true, true));
    assert_eq!(waits(story.view()), (false, false));
}

#[test]
fn one_tube_s_value_that_came_over_three_ways_is_one_value_with_three_places() {
    let mut story = Story::default();
    let mut by_import = potassium("3.5 mmol/L", "t1");
    by_import["id"] = json!("k1");
    let first = story.import(1, "urn:lab", &[], &by_import);
    let third = story.import(3, "urn:lab", &[], &by_import);
    let second = story.write(2, Act::Assert, &[], &potassium("3.5 mmol/L", "t1"));
    let view = story.view();
    let [series] = view.results.as_slice() else { panic!("expected one series") };
    let [value] = series.values.as_slice() else { panic!("expected one value") };
    assert_eq!(value.positions, [first, second, third].map(|handle| story.position(handle)));
    assert!(view.conflicts.is_empty());
    // What contradicts it contradicts every copy of it: a decision must follow them all.
    let other = story.write(4, Act::Assert, &[], &potassium("6.9 mmol/L", "t1"));
    let view = story.view();
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!(conflict.statements, [first, second, third, other].map(|handle| story.position(handle)));
    assert!(view.results[0].latest.iter().all(|latest| latest.marks.disputed));
    // Also the copy that stands behind what contradicts it, and a third value is no second contradiction.
    let copy = story.write(5, Act::Assert, &[], &potassium("3.5 mmol/L", "t1"));
    let odd = story.write(6, Act::Assert, &[], &potassium("4.4 mmol/L", "t1"));
    let all = [first, second, third, other, copy, odd];
    let view = story.view();
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!(conflict.statements, all.map(|handle| story.position(handle)));
    assert_eq!(conflict.summary, "K: 3.5 mmol/L ‖ 6.9 mmol/L ‖ 4.4 mmol/L");
    story.write(1, Act::Decide, &all, &potassium("6.9 mmol/L", "t1"));
    let view = story.view();
    assert!(view.conflicts.iter().all(|conflict| !conflict.open));
    assert!(view.results[0].latest.iter().all(|latest| !latest.marks.disputed));
}

#[test]
fn of_one_value_the_verified_source_is_shown_whichever_stands_first() {
    for disputed in [0, 1] {
        let mut story = Story::default();
        let handles = [1, 2].map(|site| story.write(site, Act::Assert, &[], &potassium("3.5 mmol/L", "t1")));
        story.dispute(handles[disputed]);
        let view = story.view();
        let [latest] = view.results[0].latest.as_slice() else { panic!("expected one value") };
        assert!(!latest.marks.unverified);
        assert_eq!(latest.source.positions, [story.position(handles[1 - disputed])]);
    }
}

#[test]
fn values_corrected_apart_are_both_shown_as_contradictory_and_what_they_correct_is_not() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &pulse(188, 0));
    story.write(1, Act::Change, &[base], &pulse(88, 0));
    story.write(2, Act::Change, &[base], &pulse(98, 0));
    let view = story.view();
    let series = &view.vital_signs[0];
    let shown: Vec<_> = series.latest.iter().map(|one| (one.value.as_str(), one.marks.disputed)).collect();
    assert_eq!(shown, [("88 /min", true), ("98 /min", true)]);
    assert!(series.latest.iter().all(|one| one.marks.concurrent));
    let states: Vec<ValueState> = series.values.iter().map(|point| point.state).collect();
    assert_eq!(states, [ValueState::Corrected, ValueState::Current, ValueState::Current]);
    assert_eq!(view.conflicts[0].kind, "two-corrections");
}

/// An immunisation whose vaccine has a code as well as a name.
fn coded_shot() -> Value {
    let mut resource = shot("破傷風トキソイド", "AB-1");
    resource["vaccineCode"]["coding"] = json!([{"system": "urn:vaccine", "code": "T"}]);
    resource
}

#[test]
fn shots_that_agree_in_code_and_name_are_suggested_once_each() {
    let mut story = Story::default();
    let handles = [3, 2, 1].map(|site| story.write(site, Act::Assert, &[], &coded_shot()));
    let [first, second, third] = handles.map(|handle| story.position(handle));
    let view = story.view();
    let shown: Vec<_> = view.immunisations.iter().map(|one| (one.position, one.same.clone())).collect();
    assert_eq!(
        shown,
        [(third, vec![second, first]), (second, vec![third, first]), (first, vec![third, second]),]
    );
}

#[test]
fn what_two_refutations_withdraw_is_listed_once() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &coded_shot());
    let north = story.write(1, Act::Change, &[base], &coded_shot());
    let south = story.write(2, Act::Change, &[base], &coded_shot());
    story.write(1, Act::Refute, &[north, south], &coded_shot());
    story.write(2, Act::Refute, &[north], &coded_shot());
    let view = story.view();
    let shown: Vec<_> = view.immunisations.iter().map(|one| (one.position, one.state)).collect();
    assert_eq!(shown, [north, south].map(|handle| (story.position(handle), ShotState::Withdrawn)));
}

/// In either order of the lanes: which is smaller must not decide.
#[test]
fn a_stolen_device_withdraws_no_verified_shot() {
    for (site, thief) in [(1, 2), (2, 1)] {
        let mut story = Story::default();
        let given = story.write(site, Act::Assert, &[], &coded_shot());
        let thief = story.write(thief, Act::Refute, &[given], &coded_shot());
        story.dispute(thief);
        let view = story.view();
        let [shown] = view.immunisations.as_slice() else { panic!("expected one shot") };
        assert_eq!((shown.position, shown.state), (story.position(given), ShotState::Given));
        assert!(shown.marks.disputed && shown.marks.unverified);
        assert_eq!((view.conflicts[0].kind, view.conflicts[0].open), ("two-versions", true));
    }
}
