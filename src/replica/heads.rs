//! The heads of this replica's lanes, by area and part: what sessions start from, and what tells whether two replicas
//! hold the same.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::GroupHeads;
use super::core::{Inner, Replica};
use crate::base::{Digest, LaneId, Part, hash_tagged};
use crate::lane::LaneState;
use crate::sync::{Group, Holdings};

impl Replica {
    /// Returns the digest of each area and part, in the order of parts.
    pub fn groups(&self) -> Vec<GroupHeads> {
        let inner = self.lock();
        told(&inner.holdings, inner.lanes.values())
    }

    /// Returns the one digest of [`shared`] over what this replica subscribes to.
    pub fn heads_digest(&self) -> Digest {
        shared(&self.groups(), &self.subscription())
    }

    /// Returns the heads of all lanes; a copy shares them with the replica.
    pub fn holdings(&self) -> Holdings {
        self.lock().holdings.clone()
    }

    /// Returns the heads that a session starts from: of a damaged lane as if it ended before the damage, and without
    /// the lane that a planted fault forgets.
    pub(super) fn told_holdings(&self, inner: &Inner, forgotten: Option<LaneId>) -> Holdings {
        let mut holdings = inner.holdings.clone();
        for state in inner.damaged.iter().filter_map(|run| inner.lanes.get(&run.lane)) {
            holdings.set(&state.name, self.told_head(state, &inner.damaged));
        }
        if let Some(state) = forgotten.and_then(|lane| inner.lanes.get(&lane)) {
            holdings.remove(&state.name);
        }
        holdings
    }
}

/// Computes the digest of each area and part of some lanes, in the order of parts.
pub fn groups(lanes: &BTreeMap<LaneId, LaneState>) -> Vec<GroupHeads> {
    told(&holdings_of(lanes), lanes.values())
}

fn told<'a>(holdings: &Holdings, lanes: impl Iterator<Item = &'a LaneState>) -> Vec<GroupHeads> {
    let mut entries: BTreeMap<Group, u64> = BTreeMap::new();
    for state in lanes {
        *entries.entry(Group::of(&state.name)).or_default() += state.size();
    }
    let held = holdings.groups().filter(|(_, heads)| !heads.is_empty());
    held.map(|(group, heads)| GroupHeads {
        area: group.area.clone(),
        part: group.part,
        lanes: heads.len() as u64,
        entries: entries.get(group).copied().unwrap_or_default(),
        digest: heads.digest(),
    })
    .collect()
}

/// Gathers the heads of lanes.
pub(super) fn holdings_of(lanes: &BTreeMap<LaneId, LaneState>) -> Holdings {
    Holdings::of(lanes.values().map(|state| (state.name.clone(), state.head())))
}

/// Computes the one digest over control, card, notes and data in the shared areas of a subscription: equal on
/// converged replicas of equal subscription.
pub fn shared(groups: &[GroupHeads], subscription: &BTreeSet<Group>) -> Digest {
    let mut parts: Vec<&[u8]> = Vec::new();
    let codes = Part::ALL.map(|part| [part.code()]);
    let is_shared = |group: &&GroupHeads| {
        let of = Group { part: group.part, area: group.area.clone() };
        group.part != Part::Audit && !group.area.is_private() && subscription.contains(&of)
    };
    for group in groups.iter().filter(is_shared) {
        parts.push(group.area.as_str().as_bytes());
        parts.push(&codes[usize::from(group.part.code())]);
        parts.push(&group.digest.0);
    }
    hash_tagged("musubi.heads.v1", &parts)
}
