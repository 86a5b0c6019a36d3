//! What the links carried, against what they may carry.

use std::time::Duration;

use serde::Serialize;

use super::{WORST_MAX, rounded};
use crate::drill::course::{Course, LinkCourse};

const HOURS_A_DAY: usize = 24;

/// What one link carried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkUse {
    /// The replicas at its ends.
    pub between: [String; 2],
    /// Its place in the course.
    #[serde(skip)]
    pub link: usize,
    /// Its profile.
    pub profile: String,
    /// Bytes over the whole run.
    pub bytes: u64,
    /// Bytes in the hour that carried the most.
    pub busiest_hour: u64,
    /// Bytes in the day of the drill that carried the most.
    pub busiest_day: u64,
    /// The bytes that it may carry in a day.
    pub quota_per_day: Option<u64>,
    /// The busiest day as a share of the quota.
    pub of_quota: Option<f64>,
    /// For how long it was cut, in seconds.
    pub down_s: f64,
}

/// What the links carried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Links {
    /// How many there are.
    pub count: u64,
    /// Bytes over all of them.
    pub bytes: u64,
    /// How many have a quota.
    pub with_quota: u64,
    /// How many carried more in a day than they may.
    pub over_quota: u64,
    /// Those nearest to or farthest beyond their quota, then those that carried the most; at most [`WORST_MAX`].
    pub worst: Vec<LinkUse>,
}

impl Links {
    /// Measures a course.
    pub(super) fn of(course: &Course) -> Self {
        let mut uses: Vec<LinkUse> = (0..course.links.len()).map(|link| of_link(course, link)).collect();
        let over = |one: &LinkUse| one.of_quota.is_some_and(|share| share > 1.0);
        let (count, bytes) = (uses.len() as u64, uses.iter().map(|one| one.bytes).sum());
        let with_quota = uses.iter().filter(|one| one.quota_per_day.is_some()).count() as u64;
        let over_quota = uses.iter().filter(|one| over(one)).count() as u64;
        uses.sort_by(|one, other| {
            let share = |one: &LinkUse| one.of_quota.unwrap_or(0.0);
            share(other)
                .total_cmp(&share(one))
                .then(other.bytes.cmp(&one.bytes))
                .then(one.link.cmp(&other.link))
        });
        uses.truncate(WORST_MAX);
        Self { count, bytes, with_quota, over_quota, worst: uses }
    }
}

/// Returns the bytes of each day: of the calendar where a quota counts them, otherwise of the drill.
fn day_bytes(link: &LinkCourse, begins_ms: u64) -> Vec<u64> {
    if link.quota_bytes_per_day.is_some() {
        return link.metered_days(begins_ms);
    }
    link.bytes_by_hour.chunks(HOURS_A_DAY).map(|hours| hours.iter().sum()).collect()
}

/// Returns the times in which a link was cut, within the run, in order and without overlap.
pub(crate) fn down(link: &LinkCourse, lasted: Duration) -> Vec<(Duration, Duration)> {
    let mut outages: Vec<(Duration, Duration)> = link
        .outages
        .iter()
        .map(|(from, until)| (*from, (*until).min(lasted)))
        .filter(|(f, u)| f < u)
        .collect();
    outages.sort();
    let mut joined: Vec<(Duration, Duration)> = Vec::new();
    for (from, until) in outages {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => joined.push((from, until)),
        }
    }
    joined
}

fn of_link(course: &Course, number: usize) -> LinkUse {
    let link = &course.links[number];
    let name = |end: usize| course.members.get(end).map(|member| member.name.clone()).unwrap_or_default();
    let busiest_day = day_bytes(link, course.begins_ms).into_iter().max().unwrap_or(0);
    let quota = link.quota_bytes_per_day.filter(|quota| *quota > 0);
    LinkUse {
        between: link.ends.map(name),
        link: number,
        profile: link.profile.clone(),
        bytes: link.bytes_by_hour.iter().sum(),
        busiest_hour: link.bytes_by_hour.iter().copied().max().unwrap_or(0),
        busiest_day,
        quota_per_day: link.quota_bytes_per_day,
        of_quota: quota.map(|quota| rounded(busiest_day as f64 / quota as f64)),
        down_s: down(link, course.lasted)
            .iter()
            .map(|(from, until)| *until - *from)
            .sum::<Duration>()
            .as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{hours, large, small};
    use super::*;

    #[test]
    fn the_bytes_of_days_and_links_sum_to_all_bytes() {
        for course in [small(), large()] {
            let found = Links::of(&course);
            let by_day: u64 = course.links.iter().flat_map(|link| day_bytes(link, course.begins_ms)).sum();
            assert_eq!(found.bytes, by_day);
            assert!(found.over_quota <= found.with_quota && found.with_quota <= found.count);
            assert!(found.worst.iter().all(|one| one.busiest_hour <= one.busiest_day));
            assert!(found.worst.iter().all(|one| one.down_s <= course.lasted.as_secs_f64()));
        }
    }

    #[test]
    fn outages_that_overlap_count_once() {
        let mut link = small().links[0].clone();
        link.outages = vec![(hours(2), hours(5)), (hours(1), hours(3)), (hours(23), hours(99))];
        assert_eq!(down(&link, hours(24)), [(hours(1), hours(5)), (hours(23), hours(24))]);
    }
}
