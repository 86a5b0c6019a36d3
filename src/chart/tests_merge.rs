//! What honest devices see of one another's edits.

use proptest::prelude::*;

use super::hostile::{NOW_MS, actor, chart, incoming, is_sound};
use super::{
    Chart, ChartChange, ChartError, ChunkError, EntryId, NoteId, Tick, Ticked, genesis_bytes, limits,
    recover_texts,
};

fn deliver(chart: &mut Chart, changes: &[&ChartChange]) {
    let delivery = chart.apply_all(changes.iter().map(|change| incoming(change)).collect()).unwrap();
    assert!(delivery.quarantined.is_empty(), "{delivery:?}");
    assert!(delivery.waiting.is_empty(), "{delivery:?}");
}

#[test]
fn edits_of_three_devices_in_one_sentence_merge_character_by_character() {
    let mut a = chart(1);
    let base = a.splice_handover(0, 0, "患者は安定、酸素2L", NOW_MS).unwrap();
    let (mut b, mut c) = (chart(2), chart(3));
    deliver(&mut b, &[&base]);
    deliver(&mut c, &[&base]);

    let from_a = a.replace_handover("患者は安定、酸素4L", NOW_MS).unwrap();
    let from_b = b.replace_handover("患者は不安定、酸素2L", NOW_MS).unwrap();
    let from_c = c.replace_handover("患者は安定、酸素2L。家族へ連絡済み", NOW_MS).unwrap();
    deliver(&mut a, &[&from_b, &from_c]);
    deliver(&mut b, &[&from_c, &from_a]);
    deliver(&mut c, &[&from_a, &from_b]);

    assert_eq!(a.handover().unwrap(), "患者は不安定、酸素4L。家族へ連絡済み");
    assert_eq!(b.handover(), a.handover());
    assert_eq!(c.handover(), a.handover());
    assert_eq!((b.heads(), c.heads()), (a.heads(), a.heads()));
}

#[test]
fn devices_that_never_met_type_into_the_same_handover() {
    // Objects made independently under one key would conflict, and one of the texts would be hidden.
    let (mut a, mut b) = (chart(1), chart(2));
    a.splice_handover(0, 0, "北", NOW_MS).unwrap();
    let from_b = b.splice_handover(0, 0, "南", NOW_MS).unwrap();
    deliver(&mut a, &[&from_b]);
    let text = a.handover().unwrap();
    assert!(text == "北南" || text == "南北", "{text}");
}

#[test]
fn positions_are_unicode_scalar_values() {
    let mut a = chart(1);
    a.splice_handover(0, 0, "𠮷田🚑搬送", NOW_MS).unwrap();
    a.splice_handover(2, 1, "救急", NOW_MS).unwrap();
    assert_eq!(a.handover().unwrap(), "𠮷田救急搬送");
    // Five people joined by zero-width joiners, a flag of two letters, and a voiced kana of two scalars.
    a.replace_handover("𠮷👨‍👩‍👧‍👦🇯🇵か\u{3099}田", NOW_MS).unwrap();
    assert_eq!(a.handover().unwrap(), "𠮷👨‍👩‍👧‍👦🇯🇵か\u{3099}田");
    assert!(is_sound(&a));
    let length = a.handover().unwrap().chars().count();
    assert_eq!(a.splice_handover(length + 1, 0, "x", NOW_MS), Err(ChartError::Position));
    assert_eq!(a.splice_handover(length, 1, "x", NOW_MS), Err(ChartError::Position));
    assert_eq!(a.splice_handover(1, usize::MAX, "x", NOW_MS), Err(ChartError::Position));
}

#[test]
fn an_edit_that_changes_nothing_makes_no_change() {
    let mut a = chart(1);
    assert_eq!(a.splice_handover(0, 0, "", NOW_MS), Err(ChartError::NothingChanges));
    assert_eq!(a.replace_handover("", NOW_MS), Err(ChartError::NothingChanges));
    assert_eq!(a.change_count().unwrap(), 1);
}

#[test]
fn an_edit_beyond_the_limit_is_refused_and_the_largest_passes() {
    let mut a = chart(1);
    let longest = "漢".repeat(limits::OPS_PER_CHANGE_MAX as usize);
    let too_long = format!("{longest}x");
    assert_eq!(a.splice_handover(0, 0, &too_long, NOW_MS), Err(ChartError::EditTooLarge));
    assert_eq!(a.replace_handover(&too_long, NOW_MS), Err(ChartError::EditTooLarge));
    let change = a.splice_handover(0, 0, &longest, NOW_MS).unwrap();
    let mut b = chart(2);
    deliver(&mut b, &[&change]);
    assert_eq!(b.handover().unwrap(), longest);
}

#[test]
fn each_change_follows_the_last_of_its_actor() {
    let mut a = chart(1);
    for seq in 1..=3 {
        let change = a.splice_handover(0, 0, "x", NOW_MS).unwrap();
        assert_eq!((change.seq(), change.actor()), (seq, &actor(1)));
        assert_eq!(change.time_s(), 1_700_000_000);
    }
}

#[test]
fn a_chart_behind_its_lane_refuses_to_write() {
    // Writing from a stale cache would use a sequence twice; the documents would never merge again.
    let mut a = chart(1);
    let changes: Vec<_> = (0..3).map(|_| a.splice_handover(0, 0, "x", NOW_MS).unwrap()).collect();
    let mut stale = chart(1);
    deliver(&mut stale, &[&changes[0]]);
    stale.expect_own_seq(3);
    let refused = stale.splice_handover(0, 0, "y", NOW_MS);
    assert_eq!(refused, Err(ChartError::Behind { held: 1, written: 3 }));
    deliver(&mut stale, &[&changes[2], &changes[1]]);
    assert_eq!(stale.splice_handover(0, 0, "y", NOW_MS).unwrap().seq(), 4);
}

#[test]
fn a_chart_loads_from_its_own_snapshot_and_goes_on() {
    let mut a = chart(1);
    a.splice_handover(0, 0, "引継ぎ", NOW_MS).unwrap();
    let mut loaded = Chart::load_own(&a.save(), actor(1), &a.heads()).unwrap();
    assert_eq!(loaded.splice_handover(3, 0, "完了", NOW_MS).unwrap().seq(), 2);
    assert_eq!(loaded.handover().unwrap(), "引継ぎ完了");
}

#[test]
fn a_snapshot_that_is_not_the_expected_one_is_refused() {
    // The library loads no bytes at all as an empty document, without an error.
    let mut a = chart(1);
    let old = (a.save(), a.heads());
    a.splice_handover(0, 0, "x", NOW_MS).unwrap();
    let load = |bytes: &[u8], heads: &[_]| Chart::load_own(bytes, actor(1), heads).err();
    assert_eq!(load(&old.0, &a.heads()), Some(ChartError::Snapshot));
    assert_eq!(load(b"", &[]), Some(ChartError::Snapshot));
    assert_eq!(load(b"garbage", &a.heads()), Some(ChartError::Snapshot));
    let mut damaged = a.save();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(load(&damaged, &a.heads()), Some(ChartError::Snapshot));
    assert_eq!(load(&old.0, &old.1), None);
}

#[test]
fn what_is_typed_while_a_note_is_signed_becomes_a_new_draft() {
    let note = NoteId::new("n1").unwrap();
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note, 0, 0, "発熱なし", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let typed = b.edit_note(&note, 4, 0, "。創部確認", NOW_MS).unwrap();
    let (signed, taken) = a.take_note(&note, NOW_MS).unwrap();
    assert_eq!(signed, "発熱なし");
    assert!(a.notes().unwrap().is_empty());

    deliver(&mut a, &[&typed]);
    deliver(&mut b, &taken.iter().collect::<Vec<_>>());
    assert_eq!(a.notes().unwrap()[0].texts, ["。創部確認"]);
    assert_eq!(a.notes(), b.notes());
}

#[test]
fn a_note_longer_than_one_change_can_be_signed() {
    let note = NoteId::new("long").unwrap();
    let mut a = chart(1);
    let piece = "あ".repeat(5_000);
    a.edit_note(&note, 0, 0, &piece, NOW_MS).unwrap();
    a.edit_note(&note, 0, 0, &piece, NOW_MS).unwrap();
    let (signed, changes) = a.take_note(&note, NOW_MS).unwrap();
    assert_eq!((signed.chars().count(), changes.len()), (10_000, 2));
    assert!(a.notes().unwrap().is_empty());
}

#[test]
fn notes_begun_under_one_name_at_once_are_both_shown() {
    // A plain read picks one of the two texts and hides the other.
    let note = NoteId::new("same").unwrap();
    let (mut a, mut b) = (chart(1), chart(2));
    a.edit_note(&note, 0, 0, "一", NOW_MS).unwrap();
    let from_b = b.edit_note(&note, 0, 0, "二", NOW_MS).unwrap();
    deliver(&mut a, &[&from_b]);
    assert_eq!(a.notes().unwrap()[0].texts, ["一", "二"]);
    let edited = a.edit_note(&note, 1, 0, "!", NOW_MS);
    assert!(edited.is_ok());
    assert_eq!(a.notes().unwrap()[0].texts, ["一", "二!"]);
    assert_eq!(a.take_note(&note, NOW_MS).unwrap().0, "一\n二!");
}

#[test]
fn annotations_are_anchored_and_named_after_their_change() {
    let (mut a, mut b) = (chart(1), chart(2));
    let (id, change) = a.annotate("lane/7/0", "用量を確認", "佐藤", NOW_MS).unwrap();
    assert_eq!(id, EntryId::of_change(&actor(1), 1));
    deliver(&mut b, &[&change]);
    let shown = b.annotations().unwrap();
    assert_eq!(shown.len(), 1);
    assert_eq!((&*shown[0].anchor, &*shown[0].text, &*shown[0].author), ("lane/7/0", "用量を確認", "佐藤"));
    assert_eq!((shown[0].time_ms, &shown[0].settled), (NOW_MS, &Tick::Open));
}

#[test]
fn ticks_at_once_are_joined_and_a_disagreement_is_shown() {
    // Putting one of several values again only deletes the others, and the renewed tick was lost.
    let (mut a, mut b) = (chart(1), chart(2));
    let (item, planned) = a.plan_care("体位変換", "田中", NOW_MS).unwrap();
    deliver(&mut b, &[&planned]);
    let by_a = a.tick(&item, Some("田中"), NOW_MS).unwrap();
    let by_b = b.tick(&item, Some("鈴木"), NOW_MS).unwrap();
    deliver(&mut a, &[&by_b]);
    deliver(&mut b, &[&by_a]);
    let ticked = |by: &str| Ticked { by: by.into(), time_ms: NOW_MS };
    let both = Tick::Done { by: vec![ticked("田中"), ticked("鈴木")] };
    assert_eq!(a.care_plan().unwrap()[0].done, both);

    let reopened = a.tick(&item, None, NOW_MS).unwrap();
    let again = b.tick(&item, Some("鈴木"), NOW_MS).unwrap();
    assert_eq!(a.care_plan().unwrap()[0].done, Tick::Open);
    deliver(&mut a, &[&again]);
    deliver(&mut b, &[&reopened]);
    assert_eq!(
        a.care_plan().unwrap()[0].done,
        Tick::Disputed { by: vec![ticked("鈴木")], against: vec![reopened.hash()] }
    );
    assert_eq!(a.care_plan(), b.care_plan());
    assert_eq!(a.tick(&EntryId::from_name("none"), None, NOW_MS), Err(ChartError::NotFound));
}

#[test]
fn each_authors_text_is_read_from_the_lanes_without_a_document() {
    let (mut a, mut b) = (chart(1), chart(2));
    let first = a.splice_handover(0, 0, "酸素2L", NOW_MS).unwrap();
    deliver(&mut b, &[&first]);
    let second = b.splice_handover(2, 2, "4L", NOW_MS).unwrap();
    let (_, third) = b.annotate("lane/7/0", "再評価", "鈴木", NOW_MS).unwrap();
    let damaged = &second.bytes()[..second.bytes().len() - 1];
    let lanes = [third.bytes(), damaged, second.bytes(), &genesis_bytes(), first.bytes()];
    let texts: Vec<_> = recover_texts(lanes).into_iter().map(|t| (t.actor, t.seq, t.text)).collect();
    assert_eq!(
        texts,
        [
            (actor(2), 2, "lane/7/0\n再評価".to_owned()),
            (actor(2), 1, "4L".to_owned()),
            (actor(1), 1, "酸素2L".to_owned()),
        ]
    );
}

#[test]
fn other_automerge_programs_can_read_the_export() {
    use automerge::{Automerge, ROOT, ReadDoc};
    let mut a = chart(1);
    a.splice_handover(0, 0, "引継ぎ", NOW_MS).unwrap();
    let document = Automerge::load(&a.export_bytes()).unwrap();
    let (_, text) = document.get(ROOT, "handover").unwrap().unwrap();
    assert_eq!(document.text(text).unwrap(), "引継ぎ");
    assert_eq!(document.get(ROOT, "schema").unwrap().unwrap().0.as_u64(), Some(super::SCHEMA_VERSION));
}

#[test]
fn a_change_is_read_as_it_was_written() {
    let mut a = chart(1);
    let change = a.splice_handover(0, 0, "abc", NOW_MS).unwrap();
    assert_eq!(ChartChange::parse(change.bytes()).as_ref(), Ok(&change));
    assert_eq!((change.start_op(), change.max_op(), change.deps().len()), (6, 8, 1));
    let longer = [change.bytes(), &[0]].concat();
    assert_eq!(ChartChange::parse(&longer), Err(ChunkError::TrailingBytes));
}

/// One step of three devices: an edit of the hand-over, or one device hearing from another.
#[derive(Debug, Clone)]
enum Step {
    Insert { device: usize, at: prop::sample::Index, text: String },
    Delete { device: usize, at: prop::sample::Index },
    Hear { device: usize, from: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = (0..3_usize, any::<prop::sample::Index>(), "[a-z𠮷漢🚑]{1,4}")
        .prop_map(|(device, at, text)| Step::Insert { device, at, text });
    let delete =
        (0..3_usize, any::<prop::sample::Index>()).prop_map(|(device, at)| Step::Delete { device, at });
    let hear = (0..3_usize, 0..3_usize).prop_map(|(device, from)| Step::Hear { device, from });
    prop::collection::vec(prop_oneof![3 => insert, 1 => delete, 2 => hear], 1..16)
}

/// Plays the steps; returns the lanes of the three devices and the inserted characters.
fn play(steps: &[Step]) -> (Vec<Vec<ChartChange>>, Vec<char>, usize) {
    let mut charts: Vec<Chart> = (1..=3).map(chart).collect();
    let mut lanes: Vec<Vec<ChartChange>> = vec![Vec::new(); 3];
    let (mut inserted, mut deleted) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Insert { device, at, text } => {
                let length = charts[*device].handover().unwrap().chars().count();
                let change = charts[*device].splice_handover(at.index(length + 1), 0, text, NOW_MS).unwrap();
                lanes[*device].push(change);
                inserted.extend(text.chars());
            }
            Step::Delete { device, at } => {
                let length = charts[*device].handover().unwrap().chars().count();
                if length > 0 {
                    let change = charts[*device].splice_handover(at.index(length), 1, "", NOW_MS).unwrap();
                    lanes[*device].push(change);
                    deleted += 1;
                }
            }
            Step::Hear { device, from } => {
                let heard = lanes[*from].iter().map(incoming).collect();
                charts[*device].apply_all(heard).unwrap();
            }
        }
    }
    (lanes, inserted, deleted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Law: the chart depends on the set of changes, not on their order or grouping, and loses no character.
    #[test]
    fn any_order_of_delivery_gives_the_same_chart(
        steps in steps(),
        order in any::<u64>(),
        groups in 1..4_usize,
    ) {
        let (lanes, inserted, deleted) = play(&steps);
        let mut in_order = chart(9);
        in_order.apply_all(lanes.concat().iter().map(incoming).collect()).unwrap();

        let mut shuffled = lanes.concat();
        shuffled.sort_by_key(|change| {
            let hash = u64::from_be_bytes(change.hash().0[..8].try_into().unwrap());
            (hash ^ order).wrapping_mul(order | 1)
        });
        let mut out_of_order = chart(8);
        let mut last = None;
        for group in shuffled.chunks(shuffled.len().div_ceil(groups).max(1)) {
            last = Some(out_of_order.apply_all(group.iter().map(incoming).collect()).unwrap());
        }
        prop_assert!(last.is_none_or(|delivery| delivery.waiting.is_empty()));
        prop_assert_eq!(out_of_order.handover(), in_order.handover());
        prop_assert_eq!(out_of_order.heads(), in_order.heads());

        let text: Vec<char> = in_order.handover().unwrap().chars().collect();
        prop_assert!(text.len() + deleted >= inserted.len());
        if deleted == 0 {
            let (mut kept, mut typed) = (text, inserted);
            kept.sort_unstable();
            typed.sort_unstable();
            prop_assert_eq!(kept, typed);
        }
    }
}
