//! What a chart has admitted, in the shape that judging the next change needs.
//!
//! For every admitted change: who wrote it, its place among that actor's changes, its last operation
//! and what it had seen. For every operation: what it made, so that a reference to it can be judged.
//! Characters typed one behind another are one run. The history is a cache of the document's changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::ChartChange;
use super::genesis::genesis_bytes;
use super::mark::MarkKind;
use super::order::Step;

/// The place of an actor in this history; not stable between replicas.
pub(super) type ActorIndex = u32;

/// Identifies an operation: its number and its actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OpRef {
    pub(super) actor: ActorIndex,
    pub(super) counter: u64,
}

/// Says which of the two maps of entries an entry stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A remark anchored to a statement.
    Annotation,
    /// A line of the care plan.
    CareItem,
}

/// Says what one operation made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// A text: the hand-over or a note.
    Text,
    /// The map of notes.
    Notes,
    /// A map of entries.
    Entries(EntryKind),
    /// One entry.
    Entry(EntryKind),
    /// A character of the text.
    Character {
        /// The text.
        text: OpRef,
        /// What it was inserted behind; `None` at the start.
        after: Option<OpRef>,
        /// Which one it is.
        character: char,
    },
    /// The deletion of a character.
    Deletion {
        /// The text.
        text: OpRef,
        /// The character.
        of: OpRef,
    },
    /// The begin of a mark on the text.
    MarkBegin {
        /// The text.
        text: OpRef,
        /// What it was inserted behind; `None` at the start.
        after: Option<OpRef>,
        /// Which mark.
        kind: MarkKind,
        /// It sets the mark; else it takes it away.
        on: bool,
    },
    /// The end of the mark that the operation before it begins.
    MarkEnd {
        /// The text.
        text: OpRef,
        /// What it was inserted behind.
        after: Option<OpRef>,
    },
    /// A tick, or its removal, of the entry.
    Tick {
        /// The entry.
        entry: OpRef,
    },
    /// Something that no other operation may refer to: a field.
    Other,
}

impl Made {
    /// Returns the text that this is an element of and what it was inserted behind; `None` of what is no element.
    pub(super) fn element(&self) -> Option<(OpRef, Option<OpRef>)> {
        match self {
            Self::Character { text, after, .. }
            | Self::MarkBegin { text, after, .. }
            | Self::MarkEnd { text, after } => Some((*text, *after)),
            Self::Text
            | Self::Notes
            | Self::Entries(_)
            | Self::Entry(_)
            | Self::Tick { .. }
            | Self::Deletion { .. }
            | Self::Other => None,
        }
    }

    /// Says whether this, made right after `last`, belongs to the run.
    fn continues(&self, run: &Run, last: OpRef) -> bool {
        match (&run.made, self) {
            (Self::Character { text: of, .. }, Self::Character { text, after, .. }) => {
                of == text && *after == Some(last)
            }
            (Self::Deletion { text: in_text, of: first }, Self::Deletion { text, of }) => {
                in_text == text && of.actor == first.actor && of.counter == first.counter + run.length
            }
            (Self::MarkBegin { .. } | Self::MarkEnd { .. }, _) => false,
            (first, made) => first == made,
        }
    }
}

/// A mark that was set on a text, or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlacedMark {
    /// Its begin; its end is the operation after it.
    pub(super) begin: OpRef,
    /// The text.
    pub(super) text: OpRef,
    /// Which mark.
    pub(super) kind: MarkKind,
    /// It sets the mark; else it takes it away.
    pub(super) on: bool,
    /// The change that wrote it, which writes no other mark.
    pub(super) change: ChangeHash,
}

impl PlacedMark {
    /// Returns the operation that ends it.
    pub(super) fn end(&self) -> OpRef {
        OpRef { counter: self.begin.counter + 1, ..self.begin }
    }
}

/// What a change had seen: for each actor, how many of its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// Returns how many changes of `actor` were seen.
    pub(super) fn seq(&self, actor: ActorIndex) -> u64 {
        self.0.get(actor as usize).copied().unwrap_or(0)
    }

    /// Joins what another change had seen.
    pub(super) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// Says how many changes of `actor` were seen.
    pub(super) fn set(&mut self, actor: ActorIndex, seq: u64) {
        let index = actor as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = seq;
    }
}

#[derive(Debug, Clone)]
struct Admitted {
    actor: ActorIndex,
    max_op: u64,
    /// What the change had seen, itself included.
    seen: Seen,
}

#[derive(Debug, Clone)]
struct Run {
    length: u64,
    /// What the first operation made.
    made: Made,
    /// The characters, if that is what it made.
    characters: Vec<char>,
}

/// Everything that one chart has admitted.
#[derive(Debug, Clone)]
pub(super) struct History {
    changes: HashMap<ChangeHash, Admitted>,
    heads: BTreeSet<ChangeHash>,
    actors: BTreeMap<ActorBytes, ActorIndex>,
    /// The actors by their index.
    names: Vec<ActorBytes>,
    /// All marks, in the order of admission.
    marks: Vec<PlacedMark>,
    /// For each actor, how many marks its changes hold up to each of them.
    marks_upto: Vec<Vec<u64>>,
    /// For each actor, the last operation of each of its changes, in order.
    max_ops: Vec<Vec<u64>>,
    /// For each actor, its changes, in order.
    written: Vec<Vec<ChangeHash>>,
    /// Runs of equal operations by their first.
    runs: BTreeMap<OpRef, Run>,
}

impl History {
    /// Returns the history of a chart that holds only the genesis change.
    pub(super) fn new() -> Self {
        let mut history = Self {
            changes: HashMap::new(),
            heads: BTreeSet::new(),
            actors: BTreeMap::new(),
            names: Vec::new(),
            marks: Vec::new(),
            marks_upto: Vec::new(),
            max_ops: Vec::new(),
            written: Vec::new(),
            runs: BTreeMap::new(),
        };
        let change = ChartChange::parse(&genesis_bytes()).expect("genesis is a change of this schema");
        // In the order of the genesis operations, from number 1.
        let made = vec![
            Made::Other,
            Made::Text,
            Made::Notes,
            Made::Entries(EntryKind::Annotation),
            Made::Entries(EntryKind::CareItem),
        ];
        history.admit(&change, made);
        history
    }

    /// Says whether the change was admitted.
    pub(super) fn has(&self, hash: &ChangeHash) -> bool {
        self.changes.contains_key(hash)
    }

    /// Returns the number of admitted changes, genesis included.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns the admitted changes that no other admitted change has seen, in ascending order.
    pub(super) fn heads(&self) -> impl Iterator<Item = ChangeHash> + '_ {
        self.heads.iter().copied()
    }

    /// Returns the sequence of the last admitted change of `actor`, 0 for none.
    pub(super) fn seq(&self, actor: &ActorBytes) -> u64 {
        self.actors.get(actor).map_or(0, |index| self.max_ops[*index as usize].len() as u64)
    }

    /// Returns the index of a known actor.
    pub(super) fn actor_index(&self, actor: &ActorBytes) -> Option<ActorIndex> {
        self.actors.get(actor).copied()
    }

    /// Returns the index that `actor` has, or will have once a change of it is admitted.
    pub(super) fn actor_index_or_next(&self, actor: &ActorBytes) -> ActorIndex {
        self.actor_index(actor).unwrap_or(self.max_ops.len() as ActorIndex)
    }

    /// Joins what the changes had seen and finds their highest operation; `Err` names the first unknown one.
    pub(super) fn seen_by(&self, deps: &[ChangeHash]) -> Result<(Seen, u64), ChangeHash> {
        let mut seen = Seen::default();
        let mut max_op = 0;
        for dep in deps {
            let admitted = self.changes.get(dep).ok_or(*dep)?;
            seen.join(&admitted.seen);
            max_op = max_op.max(admitted.max_op);
        }
        Ok((seen, max_op))
    }

    /// Says whether `earlier` is `later` itself or among what its writer had seen; an unknown change has seen nothing.
    pub(super) fn is_seen_by(&self, earlier: &ChangeHash, later: &ChangeHash) -> bool {
        let (Some(earlier), Some(later)) = (self.changes.get(earlier), self.changes.get(later)) else {
            return false;
        };
        later.seen.seq(earlier.actor) >= earlier.seen.seq(earlier.actor)
    }

    /// Returns what the operation made, if a change among those `seen` holds it.
    pub(super) fn made(&self, seen: &Seen, operation: OpRef) -> Option<Made> {
        let seq = usize::try_from(seen.seq(operation.actor)).ok()?;
        let last = *self.max_ops.get(operation.actor as usize)?.get(seq.checked_sub(1)?)?;
        if operation.counter > last {
            return None;
        }
        let (first, run) = self.run(operation)?;
        Some(match run.made {
            Made::Character { text, .. } if first != operation => {
                let after = Some(OpRef { counter: operation.counter - 1, ..operation });
                Made::Character { text, after, character: *self.characters(operation).first()? }
            }
            made => made,
        })
    }

    /// Says whether an admitted operation inserted a character.
    pub(super) fn is_character(&self, operation: OpRef) -> bool {
        self.run(operation).is_some_and(|(_, run)| matches!(run.made, Made::Character { .. }))
    }

    /// Returns the characters that an admitted operation and those after it in its run inserted.
    pub(super) fn characters(&self, first: OpRef) -> &[char] {
        let run = self.run(first);
        let offset = |(begin, _): &(OpRef, &Run)| usize::try_from(first.counter - begin.counter).ok();
        run.and_then(|run| run.1.characters.get(offset(&run)?..)).unwrap_or_default()
    }

    /// Returns the deletions of a text's characters: the first that was deleted, how many behind it, and the first of the
    /// operations that deleted them.
    pub(super) fn deletions(&self, text: OpRef) -> impl Iterator<Item = (OpRef, u64, OpRef)> + '_ {
        self.runs.iter().filter_map(move |(by, run)| match run.made {
            Made::Deletion { text: in_text, of } if in_text == text => Some((of, run.length, *by)),
            _ => None,
        })
    }

    /// Returns who wrote an admitted change, and its sequence.
    pub(super) fn place_of(&self, change: &ChangeHash) -> Option<(ActorIndex, u64)> {
        self.changes.get(change).map(|admitted| (admitted.actor, admitted.seen.seq(admitted.actor)))
    }

    /// Returns an actor's change by its sequence.
    pub(super) fn change_at(&self, actor: ActorIndex, seq: u64) -> Option<ChangeHash> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        self.written.get(actor as usize)?.get(index).copied()
    }

    /// Returns where an element stands in its run.
    pub(super) fn step(&self, element: OpRef) -> Option<Step> {
        let (first, run) = self.run(element)?;
        Some(Step { first, after: run.made.element()?.1 })
    }

    /// Returns the runs of a text's elements: the first of each, the number of its last, and what the first is behind.
    pub(super) fn elements(&self, text: OpRef) -> impl Iterator<Item = (OpRef, u64, Option<OpRef>)> + '_ {
        let of_text = move |(first, run): (&OpRef, &Run)| {
            let (of, after) = run.made.element()?;
            (of == text).then_some((*first, first.counter + run.length - 1, after))
        };
        self.runs.iter().filter_map(of_text)
    }

    /// Returns an operation's age as Automerge orders operations: by number, then by actor.
    pub(super) fn age(&self, operation: OpRef) -> (u64, Option<&ActorBytes>) {
        (operation.counter, self.names.get(operation.actor as usize))
    }

    /// Returns all admitted marks.
    pub(super) fn marks(&self) -> &[PlacedMark] {
        &self.marks
    }

    /// Returns how many marks are among what was seen.
    pub(super) fn marks_seen(&self, seen: &Seen) -> u64 {
        let upto = |(marks, seq): (&Vec<u64>, &u64)| {
            let last = usize::try_from(*seq).ok()?.checked_sub(1)?;
            marks.get(last).copied()
        };
        self.marks_upto.iter().zip(&seen.0).filter_map(upto).sum()
    }

    /// Returns the last operation of the change that holds an operation.
    pub(super) fn last_of_change(&self, operation: OpRef) -> Option<OpRef> {
        let index = usize::try_from(self.seq_of(operation)? - 1).ok()?;
        let counter = *self.max_ops.get(operation.actor as usize)?.get(index)?;
        Some(OpRef { counter, ..operation })
    }

    /// Returns what an admitted change had seen, itself included.
    pub(super) fn seen_of(&self, change: &ChangeHash) -> Option<&Seen> {
        self.changes.get(change).map(|admitted| &admitted.seen)
    }

    /// Returns the sequence of the change that holds an operation.
    pub(super) fn seq_of(&self, operation: OpRef) -> Option<u64> {
        let max_ops = self.max_ops.get(operation.actor as usize)?;
        let before = max_ops.partition_point(|last| *last < operation.counter);
        (before < max_ops.len()).then_some(before as u64 + 1)
    }

    fn run(&self, operation: OpRef) -> Option<(OpRef, &Run)> {
        let (first, run) = self.runs.range(..=operation).next_back()?;
        let inside = first.actor == operation.actor && operation.counter - first.counter < run.length;
        inside.then_some((*first, run))
    }

    /// Adds a change and what each of its operations made.
    ///
    /// The guard has passed the change: its dependencies are admitted, its sequence is the actor's next.
    pub(super) fn admit(&mut self, change: &ChartChange, made: Vec<Made>) {
        let actor = self.actor_index_or_next(change.actor());
        if actor as usize == self.max_ops.len() {
            self.actors.insert(change.actor().clone(), actor);
            self.names.push(change.actor().clone());
            self.max_ops.push(Vec::new());
            self.written.push(Vec::new());
            self.marks_upto.push(Vec::new());
        }
        self.max_ops[actor as usize].push(change.max_op());
        self.written[actor as usize].push(change.hash());
        let mut seen = Seen::default();
        for dep in change.deps() {
            self.heads.remove(dep);
            if let Some(admitted) = self.changes.get(dep) {
                seen.join(&admitted.seen);
            }
        }
        seen.set(actor, change.seq());
        self.heads.insert(change.hash());
        self.changes.insert(change.hash(), Admitted { actor, max_op: change.max_op(), seen });
        let before = self.marks.len();
        for (counter, made) in (change.start_op()..).zip(&made) {
            if let Made::MarkBegin { text, kind, on, .. } = *made {
                let begin = OpRef { actor, counter };
                self.marks.push(PlacedMark { begin, text, kind, on, change: change.hash() });
            }
        }
        let upto = &mut self.marks_upto[actor as usize];
        upto.push(upto.last().copied().unwrap_or(0) + (self.marks.len() - before) as u64);
        self.add_runs(actor, change.start_op(), made);
    }

    fn add_runs(&mut self, actor: ActorIndex, start_op: u64, made: Vec<Made>) {
        let mut current: Option<(OpRef, Run)> = None;
        for (counter, made) in (start_op..).zip(made) {
            let last = OpRef { actor, counter: counter - 1 };
            match &mut current {
                Some((_, run)) if made.continues(run, last) => {
                    run.length += 1;
                    run.characters.extend(typed(&made));
                }
                _ => {
                    self.runs.extend(current.take());
                    let characters = typed(&made).into_iter().collect();
                    current = Some((OpRef { actor, counter }, Run { length: 1, made, characters }));
                }
            }
        }
        self.runs.extend(current);
    }
}

fn typed(made: &Made) -> Option<char> {
    if let Made::Character { character, .. } = made { Some(*character) } else { None }
}

#[cfg(test)]
impl History {
    /// Pretends that the last change of an actor holds so many marks.
    pub(super) fn pretend_marks(&mut self, actor: &ActorBytes, marks: u64) {
        if let Some(last) =
            self.actors.get(actor).and_then(|index| self.marks_upto[*index as usize].last_mut())
        {
            *last = marks;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::genesis::genesis_actor;

    #[test]
    fn a_new_history_knows_the_objects_of_the_genesis() {
        let history = History::new();
        let heads: Vec<_> = history.heads().collect();
        let (seen, max_op) = history.seen_by(&heads).unwrap();
        assert_eq!(max_op, 5);
        let actor = history.actor_index(&genesis_actor()).unwrap();
        let made = |counter| history.made(&seen, OpRef { actor, counter });
        assert_eq!(made(2), Some(Made::Text));
        assert_eq!(made(3), Some(Made::Notes));
        assert_eq!(made(6), None);
        assert_eq!(history.made(&Seen::default(), OpRef { actor, counter: 1 }), None);
    }

    #[test]
    fn an_unknown_dependency_is_named() {
        let unknown = ChangeHash([7; 32]);
        assert_eq!(History::new().seen_by(&[unknown]), Err(unknown));
    }
}
