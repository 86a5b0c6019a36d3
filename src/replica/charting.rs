//! Writing into charts: each write is one durable append, and a signing is one append of the statement and of the change
//! that takes the signed text out of the draft.
//!
//! The statement stands before the change in the lane, so that no replica sees the text gone and not signed.

use std::num::NonZeroU32;

use super::answer::Written;
use super::appending::Destination;
use super::chart_marks::{carry_marks, mark_words, plain_text};
use super::chart_write::{ChartWrite, Charted};
use super::core::Replica;
use super::error::ReplicaError;
use super::naming::statement_in;
use super::records::LoadedChart;
use super::subject::Subject;
use super::writing::{facts_entry, with_id};
use crate::base::{Area, Part, RecordId, WallMs, hash_tagged};
use crate::chart::{Chart, ChartBody, ChartChange, EntryId, NoteId, Span};
use crate::lane::{Entry, EntryKind};
use crate::record::facts::{Fact, Facts, Standing};
use crate::record::sections::Section;
use crate::record::signed::SignedDraft;
use crate::record::{Act, Author, FollowRef, Informant, Position, Statement, build};

/// Random bytes of a draft's name.
const NOTE_NAME_BYTES: usize = 6;
/// Fewest digits of the beginning of a name.
const NAME_DIGITS_MIN: usize = 4;
/// The title of a signed note that was given none.
const NOTE_TITLE: &str = "経過記録";

/// What is appended in one commit.
struct Charting {
    name: Option<String>,
    changes: Vec<ChartChange>,
    statement: Option<Statement>,
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
                Charting { name, changes: vec![change], statement: None }
            }
            ChartWrite::NewChart => {
                let (fresh, changes) = self.new_chart(record, &area, &mut loaded, now)?;
                loaded.generation = fresh;
                Charting { name: None, changes, statement: None }
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
        let charting = Charting { name: None, changes: vec![change], statement: None };
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
        Ok(Charting { name: Some(note.as_str().to_owned()), changes, statement: Some(statement) })
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
        Ok(Charting { name: None, changes: Vec::new(), statement: Some(statement) })
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

    /// Begins the chart that follows a spoiled one: the hand-over, the drafts and what is not done yet are typed into it.
    fn new_chart(
        &self,
        record: &RecordId,
        area: &Area,
        old: &mut LoadedChart,
        now: WallMs,
    ) -> Result<(u32, Vec<ChartChange>), ReplicaError> {
        if old.quarantined == 0 && !old.chart.is_full()? {
            let message =
                "nothing of this record's chart was refused and it has room: it is not spoiled, and goes on"
                    .to_owned();
            return Err(ReplicaError::Call(message));
        }
        let generation = old.generation.checked_add(1);
        let generation =
            generation.ok_or_else(|| ReplicaError::Call("this record has too many charts".to_owned()))?;
        let mut fresh = self.empty_chart(record, area, generation);
        let (mut changes, mut typed) = (Vec::new(), 0);
        let handover = old.chart.handover_marked()?;
        for piece in plain_text(&handover).chars().collect::<Vec<_>>().chunks(CHARACTERS_MAX) {
            let text: String = piece.iter().collect();
            changes.push(fresh.splice_handover(typed, 0, &text, now.0)?);
            typed += piece.len();
        }
        let marks = carry_marks(&handover, |range, kind| fresh.mark_handover(range, kind, true, now.0))?;
        changes.extend(marks);
        for draft in old.chart.notes()? {
            changes.extend(fresh.begin_note(&draft.id, &draft.texts.join("\n"), now.0)?);
            let texts = old.chart.note_marked(&draft.id)?.into_iter().filter(|spans| !spans.is_empty());
            let line_end = [Span { text: "\n".to_owned(), marks: Vec::new() }];
            let spans = texts.collect::<Vec<_>>().join(line_end.as_slice());
            let set = |range, kind| fresh.mark_note(&draft.id, 0, range, kind, true, now.0);
            changes.extend(carry_marks(&spans, set)?);
        }
        for item in old.chart.care_plan()? {
            let (id, change) = fresh.plan_care(&item.text, &item.author, item.time_ms)?;
            changes.push(change);
            if let crate::chart::Tick::Done { by } = item.done
                && let Some(first) = by.first()
            {
                changes.push(fresh.tick(&id, Some(&first.by), first.time_ms)?);
            }
        }
        let mut renamed: Vec<(String, EntryId)> = Vec::new();
        for thread in old.chart.comments()? {
            for comment in thread.comments {
                let remark = comment.remark;
                let anchor = renamed.iter().find(|(old, _)| *old == remark.anchor);
                let anchor = anchor.map_or(remark.anchor.clone(), |(_, new)| new.as_str().to_owned());
                let (id, change) = fresh.annotate(&anchor, &remark.text, &remark.author, remark.time_ms)?;
                renamed.push((remark.id.as_str().to_owned(), id));
                changes.push(change);
            }
        }
        if changes.is_empty() {
            // An empty chart needs a first change to be there at all.
            changes.push(fresh.splice_handover(0, 0, " ", now.0)?);
        }
        Ok((generation, changes))
    }

    fn append_charting(
        &self,
        subject: &Subject<'_>,
        area: Area,
        generation: u32,
        author: Author,
        charting: Charting,
    ) -> Result<Charted, ReplicaError> {
        let Charting { name, changes, statement } = charting;
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
        let warnings = position.as_ref().map_or(Vec::new(), |position| self.told_of(record, position));
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

/// Most characters of one change that types a hand-over anew.
const CHARACTERS_MAX: usize = 8_000;

impl Charting {
    fn changed(name: String, changes: Vec<ChartChange>) -> Self {
        Self { name: Some(name), changes, statement: None }
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

/// Names a version of a draft, so that whoever signs has read what is signed.
pub(super) fn version_of(text: &str) -> String {
    hash_tagged("musubi draft", &[text.as_bytes()]).to_string()[..8].to_owned()
}

fn note_named(record: &RecordId, chart: &Chart, name: &str) -> Result<NoteId, ReplicaError> {
    let notes: Vec<NoteId> = chart.notes()?.into_iter().map(|draft| draft.id).collect();
    if let Some(exact) = notes.iter().find(|note| note.as_str() == name) {
        return Ok(exact.clone());
    }
    let begins = |note: &&NoteId| name.len() >= NAME_DIGITS_MIN && note.as_str().starts_with(name);
    let found: Vec<&NoteId> = notes.iter().filter(begins).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(nothing(record, format!("draft '{}'", short(name)))),
        _ => Err(several(name, "drafts")),
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
