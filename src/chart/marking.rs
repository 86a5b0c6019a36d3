//! Setting marks in a chart's texts, and reading texts with their marks.
//!
//! Automerge's own reading of marks shows one value where two writers disagree and does not tell who wrote it. So the
//! marks are read from the history: between which characters each begins and ends, and which of them stand
//! ([`super::mark`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{ChangeHash as LibraryHash, ObjId, ReadDoc, ScalarValue};

use super::actor::{ActorBytes, ChangeHash, NoteId};
use super::chunk::ChartChange;
use super::document::Chart;
use super::error::ChartError;
use super::history::{History, OpRef, PlacedMark};
use super::limits::MARKINGS_SHOWN_MAX;
use super::mark::{MarkKind, Marking, Span, SpanMark, visible_text};
use super::order::walk;
use super::view::{handover_object, note_texts};

impl Chart {
    /// Returns the hand-over text in spans of equal marks.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn handover_marked(&mut self) -> Result<Vec<Span>, ChartError> {
        let text = handover_object(&self.document)?;
        self.spans(&text)
    }

    /// Returns each text of a note in spans of equal marks; a note that was never begun has none.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn note_marked(&mut self, note: &NoteId) -> Result<Vec<Vec<Span>>, ChartError> {
        note_texts(&self.document, note)?.iter().map(|text| self.spans(text)).collect()
    }

    /// Sets a mark on characters of the hand-over, or takes it away.
    ///
    /// # Errors
    ///
    /// When the range is empty or lies beyond the text, all of it is marked so already, the chart has as many marks as
    /// it may, or is behind its lane.
    pub fn mark_handover(
        &mut self,
        range: Range<usize>,
        kind: MarkKind,
        on: bool,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        let text = handover_object(&self.document)?;
        self.mark_text(&text, range, kind, on, now_ms)
    }

    /// Sets a mark on characters of a note, or takes it away; `text` says in which of its texts, from 0.
    ///
    /// # Errors
    ///
    /// When there is no such note or text, and as [`Chart::mark_handover`].
    pub fn mark_note(
        &mut self,
        note: &NoteId,
        text: usize,
        range: Range<usize>,
        kind: MarkKind,
        on: bool,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        let texts = note_texts(&self.document, note)?;
        self.mark_text(texts.get(text).ok_or(ChartError::NotFound)?, range, kind, on, now_ms)
    }

    fn mark_text(
        &mut self,
        text: &ObjId,
        range: Range<usize>,
        kind: MarkKind,
        on: bool,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        self.check_current()?;
        if range.is_empty() || range.end > self.document.length(text) {
            return Err(ChartError::Position);
        }
        let is_so = |stretch: &Stretch| match stretch.marks.iter().find(|mark| mark.kind == kind) {
            Some(mark) => on && !mark.is_disputed(),
            None => !on,
        };
        let mut at = 0;
        let all_so = self.marks_of(text)?.iter().all(|stretch| {
            let begin = at;
            at += stretch.characters;
            at <= range.start || range.end <= begin || is_so(stretch)
        });
        if all_so {
            return Err(ChartError::NothingChanges);
        }
        let value = if on { ScalarValue::Boolean(true) } else { ScalarValue::Null };
        let mark = Mark::new(kind.name().to_owned(), value, range.start, range.end);
        self.commit(now_ms, |transaction| transaction.mark(text, mark, ExpandMark::None))
    }

    /// Returns a text as it is signed: what is struck in its visible form.
    pub(super) fn signed_form(&mut self, text: &ObjId) -> Result<String, ChartError> {
        let spans = self.spans(text)?;
        Ok(visible_text(spans.iter().map(|span| (span.text.as_str(), span.marks.as_slice())), false))
    }

    fn spans(&mut self, text: &ObjId) -> Result<Vec<Span>, ChartError> {
        let text_shown = self.document.text(text).map_err(|_| ChartError::Read)?;
        let mut characters = text_shown.chars();
        let span = |stretch: Stretch| Span {
            text: characters.by_ref().take(stretch.characters).collect(),
            marks: stretch.marks,
        };
        Ok(self.marks_of(text)?.into_iter().map(span).collect())
    }

    /// Returns the marks of the characters of a text, in their order.
    pub(super) fn marks_of(&mut self, text: &ObjId) -> Result<Vec<Stretch>, ChartError> {
        let ids: Vec<ObjId> = self.document.list_range(text, ..).map(|item| item.id()).collect();
        let history = self.history()?;
        let object = operation(history, text).ok_or(ChartError::Read)?;
        let placed: Vec<PlacedMark> =
            history.marks().iter().filter(|mark| mark.text == object).copied().collect();
        if placed.is_empty() {
            let all = Stretch { characters: ids.len(), marks: Vec::new() };
            return Ok(if ids.is_empty() { Vec::new() } else { vec![all] });
        }
        let characters: Vec<OpRef> = ids.iter().filter_map(|id| character(history, id)).collect();
        let ranges = covered(history, object, &characters, &placed)?;
        let mut times: BTreeMap<ChangeHash, i64> = BTreeMap::new();
        for mark in &placed {
            let meta = self.document.get_change_meta_by_hash(&LibraryHash(mark.change.0));
            times.insert(mark.change, meta.ok_or(ChartError::Read)?.timestamp);
        }
        let history = self.history()?;
        // Which marks begin and end before each character.
        let mut turns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, range) in ranges.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
            turns.entry(range.start).or_default().push(index);
            turns.entry(range.end).or_default().push(index);
        }
        let mut covering: BTreeSet<usize> = BTreeSet::new();
        let mut known: HashMap<OpRef, Vec<SpanMark>> = HashMap::new();
        let mut last_change = None;
        let mut stretches: Vec<Stretch> = Vec::new();
        for (at, character) in characters.iter().enumerate() {
            let turn = turns.get(&at);
            for mark in turn.into_iter().flatten() {
                if !covering.remove(mark) {
                    covering.insert(*mark);
                }
                known.clear();
            }
            // What the characters of one change bear under the same marks is the same.
            let change = history.last_of_change(*character).ok_or(ChartError::Read)?;
            if turn.is_none()
                && last_change == Some(change)
                && let Some(last) = stretches.last_mut()
            {
                last.characters += 1;
                continue;
            }
            last_change = Some(change);
            let marks = known.entry(change).or_insert_with(|| {
                let covering = covering.iter().map(|index| &placed[*index]);
                standing(history, *character, covering.collect(), &times)
            });
            match stretches.last_mut().filter(|last| last.marks == *marks) {
                Some(last) => last.characters += 1,
                None => stretches.push(Stretch { characters: 1, marks: marks.clone() }),
            }
        }
        Ok(stretches)
    }
}

/// Characters side by side that bear the same marks; the next ones bear others.
#[derive(Debug, Clone)]
pub(super) struct Stretch {
    /// How many they are.
    pub(super) characters: usize,
    /// Their marks.
    pub(super) marks: Vec<SpanMark>,
}

/// Finds which characters each mark covers: those between its ends, from the first to the last that its writer had seen.
///
/// The end of a mark and what others type behind the same character meanwhile stand side by side in an order that nobody
/// chose; so what stands at the ends unseen is left out. Deleted characters count as seen: what replaces one stands beside
/// it, and inside.
fn covered(
    history: &History,
    text: OpRef,
    characters: &[OpRef],
    placed: &[PlacedMark],
) -> Result<Vec<Range<usize>>, ChartError> {
    let shown: BTreeSet<OpRef> = characters.iter().copied().collect();
    let mut points: HashMap<OpRef, usize> = HashMap::new();
    let mut seen = Vec::with_capacity(placed.len());
    for (index, mark) in placed.iter().enumerate() {
        points.extend([(mark.begin, index), (mark.end(), index)]);
        seen.push(history.seen_of(&mark.change).ok_or(ChartError::Read)?);
    }
    let mut ranges: Vec<Option<Range<usize>>> = vec![None; placed.len()];
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut passed = 0;
    walk(history, text, |first, count| {
        // The begin and the end of a mark are runs of their own.
        if let Some(mark) = points.get(&first) {
            if !open.remove(mark) {
                open.insert(*mark);
            }
            return;
        }
        let last = OpRef { counter: first.counter + count - 1, ..first };
        let before = passed;
        passed += shown.range(first..=last).count();
        let Some(seq) = history.seq_of(first) else { return };
        for mark in open.iter().filter(|mark| seen[**mark].seq(first.actor) >= seq) {
            let from = ranges[*mark].as_ref().map_or(before, |range| range.start);
            ranges[*mark] = Some(from..passed);
        }
    });
    Ok(ranges.into_iter().map(Option::unwrap_or_default).collect())
}

/// Says which of the marks over a character stand.
fn standing(
    history: &History,
    character: OpRef,
    covering: Vec<&PlacedMark>,
    times: &BTreeMap<ChangeHash, i64>,
) -> Vec<SpanMark> {
    let mut found = Vec::new();
    for kind in MarkKind::ALL {
        let covers = |mark: &&PlacedMark| match kind {
            MarkKind::Important => true,
            MarkKind::Struck => history.had_seen(&mark.change, character),
        };
        let of_kind = covering.iter().copied().filter(|mark| mark.kind == kind).filter(covers);
        let (on, off): (Vec<&PlacedMark>, Vec<&PlacedMark>) = of_kind.partition(|mark| mark.on);
        let markings = |marks: Vec<&PlacedMark>| {
            let marking = |mark: &PlacedMark| Marking {
                time_s: times.get(&mark.change).copied().unwrap_or(0),
                change: mark.change,
            };
            let mut markings: Vec<Marking> = marks.into_iter().map(marking).collect();
            markings.sort_unstable();
            markings.truncate(MARKINGS_SHOWN_MAX);
            markings
        };
        let by = markings(history.not_overruled(&on, &off));
        if !by.is_empty() {
            found.push(SpanMark { kind, by, against: markings(history.not_overruled(&off, &on)) });
        }
    }
    found
}

/// Finds the character that the library names so; `None` of an end of a mark.
///
/// The library lists the ends of marks among the characters of a text, though its text and its length count none.
pub(super) fn character(history: &History, id: &ObjId) -> Option<OpRef> {
    operation(history, id).filter(|operation| history.is_character(*operation))
}

/// Finds the operation that the library names so.
fn operation(history: &History, id: &ObjId) -> Option<OpRef> {
    let ObjId::Id(counter, actor, _) = id else { return None };
    let actor = history.actor_index(&ActorBytes::new(actor.to_bytes())?)?;
    Some(OpRef { actor, counter: *counter })
}
