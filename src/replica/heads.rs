//! Digests over lane heads: what tells whether two replicas hold the same.

use std::collections::BTreeMap;

use super::answer::GroupHeads;
use crate::base::{Area, Digest, LaneId, Part, hash_tagged};
use crate::lane::{LaneState, group_digest};

/// Computes the digest of each area and part, in the order of parts.
pub fn groups(lanes: &BTreeMap<LaneId, LaneState>) -> Vec<GroupHeads> {
    let mut groups: BTreeMap<(Part, &Area), Vec<&LaneState>> = BTreeMap::new();
    for state in lanes.values() {
        groups.entry((state.name.part, &state.name.area)).or_default().push(state);
    }
    groups
        .into_iter()
        .map(|((part, area), lanes)| GroupHeads {
            area: area.clone(),
            part,
            lanes: lanes.len() as u64,
            entries: lanes.iter().map(|state| state.size()).sum(),
            digest: group_digest(lanes.iter().map(|state| (state.id(), state.head()))),
        })
        .collect()
}

/// Computes the one digest over control, card, notes and data in the shared areas: equal on converged replicas
/// of equal subscription.
pub fn shared(groups: &[GroupHeads]) -> Digest {
    let mut parts: Vec<&[u8]> = Vec::new();
    let codes = Part::ALL.map(|part| [part.code()]);
    for group in groups.iter().filter(|group| group.part != Part::Audit && !group.area.is_private()) {
        parts.push(group.area.as_str().as_bytes());
        parts.push(&codes[usize::from(group.part.code())]);
        parts.push(&group.digest.0);
    }
    hash_tagged("musubi.heads.v1", &parts)
}
