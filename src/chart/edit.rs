//! Writing to a chart: each edit becomes one change.
//!
//! Positions and counts are Unicode scalar values (`char`s), which is what Automerge counts in this
//! build: 𠮷 and 🚑 are one each, a flag or a family emoji is several. An edit is made on a copy, must pass
//! the same guard as the changes of others, and only then takes the document's place. So what this
//! device writes is what other devices admit, and its actor and sequence are what the lane expects.

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{AutomergeError, ObjId, ObjType, ReadDoc, ScalarValue};

use super::actor::{EntryId, NoteId};
use super::chunk::ChartChange;
use super::document::Chart;
use super::error::ChartError;
use super::genesis::{ANNOTATIONS, CARE_PLAN, NOTES};
use super::guard::{self, Verdict};
use super::limits::OPS_PER_CHANGE_MAX;
use super::schema::{ANCHOR, AUTHOR, TEXT, TICK, TIME};
use super::view::{entry_object, handover_object, note_texts, root_object};

impl Chart {
    /// Deletes `delete` characters of the hand-over at `position` and inserts `insert` there.
    ///
    /// # Errors
    ///
    /// When the range lies beyond the text, nothing changes, the edit is too large, or the chart is behind
    /// its lane.
    pub fn splice_handover(
        &mut self,
        position: usize,
        delete: usize,
        insert: &str,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        self.check_current()?;
        let text = handover_object(&self.document)?;
        self.check_splice(&text, position, delete, insert)?;
        self.commit(now_ms, |transaction| transaction.splice_text(&text, position, delete as isize, insert))
    }

    /// Turns the hand-over into `new_text` by the smallest edit.
    ///
    /// For screens that know only the text before and after. The difference is found by Myers' algorithm
    /// over grapheme clusters, without a time limit and hence the same everywhere; edits of several
    /// devices some characters apart in one sentence merge.
    ///
    /// # Errors
    ///
    /// As [`Chart::splice_handover`].
    pub fn replace_handover(&mut self, new_text: &str, now_ms: u64) -> Result<ChartChange, ChartError> {
        let text = handover_object(&self.document)?;
        self.replace_text(&text, new_text, now_ms)
    }

    /// Turns a text into `new_text` by the smallest edit.
    pub(super) fn replace_text(
        &mut self,
        text: &ObjId,
        new_text: &str,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        self.check_current()?;
        // What differs in length is the least that is inserted or deleted; do not search beyond that.
        check_size(self.document.length(text).abs_diff(new_text.chars().count()))?;
        self.commit(now_ms, |transaction| transaction.update_text(text, new_text))
    }

    /// Deletes and inserts characters of a note, which begins with its first edit.
    ///
    /// Where a note has several texts ([`super::NoteDraft::texts`]), the last one shown is edited.
    ///
    /// # Errors
    ///
    /// As [`Chart::splice_handover`].
    pub fn edit_note(
        &mut self,
        note: &NoteId,
        position: usize,
        delete: usize,
        insert: &str,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        self.check_current()?;
        let notes = root_object(&self.document, NOTES)?;
        let Some(text) = note_texts(&self.document, note)?.pop() else {
            if position != 0 || delete != 0 {
                return Err(ChartError::Position);
            }
            check_size(insert.chars().count() + 1)?;
            return self.commit(now_ms, |transaction| {
                let text = transaction.put_object(&notes, note.as_str(), ObjType::Text)?;
                transaction.splice_text(&text, 0, 0, insert)
            });
        };
        self.check_splice(&text, position, delete, insert)?;
        self.commit(now_ms, |transaction| transaction.splice_text(&text, position, delete as isize, insert))
    }

    /// Takes a note's text out of the chart, to be signed as a statement.
    ///
    /// Exactly the characters that are signed are deleted. What another device types meanwhile is not
    /// among them: it stays in the note and is shown as a new draft. Several texts are joined by line
    /// ends. What is struck is signed in its visible form, `〔取消: …〕`, so that it neither vanishes nor
    /// looks valid; what is important is plain text. A text longer than one change may delete takes
    /// several changes.
    ///
    /// # Errors
    ///
    /// When there is no such note or it is empty, or the chart is behind its lane. Should a later one of
    /// several changes fail, the chart holds changes that were not returned: drop it and load it again.
    pub fn take_note(
        &mut self,
        note: &NoteId,
        now_ms: u64,
    ) -> Result<(String, Vec<ChartChange>), ChartError> {
        self.check_current()?;
        let mut signed = Vec::new();
        let mut changes = Vec::new();
        for object in note_texts(&self.document, note)? {
            let mut left = self.document.length(&object);
            if left > 0 {
                signed.push(self.signed_form(&object)?);
            }
            while left > 0 {
                let count = left.min(OPS_PER_CHANGE_MAX as usize);
                left -= count;
                changes.push(self.commit(now_ms, |transaction| {
                    transaction.splice_text(&object, left, count as isize, "")
                })?);
            }
        }
        if signed.is_empty() { Err(ChartError::NotFound) } else { Ok((signed.join("\n"), changes)) }
    }

    /// Anchors a remark to a statement; its name is that of the returned change.
    ///
    /// # Errors
    ///
    /// When the texts are too long for one change or the chart is behind its lane.
    pub fn annotate(
        &mut self,
        anchor: &str,
        text: &str,
        author: &str,
        now_ms: u64,
    ) -> Result<(EntryId, ChartChange), ChartError> {
        self.add_entry(ANNOTATIONS, &[(ANCHOR, anchor), (TEXT, text), (AUTHOR, author)], now_ms)
    }

    /// Adds a line to the care plan; its name is that of the returned change.
    ///
    /// # Errors
    ///
    /// When the texts are too long for one change or the chart is behind its lane.
    pub fn plan_care(
        &mut self,
        text: &str,
        author: &str,
        now_ms: u64,
    ) -> Result<(EntryId, ChartChange), ChartError> {
        self.add_entry(CARE_PLAN, &[(TEXT, text), (AUTHOR, author)], now_ms)
    }

    /// Ticks a line of the care plan or an annotation (`by` says who), or takes the tick away (`None` or empty).
    ///
    /// # Errors
    ///
    /// When there is no entry of that name or the chart is behind its lane.
    pub fn tick(
        &mut self,
        entry: &EntryId,
        by: Option<&str>,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        self.check_current()?;
        let mut object = entry_object(&self.document, CARE_PLAN, entry)?;
        if object.is_none() {
            object = entry_object(&self.document, ANNOTATIONS, entry)?;
        }
        let object = object.ok_or(ChartError::NotFound)?;
        // The value bears the name of its change, since putting a value that stands there already writes
        // nothing, or only deletes the others: a tick renewed against one that is taken away would be lost.
        let seq = self.own_seq()? + 1;
        let name = EntryId::of_change(&self.actor, seq);
        let value = format!("{} {now_ms} {}", name.as_str(), by.unwrap_or_default());
        self.commit(now_ms, |transaction| transaction.put(&object, TICK, value))
    }

    fn add_entry(
        &mut self,
        map: &str,
        fields: &[(&str, &str)],
        now_ms: u64,
    ) -> Result<(EntryId, ChartChange), ChartError> {
        self.check_current()?;
        let seq = self.own_seq()? + 1;
        let id = EntryId::of_change(&self.actor, seq);
        let map = root_object(&self.document, map)?;
        let time = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let change = self.commit(now_ms, |transaction| {
            let entry = transaction.put_object(&map, id.as_str(), ObjType::Map)?;
            for (key, value) in fields {
                transaction.put(&entry, *key, *value)?;
            }
            transaction.put(&entry, TIME, ScalarValue::Timestamp(time))
        })?;
        Ok((id, change))
    }

    fn check_splice(
        &self,
        text: &ObjId,
        position: usize,
        delete: usize,
        insert: &str,
    ) -> Result<(), ChartError> {
        let end = position.checked_add(delete).ok_or(ChartError::Position)?;
        if end > self.document.length(text) {
            return Err(ChartError::Position);
        }
        check_size(delete + insert.chars().count())
    }

    /// Edits a copy, judges the change as others will, and only then keeps both.
    pub(super) fn commit(
        &mut self,
        now_ms: u64,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Result<ChartChange, ChartError> {
        let seq = self.own_seq()? + 1;
        let mut document = self.document.clone();
        let mut transaction = document.transaction();
        edit(&mut transaction).map_err(|_| ChartError::Edit)?;
        check_size(transaction.pending_ops())?;
        let time_s = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
        let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(time_s));
        let hash = hash.ok_or(ChartError::NothingChanges)?;
        let written = document.get_change_by_hash(&hash).ok_or(ChartError::Edit)?;
        let change = ChartChange::parse(written.raw_bytes()).map_err(|e| ChartError::OwnChange(e.into()))?;
        // The library has ways to write silently as another actor or under another sequence; the guard
        // compares the actor, and this the sequence.
        if change.seq() != seq {
            return Err(ChartError::Edit);
        }
        let actor = self.actor.clone();
        match guard::check(self.history()?, &actor, &change) {
            Verdict::Pass(checked) => self.replace_own(document, &change, checked.made),
            Verdict::Refuse(reason) => return Err(ChartError::OwnChange(reason)),
            Verdict::Known | Verdict::Wait(_) => return Err(ChartError::Edit),
        }
        Ok(change)
    }
}

fn check_size(operations: usize) -> Result<(), ChartError> {
    if operations as u64 > OPS_PER_CHANGE_MAX { Err(ChartError::EditTooLarge) } else { Ok(()) }
}
