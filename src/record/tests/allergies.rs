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
fn what_no_known_allergy_follows_keeps_its_danger() {
    let mut story = Story::default();
    let mut wheat = allergy("小麦");
    wheat["criticality"] = json!("high");
    let base = story.write(1, Act::Assert, &[], &wheat);
    story.write(2, Act::Change, &[base], &no_known_allergy());
    let shown = &story.view().allergies.active[0];
    assert_eq!((shown.criticality, &shown.claims), (Some(Criticality::High), &vec![Claim::Asserted]));
    assert!(!shown.marks.disputed);
}

#[test]
fn no_known_allergy_is_read_from_its_words_alone_and_says_nothing_once_it_is_refuted() {
    for words in ["なし", "特になし", "None known", "NKDA", "薬剤アレルギーなし"] {
        let mut story = Story::default();
        let none = story.write(1, Act::Assert, &[], &allergy(words));
        assert_eq!(story.view().allergies.knowledge, Knowledge::NoneKnown, "{words}");
        story.write(2, Act::Refute, &[none], &allergy(words));
        assert_eq!(story.view().allergies.knowledge, Knowledge::Unknown, "{words}");
    }
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

/// An allergy to a group of drugs, of which a reaction names the one that was given.
fn reaction_to(substance: serde_json::Value) -> serde_json::Value {
    json!({
        "resourceType": "AllergyIntolerance", "code": {"text": "抗菌薬"},
        "reaction": [{"substance": substance, "manifestation": [{"text": "発疹"}], "severity": "severe"}],
    })
}

#[test]
fn the_drug_that_a_reaction_names_is_warned_about() {
    let coded = json!({"coding": [{"system": "urn:local", "code": "7", "display": "アモキシシリン"}]});
    for substance in [json!({"text": "アモキシシリン"}), coded] {
        let mut story = Story::default();
        story.write(1, Act::Assert, &[], &reaction_to(substance));
        story.write(2, Act::Assert, &[], &order("アモキシシリン", "active", "3カプセル"));
        let view = story.view();
        assert_eq!(view.alerts.iter().map(|alert| alert.kind.name()).collect::<Vec<_>>(), ["drug-allergy"]);
        assert_eq!(view.allergies.active[0].substance, "抗菌薬");
        assert_eq!(view.allergies.active[0].reactions, ["発疹 (severe)"]);
    }
}

#[test]
fn the_code_of_a_reaction_s_substance_stands_with_those_of_the_allergy() {
    let mut story = Story::default();
    let yj = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";
    story.write(
        1,
        Act::Assert,
        &[],
        &reaction_to(json!({"coding": [{"system": yj, "code": "6131001M1023"}]})),
    );
    let codes = &story.view().allergies.active[0].codes;
    assert_eq!(codes.iter().map(|code| code.code.as_str()).collect::<Vec<_>>(), ["6131001M1023"]);
}

#[test]
fn resolved_here_and_refuted_there_nobody_says_that_it_exists() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("卵"));
    story.write(1, Act::Stop, &[base], &allergy("卵"));
    story.write(2, Act::Refute, &[base], &allergy("卵"));
    let view = story.view();
    let [shown] = view.allergies.inactive.as_slice() else { panic!("expected one inactive allergy") };
    assert_eq!(shown.claims, [Claim::Resolved, Claim::Refuted]);
    assert!(shown.marks.concurrent && !shown.marks.disputed);
    assert!(view.conflicts.is_empty());
}

#[test]
fn what_was_refuted_is_listed_with_the_most_dangerous_first() {
    let mut story = Story::default();
    for (name, criticality) in [("卵", "low"), ("そば", "high"), ("えび", "high")] {
        let mut resource = allergy(name);
        resource["criticality"] = json!(criticality);
        let base = story.write(1, Act::Assert, &[], &resource);
        story.write(1, Act::Refute, &[base], &resource);
    }
    let view = story.view();
    let names: Vec<&str> = view.allergies.inactive.iter().map(|one| one.substance.as_str()).collect();
    assert_eq!(names, ["えび", "そば", "卵"]);
}

#[test]
fn a_stolen_device_may_take_back_what_it_said_itself() {
    let mut story = Story::default();
    let said = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let back = story.write(1, Act::Refute, &[said], &allergy("ペニシリン"));
    [said, back].into_iter().for_each(|thief| story.dispute(thief));
    let view = story.view();
    assert_eq!((view.allergies.active.len(), view.allergies.inactive.len()), (0, 1));
}

#[test]
fn versions_that_were_imported_crosswise_leave_the_allergy_active() {
    let mut story = Story::default();
    let mut refuted = allergy("ペニシリン");
    refuted["verificationStatus"] = json!({"coding": [{"code": "refuted"}]});
    story.import_crosswise("urn:emr", &[allergy("ペニシリン"), refuted]);
    let view = story.view();
    assert_eq!((view.allergies.active.len(), view.allergies.inactive.len()), (1, 0));
    assert!(view.allergies.active[0].marks.disputed);
    // An addition to one of them is not a refutation of the other.
    story.write(3, Act::Change, &[0], &no_known_allergy());
    assert_eq!(story.view().allergies.active.len(), 1);
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

#[test]
fn a_planted_last_write_keeps_what_was_settled_before() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let north = story.write(1, Act::Change, &[base], &allergy("ペニシリン"));
    let south = story.write(2, Act::Refute, &[base], &allergy("ペニシリン"));
    let settled = story.write(1, Act::Decide, &[north, south], &allergy("ペニシリン"));
    let before = story.view().to_json();
    let fault = plant(Plant::LastWriteWinsAllergies);
    assert_eq!(story.view().to_json(), before, "one statement is current");
    story.write(1, Act::Change, &[settled], &allergy("ペニシリン"));
    story.write(2, Act::Refute, &[settled], &allergy("ペニシリン"));
    assert_eq!(story.view().conflicts.len(), 0);
    drop(fault);
    assert_eq!(story.view().conflicts.len(), 2);
}

#[test]
fn a_planted_last_write_reaches_over_entries_of_one_substance() {
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &allergy("そば"));
    story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    let south = story.write(2, Act::Assert, &[], &allergy("ﾍﾟﾆｼﾘﾝ"));
    story.write(2, Act::Refute, &[south], &allergy("ﾍﾟﾆｼﾘﾝ"));
    let active = |story: &Story| -> Vec<String> {
        story.view().allergies.active.iter().map(|one| one.substance.clone()).collect()
    };
    assert_eq!(active(&story), ["そば", "ペニシリン"]);
    let fault = plant(Plant::LastWriteWinsAllergies);
    assert_eq!(active(&story), ["そば"]);
    story.write(1, Act::Assert, &[], &allergy("ペニシリン"));
    assert_eq!(active(&story), ["そば", "ペニシリン"], "the latest is an assertion");
    drop(fault);
    assert_eq!(active(&story).len(), 3);
}
