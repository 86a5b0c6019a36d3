//! The heads that a replica holds, by group: what its sessions start from, shared with it and copied on write.

use std::collections::{BTreeMap, BTreeSet};

use super::digests::Group;
use crate::base::{Digest, LaneId};
use crate::lane::{Head, HeadVector, LaneName};

/// The heads of all lanes of a replica.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    groups: BTreeMap<Group, HeadVector>,
}

/// What is told of a group: the digest of its heads, and how many lanes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The digest.
    pub digest: Digest,
    /// The lanes.
    pub lanes: u64,
}

impl Holdings {
    /// Gathers the heads of lanes.
    pub fn of(lanes: impl IntoIterator<Item = (LaneName, Head)>) -> Self {
        let mut holdings = Holdings::default();
        lanes.into_iter().for_each(|(name, head)| holdings.set(&name, head));
        holdings
    }

    /// Sets the head of a lane.
    pub fn set(&mut self, name: &LaneName, head: Head) {
        self.set_in(&Group::of(name), name.id(), head);
    }

    /// Sets the head of a lane of a group.
    pub fn set_in(&mut self, group: &Group, lane: LaneId, head: Head) {
        match self.groups.get_mut(group) {
            Some(vector) => vector.set(lane, head),
            None => {
                self.groups.insert(group.clone(), HeadVector::from_iter([(lane, head)]));
            }
        }
    }

    /// Takes a lane out.
    pub fn remove(&mut self, name: &LaneName) {
        if let Some(vector) = self.groups.get_mut(&Group::of(name)) {
            vector.remove(&name.id());
        }
    }

    /// Returns each group with its heads, in order.
    pub fn groups(&self) -> impl Iterator<Item = (&Group, &HeadVector)> {
        self.groups.iter()
    }

    /// Returns the heads of a group.
    pub fn group(&self, group: &Group) -> HeadVector {
        self.groups.get(group).cloned().unwrap_or_default()
    }

    /// Finds a lane, and the group in which it is.
    pub fn find(&self, lane: &LaneId) -> Option<(&Group, &Head)> {
        self.groups.iter().find_map(|(group, vector)| Some((group, vector.get(lane)?)))
    }

    /// Returns what is told of each of `groups`.
    pub fn told(&self, groups: &BTreeSet<Group>) -> BTreeMap<Group, Told> {
        let told = groups.iter().map(|group| {
            let vector = self.groups.get(group);
            let digest = vector.map_or_else(|| HeadVector::default().digest(), HeadVector::digest);
            (group.clone(), Told { digest, lanes: vector.map_or(0, HeadVector::len) as u64 })
        });
        told.collect()
    }

    /// Returns the lanes whose heads are not the same in `earlier`.
    pub fn changed_since(&self, earlier: &Holdings) -> Vec<(LaneId, Head)> {
        let changed = self.groups.iter().map(|(group, now)| now.changed_since(&earlier.group(group)));
        changed.flatten().collect()
    }
}
