//! Findings about lines and faults: what took long, what was too much, and what the faults did.

use std::time::Duration;

use super::{Finding, FindingKind, Tone};
use crate::drill::course::{Course, Faults, Reunion};
use crate::drill::report::measures::Measures;
use crate::drill::report::spans::spans;
use crate::drill::report::wording::{bytes, civil, number, of_quota, seconds, site, told};
use crate::drill::scenario::Told;

/// Computes them.
pub(super) fn findings(course: &Course, measures: &Measures) -> Vec<Finding> {
    let all = [
        not_converged(course, measures),
        slowest(course, measures),
        all_converged(measures),
        over_quota(course, measures),
        events_failed(course, measures),
        idle(&course.faults),
        harmless(course, measures),
    ];
    all.into_iter().flatten().collect()
}

fn not_converged(course: &Course, measures: &Measures) -> Option<Finding> {
    let last = course.reunions.last()?;
    let open = measures.convergence.open;
    if open == 0 {
        return None;
    }
    let at_end = last.converged.is_none();
    let (open, of) = (number(open), number(measures.convergence.reunions));
    let (ja, en) = match at_end {
        true => ("終了時にも一致していなかった。", "They still differed at the end."),
        false => ("終了時には一致していた。", "At the end they agreed."),
    };
    Some(Finding::new(
        FindingKind::NotConverged,
        if at_end { Tone::Concern } else { Tone::Note },
        format!("復旧 {of} 回のうち {open} 回は、次の障害または終了までに全拠点の記録がそろわなかった。{ja}"),
        format!(
            "After {open} of {of} reunions the records did not become equal before the next fault or the end. {en}"
        ),
    ))
}

fn slowest(course: &Course, measures: &Measures) -> Option<Finding> {
    let most = seconds(measures.convergence.max_s?);
    let half = seconds(measures.convergence.p50_s?);
    let slowest = course
        .reunions
        .iter()
        .filter(|one| one.converged.is_some())
        .max_by_key(|one| one.converged.map(|at| at.saturating_sub(one.healed)))?;
    let at = civil(course, slowest.healed);
    let (last_ja, last_en) = match slowest.last {
        None => (String::new(), String::new()),
        Some(member) => {
            let place = site(course, member);
            let without = seconds(unlinked(course, member, slowest).as_secs_f64());
            (
                format!("最後にそろったのは「{place}」で、その間に届く回線がなかった時間は{}。", without.ja),
                format!(
                    " The last was {place}, which had nobody to talk to for {} of that time.",
                    without.en
                ),
            )
        }
    };
    Some(Finding::new(
        FindingKind::SlowestReunion,
        Tone::Note,
        format!(
            "回線が戻ってから全拠点の記録がそろうまで、最長 {}（{at} の復旧）、中央値 {}。{last_ja}",
            most.ja, half.ja
        ),
        format!(
            "From the return of the lines until all held the same: at most {} (after {at}), median {}.{last_en}",
            most.en, half.en
        ),
    ))
}

/// Returns for how long of a reunion a replica was linked with nobody, or did not run.
fn unlinked(course: &Course, member: usize, reunion: &Reunion) -> Duration {
    let until = reunion.converged.unwrap_or(reunion.until);
    let all = spans(course);
    all.get(member)
        .into_iter()
        .flatten()
        .filter(|span| !span.able.linked)
        .map(|span| span.until.min(until).saturating_sub(span.from.max(reunion.healed)))
        .sum()
}

fn all_converged(measures: &Measures) -> Option<Finding> {
    let found = &measures.convergence;
    if found.reunions == 0 || found.open > 0 {
        return None;
    }
    let (count, most) = (number(found.reunions), seconds(found.max_s?));
    let (whom_ja, whom_en) = match found.lost_for_good {
        0 => (
            format!("全 {} 拠点", number(found.replicas)),
            format!("all {} replicas", number(found.replicas)),
        ),
        lost => {
            let (of, all, lost) = (number(found.replicas), number(measures.replicas), number(lost));
            (
                format!("{all} 拠点のうち、ディスクを失い復旧しなかった {lost} 拠点を除く {of} 拠点"),
                format!("{of} of {all} replicas (those that lost their disk and never came back: {lost})"),
            )
        }
    };
    Some(Finding::new(
        FindingKind::AllConverged,
        Tone::Good,
        format!("復旧 {count} 回のすべてで、{whom_ja}の記録が自動的にそろった（最長 {}）。", most.ja),
        format!(
            "After each of {count} reunions {whom_en} came to hold the same by themselves (the slowest within {}).",
            most.en
        ),
    ))
}

fn over_quota(course: &Course, measures: &Measures) -> Option<Finding> {
    let worst =
        measures.links.worst.first().filter(|worst| worst.of_quota.is_some_and(|share| share > 1.0))?;
    let ends = course.links.get(worst.link)?.ends.map(|member| site(course, member));
    let (count, of) = (number(measures.links.over_quota), number(measures.links.with_quota));
    let (share, day, quota) =
        (of_quota(worst.of_quota?), bytes(worst.busiest_day), bytes(worst.quota_per_day.unwrap_or(0)));
    Some(Finding::new(
        FindingKind::OverQuota,
        Tone::Concern,
        format!(
            "通信量の上限がある回線 {of} 本のうち {count} 本が、一日の上限を超えた。最大は「{}」–「{}」の {day}（上限 {quota} の {share}）。",
            ends[0], ends[1]
        ),
        format!(
            "Links that carried more in a day than they may: {count} of {of} with a quota; most of all {} – {}: {day}, {share} of {quota}.",
            ends[0], ends[1]
        ),
    ))
}

fn events_failed(course: &Course, measures: &Measures) -> Option<Finding> {
    let first = course.happenings.iter().find(|one| one.failed.is_some())?;
    let (count, at) = (number(measures.writing.events_failed), civil(course, first.at));
    let what = Told {
        ja: if first.told.ja.is_empty() {
            first.event.to_owned()
        } else {
            first.told.ja.trim_end_matches('。').to_owned()
        },
        en: if first.told.en.is_empty() { first.event.to_owned() } else { first.told.en.clone() },
    };
    Some(Finding::new(
        FindingKind::EventsFailed,
        Tone::Concern,
        format!("訓練の出来事のうち {count} 件が予定どおりに行えなかった。最初は {at}「{}」。", what.ja),
        format!("Events of the scenario that could not be done: {count}. The first, at {at}: {}", what.en),
    ))
}

/// A class of faults: how it is called, how often it was made, and whether that had the effect to be tested.
struct Class {
    name: Told,
    made: u64,
    hit: bool,
    untested: Told,
}

fn classes(faults: &Faults) -> Vec<Class> {
    let class = |name: Told, made: u64, hit: bool, untested: Told| Class { name, made, hit, untested };
    let plain = |ja: &str, en: &str, made: u64| class(told(ja, en), made, true, Told::default());
    vec![
        plain("届かなかった通信", "messages lost", faults.messages_dropped),
        plain("切れた接続", "broken connections", faults.connections_broken),
        plain("異常終了", "crashes", faults.crashes),
        class(
            told("停電", "power cuts"),
            faults.power_cuts,
            faults.writes_torn + faults.sectors_lost > 0,
            told(
                "停電で失われた、または途中で切れたセクターはディスクに一つもなく、途中で切れた書き込みからの回復は試されなかった",
                "when power failed, no sector was lost or torn on any disk: the recovery from a torn write was not tried",
            ),
        ),
        class(
            told("劣化したセクター", "rotten sectors"),
            faults.sectors_rotten,
            faults.rot_found > 0,
            told(
                "劣化したセクターは読まれず、検出は試されなかった",
                "nobody read the rotten sectors: finding rot was not tested",
            ),
        ),
        plain("満杯のための書き込み拒否", "refusals by full disks", faults.full_refusals),
        plain("狂った時計", "wrong clocks", faults.clocks_changed),
        plain("バックアップ先の拒否", "bucket failures", faults.bucket_refusals),
        plain("改ざんの試み", "altered runs", faults.lies_told),
        plain("一時停止", "freezes", faults.freezes),
        plain("失われたディスク", "disks lost", faults.disks_lost),
    ]
}

fn idle(faults: &Faults) -> Option<Finding> {
    let idle: Vec<Class> = classes(faults).into_iter().filter(|class| class.made > 0 && !class.hit).collect();
    if idle.is_empty() {
        return None;
    }
    let join = |of: fn(&Told) -> &str, gap: &str| {
        idle.iter().map(|class| of(&class.untested)).collect::<Vec<_>>().join(gap)
    };
    Some(Finding::new(
        FindingKind::FaultsIdle,
        Tone::Note,
        format!("効果のなかった障害：{}。", join(|told| &told.ja, "；")),
        format!("Faults without effect: {}.", join(|told| &told.en, "; ")),
    ))
}

fn harmless(course: &Course, measures: &Measures) -> Option<Finding> {
    let faults = &course.faults;
    let made: Vec<Class> = classes(faults).into_iter().filter(|class| class.made > 0 && class.hit).collect();
    let harm = !course.lost.is_empty()
        || measures.restores.lost_entries != Some(0)
        || faults.lies_told > faults.lies_refused;
    if made.is_empty() || harm {
        return None;
    }
    let join = |of: fn(&Told) -> &str, gap: &str| {
        made.iter()
            .map(|class| format!("{} {}", of(&class.name), number(class.made)))
            .collect::<Vec<_>>()
            .join(gap)
    };
    Some(Finding::new(
        FindingKind::FaultsHarmless,
        Tone::Good,
        format!(
            "起こした障害のうち {} 種類は、記録の喪失も改ざんも招かなかった：{}。",
            made.len(),
            join(|told| &told.ja, "、")
        ),
        format!(
            "{} classes of faults cost no record and let no forgery in: {}.",
            made.len(),
            join(|told| &told.en, ", ")
        ),
    ))
}
