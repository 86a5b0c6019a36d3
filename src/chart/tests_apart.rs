//! Sentences changed apart: what is told, what is not, and how it is settled.

use proptest::prelude::*;
use proptest::sample::Index;

use super::hostile::{NOW_MS, actor, chart, incoming};
use super::{Apart, Chart, ChartChange, MarkKind, NoteId, Signing};

fn deliver(chart: &mut Chart, changes: &[&ChartChange]) {
    let delivery = chart.apply_all(changes.iter().map(|change| incoming(change)).collect()).unwrap();
    assert!(delivery.quarantined.is_empty() && delivery.waiting.is_empty(), "{delivery:?}");
}

/// Two devices that hold one hand-over, and what each makes of it apart; both then hold both.
fn apart(base: &str, one: &str, other: &str) -> (Chart, Chart) {
    let (mut a, mut b) = (chart(1), chart(2));
    let first = a.splice_handover(0, 0, base, NOW_MS).unwrap();
    deliver(&mut b, &[&first]);
    let from_a = a.replace_handover(one, NOW_MS).unwrap();
    let from_b = b.replace_handover(other, NOW_MS + 60_000).unwrap();
    deliver(&mut a, &[&from_b]);
    deliver(&mut b, &[&from_a]);
    assert_eq!(a.handover_apart(), b.handover_apart());
    (a, b)
}

/// What each of those who have not seen one another left of a sentence, in an order of its own.
fn sides(apart: &Apart) -> Vec<&str> {
    let mut sides: Vec<_> = apart.sides.iter().map(|side| side.text.as_str()).collect();
    sides.sort_unstable();
    sides
}

/// Each sentence that is told: its characters in an order of their own, because nobody chose which of two insertions at one
/// place stands first, and its sides.
fn assert_told(base: &str, one: &str, other: &str, expected: &[(&str, [&str; 2])]) {
    let (mut a, _) = apart(base, one, other);
    let found = a.handover_apart().unwrap();
    let sorted = |text: &str| {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters
    };
    let told: Vec<_> = found.iter().map(|apart| (sorted(&apart.text), sides(apart))).collect();
    let expected: Vec<_> = expected.iter().map(|(text, sides)| (sorted(text), sides.to_vec())).collect();
    assert_eq!(told, expected, "{base} → {one} ‖ {other}: {found:?}");
    let text: Vec<char> = a.handover().unwrap().chars().collect();
    for apart in &found {
        assert_eq!(text[apart.range.clone()].iter().collect::<String>(), apart.text);
    }
}

#[test]
fn a_dose_that_two_corrected_apart_is_told_with_what_each_of_them_wrote() {
    let (mut a, _) = apart("酸素2L。安静。", "酸素3L。安静。", "酸素5L。安静。");
    let found = a.handover_apart().unwrap();
    assert_eq!(found.iter().map(sides).collect::<Vec<_>>(), [["酸素3L", "酸素5L"]]);
    assert!(["酸素35L", "酸素53L"].contains(&found[0].text.as_str()), "{found:?}");
    assert_eq!(found[0].range, 0..5);
    let times: Vec<i64> = found[0].sides.iter().map(|side| side.time_s).collect();
    let last = (NOW_MS / 1_000) as i64;
    assert!(times.contains(&last) && times.contains(&(last + 60)), "{times:?}");
}

#[test]
fn what_stands_apart_in_one_sentence_is_told_too() {
    assert_told(
        "インスリン10単位、朝1回",
        "インスリン14単位、朝1回",
        "インスリン10単位、朝2回",
        &[("インスリン14単位、朝2回", ["インスリン10単位、朝2回", "インスリン14単位、朝1回"])],
    );
    assert_told("右上腕", "左上腕", "右下腕", &[("左下腕", ["右下腕", "左上腕"])]);
    // One deletes what stands there, and the other corrects a number in it: the number alone is left.
    assert_told("体温38度\n転倒", "\n転倒", "体温39度\n転倒", &[("9", ["", "体温39度"])]);
    assert_told("体温38度。転倒", "転倒", "体温39度。転倒", &[("9転倒", ["体温39度。転倒", "転倒"])]);
    // Both append to one line.
    assert_told(
        "内服済",
        "内服済、飲水",
        "内服済、嘔吐",
        &[("内服済、飲水、嘔吐", ["内服済、嘔吐", "内服済、飲水"])],
    );
    // Two lines that one joined while the other changed the second.
    assert_told(
        "食止め\n水可",
        "食止め水可",
        "食止め\n水不可",
        &[("食止め水不可", ["食止め\n水不可", "食止め水可"])],
    );
}

#[test]
fn what_nobody_blended_is_not_told() {
    for (base, one, other) in [
        // Each their own sentence, or their own line.
        ("酸素2L。点滴100mL。", "酸素3L。点滴100mL。", "酸素2L。点滴80mL。"),
        ("安静", "安静\n酸素2L", "安静\n点滴"),
        ("安静。", "安静。酸素2L。", "安静。点滴。"),
        // One deletes a line, the other changes the next one.
        ("体温38度\n転倒\n酸素2L", "体温38度\n酸素2L", "体温38度\n転倒\n酸素3L"),
        ("体温38度\n転倒\n酸素2L", "体温38度\n酸素2L", "体温37度\n転倒\n酸素2L"),
        // Both did the same.
        ("酸素2L、点滴", "酸素2L", "酸素2L"),
    ] {
        assert_told(base, one, other, &[]);
    }
}

#[test]
fn who_has_seen_both_settles_it_by_an_edit_or_by_saying_that_it_is_right() {
    let (mut a, mut b) = apart("酸素2L", "酸素3L", "酸素5L");
    let edit = b.replace_handover("酸素5L", NOW_MS).unwrap();
    deliver(&mut a, &[&edit]);
    assert_eq!(a.handover_apart().unwrap(), []);
    assert_eq!(b.handover_apart().unwrap(), []);

    let (mut a, mut b) = apart("安静。右上腕。", "安静。左上腕。", "安静。右下腕。");
    // Another sentence says nothing of this one, and a mark says nothing of its words.
    a.confirm_handover(0, NOW_MS).unwrap();
    a.mark_handover(3..6, MarkKind::Important, true, NOW_MS).unwrap();
    assert_eq!(a.handover_apart().unwrap().len(), 1);
    let marks = a.handover_marked().unwrap();
    let before = a.handover().unwrap();
    a.confirm_handover(5, NOW_MS).unwrap();
    assert_eq!(a.handover_apart().unwrap(), []);
    assert_eq!((a.handover().unwrap(), a.handover_marked().unwrap()), (before, marks));
    // Who meanwhile goes on without that knowledge opens it again.
    let late = b.splice_handover(6, 0, "骨折", NOW_MS).unwrap();
    deliver(&mut a, &[&late]);
    assert_eq!(a.handover_apart().unwrap().len(), 1);
    assert!(a.confirm_handover(99, NOW_MS).is_err());
}

#[test]
fn what_a_signing_took_out_is_no_edit_of_what_was_typed_meanwhile() {
    let (mut a, mut b, note) = (chart(1), chart(2), NoteId::new("n1").unwrap());
    let first = a.begin_note(&note, "酸素2L", NOW_MS).unwrap();
    deliver(&mut b, &first.iter().collect::<Vec<_>>());
    let heads = a.heads();
    let (_, taken) = a.take_note(&note, NOW_MS).unwrap();
    let typed = b.replace_note(&note, "酸素3L", NOW_MS).unwrap();
    deliver(&mut a, &[&typed]);
    let signing = Signing { note: note.clone(), heads, taken: taken.last().unwrap().hash() };
    assert_eq!(a.drafts(&[]).unwrap()[0].apart.len(), 1, "without the statement nobody knows");
    assert_eq!(a.drafts(&[signing]).unwrap()[0].apart, []);
}

#[derive(Debug, Clone)]
enum Step {
    Edit { who: usize, at: Index, delete: usize, text: String },
    Meet { from: usize, to: usize },
    Confirm { who: usize, at: Index },
}

fn step() -> impl Strategy<Value = Step> {
    let edit = (0..3_usize, any::<Index>(), 0..3_usize, "[ab1。]{0,2}");
    prop_oneof![
        4 => edit.prop_map(|(who, at, delete, text)| Step::Edit { who, at, delete, text }),
        3 => (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Meet { from, to }),
        1 => (0..3_usize, any::<Index>()).prop_map(|(who, at)| Step::Confirm { who, at }),
    ]
}

proptest! {
    /// All replicas that hold the same tell the same, in whatever order it came; and after somebody who holds all has
    /// confirmed each sentence that is told, none is.
    #[test]
    fn what_was_changed_apart_is_a_function_of_the_changes(steps in prop::collection::vec(step(), 1..24)) {
        let mut charts = [chart(1), chart(2), chart(3)];
        let mut held: [Vec<ChartChange>; 3] = Default::default();
        for step in steps {
            match step {
                Step::Edit { who, at, delete, text } => {
                    let length = charts[who].handover().unwrap().chars().count();
                    let at = at.index(length + 1);
                    let change = charts[who].splice_handover(at, delete.min(length - at), &text, NOW_MS);
                    held[who].extend(change.ok());
                }
                Step::Confirm { who, at } => {
                    let length = charts[who].handover().unwrap().chars().count();
                    if length > 0 {
                        held[who].extend(charts[who].confirm_handover(at.index(length), NOW_MS).unwrap());
                    }
                }
                Step::Meet { from, to } => {
                    let new: Vec<ChartChange> =
                        held[from].iter().filter(|change| !held[to].contains(change)).cloned().collect();
                    deliver(&mut charts[to], &new.iter().collect::<Vec<_>>());
                    held[to].extend(new);
                }
            }
        }
        let mut all: Vec<ChartChange> = Vec::new();
        for change in held.concat() {
            if !all.contains(&change) {
                all.push(change);
            }
        }
        let [mut first, mut last] = [chart(4), chart(5)];
        deliver(&mut first, &all.iter().collect::<Vec<_>>());
        all.reverse();
        let delivery = last.apply_all(all.iter().map(incoming).collect()).unwrap();
        prop_assert!(delivery.quarantined.is_empty());
        let found = first.handover_apart().unwrap();
        prop_assert_eq!(&found, &last.handover_apart().unwrap());
        let mut loaded = Chart::load_own(&first.save(), actor(6), &first.heads()).unwrap();
        prop_assert_eq!(&found, &loaded.handover_apart().unwrap());
        for apart in &found {
            prop_assert!(apart.sides.len() > 1 && apart.sides.iter().any(|side| side.text != apart.text));
            first.confirm_handover(apart.range.end - 1, NOW_MS).unwrap();
        }
        prop_assert_eq!(first.handover_apart().unwrap(), vec![]);
        prop_assert_eq!(first.handover().unwrap(), last.handover().unwrap());
    }
}
