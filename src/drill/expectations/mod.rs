//! Judging what a scenario expects of a simulated run: a pure function of the scenario, its course and what was seen.
//!
//! Expectations about exports are judged as in a live run where the region is small enough to be read whole; those
//! about time, people and links are judged from the [`Course`], and so for a central system, too.

mod data;
mod doors;
mod links;
mod people;
#[cfg(test)]
mod tests;
mod time;

use super::course::{Course, Mode};
use super::invariants::{self, Evidence, Finding};
use super::judge::{Judged, Observations, wanted};
use super::scenario::{Clinical, Expectation, Scenario, Told};
use crate::base::Digest;
pub(in crate::drill) use data::came_back;
use data::{heads_equal, in_disputes, nothing_lost, restores_complete};
use time::{availability, converged, restored};

/// The most replicas whose exports and views are read whole at the end of a simulation.
const READ_WHOLE_MAX: usize = 32;
/// Most names that one detail lists.
const NAMED_MAX: usize = 5;

/// The traces of two runs with one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twice {
    /// The trace of the first.
    pub first: Digest,
    /// The trace of the second.
    pub second: Digest,
}

/// A run to be judged.
#[derive(Clone, Copy)]
pub struct Run<'r> {
    /// What was asked for.
    pub scenario: &'r Scenario,
    /// The seed.
    pub seed: u64,
    /// What happened.
    pub course: &'r Course,
}

/// Judges a simulated run: failures first, then every expectation of the scenario, then every invariant. The
/// expectation `same-trace` is judged only when the run was made twice.
pub fn judge(run: Run<'_>, seen: &Observations, twice: Option<Twice>) -> Vec<Judged> {
    let evidence = Evidence { scenario: run.scenario, course: run.course, seen };
    let by_exports = seen.judge(run.scenario);
    let mut judged = seen.failures.clone();
    for (expectation, by_exports) in run.scenario.expectations.iter().zip(&by_exports[seen.failures.len()..])
    {
        let found = match by_course(run, expectation).or_else(|| by_sight(&evidence, expectation)) {
            Some(finding) => named(expectation.name(), finding),
            None if *expectation == Expectation::SameTrace => continue,
            None => by_exports.clone(),
        };
        judged.push(found);
    }
    let all = invariants::all(&evidence).into_iter();
    let new: Vec<Judged> = all.filter(|invariant| !judged.contains(invariant)).collect();
    judged.extend(new);
    judged.extend(twice.map(|twice| named(Expectation::SameTrace.name(), same_trace(twice))));
    judged
}

/// Judges the expectations for which a course is enough, for runs that nothing else was seen of.
pub fn judge_course(run: Run<'_>) -> Vec<Judged> {
    let found = run.scenario.expectations.iter();
    found.filter_map(|expectation| Some(named(expectation.name(), by_course(run, expectation)?))).collect()
}

fn named(name: &str, finding: Finding) -> Judged {
    let (ok, detail) = match finding {
        Ok(detail) => (true, detail),
        Err(detail) => (false, detail),
    };
    Judged { name: name.to_owned(), ok, detail }
}

fn holds(ok: bool, detail: Told) -> Finding {
    if ok { Ok(detail) } else { Err(detail) }
}

/// Returns the value that a share of some sorted values does not exceed.
fn nth<T: Copy>(sorted: &[T], share: f64) -> T {
    let place = (sorted.len() as f64 * share).ceil() as usize;
    sorted[place.clamp(1, sorted.len()) - 1]
}

fn same_trace(twice: Twice) -> Finding {
    let Twice { first, second } = twice;
    match first == second {
        true => Ok(Told::of(format!("{} both times", first.short()), format!("二度とも {}", first.short()))),
        false => Err(Told::of(
            format!("{}, and then {}", first.short(), second.short()),
            format!("一度目 {}、二度目 {}", first.short(), second.short()),
        )),
    }
}

/// Judges what is about time, people and links.
fn by_course(run: Run<'_>, expectation: &Expectation) -> Option<Finding> {
    let course = run.course;
    match expectation {
        Expectation::Availability { of, at, at_least } => Some(availability(run, *of, at, *at_least)),
        Expectation::Staleness { at_most, share } => Some(people::staleness(course, *at_most, *share)),
        Expectation::Writes { at_least } => {
            let acknowledged = course.acknowledged;
            Some(holds(acknowledged >= *at_least, wanted(acknowledged, *at_least)))
        }
        Expectation::QuotaKept => Some(links::quota_kept(course)),
        Expectation::EverywhereWithin { parts, within, share } => {
            Some(links::everywhere_within(course, parts, *within, *share))
        }
        Expectation::Waited { parts, at_least } => Some(links::waited(course, parts, *at_least)),
        Expectation::CardsAfterReturn { at, within, share } => {
            Some(doors::cards_after_return(course, at, *within, *share))
        }
        Expectation::MemoryKept { at, at_most_bytes } => Some(doors::memory_kept(course, at, *at_most_bytes)),
        Expectation::TurnedAway { at, at_least } => Some(doors::turned_away(course, at, *at_least)),
        // A central system has nothing to restore: its disks are mirrored.
        Expectation::Rto { .. } | Expectation::Rpo { .. } if course.mode == Mode::Central => None,
        Expectation::Rto { at_most } => {
            Some(restored(course, *at_most, |one| one.back.map(|back| back.saturating_sub(one.lost))))
        }
        Expectation::Rpo { at_most } => {
            Some(restored(course, *at_most, |one| one.point.map(|point| one.lost.saturating_sub(point))))
        }
        Expectation::HeadsDifferBeforeHeal
        | Expectation::HeadsEqualAfterHeal
        | Expectation::NoAcknowledgedWriteLost
        | Expectation::ConflictOpen { .. }
        | Expectation::AlertOpen { .. }
        | Expectation::RestoredHeadsEqual
        | Expectation::HandoverHasAll { .. }
        | Expectation::RecordsEqual
        | Expectation::Converged { .. }
        | Expectation::NoPositiveAllergyMissing
        | Expectation::Clinical(_)
        | Expectation::BackupRestoresEqual
        | Expectation::DamageDetected
        | Expectation::HeldBy { .. }
        | Expectation::SameTrace => None,
    }
}

/// Judges what needs to be seen from outside; none for what exports and views show, or another run.
fn by_sight(evidence: &Evidence<'_>, expectation: &Expectation) -> Option<Finding> {
    let (course, seen) = (evidence.course, evidence.seen);
    let is_large = evidence.scenario.replicas.len() > READ_WHOLE_MAX;
    match expectation {
        Expectation::NoAcknowledgedWriteLost => Some(nothing_lost(evidence)),
        Expectation::HeadsEqualAfterHeal => Some(heads_equal(evidence)),
        Expectation::RecordsEqual if is_large => {
            let told = |told: Told| {
                Told::of(
                    format!("{}; by heads, too many to read every export", told.en),
                    format!("{}（拠点が多いため、内容の要約値で比べた）", told.ja),
                )
            };
            Some(heads_equal(evidence).map(told))
        }
        Expectation::ConflictOpen { section, kind, .. } if is_large => {
            Some(in_disputes(course, section, kind))
        }
        Expectation::AlertOpen { kind, .. } if is_large => Some(in_disputes(course, "alerts", kind)),
        Expectation::RestoredHeadsEqual => Some(restores_complete(course)),
        Expectation::Converged { within } => Some(converged(evidence, *within)),
        Expectation::NoPositiveAllergyMissing => Some(invariants::no_positive_allergy_missing(evidence)),
        Expectation::Clinical(clinical) => Some(match clinical {
            Clinical::Sections => invariants::sections_show_what_was_written(evidence),
            Clinical::Notes => invariants::signed_notes_read(evidence),
            Clinical::Alerts => invariants::alerts_shown(evidence),
            Clinical::Found => invariants::everyone_is_found(evidence),
            Clinical::Links => invariants::links_join_and_undo(evidence),
            Clinical::Imports => invariants::imports_are_shown(evidence),
            Clinical::Doubles => invariants::doubles_are_suggested(evidence),
            Clinical::Handovers => invariants::handovers_keep_what_was_typed(evidence),
            Clinical::Forks => invariants::forks_are_told(evidence),
            Clinical::HeldBy => invariants::held_by_is_true(evidence),
        }),
        Expectation::BackupRestoresEqual => Some(match seen.sim.as_ref().map(|sim| &sim.backup_restores) {
            Some(Some(finding)) => finding.clone(),
            Some(None) | None => Err(invariants::nothing_backed_up()),
        }),
        Expectation::DamageDetected => Some(invariants::every_damage_detected(evidence)),
        Expectation::HeldBy { at_least } => Some(match course.held_by_least {
            Some(least) => holds(
                least >= *at_least,
                Told::of(
                    format!("the rarest write is on {least} replicas (at least {at_least} wanted)"),
                    format!("持つ拠点が最も少ない記入は {least} 拠点にある（下限 {at_least} 拠点）"),
                ),
            ),
            None => Err(Told::of("nothing was written that could be counted", "数えられる記入がなかった")),
        }),
        Expectation::RecordsEqual
        | Expectation::ConflictOpen { .. }
        | Expectation::AlertOpen { .. }
        | Expectation::HeadsDifferBeforeHeal
        | Expectation::HandoverHasAll { .. }
        | Expectation::Availability { .. }
        | Expectation::Staleness { .. }
        | Expectation::Writes { .. }
        | Expectation::QuotaKept
        | Expectation::EverywhereWithin { .. }
        | Expectation::Waited { .. }
        | Expectation::CardsAfterReturn { .. }
        | Expectation::MemoryKept { .. }
        | Expectation::TurnedAway { .. }
        | Expectation::Rto { .. }
        | Expectation::Rpo { .. }
        | Expectation::SameTrace => None,
    }
}
