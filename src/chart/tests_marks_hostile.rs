//! Marks that no honest device would write.

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, ScalarValue};

use super::hostile::{NOW_MS, actor, chart, incoming, incoming_at, is_sound, library_survives, rewrite_ops};
use super::{
    Chart, ChartChange, ChunkError, GENESIS_ACTOR, GuardError, MarkKind, NoteId, SchemaError, limits,
};

const TEXT: &str = "abcdef";

/// Device 1's text and a note; a reader that holds both; and device 1's next change, which strikes `bcd`.
fn scene() -> (Chart, Chart, ChartChange) {
    let mut writer = chart(1);
    let base = writer.splice_handover(0, 0, TEXT, NOW_MS).unwrap();
    let note = writer.edit_note(&NoteId::new("n").unwrap(), 0, 0, "xyz", NOW_MS).unwrap();
    let mut reader = chart(2);
    reader.apply_all(vec![incoming(&base), incoming(&note)]).unwrap();
    let struck = writer.mark_handover(1..4, MarkKind::Struck, true, NOW_MS).unwrap();
    (writer, reader, struck)
}

/// The n-th character of the text, from 0; the genesis has five operations.
fn character(n: u64) -> Key {
    element(6 + n)
}

fn element(counter: u64) -> Key {
    Key::Seq(ElementId::Id(OpId(counter, ActorId::from([1_u8; 16]))))
}

/// Delivers one change in device 1's lane and returns why it was refused; the honest one still passes.
fn refusal(bytes: &[u8]) -> Option<GuardError> {
    let (_, mut reader, honest) = scene();
    let before = (reader.heads(), reader.handover_marked());
    let delivery = reader.apply_all(vec![incoming_at(&actor(1), 3, bytes)]).unwrap();
    assert!(is_sound(&reader));
    let reason = delivery.quarantined.first().map(|one| one.reason);
    if reason.is_some() {
        assert_eq!((reader.heads(), reader.handover_marked()), before);
        assert_eq!(reader.apply_all(vec![incoming(&honest)]).unwrap().applied, [honest.hash()]);
    }
    assert!(reader.handover_marked().is_ok());
    reason
}

#[track_caller]
fn assert_refused(edit: impl FnOnce(&mut Vec<Op>), expected: impl Into<GuardError>) {
    let (_, _, struck) = scene();
    assert_eq!(refusal(&rewrite_ops(&struck, edit)), Some(expected.into()));
}

fn begin(op: &mut Op) -> &mut MarkData {
    match &mut op.action {
        OpType::MarkBegin(mark) => mark,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_honest_mark_is_two_operations_and_passes() {
    let (_, _, struck) = scene();
    assert_eq!(struck.max_op() - struck.start_op(), 1);
    assert_eq!(rewrite_ops(&struck, |ops| assert_eq!(ops[0].key, character(0))), struck.bytes());
    assert_eq!(refusal(struck.bytes()), None);
}

#[test]
fn an_end_before_its_begin_is_refused() {
    // The library applies and saves it, and then cannot load what it saved.
    let (_, reader, struck) = scene();
    let swapped = |begin: Key, end: Key| {
        rewrite_ops(&struck, move |ops| {
            (ops[0].key, ops[1].key) = (begin, end);
        })
    };
    let start = Key::Seq(ElementId::Head);
    let own = element(struck.start_op());
    for (begin, end) in [
        (character(3), character(0)),
        (character(5), character(2)),
        // The newer of two behind one element stands first.
        (character(2), character(2)),
    ] {
        let bytes = swapped(begin, end);
        assert!(!library_survives(&reader.document, &bytes));
        assert_eq!(refusal(&bytes), Some(SchemaError::Mark.into()));
    }
    // At the start, and with nothing between: harmless to the library, and never written.
    for (begin, end) in [(start.clone(), start.clone()), (character(2), start.clone()), (character(2), own)] {
        assert_eq!(refusal(&swapped(begin, end)), Some(SchemaError::Mark.into()));
    }
    for (begin, end) in [(start, character(0)), (character(0), character(1)), (character(4), character(5))] {
        assert_eq!(refusal(&swapped(begin, end)), None);
    }
}

#[test]
fn the_order_is_that_of_the_text_and_not_of_typing() {
    // "YaXbc": X is newer than the rest and stands behind a; Y is the newest and stands at the start.
    let mut writer = chart(1);
    let changes = [
        writer.splice_handover(0, 0, "abc", NOW_MS).unwrap(),
        writer.splice_handover(1, 0, "X", NOW_MS).unwrap(),
        writer.splice_handover(0, 0, "Y", NOW_MS).unwrap(),
    ];
    let mut reader = chart(2);
    reader.apply_all(changes.iter().map(incoming).collect()).unwrap();
    let struck = writer.mark_handover(1..3, MarkKind::Struck, true, NOW_MS).unwrap();
    let judge = |begin: Key, end: Key| {
        let bytes = rewrite_ops(&struck, |ops| (ops[0].key, ops[1].key) = (begin, end));
        let survives = library_survives(&reader.document, &bytes);
        let refused = reader.clone().apply_all(vec![incoming_at(&actor(1), 4, &bytes)]).unwrap().quarantined;
        assert_eq!(refused.is_empty(), survives);
        survives
    };
    let (a, b, c, x, y) = (element(6), element(7), element(8), element(9), element(10));
    for (begin, end) in [(&a, &x), (&x, &b), (&x, &c), (&a, &c), (&b, &c), (&y, &a), (&y, &x), (&y, &c)] {
        assert!(judge(begin.clone(), end.clone()));
        assert!(!judge(end.clone(), begin.clone()));
    }
}

#[test]
fn a_mark_is_a_begin_and_at_once_its_end() {
    let (_, reader, struck) = scene();
    let lone = rewrite_ops(&struck, |ops| drop(ops.remove(0)));
    assert!(!library_survives(&reader.document, &lone), "an end without a begin");
    assert_eq!(refusal(&lone), Some(SchemaError::Mark.into()));
    assert_refused(|ops| drop(ops.pop()), SchemaError::Mark);
    assert_refused(|ops| ops.swap(0, 1), SchemaError::Mark);
    assert_refused(|ops| ops.insert(1, ops[0].clone()), SchemaError::Mark);
    assert_refused(|ops| ops.push(ops[1].clone()), SchemaError::Mark);
    assert_refused(|ops| ops.extend(ops.clone()), SchemaError::Mark);
    let letter = |ops: &[Op]| Op { action: OpType::Put("q".into()), ..ops[0].clone() };
    assert_refused(|ops| ops.insert(1, letter(ops)), SchemaError::Mark);
    // Before and behind it may be typed.
    let (_, _, struck) = scene();
    assert_eq!(refusal(&rewrite_ops(&struck, |ops| ops.push(letter(ops)))), None);
    assert_eq!(refusal(&rewrite_ops(&struck, |ops| ops.insert(0, letter(ops)))), None);
}

#[test]
fn a_mark_stays_within_one_text() {
    let note = ObjectId::Id(OpId(12, ActorId::from([1_u8; 16])));
    let (_, reader, struck) = scene();
    let across = rewrite_ops(&struck, |ops| (ops[1].obj, ops[1].key) = (note.clone(), element(14)));
    assert!(!library_survives(&reader.document, &across));
    assert_eq!(refusal(&across), Some(SchemaError::Mark.into()));
    // The other way round, where the begin looks older by its number.
    let across = rewrite_ops(&struck, |ops| (ops[0].obj, ops[0].key) = (note.clone(), element(14)));
    assert_eq!(refusal(&across), Some(SchemaError::Mark.into()));
    // Its elements are of that text too.
    assert_refused(|ops| ops[1].key = element(14), SchemaError::UnknownReference);
    assert_refused(|ops| ops[0].key = element(14), SchemaError::UnknownReference);
    let notes = ObjectId::Id(OpId(3, ActorId::from(GENESIS_ACTOR)));
    assert_refused(|ops| ops[0].obj = notes, SchemaError::Key);
}

#[test]
fn a_mark_has_our_name_our_values_and_does_not_expand() {
    for name in ["bold", "", "Struck", "struck "] {
        assert_refused(|ops| begin(&mut ops[0]).name = name.into(), ChunkError::UnknownMark);
    }
    let long = "s".repeat(100_000);
    assert_refused(|ops| begin(&mut ops[0]).name = long.into(), ChunkError::UnknownMark);
    for value in [ScalarValue::Boolean(false), ScalarValue::Int(1), "true".into(), ScalarValue::Timestamp(1)]
    {
        assert_refused(|ops| begin(&mut ops[0]).value = value, SchemaError::Value);
    }
    assert_refused(|ops| begin(&mut ops[0]).expand = true, ChunkError::UnknownColumn);
    assert_refused(|ops| ops[1].action = OpType::MarkEnd(true), ChunkError::UnknownColumn);
}

#[test]
fn a_mark_replaces_nothing_and_is_never_deleted_nor_written_over() {
    let of_character = || vec![OpId(7, ActorId::from([1_u8; 16]))];
    assert_refused(|ops| ops[0].pred = of_character().into(), SchemaError::Predecessors);
    assert_refused(|ops| ops[1].pred = of_character().into(), SchemaError::Predecessors);
    assert_refused(|ops| ops[0].insert = false, SchemaError::Action);
    assert_refused(|ops| ops[1].insert = false, SchemaError::Action);

    let (mut writer, mut reader, struck) = scene();
    let deletion = writer.splice_handover(0, 1, "", NOW_MS).unwrap();
    reader.apply_all(vec![incoming(&struck)]).unwrap();
    for point in [struck.start_op(), struck.max_op()] {
        let id = OpId(point, ActorId::from([1_u8; 16]));
        let deleted = rewrite_ops(&deletion, |ops| {
            (ops[0].key, ops[0].pred) = (element(point), vec![id].into());
        });
        let delivery = reader.apply_all(vec![incoming_at(&actor(1), 4, &deleted)]).unwrap();
        assert_eq!(delivery.quarantined[0].reason, SchemaError::Mark.into());
    }
    // What is typed behind either end of a mark is honest: the library writes so.
    let typed = writer_after(&struck);
    for point in [struck.start_op(), struck.max_op()] {
        let behind = rewrite_ops(&typed, |ops| ops[0].key = element(point));
        let mut reader = reader.clone();
        let delivery = reader.apply_all(vec![incoming_at(&actor(1), 4, &behind)]).unwrap();
        assert_eq!(delivery.applied.len(), 1, "{delivery:?}");
        assert!(is_sound(&reader));
    }
    assert_eq!(reader.apply_all(vec![incoming(&deletion)]).unwrap().applied, [deletion.hash()]);
}

fn writer_after(struck: &ChartChange) -> ChartChange {
    let (mut writer, _, again) = scene();
    assert_eq!(&again, struck);
    writer.splice_handover(0, 0, "q", NOW_MS).unwrap()
}

#[test]
fn a_mark_refers_only_to_what_its_writer_had_seen() {
    let stranger = OpId(4_000, ActorId::from([9_u8; 16]));
    let unknown = || Key::Seq(ElementId::Id(stranger.clone()));
    assert_refused(|ops| ops[0].key = unknown(), SchemaError::UnknownReference);
    assert_refused(|ops| ops[1].key = unknown(), SchemaError::UnknownReference);
    assert_refused(|ops| ops[1].key = element(4_000), SchemaError::UnknownReference);
    // The reader holds a character that device 1 has not seen.
    let (_, mut reader, struck) = scene();
    let unseen = chart(3).splice_handover(0, 0, "C", NOW_MS).unwrap();
    reader.apply_all(vec![incoming(&unseen)]).unwrap();
    let id = OpId(unseen.start_op(), ActorId::from([3_u8; 16]));
    let bytes = rewrite_ops(&struck, |ops| ops[1].key = Key::Seq(ElementId::Id(id)));
    let delivery = reader.apply_all(vec![incoming_at(&actor(1), 3, &bytes)]).unwrap();
    assert_eq!(delivery.quarantined[0].reason, SchemaError::UnknownReference.into());
}

#[test]
fn marks_over_deleted_text_overlapping_and_nested_are_sound() {
    let (mut writer, mut reader, struck) = scene();
    let mut changes = vec![struck];
    for (range, on) in [(0..6, true), (2..3, false), (3..5, true), (1..4, false), (0..1, true)] {
        for kind in MarkKind::ALL {
            changes.extend(writer.mark_handover(range.clone(), kind, on, NOW_MS));
        }
    }
    let before = changes.len();
    changes.push(writer.splice_handover(0, 6, "", NOW_MS).unwrap());
    changes.push(writer.splice_handover(0, 0, "new", NOW_MS).unwrap());
    assert!(before > 6);
    let delivery = reader.apply_all(changes.iter().map(incoming).collect()).unwrap();
    assert_eq!(delivery.applied.len(), changes.len());
    assert_eq!(reader.handover_marked(), writer.handover_marked());
    assert!(is_sound(&reader) && reader.handover().unwrap() == "new");
}

#[test]
fn more_marks_than_the_limit_are_refused_by_what_the_writer_had_seen() {
    let (_, reader, struck) = scene();
    let mut full = reader.clone();
    full.history().unwrap();
    full.pretend_marks(&actor(1), limits::MARKS_PER_CHART_MAX);
    let delivery = full.apply_all(vec![incoming(&struck)]).unwrap();
    assert_eq!(delivery.quarantined[0].reason, SchemaError::TooManyMarks.into());
    assert!(full.is_full().unwrap(), "a new chart may follow");
    let mut almost = reader;
    almost.history().unwrap();
    almost.pretend_marks(&actor(1), limits::MARKS_PER_CHART_MAX - 1);
    assert_eq!(almost.apply_all(vec![incoming(&struck)]).unwrap().applied, [struck.hash()]);
}
