//! Reading a chart.
//!
//! Where devices wrote one thing at once, Automerge shows an arbitrary winner. Nothing here does: every
//! register is read with all its values, and a disagreement is shown as one.

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};

use super::actor::{ChangeHash, EntryId, NoteId};
use super::document::Chart;
use super::error::ChartError;
use super::genesis::{ANNOTATIONS, CARE_PLAN, HANDOVER, NOTES};
use super::schema::{ANCHOR, AUTHOR, TEXT, TICK, TIME};

/// A note being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteDraft {
    /// Its name.
    pub id: NoteId,
    /// Its text; more than one where devices began a note of one name without having seen each other.
    pub texts: Vec<String>,
}

/// Who ticked something, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticked {
    /// Who ticked it, as the caller wrote it.
    pub by: String,
    /// When, by the writer's clock, in milliseconds since 1970.
    pub time_ms: u64,
}

/// Says whether something is ticked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// It is not, or no longer.
    Open,
    /// It is; all who ticked it at once are named.
    Done {
        /// Who ticked it, in ascending order.
        by: Vec<Ticked>,
    },
    /// Somebody ticked it while somebody else took the tick away: treat it as open, and ask.
    Disputed {
        /// Who ticked it, in ascending order.
        by: Vec<Ticked>,
        /// The changes that took the tick away, in ascending order.
        against: Vec<ChangeHash>,
    },
}

/// A remark anchored to a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Its name.
    pub id: EntryId,
    /// What it is anchored to: a statement's position, as the caller wrote it.
    pub anchor: String,
    /// Its text.
    pub text: String,
    /// Its author, as the caller wrote it.
    pub author: String,
    /// When it was written by its writer's clock, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whether it is settled.
    pub settled: Tick,
}

/// A line of the care plan, with its tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CareItem {
    /// Its name.
    pub id: EntryId,
    /// What is to be done.
    pub text: String,
    /// Its author, as the caller wrote it.
    pub author: String,
    /// When it was written by its writer's clock, in milliseconds since 1970.
    pub time_ms: u64,
    /// Whether it is done.
    pub done: Tick,
}

impl Chart {
    /// Returns the hand-over text.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn handover(&self) -> Result<String, ChartError> {
        let text = handover_object(&self.document)?;
        self.document.text(&text).map_err(|_| ChartError::Read)
    }

    /// Returns the notes being written, by name; notes whose text is empty are not shown.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn notes(&self) -> Result<Vec<NoteDraft>, ChartError> {
        let notes = root_object(&self.document, NOTES)?;
        let mut drafts = Vec::new();
        for key in self.document.keys(&notes) {
            let id = NoteId::new(&key).ok_or(ChartError::Read)?;
            let mut texts = Vec::new();
            for text in note_texts(&self.document, &id)? {
                texts.push(self.document.text(&text).map_err(|_| ChartError::Read)?);
            }
            texts.retain(|text| !text.is_empty());
            if !texts.is_empty() {
                drafts.push(NoteDraft { id, texts });
            }
        }
        Ok(drafts)
    }

    /// Returns the annotations, oldest first by their writers' clocks, then by name.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn annotations(&self) -> Result<Vec<Annotation>, ChartError> {
        let mut found = self.entries(ANNOTATIONS, |id, entry| Annotation {
            id,
            anchor: entry.string(ANCHOR),
            text: entry.string(TEXT),
            author: entry.string(AUTHOR),
            time_ms: entry.time_ms(),
            settled: entry.tick(),
        })?;
        found.sort_by(|a, b| (a.time_ms, &a.id).cmp(&(b.time_ms, &b.id)));
        Ok(found)
    }

    /// Returns the care plan, oldest line first by the writers' clocks, then by name.
    ///
    /// # Errors
    ///
    /// When the document cannot be read.
    pub fn care_plan(&self) -> Result<Vec<CareItem>, ChartError> {
        let mut found = self.entries(CARE_PLAN, |id, entry| CareItem {
            id,
            text: entry.string(TEXT),
            author: entry.string(AUTHOR),
            time_ms: entry.time_ms(),
            done: entry.tick(),
        })?;
        found.sort_by(|a, b| (a.time_ms, &a.id).cmp(&(b.time_ms, &b.id)));
        Ok(found)
    }

    fn entries<T>(&self, map: &str, read: impl Fn(EntryId, Entry<'_>) -> T) -> Result<Vec<T>, ChartError> {
        let map = root_object(&self.document, map)?;
        let mut found = Vec::new();
        for key in self.document.keys(&map) {
            for object in objects(&self.document, &map, &key, ObjType::Map)? {
                found.push(read(EntryId::from_name(&key), Entry { document: &self.document, object }));
            }
        }
        Ok(found)
    }
}

/// Returns the text object of the hand-over.
pub(super) fn handover_object(document: &Automerge) -> Result<ObjId, ChartError> {
    only(objects(document, &ROOT, HANDOVER, ObjType::Text)?)
}

/// Returns one of the maps that the genesis made.
pub(super) fn root_object(document: &Automerge, key: &str) -> Result<ObjId, ChartError> {
    only(objects(document, &ROOT, key, ObjType::Map)?)
}

/// Returns all texts of a note, none if it was never begun.
pub(super) fn note_texts(document: &Automerge, note: &NoteId) -> Result<Vec<ObjId>, ChartError> {
    let notes = root_object(document, NOTES)?;
    objects(document, &notes, note.as_str(), ObjType::Text)
}

/// Returns an entry of either map, if there is one of that name.
pub(super) fn entry_object(
    document: &Automerge,
    map: &str,
    entry: &EntryId,
) -> Result<Option<ObjId>, ChartError> {
    let map = root_object(document, map)?;
    Ok(objects(document, &map, entry.as_str(), ObjType::Map)?.pop())
}

/// All objects of one type that stand under a key, in the order of their operations.
fn objects(document: &Automerge, map: &ObjId, key: &str, kind: ObjType) -> Result<Vec<ObjId>, ChartError> {
    let values = document.get_all(map, key).map_err(|_| ChartError::Read)?;
    let is_kind = |value: &Value<'_>| *value == Value::Object(kind);
    Ok(values.into_iter().filter(|(value, _)| is_kind(value)).map(|(_, object)| object).collect())
}

fn only(mut objects: Vec<ObjId>) -> Result<ObjId, ChartError> {
    match (objects.pop(), objects.is_empty()) {
        (Some(object), true) => Ok(object),
        (Some(_), false) | (None, _) => Err(ChartError::Read),
    }
}

struct Entry<'a> {
    document: &'a Automerge,
    object: ObjId,
}

impl Entry<'_> {
    fn scalars(&self, key: &str) -> Vec<ScalarValue> {
        let values = self.document.get_all(&self.object, key).unwrap_or_default();
        values.into_iter().filter_map(|(value, _)| value.into_scalar().ok()).collect()
    }

    /// A field is written once, with its entry; one that its writer left out reads as empty.
    fn string(&self, key: &str) -> String {
        match self.scalars(key).pop() {
            Some(ScalarValue::Str(text)) => text.to_string(),
            _ => String::new(),
        }
    }

    fn time_ms(&self) -> u64 {
        match self.scalars(TIME).pop() {
            Some(ScalarValue::Timestamp(time)) => u64::try_from(time).unwrap_or(0),
            _ => 0,
        }
    }

    fn tick(&self) -> Tick {
        let (mut by, mut against) = (Vec::new(), Vec::new());
        for (value, id) in self.document.get_all(&self.object, TICK).unwrap_or_default() {
            let change =
                self.document.hash_for_opid(&id).map_or(ChangeHash([0; 32]), |hash| ChangeHash(hash.0));
            // What cannot be read counts as open: the cautious side.
            match value.as_str().and_then(read_tick) {
                Some(ticked) if !ticked.by.is_empty() => by.push(ticked),
                Some(_) | None => against.push(change),
            }
        }
        by.sort_unstable();
        against.sort_unstable();
        match (by.is_empty(), against.is_empty()) {
            (true, _) => Tick::Open,
            (false, true) => Tick::Done { by },
            (false, false) => Tick::Disputed { by, against },
        }
    }
}

fn read_tick(value: &str) -> Option<Ticked> {
    let mut parts = value.splitn(3, ' ');
    let (_change, time, by) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Ticked { by: by.to_owned(), time_ms: time.parse().ok()? })
}
