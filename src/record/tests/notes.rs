//! The merge rule of notes: versions, withdrawals, decisions, drafts that were signed twice, and how texts are read.

use serde_json::{Value, json};

use crate::record::fixtures::{Story, note};
use crate::record::sections::notes::{Note, text_of};
use crate::record::signed::SignedDraft;
use crate::record::statement::Act;
use crate::record::{RecordView, Section};

/// A refutation that says no more than that.
fn bare() -> Value {
    json!({"resourceType": "DocumentReference"})
}

fn signed(text: &str, draft: &str) -> Value {
    let mut resource = note(text);
    let draft = SignedDraft { note: draft.to_owned(), heads: vec![[1; 32]], taken: [2; 32] };
    draft.write(resource.as_object_mut().unwrap());
    resource
}

fn excerpts(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|note| note.excerpt.as_str()).collect()
}

#[test]
fn one_draft_signed_by_two_is_two_notes_until_one_is_withdrawn() {
    let mut story = Story::default();
    let north = story.write(1, Act::Assert, &[], &signed("呼吸苦", "d1"));
    let south = story.write(2, Act::Assert, &[], &signed("呼吸苦、胸痛", "d1"));
    story.write(3, Act::Assert, &[], &signed("別の記録", "d2"));
    let view = story.view();
    let [conflict] = view.conflicts.as_slice() else { panic!("expected one conflict") };
    assert_eq!((conflict.section, conflict.kind, conflict.open), (Section::Notes, "signed-twice", true));
    assert_eq!(conflict.statements, [story.position(north), story.position(south)]);
    let marked: Vec<bool> =
        view.notes.iter().map(|note| note.marks.concurrent && note.marks.disputed).collect();
    assert_eq!(excerpts(&view.notes), ["別の記録", "呼吸苦、胸痛", "呼吸苦"]);
    assert_eq!(marked, [false, true, true]);
    story.write(1, Act::Refute, &[south], &bare());
    let view = story.view();
    assert!(view.conflicts.is_empty());
    assert_eq!(view.notes.iter().filter(|note| note.withdrawn).count(), 1);
    assert!(view.notes.iter().all(|note| !note.marks.disputed));
}

#[test]
fn a_decision_between_two_signed_notes_sets_the_other_aside() {
    let mut story = Story::default();
    let north = story.write(1, Act::Assert, &[], &signed("呼吸苦", "d1"));
    let south = story.write(2, Act::Assert, &[], &signed("呼吸苦、胸痛", "d1"));
    story.write(1, Act::Decide, &[north, south], &signed("呼吸苦、胸痛", "d1"));
    let view = story.view();
    assert!(view.conflicts.iter().all(|conflict| !conflict.open));
    let told: Vec<_> = view.notes.iter().map(|note| (note.excerpt.as_str(), note.set_aside)).collect();
    assert_eq!(told, [("呼吸苦、胸痛", false), ("呼吸苦", true)], "the text that was kept is listed once");
}

#[test]
fn what_two_refutations_withdraw_is_listed_once() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("一"));
    let north = story.write(1, Act::Change, &[base], &note("二"));
    let south = story.write(2, Act::Change, &[base], &note("三"));
    story.write(1, Act::Refute, &[north, south], &bare());
    story.write(2, Act::Refute, &[north], &bare());
    let view = story.view();
    assert_eq!(excerpts(&view.notes), ["三", "二"]);
    assert!(view.notes.iter().all(|note| note.withdrawn));
}

#[test]
fn a_stolen_device_withdraws_no_verified_note_and_replaces_what_it_wrote_itself() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("呼吸苦"));
    let thief = story.write(2, Act::Refute, &[base], &bare());
    story.dispute(thief);
    let view = story.view();
    let [shown] = view.notes.as_slice() else { panic!("expected one note") };
    assert!(!shown.withdrawn && shown.marks.disputed && shown.marks.unverified);
    assert_eq!((view.conflicts[0].kind, view.conflicts[0].open), ("two-versions", true));
    let mut alone = Story::default();
    let first = alone.write(2, Act::Assert, &[], &note("偽"));
    let second = alone.write(2, Act::Change, &[first], &note("偽の続き"));
    [first, second].into_iter().for_each(|thief| alone.dispute(thief));
    let view = alone.view();
    assert_eq!(excerpts(&view.notes), ["偽の続き"]);
    assert_eq!(view.notes[0].earlier, 1);
}

#[test]
fn an_equal_text_that_one_withdrew_and_another_kept_is_contradictory() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("一"));
    story.write(1, Act::Change, &[base], &note("一"));
    story.write(2, Act::Change, &[base], &note("一"));
    assert!(story.view().conflicts.is_empty(), "they say the same");
    let mut withdrawn = note("一");
    withdrawn["docStatus"] = json!("entered-in-error");
    story.write(3, Act::Change, &[base], &withdrawn);
    let view = story.view();
    assert_eq!(view.conflicts[0].kind, "two-versions");
    assert!(view.notes.iter().all(|note| note.marks.disputed));
}

#[test]
fn a_note_kept_here_and_withdrawn_there_is_marked_as_contradictory() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("一"));
    story.write(1, Act::Change, &[base], &note("一"));
    story.write(2, Act::Refute, &[base], &bare());
    let view = story.view();
    assert_eq!(view.conflicts[0].kind, "two-versions");
    assert!(view.notes.iter().all(|note| note.marks.disputed && note.marks.concurrent));
}

#[test]
fn versions_that_were_imported_crosswise_are_both_listed_with_their_addenda() {
    let mut story = Story::default();
    let versions = story.import_crosswise("urn:emr", &[note("一"), note("二")]);
    story.write(3, Act::Addendum, &[versions[0]], &note("追記"));
    let view = story.view();
    assert_eq!(view.notes.len(), 2);
    assert!(view.notes.iter().all(|note| note.addenda.len() == 1 && note.marks.disputed));
}

#[test]
fn a_withdrawal_or_an_addendum_whose_note_has_not_arrived_stands_alone() {
    for (act, resource) in [(Act::Refute, bare()), (Act::Addendum, note("酸素3L開始"))] {
        let mut story = Story::default();
        let base = story.write(1, Act::Assert, &[], &note("呼吸苦"));
        let later = story.write(2, act, &[base], &resource);
        let early = RecordView::of(&story.facts_of(&[later]));
        let [shown] = early.notes.as_slice() else { panic!("expected one note") };
        assert_eq!(shown.position, story.position(later));
        assert_eq!((shown.withdrawn, shown.marks.waiting), (act == Act::Refute, true));
        assert!(shown.addenda.is_empty(), "it is no addendum to itself");
    }
}

#[test]
fn a_version_without_words_is_shown_as_such() {
    let mut story = Story::default();
    let base = story.write(1, Act::Assert, &[], &note("一"));
    let image = json!({"resourceType": "DocumentReference", "docStatus": "final", "content": [
        {"attachment": {"contentType": "image/svg+xml", "data": "PHN2Zy8+", "title": "心電図"}}]});
    let later = story.write(1, Act::Change, &[base], &image);
    let view = story.view();
    let [shown] = view.notes.as_slice() else { panic!("expected one note") };
    assert_eq!((shown.position, shown.title.as_str()), (story.position(later), "心電図"));
    assert_eq!((shown.excerpt.as_str(), shown.chars, shown.withdrawn), ("", 0, false));
}

#[test]
fn markup_is_read_as_lines_and_a_lone_bracket_as_itself() {
    let text = |div: &str| {
        let section = json!([{ "text": { "div": div } }]);
        text_of(&json!({"resourceType": "Composition", "section": section}))
    };
    assert_eq!(text("<div><p>一</p></div><div>二</div>"), "一\n二", "one line break, not two");
    assert_eq!(text("<p></p><p>一</p>"), "一");
    assert_eq!(text("<div>SpO2 < 90"), "SpO2 < 90");
    assert_eq!(text("<div>改善<b"), "改善<b");
}

#[test]
fn sections_are_read_as_deep_as_people_write_and_no_deeper() {
    let nested = |depth: usize| {
        let inner = json!([{ "title": "底" }]);
        let section = (0..depth).fold(inner, |inner, _| json!([{ "section": inner }]));
        text_of(&json!({"resourceType": "Composition", "section": section}))
    };
    assert_eq!(nested(8), "【底】");
    assert_eq!(nested(9), "");
}
