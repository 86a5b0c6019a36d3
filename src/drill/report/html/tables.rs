//! The tables of the sections.

use std::cmp::Reverse;
use std::time::Duration;

use super::markup::{Cell, paragraph, table};
use crate::drill::course::{Course, Dispute};
use crate::drill::report::measures::{Measures, late};
use crate::drill::report::wording::{
    act, at_least, bytes, civil, coded, harm, harm_rank, length, number, of_quota, percent, person, same,
    seconds, section, site, told,
};
use crate::drill::scenario::Told;

/// Most rows of the worst that the page lists.
const WORST_LISTED: usize = 20;

fn when(course: &Course, at_s: f64) -> Cell {
    let at = Duration::try_from_secs_f64(at_s.max(0.0)).unwrap_or(course.lasted);
    Cell::When(civil(course, at))
}

fn time(value: f64) -> Cell {
    if value > 0.0 { Cell::Figure(seconds(value)) } else { Cell::figure("–") }
}

fn by_name(course: &Course, name: &str) -> String {
    let member = course.members.iter().position(|member| member.name == name);
    member.map_or_else(|| name.to_owned(), |member| site(course, member))
}

/// Availability by fleet; nothing when there is but one group.
pub(super) fn fleets(measures: &Measures) -> String {
    let groups = &measures.availability.fleets;
    if groups.len() < 2 {
        return String::new();
    }
    let row = |one: &crate::drill::report::measures::GroupShares| {
        let name =
            if one.fleet.is_empty() { told("個別の拠点", "named replicas") } else { same(&one.fleet) };
        let shares = [one.shares.read, one.least_read, one.shares.write, one.least_write, one.shares.linked];
        let mut cells = vec![Cell::Words(name), Cell::figure(number(one.replicas))];
        cells.extend(shares.map(|share| Cell::figure(percent(share))));
        cells
    };
    let head = [
        told("端末群", "Fleet"),
        told("拠点数", "Replicas"),
        told("閲覧（平均）", "Reading (mean)"),
        told("閲覧（最低）", "Reading (least)"),
        told("記入（平均）", "Writing (mean)"),
        told("記入（最低）", "Writing (least)"),
        told("接続", "Linked"),
    ];
    table(&told("端末群ごと", "By fleet"), &head, &groups.iter().map(row).collect::<Vec<_>>())
}

/// The replicas that could read and write the least.
pub(super) fn worst(course: &Course, measures: &Measures) -> String {
    let rows: Vec<Vec<Cell>> = measures
        .availability
        .worst
        .iter()
        .take(WORST_LISTED)
        .map(|one| {
            vec![
                Cell::words(site(course, one.member)),
                Cell::figure(percent(one.shares.read)),
                Cell::figure(percent(one.shares.write)),
                Cell::figure(percent(one.shares.linked)),
                time(one.longest_unread_s),
                time(one.longest_alone_s),
            ]
        })
        .collect();
    let head = [
        told("拠点", "Replica"),
        told("閲覧", "Reading"),
        told("記入", "Writing"),
        told("接続", "Linked"),
        told("閲覧不可（連続最長）", "Longest without reading"),
        told("孤立（連続最長）", "Longest isolated"),
    ];
    table(
        &told(
            "閲覧・記入できない時間があった拠点（悪い順）",
            "Replicas that could not always read and write (worst first)",
        ),
        &head,
        &rows,
    )
}

/// The figures of staleness.
pub(super) fn staleness(measures: &Measures) -> String {
    const UNREAD: [(&str, &str); 3] = [
        (
            "– うち、その端末に記録がまだ、または元々ない",
            "– of these: that device did not hold the record (yet)",
        ),
        (
            "– うち、端末が動いていない（中央方式では届かない）",
            "– of these: the device did not run (or reach the centre)",
        ),
        ("– うち、ディスクを失い未復旧", "– of these: the disk was lost, not yet restored"),
    ];
    let found = &measures.staleness;
    let row = |ja: &str, en: &str, value: Cell| vec![Cell::Words(told(ja, en)), value];
    let count = |value: u64| Cell::figure(number(value));
    let mut rows = vec![
        row("判断の総数", "Decisions", count(found.decisions)),
        row("記録を開けずに行われた", "made without being able to open the record", count(found.unread)),
        row("その場で記録できなかった", "could not be recorded at once", count(found.unwritten)),
        row(
            "他の拠点の記入を知らずに行われた",
            "made without knowing what was written elsewhere",
            count(found.stale),
        ),
        row(
            "古さの中央値（閲覧できた全判断）",
            "median age (all that could read)",
            Cell::maybe(found.p50_s.map(seconds)),
        ),
        row("古さの 95 % 点", "95th percentile", Cell::maybe(found.p95_s.map(seconds))),
        row("最も古いもの", "the oldest", Cell::maybe(found.max_s.map(seconds))),
    ];
    let why = found.unread_why;
    let causes = [why.not_held, why.not_running, why.disk_lost];
    let causes = causes.into_iter().zip(UNREAD).filter(|(causes, _)| *causes > 0);
    rows.splice(2..2, causes.map(|(causes, (ja, en))| row(ja, en, count(causes))));
    let head = [told("判断", "Decisions"), told("値", "Value")];
    table(&Told::default(), &head, &rows)
}

/// The decisions on the oldest knowledge.
pub(super) fn stalest(course: &Course, measures: &Measures) -> String {
    const LISTED: usize = 10;
    let row = |one: &crate::drill::report::measures::DecisionOne| {
        vec![
            when(course, one.at_s),
            Cell::words(by_name(course, &one.replica)),
            Cell::Words(act(one.act)),
            Cell::figure(number(u64::from(one.unknown))),
            Cell::Figure(seconds(one.stale_s)),
        ]
    };
    let rows: Vec<Vec<Cell>> = measures.staleness.worst.iter().take(LISTED).map(row).collect();
    let head = [
        told("時刻", "When"),
        told("拠点", "Replica"),
        told("行為", "Act"),
        told("知らなかった記入", "Entries not known"),
        told("最も古いもの", "The oldest"),
    ];
    table(&told("最も古い情報に基づいた判断", "The decisions on the oldest knowledge"), &head, &rows)
}

/// What the links carried.
pub(super) fn links(course: &Course, measures: &Measures) -> String {
    let row = |one: &crate::drill::report::measures::LinkUse| {
        let ends = course.links.get(one.link).map(|link| link.ends.map(|end| site(course, end)));
        let [from, to] = ends.unwrap_or_else(|| one.between.clone());
        vec![
            Cell::words(format!("{from} – {to}")),
            Cell::words(&one.profile),
            Cell::figure(bytes(one.bytes)),
            Cell::figure(bytes(one.busiest_day)),
            Cell::maybe(one.quota_per_day.map(|quota| same(bytes(quota)))),
            Cell::maybe(one.of_quota.map(|share| same(of_quota(share)))),
            time(one.down_s),
        ]
    };
    let rows: Vec<Vec<Cell>> = measures.links.worst.iter().take(WORST_LISTED).map(row).collect();
    let head = [
        told("回線", "Link"),
        told("種類", "Profile"),
        told("計", "Bytes"),
        told("最多の日", "Busiest day"),
        told("一日の上限", "Quota a day"),
        told("上限比", "Of quota"),
        told("不通（計）", "Down, in all"),
    ];
    let (shown, all) = (number(rows.len() as u64), number(measures.links.count));
    let title = told(format!("回線（{all} 本中 {shown} 本）"), format!("Links ({shown} of {all})"));
    table(&title, &head, &rows)
}

/// Says how many are open, and how many of them arose before the first fault.
fn open(open: u64, before: u64) -> Told {
    let (open, known) = (number(open), number(before));
    match before {
        0 => same(open),
        _ => told(format!("{open}（障害前 {known}）"), format!("{open} ({known} before)")),
    }
}

/// Contradictions by section and harm.
pub(super) fn disputes(measures: &Measures) -> String {
    let row = |one: &crate::drill::report::measures::DisputeCount| {
        vec![
            Cell::Words(section(&one.section)),
            Cell::Words(harm(&one.harm)),
            Cell::figure(number(one.count)),
            Cell::figure(number(one.late)),
            Cell::figure(number(one.unseen)),
            Cell::Figure(open(one.open, one.open_before_fault)),
            Cell::maybe(one.seen_p50_s.map(seconds)),
            Cell::maybe(one.seen_max_s.map(seconds)),
            Cell::maybe(one.decided_p50_s.map(seconds)),
        ]
    };
    let rows: Vec<Vec<Cell>> = measures.disputes.iter().map(row).collect();
    let head = [
        told("区分", "Section"),
        told("害のおそれ", "Possible harm"),
        told("件数", "Count"),
        told("断絶で遅れた", "Late by the cut"),
        told("表示されず", "Never seen"),
        told("未解決（うち最初の障害より前）", "Open (before the first fault)"),
        told("表示まで（中央値）", "Until seen (median)"),
        told("表示まで（最長）", "Until seen (most)"),
        told("解決まで（中央値）", "Until settled (median)"),
    ];
    table(&told("区分と害のおそれごと", "By section and possible harm"), &head, &rows)
}

/// The contradictions and warnings one by one: those that the cut delayed first, of these the most harmful and then the
/// latest; then the others, the most harmful first.
pub(super) fn disputes_listed(course: &Course) -> String {
    let all = worst_first(course);
    let rows: Vec<Vec<Cell>> =
        all.iter().take(WORST_LISTED).map(|(one, lateness)| of_dispute(course, one, *lateness)).collect();
    let head = [
        told("生じた時刻", "Arose"),
        told("人物（架空）と内容", "Person (invented), and what"),
        told("記入した拠点", "Written at"),
        told("最初に表示した拠点", "First seen at"),
        told("断絶による遅れ、扱い", "Late by the cut; state"),
    ];
    let (shown, of) = (number(rows.len() as u64), number(all.len() as u64));
    let title = told(
        format!("一件ずつ（断絶で遅れたものから、害と遅れの大きい順。{of} 件中 {shown} 件）"),
        format!("One by one (late ones first, by harm and then by lateness; {shown} of {of})"),
    );
    let rest = all.get(WORST_LISTED..).unwrap_or_default();
    let more = match rest.len() as u64 {
        0 => String::new(),
        more => {
            let late = rest.iter().filter(|(_, lateness)| !lateness.is_zero()).count() as u64;
            let (more, late) = (number(more), number(late));
            let text = told(
                format!("ほかに {more} 件（うち断絶で遅れたもの {late} 件）。"),
                format!("And {more} more, of which {late} were late by the cut."),
            );
            paragraph("reading", &text)
        }
    };
    format!("{}{more}", table(&title, &head, &rows))
}

/// Puts contradictions and warnings in order, each with how late the cut made it.
fn worst_first(course: &Course) -> Vec<(&Dispute, Duration)> {
    let lateness = |one| late(course, one).unwrap_or_default();
    let mut all: Vec<(&Dispute, Duration)> = course.disputes.iter().map(|one| (one, lateness(one))).collect();
    all.sort_by_key(|(one, late)| {
        (late.is_zero(), harm_rank(&one.harm), Reverse(*late), one.decided.is_some(), one.arose)
    });
    all
}

fn of_dispute(course: &Course, one: &Dispute, lateness: Duration) -> Vec<Cell> {
    let (harm, section, kind, person) =
        (harm(&one.harm), section(&one.section), coded(&one.kind), person(one));
    let what = match one.section.as_str() {
        "alerts" => {
            told(format!("{person}：{}、{}", harm.ja, kind.ja), format!("{person}: {}, {}", harm.en, kind.en))
        }
        _ => told(
            format!("{person}：{}、{}の矛盾、{}", harm.ja, section.ja, kind.ja),
            format!("{person}: {}, {}: {}", harm.en, section.en, kind.en),
        ),
    };
    let places: Vec<String> = one.written_at.iter().map(|member| site(course, *member)).collect();
    let seen = match (one.seen, one.seen_by) {
        (Some(at), Some(member)) => {
            let (place, at) = (site(course, member), civil(course, at));
            told(format!("{place}（{at}）"), format!("{place} ({at})"))
        }
        (Some(at), None) => same(civil(course, at)),
        (None, _) => told("表示されず", "never"),
    };
    let late = match (lateness.is_zero(), one.seen) {
        (true, _) => told("遅れなし", "not late"),
        (false, Some(_)) => length(lateness),
        (false, None) => at_least(lateness),
    };
    let state = match one.decided {
        Some(at) => {
            let at = civil(course, at);
            told(format!("解決 {at}"), format!("settled {at}"))
        }
        None => told("未解決", "open"),
    };
    vec![
        Cell::When(civil(course, one.arose)),
        Cell::Words(what),
        Cell::Words(told(places.join("、 "), places.join(", "))),
        Cell::Words(seen),
        Cell::Words(told(format!("{}、 {}", late.ja, state.ja), format!("{}; {}", late.en, state.en))),
    ]
}

/// Says that a replica had not come back at the end, so many seconds after the loss of its disk.
fn not_restored(out_s: f64) -> Told {
    let out = at_least(Duration::try_from_secs_f64(out_s).unwrap_or_default());
    told(format!("終了まで復旧せず（{}）", out.ja), format!("not restored by the end ({})", out.en))
}

/// Restores from the backup.
pub(super) fn restores(course: &Course, measures: &Measures) -> String {
    let row = |one: &crate::drill::report::measures::RestoreMeasure| {
        vec![
            when(course, one.lost_s),
            Cell::words(by_name(course, &one.replica)),
            Cell::Figure(one.rto_s.map_or_else(|| not_restored(one.out_s), seconds)),
            Cell::maybe(one.rpo_s.map(seconds)),
            Cell::maybe(one.behind.map(|entries| same(number(entries)))),
            Cell::maybe(one.lost_entries.map(|entries| same(number(entries)))),
        ]
    };
    let rows: Vec<Vec<Cell>> = measures.restores.slowest.iter().map(row).collect();
    let head = [
        told("喪失", "Lost"),
        told("拠点", "Replica"),
        told("復旧時間 RTO", "Recovery time (RTO)"),
        told("復旧時点 RPO", "Recovery point (RPO)"),
        told("バックアップになかった記入", "Entries not in the backup"),
        told("うち唯一の写し（失われた）", "Of these, the only copy: gone"),
    ];
    table(&Told::default(), &head, &rows)
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{hours, small};
    use super::*;

    #[test]
    fn what_the_cut_delayed_comes_before_graver_things_that_were_in_time() {
        let mut course = small();
        let grave = Dispute { late_by_split: false, ..course.disputes[0].clone() };
        course.disputes.splice(0..0, std::iter::repeat_n(grave, 30));
        let order = worst_first(&course);
        let late = order.iter().take_while(|(_, late)| !late.is_zero()).count();
        assert_eq!(late, 4, "all four late ones");
        let harms: Vec<&str> = order.iter().take(5).map(|(one, _)| one.harm.as_str()).collect();
        assert_eq!(harms, ["contraindicated", "contraindicated", "caution", "caution", "contraindicated"]);
        assert!(order[0].1 > order[1].1 && order[2].1 > order[3].1);
        assert!(disputes_listed(&course).contains("And 16 more, of which 0 were late"));
    }

    #[test]
    fn a_replica_that_never_came_back_is_not_told_as_restored() {
        let mut course = small();
        course.restores[0].back = None;
        let table = restores(&course, &Measures::of(&course));
        assert!(table.contains("終了まで復旧せず") && table.contains("not restored by the end"), "{table}");
        assert_eq!(course.lasted - course.restores[0].lost, hours(8));
    }
}
