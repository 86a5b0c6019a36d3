//! Which operations a change may hold: exactly those that the screens of this program write.
//!
//! | where | what | refers to |
//! |---|---|---|
//! | a text | insert one character | the start, or an element of that text: a character, or an end of a mark |
//! | a text | delete one character | that character, alone |
//! | a text | begin a mark, once in a change | the start, or an element of that text |
//! | a text | end the mark, as the next operation | an element of that text behind the begin |
//! | `notes` | make a text under a note's name | nothing |
//! | `annotations`, `care_plan` | make an entry under the name of this change | nothing |
//! | an entry made in this change | put a field, once | nothing |
//! | any entry | put its tick | earlier ticks of that entry |
//!
//! References reach only what the change had seen, so the verdict is the same on every replica. This is
//! more than safety from panics (an insertion after an unknown element fails an assertion inside
//! Automerge, a misplaced predecessor makes a document that saves but does not load): nobody can delete
//! the hand-over, put a second text over a note, or reword another's annotation.
//!
//! A mark is named by the schema, its value is true or, to take it away, null; it does not expand, replaces nothing and
//! is never deleted. Automerge knows a mark's end by its number, which is one above the begin's: hence the next operation.
//! An end before its begin makes a document that saves but does not load ([`super::order`] says which comes first).

use std::collections::BTreeSet;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ObjType, ScalarValue};

use super::actor::{ActorBytes, EntryId};
use super::history::{ActorIndex, EntryKind, History, Made, OpRef, Seen};
use super::limits::{MARKS_PER_CHART_MAX, NOTE_ID_BYTES_MAX};
use super::mark::MarkKind;
use super::order::{Step, stands_before};

/// The key of an entry's text.
pub(super) const TEXT: &str = "text";
/// The key of what an annotation is anchored to.
pub(super) const ANCHOR: &str = "anchor";
/// The key of an entry's author.
pub(super) const AUTHOR: &str = "author";
/// The key of when an entry was written.
pub(super) const TIME: &str = "time";
/// The key of an entry's tick: the name of the change, the time in milliseconds and who ticked it, separated
/// by spaces; nobody, where a tick is taken away.
pub(super) const TICK: &str = "tick";

/// Says why an operation is not one that this program would write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The operation names an object, element or predecessor that its writer had not seen, or by an unknown actor.
    #[error("judging a chart operation: it refers to what its writer cannot have seen")]
    UnknownReference,
    /// The operation writes where nobody writes: the root, a field of an old entry, a character.
    #[error("judging a chart operation: nothing may be written at that place")]
    Place,
    /// The operation is of a kind that is not written at its place.
    #[error("judging a chart operation: that is not written at this place")]
    Action,
    /// The operation's key is not one of its place.
    #[error("judging a chart operation: unknown or repeated key")]
    Key,
    /// The operation's value is not of its field's type.
    #[error("judging a chart operation: a value has the wrong type")]
    Value,
    /// The operation overwrites or deletes something else than what stands at its place.
    #[error("judging a chart operation: it replaces what does not stand at its place")]
    Predecessors,
    /// A mark has no end or more than one, ends before it begins, expands, or is the second one of its change.
    #[error("judging a chart operation: not a mark that begins, ends behind its begin and does not expand")]
    Mark,
    /// The chart has as many marks as it may.
    #[error("judging a chart operation: the chart would exceed {MARKS_PER_CHART_MAX} marks")]
    TooManyMarks,
}

/// Judges the operations of a change, in order, and returns what each of them makes.
///
/// `seen` and `history` give what the writer had seen before it.
///
/// # Errors
///
/// When one of the operations is not one that this program would write.
pub(super) fn judge(
    history: &History,
    seen: &Seen,
    actor: &ActorBytes,
    seq: u64,
    start_op: u64,
    operations: &[Op],
) -> Result<Vec<Made>, SchemaError> {
    let mut judge = Judge {
        history,
        seen,
        actor,
        actor_index: history.actor_index_or_next(actor),
        entry_id: EntryId::of_change(actor, seq),
        start_op,
        made: Vec::with_capacity(operations.len()),
        used: BTreeSet::new(),
        open: None,
    };
    for operation in operations {
        let made = judge.operation(operation)?;
        judge.made.push(made);
    }
    if judge.open.is_some() { Err(SchemaError::Mark) } else { Ok(judge.made) }
}

struct Judge<'a> {
    history: &'a History,
    seen: &'a Seen,
    actor: &'a ActorBytes,
    actor_index: ActorIndex,
    entry_id: EntryId,
    start_op: u64,
    /// What the operations of this change made so far.
    made: Vec<Made>,
    /// What this change may do only once: delete a character, put a field, make an entry.
    used: BTreeSet<(OpRef, &'static str)>,
    /// The text and the begin of the mark that the next operation must end.
    open: Option<(OpRef, OpRef)>,
}

impl Judge<'_> {
    fn operation(&mut self, op: &Op) -> Result<Made, SchemaError> {
        let ObjectId::Id(id) = &op.obj else {
            return Err(SchemaError::Place);
        };
        let object = self.reference(id)?;
        if self.open.is_some() && !matches!(op.action, OpType::MarkEnd(_)) {
            return Err(SchemaError::Mark);
        }
        match self.made(object)? {
            Made::Text => self.in_text(object, op),
            Made::Notes => in_notes(op),
            Made::Entries(kind) => self.in_entries(object, kind, op),
            Made::Entry(kind) => self.in_entry(object, kind, op),
            Made::Character { .. }
            | Made::MarkBegin { .. }
            | Made::MarkEnd { .. }
            | Made::Deletion { .. }
            | Made::Tick { .. }
            | Made::Other => Err(SchemaError::Place),
        }
    }

    fn in_text(&mut self, text: OpRef, op: &Op) -> Result<Made, SchemaError> {
        let Key::Seq(element) = &op.key else {
            return Err(SchemaError::Key);
        };
        let element = match element {
            ElementId::Head => None,
            ElementId::Id(id) => {
                let element = self.reference(id)?;
                match self.made(element)?.element() {
                    Some((of, _)) if of == text => Some(element),
                    Some(_) | None => return Err(SchemaError::UnknownReference),
                }
            }
        };
        match &op.action {
            OpType::Put(ScalarValue::Str(character)) if op.insert => {
                no_predecessors(op)?;
                let mut characters = character.chars();
                match (characters.next(), characters.next()) {
                    (Some(character), None) => Ok(Made::Character { text, after: element, character }),
                    (None, _) | (Some(_), Some(_)) => Err(SchemaError::Value),
                }
            }
            OpType::Delete if !op.insert => {
                let element = element.ok_or(SchemaError::Key)?;
                if !matches!(self.made(element)?, Made::Character { .. }) {
                    return Err(SchemaError::Mark);
                }
                let [only] = self.predecessors(op)?[..] else {
                    return Err(SchemaError::Predecessors);
                };
                let is_own = element.actor == self.actor_index && element.counter >= self.start_op;
                if only != element || is_own || !self.used.insert((element, "delete")) {
                    return Err(SchemaError::Predecessors);
                }
                Ok(Made::Deletion { text, of: element })
            }
            OpType::MarkBegin(mark) if op.insert => {
                no_predecessors(op)?;
                let kind = MarkKind::from_name(&mark.name).ok_or(SchemaError::Mark)?;
                let on = match mark.value {
                    ScalarValue::Boolean(true) => true,
                    ScalarValue::Null => false,
                    _ => return Err(SchemaError::Value),
                };
                if mark.expand || !self.used.insert((self.own(0), "mark")) {
                    return Err(SchemaError::Mark);
                }
                if self.history.marks_seen(self.seen) >= MARKS_PER_CHART_MAX {
                    return Err(SchemaError::TooManyMarks);
                }
                self.open = Some((text, self.own(self.made.len() as u64)));
                Ok(Made::MarkBegin { text, after: element, kind, on })
            }
            OpType::MarkEnd(expand) if op.insert => {
                no_predecessors(op)?;
                let (of, begin) = self.open.take().ok_or(SchemaError::Mark)?;
                let element = element.ok_or(SchemaError::Mark)?;
                // The end stands right behind its element, as nothing newer is there: so the begin before that element
                // is before the end.
                let in_order = stands_before(self.history, begin, element, |element| self.step(element));
                if *expand || of != text || in_order != Some(true) {
                    return Err(SchemaError::Mark);
                }
                Ok(Made::MarkEnd { text, after: Some(element) })
            }
            OpType::Make(_)
            | OpType::Delete
            | OpType::Increment(_)
            | OpType::Put(_)
            | OpType::MarkBegin(_)
            | OpType::MarkEnd(_) => Err(SchemaError::Action),
        }
    }

    /// The n-th operation of this change, from 0.
    fn own(&self, index: u64) -> OpRef {
        OpRef { actor: self.actor_index, counter: self.start_op + index }
    }

    /// Where an element stands in its run; each of this change's is a run of its own.
    fn step(&self, element: OpRef) -> Option<Step> {
        if element.actor == self.actor_index && element.counter >= self.start_op {
            let (_, after) = self.made(element).ok()?.element()?;
            return Some(Step { first: element, after });
        }
        self.history.step(element)
    }

    fn in_entries(&mut self, map: OpRef, kind: EntryKind, op: &Op) -> Result<Made, SchemaError> {
        if map_key(op)? != self.entry_id.as_str() || !self.used.insert((map, "entry")) {
            return Err(SchemaError::Key);
        }
        no_predecessors(op)?;
        match op.action {
            OpType::Make(ObjType::Map) => Ok(Made::Entry(kind)),
            _ => Err(SchemaError::Action),
        }
    }

    fn in_entry(&mut self, entry: OpRef, kind: EntryKind, op: &Op) -> Result<Made, SchemaError> {
        let field = field(kind, map_key(op)?)?;
        if !self.used.insert((entry, field)) {
            return Err(SchemaError::Key);
        }
        let OpType::Put(value) = &op.action else {
            return Err(SchemaError::Action);
        };
        if field == TICK {
            for predecessor in self.predecessors(op)? {
                if self.made(predecessor)? != (Made::Tick { entry }) {
                    return Err(SchemaError::Predecessors);
                }
            }
            return match value {
                ScalarValue::Str(_) => Ok(Made::Tick { entry }),
                _ => Err(SchemaError::Value),
            };
        }
        no_predecessors(op)?;
        if entry.actor != self.actor_index || entry.counter < self.start_op {
            return Err(SchemaError::Place);
        }
        match (field, value) {
            (TIME, ScalarValue::Timestamp(0..)) => Ok(Made::Other),
            (TEXT | AUTHOR | ANCHOR, ScalarValue::Str(_)) => Ok(Made::Other),
            _ => Err(SchemaError::Value),
        }
    }

    fn predecessors(&self, op: &Op) -> Result<Vec<OpRef>, SchemaError> {
        let found: Vec<OpRef> = op.pred.iter().map(|id| self.reference(id)).collect::<Result<_, _>>()?;
        let distinct: BTreeSet<_> = found.iter().collect();
        if distinct.len() == found.len() { Ok(found) } else { Err(SchemaError::Predecessors) }
    }

    fn reference(&self, id: &OpId) -> Result<OpRef, SchemaError> {
        let actor = if id.actor().to_bytes() == self.actor.as_bytes() {
            Some(self.actor_index)
        } else {
            ActorBytes::new(id.actor().to_bytes()).and_then(|actor| self.history.actor_index(&actor))
        };
        let actor = actor.ok_or(SchemaError::UnknownReference)?;
        Ok(OpRef { actor, counter: id.counter() })
    }

    fn made(&self, operation: OpRef) -> Result<Made, SchemaError> {
        if operation.actor == self.actor_index
            && let Some(offset) = operation.counter.checked_sub(self.start_op)
        {
            let offset = usize::try_from(offset).map_err(|_| SchemaError::UnknownReference)?;
            return self.made.get(offset).copied().ok_or(SchemaError::UnknownReference);
        }
        self.history.made(self.seen, operation).ok_or(SchemaError::UnknownReference)
    }
}

fn in_notes(op: &Op) -> Result<Made, SchemaError> {
    if !(1..=NOTE_ID_BYTES_MAX).contains(&map_key(op)?.len()) {
        return Err(SchemaError::Key);
    }
    no_predecessors(op)?;
    match op.action {
        OpType::Make(ObjType::Text) => Ok(Made::Text),
        _ => Err(SchemaError::Action),
    }
}

fn field(kind: EntryKind, key: &str) -> Result<&'static str, SchemaError> {
    match (kind, key) {
        (_, TEXT) => Ok(TEXT),
        (_, AUTHOR) => Ok(AUTHOR),
        (_, TIME) => Ok(TIME),
        (_, TICK) => Ok(TICK),
        (EntryKind::Annotation, ANCHOR) => Ok(ANCHOR),
        _ => Err(SchemaError::Key),
    }
}

fn map_key(op: &Op) -> Result<&str, SchemaError> {
    match &op.key {
        Key::Map(key) if !op.insert => Ok(key),
        Key::Map(_) | Key::Seq(_) => Err(SchemaError::Key),
    }
}

fn no_predecessors(op: &Op) -> Result<(), SchemaError> {
    if op.pred.is_empty() { Ok(()) } else { Err(SchemaError::Predecessors) }
}
