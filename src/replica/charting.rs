//! Writing into charts: each write is one durable append, and a signing is one append of the statement and of the change
//! that takes the signed text out of the draft.
//!
//! The statement stands before the change in the lane, so that no replica sees the text gone and not signed.

use std::num::NonZeroU32;

use super::answer::Written;
use super::appending::Destination;
use super::chart_apart::{confirm_words, is_read};
use super::chart_marks::mark_words;
use super::chart_shown::signings;
use super::chart_write::{ChartWrite, Charted};
use super::core::Replica;
use super::error::ReplicaError;
use super::naming::statement_in;
use super::renewing::Renewed;
use super::subject::Subject;
use super::writing::{facts_entry, with_id};
use crate::base::{Area, Part, RecordId, hash_tagged};
use crate::chart::{Chart, ChartBody, ChartChange, EntryId, NoteId, Signing};
use crate::lane::{Entry, EntryKind};
use crate::record::facts::{Fact, Facts, Standing};
use crate::record::sections::Section;
use crate::record::signed::SignedDraft;
use crate::record::{Act, Author, FollowRef, Informant, Position, Statement, build};

/// Random bytes of a draft's name.
const NOTE_NAME_BYTES: usize = 6;
/// Fewest digits of the beginning of a name.
const NAME_DIGITS_MIN: usize = 4;
/// Hexadecimal digits of a version: two texts of one version take 2^64 hashes to find.
const VERSION_DIGITS: usize = 32;
/// Names that an error lists.
const NAMES_LISTED_MAX: usize = 8;
/// The title of a signed note that was given none.
const NOTE_TITLE: &str = "経過記録";

/// What is appended in one commit.
struct Charting {
    name: Option<String>,
    changes: Vec<ChartChange>,
    statement: Option<Statement>,
    /// What is to be told besides.
    warnings: Vec<String>,
}

impl Replica {
    /// Writes into a record's chart.
    ///
    /// # Errors
    /// When what is named is not there, the call makes no sense, or the disk fails: then nothing was written.
    pub fn write_chart(
        &self,
        record: &RecordId,
        write: ChartWrite,
        author: Author,
    ) -> Result<Charted, ReplicaError> {
        let (subject, area) = (Subject::new(self, record), self.area_of(record)?);
        // One edit of this device at a time: a change's number is taken from the chart that the lanes give.
        let _editing = self.editing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut loaded = self.chart(record, &area)?;
        let (now, chart) = (self.environment().now(), &mut loaded.chart);
        let changed = |name: String, change| Charting::changed(name, vec![change]);
        let charting = match write {
            ChartWrite::Draft { note: None, text } => {
                let note = self.fresh_note()?;
                let changes = chart.begin_note(&note, &text, now.0)?;
                Charting::changed(note.as_str().to_owned(), changes)
            }
            ChartWrite::Draft { note: Some(note), text } => {
                let note = note_named(record, chart, &note)?;
                let change = chart.replace_note(&note, &text, now.0)?;
                changed(note.as_str().to_owned(), change)
            }
            ChartWrite::Sign { note, title, version } => {
                let note = note_named(record, chart, &note)?;
                self.sign(&subject, chart, &note, title.as_deref(), version.as_deref(), &author)?
            }
            ChartWrite::Addendum { to, text } => self.addendum(&subject, &to, &text, &author)?,
            ChartWrite::Plan { text } => {
                let (id, change) = chart.plan_care(&text, &author.name, now.0)?;
                changed(id.as_str().to_owned(), change)
            }
            ChartWrite::Tick { item, done } => {
                let items = chart.care_plan()?.into_iter().map(|item| item.id);
                let id = entry_named(record, items, &item, "line of the care plan")?;
                let change = chart.tick(&id, done.then_some(author.name.as_str()), now.0)?;
                changed(id.as_str().to_owned(), change)
            }
            ChartWrite::Comment { at, text } => {
                let anchor = self.anchor(record, chart, &at)?;
                let (id, change) = chart.annotate(&anchor, &text, &author.name, now.0)?;
                changed(id.as_str().to_owned(), change)
            }
            ChartWrite::Mark { note, words, mark, on } => {
                let note = note.map(|note| note_named(record, chart, &note)).transpose()?;
                let change = mark_words(chart, note.as_ref(), &words, mark, on, now)?;
                let name = note.map(|note| note.as_str().to_owned());
                Charting { name, changes: vec![change], statement: None, warnings: Vec::new() }
            }
            ChartWrite::Confirm { note, words } => {
                let note = note.map(|note| note_named(record, chart, &note)).transpose()?;
                let signings = self.signings(record)?;
                let changes = confirm_words(chart, note.as_ref(), &words, &signings, now)?;
                let name = note.map(|note| note.as_str().to_owned());
                Charting { name, changes, statement: None, warnings: Vec::new() }
            }
            ChartWrite::NewChart => {
                let Renewed { generation, changes, warnings } =
                    self.new_chart(record, &area, &mut loaded, now)?;
                loaded.generation = generation;
                Charting { name: None, changes, statement: None, warnings }
            }
        };
        self.append_charting(&subject, area, loaded.generation, author, charting)
    }

    /// Makes the hand-over text read so.
    pub(super) fn write_handover(
        &self,
        record: &RecordId,
        text: &str,
        author: Author,
    ) -> Result<Written, ReplicaError> {
        let (subject, area) = (Subject::new(self, record), self.area_of(record)?);
        let _editing = self.editing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut loaded = self.chart(record, &area)?;
        let change = loaded.chart.replace_handover(text, self.environment().now().0)?;
        let charting = Charting { name: None, changes: vec![change], statement: None, warnings: Vec::new() };
        self.append_charting(&subject, area, loaded.generation, author, charting).map(Written::from)
    }

    /// Names a statement as briefly as people can tell it from others of its record.
    pub fn short_name(position: &Position) -> String {
        crate::record::render::statement_name(position)
    }

    fn sign(
        &self,
        subject: &Subject<'_>,
        chart: &mut Chart,
        note: &NoteId,
        title: Option<&str>,
        version: Option<&str>,
        author: &Author,
    ) -> Result<Charting, ReplicaError> {
        let (heads, now) = (chart.heads(), self.environment().now());
        is_read(chart, note, &self.signings(subject.record())?, version)?;
        let (text, changes) = chart.take_note(note, now.0)?;
        if version.is_some_and(|version| version != version_of(&text)) {
            let message = format!(
                "draft {} has changed since version {}: read it again and sign version {}",
                note.as_str(),
                version.map(short).unwrap_or_default(),
                version_of(&text)
            );
            return Err(ReplicaError::Call(message));
        }
        let taken = changes.last().map(ChartChange::hash).ok_or(crate::chart::ChartError::NotFound)?;
        let draft = SignedDraft {
            note: note.as_str().to_owned(),
            heads: heads.into_iter().map(|head| head.0).collect(),
            taken: taken.0,
        };
        let record = subject.record();
        let facts = self.facts_in(record, Some(Part::Notes))?.0;
        // Who signs what was typed into a draft after it was signed adds to the signed note.
        let follows: Vec<FollowRef> = signed(&facts)
            .filter(|(fact, signed)| fact.standing == Standing::Verified && signed.note == note.as_str())
            .map(|(fact, _)| fact.follow_ref())
            .collect();
        let act = if follows.is_empty() { Act::Assert } else { Act::Addendum };
        let title = title.unwrap_or(NOTE_TITLE);
        let resource = build::signed_note(record, now, &author.name, title, &text, &draft);
        let statement = self.note_statement(subject, act, follows, &resource)?;
        let name = Some(note.as_str().to_owned());
        Ok(Charting { name, changes, statement: Some(statement), warnings: Vec::new() })
    }

    /// The signings of a record's drafts.
    fn signings(&self, record: &RecordId) -> Result<Vec<Signing>, ReplicaError> {
        let facts = self.facts_in(record, Some(Part::Notes))?.0;
        Ok(signings(&facts).into_iter().map(|(_, signing)| signing).collect())
    }

    fn addendum(
        &self,
        subject: &Subject<'_>,
        to: &str,
        text: &str,
        author: &Author,
    ) -> Result<Charting, ReplicaError> {
        let record = subject.record();
        let facts = self.facts_in(record, Some(Part::Notes))?.0;
        let position = statement_in(&facts, to)?;
        let follows: Vec<FollowRef> = facts
            .at(position)
            .filter(|fact| fact.section == Section::Notes)
            .map(crate::record::Fact::follow_ref)
            .collect();
        if follows.is_empty() {
            return Err(nothing(record, format!("note '{}'", short(to))));
        }
        let now = self.environment().now();
        let resource = build::note(record, now, &author.name, "追記", text);
        let statement = self.note_statement(subject, Act::Addendum, follows, &resource)?;
        let (changes, warnings) = (Vec::new(), Vec::new());
        Ok(Charting { name: None, changes, statement: Some(statement), warnings })
    }

    fn note_statement(
        &self,
        subject: &Subject<'_>,
        act: Act,
        follows: Vec<FollowRef>,
        resource: &str,
    ) -> Result<Statement, ReplicaError> {
        let resource =
            self.written_in_view(subject, subject.record(), with_id(resource, &self.fresh_id())?)?;
        Ok(Statement { act, informant: Informant::Clinician, follows, reason: None, resource })
    }

    /// Finds what a comment is on: a comment of this chart, or a statement of the record.
    fn anchor(&self, record: &RecordId, chart: &Chart, at: &str) -> Result<String, ReplicaError> {
        let comments = chart.annotations()?.into_iter().map(|comment| comment.id);
        if let Ok(id) = entry_named(record, comments, at, "comment") {
            return Ok(id.as_str().to_owned());
        }
        let facts = self.facts(record)?.0;
        Ok(Self::statement_name(&statement_in(&facts, at)?))
    }

    fn append_charting(
        &self,
        subject: &Subject<'_>,
        area: Area,
        generation: u32,
        author: Author,
        charting: Charting,
    ) -> Result<Charted, ReplicaError> {
        let Charting { name, changes, statement, mut warnings } = charting;
        let record = subject.record();
        let signs = statement.is_some();
        let resource_id = statement.as_ref().and_then(|statement| {
            let [id] = crate::record::json::top_strings(&statement.resource, ["id"]).ok()?;
            id
        });
        let mut entries = Vec::new();
        for change in &changes {
            let mut salt = [0; 8];
            self.environment().fill(&mut salt);
            let body = ChartBody {
                version: ChartBody::VERSION,
                salt,
                record: *record,
                changes: vec![change.bytes().to_vec().into()],
                author: Some(author.clone()),
                generation: NonZeroU32::new(generation),
            };
            entries.push(Entry { kind: EntryKind::CHART, body: body.to_bytes() });
        }
        let knowing = self.areas_seen(subject)?;
        let mut inner = self.lock();
        let time = inner.clock.tick(self.environment().now());
        let into = Destination { area, part: Part::Notes, knowing };
        let follows = statement.as_ref().map_or(Vec::new(), |statement| statement.follows.clone());
        let place = self.append_following(&mut inner, &into, &follows, |follows, is_last| {
            let mut all = Vec::new();
            if let Some(statement) = statement.clone() {
                let statements = vec![Statement { follows, ..statement }];
                all.push(facts_entry(self, *record, time, author.clone(), None, statements)?);
            }
            if is_last {
                all.append(&mut entries);
            }
            Ok(all)
        })?;
        drop(inner);
        let position = signs.then_some(Position { lane: place.lane, seq: place.seq, index: 0 });
        warnings.extend(position.iter().flat_map(|position| self.told_of(record, position)));
        let statement = position.as_ref().map(Self::statement_name);
        Ok(Charted { record: *record, name, statement, resource_id, time: time.wall(), warnings })
    }

    fn fresh_note(&self) -> Result<NoteId, ReplicaError> {
        let mut bytes = [0; NOTE_NAME_BYTES];
        self.environment().fill(&mut bytes);
        let name = crate::base::id::hex(&bytes);
        NoteId::new(&name).ok_or_else(|| ReplicaError::Call("a draft has no name".to_owned()))
    }
}

impl Charting {
    fn changed(name: String, changes: Vec<ChartChange>) -> Self {
        Self { name: Some(name), changes, statement: None, warnings: Vec::new() }
    }
}

impl From<Charted> for Written {
    fn from(charted: Charted) -> Self {
        let Charted { record, name: _, statement, resource_id, time, warnings } = charted;
        Self { record, statement, resource_id, time, warnings }
    }
}

/// Lists the signed notes that were drafts, and which draft each was.
pub(super) fn signed(facts: &Facts) -> impl Iterator<Item = (&Fact, SignedDraft)> {
    let notes = facts.iter().filter(|fact| fact.section == Section::Notes);
    notes.filter_map(|fact| Some((fact, SignedDraft::read(&fact.json())?)))
}

/// Names a version of a draft, so that whoever signs has read what is signed: nobody who may type into the draft finds
/// two texts of one name.
pub(super) fn version_of(text: &str) -> String {
    hash_tagged("musubi draft", &[text.as_bytes()]).to_string()[..VERSION_DIGITS].to_owned()
}

/// Finds the draft of a name, or of the beginning of one. Other devices choose the names of theirs, so a short one stands
/// for itself only where it is not what somebody may have shortened.
fn note_named(record: &RecordId, chart: &Chart, name: &str) -> Result<NoteId, ReplicaError> {
    let notes: Vec<NoteId> = chart.notes()?.into_iter().map(|draft| draft.id).collect();
    let exact = notes.iter().find(|note| note.as_str() == name);
    if let Some(exact) = exact.filter(|_| name.len() >= 2 * NOTE_NAME_BYTES) {
        return Ok(exact.clone());
    }
    let is_meant = |note: &&NoteId| {
        note.as_str().starts_with(name) && (name.len() >= NAME_DIGITS_MIN || exact.is_some())
    };
    let found: Vec<&NoteId> = notes.iter().filter(is_meant).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(nothing(record, format!("draft '{}'", short(name)))),
        several => {
            let names = several.iter().take(NAMES_LISTED_MAX).map(|note| short(note.as_str()));
            let (name, names) = (short(name), names.collect::<Vec<_>>().join(", "));
            let message = format!("'{name}' is the beginning of several drafts: {names}; give more digits");
            Err(ReplicaError::Call(message))
        }
    }
}

/// Finds the entry of a name, or of the beginning of its writer's name and its number, as `3fa2-7`.
fn entry_named(
    record: &RecordId,
    mut entries: impl Iterator<Item = EntryId>,
    name: &str,
    what: &str,
) -> Result<EntryId, ReplicaError> {
    let begins = |entry: &EntryId| {
        let (Some((writer, number)), Some((begin, wanted))) =
            (entry.as_str().rsplit_once('-'), name.rsplit_once('-'))
        else {
            return entry.as_str() == name;
        };
        begin.len() >= NAME_DIGITS_MIN && writer.starts_with(begin) && number == wanted
    };
    match (entries.find(begins), entries.find(begins)) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(several(name, "entries")),
        (None, _) => Err(nothing(record, format!("{what} '{}'", short(name)))),
    }
}

fn nothing(record: &RecordId, what: String) -> ReplicaError {
    ReplicaError::NothingToFollow { record: *record, what }
}

fn several(name: &str, what: &str) -> ReplicaError {
    ReplicaError::Call(format!("'{}' is the beginning of several {what}; give more digits", short(name)))
}

fn short(name: &str) -> String {
    name.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::hostile::chart;

    #[test]
    fn a_draft_of_a_short_name_catches_nobody_who_shortens_another() {
        let (record, mut chart) = (RecordId([1; 16]), chart(1));
        let mut begin = |name: &str| {
            chart.begin_note(&NoteId::new(name).unwrap(), "x", 0).unwrap();
        };
        begin("3f2a9c0011aa");
        begin("3f2a");
        begin("3f2a9c0011aab");
        begin("77");
        let found = |name: &str| note_named(&record, &chart, name).map(|note| note.as_str().to_owned());
        let several = found("3f2a").unwrap_err().to_string();
        assert!(several.contains("3f2a9c0011aa, ") && several.contains("more digits"), "{several}");
        // A whole name, as this program makes them, is nobody's beginning.
        assert_eq!(found("3f2a9c0011aa").unwrap(), "3f2a9c0011aa");
        assert_eq!(found("77").unwrap(), "77");
        assert!(found("3f2").is_err() && found("7").is_err());
    }

    #[test]
    fn a_version_is_of_one_text_only() {
        assert_eq!(version_of("経過良好").len(), 32);
        assert_ne!(version_of("経過良好"), version_of("経過良好。"));
    }
}
