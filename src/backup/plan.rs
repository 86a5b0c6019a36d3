//! What a backup must write: a pure function of the lanes held and the lanes already in the bucket.

use std::collections::BTreeMap;

use crate::base::{Area, LaneId, Part};

/// How far each lane is in the bucket: the sequence number after its last entry there.
pub type Covered = BTreeMap<LaneId, u64>;

/// A lane as this replica holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLane {
    /// The lane.
    pub lane: LaneId,
    /// Its area.
    pub area: Area,
    /// Its part.
    pub part: Part,
    /// How many entries are held.
    pub size: u64,
}

/// Consecutive entries of one lane that the bucket lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The lane.
    pub lane: LaneId,
    /// The first missing entry.
    pub from: u64,
    /// The sequence number after the last one.
    pub to: u64,
}

/// Everything of one area and part that must be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The ranges, in the order of lanes.
    pub ranges: Vec<Range>,
}

/// Plans a backup: groups in the order of priority, so that a bucket that dies half-way holds the vital part.
pub fn plan(held: &[HeldLane], covered: &Covered) -> Vec<GroupPlan> {
    let mut groups: BTreeMap<(Part, Area), Vec<Range>> = BTreeMap::new();
    for lane in held {
        let from = covered.get(&lane.lane).copied().unwrap_or(0);
        if from < lane.size {
            let range = Range { lane: lane.lane, from, to: lane.size };
            groups.entry((lane.part, lane.area.clone())).or_default().push(range);
        }
    }
    groups
        .into_iter()
        .map(|((part, area), mut ranges)| {
            ranges.sort();
            GroupPlan { area, part, ranges }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(number: u8, part: Part, size: u64) -> HeldLane {
        HeldLane { lane: LaneId([number; 32]), area: Area::common(), part, size }
    }

    #[test]
    fn only_what_the_bucket_lacks_is_planned_vital_parts_first() {
        let lanes = [held(1, Part::Data, 10), held(2, Part::Card, 5), held(3, Part::Card, 7)];
        let covered = Covered::from([(LaneId([2; 32]), 5), (LaneId([3; 32]), 2)]);
        let groups = plan(&lanes, &covered);
        assert_eq!(groups.iter().map(|g| g.part).collect::<Vec<_>>(), [Part::Card, Part::Data]);
        assert_eq!(groups[0].ranges, [Range { lane: LaneId([3; 32]), from: 2, to: 7 }]);
        let all = lanes.iter().map(|lane| (lane.lane, lane.size)).collect();
        assert!(plan(&lanes, &all).is_empty());
    }
}
