//! Expectations about time: how soon all hold the same, how soon and how well a disk comes back, how long people could work.

use std::time::Duration;

use super::super::chance::Chance;
use super::super::course::{Course, RestoreCourse};
use super::super::deed::Deed;
use super::super::invariants::{Evidence, Finding};
use super::super::judge::nothing_restored;
use super::super::scenario::{Access, Told};
use super::super::units::length;
use super::data::came_back;
use super::{Run, holds};

pub(super) fn converged(evidence: &Evidence<'_>, within: Duration) -> Finding {
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

pub(super) fn restored(
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

pub(super) fn availability(run: Run<'_>, of: Access, at: &[usize], at_least: f64) -> Finding {
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
