//! Marks: what honest devices see of one another's, and that all replicas agree.

use std::ops::Range;

use automerge::{ObjId, ReadDoc as _, ScalarValue};
use proptest::prelude::*;
use proptest::sample::Index;

use super::hostile::{NOW_MS, actor, chart, incoming, is_sound};
use super::marking::character;
use super::view::handover_object;
use super::{Chart, ChartChange, ChartError, MarkKind, NoteId, Span, SpanMark, visible_text};

use MarkKind::{Important, Struck};

fn deliver(chart: &mut Chart, changes: &[&ChartChange]) {
    let delivery = chart.apply_all(changes.iter().map(|change| incoming(change)).collect()).unwrap();
    assert!(delivery.quarantined.is_empty() && delivery.waiting.is_empty(), "{delivery:?}");
}

fn mark(chart: &mut Chart, range: Range<usize>, kind: MarkKind, on: bool) -> ChartChange {
    chart.mark_handover(range, kind, on, NOW_MS).unwrap()
}

fn visible(spans: &[Span]) -> String {
    visible_text(spans.iter().map(|span| (span.text.as_str(), span.marks.as_slice())), true)
}

fn shown(chart: &mut Chart) -> String {
    visible(&chart.handover_marked().unwrap())
}

/// Two devices that hold one text.
fn pair(text: &str) -> (Chart, Chart) {
    let (mut a, mut b) = (chart(1), chart(2));
    let base = a.splice_handover(0, 0, text, NOW_MS).unwrap();
    deliver(&mut b, &[&base]);
    (a, b)
}

#[test]
fn a_mark_tells_who_set_it_and_when_and_is_taken_away() {
    let (mut a, mut b) = pair("酸素2L、安静");
    let struck = b.mark_handover(2..4, Struck, true, NOW_MS + 60_000).unwrap();
    deliver(&mut a, &[&struck]);
    assert_eq!(shown(&mut a), "酸素〔取消: 2L〕、安静");
    assert_eq!(a.handover().unwrap(), "酸素2L、安静");
    let spans = a.handover_marked().unwrap();
    let [one] = spans[1].marks.as_slice() else { panic!("{spans:?}") };
    assert_eq!((one.kind, one.by[0].change, one.against.len()), (Struck, struck.hash(), 0));
    assert_eq!(one.by[0].time_s, 1_700_000_060);

    let again = b.mark_handover(3..4, Struck, true, NOW_MS);
    assert_eq!(again, Err(ChartError::NothingChanges), "the first who struck it stays named");
    let off = mark(&mut b, 3..4, Struck, false);
    deliver(&mut a, &[&off]);
    assert_eq!(shown(&mut a), "酸素〔取消: 2〕L、安静");
    assert_eq!(b.mark_handover(3..7, Struck, false, NOW_MS), Err(ChartError::NothingChanges));
    assert!(is_sound(&a) && is_sound(&b));
    let mut loaded = Chart::load_own(&a.save(), actor(1), &a.heads()).unwrap();
    assert_eq!(loaded.handover_marked(), b.handover_marked());
}

#[test]
fn ranges_that_are_empty_or_beyond_the_text_are_refused() {
    let (mut a, _) = pair("abc");
    for range in [0..0, 2..4, 3..4, Range { start: 2, end: 1 }] {
        assert_eq!(a.mark_handover(range, Struck, true, NOW_MS), Err(ChartError::Position));
    }
    let note = NoteId::new("n1").unwrap();
    assert_eq!(a.mark_note(&note, 0, 0..1, Struck, true, NOW_MS), Err(ChartError::NotFound));
    assert_eq!(a.change_count().unwrap(), 2);
}

#[test]
fn what_is_typed_at_the_ends_of_a_mark_is_plain() {
    for kind in MarkKind::ALL {
        let (mut a, mut b) = pair("アレルギー");
        let marked = mark(&mut a, 0..5, kind, true);
        let concurrent = b.replace_handover("前アレルギー後", NOW_MS).unwrap();
        deliver(&mut a, &[&concurrent]);
        deliver(&mut b, &[&marked]);
        let later = b.replace_handover("再前アレルギー後続", NOW_MS).unwrap();
        deliver(&mut a, &[&later]);
        // Right at both ends, by somebody who sees the mark.
        let close = b.splice_handover(7, 0, "x", NOW_MS).unwrap();
        let front = b.splice_handover(2, 0, "y", NOW_MS).unwrap();
        deliver(&mut a, &[&close, &front]);
        let word =
            if kind == Important { "【重要: アレルギー】" } else { "〔取消: アレルギー〕" };
        assert_eq!(shown(&mut a), format!("再前y{word}x後続"));
        assert_eq!(a.handover_marked(), b.handover_marked());
    }
}

#[test]
fn what_is_typed_inside_is_important_with_the_rest_but_never_struck() {
    let (mut a, mut b) = pair("酸素2L");
    let both = [mark(&mut a, 0..4, Important, true), mark(&mut a, 0..4, Struck, true)];
    let concurrent = b.splice_handover(2, 0, "毎分", NOW_MS).unwrap();
    deliver(&mut a, &[&concurrent]);
    deliver(&mut b, &[&both[0], &both[1]]);
    let expected = "【重要: 〔取消: 酸素〕毎分〔取消: 2L〕】";
    assert_eq!((shown(&mut a), shown(&mut b)), (expected.to_owned(), expected.to_owned()));
    // Later too, and until somebody who has read it strikes it.
    a.splice_handover(1, 0, "吸入", NOW_MS).unwrap();
    assert_eq!(shown(&mut a), "【重要: 〔取消: 酸〕吸入〔取消: 素〕毎分〔取消: 2L〕】");
    mark(&mut a, 0..8, Struck, true);
    assert_eq!(shown(&mut a), "【重要: 〔取消: 酸吸入素毎分2L〕】");
}

#[test]
fn a_strike_that_is_taken_away_at_once_is_disputed_until_somebody_decides() {
    let (mut a, mut b) = pair("酸素2L");
    let struck = mark(&mut a, 0..4, Struck, true);
    deliver(&mut b, &[&struck]);
    let off = mark(&mut a, 0..4, Struck, false);
    // Device 2 knows of no removal: it takes its own way over the same words.
    let other = mark(&mut b, 2..4, Struck, false);
    let again = mark(&mut b, 2..4, Struck, true);
    deliver(&mut a, &[&other, &again]);
    deliver(&mut b, &[&off]);
    assert_eq!(shown(&mut a), "酸素〔取消?: 2L〕");
    assert_eq!(a.handover_marked(), b.handover_marked());
    let disputed = &a.handover_marked().unwrap()[1].marks[0];
    assert_eq!((disputed.by[0].change, disputed.against[0].change), (again.hash(), off.hash()));
    assert_eq!((disputed.by.len(), disputed.against.len()), (1, 1));

    let decided = mark(&mut a, 2..4, Struck, true);
    deliver(&mut b, &[&decided]);
    assert_eq!(shown(&mut b), "酸素〔取消: 2L〕");
    assert_eq!(a.handover_marked(), b.handover_marked());
}

#[test]
fn all_who_struck_the_same_words_are_named() {
    let (mut a, mut b) = pair("酸素2L");
    let from_a = mark(&mut a, 0..3, Struck, true);
    let from_b = mark(&mut b, 1..4, Struck, true);
    deliver(&mut a, &[&from_b]);
    deliver(&mut b, &[&from_a]);
    let by: Vec<usize> = a.handover_marked().unwrap().iter().map(|span| span.marks[0].by.len()).collect();
    assert_eq!((by, shown(&mut a)), (vec![1, 2, 1], "〔取消: 酸素2L〕".to_owned()));
    assert_eq!(a.handover_marked(), b.handover_marked());
}

#[test]
fn a_rewritten_text_keeps_the_marks_of_the_characters_that_stay() {
    let (mut a, _) = pair("酸素2L、安静。家族へ連絡");
    mark(&mut a, 5..7, Important, true);
    mark(&mut a, 8..13, Struck, true);
    a.replace_handover("血圧低下。酸素4L、安静。家族に連絡済み", NOW_MS).unwrap();
    assert_eq!(shown(&mut a), "血圧低下。酸素4L、【重要: 安静】。〔取消: 家族〕に〔取消: 連絡〕済み");
}

#[test]
fn a_struck_text_is_signed_in_its_visible_form_and_an_important_one_plainly() {
    let note = NoteId::new("n1").unwrap();
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note, 0, 0, "発熱なし。創部乾燥。", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let struck = a.mark_note(&note, 0, 0..4, Struck, true, NOW_MS).unwrap();
    let important = a.mark_note(&note, 0, 5..9, Important, true, NOW_MS).unwrap();
    let typed = b.edit_note(&note, 2, 0, "38度", NOW_MS).unwrap();
    let draft = &a.drafts(&[]).unwrap()[0];
    assert_eq!(draft.visible_text(true), "〔取消: 発熱なし〕。【重要: 創部乾燥】。");
    assert_eq!(draft.text(), "発熱なし。創部乾燥。");
    let (signed, taken) = a.take_note(&note, NOW_MS).unwrap();
    assert_eq!(signed, "〔取消: 発熱なし〕。創部乾燥。");
    assert_eq!(signed, draft.visible_text(false));

    // What was typed inside meanwhile is a draft, and not struck by where it stands.
    deliver(&mut a, &[&typed]);
    deliver(&mut b, &[&struck, &important]);
    deliver(&mut b, &taken.iter().collect::<Vec<_>>());
    assert_eq!(a.drafts(&[]).unwrap()[0].visible_text(true), "38度");
    assert_eq!(a.drafts(&[]), b.drafts(&[]));
    assert_eq!(a.note_marked(&note), b.note_marked(&note));
}

#[test]
fn marks_hold_no_text_to_recover() {
    let (mut a, _) = pair("酸素2L");
    let marked = mark(&mut a, 0..2, Important, true);
    assert!(super::recover_texts([marked.bytes()]).is_empty());
}

#[test]
fn hundreds_of_marks_on_one_text_are_read_at_once() {
    let mut a = chart(1);
    a.splice_handover(0, 0, &"あいうえお".repeat(40), NOW_MS).unwrap();
    for n in 0..150 {
        mark(&mut a, n..n + 50, MarkKind::ALL[n % 2], n % 5 != 4);
    }
    assert!(is_sound(&a));
    let text: String = a.handover_marked().unwrap().iter().map(|span| span.text.as_str()).collect();
    assert_eq!(text, a.handover().unwrap());
}

/// One step of three devices.
#[derive(Debug, Clone)]
enum Step {
    Insert { device: usize, at: Index, text: String },
    Delete { device: usize, at: Index, count: usize },
    Mark { device: usize, from: Index, to: Index, kind: usize, on: bool },
    Hear { device: usize, from: usize, upto: Index },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = (0..3_usize, any::<Index>(), "[a-z漢🚑]{1,4}").prop_map(|(device, at, text)| Step::Insert {
        device,
        at,
        text,
    });
    let delete = (0..3_usize, any::<Index>(), 1..4_usize).prop_map(|(device, at, count)| Step::Delete {
        device,
        at,
        count,
    });
    let mark = (0..3_usize, any::<Index>(), any::<Index>(), 0..2_usize, prop::bool::weighted(0.6))
        .prop_map(|(device, from, to, kind, on)| Step::Mark { device, from, to, kind, on });
    let hear = (0..3_usize, 0..3_usize, any::<Index>()).prop_map(|(device, from, upto)| Step::Hear {
        device,
        from,
        upto,
    });
    prop::collection::vec(prop_oneof![3 => insert, 1 => delete, 3 => mark, 2 => hear], 1..28)
}

/// Plays the steps; returns the three charts and their lanes. A mark never changes a character.
fn play(steps: &[Step]) -> (Vec<Chart>, Vec<Vec<ChartChange>>) {
    let mut charts: Vec<Chart> = (1..=3).map(chart).collect();
    let mut lanes: Vec<Vec<ChartChange>> = vec![Vec::new(); 3];
    for step in steps {
        match step {
            Step::Insert { device, at, text } => {
                let length = charts[*device].handover().unwrap().chars().count();
                let at = at.index(length + 1);
                lanes[*device].push(charts[*device].splice_handover(at, 0, text, NOW_MS).unwrap());
            }
            Step::Delete { device, at, count } => {
                let length = charts[*device].handover().unwrap().chars().count();
                if length > 0 {
                    let at = at.index(length);
                    let count = (*count).min(length - at);
                    lanes[*device].push(charts[*device].splice_handover(at, count, "", NOW_MS).unwrap());
                }
            }
            Step::Mark { device, from, to, kind, on } => {
                let chart = &mut charts[*device];
                let text = chart.handover().unwrap();
                let length = text.chars().count();
                if length == 0 {
                    continue;
                }
                let (one, other) = (from.index(length), to.index(length));
                let range = one.min(other)..one.max(other) + 1;
                match chart.mark_handover(range, MarkKind::ALL[*kind], *on, NOW_MS) {
                    Ok(change) => lanes[*device].push(change),
                    Err(refused) => assert_eq!(refused, ChartError::NothingChanges),
                }
                assert_eq!(chart.handover().unwrap(), text);
            }
            Step::Hear { device, from, upto } => {
                let upto = upto.index(lanes[*from].len() + 1);
                let heard = lanes[*from][..upto].iter().map(incoming).collect();
                assert!(charts[*device].apply_all(heard).unwrap().quarantined.is_empty());
            }
        }
    }
    (charts, lanes)
}

/// Quick by default; `PROPTEST_CASES=5000` runs as many.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 32 } else { asked.cases };
    ProptestConfig { cases, ..asked }
}

/// The marks that the library shows on each character.
fn of_library(chart: &Chart, text: &ObjId, kind: MarkKind) -> Vec<bool> {
    let mut marked = vec![false; chart.document.length(text)];
    for mark in chart.document.marks(text).unwrap() {
        if mark.name() == kind.name() && *mark.value() == ScalarValue::Boolean(true) {
            marked[mark.start..mark.end].fill(true);
        }
    }
    marked
}

proptest! {
    #![proptest_config(cases())]

    /// Laws: the spans are a function of the set of changes; they hold the text and nothing else; what is undisputed and
    /// was seen by all who marked is marked as the library marks it.
    #[test]
    fn marks_of_devices_apart_converge_and_agree_with_the_library(steps in steps(), order in any::<u64>()) {
        let (mut charts, lanes) = play(&steps);
        let mut all = lanes.concat();
        for chart in &mut charts {
            all.sort_by_key(|change| {
                let hash = u64::from_be_bytes(change.hash().0[..8].try_into().unwrap());
                (hash ^ order).wrapping_mul(order | 1)
            });
            let delivery = chart.apply_all(all.iter().map(incoming).collect()).unwrap();
            prop_assert!(delivery.quarantined.is_empty() && delivery.waiting.is_empty(), "{:?}", delivery);
            all.reverse();
        }
        let spans = charts[0].handover_marked().unwrap();
        prop_assert_eq!(&charts[1].handover_marked().unwrap(), &spans);
        prop_assert_eq!(&charts[2].handover_marked().unwrap(), &spans);
        let mut loaded = Chart::load_own(&charts[0].save(), actor(9), &charts[0].heads()).unwrap();
        prop_assert_eq!(&loaded.handover_marked().unwrap(), &spans);

        let text: String = spans.iter().map(|span| span.text.as_str()).collect();
        prop_assert_eq!(text, charts[0].handover().unwrap());
        let object = handover_object(&charts[0].document).unwrap();
        let ids: Vec<ObjId> = charts[0].document.list_range(&object, ..).map(|item| item.id()).collect();
        let history = charts[0].history().unwrap();
        // What some writer of a mark had not seen is read differently on purpose.
        let characters = ids.iter().filter_map(|id| character(history, id));
        let seen_by_all = |one: super::history::OpRef| {
            let seen = |mark: &super::history::PlacedMark| history.seen_of(&mark.change).unwrap().seq(one.actor);
            history.marks().iter().all(|mark| seen(mark) >= history.seq_of(one).unwrap())
        };
        let seen: Vec<bool> = characters.map(seen_by_all).collect();
        for kind in MarkKind::ALL {
            let library = of_library(&charts[0], &object, kind);
            let each = spans.iter().flat_map(|span| span.text.chars().map(move |_| span));
            for ((span, theirs), _) in each.zip(library).zip(&seen).filter(|(_, seen)| **seen) {
                let mine = span.marks.iter().find(|mark| mark.kind == kind);
                if !mine.is_some_and(SpanMark::is_disputed) {
                    prop_assert_eq!(mine.is_some(), theirs, "{:?} of {:?}", kind, span);
                }
            }
        }
    }
}
