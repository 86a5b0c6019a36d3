//! Sentences that several people changed without having seen one another's changes.
//!
//! Automerge loses no character, but where two people correct one dose apart, it shows a number that neither wrote: from
//! 酸素2L, with 3 typed here and 5 there, it makes 酸素35L. No rule can tell which is right; people can, if they are told.
//!
//! A sentence reaches to the next line end or one of 。．！？. Its edits are the insertions and deletions of characters between
//! its ends, also of those that are gone; where an end is gone, too, what stands on both sides of it is one sentence.
//!
//! **Rule.** A sentence is *changed apart* while more than one of its edits has been seen by no other edit of it, and what
//! stands there is not what each of these writers left. So whoever has seen all and then edits the sentence settles it, or
//! finds it right as it stands ([`Chart::confirm_handover`]). Marks settle nothing: they do not say that the words are right.
//! What a signing took out of a draft is no edit: what was typed meanwhile is told as such ([`super::drafting`]).
//!
//! Law (`tests_apart`): the sentences changed apart are a function of the changes and signings; a sentence that is not among
//! them reads as somebody left it who had seen all of its edits, or as all of those left it who had not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use automerge::transaction::Transactable;
use automerge::{ChangeHash as LibraryHash, ObjId, ReadDoc};

use super::actor::{ChangeHash, NoteId};
use super::chunk::ChartChange;
use super::document::Chart;
use super::drafting::Signing;
use super::error::ChartError;
use super::history::{ActorIndex, History, OpRef, Seen};
use super::marking::{character, operation};
use super::order::walk;
use super::view::{handover_object, note_texts};

/// What ends a sentence, besides a line end.
const ENDS: [char; 5] = ['。', '．', '！', '？', '\n'];

/// Most sentences changed apart that are told of one text.
const APART_SHOWN_MAX: usize = 64;

/// Most writers whose reading of one sentence is told.
const SIDES_SHOWN_MAX: usize = 8;

/// Most characters of a sentence that are told.
const SENTENCE_CHARS_MAX: usize = 200;

/// A sentence that was changed apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apart {
    /// Its characters in the text, without what ends it.
    pub range: Range<usize>,
    /// How it reads here, at most its first 200 characters.
    pub text: String,
    /// How those left it who have not seen one another's edits, by their changes; at most eight.
    pub sides: Vec<ApartSide>,
}

/// How one writer left a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApartSide {
    /// The writer's last edit of it.
    pub change: ChangeHash,
    /// When, by the writer's clock, in seconds since 1970.
    pub time_s: i64,
    /// How it read then, at most its first 200 characters; empty if they deleted it.
    pub text: String,
}

impl Chart {
    /// Returns the sentences of the hand-over that were changed apart, in their order, at most 64.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn handover_apart(&mut self) -> Result<Vec<Apart>, ChartError> {
        let text = handover_object(&self.document)?;
        self.apart(&text, &[])
    }

    /// Returns the sentences of each text of a note that were changed apart, as [`Chart::handover_apart`]; `signings` are
    /// those of the note.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn note_apart(
        &mut self,
        note: &NoteId,
        signings: &[&Signing],
    ) -> Result<Vec<Vec<Apart>>, ChartError> {
        note_texts(&self.document, note)?.iter().map(|text| self.apart(text, signings)).collect()
    }

    /// Says that a place of the hand-over is right as it stands: its sentence is edited and left as it is.
    ///
    /// # Errors
    ///
    /// When the place lies beyond the text or the chart is behind its lane. Should the second change fail, the chart holds
    /// one that was not returned: drop it and load it again.
    pub fn confirm_handover(&mut self, at: usize, now_ms: u64) -> Result<Vec<ChartChange>, ChartError> {
        let text = handover_object(&self.document)?;
        self.confirm(&text, at, now_ms)
    }

    /// Says that a place of a note is right as it stands; `text` says in which of its texts, from 0.
    ///
    /// # Errors
    ///
    /// When there is no such note or text, and as [`Chart::confirm_handover`].
    pub fn confirm_note(
        &mut self,
        note: &NoteId,
        text: usize,
        at: usize,
        now_ms: u64,
    ) -> Result<Vec<ChartChange>, ChartError> {
        let texts = note_texts(&self.document, note)?;
        self.confirm(texts.get(text).ok_or(ChartError::NotFound)?, at, now_ms)
    }

    /// A space that is typed and deleted again behind a character: two edits that leave the text and its marks as they are.
    fn confirm(&mut self, text: &ObjId, at: usize, now_ms: u64) -> Result<Vec<ChartChange>, ChartError> {
        self.check_current()?;
        if at >= self.document.length(text) {
            return Err(ChartError::Position);
        }
        let typed = self.commit(now_ms, |transaction| transaction.splice_text(text, at + 1, 0, " "))?;
        let deleted = self.commit(now_ms, |transaction| transaction.splice_text(text, at + 1, 1, ""))?;
        Ok(vec![typed, deleted])
    }

    /// Finds the sentences of a text that were changed apart.
    pub(super) fn apart(&mut self, text: &ObjId, signings: &[&Signing]) -> Result<Vec<Apart>, ChartError> {
        let ids: Vec<ObjId> = self.document.list_range(text, ..).map(|item| item.id()).collect();
        let history = self.history()?;
        let object = operation(history, text).ok_or(ChartError::Read)?;
        let edits = Edits::of(history, object, signings).ok_or(ChartError::Read)?;
        let shown: BTreeSet<OpRef> = ids.iter().filter_map(|id| character(history, id)).collect();
        let mut found = Vec::new();
        for sentence in sentences(history, object, &shown, &edits) {
            if let Some(apart) = judged(history, sentence, &shown, &edits).ok_or(ChartError::Read)? {
                found.push(apart);
            }
            if found.len() == APART_SHOWN_MAX {
                break;
            }
        }
        for side in found.iter_mut().flat_map(|apart| &mut apart.sides) {
            let meta = self.document.get_change_meta_by_hash(&LibraryHash(side.change.0));
            side.time_s = meta.ok_or(ChartError::Read)?.timestamp;
        }
        Ok(found)
    }
}

/// A change by its writer and its sequence: an edit of what it touches.
type Edit = (ActorIndex, u64);

/// Who deleted which characters of a text.
struct Edits {
    /// The first known deletion of each.
    deleted: HashMap<OpRef, Edit>,
    /// Deletions of what others had deleted, too, without having seen that.
    again: HashMap<OpRef, Vec<Edit>>,
    /// Changes that took a signed text out, by their writers: after the one, up to the other.
    signing: Vec<(ActorIndex, Range<u64>)>,
    /// One writer alone has edited the text.
    is_by_one: bool,
}

impl Edits {
    /// Reads the deletions of a text; `None` if the history names what it does not hold.
    fn of(history: &History, text: OpRef, signings: &[&Signing]) -> Option<Self> {
        let mut signing = Vec::new();
        for one in signings {
            let Some((writer, last)) = history.place_of(&one.taken) else { continue };
            let seen = one.heads.iter().filter_map(|head| history.seen_of(head)).map(|seen| seen.seq(writer));
            signing.push((writer, seen.max().unwrap_or(0)..last));
        }
        let mut writers: BTreeSet<ActorIndex> =
            history.elements(text).map(|(first, ..)| first.actor).collect();
        let (mut deleted, mut again) = (HashMap::new(), HashMap::<OpRef, Vec<Edit>>::new());
        for (first, count, by) in history.deletions(text) {
            writers.insert(by.actor);
            let edit = (by.actor, history.seq_of(by)?);
            for counter in first.counter..first.counter + count {
                let element = OpRef { counter, ..first };
                if let Some(before) = deleted.insert(element, edit) {
                    again.entry(element).or_default().push(before);
                }
            }
        }
        Some(Self { deleted, again, signing, is_by_one: writers.len() < 2 })
    }

    /// Returns who deleted a character.
    fn deleting(&self, element: OpRef) -> impl Iterator<Item = Edit> + '_ {
        let again = self.again.get(&element).into_iter().flatten();
        self.deleted.get(&element).into_iter().chain(again).copied()
    }

    /// Says whether an edit only took out what was signed.
    fn is_signing(&self, (writer, seq): Edit) -> bool {
        self.signing.iter().any(|(signer, range)| *signer == writer && range.start < seq && seq <= range.end)
    }
}

/// A sentence with all that was ever typed in it.
#[derive(Default)]
struct Sentence {
    /// What of the text it is; nothing if nothing is left of it.
    range: Range<usize>,
    /// Its characters, also those that are gone: the first of those side by side, and how many they are.
    characters: Vec<(OpRef, usize)>,
    /// For each who edited it, the last edit.
    edits: BTreeMap<ActorIndex, u64>,
}

impl Sentence {
    fn edit(&mut self, (writer, seq): Edit) {
        let last = self.edits.entry(writer).or_default();
        *last = (*last).max(seq);
    }

    /// Goes on with what stands behind it.
    fn join(&mut self, other: Self) {
        if self.range.is_empty() {
            self.range = other.range;
        } else if !other.range.is_empty() {
            self.range.end = other.range.end;
        }
        self.characters.extend(other.characters);
        other.edits.into_iter().for_each(|edit| self.edit(edit));
    }

    /// Returns the characters that are there by `is_there`.
    fn read(&self, history: &History, is_there: impl Fn(OpRef) -> bool) -> String {
        let of = |(first, count): &(OpRef, usize)| {
            let first = *first;
            let characters = history.characters(first).iter().take(*count).zip(first.counter..);
            characters.map(move |(character, counter)| (*character, OpRef { counter, ..first }))
        };
        let all = self.characters.iter().flat_map(of);
        all.filter(|(_, element)| is_there(*element)).map(|(character, _)| character).collect()
    }

    /// Returns the edits that no other edit of the sentence has seen, in ascending order.
    fn tips(&self, history: &History) -> Option<Vec<ChangeHash>> {
        let last = |(writer, seq): (&ActorIndex, &u64)| history.change_at(*writer, *seq);
        let changes: Vec<ChangeHash> = self.edits.iter().map(last).collect::<Option<_>>()?;
        let sights: Vec<&Seen> =
            changes.iter().map(|change| history.seen_of(change)).collect::<Option<_>>()?;
        let mut tips = Vec::new();
        for (index, ((writer, seq), change)) in self.edits.iter().zip(&changes).enumerate() {
            let sees = |(other, seen): (usize, &&Seen)| other != index && seen.seq(*writer) >= *seq;
            if !sights.iter().enumerate().any(sees) {
                tips.push(*change);
            }
        }
        tips.sort_unstable();
        Some(tips)
    }
}

/// Cuts a text into the sentences of which something is shown.
fn sentences(history: &History, text: OpRef, shown: &BTreeSet<OpRef>, edits: &Edits) -> Vec<Sentence> {
    let mut cutter = Cutter::new(shown, edits);
    if !edits.is_by_one {
        walk(history, text, |first, count| {
            if let Some(seq) = history.seq_of(first).filter(|_| history.is_character(first)) {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                let characters = history.characters(first);
                cutter.read(first, seq, &characters[..count.min(characters.len())]);
            }
        });
        cutter.end(true);
    }
    cutter.whole
}

/// Where the cutting of a text into sentences stands.
struct Cutter<'a> {
    shown: &'a BTreeSet<OpRef>,
    edits: &'a Edits,
    whole: Vec<Sentence>,
    /// The sentence of which something is shown, as far as it was read up to an end that is gone.
    open: Option<Sentence>,
    /// What stood behind it and is gone; it belongs to the sentence if that goes on.
    behind: Sentence,
    /// What was read since the last end.
    now: Sentence,
    /// How many shown characters were read.
    at: usize,
}

impl<'a> Cutter<'a> {
    fn new(shown: &'a BTreeSet<OpRef>, edits: &'a Edits) -> Self {
        let (behind, now) = (Sentence::default(), Sentence::default());
        Self { shown, edits, whole: Vec::new(), open: None, behind, now, at: 0 }
    }

    /// Reads characters side by side of one change.
    fn read(&mut self, first: OpRef, seq: u64, characters: &[char]) {
        let mut from = first;
        for piece in characters.split_inclusive(|character| ENDS.contains(character)) {
            let ends = piece.last().is_some_and(|last| ENDS.contains(last));
            let inside = piece.len() - usize::from(ends);
            let next = OpRef { counter: from.counter + inside as u64, ..from };
            if inside > 0 {
                let mut part = Sentence { characters: vec![(from, inside)], ..Sentence::default() };
                part.edit((from.actor, seq));
                (from.counter..next.counter)
                    .for_each(|counter| self.delete(OpRef { counter, ..from }, &mut part));
                let left = self.shown.range(from..next).count();
                part.range = self.at..self.at + left;
                self.at += left;
                self.now.join(part);
            }
            if ends && self.shown.contains(&next) {
                self.at += 1;
                self.end(true);
            } else if ends {
                self.end(false);
                let mut gone = Sentence { characters: vec![(next, 1)], ..Sentence::default() };
                self.delete(next, &mut gone);
                self.behind.join(gone);
            }
            from = OpRef { counter: next.counter + u64::from(ends), ..from };
        }
    }

    fn delete(&self, element: OpRef, part: &mut Sentence) {
        let edits = self.edits.deleting(element).filter(|edit| !self.edits.is_signing(*edit));
        edits.for_each(|edit| part.edit(edit));
    }

    /// Ends what was read; the sentence goes on if its end is gone.
    fn end(&mut self, is_shown: bool) {
        let now = std::mem::take(&mut self.now);
        if now.range.is_empty() {
            // A sentence that is gone is no part of its neighbours.
            self.behind.characters.extend(now.characters);
        } else {
            let behind = std::mem::take(&mut self.behind);
            match &mut self.open {
                Some(open) => {
                    open.join(behind);
                    open.join(now);
                }
                None => self.open = Some(now),
            }
        }
        if is_shown {
            self.whole.extend(self.open.take());
            self.behind = Sentence::default();
        }
    }
}

/// Says whether a sentence was changed apart; `None` if the history names what it does not hold.
fn judged(
    history: &History,
    sentence: Sentence,
    shown: &BTreeSet<OpRef>,
    edits: &Edits,
) -> Option<Option<Apart>> {
    let tips = sentence.tips(history)?;
    if tips.len() < 2 {
        return Some(None);
    }
    let here = sentence.read(history, |element| shown.contains(&element));
    // More writers than are shown are told without asking what each of them left.
    let mut differs = tips.len() > SIDES_SHOWN_MAX;
    let mut sides = Vec::new();
    for change in tips.into_iter().take(SIDES_SHOWN_MAX) {
        let seen = history.seen_of(&change)?;
        let sees = |(writer, seq): Edit| seen.seq(writer) >= seq;
        let left = sentence.read(history, |element| {
            history.seq_of(element).is_some_and(|seq| sees((element.actor, seq)))
                && !edits.deleting(element).any(sees)
        });
        differs |= left != here;
        sides.push(ApartSide { change, time_s: 0, text: clipped(left) });
    }
    Some(differs.then(|| Apart { range: sentence.range, text: clipped(here), sides }))
}

fn clipped(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SENTENCE_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
