//! How old the knowledge was on which people decided.

use serde::Serialize;

use super::super::spans::{State, spans};
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

/// Why records could not be opened at decisions; the three add up to all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// The device ran and did not hold the person's record: it had not arrived yet, or belongs to an area that the
    /// device does not keep.
    pub not_held: u64,
    /// Of these, decisions at devices in touch with nobody at that moment.
    pub not_held_alone: u64,
    /// The device did not run; in a central run, or it did not reach the centre.
    pub not_running: u64,
    /// The device's disk was lost and not yet restored.
    pub disk_lost: u64,
}

impl Unread {
    /// Finds the causes in what people could do at each replica at the moments of their decisions.
    fn of(course: &Course) -> Self {
        let spans = spans(course);
        let mut found = Self::default();
        for decision in course.decisions.iter().filter(|decision| !decision.read) {
            let of_member = spans.get(decision.member).map_or(&[][..], Vec::as_slice);
            // A decision at the very end belongs to the last span.
            let next = of_member.partition_point(|span| span.from <= decision.at);
            match next
                .checked_sub(1)
                .and_then(|place| of_member.get(place))
                .map(|span| (span.state, span.able))
            {
                Some((State::Lost, _)) => found.disk_lost += 1,
                Some((_, able)) if able.read => {
                    found.not_held += 1;
                    found.not_held_alone += u64::from(!able.linked);
                }
                Some(_) | None => found.not_running += 1,
            }
        }
        found
    }
}

/// How old the knowledge was on which people decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Staleness {
    /// Decisions.
    pub decisions: u64,
    /// Of these, those without being able to open the record.
    pub unread: u64,
    /// Why not.
    pub unread_why: Unread,
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
            unread_why: Unread::of(course),
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
    fn why_a_record_could_not_be_opened_is_told() {
        let mut course = small();
        let why = Staleness::of(&course).unread_why;
        assert!(why.not_held == 0 && why.not_running > 0 && why.disk_lost > 0, "{why:?}");
        let before = (why.not_running, why.disk_lost);
        // The tablet works and is in touch with nobody from the first hour to the tenth.
        let at = |minutes: u64| {
            course.decisions.iter().position(|one| one.member == 2 && one.at.as_secs() > minutes * 60)
        };
        let places = [at(120).unwrap(), at(1_000).unwrap()];
        places.iter().for_each(|place| course.decisions[*place].read = false);
        let found = Staleness::of(&course);
        let why = found.unread_why;
        assert_eq!((why.not_held, why.not_held_alone, (why.not_running, why.disk_lost)), (2, 1, before));
        assert_eq!(why.not_held + why.not_running + why.disk_lost, found.unread);
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
