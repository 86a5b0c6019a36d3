//! All measures of a course in one value.

use serde::Serialize;

use super::disputes::counts;
use super::{Availability, DisputeCount, Late, Links, Staleness, WORST_MAX, quantile, rounded, sorted};
use crate::drill::course::{Course, Mode};

/// Everything that is measured of a course.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures {
    /// How the run was made.
    pub mode: Mode,
    /// How long it was, in seconds.
    pub lasted_s: f64,
    /// How many replicas took part.
    pub replicas: u64,
    /// Who could read and write.
    pub availability: Availability,
    /// How old the knowledge was on which people decided.
    pub staleness: Staleness,
    /// How fast the parted came together again.
    pub convergence: Convergence,
    /// What the links carried.
    pub links: Links,
    /// Contradictions and dangers by section and harm.
    pub disputes: Vec<DisputeCount>,
    /// What was seen late because lines were cut.
    pub late: Late,
    /// Restores from the backup.
    pub restores: Restores,
    /// What was acknowledged, and what of it was lost.
    pub writing: Writing,
}

/// One reunion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReunionMeasure {
    /// When the last fault stopped.
    pub healed_s: f64,
    /// How long it took until all held the same; none when they did not before the end or the next fault.
    pub took_s: Option<f64>,
}

/// How fast the parted came together again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Convergence {
    /// Reunions.
    pub reunions: u64,
    /// Those after which not all came to hold the same.
    pub open: u64,
    /// Replicas that held the same after a reunion at most: all but those that were lost for good.
    pub replicas: u64,
    /// Replicas whose disk was lost and that never came back.
    pub lost_for_good: u64,
    /// The median time.
    pub p50_s: Option<f64>,
    /// The slowest.
    pub max_s: Option<f64>,
    /// The open and the slowest ones in order of time, at most [`WORST_MAX`].
    pub slowest: Vec<ReunionMeasure>,
}

/// One loss of a disk, restored or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoreMeasure {
    /// The replica.
    pub replica: String,
    /// When it was lost.
    pub lost_s: f64,
    /// Recovery time: from the loss until it could be read and written again; none when that was not before the end.
    pub rto_s: Option<f64>,
    /// How long it was out: the recovery time, or the time from the loss to the end.
    pub out_s: f64,
    /// Recovery point: from the backup's writing to the loss.
    pub rpo_s: Option<f64>,
    /// Entries that it had acknowledged and the backup did not hold; none when nobody counted them.
    pub behind: Option<u64>,
    /// Of these, lost for good; none when nobody counted them.
    pub lost_entries: Option<u64>,
}

/// Restores from the backup.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Restores {
    /// How many replicas came back after the loss of their disk.
    pub count: u64,
    /// How many had not come back at the end.
    pub not_restored: u64,
    /// The slowest recovery of those that came back.
    pub rto_max_s: Option<f64>,
    /// The oldest recovery point of those that came back.
    pub rpo_max_s: Option<f64>,
    /// Entries that backups did not hold; none when they were not counted for each.
    pub behind: Option<u64>,
    /// Entries that were lost for good; none when they were not counted for each.
    pub lost_entries: Option<u64>,
    /// Those that did not come back and the slowest ones in order of time, at most [`WORST_MAX`].
    pub slowest: Vec<RestoreMeasure>,
}

/// What was acknowledged, and what of it was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writing {
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Of these, those that some replica lacks that should hold them.
    pub lost: u64,
    /// How many replicas hold the write that the fewest hold; none when that was not counted.
    pub held_by_least: Option<u64>,
    /// Bytes that sync moved.
    pub sync_bytes: u64,
    /// Bytes that backups wrote.
    pub backup_bytes: u64,
    /// Events of the scenario that could not be done.
    pub events_failed: u64,
}

impl Measures {
    /// Measures a course.
    pub fn of(course: &Course) -> Self {
        Self {
            mode: course.mode,
            lasted_s: rounded(course.lasted.as_secs_f64()),
            replicas: course.members.len() as u64,
            availability: Availability::of(course),
            staleness: Staleness::of(course),
            convergence: convergence(course),
            links: Links::of(course),
            disputes: counts(course),
            late: Late::of(course),
            restores: restores(course),
            writing: Writing {
                acknowledged: course.acknowledged,
                lost: course.lost.len() as u64,
                held_by_least: course.held_by_least,
                sync_bytes: course.sync_bytes,
                backup_bytes: course.backup_bytes,
                events_failed: course.happenings.iter().filter(|one| one.failed.is_some()).count() as u64,
            },
        }
    }

    /// Returns how many contradictions and dangers with possible harm nobody settled.
    pub fn open_harm(&self) -> u64 {
        self.disputes.iter().filter(|one| one.harm != "none").map(|one| one.open).sum()
    }

    /// Returns how many contradictions and dangers with possible harm were seen late because lines were cut.
    pub fn late_harm(&self) -> u64 {
        self.late.harms.iter().filter(|one| one.harm != "none").map(|one| one.count).sum()
    }

    /// Returns the longest that one with possible harm stayed unseen because lines were cut, in seconds.
    pub fn late_harm_max_s(&self) -> Option<f64> {
        self.late.harms.iter().filter(|one| one.harm != "none").map(|one| one.max_s).reduce(f64::max)
    }
}

fn convergence(course: &Course) -> Convergence {
    let all: Vec<ReunionMeasure> = course
        .reunions
        .iter()
        .map(|reunion| ReunionMeasure {
            healed_s: rounded(reunion.healed.as_secs_f64()),
            took_s: reunion.converged.map(|at| rounded(at.saturating_sub(reunion.healed).as_secs_f64())),
        })
        .collect();
    let times = sorted(all.iter().filter_map(|one| one.took_s));
    Convergence {
        reunions: all.len() as u64,
        open: all.iter().filter(|one| one.took_s.is_none()).count() as u64,
        replicas: (course.members.len() - course.lost_for_good()) as u64,
        lost_for_good: course.lost_for_good() as u64,
        p50_s: quantile(&times, 0.5),
        max_s: times.last().copied(),
        slowest: most(all, |one| one.took_s.unwrap_or(f64::INFINITY), |one| one.healed_s),
    }
}

fn restores(course: &Course) -> Restores {
    let all: Vec<RestoreMeasure> = course
        .restores
        .iter()
        .map(|one| RestoreMeasure {
            replica: course.members.get(one.member).map(|member| member.name.clone()).unwrap_or_default(),
            lost_s: rounded(one.lost.as_secs_f64()),
            rto_s: one.recovery().map(|recovery| rounded(recovery.as_secs_f64())),
            out_s: rounded(one.out(course.lasted).as_secs_f64()),
            rpo_s: one.point.map(|point| rounded(one.lost.saturating_sub(point).as_secs_f64())),
            behind: one.behind,
            lost_entries: one.lost_entries,
        })
        .collect();
    let restored = || all.iter().filter(|one| one.rto_s.is_some());
    Restores {
        count: restored().count() as u64,
        not_restored: (all.len() - restored().count()) as u64,
        rto_max_s: sorted(restored().filter_map(|one| one.rto_s)).last().copied(),
        rpo_max_s: sorted(restored().filter_map(|one| one.rpo_s)).last().copied(),
        behind: all.iter().map(|one| one.behind).sum(),
        lost_entries: all.iter().map(|one| one.lost_entries).sum(),
        slowest: most(all, |one| one.rto_s.unwrap_or(f64::INFINITY), |one| one.lost_s),
    }
}

/// Keeps the items with the greatest values, in the order of their times.
fn most<T>(mut items: Vec<T>, value: impl Fn(&T) -> f64, time: impl Fn(&T) -> f64) -> Vec<T> {
    items.sort_by(|one, other| value(other).total_cmp(&value(one)));
    items.truncate(WORST_MAX);
    items.sort_by(|one, other| time(one).total_cmp(&time(other)));
    items
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{large, small};
    use super::*;

    #[test]
    fn what_is_open_and_what_took_time_is_all() {
        for course in [small(), large()] {
            let found = convergence(&course);
            assert_eq!(found.reunions, course.reunions.len() as u64);
            assert!(found.open <= found.reunions && found.slowest.len() <= WORST_MAX);
            assert!(found.p50_s <= found.max_s);
            assert!(found.slowest.windows(2).all(|pair| pair[0].healed_s <= pair[1].healed_s));
        }
    }

    #[test]
    fn a_replica_that_never_came_back_has_no_recovery_time() {
        let mut course = small();
        let lost =
            crate::drill::course::RestoreCourse { member: 2, back: None, ..course.restores[0].clone() };
        course.restores.push(lost);
        let found = Measures::of(&course);
        assert_eq!((found.restores.count, found.restores.not_restored), (1, 1));
        assert_eq!(found.restores.rto_max_s, Some(64.0 * 60.0), "of the one that came back");
        assert_eq!((found.convergence.replicas, found.convergence.lost_for_good), (2, 1));
        let json = serde_json::to_value(&found.restores.slowest).unwrap();
        assert!(json[0]["rto_s"].is_null() && json[0]["out_s"] == 8.0 * 3_600.0, "{json}");
    }

    #[test]
    fn the_json_of_a_large_region_stays_small() {
        let json = serde_json::to_string(&Measures::of(&large())).unwrap();
        assert!(json.len() < 100_000, "{} bytes", json.len());
        assert!(!json.contains("null,null,null"));
    }
}
