//! What a bundle must hold: a pure function of what is held and of what the target is known to hold.

use std::collections::BTreeMap;

use super::header::Contents;
use super::heads::{HeadMark, LaneHead, LaneMark};
use crate::base::{Area, LaneId, Part};

/// A lane as the sender holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The lane.
    pub lane: LaneId,
    /// Its area.
    pub area: Area,
    /// Its part.
    pub part: Part,
    /// How many entries its trunk has, or how many of them go into this bundle.
    pub size: u64,
    /// What its head is.
    pub head: HeadMark,
    /// Whether it is forked.
    pub is_forked: bool,
}

/// Consecutive entries of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The lane.
    pub lane: LaneId,
    /// The first entry.
    pub from: u64,
    /// The sequence number after the last one.
    pub to: u64,
}

/// Everything of one area and part that goes into a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The entries, in the order of lanes.
    pub stretches: Vec<Stretch>,
    /// The forked lanes whose evidence goes with them.
    pub forks: Vec<LaneId>,
}

impl GroupPlan {
    /// Tells the plan as the header does.
    pub fn contents(&self) -> Contents {
        let entries = self.stretches.iter().map(|stretch| stretch.to - stretch.from).sum();
        let lanes = self.stretches.len() as u64;
        Contents { area: self.area.clone(), part: self.part, lanes, entries }
    }
}

/// Plans a bundle: groups in the order of priority, so that a stick that is pulled half-way has the vital part.
///
/// `theirs` is what the target holds, nothing when it is not known; `mark_at` gives the mark of a lane's head when it had
/// so many entries. Where the target's head is another one than ours was at that height, one of us holds a fork, which
/// the lane alone can tell: it is sent from its beginning.
///
/// # Errors
/// What `mark_at` fails with.
pub fn plan<E>(
    held: &[Held],
    theirs: &BTreeMap<LaneMark, LaneHead>,
    mut mark_at: impl FnMut(&Held, u64) -> Result<HeadMark, E>,
) -> Result<Vec<GroupPlan>, E> {
    let mut groups: BTreeMap<(Part, &Area), GroupPlan> = BTreeMap::new();
    for lane in held {
        let from = match theirs.get(&LaneMark::of(&lane.lane)) {
            None => 0,
            Some(there) if there.head == lane.head => continue,
            Some(there) if there.size > lane.size && !lane.is_forked => continue,
            Some(there) if there.size <= lane.size && mark_at(lane, there.size)? == there.head => there.size,
            Some(_) => 0,
        };
        if from == lane.size && !lane.is_forked {
            continue;
        }
        let group = groups.entry((lane.part, &lane.area)).or_insert_with(|| GroupPlan {
            area: lane.area.clone(),
            part: lane.part,
            stretches: Vec::new(),
            forks: Vec::new(),
        });
        if from < lane.size {
            group.stretches.push(Stretch { lane: lane.lane, from, to: lane.size });
        }
        group.forks.extend(lane.is_forked.then_some(lane.lane));
    }
    let mut groups: Vec<GroupPlan> = groups.into_values().collect();
    for group in &mut groups {
        group.stretches.sort_by_key(|stretch| stretch.lane);
        group.forks.sort();
    }
    Ok(groups)
}
