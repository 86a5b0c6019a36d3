//! How long two named replicas had no way to each other, over however many links.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::drill::course::{Able, Course};
use crate::drill::report::measures::down;

/// Most named replicas of which every pair is looked at.
const NAMED_MAX: usize = 24;
/// Most steps of work: moments at which something changed, times links. Beyond it, nothing is said.
const STEPS_MAX: usize = 4_000_000;

/// Two replicas without a way to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Apart {
    /// The two.
    pub between: [usize; 2],
    /// From when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
}

/// Finds the pair of named replicas that was separated the longest in a row: from the moment at which both work and
/// have no way to each other, over however many lines, to the moment at which they have one again; times in which one
/// of them has no power count in between, not before and after. None when all could always reach each other, or never could (then nothing was cut), or in a region too large
/// to look at every moment.
pub(super) fn longest_apart(course: &Course) -> Option<Apart> {
    let named: Vec<usize> = (0..course.members.len())
        .filter(|member| course.members[*member].fleet.is_none())
        .take(NAMED_MAX)
        .collect();
    let outages: Vec<Vec<(Duration, Duration)>> =
        course.links.iter().map(|link| down(link, course.lasted)).collect();
    let mut moments: BTreeSet<Duration> =
        outages.iter().flatten().flat_map(|(from, until)| [*from, *until]).collect();
    if moments.is_empty() {
        return None;
    }
    moments.extend(course.able.iter().map(|change| change.at));
    moments.insert(Duration::ZERO);
    moments.retain(|at| *at < course.lasted);
    if moments.len().saturating_mul(course.links.len() + course.members.len()) > STEPS_MAX {
        return None;
    }
    let moments: Vec<Duration> = moments.into_iter().collect();
    let mut works = vec![false; course.members.len()];
    let mut changes = course.able.iter().peekable();
    let mut since: Vec<Option<Duration>> = vec![None; named.len() * named.len()];
    let mut best: Option<Apart> = None;
    for (number, at) in moments.iter().enumerate() {
        while let Some(change) = changes.next_if(|change| change.at <= *at) {
            let Able { read, write, .. } = change.able;
            if let Some(works) = works.get_mut(change.member) {
                *works = read || write;
            }
        }
        let until = moments.get(number + 1).copied().unwrap_or(course.lasted);
        let group = groups(course, &works, &outages, *at);
        for (one_place, one) in named.iter().enumerate() {
            for (other_place, other) in named.iter().enumerate().skip(one_place + 1) {
                let since = &mut since[one_place * named.len() + other_place];
                if !works[*one] || !works[*other] {
                    continue;
                }
                if group[*one] == group[*other] {
                    *since = None;
                    continue;
                }
                let from = *since.get_or_insert(*at);
                if best.is_none_or(|best| until - from > best.until - best.from) {
                    best = Some(Apart { between: [*one, *other], from, until });
                }
            }
        }
    }
    best
}

/// Numbers the groups of replicas that can reach each other at a moment.
fn groups(
    course: &Course,
    works: &[bool],
    outages: &[Vec<(Duration, Duration)>],
    at: Duration,
) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..course.members.len()).collect();
    fn root(parent: &mut [usize], mut of: usize) -> usize {
        while parent[of] != of {
            parent[of] = parent[parent[of]];
            of = parent[of];
        }
        of
    }
    for (link, outages) in course.links.iter().zip(outages) {
        let [one, other] = link.ends;
        let in_range = one < works.len() && other < works.len();
        if !in_range || !works[one] || !works[other] {
            continue;
        }
        if outages.iter().any(|(from, until)| *from <= at && at < *until) {
            continue;
        }
        let (one, other) = (root(&mut parent, one), root(&mut parent, other));
        parent[one] = other;
    }
    (0..parent.len()).map(|member| root(&mut parent, member)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{calm, hours, minutes, small};
    use super::*;

    #[test]
    fn a_way_over_a_third_is_a_way() {
        let mut course = calm();
        course.links[0].outages = vec![(hours(2), hours(9))];
        assert_eq!(longest_apart(&course), None);
        course.links[2].outages = vec![(hours(3), hours(7))];
        let apart = longest_apart(&course).unwrap();
        assert_eq!((apart.from, apart.until), (hours(3), hours(7)));
        assert_eq!(apart.between[1].max(apart.between[0]), 1.max(apart.between[1]));
    }

    #[test]
    fn time_without_power_counts_within_a_separation_and_not_at_its_ends() {
        // The small course cuts all from the first hour on; its north is without power for a while in between.
        let cut = (hours(1), minutes(620));
        let apart = longest_apart(&small()).unwrap();
        assert_eq!((apart.from, apart.until), cut);
        assert!(apart.between.contains(&0), "{apart:?}");
        let mut course = calm();
        course.links.iter_mut().for_each(|link| link.outages = vec![cut]);
        let works = course.able[0].able;
        let dark = Able { read: false, write: false, linked: false };
        let change = |at, able| crate::drill::course::AbleFrom { at, member: 0, able };
        course.able.extend([change(minutes(30), dark), change(hours(2), works), change(hours(9), dark)]);
        course.able.extend([1, 2].map(|member| crate::drill::course::AbleFrom {
            at: hours(2),
            member,
            able: dark,
        }));
        course.able.extend([1, 2].map(|member| crate::drill::course::AbleFrom {
            at: hours(3),
            member,
            able: works,
        }));
        course.able.sort_by_key(|change| change.at);
        let of_north = longest_apart(&course).unwrap();
        assert_eq!((of_north.from, of_north.until), cut, "the other two");
        course.members[2].fleet = Some("far".into());
        let of_north = longest_apart(&course).unwrap();
        assert_eq!((of_north.from, of_north.until), (hours(3), hours(9)));
    }
}
