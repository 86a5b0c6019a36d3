//! What a chart has admitted, in the shape that judging the next change needs.
//!
//! For every admitted change: who wrote it, its place among that actor's changes, its last operation
//! and what it had seen. For every operation: what it made, so that a reference to it can be judged.
//! Characters typed one after another are one run. The history is a cache of the document's changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::ChartChange;
use super::genesis::genesis_bytes;

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
    },
    /// A tick, or its removal, of the entry.
    Tick {
        /// The entry.
        entry: OpRef,
    },
    /// Something that no other operation may refer to: a deletion or a field.
    Other,
}

/// What a change had seen: for each actor, how many of its changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen(Vec<u64>);

impl Seen {
    /// Returns how many changes of `actor` were seen.
    pub(super) fn seq(&self, actor: ActorIndex) -> u64 {
        self.0.get(actor as usize).copied().unwrap_or(0)
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn set(&mut self, actor: ActorIndex, seq: u64) {
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
    made: Made,
}

/// Everything that one chart has admitted.
#[derive(Debug, Clone)]
pub(super) struct History {
    changes: HashMap<ChangeHash, Admitted>,
    heads: BTreeSet<ChangeHash>,
    actors: BTreeMap<ActorBytes, ActorIndex>,
    /// For each actor, the last operation of each of its changes, in order.
    max_ops: Vec<Vec<u64>>,
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
            max_ops: Vec::new(),
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
        let (first, run) = self.runs.range(..=operation).next_back()?;
        let inside = first.actor == operation.actor && operation.counter - first.counter < run.length;
        inside.then_some(run.made)
    }

    /// Adds a change and what each of its operations made.
    ///
    /// The guard has passed the change: its dependencies are admitted, its sequence is the actor's next.
    pub(super) fn admit(&mut self, change: &ChartChange, made: Vec<Made>) {
        let actor = self.actor_index_or_next(change.actor());
        if actor as usize == self.max_ops.len() {
            self.actors.insert(change.actor().clone(), actor);
            self.max_ops.push(Vec::new());
        }
        self.max_ops[actor as usize].push(change.max_op());
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
        self.add_runs(actor, change.start_op(), made);
    }

    fn add_runs(&mut self, actor: ActorIndex, start_op: u64, made: Vec<Made>) {
        let mut current: Option<(OpRef, Run)> = None;
        for (counter, made) in (start_op..).zip(made) {
            match &mut current {
                Some((_, run)) if run.made == made => run.length += 1,
                _ => {
                    self.runs.extend(current.take());
                    current = Some((OpRef { actor, counter }, Run { length: 1, made }));
                }
            }
        }
        self.runs.extend(current);
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
