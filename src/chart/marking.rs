//! Setting marks in a chart's texts, and reading texts with their marks.
//!
//! Automerge's own reading of marks shows one value where two writers disagree and does not tell who wrote it. So the
//! marks are read from the history: between which characters each begins and ends, and which of them stand
//! ([`super::mark`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable;
use automerge::{ChangeHash as LibraryHash, ObjId, ReadDoc, ScalarValue};

use super::actor::{ActorBytes, NoteId};
use super::chunk::ChartChange;
use super::document::Chart;
use super::error::ChartError;
use super::history::{ActorIndex, History, OpRef, PlacedMark, Seen};
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
        let mut times = Vec::with_capacity(placed.len());
        for mark in &placed {
            let meta = self.document.get_change_meta_by_hash(&LibraryHash(mark.change.0));
            times.push(meta.ok_or(ChartError::Read)?.timestamp);
        }
        let history = self.history()?;
        let judged: Vec<JudgedMark<'_>> = placed
            .iter()
            .zip(times)
            .map(|(mark, time_s)| JudgedMark::of(history, mark, time_s))
            .collect::<Option<_>>()
            .ok_or(ChartError::Read)?;
        // Which marks begin and end before each character.
        let mut turns: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, range) in ranges.iter().enumerate().filter(|(_, range)| !range.is_empty()) {
            turns.entry(range.start).or_default().push(index);
            turns.entry(range.end).or_default().push(index);
        }
        let mut covering: BTreeSet<usize> = BTreeSet::new();
        let (mut important, mut strikes) = (None, Strikes::default());
        let mut last_change = None;
        let mut stretches: Vec<Stretch> = Vec::new();
        for (at, character) in characters.iter().enumerate() {
            let turn = turns.get(&at);
            for mark in turn.into_iter().flatten() {
                if !covering.remove(mark) {
                    covering.insert(*mark);
                }
            }
            if turn.is_some() {
                let of =
                    |kind| covering.iter().map(|index| &judged[*index]).filter(move |one| one.kind == kind);
                important = standing(MarkKind::Important, of(MarkKind::Important));
                strikes = Strikes::of(of(MarkKind::Struck));
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
            let seq = history.seq_of(*character).ok_or(ChartError::Read)?;
            let struck = strikes.over(character.actor, seq);
            let same = |last: &&mut Stretch| last.marks.iter().eq(important.iter().chain(struck));
            match stretches.last_mut().filter(same) {
                Some(last) => last.characters += 1,
                None => {
                    let marks = important.iter().chain(struck).cloned().collect();
                    stretches.push(Stretch { characters: 1, marks });
                }
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
    let (mut met, mut passed) = (Vec::new(), 0);
    walk(history, text, |first, count| {
        // The begin and the end of a mark are runs of their own.
        if let Some(mark) = points.get(&first) {
            met.push(Met::End(*mark));
            return;
        }
        let last = OpRef { counter: first.counter + count - 1, ..first };
        let before = passed;
        passed += shown.range(first..=last).count();
        if let Some(seq) = history.seq_of(first) {
            met.push(Met::Run { writer: first.actor, seq, shown: before..passed });
        }
    });
    let firsts = nearest(met.iter(), &seen, |shown| shown.start);
    let lasts = nearest(met.iter().rev(), &seen, |shown| shown.end);
    let range = |(first, last): (Option<usize>, Option<usize>)| Some(first?..last?);
    Ok(firsts.into_iter().zip(lasts).map(|both| range(both).unwrap_or_default()).collect())
}

/// What stands in a text, one behind the other.
enum Met {
    /// An end of a mark.
    End(usize),
    /// Characters of one change, and how many are shown before the first and up to the last of them.
    Run { writer: ActorIndex, seq: u64, shown: Range<usize> },
}

/// Finds for each mark the first of the runs between its ends that its writer had seen; `side` says which side of it is
/// meant. A mark is looked for no further once it has it.
fn nearest<'m>(
    met: impl Iterator<Item = &'m Met>,
    seen: &[&Seen],
    side: impl Fn(&Range<usize>) -> usize,
) -> Vec<Option<usize>> {
    let mut found = vec![None; seen.len()];
    let mut is_begun = vec![false; seen.len()];
    let mut open: Vec<usize> = Vec::new();
    for one in met {
        match one {
            Met::End(mark) if std::mem::replace(&mut is_begun[*mark], true) => {
                open.retain(|other| other != mark);
            }
            Met::End(mark) => open.push(*mark),
            Met::Run { writer, seq, shown } => open.retain(|mark| {
                let is_seen = seen[*mark].seq(*writer) >= *seq;
                if is_seen {
                    found[*mark] = Some(side(shown));
                }
                !is_seen
            }),
        }
    }
    found
}

/// A mark with what judging it needs, looked up once.
struct JudgedMark<'a> {
    kind: MarkKind,
    on: bool,
    marking: Marking,
    /// What its writer had seen, itself included.
    seen: &'a Seen,
    /// Who wrote it, and in which of their changes.
    actor: ActorIndex,
    seq: u64,
}

impl<'a> JudgedMark<'a> {
    fn of(history: &'a History, mark: &PlacedMark, time_s: i64) -> Option<Self> {
        let seen = history.seen_of(&mark.change)?;
        let (actor, marking) = (mark.begin.actor, Marking { time_s, change: mark.change });
        Some(Self { kind: mark.kind, on: mark.on, marking, seen, actor, seq: history.seq_of(mark.begin)? })
    }
}

/// The strikes over the characters between two turns. Each covers what its writer had seen, so which of them cover a
/// character depends on its change; but of one writer's changes each strike has seen the first ones, so there are no
/// more cases for a writer than strikes, however many the changes.
#[derive(Default)]
struct Strikes<'a> {
    all: Vec<&'a JudgedMark<'a>>,
    /// For each writer, the strikes by how many of their changes they had seen, the most first.
    by_writer: HashMap<ActorIndex, Vec<&'a JudgedMark<'a>>>,
    /// What stands of a writer's first so many strikes.
    known: HashMap<(ActorIndex, usize), Option<SpanMark>>,
}

impl<'a> Strikes<'a> {
    fn of(strikes: impl Iterator<Item = &'a JudgedMark<'a>>) -> Self {
        Self { all: strikes.collect(), ..Self::default() }
    }

    /// Says what stands over the characters of a writer's change.
    fn over(&mut self, writer: ActorIndex, seq: u64) -> Option<&SpanMark> {
        let ordered = self.by_writer.entry(writer).or_insert_with(|| {
            let mut ordered = self.all.clone();
            ordered.sort_by_key(|strike| Reverse(strike.seen.seq(writer)));
            ordered
        });
        let covering = ordered.partition_point(|strike| strike.seen.seq(writer) >= seq);
        let known = self.known.entry((writer, covering));
        known.or_insert_with(|| standing(MarkKind::Struck, ordered[..covering].iter().copied())).as_ref()
    }
}

/// Says what stands of marks of one kind that cover a character: those that were set and that nobody took away who had
/// seen them, against those that were taken away and that nobody set again who had seen that.
fn standing<'a>(kind: MarkKind, covering: impl Iterator<Item = &'a JudgedMark<'a>>) -> Option<SpanMark> {
    let (on, off): (Vec<&JudgedMark<'_>>, Vec<&JudgedMark<'_>>) = covering.partition(|mark| mark.on);
    let left = |marks: &[&JudgedMark<'_>], others: &[&JudgedMark<'_>]| {
        let mut seen = Seen::default();
        others.iter().for_each(|other| seen.join(other.seen));
        let unseen = marks.iter().filter(|mark| seen.seq(mark.actor) < mark.seq);
        let mut markings: Vec<Marking> = unseen.map(|mark| mark.marking).collect();
        markings.sort_unstable();
        markings.truncate(MARKINGS_SHOWN_MAX);
        markings
    };
    let by = left(&on, &off);
    (!by.is_empty()).then(|| SpanMark { kind, by, against: left(&off, &on) })
}

/// Finds the character that the library names so; `None` of an end of a mark.
///
/// The library lists the ends of marks among the characters of a text, though its text and its length count none.
pub(super) fn character(history: &History, id: &ObjId) -> Option<OpRef> {
    operation(history, id).filter(|operation| history.is_character(*operation))
}

/// Finds the operation that the library names so.
pub(super) fn operation(history: &History, id: &ObjId) -> Option<OpRef> {
    let ObjId::Id(counter, actor, _) = id else { return None };
    let actor = history.actor_index(&ActorBytes::new(actor.to_bytes())?)?;
    Some(OpRef { actor, counter: *counter })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::ChangeHash;

    #[test]
    fn strikes_are_judged_once_however_many_changes_they_cover() {
        let mut sights = vec![Seen::default(); 40];
        for (number, sight) in sights.iter_mut().enumerate() {
            sight.set(0, 100 * (1 + number as u64 % 4));
            sight.set(1, number as u64 + 1);
        }
        let judged: Vec<JudgedMark<'_>> = (sights.iter().zip(0u8..))
            .map(|(seen, number)| {
                let marking = Marking { time_s: i64::from(number), change: ChangeHash([number; 32]) };
                let (kind, on) = (MarkKind::Struck, true);
                JudgedMark { kind, on, marking, seen, actor: 1, seq: u64::from(number) + 1 }
            })
            .collect();
        let mut strikes = Strikes::of(judged.iter());
        for seq in 1..=1_000 {
            let by = strikes.over(0, seq).map_or(0, |mark| mark.by.len());
            let seen = sights.iter().filter(|sight| sight.seq(0) >= seq).count();
            assert_eq!(by, seen.min(MARKINGS_SHOWN_MAX), "{seq}");
        }
        assert_eq!(strikes.known.len(), 5, "four sights, and none");
    }
}
