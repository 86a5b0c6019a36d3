//! Beginning the chart that follows a spoiled one: what can be read of the old one is typed into it.
//!
//! It is the way out of whatever other devices have written, so nothing that can be read may stop it: times are clipped
//! to what a change may bear, what does not fit is left out and counted, and no more marks are set than leave room for
//! others. Of the old chart nothing is lost: it is kept, and `texts` shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::chart_marks::{marked, plain_text};
use super::core::Replica;
use super::error::ReplicaError;
use super::records::LoadedChart;
use crate::base::{Area, RecordId, WallMs};
use crate::chart::limits::{CHANGE_TIME_S_MAX, MARKS_PER_CHART_MAX};
use crate::chart::{Chart, ChartChange, ChartError, EntryId, MarkKind, NoteId, Span, Tick, visible_text};

/// Most characters of one change that types a text anew.
const CHARACTERS_MAX: usize = 8_000;
/// Most marks that are set anew; those who go on writing have the others.
const MARKS_MAX: usize = MARKS_PER_CHART_MAX as usize / 2;

/// A chart that is begun anew.
pub(super) struct Renewed {
    /// Its number.
    pub(super) generation: u32,
    /// What was typed into it.
    pub(super) changes: Vec<ChartChange>,
    /// What it does not have of the old one.
    pub(super) warnings: Vec<String>,
}

/// What is being typed into a fresh chart.
struct Renewing {
    fresh: Chart,
    changes: Vec<ChartChange>,
    now_ms: u64,
    /// The texts that are typed; none is the hand-over.
    begun: BTreeSet<Option<NoteId>>,
    marks_left: usize,
    /// Lines, comments and ends of texts that a change could not hold.
    left_out: u64,
    /// Marks that there was no room for.
    unmarked: u64,
    /// Texts whose strikes are typed in their visible form.
    spelt_out: u64,
}

impl Replica {
    /// Begins the chart that follows a spoiled one: the hand-over, the drafts, the care plan and the comments are typed
    /// into it.
    ///
    /// # Errors
    /// When the old one is not spoiled, or cannot be read.
    pub(super) fn new_chart(
        &self,
        record: &RecordId,
        area: &Area,
        old: &mut LoadedChart,
        now: WallMs,
    ) -> Result<Renewed, ReplicaError> {
        if old.quarantined == 0 && !old.chart.is_full()? {
            let message =
                "nothing of this record's chart was refused and it has room: it is not spoiled, and goes on"
                    .to_owned();
            return Err(ReplicaError::Call(message));
        }
        let generation = old.generation.checked_add(1);
        let generation =
            generation.ok_or_else(|| ReplicaError::Call("this record has too many charts".to_owned()))?;
        let mut renewing = Renewing::of(self.empty_chart(record, area, generation), now);
        renewing.texts(&mut old.chart)?;
        renewing.entries(&old.chart)?;
        let (changes, warnings) = renewing.done()?;
        Ok(Renewed { generation, changes, warnings })
    }
}

impl Renewing {
    fn of(fresh: Chart, now: WallMs) -> Self {
        let (now_ms, marks_left) = (clipped(now.0), MARKS_MAX);
        let begun = BTreeSet::new();
        Self { fresh, changes: Vec::new(), now_ms, begun, marks_left, left_out: 0, unmarked: 0, spelt_out: 0 }
    }

    /// Types the hand-over and the drafts; strikes are set before what is important: what is struck must not look valid.
    fn texts(&mut self, old: &mut Chart) -> Result<(), ReplicaError> {
        let mut texts = vec![(None, old.handover_marked()?)];
        for draft in old.notes()? {
            let of_note = old.note_marked(&draft.id)?.into_iter().filter(|spans| !spans.is_empty());
            let line_end = [Span { text: "\n".to_owned(), marks: Vec::new() }];
            texts.push((Some(draft.id), of_note.collect::<Vec<_>>().join(line_end.as_slice())));
        }
        for (note, spans) in &texts {
            let struck = marked(spans, MarkKind::Struck);
            if struck.len() <= self.marks_left {
                self.typed(note.as_ref(), &plain_text(spans));
                self.set(note.as_ref(), MarkKind::Struck, struck);
            }
        }
        for (note, spans) in &texts {
            let important = marked(spans, MarkKind::Important);
            if self.begun.contains(note) {
                self.set(note.as_ref(), MarkKind::Important, important);
                continue;
            }
            // What is struck and cannot be marked so must not look valid.
            self.spelt_out += 1;
            self.unmarked += important.len() as u64;
            let pieces = spans.iter().map(|span| (span.text.as_str(), span.marks.as_slice()));
            self.typed(note.as_ref(), &visible_text(pieces, false));
        }
        Ok(())
    }

    /// Types a text, as far as it fits.
    fn typed(&mut self, note: Option<&NoteId>, text: &str) {
        self.begun.insert(note.cloned());
        let mut at = 0;
        for piece in text.chars().collect::<Vec<_>>().chunks(CHARACTERS_MAX) {
            let piece_text: String = piece.iter().collect();
            let change = match note {
                Some(note) => self.fresh.edit_note(note, at, 0, &piece_text, self.now_ms),
                None => self.fresh.splice_handover(at, 0, &piece_text, self.now_ms),
            };
            if self.taken(change).is_none() {
                self.left_out += 1;
                return;
            }
            at += piece.len();
        }
    }

    /// Sets a mark on the same characters of a text that was typed, as long as there is room.
    fn set(&mut self, note: Option<&NoteId>, kind: MarkKind, ranges: Vec<Range<usize>>) {
        for range in ranges {
            let change = match (self.marks_left, note) {
                (0, _) => None,
                (_, Some(note)) => Some(self.fresh.mark_note(note, 0, range, kind, true, self.now_ms)),
                (_, None) => Some(self.fresh.mark_handover(range, kind, true, self.now_ms)),
            };
            match change.and_then(|change| self.taken(change)) {
                Some(()) => self.marks_left -= 1,
                None => self.unmarked += 1,
            }
        }
    }

    /// Writes the care plan with who ticked it, and the comments with what they answer.
    fn entries(&mut self, old: &Chart) -> Result<(), ReplicaError> {
        for item in old.care_plan()? {
            let written = self.fresh.plan_care(&item.text, &item.author, clipped(item.time_ms));
            let Some(id) = self.entered(written) else { continue };
            let Tick::Done { by } = item.done else { continue };
            let Some(first) = by.first() else { continue };
            let ticked = self.fresh.tick(&id, Some(&first.by), clipped(first.time_ms));
            if self.taken(ticked).is_none() {
                self.left_out += 1;
            }
        }
        let mut renamed: BTreeMap<String, EntryId> = BTreeMap::new();
        for comment in old.comments()?.into_iter().flat_map(|thread| thread.comments) {
            let remark = comment.remark;
            let anchor = renamed.get(&remark.anchor).map_or(remark.anchor.as_str(), EntryId::as_str);
            let time_ms = clipped(remark.time_ms);
            let written = self.fresh.annotate(anchor, &remark.text, &remark.author, time_ms);
            if let Some(id) = self.entered(written) {
                renamed.insert(remark.id.as_str().to_owned(), id);
            }
        }
        Ok(())
    }

    fn entered(&mut self, written: Result<(EntryId, ChartChange), ChartError>) -> Option<EntryId> {
        let (id, change) = match written {
            Ok((id, change)) => (Some(id), Ok(change)),
            Err(error) => (None, Err(error)),
        };
        self.left_out += u64::from(id.is_none());
        self.taken(change).and(id)
    }

    /// Keeps a change; of one that cannot be made, the fresh chart is as before.
    fn taken(&mut self, change: Result<ChartChange, ChartError>) -> Option<()> {
        self.changes.push(change.ok()?);
        Some(())
    }

    /// Returns what was written and what was not.
    fn done(mut self) -> Result<(Vec<ChartChange>, Vec<String>), ReplicaError> {
        if self.changes.is_empty() {
            // An empty chart needs a first change to be there at all.
            self.changes.push(self.fresh.splice_handover(0, 0, " ", self.now_ms)?);
        }
        let mut warnings = Vec::new();
        let Self { left_out, unmarked, spelt_out, .. } = self;
        if left_out > 0 {
            warnings.push(format!(
                "{left_out}件は新しい記録に入りません。`texts` で読めます / {left_out} texts do not fit into the new chart: `texts` shows them"
            ));
        }
        if spelt_out > 0 {
            warnings.push(format!(
                "{spelt_out}件の文書の取消は〔取消: …〕と書き入れました / the strikes of {spelt_out} texts are written out as 〔取消: …〕: there are too many to be marked"
            ));
        }
        if unmarked > 0 {
            warnings.push(format!(
                "{unmarked}件の重要の印は引き継がれません / {unmarked} marks were not carried over: there are too many"
            ));
        }
        Ok((self.changes, warnings))
    }
}

/// Clips a time to what a change may bear, in milliseconds since 1970.
fn clipped(time_ms: u64) -> u64 {
    time_ms.min(CHANGE_TIME_S_MAX as u64 * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::hostile::{chart, hard_to_repeat};

    fn renewed(old: &mut Chart, marks_left: usize) -> (Chart, Vec<String>) {
        let mut renewing = Renewing { marks_left, ..Renewing::of(chart(8), WallMs(u64::MAX)) };
        renewing.texts(old).unwrap();
        renewing.entries(old).unwrap();
        let fresh = renewing.fresh.clone();
        let (changes, warnings) = renewing.done().unwrap();
        assert!(!changes.is_empty());
        (fresh, warnings)
    }

    #[test]
    fn nothing_that_others_wrote_stops_a_new_chart() {
        let (fresh, warnings) = renewed(&mut hard_to_repeat(), MARKS_MAX);
        let plan = fresh.care_plan().unwrap();
        assert_eq!(plan[0].text, "体位変換");
        assert!(matches!(&plan[0].done, Tick::Done { by } if by[0].by == "佐藤"));
        let comments = fresh.annotations().unwrap();
        let [comment] = comments.as_slice() else { panic!("{} comments", comments.len()) };
        assert_eq!((comment.text.as_str(), comment.author.as_str()), ("遠い未来", "佐藤"));
        let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
        assert!(warning.contains("1 texts do not fit"), "{warning}");
    }

    #[test]
    fn strikes_that_have_no_room_are_written_out_and_half_the_marks_are_left_to_others() {
        let mut old = chart(1);
        let note = NoteId::new("n").unwrap();
        old.splice_handover(0, 0, "酸素2L、点滴、安静", 0).unwrap();
        old.begin_note(&note, "発熱なし", 0).unwrap();
        for range in [0..4, 5..7] {
            old.mark_handover(range, MarkKind::Struck, true, 0).unwrap();
        }
        old.mark_handover(8..10, MarkKind::Important, true, 0).unwrap();
        old.mark_note(&note, 0, 0..2, MarkKind::Struck, true, 0).unwrap();

        let (mut fresh, warnings) = renewed(&mut old, MARKS_MAX);
        assert_eq!(fresh.handover_marked().unwrap().len(), old.handover_marked().unwrap().len());
        assert!(warnings.is_empty() && !fresh.is_full().unwrap());

        let (mut fresh, warnings) = renewed(&mut old, 1);
        let struck = marked(&fresh.note_marked(&note).unwrap()[0], MarkKind::Struck);
        assert_eq!((struck.first(), struck.len(), warnings.len()), (Some(&(0..2)), 1, 2));
        assert_eq!(plain_text(&fresh.handover_marked().unwrap()), "〔取消: 酸素2L〕、〔取消: 点滴〕、安静");
        assert!(warnings[0].contains("strikes of 1 texts") && warnings[1].contains("1 marks"));
        const { assert!(2 * MARKS_MAX <= MARKS_PER_CHART_MAX as usize) };
    }
}
