//! Judging what a scenario expects of a simulated run: a pure function of the scenario, its course and what was seen.
//!
//! Expectations about exports are judged as in a live run where the region is small enough to be read whole; those
//! about time, people and links are judged from the [`Course`], and so for a central system, too.

use std::time::Duration;

use super::chance::Chance;
use super::convergence::differences;
use super::course::{Course, Dispute, Mode, RestoreCourse};
use super::deed::Deed;
use super::invariants::{self, Evidence, Finding};
use super::judge::{Judged, Observations, nothing_restored, nothing_to_judge, wanted};
use super::scenario::{Access, Clinical, Expectation, Scenario, Told};
use super::units::{length, number};
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

fn holds(ok: bool, detail: Told) -> Finding {
    if ok { Ok(detail) } else { Err(detail) }
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
        Expectation::Staleness { at_most, share } => Some(staleness(course, *at_most, *share)),
        Expectation::Writes { at_least } => {
            let acknowledged = course.acknowledged;
            Some(holds(acknowledged >= *at_least, wanted(acknowledged, *at_least)))
        }
        Expectation::QuotaKept => Some(quota_kept(course)),
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
            let missing = missing.join(", ");
            Err(Told::of(
                format!("{} is lost at {missing}", loss.what),
                format!("{missing} で失われた：{}", loss.what),
            ))
        }
    }
}

/// Every replica that still has a disk holds the same.
fn heads_equal(evidence: &Evidence<'_>) -> Finding {
    let (scenario, course, seen) = (evidence.scenario, evidence.course, evidence.seen);
    let unseen = scenario.replicas.iter().enumerate();
    let unseen =
        unseen.filter(|(place, plan)| !seen.at_end.contains_key(&plan.name) && !course.is_lost(*place));
    let unseen: Vec<String> = unseen.map(|(_, plan)| plan.name.to_string()).collect();
    if !unseen.is_empty() {
        let unseen = Told::some(&unseen, NAMED_MAX);
        return Err(Told::of(
            format!("not seen: {}", unseen.en),
            format!("観測できなかった拠点：{}", unseen.ja),
        ));
    }
    let differing = differences(&seen.at_end);
    match differing.is_empty() {
        true => {
            let count = invariants::how_many(evidence);
            Ok(Told::of(format!("{} hold the same", count.en), format!("{}が同じものを持つ", count.ja)))
        }
        false => Err(Told::some(&differing, NAMED_MAX)),
    }
}

fn in_disputes(course: &Course, section: &str, kind: &str) -> Finding {
    let open = |one: &&Dispute| {
        one.decided.is_none() && one.section == section && one.kind == kind && one.seen.is_some()
    };
    let count = course.disputes.iter().filter(open).count();
    holds(
        count > 0,
        Told::of(
            format!("{count} open, of whatever patient: too many replicas to ask each"),
            format!("未解決 {count} 件（拠点が多いため患者を問わず数えた）"),
        ),
    )
}

/// The losses of disks after which the member came back.
pub(super) fn came_back(course: &Course) -> Vec<&RestoreCourse> {
    course.restores.iter().filter(|one| one.back.is_some()).collect()
}

fn restores_complete(course: &Course) -> Finding {
    let restored = came_back(course);
    if restored.is_empty() {
        return Err(nothing_restored());
    }
    let out = course.restores.len() - restored.len();
    let behind: u64 = restored.iter().filter_map(|one| one.behind).sum();
    let count = restored.len();
    let (out_ja, out_en) = match out {
        0 => (String::new(), String::new()),
        out => {
            (format!("（ほかに終了まで復旧せず {out} 件）"), format!(" ({out} more not restored by the end)"))
        }
    };
    let told = Told::of(
        format!("{count} restores{out_en}, {behind} entries of their own were not in the backup"),
        format!("復元 {count} 件{out_ja}、自らの記入でバックアップになかったもの {behind} 件"),
    );
    holds(behind == 0, told)
}

// -- Time ---------------------------------------------------------------------------------------------------

fn converged(evidence: &Evidence<'_>, within: Duration) -> Finding {
    let equal = evidence.seen.sim.as_ref().is_some_and(|sim| sim.equal);
    match evidence.course.reunions.last() {
        None => {
            let told = Told::of(
                "nothing was ever whole again; those in reach of each other at the end",
                "すべてが元に戻ることはなかった。終了時に届き合う拠点どうしで判定した",
            );
            holds(equal, told)
        }
        Some(last) => match last.converged {
            Some(converged) => {
                let took = converged.saturating_sub(last.healed);
                let (told, most) = (length(took), length(within));
                holds(
                    took <= within && equal,
                    Told::of(
                        format!("{} after the last fault (at most {})", told.en, most.en),
                        format!("最後の障害が止んでから {}（上限 {}）", told.ja, most.ja),
                    ),
                )
            }
            None => {
                let waited = length(evidence.course.lasted.saturating_sub(last.healed));
                let most = length(within);
                Err(Told::of(
                    format!("not equal {} after the last fault (at most {})", waited.en, most.en),
                    format!("最後の障害が止んで {}後も一致せず（上限 {}）", waited.ja, most.ja),
                ))
            }
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
        return Err(nothing_restored());
    }
    let measured: Option<Vec<Duration>> = restored.iter().map(|one| measure(one)).collect();
    match measured.and_then(|measured| measured.into_iter().max()) {
        Some(most) => {
            let (told, limit, count) = (length(most), length(at_most), restored.len());
            let out = course.restores.len() - count;
            let (out_ja, out_en) = match out {
                0 => (String::new(), String::new()),
                out => (
                    format!("。ほかに終了まで復旧せず {out} 件"),
                    format!("; {out} more not restored by the end"),
                ),
            };
            let told = Told::of(
                format!("longest {} (at most {}), {count} restored{out_en}", told.en, limit.en),
                format!("最長 {}（上限 {}）、復元 {count} 件{out_ja}", told.ja, limit.ja),
            );
            holds(most <= at_most, told)
        }
        None => Err(Told::of("one came back from nothing", "元になるバックアップのない復元があった")),
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
    let Some((least, member)) = shares.first() else {
        return Err(Told::of("none of them had power", "電源のある拠点がなかった"));
    };
    let below = shares.iter().filter(|(share, _)| *share < at_least).count();
    let name = &course.members[*member].name;
    let (least, limit, all) = (least * 100.0, at_least * 100.0, shares.len());
    let told = Told::of(
        format!(
            "least at {name}: {least:.2} % of the time with power (at least {limit:.2} %); {below} of {all} below it"
        ),
        format!(
            "最低は {name}：電源のある時間の {least:.2} %（下限 {limit:.2} %）。これに満たないのは {all} 拠点のうち {below}"
        ),
    );
    holds(below == 0, told)
}

// -- People and links ---------------------------------------------------------------------------------------

/// A decision without the record rested on nothing, and is too old whatever the limit.
fn staleness(course: &Course, at_most: Duration, share: f64) -> Finding {
    let decisions = course.decisions.len();
    if decisions == 0 {
        return Err(Told::of(
            "nobody decided anything: add a [[workload]]",
            "判断が一つもなかった：[[workload]] を加える",
        ));
    }
    let fresh = course.decisions.iter().filter(|one| one.read && one.stale <= at_most).count();
    let found = fresh as f64 / decisions as f64;
    let unread = course.decisions.iter().filter(|one| !one.read).count() as u64;
    let (percent, limit, least) = (found * 100.0, length(at_most), share * 100.0);
    let (decisions, unread) = (number(decisions as u64), number(unread));
    let told = Told::of(
        format!(
            "{percent:.2} % of {decisions} decisions on knowledge of at most {} (at least {least:.2} %); \
             {unread} without the record count as too old",
            limit.en
        ),
        format!(
            "判断 {decisions} 件の {percent:.2} % は、古さ {}以内の情報に基づいた（下限 {least:.2} %）。\
             記録を開けなかった {unread} 件は、古いものに数える",
            limit.ja
        ),
    );
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
            over.push(format!("{one}–{other} {most} / {quota} B"));
        }
    }
    match over.is_empty() {
        true if metered == 0 => Ok(nothing_to_judge("no link has a quota", "上限のある回線がない")),
        true => Ok(Told::of(
            format!("{metered} links have a quota, and none exceeded it"),
            format!("上限のある回線 {metered} 本、超えたものなし"),
        )),
        false => {
            let told = Told::some(&over, NAMED_MAX);
            Err(Told::of(
                format!("carried more in a day than they may: {}", told.en),
                format!("一日の上限を超えた：{}", told.ja),
            ))
        }
    }
}
