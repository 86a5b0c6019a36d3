//! What goes into a bundle.

use std::collections::BTreeMap;
use std::convert::Infallible;

use crate::base::{Area, Digest, LaneId, Part};
use crate::bundle::heads::{HeadMark, LaneHead, LaneMark};
use crate::bundle::plan::{GroupPlan, Held, plan};

/// A head mark that stands for a history and how far it goes.
fn mark(history: u8, size: u64) -> HeadMark {
    HeadMark::straight(&LaneId([history; 32]), size, Digest([history; 32]))
}

fn held(number: u8, part: Part, size: u64) -> Held {
    let lane = LaneId([number; 32]);
    Held { lane, area: Area::common(), part, size, head: mark(number, size), is_forked: false }
}

fn planned(held: &[Held], theirs: &[(u8, u64, HeadMark)]) -> Vec<GroupPlan> {
    let theirs: BTreeMap<LaneMark, LaneHead> = theirs
        .iter()
        .map(|(number, size, head)| {
            let lane = LaneMark::of(&LaneId([*number; 32]));
            (lane, LaneHead { lane, size: *size, head: *head })
        })
        .collect();
    let result = plan(held, &theirs, |lane, size| Ok::<_, Infallible>(mark(lane.lane.0[0], size)));
    result.unwrap_or_else(|never| match never {})
}

fn stretches(groups: &[GroupPlan]) -> Vec<(u8, u64, u64)> {
    groups.iter().flat_map(|group| &group.stretches).map(|one| (one.lane.0[0], one.from, one.to)).collect()
}

#[test]
fn only_what_the_target_lacks_is_sent_vital_parts_first() {
    let lanes =
        [held(1, Part::Data, 10), held(2, Part::Card, 5), held(3, Part::Card, 7), held(4, Part::Control, 1)];
    let groups = planned(&lanes, &[(2, 5, mark(2, 5)), (3, 2, mark(3, 2))]);
    assert_eq!(stretches(&groups), [(4, 0, 1), (3, 2, 7), (1, 0, 10)]);
    assert_eq!(groups[1].contents().entries, 5);
}

#[test]
fn a_target_that_holds_more_is_sent_nothing_and_one_that_holds_other_entries_the_whole_lane() {
    let lanes = [held(1, Part::Card, 4), held(2, Part::Card, 4), held(3, Part::Card, 4)];
    let groups = planned(&lanes, &[(1, 9, mark(1, 9)), (2, 2, mark(8, 2)), (3, 4, mark(9, 4))]);
    assert_eq!(stretches(&groups), [(2, 0, 4), (3, 0, 4)]);
}

#[test]
fn a_forked_lane_goes_with_its_evidence_unless_the_target_has_it() {
    let forked = Held { is_forked: true, ..held(1, Part::Card, 4) };
    let groups = planned(std::slice::from_ref(&forked), &[(1, 9, mark(1, 9))]);
    assert_eq!((stretches(&groups), groups[0].forks.len()), (vec![(1, 0, 4)], 1));
    assert!(planned(&[forked], &[(1, 4, mark(1, 4))]).is_empty());
}
