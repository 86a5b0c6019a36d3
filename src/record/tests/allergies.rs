//! The merge rule of allergies.

use serde_json::json;

use crate::base::planted::{Plant, plant};
use crate::record::fixtures::{Story, allergy, no_known_allergy, order};
use crate::record::sections::allergies::{Claim, Criticality, Knowledge};
use crate::record::statement::Act;

#[test]
fn asserted_at_one_site_and_refuted_at_another_it_is_active_and_disputed() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let north = story.write(1, Act::Change, &[base], &allergy("ペニシリン"));
    let south = story.write(2, Act::Refute, &[base], &allergy("ペニシリン"));
    let view = story.view();
    let [shown] = view.allergies.active.as_slice() else { panic!("expected one active allergy") };
    assert!(shown.marks.disputed && shown.marks.concurrent);
    assert_eq!(shown.claims, [Claim::Asserted, Claim::Refuted]);
    assert_eq!(shown.sides.len(), 2);
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!((conflict.kind, conflict.open), ("assert-vs-refute", true));
    assert_eq!(conflict.statements, [story.position(north), story.position(south)]);
}

#[test]
fn a_decision_that_follows_both_sides_settles_it() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let north = story.write(1, Act::Change, &[base], &allergy("ペニシリン"));
    let south = story.write(2, Act::Refute, &[base], &allergy("ペニシリン"));
    let mut refuted = allergy("ペニシリン");
    refuted["verificationStatus"] = json!({"coding": [{"code": "refuted"}]});
    story.write(1, Act::Decide, &[north, south], &refuted);
    let view = story.view();
    assert!(view.allergies.active.is_empty());
    assert_eq!(view.allergies.inactive.len(), 1);
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert!(!conflict.open);
    assert_eq!(conflict.statements.len(), 3);
}

#[test]
fn a_refutation_counts_once_it_has_seen_every_assertion() {
    let mut story = Story::default();
    let first = story.write(1, Act::Assert, &[], &allergy("卵"));
    let second = story.write(2, Act::Change, &[first], &allergy("卵"));
    story.write(1, Act::Refute, &[second], &allergy("卵"));
    assert_eq!(story.view().allergies.knowledge, Knowledge::Unknown);
    story.write(2, Act::Assert, &[2], &allergy("卵"));
    assert_eq!(story.view().allergies.active.len(), 1, "asserted anew");
}

#[test]
fn no_known_allergy_is_hidden_by_a_positive_one_in_either_order() {
    for positive_first in [true, false] {
        let mut story = Story::default();
        if positive_first {
            story.write(1, Act::Assert, &[], &allergy("小麦"));
        }
        story.import(2, "urn:source", &[], &no_known_allergy());
        if !positive_first {
            assert_eq!(story.view().allergies.knowledge, Knowledge::NoneKnown);
            story.write(1, Act::Assert, &[], &allergy("小麦"));
        }
        let view = story.view();
        assert_eq!(view.allergies.knowledge, Knowledge::Listed);
        assert!(view.allergies.none_known.is_empty());
        assert!(view.conflicts.is_empty());
    }
}

#[test]
fn no_known_allergy_never_replaces_what_it_follows() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("小麦"));
    story.write(2, Act::Change, &[base], &no_known_allergy());
    let view = story.view();
    assert_eq!(view.allergies.active[0].substance, "小麦");
    assert!(view.allergies.inactive.is_empty());
}

#[test]
fn nothing_said_is_unknown_and_that_allergies_are_unknown_is_not_an_allergy() {
    let mut story = Story::default();
    assert_eq!(story.view().allergies.knowledge, Knowledge::Unknown);
    let unknown =
        json!({"resourceType": "AllergyIntolerance", "code": {"coding": [{"code": "no-allergy-info"}]}});
    story.import(1, "urn:source", &[], &unknown);
    let view = story.view();
    assert_eq!(view.allergies.knowledge, Knowledge::Unknown);
    assert!(view.allergies.active.is_empty());
}

#[test]
fn imported_statuses_are_respected() {
    let mut story = Story::default();
    let with = |field: &str, code: &str| {
        let mut resource = allergy(&format!("{field} {code}"));
        resource[field] = json!({"coding": [{"code": code}]});
        resource
    };
    for (field, code) in [
        ("clinicalStatus", "resolved"),
        ("clinicalStatus", "inactive"),
        ("verificationStatus", "refuted"),
        ("verificationStatus", "entered-in-error"),
        ("clinicalStatus", "active"),
        ("verificationStatus", "unconfirmed"),
    ] {
        story.import(1, "urn:source", &[], &with(field, code));
    }
    let view = story.view();
    assert_eq!((view.allergies.active.len(), view.allergies.inactive.len()), (2, 4));
}

#[test]
fn the_highest_criticality_of_concurrent_statements_is_shown() {
    let mut story = Story::default();
    let with = |criticality: &str| {
        let mut resource = allergy("そば");
        resource["criticality"] = json!(criticality);
        resource
    };
    let base = story.write(1, Act::Assert, &[], &with("unable-to-assess"));
    story.write(1, Act::Change, &[base], &with("high"));
    story.write(2, Act::Change, &[base], &with("low"));
    let view = story.view();
    assert_eq!(view.allergies.active[0].criticality, Some(Criticality::High));
    assert!(view.conflicts.is_empty());
}

#[test]
fn another_substance_in_a_change_does_not_erase_the_first() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("アスピリン"));
    story.write(1, Act::Change, &[base], &allergy("ロキソプロフェン"));
    story.write(2, Act::Assert, &[], &order("アスピリン腸溶錠100mg", "active", "1錠"));
    let view = story.view();
    assert_eq!(view.allergies.active[0].substance, "ロキソプロフェン");
    assert_eq!(view.allergies.active[0].also, ["アスピリン"]);
    assert_eq!(view.alerts.len(), 1);
}

#[test]
fn a_drug_given_at_one_site_and_an_allergy_entered_at_another_speak_when_joined() {
    let mut story = Story::default();
    let north = story.write(1, Act::Assert, &[], &order("ｱﾓｷｼｼﾘﾝｶﾌﾟｾﾙ250mg", "active", "3カプセル"));
    let south = story.write(2, Act::Assert, &[], &allergy("アモキシシリン"));
    let before = [story.facts_of(&[north]), story.facts_of(&[south])];
    assert!(before.iter().all(|facts| crate::record::RecordView::of(facts).alerts.is_empty()));
    let view = story.view();
    let [alert] = view.alerts.as_slice() else { panic!("expected one alert") };
    assert_eq!(alert.kind.name(), "drug-allergy");
    assert_eq!(alert.statements, [story.position(north), story.position(south)]);
    let again = story.write(1, Act::Assert, &[], &order("ｱﾓｷｼｼﾘﾝｶﾌﾟｾﾙ250mg", "active", "6カプセル"));
    assert_eq!(story.view().alerts.len(), 1, "several orders of one drug speak once");
    story.write(2, Act::Stop, &[north, again], &order("アモキシシリン", "stopped", ""));
    assert!(story.view().alerts.is_empty());
}

#[test]
fn a_disputed_refutation_does_not_silence() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let thief = story.write(2, Act::Refute, &[base], &allergy("ペニシリン"));
    story.dispute(thief);
    let view = story.view();
    assert!(view.allergies.active[0].marks.unverified && view.allergies.active[0].marks.disputed);
    // Countersigned by a verified statement it counts.
    let mut refuted = allergy("ペニシリン");
    refuted["verificationStatus"] = json!({"coding": [{"code": "refuted"}]});
    story.write(1, Act::Decide, &[thief], &refuted);
    assert!(story.view().allergies.active.is_empty());
}

#[test]
fn a_disputed_refutation_of_an_earlier_assertion_leaves_its_substance() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("アスピリン"));
    story.write(1, Act::Change, &[base], &allergy("ロキソプロフェン"));
    let thief = story.write(2, Act::Refute, &[base], &allergy("アスピリン"));
    let also = |story: &Story| story.view().allergies.active[0].also.clone();
    assert_eq!(also(&story), [] as [&str; 0]);
    story.dispute(thief);
    assert_eq!(also(&story), ["アスピリン"]);
}

#[test]
fn a_planted_last_write_hides_what_it_has_not_seen() {
    for refuted_last in [true, false] {
        let mut story = Story::default();
        let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
        let acts = if refuted_last { [Act::Change, Act::Refute] } else { [Act::Refute, Act::Change] };
        story.write(1, acts[0], &[base], &allergy("ペニシリン"));
        story.write(2, acts[1], &[base], &allergy("ペニシリン"));
        assert_eq!((story.view().allergies.active.len(), story.view().conflicts.len()), (1, 1));
        let fault = plant(Plant::LastWriteWinsAllergies);
        let view = story.view();
        assert_eq!(view.allergies.active.is_empty(), refuted_last);
        assert_eq!(view.conflicts.len(), 0);
        assert!(view.allergies.active.iter().all(|shown| shown.claims == [Claim::Asserted]));
        drop(fault);
        assert_eq!((story.view().allergies.active.len(), story.view().conflicts.len()), (1, 1));
    }
}

#[test]
fn a_planted_last_write_changes_nothing_that_is_not_concurrent() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let seen = story.write(2, Act::Change, &[base], &allergy("ペニシリン"));
    let before = story.view().to_json();
    let _fault = plant(Plant::LastWriteWinsAllergies);
    assert_eq!(story.view().to_json(), before);
    story.write(1, Act::Refute, &[seen], &allergy("ペニシリン"));
    assert!(story.view().allergies.active.is_empty());
}
