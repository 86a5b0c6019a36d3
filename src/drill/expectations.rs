//! Judging what a scenario expects of a simulated run: a pure function of the scenario, its course and what was seen.
//!
//! Expectations about exports are judged as in a live run where the region is small enough to be read whole; those
//! about time, people and links are judged from the [`Course`], and so for a central system, too.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chance::Chance;
use super::convergence::differences;
use super::course::{Course, Dispute, RestoreCourse};
use super::deed::Deed;
use super::invariants::{self, Evidence, Finding};
use super::judge::{Judged, Observations};
use super::scenario::{Access, Expectation, Scenario, write_span as span};
use crate::base::Digest;

/// The most replicas whose exports and views are read whole at the end of a simulation.
const READ_WHOLE_MAX: usize = 32;
/// Most names that one detail lists.
const NAMED_MAX: usize = 5;
/// The part of a day by which a link's bytes are counted.
const HOURS_A_DAY: usize = 24;

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

fn holds(ok: bool, detail: String) -> Finding {
    if ok { Ok(detail) } else { Err(detail) }
}

fn same_trace(twice: Twice) -> Finding {
    let Twice { first, second } = twice;
    match first == second {
        true => Ok(format!("{} both times", first.short())),
        false => Err(format!("{}, and then {}", first.short(), second.short())),
    }
}

/// Judges what is about time, people and links.
fn by_course(run: Run<'_>, expectation: &Expectation) -> Option<Finding> {
    let course = run.course;
    match expectation {
        Expectation::Availability { of, at, at_least } => Some(availability(run, *of, at, *at_least)),
        Expectation::Staleness { at_most, share } => Some(staleness(course, *at_most, *share)),
        Expectation::Writes { at_least } => {
            let acknowledged = course.acknowledged;
            Some(holds(acknowledged >= *at_least, format!("{acknowledged} acknowledged, {at_least} wanted")))
        }
        Expectation::QuotaKept => Some(quota_kept(course)),
        Expectation::Rto { at_most } => {
            Some(restored(course, *at_most, |one| (one.back > one.lost).then(|| one.back - one.lost)))
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
            let told = |told| format!("{told}; by heads, too many to read every export");
            Some(heads_equal(evidence).map(told))
        }
        Expectation::ConflictOpen { section, kind, .. } if is_large => {
            Some(in_disputes(course, section, kind))
        }
        Expectation::AlertOpen { kind, .. } if is_large => Some(in_disputes(course, "alerts", kind)),
        Expectation::RestoredHeadsEqual => Some(restores_complete(course)),
        Expectation::Converged { within } => Some(converged(evidence, *within)),
        Expectation::NoPositiveAllergyMissing => Some(invariants::no_positive_allergy_missing(evidence)),
        Expectation::BackupRestoresEqual => Some(match seen.sim.as_ref().map(|sim| &sim.backup_restores) {
            Some(Some(finding)) => finding.clone(),
            Some(None) | None => Err("nothing was backed up".to_owned()),
        }),
        Expectation::DamageDetected => Some(invariants::every_damage_detected(evidence)),
        Expectation::HeldBy { at_least } => Some(match course.held_by_least {
            Some(least) => holds(least >= *at_least, format!("the rarest write is on {least} replicas")),
            None => Err("nothing was written that could be counted".to_owned()),
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
        | Expectation::Rto { .. }
        | Expectation::Rpo { .. }
        | Expectation::SameTrace => None,
    }
}

// -- Data ---------------------------------------------------------------------------------------------------

fn nothing_lost(evidence: &Evidence<'_>) -> Finding {
    let told = invariants::no_acknowledged_write_lost(evidence)?;
    if evidence.seen.disks.is_empty() {
        return Ok(told);
    }
    // What was typed into hand-over texts is looked for in the merged texts of the disks that were read.
    match evidence.seen.ledger.losses(&evidence.seen.disks).first() {
        None => Ok(told),
        Some(loss) => {
            let missing: Vec<String> = loss.missing_at.iter().map(ToString::to_string).collect();
            Err(format!("{} is lost at {}", loss.what, missing.join(", ")))
        }
    }
}

/// Every replica that still has a disk holds the same.
fn heads_equal(evidence: &Evidence<'_>) -> Finding {
    let (scenario, course, seen) = (evidence.scenario, evidence.course, evidence.seen);
    let gone = |place: usize| gone(course).contains(&place);
    let unseen = scenario.replicas.iter().enumerate();
    let unseen = unseen.filter(|(place, plan)| !seen.at_end.contains_key(&plan.name) && !gone(*place));
    let unseen: Vec<String> = unseen.map(|(_, plan)| plan.name.to_string()).collect();
    if !unseen.is_empty() {
        return Err(format!("not seen: {}", some(&unseen)));
    }
    let differing = differences(&seen.at_end);
    match differing.is_empty() {
        true => Ok(format!("{} replicas hold the same", seen.at_end.len())),
        false => Err(some(&differing)),
    }
}

fn in_disputes(course: &Course, section: &str, kind: &str) -> Finding {
    let open = |one: &&Dispute| {
        one.decided.is_none() && one.section == section && one.kind == kind && one.seen.is_some()
    };
    let count = course.disputes.iter().filter(open).count();
    holds(count > 0, format!("{count} open, of whatever patient: too many replicas to ask each"))
}

/// The members whose disks were lost and never replaced.
fn gone(course: &Course) -> BTreeSet<usize> {
    let lost = course.restores.iter().map(|one| one.member);
    lost.filter(|member| course.members[*member].entries == 0).collect()
}

/// The losses of disks after which the member came back: each but the last loss of one that is gone.
pub(super) fn came_back(course: &Course) -> Vec<&RestoreCourse> {
    let gone = gone(course);
    let last =
        |place: usize, member: usize| course.restores[place + 1..].iter().all(|later| later.member != member);
    let restores = course.restores.iter().enumerate();
    restores
        .filter(|(place, one)| !(gone.contains(&one.member) && last(*place, one.member)))
        .map(|(_, one)| one)
        .collect()
}

fn restores_complete(course: &Course) -> Finding {
    let restored = came_back(course);
    if restored.is_empty() {
        return Err("nothing was restored".to_owned());
    }
    let behind: u64 = restored.iter().filter_map(|one| one.behind).sum();
    let told = format!("{} restores, {behind} entries of their own were not in the backup", restored.len());
    holds(behind == 0, told)
}

// -- Time ---------------------------------------------------------------------------------------------------

fn converged(evidence: &Evidence<'_>, within: Duration) -> Finding {
    let equal = evidence.seen.sim.as_ref().is_some_and(|sim| sim.equal);
    match evidence.course.reunions.last() {
        None => {
            holds(equal, "nothing was ever whole again; those in reach of each other at the end".to_owned())
        }
        Some(last) => match last.converged {
            Some(converged) => {
                let took = converged.saturating_sub(last.healed);
                holds(took <= within && equal, format!("{} after the last fault", span(took)))
            }
            None => Err(format!(
                "not equal {} after the last fault",
                span(evidence.course.lasted.saturating_sub(last.healed))
            )),
        },
    }
}

fn restored(
    course: &Course,
    at_most: Duration,
    measure: impl Fn(&RestoreCourse) -> Option<Duration>,
) -> Finding {
    let restored = came_back(course);
    if restored.is_empty() {
        return Err("nothing was restored".to_owned());
    }
    let measured: Option<Vec<Duration>> = restored.iter().map(|one| measure(one)).collect();
    match measured.and_then(|measured| measured.into_iter().max()) {
        Some(most) => holds(most <= at_most, format!("{} at most, of {}", span(most), restored.len())),
        None => Err("one came back from nothing".to_owned()),
    }
}

/// The spans without mains or battery of a member.
fn dark(run: Run<'_>) -> Vec<Vec<(Duration, Duration)>> {
    let (scenario, course) = (run.scenario, run.course);
    let chance = Chance::of_seed(run.seed);
    let mut changes: Vec<(Duration, usize, bool)> = Vec::new();
    let happened = course.happenings.iter().filter(|happening| !happening.event.is_empty());
    for (number, happening) in happened.enumerate() {
        let by_mains = matches!(happening.event, "power-failure" | "second-quake");
        for timed in scenario.deeds(number, &chance) {
            let at = happening.at + timed.after;
            match timed.deed {
                Deed::PowerCut { at: member } | Deed::KillInMidWrite { at: member, .. } => {
                    changes.push((at, member, false));
                }
                Deed::Crash { at: member } if by_mains => changes.push((at, member, false)),
                Deed::Start { at: member } => changes.push((at, member, true)),
                _ => {}
            }
        }
    }
    changes.sort_by_key(|(at, ..)| *at);
    let mut spans = vec![Vec::new(); scenario.replicas.len()];
    let mut since: Vec<Option<Duration>> = vec![None; scenario.replicas.len()];
    for (at, member, on) in changes {
        match (since[member], on) {
            (Some(from), true) => {
                spans[member].push((from, at.min(course.lasted)));
                since[member] = None;
            }
            (None, false) => since[member] = Some(at.min(course.lasted)),
            (Some(_), false) | (None, true) => {}
        }
    }
    for (member, from) in since.into_iter().enumerate() {
        spans[member].extend(from.map(|from| (from, course.lasted)));
    }
    spans
}

/// How much of a span lies in any of some others, which do not overlap.
fn within(span: (Duration, Duration), others: &[(Duration, Duration)]) -> Duration {
    others.iter().map(|(from, to)| span.1.min(*to).saturating_sub(span.0.max(*from))).sum()
}

fn availability(run: Run<'_>, of: Access, at: &[usize], at_least: f64) -> Finding {
    let course = run.course;
    let dark = dark(run);
    let mut changes: Vec<Vec<(Duration, bool)>> = vec![Vec::new(); course.members.len()];
    for from in &course.able {
        let able = match of {
            Access::Read => from.able.read,
            Access::Write => from.able.write,
        };
        changes[from.member].push((from.at, able));
    }
    let mut shares: Vec<(f64, usize)> = Vec::new();
    for member in at.iter().copied() {
        let whole = (Duration::ZERO, course.lasted);
        let powered = course.lasted.saturating_sub(within(whole, &dark[member]));
        if powered.is_zero() {
            continue;
        }
        let mut able = Duration::ZERO;
        for (place, (from, can)) in changes[member].iter().enumerate() {
            let until = changes[member].get(place + 1).map_or(course.lasted, |(next, _)| *next);
            if *can {
                able += until.saturating_sub(*from).saturating_sub(within((*from, until), &dark[member]));
            }
        }
        shares.push((able.as_secs_f64() / powered.as_secs_f64(), member));
    }
    shares.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let Some((least, member)) = shares.first() else { return Err("none of them had power".to_owned()) };
    let below = shares.iter().filter(|(share, _)| *share < at_least).count();
    let name = &course.members[*member].name;
    let told = format!(
        "least at {name}: {:.2} % of the time with power; {below} of {} below {:.2} %",
        least * 100.0,
        shares.len(),
        at_least * 100.0
    );
    holds(below == 0, told)
}

// -- People and links ---------------------------------------------------------------------------------------

/// A decision without the record rested on nothing, and is too old whatever the limit.
fn staleness(course: &Course, at_most: Duration, share: f64) -> Finding {
    let decisions = course.decisions.len();
    if decisions == 0 {
        return Err("nobody decided anything: add a [[workload]]".to_owned());
    }
    let fresh = course.decisions.iter().filter(|one| one.read && one.stale <= at_most).count();
    let found = fresh as f64 / decisions as f64;
    let told =
        format!("{:.2} % of {decisions} decisions on knowledge of at most {}", found * 100.0, span(at_most));
    holds(found >= share, told)
}

fn quota_kept(course: &Course) -> Finding {
    let name = |end: usize| course.members[end].name.as_str();
    let (mut metered, mut over) = (0, Vec::new());
    for link in &course.links {
        let Some(quota) = link.quota_bytes_per_day else { continue };
        metered += 1;
        let days = link.bytes_by_hour.chunks(HOURS_A_DAY).map(|day| day.iter().sum::<u64>());
        let most = days.max().unwrap_or(0);
        if most > quota {
            let [one, other] = link.ends.map(name);
            over.push(format!("{one}–{other} carried {most} of {quota} bytes in a day"));
        }
    }
    match over.is_empty() {
        true => Ok(format!("{metered} links have a quota")),
        false => Err(some(&over)),
    }
}

/// Lists the first few, and says how many more there are.
fn some(items: &[String]) -> String {
    let mut told: Vec<String> = items.iter().take(NAMED_MAX).cloned().collect();
    if items.len() > NAMED_MAX {
        told.push(format!("and {} more", items.len() - NAMED_MAX));
    }
    told.join("; ")
}
