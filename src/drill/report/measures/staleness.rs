//! How old the knowledge was on which people decided.

use serde::Serialize;

use super::{WORST_MAX, quantile, rounded, sorted};
use crate::drill::course::{Act, Course};

/// Upper bounds of the histogram's bins in seconds; the first holds decisions that lacked nothing.
const BOUNDS_S: [f64; 10] =
    [0.0, 10.0, 60.0, 600.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0];

/// Decisions whose oldest unknown statement was of some age.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Older than this; zero for the bin of decisions that lacked nothing, and the one after it.
    pub over_s: f64,
    /// At most this; none for the last.
    pub until_s: Option<f64>,
    /// How many.
    pub count: u64,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionOne {
    /// When.
    pub at_s: f64,
    /// The replica.
    pub replica: String,
    /// What was done.
    pub act: Act,
    /// Statements that were unknown.
    pub unknown: u32,
    /// How old the oldest of these was.
    pub stale_s: f64,
}

/// How old the knowledge was on which people decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Staleness {
    /// Decisions.
    pub decisions: u64,
    /// Of these, those without being able to open the record.
    pub unread: u64,
    /// Those of which nothing could be recorded at once.
    pub unwritten: u64,
    /// Those that could read, and lacked something that was acknowledged elsewhere.
    pub stale: u64,
    /// Half of the decisions that could read rested on knowledge at most so old.
    pub p50_s: Option<f64>,
    /// Of 20 decisions that could read, 19 rested on knowledge at most so old.
    pub p95_s: Option<f64>,
    /// The oldest.
    pub max_s: Option<f64>,
    /// The median of those alone that lacked something.
    pub stale_p50_s: Option<f64>,
    /// Those that could read, by age.
    pub histogram: Vec<Bin>,
    /// The decisions on the oldest knowledge, at most [`WORST_MAX`].
    pub worst: Vec<DecisionOne>,
}

impl Staleness {
    /// Measures a course.
    pub(super) fn of(course: &Course) -> Self {
        let read = || course.decisions.iter().filter(|decision| decision.read);
        let ages = sorted(read().map(|decision| decision.stale.as_secs_f64()));
        let stale = sorted(read().filter(|one| one.unknown > 0).map(|one| one.stale.as_secs_f64()));
        let mut worst: Vec<_> = read().filter(|decision| decision.unknown > 0).collect();
        worst.sort_by_key(|decision| std::cmp::Reverse(decision.stale));
        worst.truncate(WORST_MAX);
        let one = |decision: &crate::drill::course::Decision| DecisionOne {
            at_s: rounded(decision.at.as_secs_f64()),
            replica: course
                .members
                .get(decision.member)
                .map(|member| member.name.clone())
                .unwrap_or_default(),
            act: decision.act,
            unknown: decision.unknown,
            stale_s: rounded(decision.stale.as_secs_f64()),
        };
        Self {
            decisions: course.decisions.len() as u64,
            unread: (course.decisions.len() - ages.len()) as u64,
            unwritten: course.decisions.iter().filter(|decision| !decision.written).count() as u64,
            stale: stale.len() as u64,
            p50_s: quantile(&ages, 0.5),
            p95_s: quantile(&ages, 0.95),
            max_s: ages.last().copied().map(rounded),
            stale_p50_s: quantile(&stale, 0.5),
            histogram: histogram(&ages),
            worst: worst.into_iter().map(one).collect(),
        }
    }
}

/// Counts sorted ages; empty bins at the end are left out.
fn histogram(ages: &[f64]) -> Vec<Bin> {
    let mut bins = vec![Bin { over_s: 0.0, until_s: Some(0.0), count: 0 }];
    bins.extend(BOUNDS_S.windows(2).map(|pair| Bin { over_s: pair[0], until_s: Some(pair[1]), count: 0 }));
    bins.push(Bin { over_s: BOUNDS_S[BOUNDS_S.len() - 1], until_s: None, count: 0 });
    for age in ages {
        let place = BOUNDS_S.partition_point(|bound| bound < age);
        bins[place].count += 1;
    }
    let used = bins.iter().rposition(|bin| bin.count > 0).map_or(0, |last| last + 1);
    bins.truncate(used);
    bins
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{large, small};
    use super::*;

    #[test]
    fn every_decision_is_in_one_bin_or_could_not_read() {
        for course in [small(), large()] {
            let found = Staleness::of(&course);
            let binned: u64 = found.histogram.iter().map(|bin| bin.count).sum();
            assert_eq!(binned + found.unread, found.decisions);
            assert!(found.p50_s <= found.p95_s && found.p95_s <= found.max_s);
            assert!(found.worst.windows(2).all(|pair| pair[0].stale_s >= pair[1].stale_s));
            assert!(found.worst.len() <= WORST_MAX && found.stale <= found.decisions - found.unread);
        }
    }

    #[test]
    fn nothing_decided_measures_nothing() {
        let mut course = small();
        course.decisions.clear();
        let found = Staleness::of(&course);
        assert_eq!((found.decisions, found.max_s, found.histogram.len()), (0, None, 0));
    }

    #[test]
    fn bins_are_open_below_and_closed_above() {
        let counts: Vec<u64> = histogram(&[0.0, 0.5, 10.0, 10.5, 3e6]).iter().map(|bin| bin.count).collect();
        assert_eq!((counts[0], counts[1], counts[2], *counts.last().unwrap()), (1, 2, 1, 1));
    }
}
