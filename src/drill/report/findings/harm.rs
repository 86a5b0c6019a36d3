//! Findings about people and their records: what was lost, contradicted, warned of late, or restored.

use super::{Finding, FindingKind, Tone};
use crate::drill::course::{Course, Dispute, Mode, RestoreCourse};
use crate::drill::report::measures::{Measures, first_fault, is_open_before, late};
use crate::drill::report::wording::{at_least, civil, harm, kind, number, person, seconds, site, told};
use crate::drill::scenario::Told;

/// Most names that one finding lists.
const NAMED_MAX: usize = 3;
/// The section of disputes that safety checks found; all others are statements that contradict each other.
const ALERTS: &str = "alerts";

/// Computes them.
pub(super) fn findings(course: &Course, measures: &Measures) -> Vec<Finding> {
    let all = [
        lost_writes(course),
        nothing_lost(course),
        lost_with_disk(course),
        lies_accepted(course),
        open_disputes(course, measures),
        all_settled(course),
        late_alerts(course, measures),
        unseen(course),
        recovery(course, measures),
        held_by_one(course),
    ];
    all.into_iter().flatten().collect()
}

fn lost_writes(course: &Course) -> Option<Finding> {
    let first = course.lost.first()?;
    let (count, of) = (number(course.lost.len() as u64), number(course.acknowledged));
    let most = course.lost.iter().map(|lost| lost.missing_at.len()).max().unwrap_or(0);
    let place = site(course, first.member);
    Some(Finding::new(
        FindingKind::LostWrites,
        Tone::Danger,
        format!(
            "「保存しました」と答えた記入 {of} 件のうち {count} 件が、持つべき拠点に残っていない（最初は「{place}」で記入、最大 {most} 拠点で欠落）。"
        ),
        format!(
            "Acknowledged writes that are missing where they should be: {count} of {of} (the first was written at {place}; at most {most} replicas lack one)."
        ),
    ))
}

fn nothing_lost(course: &Course) -> Option<Finding> {
    let lost_with_disk: u64 = course.restores.iter().filter_map(|restore| restore.lost_entries).sum();
    if course.acknowledged == 0
        || !course.lost.is_empty()
        || lost_with_disk > 0
        || course.mode == Mode::Central
    {
        return None;
    }
    let of = number(course.acknowledged);
    Some(Finding::new(
        FindingKind::NothingLost,
        Tone::Good,
        format!("「保存しました」と答えた記入 {of} 件は、一件も失われなかった。"),
        format!("None of the {of} writes that were acknowledged was lost."),
    ))
}

fn lost_with_disk(course: &Course) -> Option<Finding> {
    let counted = |one: &RestoreCourse| one.lost_entries.unwrap_or_default();
    let worst = course.restores.iter().filter(|one| counted(one) > 0).max_by_key(|one| counted(one))?;
    let all: u64 = course.restores.iter().map(counted).sum();
    let (all, worst_count, place) = (number(all), number(counted(worst)), site(course, worst.member));
    let of = number(course.acknowledged);
    let (lost_ja, lost_en) = match course.lost.len() as u64 {
        0 => ("一件も失わなかった".to_owned(), "none".to_owned()),
        lost => (format!("{} 件を失った", number(lost)), number(lost)),
    };
    Some(Finding::new(
        FindingKind::LostWithDisk,
        Tone::Danger,
        format!(
            "受理した記入 {of} 件のうち、システムは{lost_ja}が、ほかに {all} 件は唯一の写しが壊されたディスクにあり、どのバックアップにも他の拠点にもなかった（最多は「{place}」の {worst_count} 件）。"
        ),
        format!(
            "Of {of} acknowledged writes the system lost {lost_en}; the only copy of {all} more was on a disk that was destroyed: no backup and no other replica held them (most at {place}: {worst_count})."
        ),
    ))
}

fn lies_accepted(course: &Course) -> Option<Finding> {
    let accepted =
        course.faults.lies_told.checked_sub(course.faults.lies_refused).filter(|count| *count > 0)?;
    let (accepted, told) = (number(accepted), number(course.faults.lies_told));
    Some(Finding::new(
        FindingKind::LiesAccepted,
        Tone::Danger,
        format!("改ざんされた記録 {told} 件のうち {accepted} 件が拒否されなかった。"),
        format!("Altered runs that an attacker offered and nobody refused: {accepted} of {told}."),
    ))
}

fn harmful(dispute: &&Dispute) -> bool {
    dispute.harm != "none"
}

fn open_disputes(course: &Course, measures: &Measures) -> Option<Finding> {
    let open = measures.open_harm();
    if open == 0 {
        return None;
    }
    let of = |wanted: &str| {
        course.disputes.iter().filter(|one| one.harm == wanted && one.decided.is_none()).count()
    };
    let (grave, caution) = (of("contraindicated"), of("caution"));
    let alerts =
        course.disputes.iter().filter(harmful).filter(|one| one.decided.is_none() && one.section == ALERTS);
    let alerts = alerts.count() as u64;
    let contradictions = number(open - alerts);
    let alerts = number(alerts);
    let (nobody_ja, nobody_en) = match course.disputes.iter().any(|one| one.decided.is_some()) {
        true => ("", ""),
        false => ("この訓練では誰も判断を下さなかった。", " Nobody decided any of them in this exercise."),
    };
    let oldest = course
        .disputes
        .iter()
        .filter(harmful)
        .filter(|one| one.decided.is_none())
        .map(|one| one.arose)
        .min()?;
    let age = seconds(course.lasted.saturating_sub(oldest).as_secs_f64());
    let fault = first_fault(course);
    let before = course.disputes.iter().filter(harmful).filter(|one| is_open_before(fault, one)).count();
    let (open, before) = (number(open), number(before as u64));
    let (before_ja, before_en) = match fault {
        None => (String::new(), String::new()),
        Some(_) => (
            format!("うち {before} 件は最初の障害より前に生じた。"),
            format!(" Of these, {before} arose before the first fault."),
        ),
    };
    Some(Finding::new(
        FindingKind::OpenDisputes,
        if grave > 0 { Tone::Danger } else { Tone::Concern },
        format!(
            "害のおそれがある矛盾・警告 {open} 件が終了時にも未解決：記載どうしの矛盾 {contradictions}、安全警告 {alerts}（禁忌 {grave}、注意 {caution}）。{nobody_ja}{before_ja}最も古いものは終了の{}前に生じた。",
            age.ja
        ),
        format!(
            "Contradictions or warnings with possible harm still open at the end: {open}, which are {contradictions} contradictions between statements and {alerts} safety alerts (contraindicated {grave}, caution {caution}).{nobody_en} The oldest arose {} before the end.{before_en}",
            age.en
        ),
    ))
}

fn all_settled(course: &Course) -> Option<Finding> {
    let harmful: Vec<_> = course.disputes.iter().filter(harmful).collect();
    if harmful.is_empty() || harmful.iter().any(|one| one.decided.is_none()) {
        return None;
    }
    let slowest = harmful.iter().filter_map(|one| Some(one.decided?.saturating_sub(one.arose))).max()?;
    let (count, slowest) = (number(harmful.len() as u64), seconds(slowest.as_secs_f64()));
    Some(Finding::new(
        FindingKind::AllSettled,
        Tone::Good,
        format!(
            "害のおそれがある矛盾・警告 {count} 件は、すべて人が確認して解決した（最長 {}）。",
            slowest.ja
        ),
        format!(
            "Every contradiction and warning with possible harm was settled by a person: {count} (the slowest after {}).",
            slowest.en
        ),
    ))
}

fn late_alerts(course: &Course, measures: &Measures) -> Option<Finding> {
    let count = measures.late_harm();
    let lateness = |one: &Dispute| late(course, one);
    let worst = course
        .disputes
        .iter()
        .filter(harmful)
        .filter(|one| lateness(one).is_some())
        .max_by_key(|one| lateness(one))?;
    let most = seconds(lateness(worst)?.as_secs_f64());
    let places: Vec<String> = worst.written_at.iter().map(|member| site(course, *member)).collect();
    let (whom, what) = (person(worst), kind(&worst.kind));
    let (places_ja, places_en) = (places.join("、"), places.join(", "));
    let by_harm: Vec<_> = measures.late.harms.iter().filter(|one| one.harm != "none").collect();
    let list = |of: fn(&Told) -> &str, gap: &str| {
        let told = by_harm.iter().map(|one| format!("{} {}", of(&harm(&one.harm)), number(one.count)));
        told.collect::<Vec<_>>().join(gap)
    };
    let grave = by_harm.iter().any(|one| one.harm == "contraindicated");
    let count = number(count);
    Some(Finding::new(
        FindingKind::LateAlerts,
        if grave { Tone::Danger } else { Tone::Concern },
        format!(
            "回線の断絶のため、害のおそれがある矛盾・警告 {count} 件の表示が遅れた（{}）。最大の遅れは {}：{whom}、{}（記入は {places_ja}）。",
            list(|told| &told.ja, "、"),
            most.ja,
            what.ja
        ),
        format!(
            "Contradictions or warnings with possible harm that were shown too late because lines were cut: {count} ({}); the latest by {}: {whom}, {} (written at {places_en}).",
            list(|told| &told.en, ", "),
            most.en,
            what.en
        ),
    ))
}

fn unseen(course: &Course) -> Option<Finding> {
    let unseen = course.disputes.iter().filter(harmful).filter(|one| one.seen.is_none()).count() as u64;
    if unseen == 0 {
        return None;
    }
    let (unseen, of) = (number(unseen), number(course.disputes.iter().filter(harmful).count() as u64));
    Some(Finding::new(
        FindingKind::UnseenDisputes,
        Tone::Concern,
        format!(
            "害のおそれがある矛盾・警告 {of} 件のうち {unseen} 件は、終了までどの拠点の画面にも現れなかった。"
        ),
        format!(
            "Contradictions or warnings with possible harm that were on no screen before the end: {unseen} of {of}."
        ),
    ))
}

fn recovery(course: &Course, measures: &Measures) -> Option<Finding> {
    if course.restores.is_empty() {
        return None;
    }
    let restored = restored(course, measures).unwrap_or_default();
    let out = not_restored(course).unwrap_or_default();
    let tone = if out == Told::default() { Tone::Note } else { Tone::Concern };
    Some(Finding::new(
        FindingKind::Recovery,
        tone,
        format!("{}{}", restored.ja, out.ja),
        [restored.en, out.en].join(" ").trim().to_owned(),
    ))
}

/// Tells of the replicas that came back; none when none did.
fn restored(course: &Course, measures: &Measures) -> Option<Told> {
    let slowest = course.restores.iter().filter(|one| one.back.is_some()).max_by_key(|one| one.recovery())?;
    let rto = seconds(measures.restores.rto_max_s?);
    let (count, place) = (number(measures.restores.count), site(course, slowest.member));
    let behind: Option<u64> =
        course.restores.iter().filter(|one| one.back.is_some()).map(|one| one.behind).sum();
    let behind_ja =
        behind.map_or("は数えていない".to_owned(), |behind| format!("は計 {} 件", number(behind)));
    let behind_en = behind.map_or("not counted".to_owned(), number);
    let (rpo_ja, rpo_en) = match measures.restores.rpo_max_s.map(seconds) {
        Some(rpo) => (
            format!("バックアップは最も古いもので喪失の{}前", rpo.ja),
            format!("the oldest backup was {} older than the loss", rpo.en),
        ),
        None => ("バックアップの時刻は不明".to_owned(), "the backup's time is not known".to_owned()),
    };
    Some(told(
        format!(
            "ディスク喪失からの復元 {count} 件。最長は「{place}」の {}（RTO）。{rpo_ja}（RPO）、バックアップになかった記入{behind_ja}。",
            rto.ja
        ),
        format!(
            "Restores after a lost disk: {count}. The slowest took {} (RTO, {place}); {rpo_en} (RPO). Entries that the backups lacked: {behind_en}.",
            rto.en
        ),
    ))
}

/// Tells of the replicas that did not come back; none when all did.
fn not_restored(course: &Course) -> Option<Told> {
    let out: Vec<&RestoreCourse> = course.restores.iter().filter(|one| one.back.is_none()).collect();
    let longest = out.iter().max_by_key(|one| one.out(course.lasted))?;
    let count = number(out.len() as u64);
    let time = at_least(longest.out(course.lasted));
    let named = |gap: &str| {
        let places = out
            .iter()
            .take(NAMED_MAX)
            .map(|one| format!("{} ({})", site(course, one.member), civil(course, one.lost)));
        places.collect::<Vec<_>>().join(gap)
    };
    let (more_ja, more_en) = match out.len().saturating_sub(NAMED_MAX) {
        0 => (String::new(), String::new()),
        more => (format!(" ほか {more}"), format!(" and {more} more")),
    };
    Some(told(
        format!(
            "ディスクを失い、終了まで復旧しなかった拠点 {count}：{}{more_ja}（最長 {}）。",
            named("、"),
            time.ja
        ),
        format!(
            "Replicas that lost their disk and were not restored by the end: {count}: {}{more_en} (the longest {}).",
            named(", "),
            time.en
        ),
    ))
}

fn held_by_one(course: &Course) -> Option<Finding> {
    let holders = course.held_by_least.filter(|holders| *holders <= 1)?;
    if course.members.len() < 2 || course.mode == Mode::Central {
        return None;
    }
    let names: Vec<&str> =
        course.lost.iter().filter_map(|lost| Some(course.members.get(lost.member)?.name.as_str())).collect();
    let mut distinct = names;
    distinct.dedup();
    distinct.truncate(NAMED_MAX);
    let (ja, en) = match distinct.as_slice() {
        [] => (String::new(), String::new()),
        names => (format!("（{} など）", names.join("、")), format!(" (such as from {})", names.join(", "))),
    };
    Some(Finding::new(
        FindingKind::HeldByOne,
        Tone::Concern,
        format!("終了時に {holders} 拠点しか持たない記入がある{ja}。その端末が壊れれば失われる。"),
        format!(
            "At the end some write is held by {holders} replica only{en}: it is lost if that device breaks."
        ),
    ))
}
