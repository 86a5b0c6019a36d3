//! Findings about who could read and write, and on what knowledge people decided.

use std::time::Duration;

use super::apart::longest_apart;
use super::{Finding, FindingKind, Tone};
use crate::drill::course::{Course, Decision, Mode};
use crate::drill::report::measures::{Measures, isolated};
use crate::drill::report::spans::spans;
use crate::drill::report::wording::{civil, length, number, percent, seconds, site, told};
use crate::drill::scenario::Told;

/// Ages that findings speak of, in minutes: the oldest that enough decisions exceed is told.
const AGES_MIN: [u64; 9] = [2_880, 1_440, 720, 360, 180, 60, 30, 10, 1];
/// Of 20 stale decisions, so many must exceed an age for it to be told.
const OF_TWENTY: usize = 4;
/// Most sites that a finding lists.
const SITES_MAX: usize = 4;

/// Computes them.
pub(super) fn findings(course: &Course, measures: &Measures) -> Vec<Finding> {
    let all = [
        unread(course, measures),
        unwritten(course, measures),
        apart(course),
        stale(course, measures),
        isolation(course),
        worst(course, measures),
        always_readable(course, measures),
        always_current(measures),
    ];
    all.into_iter().flatten().collect()
}

fn unread(course: &Course, measures: &Measures) -> Option<Finding> {
    let (unread, of) = (measures.staleness.unread, measures.staleness.decisions);
    let (place, most) = most_at(course, |decision| !decision.read)?;
    let share = percent(unread as f64 / of.max(1) as f64);
    let (unread, of, most) = (number(unread), number(of), number(most));
    let why = why_unread(measures);
    Some(Finding::new(
        FindingKind::UnreadDecisions,
        Tone::Danger,
        format!(
            "判断 {of} 件のうち {unread} 件（{share}）は、患者の記録を開けないまま行われた（最多は「{place}」の {most} 件）。{}",
            why.ja
        ),
        format!(
            "{unread} of {of} decisions ({share}) were made without being able to open the patient's record (most at {place}: {most}). {}",
            why.en
        ),
    ))
}

/// Says what it means that a decision was made without the record: the causes, and how often each.
fn why_unread(measures: &Measures) -> Told {
    let why = &measures.staleness.unread_why;
    let not_running = match measures.mode {
        Mode::Central => told(
            "中央に届かないか端末が止まっていた",
            "the centre could not be reached or the device was off",
        ),
        Mode::Live | Mode::Sim => {
            told("端末が動いていなかった（停電など）", "the device did not run (no power)")
        }
    };
    let alone = match why.not_held_alone {
        0 => Told::default(),
        alone => {
            let alone = number(alone);
            told(
                format!("、うち {alone} 件はどことも通じない間"),
                format!(", {alone} of them while in touch with nobody"),
            )
        }
    };
    let not_held = told(
        format!(
            "動いている端末にその人の記録がまだ届いていないか、元々置かれていなかった {} 件{}",
            number(why.not_held),
            alone.ja
        ),
        format!(
            "{} where the device ran and did not hold the person's record (not arrived yet, or kept elsewhere{})",
            number(why.not_held),
            alone.en
        ),
    );
    let causes = [
        (why.not_held, not_held),
        (
            why.not_running,
            told(
                format!("{} {} 件", not_running.ja, number(why.not_running)),
                format!("{} where {}", number(why.not_running), not_running.en),
            ),
        ),
        (
            why.disk_lost,
            told(
                format!("ディスクを失い復旧前だった {} 件", number(why.disk_lost)),
                format!("{} where the disk was lost and not yet restored", number(why.disk_lost)),
            ),
        ),
    ];
    let list = |of: fn(&Told) -> &str, gap: &str| {
        let told = causes.iter().filter(|(count, _)| *count > 0).map(|(_, cause)| of(cause));
        told.collect::<Vec<_>>().join(gap)
    };
    told(
        format!("理由：{}。", list(|told| &told.ja, "、")),
        format!("The causes: {}.", list(|told| &told.en, "; ")),
    )
}

fn unwritten(course: &Course, measures: &Measures) -> Option<Finding> {
    let unwritten = measures.staleness.unwritten;
    let (place, most) = most_at(course, |decision| !decision.written)?;
    let (unwritten, most) = (number(unwritten), number(most));
    Some(Finding::new(
        FindingKind::UnwrittenDecisions,
        Tone::Concern,
        format!(
            "行ったことをその場で記録できなかった判断が {unwritten} 件（最多は「{place}」の {most} 件）。紙に控えて後から入力する手順が要る。"
        ),
        format!(
            "Decisions that could not be recorded at once: {unwritten} (most at {place}: {most}). They need paper, and somebody who types it in later."
        ),
    ))
}

/// Returns the site with the most decisions of some kind.
fn most_at(course: &Course, is: impl Fn(&Decision) -> bool) -> Option<(String, u64)> {
    let mut counts = vec![0_u64; course.members.len()];
    for decision in course.decisions.iter().filter(|decision| is(decision)) {
        if let Some(count) = counts.get_mut(decision.member) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let member = counts.iter().position(|count| *count == most)?;
    Some((site(course, member), most))
}

/// Returns the oldest age of [`AGES_MIN`] that a good part of stale decisions exceeds, and how many do.
fn telling_age<'c>(decisions: impl Iterator<Item = &'c Decision>) -> Option<(Duration, usize)> {
    let stale: Vec<Duration> =
        decisions.filter(|one| one.read && one.unknown > 0).map(|one| one.stale).collect();
    AGES_MIN.into_iter().find_map(|minutes| {
        let age = Duration::from_secs(minutes * 60);
        let older = stale.iter().filter(|stale| **stale > age).count();
        (older > 0 && older * 20 >= stale.len() * OF_TWENTY).then_some((age, older))
    })
}

fn apart(course: &Course) -> Option<Finding> {
    let apart = longest_apart(course)?;
    let [one, other] = apart.between.map(|member| site(course, member));
    let within = course.decisions.iter().filter(|decision| {
        apart.between.contains(&decision.member) && decision.at >= apart.from && decision.at < apart.until
    });
    let (time, from) = (length(apart.until - apart.from), civil(course, apart.from));
    let (ja, en) = match telling_age(within) {
        Some((age, count)) => {
            let (age, count) = (length(age), number(count as u64));
            (
                format!("その間、両拠点の判断のうち {count} 件は {}より古い情報に基づいていた。", age.ja),
                format!(" Decisions at the two in that time on knowledge older than {}: {count}.", age.en),
            )
        }
        None => (String::new(), String::new()),
    };
    Some(Finding::new(
        FindingKind::Apart,
        Tone::Concern,
        format!(
            "最も長い断絶：「{one}」と「{other}」は {from} から {}、どの回線を経ても互いに届かなかった。{ja}",
            time.ja
        ),
        format!(
            "Longest separation: {one} and {other} had no way to each other over any line for {}, from {from}.{en}",
            time.en
        ),
    ))
}

fn stale(course: &Course, measures: &Measures) -> Option<Finding> {
    let found = &measures.staleness;
    if found.stale == 0 {
        return None;
    }
    let oldest = seconds(found.max_s?);
    let share = percent(found.stale as f64 / found.decisions.max(1) as f64);
    let (older_ja, older_en) = match telling_age(course.decisions.iter()) {
        Some((age, count)) => {
            let (age, count) = (length(age), number(count as u64));
            (
                format!("うち {count} 件は {}より古く、", age.ja),
                format!(" on knowledge older than {}: {count};", age.en),
            )
        }
        None => (String::new(), String::new()),
    };
    let (stale, half) = (number(found.stale), seconds(found.stale_p50_s.unwrap_or(0.0)));
    Some(Finding::new(
        FindingKind::StaleDecisions,
        Tone::Concern,
        format!(
            "他の拠点の新しい記入を知らずに行われた判断が {stale} 件（全体の {share}）。{older_ja}最も古いものは {}（これらの中央値 {}）。",
            oldest.ja, half.ja
        ),
        format!(
            "Decisions made without knowing what had been written elsewhere: {stale} ({share} of all);{older_en} the oldest by {} (median of these {}).",
            oldest.en, half.en
        ),
    ))
}

fn isolation(course: &Course) -> Option<Finding> {
    let mut found: Vec<(Duration, Duration, usize)> = spans(course)
        .iter()
        .enumerate()
        .filter_map(|(member, spans)| isolated(spans).map(|(length, from)| (length, from, member)))
        .collect();
    found.sort_by_key(|(length, from, member)| (std::cmp::Reverse(*length), *from, *member));
    let (_, first_from, _) = *found.first()?;
    let list = |of: fn(&Told) -> &String, [open, close, gap]: [&str; 3]| {
        let sites = found.iter().take(SITES_MAX);
        let told = sites.map(|(time, _, member)| {
            format!("{}{}{}{}", site(course, *member), open, of(&length(*time)), close)
        });
        told.collect::<Vec<_>>().join(gap)
    };
    let (more_ja, more_en) = match found.get(SITES_MAX..).unwrap_or_default() {
        [] => (String::new(), String::new()),
        [longest, ..] => {
            let (more, most) = (number((found.len() - SITES_MAX) as u64), length(longest.0));
            (
                format!("。ほか {more} 拠点の孤立は最長でも {}", most.ja),
                format!(". {more} more replicas were isolated, each for at most {}", most.en),
            )
        }
    };
    Some(Finding::new(
        FindingKind::Isolation,
        Tone::Note,
        format!(
            "最も長い孤立（動いているがどの拠点にも届かなくなってから、再び届くまで。間の電源断を含む）：{}{more_ja}。最初に挙げた拠点は {} から。",
            list(|told| &told.ja, ["（", "）", "、"]),
            civil(course, first_from)
        ),
        format!(
            "Longest isolation (from running in touch with nobody to being in touch again; time without power in between counts): {}{more_en}. The first of these from {}.",
            list(|told| &told.en, [" (", ")", ", "]),
            civil(course, first_from)
        ),
    ))
}

fn worst(course: &Course, measures: &Measures) -> Option<Finding> {
    let worst = measures.availability.worst.first()?;
    let place = site(course, worst.member);
    let (read, write, longest) =
        (percent(worst.shares.read), percent(worst.shares.write), seconds(worst.longest_unread_s));
    let below = measures.replicas - measures.availability.always_both;
    let (below, of) = (number(below), number(measures.replicas));
    let unread = worst.longest_unread_s > 0.0;
    let tail_ja =
        if unread { format!("、続けて最長 {}、閲覧できず", longest.ja) } else { String::new() };
    let tail_en =
        if unread { format!(", at worst {} in a row without reading", longest.en) } else { String::new() };
    Some(Finding::new(
        FindingKind::WorstAvailability,
        Tone::Concern,
        format!(
            "閲覧または記入ができない時間があった拠点は {of} のうち {below}。最も低いのは「{place}」：閲覧できた時間 {read}、記入できた時間 {write}{tail_ja}。"
        ),
        format!(
            "{below} of {of} replicas could not read or write for some time. Lowest is {place}: reading {read}, writing {write} of the time{tail_en}."
        ),
    ))
}

fn always_readable(course: &Course, measures: &Measures) -> Option<Finding> {
    let all = measures.availability.always_read;
    if all == 0 || all < measures.replicas {
        return None;
    }
    let all = number(all);
    let time = length(course.lasted);
    Some(Finding::new(
        FindingKind::AlwaysReadable,
        Tone::Good,
        format!("{all} 拠点すべてで、{}を通して記録を閲覧できた。", time.ja),
        format!("All {all} replicas could read their records throughout the {}.", time.en),
    ))
}

fn always_current(measures: &Measures) -> Option<Finding> {
    let found = &measures.staleness;
    if found.decisions == 0 || found.stale > 0 || found.unread > 0 {
        return None;
    }
    let count = number(found.decisions);
    Some(Finding::new(
        FindingKind::AlwaysCurrent,
        Tone::Good,
        format!("判断 {count} 件はすべて最新の記録に基づいていた。"),
        format!("All {count} decisions rested on records that were up to date."),
    ))
}
