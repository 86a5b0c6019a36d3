//! What becomes of notes: written by many, signed by some, with nothing lost.

use super::hostile::{NOW_MS, chart, incoming};
use super::{Chart, ChartChange, NoteId, Signing};

fn deliver(chart: &mut Chart, changes: &[&ChartChange]) {
    let delivery = chart.apply_all(changes.iter().map(|change| incoming(change)).collect()).unwrap();
    assert!(delivery.quarantined.is_empty() && delivery.waiting.is_empty(), "{delivery:?}");
}

fn note() -> NoteId {
    NoteId::new("n1").unwrap()
}

/// Signs a note; returns the text, the changes, and the signing as its statement tells it.
fn sign(chart: &mut Chart) -> (String, Vec<ChartChange>, Signing) {
    let heads = chart.heads();
    let (text, changes) = chart.take_note(&note(), NOW_MS).unwrap();
    let taken = changes.last().unwrap().hash();
    (text, changes, Signing { note: note(), heads, taken })
}

#[test]
fn what_was_typed_meanwhile_is_told_from_what_was_typed_after() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let meanwhile = b.replace_note(&note(), "微発熱なし。創部確認", NOW_MS + 9_000).unwrap();
    let (signed, taken, signing) = sign(&mut a);
    assert_eq!(signed, "発熱なし");
    deliver(&mut a, &[&meanwhile]);
    deliver(&mut b, &taken.iter().collect::<Vec<_>>());
    let after = b.replace_note(&note(), "微。創部確認、再診", NOW_MS).unwrap();
    deliver(&mut a, &[&after]);

    let drafts = a.drafts(&[signing.clone()]).unwrap();
    let told: Vec<_> = drafts[0].texts[0]
        .iter()
        .map(|piece| (piece.text.as_str(), piece.while_signing, piece.after.as_str(), piece.change))
        .collect();
    assert_eq!(
        told,
        [
            ("微", true, "", meanwhile.hash()),
            ("。創部確認", true, "発熱なし", meanwhile.hash()),
            ("、再診", false, "", after.hash()),
        ]
    );
    assert_eq!(drafts[0].texts[0][0].time_s, (NOW_MS as i64 + 9_000) / 1_000);
    assert_eq!(b.drafts(&[signing]).unwrap(), drafts);
}

#[test]
fn a_long_signed_text_shows_its_end_before_what_was_typed_behind_it() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "0123456789あいうえお", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let typed = b.edit_note(&note(), 15, 0, "!", NOW_MS).unwrap();
    let (_, _, signing) = sign(&mut a);
    deliver(&mut a, &[&typed]);
    assert_eq!(a.drafts(&[signing]).unwrap()[0].texts[0][0].after, "3456789あいうえお");
}

#[test]
fn without_text_there_is_no_draft_and_unknown_signings_change_nothing() {
    let mut a = chart(1);
    a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    let unknown = super::ChangeHash([9; 32]);
    let hostile = Signing { note: note(), heads: vec![unknown], taken: unknown };
    let drafts = a.drafts(&[hostile]).unwrap();
    assert_eq!(drafts[0].text(), "発熱なし");
    let (_, _, signing) = sign(&mut a);
    assert!(a.drafts(&[signing]).unwrap().is_empty());
}

#[test]
fn a_signing_whose_deletion_has_not_arrived_leaves_the_text_and_does_not_call_it_late() {
    let (mut a, mut b) = (chart(1), chart(2));
    let begun = a.edit_note(&note(), 0, 0, "発熱なし", NOW_MS).unwrap();
    deliver(&mut b, &[&begun]);
    let (_, _, signing) = sign(&mut a);
    let drafts = b.drafts(&[signing]).unwrap();
    assert_eq!(drafts[0].text(), "発熱なし");
    assert!(!drafts[0].texts[0][0].while_signing);
}

#[test]
fn a_note_longer_than_one_change_is_begun_in_several() {
    let mut a = chart(1);
    let text = "長".repeat(20_000);
    let changes = a.begin_note(&note(), &text, NOW_MS).unwrap();
    assert_eq!(changes.len(), 3);
    assert_eq!(a.drafts(&[]).unwrap()[0].text(), text);
    let mut b = chart(2);
    deliver(&mut b, &changes.iter().collect::<Vec<_>>());
    assert_eq!(a.drafts(&[]), b.drafts(&[]));
}
