//! Drafts: notes being written, who typed what of them, and what was typed while one was being signed.
//!
//! Signing takes exactly the characters that the signer saw out of the note ([`Chart::take_note`]). So what remains in
//! a note is what no signed text holds: characters that were typed without knowledge of the signing, or after it. No
//! clock decides that; a change has seen the signing or it has not.
//!
//! Law (`tests_drafts`): the drafts are a function of the set of changes and the set of signings, and every character
//! that nobody deleted stands in a signed text or in a draft.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use automerge::{ChangeHash as LibraryHash, ObjId, ReadDoc};

use super::actor::{ChangeHash, NoteId};
use super::apart::Apart;
use super::chunk::ChartChange;
use super::document::Chart;
use super::error::ChartError;
use super::limits::OPS_PER_CHANGE_MAX;
use super::mark::{SpanMark, visible_text};
use super::marking::character;
use super::view::note_texts;

/// Most characters of the signed text that are shown before what was typed into it.
pub const CONTEXT_CHARS_MAX: usize = 12;

/// A signing of a note, as the signed statement tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The note.
    pub note: NoteId,
    /// The chart's heads that the signer saw.
    pub heads: Vec<ChangeHash>,
    /// The change that took the signed characters out of the note, the last one if there are several.
    pub taken: ChangeHash,
}

/// A note being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub id: NoteId,
    /// Its text in pieces; more than one list where devices began a note of one name without having seen each other.
    pub texts: Vec<Vec<Piece>>,
    /// Its sentences that were changed apart, by their characters in [`Draft::text`].
    pub apart: Vec<Apart>,
}

/// Characters that stand side by side, were typed in one change and bear the same marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The characters.
    pub text: String,
    /// The change that typed them.
    pub change: ChangeHash,
    /// When, by the writer's clock, in seconds since 1970.
    pub time_s: i64,
    /// It was typed without knowledge of a signing of this note.
    pub while_signing: bool,
    /// Its marks.
    pub marks: Vec<SpanMark>,
    /// The end of the signed text that stood before it, at most [`CONTEXT_CHARS_MAX`] characters; empty if none did.
    pub after: String,
}

impl Draft {
    /// Returns the whole text; several texts are joined by line ends, as signing joins them.
    pub fn text(&self) -> String {
        let texts = self.texts.iter();
        let texts = texts.map(|text| text.iter().map(|piece| piece.text.as_str()).collect::<String>());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Returns the whole text with its marks visible; without `important`, as it would be signed.
    pub fn visible_text(&self, important: bool) -> String {
        let texts = self.texts.iter().map(|text| {
            visible_text(text.iter().map(|piece| (piece.text.as_str(), piece.marks.as_slice())), important)
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Chart {
    /// Returns the notes being written, by name, as signings have left them; those without text are not shown.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn drafts(&mut self, signings: &[Signing]) -> Result<Vec<Draft>, ChartError> {
        let mut drafts = Vec::new();
        for note in self.notes()? {
            let of_note: Vec<&Signing> = signings.iter().filter(|one| one.note == note.id).collect();
            let (mut texts, mut apart, mut before) = (Vec::new(), Vec::new(), 0);
            for object in note_texts(&self.document, &note.id)? {
                let pieces = self.pieces(&object, &of_note)?;
                if pieces.is_empty() {
                    continue;
                }
                for mut one in self.apart(&object, &of_note)? {
                    one.range = one.range.start + before..one.range.end + before;
                    apart.push(one);
                }
                before += pieces.iter().map(|piece| piece.text.chars().count()).sum::<usize>() + 1;
                texts.push(pieces);
            }
            drafts.push(Draft { id: note.id, texts, apart });
        }
        Ok(drafts)
    }

    /// Says whether the chart holds a change.
    pub fn holds(&self, change: &ChangeHash) -> bool {
        self.document.get_change_by_hash(&LibraryHash(change.0)).is_some()
    }

    /// Begins a note, in several changes if its text is longer than one may be.
    ///
    /// # Errors
    ///
    /// As [`Chart::edit_note`]. Should a later one of several changes fail, the chart holds changes that were not
    /// returned: drop it and load it again.
    pub fn begin_note(
        &mut self,
        note: &NoteId,
        text: &str,
        now_ms: u64,
    ) -> Result<Vec<ChartChange>, ChartError> {
        let characters: Vec<char> = text.chars().collect();
        let (mut changes, mut position) = (Vec::new(), 0);
        // One operation makes the text itself.
        for piece in characters.chunks(OPS_PER_CHANGE_MAX as usize - 1) {
            let piece_text: String = piece.iter().collect();
            changes.push(self.edit_note(note, position, 0, &piece_text, now_ms)?);
            position += piece.len();
        }
        if changes.is_empty() { Err(ChartError::NothingChanges) } else { Ok(changes) }
    }

    /// Turns a note into `new_text` by the smallest edit, as [`Chart::replace_handover`] does.
    ///
    /// # Errors
    ///
    /// When there is no such note, nothing changes, the edit is too large, or the chart is behind its lane.
    pub fn replace_note(
        &mut self,
        note: &NoteId,
        new_text: &str,
        now_ms: u64,
    ) -> Result<ChartChange, ChartError> {
        let text = note_texts(&self.document, note)?.pop().ok_or(ChartError::NotFound)?;
        self.replace_text(&text, new_text, now_ms)
    }

    /// Cuts a text into pieces of one change each, and where signed text was taken out between them.
    fn pieces(&mut self, object: &ObjId, signings: &[&Signing]) -> Result<Vec<Piece>, ChartError> {
        let text = self.document.text(object).map_err(|_| ChartError::Read)?;
        let listed: Vec<ObjId> = self.document.list_range(object, ..).map(|item| item.id()).collect();
        let history = self.history()?;
        let ids: Vec<ObjId> = listed.into_iter().filter(|id| character(history, id).is_some()).collect();
        let change = |id| self.document.hash_for_opid(id).map(|hash| ChangeHash(hash.0));
        let changes: Vec<ChangeHash> =
            ids.iter().map(change).collect::<Option<_>>().ok_or(ChartError::Read)?;
        let mut unaware: Vec<BTreeSet<ChangeHash>> = vec![BTreeSet::new(); signings.len()];
        for change in changes.iter().collect::<BTreeSet<_>>() {
            for (signing, unaware) in signings.iter().zip(&mut unaware) {
                if self.is_unaware(change, signing)? {
                    unaware.insert(*change);
                }
            }
        }
        let mut gaps: BTreeMap<usize, String> = BTreeMap::new();
        for (signing, unaware) in signings.iter().zip(&unaware) {
            self.gaps(object, &ids, signing, unaware, &mut gaps)?;
        }
        let stretches = self.marks_of(object)?;
        let marks = stretches
            .iter()
            .flat_map(|stretch| (0..stretch.characters).map(move |nth| (nth == 0, stretch.marks.as_slice())));
        let mut pieces: Vec<Piece> = Vec::new();
        for (index, ((character, change), (turn, marks))) in text.chars().zip(changes).zip(marks).enumerate()
        {
            let after = gaps.remove(&index);
            let joins = |last: &&mut Piece| last.change == change && !turn && after.is_none();
            if let Some(last) = pieces.last_mut().filter(joins) {
                last.text.push(character);
                continue;
            }
            let meta = self.document.get_change_meta_by_hash(&LibraryHash(change.0));
            pieces.push(Piece {
                text: character.to_string(),
                change,
                time_s: meta.ok_or(ChartError::Read)?.timestamp,
                while_signing: unaware.iter().any(|unaware| unaware.contains(&change)),
                marks: marks.to_vec(),
                after: after.unwrap_or_default(),
            });
        }
        Ok(pieces)
    }

    /// Says whether a change neither was seen by a signer nor had seen the signing.
    fn is_unaware(&mut self, change: &ChangeHash, signing: &Signing) -> Result<bool, ChartError> {
        let history = self.history()?;
        let signed = signing.heads.iter().any(|head| history.is_seen_by(change, head));
        Ok(!signed && !history.is_seen_by(&signing.taken, change))
    }

    /// Finds where in a text signed characters were taken out: the end of what stood before each place.
    ///
    /// Nobody who was unaware of the signing had seen the signed text taken out. So a look at the text as the signer
    /// saw it, with what the unaware typed, shows both.
    fn gaps(
        &mut self,
        object: &ObjId,
        ids: &[ObjId],
        signing: &Signing,
        unaware: &BTreeSet<ChangeHash>,
        gaps: &mut BTreeMap<usize, String>,
    ) -> Result<(), ChartError> {
        // What a statement names is anybody's: the library is asked only for changes that the guard has passed.
        let history = self.history()?;
        if unaware.is_empty() || !signing.heads.iter().all(|head| history.has(head)) {
            return Ok(());
        }
        let heads: Vec<LibraryHash> =
            signing.heads.iter().chain(unaware).map(|head| LibraryHash(head.0)).collect();
        let text = self.document.text_at(object, &heads).map_err(|_| ChartError::Read)?;
        let listed: Vec<ObjId> =
            self.document.list_range_at(object, .., &heads).map(|item| item.id()).collect();
        let history = self.history()?;
        let then = listed.into_iter().filter(|id| character(history, id).is_some());
        let now: HashMap<&ObjId, usize> = ids.iter().zip(0..).collect();
        let mut taken = VecDeque::new();
        for (character, id) in text.chars().zip(then) {
            match now.get(&id) {
                None => {
                    taken.push_back(character);
                    if taken.len() > CONTEXT_CHARS_MAX {
                        taken.pop_front();
                    }
                }
                // Who signed at once took the same characters: the first tells enough.
                Some(index) if !taken.is_empty() => {
                    gaps.entry(*index).or_insert_with(|| taken.iter().collect());
                    taken.clear();
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
