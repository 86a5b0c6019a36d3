//! The tables of the sections.

use std::cmp::Reverse;
use std::time::Duration;

use super::markup::{Cell, table};
use crate::drill::course::{Course, Dispute};
use crate::drill::report::measures::{Measures, late};
use crate::drill::report::wording::{
    act, bytes, civil, harm, harm_rank, kind, length, number, of_quota, percent, person, same, seconds,
    section, site, told,
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
    let found = &measures.staleness;
    let row = |ja: &str, en: &str, value: Cell| vec![Cell::Words(told(ja, en)), value];
    let count = |value: u64| Cell::figure(number(value));
    let rows = vec![
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

/// Contradictions by section and harm.
pub(super) fn disputes(measures: &Measures) -> String {
    let row = |one: &crate::drill::report::measures::DisputeCount| {
        vec![
            Cell::Words(section(&one.section)),
            Cell::Words(harm(&one.harm)),
            Cell::figure(number(one.count)),
            Cell::figure(number(one.late)),
            Cell::figure(number(one.unseen)),
            Cell::figure(number(one.open)),
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
        told("未解決", "Open"),
        told("表示まで（中央値）", "Until seen (median)"),
        told("表示まで（最長）", "Until seen (most)"),
        told("解決まで（中央値）", "Until settled (median)"),
    ];
    table(&told("区分と害のおそれごと", "By section and possible harm"), &head, &rows)
}

/// The contradictions and warnings one by one: with possible harm first, of these the late and the open.
pub(super) fn disputes_listed(course: &Course) -> String {
    let lateness = |one: &Dispute| late(course, one).unwrap_or_default();
    let mut all: Vec<&Dispute> = course.disputes.iter().collect();
    all.sort_by_key(|one| (harm_rank(&one.harm), Reverse(lateness(one)), one.decided.is_some(), one.arose));
    let rows: Vec<Vec<Cell>> =
        all.iter().take(WORST_LISTED).map(|one| of_dispute(course, one, lateness(one))).collect();
    let head = [
        told("生じた時刻", "Arose"),
        told("人物（架空）と内容", "Person (invented), and what"),
        told("記入した拠点", "Written at"),
        told("最初に表示した拠点", "First seen at"),
        told("断絶による遅れ、扱い", "Late by the cut; state"),
    ];
    let (shown, of) = (number(rows.len() as u64), number(all.len() as u64));
    let title = told(
        format!("一件ずつ（害の大きい順、{of} 件中 {shown} 件）"),
        format!("One by one (most harmful first; {shown} of {of})"),
    );
    table(&title, &head, &rows)
}

fn of_dispute(course: &Course, one: &Dispute, lateness: Duration) -> Vec<Cell> {
    let (harm, section, kind, person) =
        (harm(&one.harm), section(&one.section), kind(&one.kind), person(one));
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
        (false, None) => {
            let late = length(lateness);
            told(format!("{} 以上", late.ja), format!("over {}", late.en))
        }
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

/// Restores from the backup.
pub(super) fn restores(course: &Course, measures: &Measures) -> String {
    let row = |one: &crate::drill::report::measures::RestoreMeasure| {
        vec![
            when(course, one.lost_s),
            Cell::words(by_name(course, &one.replica)),
            Cell::Figure(length(Duration::try_from_secs_f64(one.rto_s).unwrap_or_default())),
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
