//! What is held here of the lanes that horizons name: looked up and read once for all of an answer, and within bounds.
//!
//! What another device says it had heard can make much work: a horizon of many lanes, told anew in each entry, is checked
//! against as many trees. So an answer has a budget; horizons that come after it is spent tell nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use super::core::Replica;
use crate::base::{DeviceId, LaneId, Part};
use crate::lane::{Frontier, LaneMark, LaneState};
use crate::store::{Store, StoreError};

/// Most work on horizons for one answer. To look at a lane that is named costs 1, at an entry [`ENTRY_WORK`], at a tree
/// [`TREE_WORK`]; a replica of 300 lanes needs some 4,000 for what one author had heard.
pub(super) const WORK_MAX: u64 = 1 << 21;
/// What it costs to read an entry.
pub(super) const ENTRY_WORK: u64 = 4;
/// What it costs to read a tree as it was; of a forked lane one more for each entry that its state keeps.
const TREE_WORK: u64 = 16;

/// A lane, as far as it is needed to read a horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeldLane {
    pub(super) id: LaneId,
    pub(super) size: u64,
    pub(super) device: DeviceId,
    pub(super) part: Part,
    /// Entries that are kept in its branches.
    branched: u64,
}

/// The lanes that are held when an answer is begun.
pub(super) struct HeldLanes {
    marks: HashMap<LaneMark, HeldLane>,
    trees: HashMap<(LaneId, u64), Option<Rc<Frontier>>>,
    budget: u64,
}

impl HeldLane {
    fn of(id: LaneId, state: &LaneState) -> Self {
        let branches = state.fork.iter().flat_map(|fork| &fork.branches);
        let branched = branches.map(|branch| branch.entries.len() as u64).sum();
        Self { id, size: state.size(), device: state.name.device, part: state.name.part, branched }
    }
}

impl HeldLanes {
    /// Begins with some lanes and a budget.
    fn new(lanes: impl Iterator<Item = HeldLane>, budget: u64) -> Self {
        let marks = lanes.map(|lane| (LaneMark::of(&lane.id), lane)).collect();
        Self { marks, trees: HashMap::new(), budget }
    }

    /// Returns the lane of a mark; none when nothing of it is held.
    pub(super) fn lane(&self, mark: &LaneMark) -> Option<HeldLane> {
        self.marks.get(mark).copied()
    }

    /// Returns the lanes that a device writes.
    pub(super) fn of_device(&self, device: &DeviceId) -> Vec<HeldLane> {
        self.marks.values().copied().filter(|lane| lane.device == *device).collect()
    }

    /// Takes some work off the budget; says whether there was enough left.
    pub(super) fn spend(&mut self, work: u64) -> bool {
        let left = self.budget.checked_sub(work);
        self.budget = left.unwrap_or(0);
        left.is_some()
    }

    /// Says whether the budget is spent.
    pub(super) fn is_spent(&self) -> bool {
        self.budget == 0
    }

    /// Reads a lane's tree when it held so many entries; none when that cannot be read here, or there is no budget left.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn tree(
        &mut self,
        store: &dyn Store,
        lane: &HeldLane,
        size: u64,
    ) -> Result<Option<Rc<Frontier>>, StoreError> {
        let has_budget = self.trees.contains_key(&(lane.id, size)) || self.spend(TREE_WORK + lane.branched);
        match self.trees.entry((lane.id, size)) {
            Entry::Occupied(read) => Ok(read.get().clone()),
            Entry::Vacant(_) if !has_budget => Ok(None),
            Entry::Vacant(unread) => {
                let tree = unless_lost(store.frontier_at(&lane.id, size))?;
                Ok(unread.insert(tree.map(Rc::new)).clone())
            }
        }
    }
}

/// Makes nothing of what is damaged, or has been cut off by a fork since the lanes were looked up; a store that fails
/// otherwise fails.
///
/// # Errors
/// When the store fails.
pub(super) fn unless_lost<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::DamagedRun { .. } | StoreError::Damaged { .. } | StoreError::NotHeld { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Replica {
    /// Looks up the lanes that are held, with the budget of one answer.
    pub(super) fn held_lanes(&self) -> HeldLanes {
        let inner = self.lock();
        HeldLanes::new(inner.lanes.iter().map(|(id, state)| HeldLane::of(*id, state)), WORK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    fn lane(number: u8) -> HeldLane {
        let (id, device) = (LaneId([number; 32]), DeviceId([number; 32]));
        HeldLane { id, size: 9, device, part: Part::Card, branched: 0 }
    }

    #[test]
    fn a_tree_is_read_once_and_none_when_the_budget_is_spent() {
        let store = MemoryStore::new();
        let mut held = HeldLanes::new([lane(1), lane(2)].into_iter(), 2 * TREE_WORK + 1);
        for _ in 0..9 {
            // Of a lane that is not held the empty tree alone is known.
            assert!(held.tree(&store, &lane(1), 0).unwrap().is_some());
            assert!(held.tree(&store, &lane(2), 5).unwrap().is_none(), "not held any more");
        }
        assert_eq!(held.budget, 1);
        assert!(held.tree(&store, &lane(2), 0).unwrap().is_none() && held.is_spent());
        assert!(held.tree(&store, &lane(1), 0).unwrap().is_some(), "what was read stays");
        let forked = HeldLane { branched: 5_000, ..lane(1) };
        let mut held = HeldLanes::new([forked].into_iter(), 5_000);
        assert!(held.tree(&store, &forked, 0).unwrap().is_none(), "a forked lane's state is large");
    }

    #[test]
    fn a_store_that_fails_is_no_damage() {
        let lost = StoreError::DamagedRun { lane: LaneId([1; 32]), start: 3 };
        assert!(unless_lost::<()>(Err(lost)).unwrap().is_none());
        let failing = StoreError::Random { why: "none".into() };
        assert!(unless_lost::<()>(Err(failing)).is_err());
    }
}
