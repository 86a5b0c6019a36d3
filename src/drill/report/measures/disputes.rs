//! Contradictions and dangers: how many, how harmful, how late.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::wording::{harm_rank, is_fault, person};
use super::{WORST_MAX, quantile, rounded, sorted};
use crate::drill::course::{Course, Dispute};

/// Contradictions of one section and harm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DisputeCount {
    /// The section; `alerts` for safety alerts.
    pub section: String,
    /// How much harm is possible.
    pub harm: String,
    /// How many.
    pub count: u64,
    /// Those that no replica could see before the end.
    pub unseen: u64,
    /// Those that nobody settled, seen or not.
    pub open: u64,
    /// Of these, those that arose before the first fault: no fault is to blame for them.
    pub open_before_fault: u64,
    /// Those that were seen late, or never, because lines were cut.
    pub late: u64,
    /// Half of those seen were seen within so many seconds of arising.
    pub seen_p50_s: Option<f64>,
    /// The last to be seen was seen so many seconds after arising.
    pub seen_max_s: Option<f64>,
    /// Half of those settled were settled within so many seconds of arising.
    pub decided_p50_s: Option<f64>,
    /// The last to be settled was settled so many seconds after arising.
    pub decided_max_s: Option<f64>,
}

/// A contradiction or danger that was seen late because lines were cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LateOne {
    /// The section.
    pub section: String,
    /// The kind.
    pub kind: String,
    /// How much harm is possible.
    pub harm: String,
    /// The invented person: what he or she is called, or `#` and a number.
    pub person: String,
    /// The replicas where the statements that make it were written.
    pub written_at: Vec<String>,
    /// The replica that first held all of them; none when none did.
    pub seen_by: Option<String>,
    /// When it arose.
    pub arose_s: f64,
    /// How long it stayed unseen: until it was seen, or to the end.
    pub late_s: f64,
    /// Whether it was seen at all.
    pub seen: bool,
}

/// Late ones of one harm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LateCount {
    /// How much harm is possible.
    pub harm: String,
    /// How many.
    pub count: u64,
    /// Of these, never seen.
    pub unseen: u64,
    /// The longest that one of them stayed unseen, in seconds.
    pub max_s: f64,
}

/// What was seen late because lines were cut.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Late {
    /// How many.
    pub count: u64,
    /// Half of them stayed unseen for at most so long.
    pub p50_s: Option<f64>,
    /// The longest that one stayed unseen.
    pub max_s: Option<f64>,
    /// By harm, the greatest first.
    pub harms: Vec<LateCount>,
    /// The latest of the most harmful, at most [`WORST_MAX`].
    pub worst: Vec<LateOne>,
}

/// Returns how late a dispute was seen because lines were cut; none when it was in time, or the lines are not to
/// blame. One that was never seen is late to the end of the run.
pub(crate) fn late(course: &Course, dispute: &Dispute) -> Option<Duration> {
    let seen = dispute.seen.unwrap_or(course.lasted);
    let late = seen.saturating_sub(dispute.arose);
    (dispute.late_by_split && !late.is_zero()).then_some(late)
}

/// Returns when the first fault of the scenario came; none when there was none.
pub(crate) fn first_fault(course: &Course) -> Option<Duration> {
    course.happenings.iter().filter(|one| is_fault(one.event)).map(|one| one.at).min()
}

/// Says whether a dispute is open and arose before the first fault.
pub(crate) fn is_open_before(first_fault: Option<Duration>, dispute: &Dispute) -> bool {
    dispute.decided.is_none() && first_fault.is_none_or(|fault| dispute.arose < fault)
}

/// Counts by section and harm, the most harmful first.
pub(super) fn counts(course: &Course) -> Vec<DisputeCount> {
    let mut groups: BTreeMap<(u8, &str, &str), Vec<&Dispute>> = BTreeMap::new();
    for dispute in &course.disputes {
        let key = (harm_rank(&dispute.harm), dispute.harm.as_str(), dispute.section.as_str());
        groups.entry(key).or_default().push(dispute);
    }
    let fault = first_fault(course);
    let after = |dispute: &Dispute, at: Option<Duration>| {
        at.map(|at| rounded(at.saturating_sub(dispute.arose).as_secs_f64()))
    };
    let count = |((_, harm, section), disputes): ((u8, &str, &str), Vec<&Dispute>)| {
        let seen = sorted(disputes.iter().filter_map(|one| after(one, one.seen)));
        let decided = sorted(disputes.iter().filter_map(|one| after(one, one.decided)));
        DisputeCount {
            section: section.to_owned(),
            harm: harm.to_owned(),
            count: disputes.len() as u64,
            unseen: disputes.iter().filter(|one| one.seen.is_none()).count() as u64,
            open: disputes.iter().filter(|one| one.decided.is_none()).count() as u64,
            open_before_fault: disputes.iter().filter(|one| is_open_before(fault, one)).count() as u64,
            late: disputes.iter().filter(|one| late(course, one).is_some()).count() as u64,
            seen_p50_s: quantile(&seen, 0.5),
            seen_max_s: seen.last().copied(),
            decided_p50_s: quantile(&decided, 0.5),
            decided_max_s: decided.last().copied(),
        }
    };
    groups.into_iter().map(count).collect()
}

impl Late {
    /// Measures a course.
    pub(super) fn of(course: &Course) -> Self {
        let mut found: Vec<LateOne> = course
            .disputes
            .iter()
            .filter_map(|dispute| late(course, dispute).map(|late| one(course, dispute, late)))
            .collect();
        let times = sorted(found.iter().map(|one| one.late_s));
        let mut harms: BTreeMap<(u8, &str), LateCount> = BTreeMap::new();
        for one in &found {
            let empty = LateCount { harm: one.harm.clone(), count: 0, unseen: 0, max_s: 0.0 };
            let of_harm = harms.entry((harm_rank(&one.harm), &one.harm)).or_insert(empty);
            of_harm.count += 1;
            of_harm.unseen += u64::from(!one.seen);
            of_harm.max_s = of_harm.max_s.max(one.late_s);
        }
        let harms = harms.into_values().collect();
        let count = found.len() as u64;
        found.sort_by(|one, other| {
            harm_rank(&one.harm).cmp(&harm_rank(&other.harm)).then(other.late_s.total_cmp(&one.late_s))
        });
        found.truncate(WORST_MAX);
        Self { count, p50_s: quantile(&times, 0.5), max_s: times.last().copied(), harms, worst: found }
    }
}

fn one(course: &Course, dispute: &Dispute, late: Duration) -> LateOne {
    let name =
        |member: &usize| course.members.get(*member).map(|member| member.name.clone()).unwrap_or_default();
    LateOne {
        person: person(dispute),
        written_at: dispute.written_at.iter().map(name).collect(),
        seen_by: dispute.seen_by.as_ref().map(name),
        section: dispute.section.clone(),
        kind: dispute.kind.clone(),
        harm: dispute.harm.clone(),
        arose_s: rounded(dispute.arose.as_secs_f64()),
        late_s: rounded(late.as_secs_f64()),
        seen: dispute.seen.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{hours, large, small};
    use super::*;

    #[test]
    fn every_dispute_is_counted_once() {
        for course in [small(), large()] {
            let counts = counts(&course);
            assert_eq!(counts.iter().map(|one| one.count).sum::<u64>(), course.disputes.len() as u64);
            assert!(counts.iter().all(|one| one.unseen <= one.count && one.open <= one.count));
            let found = Late::of(&course);
            assert_eq!(counts.iter().map(|one| one.late).sum::<u64>(), found.count);
            assert_eq!(found.harms.iter().map(|one| one.count).sum::<u64>(), found.count);
            assert!(found.p50_s <= found.max_s);
            assert_eq!(found.harms.iter().map(|one| one.max_s).reduce(f64::max), found.max_s);
        }
    }

    #[test]
    fn what_was_open_before_the_first_fault_is_told_apart() {
        let mut course = small();
        let at_quake = first_fault(&course).unwrap();
        assert_eq!(at_quake, hours(1));
        let before: u64 = counts(&course).iter().map(|one| one.open_before_fault).sum();
        assert_eq!(before, 0);
        let early = Dispute { arose: at_quake / 2, decided: None, ..course.disputes[0].clone() };
        course.disputes.extend([early.clone(), Dispute { decided: Some(at_quake), ..early }]);
        let before: u64 = counts(&course).iter().map(|one| one.open_before_fault).sum();
        assert_eq!(before, 1, "the settled one is not open");
    }

    #[test]
    fn only_what_the_split_delayed_is_late() {
        let course = small();
        let mut dispute = course.disputes[0].clone();
        (dispute.arose, dispute.seen, dispute.late_by_split) = (hours(2), Some(hours(5)), true);
        assert_eq!(late(&course, &dispute), Some(hours(3)));
        dispute.seen = None;
        assert_eq!(late(&course, &dispute), Some(course.lasted - hours(2)));
        dispute.late_by_split = false;
        assert_eq!(late(&course, &dispute), None);
    }
}
