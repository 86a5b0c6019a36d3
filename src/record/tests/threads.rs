//! Threads: origins, versions, follows that wait, lie or go round in a circle; forked lanes.

use serde_json::{Value, json};

use crate::base::limits::FOLLOWS_MAX;
use crate::record::facts::{Facts, FactsError};
use crate::record::fixtures::{self, RECORD, Story, allergy, facts_of, order};
use crate::record::statement::{Act, LeafCheck};
use crate::record::{Known, Section, Versions, origin_of};

fn versioned(id: &str, version: u8) -> Value {
    json!({
        "resourceType": "AllergyIntolerance", "id": id, "meta": {"versionId": version.to_string()},
        "code": {"text": "卵"},
    })
}

#[test]
fn one_origin_imported_twice_is_one_statement() {
    let mut story = Story::default();
    let north = story.import(1, "urn:emr", &[], &versioned("a", 1));
    let south = story.import(2, "urn:emr", &[], &versioned("a", 1));
    let other = story.import(2, "urn:other-emr", &[], &versioned("a", 1));
    let view = story.view();
    assert_eq!(view.allergies.active.len(), 2, "another source is another resource");
    let positions = &view.allergies.active[0].sides[0].source.positions;
    assert_eq!(*positions, [story.position(north), story.position(south)]);
    assert_eq!(view.allergies.active[1].position, story.position(other));
    assert!(view.conflicts.is_empty());
}

#[test]
fn who_follows_one_copy_follows_all_copies() {
    let mut story = Story::default();
    let north = story.import(1, "urn:emr", &[], &versioned("a", 1));
    story.import(2, "urn:emr", &[], &versioned("a", 1));
    story.write(3, Act::Refute, &[north], &allergy("卵"));
    assert!(story.view().allergies.active.is_empty());
}

#[test]
fn a_later_version_follows_and_versions_imported_apart_are_two_tips() {
    let mut story = Story::default();
    let first = story.import(1, "urn:emr", &[], &versioned("a", 1));
    story.import(1, "urn:emr", &[first], &versioned("a", 2));
    assert_eq!(story.facts().threads(Section::Allergies)[0].tips, [1]);
    story.import(2, "urn:emr", &[], &versioned("a", 3));
    let facts = story.facts();
    let threads = facts.threads(Section::Allergies);
    assert_eq!(threads.len(), 1);
    assert_eq!(threads[0].tips, [1, 2]);
    // Without any copy of the first, the second waits for it.
    let mut here = Story { entries: story.entries[1..2].to_vec() };
    assert!(here.view().waiting.len() == 1 && here.view().allergies.active[0].marks.waiting);
    here.entries = story.entries[..2].to_vec();
    assert!(here.view().waiting.is_empty() && !here.view().allergies.active[0].marks.waiting);
}

/// Region 680: who held the copy of another area only showed the earlier version beside the later one.
#[test]
fn a_later_version_names_all_copies_of_the_earlier_one() {
    let mut story = Story::default();
    let north = story.import(1, "urn:emr", &[], &versioned("a", 1));
    let south = story.import(2, "urn:emr", &[], &versioned("a", 1));
    let resource = crate::record::json::canonical(&versioned("a", 2).to_string()).unwrap();
    let known = Versions::of(&story.facts()).known(&origin_of("urn:emr", &resource).unwrap());
    let Known::New(follows) = known else { panic!("{known:?}") };
    assert_eq!(follows.len(), 2);
    story.push(1, Act::Assert, Some("urn:emr"), follows, &versioned("a", 2));
    for copy in [north, south] {
        let mut here = Story { entries: story.entries.clone() };
        here.entries.remove(copy);
        let facts = here.facts();
        let threads = facts.threads(Section::Allergies);
        assert_eq!((threads.len(), threads[0].nodes.len()), (1, 2));
        assert_eq!(threads[0].tips, [1], "without copy {copy}");
        let view = here.view();
        assert_eq!((view.waiting.len(), view.allergies.active[0].marks.waiting), (0, false));
    }
}

#[test]
fn a_version_with_more_copies_than_a_statement_may_follow_is_followed_all_the_same() {
    let mut story = Story::default();
    for _ in 0..=FOLLOWS_MAX {
        story.import(1, "urn:emr", &[], &versioned("a", 1));
    }
    let resource = crate::record::json::canonical(&versioned("a", 2).to_string()).unwrap();
    let known = Versions::of(&story.facts()).known(&origin_of("urn:emr", &resource).unwrap());
    let Known::New(follows) = known else { panic!("{known:?}") };
    assert_eq!(follows.len(), FOLLOWS_MAX);
    assert_eq!(follows[0], story.entries[0].follow_ref(), "the representative is among them");
}

#[test]
fn an_import_knows_what_is_new_current_and_superseded() {
    let mut story = Story::default();
    let first = story.import(1, "urn:emr", &[], &versioned("a", 1));
    let second = story.import(1, "urn:emr", &[first], &versioned("a", 2));
    let native = story.write(2, Act::Refute, &[second], &allergy("卵"));
    let versions = Versions::of(&story.facts());
    let origin = |id, version| {
        let resource = crate::record::json::canonical(&versioned(id, version).to_string()).unwrap();
        origin_of("urn:emr", &resource).unwrap()
    };
    assert_eq!(versions.known(&origin("a", 2)), Known::Current, "a native refutation is not a version");
    assert_eq!(versions.known(&origin("a", 1)), Known::Superseded);
    assert_eq!(versions.known(&origin("b", 1)), Known::New(Vec::new()));
    let follows = vec![story.entries[second].follow_ref()];
    assert_eq!(versions.known(&origin("a", 3)), Known::New(follows));
    // So the third version and the refutation that its source did not know are concurrent.
    story.import(1, "urn:emr", &[second], &versioned("a", 3));
    let view = story.view();
    assert!(view.allergies.active[0].marks.disputed);
    assert!(view.conflicts[0].statements.contains(&story.position(native)));
}

#[test]
fn two_importers_that_met_versions_in_different_orders_hide_nothing() {
    let mut story = Story::default();
    let a1 = story.import(1, "urn:emr", &[], &versioned("a", 1));
    let b2 = story.import(2, "urn:emr", &[], &versioned("a", 2));
    story.import(1, "urn:emr", &[a1], &versioned("a", 2));
    story.import(2, "urn:emr", &[b2], &versioned("a", 1));
    let facts = story.facts();
    let threads = facts.threads(Section::Allergies);
    assert_eq!((threads.len(), threads[0].nodes.len()), (1, 2));
    assert_eq!(threads[0].tips, [0, 1]);
    assert_eq!(story.view().allergies.active.len(), 1);
    // A statement that follows one of them follows the circle.
    story.write(3, Act::Refute, &[a1], &allergy("卵"));
    assert!(story.view().allergies.active.is_empty());
}

#[test]
fn a_follow_whose_check_is_wrong_is_ignored_and_flagged() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("卵"));
    let mut lie = story.entries[base].follow_ref();
    lie.check = LeafCheck([0; 8]);
    story.push(2, Act::Refute, None, vec![lie], &allergy("卵"));
    let view = story.view();
    assert_eq!((view.allergies.active.len(), view.allergies.inactive.len()), (1, 1));
    assert!(view.allergies.inactive[0].sides[0].source.mismatched);
    assert_eq!(view.mismatched, 1);
}

#[test]
fn a_follow_of_what_has_not_arrived_waits_and_then_connects() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &order("薬", "active", "1"));
    let change = story.write(2, Act::Change, &[base], &order("薬", "active", "2"));
    let stop = story.write(3, Act::Stop, &[base], &order("薬", "stopped", ""));
    let early = crate::record::RecordView::of(&story.facts_of(&[change, stop]));
    let [drug] = early.medication.active.as_slice() else { panic!("expected one drug") };
    assert!(drug.marks.waiting);
    assert_eq!(early.conflicts[0].kind, "dose-vs-stop", "both followed the same unknown statement");
    assert!(!story.view().medication.active[0].marks.waiting);
}

#[test]
fn a_statement_of_another_section_is_context_and_hides_nothing() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("卵"));
    story.write(1, Act::Assert, &[base], &fixtures::note("卵アレルギーについて"));
    let view = story.view();
    assert_eq!((view.allergies.active.len(), view.notes.len()), (1, 1));
    assert!(!view.notes[0].marks.waiting && view.mismatched == 0);
}

#[test]
fn both_entries_of_a_forked_lane_are_kept() {
    let mut story = Story::default();
    let one = story.write(1, Act::Assert, &[], &allergy("卵"));
    let mut twin = Story::default();
    let other = twin.write(1, Act::Assert, &[], &allergy("小麦"));
    assert_eq!(story.position(one), twin.position(other));
    let facts = facts_of(&[story.entries[one].clone(), twin.entries[other].clone()]);
    assert_eq!(facts.at(story.position(one)).count(), 2);
    assert_eq!(crate::record::RecordView::of(&facts).allergies.active.len(), 2);
}

#[test]
fn a_body_of_another_record_does_not_join() {
    let mut story = Story::default();
    story.write(1, Act::Assert, &[], &allergy("卵"));
    let mut facts = Facts::new(crate::base::RecordId([0x22; 16]));
    assert_eq!(facts.join(&story.facts()), Err(FactsError::OtherRecord(RECORD)));
    assert!(facts.is_empty());
}

#[test]
fn a_long_thread_of_many_merges_is_quick() {
    let mut story = Story::default();
    let mut tips = vec![story.write(1, Act::Assert, &[], &order("薬", "active", "0"))];
    for round in 0..60u8 {
        let wide: Vec<usize> = (0..8)
            .map(|site| story.write(site, Act::Change, &tips, &order("薬", "active", &round.to_string())))
            .collect();
        tips = wide;
    }
    let facts = story.facts();
    let threads = facts.threads(Section::Medication);
    assert_eq!((threads.len(), threads[0].tips.len()), (1, 8));
    assert_eq!(threads[0].merges.len(), 59 * 8);
}

#[test]
fn the_first_verified_copy_speaks_for_all() {
    let mut story = Story::default();
    let first = story.import(2, "urn:emr", &[], &versioned("a", 1));
    let second = story.import(1, "urn:emr", &[], &versioned("a", 1));
    let speaker = |story: &Story| story.facts().threads(Section::Allergies)[0].position();
    assert_eq!(speaker(&story), story.position(first), "the earliest, not the lowest position");
    story.dispute(first);
    assert_eq!(speaker(&story), story.position(second));
}

#[test]
fn an_entry_that_was_ever_met_as_disputed_is_disputed() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &allergy("卵"));
    let mut disputed = story.clone();
    disputed.dispute(base);
    let (plain, doubted) = (story.entries[base].clone(), disputed.entries[base].clone());
    for arrivals in [[plain.clone(), doubted.clone()], [doubted, plain]] {
        let facts = facts_of(&arrivals);
        assert_eq!(facts.iter().next().unwrap().standing, crate::record::Standing::Disputed);
    }
}
