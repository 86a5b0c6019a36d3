//! The sections after the first page: each a plot or two, a table, and how to read them.

use std::collections::BTreeMap;

use super::markup::{Cell, esc, figure, section, table, w};
use super::{Page, events, tables};
use crate::drill::course::{Course, Faults, Mode};
use crate::drill::report::measures::Measures;
use crate::drill::report::svg::{self, LINKS_DRAWN, Swatch};
use crate::drill::report::wording::{bytes, disk, mode, number, same, told};
use crate::drill::scenario::Told;

/// Writes the time-line: lanes, and the list of events that their marks refer to.
pub(super) fn timeline(course: &Course) -> String {
    let shown = svg::shown_members(course);
    let legend = svg::legend(&svg::states());
    let lanes = if shown.is_empty() { String::new() } else { svg::lanes(course, &shown) };
    let reading = told(
        "横の帯が一つの拠点。上の番号は出来事（下の一覧）。「1–9」のような印はその間の出来事をまとめたもの、赤い四角は行えなかった出来事を含む。右端は閲覧できた時間の割合。下段は時計の時刻（日本時間）。",
        "Each band is one replica; numbers above are the events listed below (“1–9” stands for several; a red box holds one that could not be done). At the right: the share of time with reading. The lower row of times is the clock (Japan).",
    );
    let groups_reading = told(
        "端末群を地区ごとにまとめた。帯の高さは、その時刻に各状態にあった拠点の割合。",
        "Fleets by area. The height of a colour is the share of replicas in that state at that time.",
    );
    let body = [
        figure(&told("拠点ごとの流れ", "Site by site"), &legend, &lanes, &reading),
        figure(
            &told("端末群の流れ", "Fleets by area"),
            &legend,
            &svg::groups(course, &shown),
            &groups_reading,
        ),
        events::events(course),
    ];
    section("timeline", &told("時間の流れ", "Time-line"), &body.concat())
}

/// Writes who could read and write.
pub(super) fn availability(course: &Course, measures: &Measures) -> String {
    let reading = told(
        "全拠点のうち、その時刻に各状態にあった割合。",
        "The share of all replicas in each state at each time.",
    );
    let slices = &measures.availability.over_time;
    let plot = if slices.is_empty() { String::new() } else { svg::availability(course, slices) };
    let body = [
        figure(&told("全拠点の状態", "All replicas"), &svg::legend(&svg::states()), &plot, &reading),
        tables::fleets(measures),
        tables::worst(course, measures),
    ];
    section("availability", &told("閲覧と記入", "Reading and writing"), &body.concat())
}

/// Writes how old the knowledge was on which people decided.
pub(super) fn staleness(course: &Course, measures: &Measures) -> String {
    if measures.staleness.decisions == 0 {
        return String::new();
    }
    let by_age = told(
        "患者の記録を見て行った判断を、知らなかった記入の古さで分けた。「最新」は知らないことがなかった判断。",
        "Decisions by the age of what was not known. “Current” means that nothing was unknown.",
    );
    let over_time = told(
        "点一つが、他の拠点の記入を知らずに行われた判断（濃いほど多い）。×は記録を開けずに行われた判断。",
        "Each dot is a decision made without knowing what had been written elsewhere (darker: several). A cross: the record could not be opened.",
    );
    let legend = svg::legend(&[
        Swatch::Area(
            "d2",
            told("古い情報での判断（濃いほど多数）", "decision on old knowledge (darker: more)"),
        ),
        Swatch::Cross("cross", told("記録を開けず", "record not opened")),
    ]);
    let any = measures.staleness.stale + measures.staleness.unread > 0;
    let scatter = if any { svg::scatter(course) } else { String::new() };
    let body = [
        tables::staleness(measures),
        figure(
            &told("判断の根拠の古さ", "Age of knowledge"),
            "",
            &svg::histogram(&measures.staleness),
            &by_age,
        ),
        figure(&told("時刻ごとの判断", "Decisions over time"), &legend, &scatter, &over_time),
        tables::stalest(course, measures),
    ];
    section("staleness", &told("情報の古さ", "Age of knowledge at decisions"), &body.concat())
}

/// Writes how fast all came to hold the same again.
pub(super) fn convergence(course: &Course, measures: &Measures) -> String {
    let reading = told(
        "回線が戻ってから、届き合う全拠点の記録がそろうまで。破線の枠は、次の障害または終了までにそろわなかったもの。",
        "From the return of lines until all that reach each other held the same. A dashed box: not before the next fault or the end.",
    );
    let plot = svg::reunions(course, &measures.convergence.slowest);
    let body = figure(
        &told(
            "復旧ごとの時間（遅い順に選び、時刻順）",
            "Time of each reunion (the slowest, in order of time)",
        ),
        "",
        &plot,
        &reading,
    );
    section("convergence", &told("復旧から一致まで", "From reunion to equality"), &body)
}

/// Writes what the links carried.
pub(super) fn links(course: &Course, measures: &Measures) -> String {
    let legend = svg::legend(&[
        Swatch::Area("bar", told("一時間の通信量", "bytes in the hour")),
        Swatch::Area("cut", told("不通", "down")),
        Swatch::Line("quota", told("一日の上限の 24 分の 1", "a 24th of the daily quota")),
    ]);
    let reading = told(
        format!("上限に近い、または通信量の多い回線（最大 {LINKS_DRAWN} 本）。縦軸は回線ごとに異なる。"),
        format!(
            "The links nearest to their quota, or with most traffic (at most {LINKS_DRAWN}). Each has a scale of its own."
        ),
    );
    let body = [
        figure(
            &told("一時間あたりの通信量", "Bytes per hour"),
            &legend,
            &svg::links(course, &measures.links.worst),
            &reading,
        ),
        tables::links(course, measures),
    ];
    section("links", &told("回線", "Links"), &body.concat())
}

/// Writes contradictions and warnings.
pub(super) fn disputes(course: &Course, measures: &Measures) -> String {
    // A live run does not record them.
    if course.mode == Mode::Live {
        return String::new();
    }
    let legend = svg::legend(&[
        Swatch::Area("h0", told("禁忌", "contraindicated")),
        Swatch::Area("h1", told("注意", "caution")),
        Swatch::Area("h2", told("害なし", "no harm")),
    ]);
    let reading =
        told("記録の区分と害のおそれごとの件数。", "How many, by section of the record and possible harm.");
    let body = [
        figure(
            &told("矛盾・警告の件数", "Contradictions and warnings"),
            &legend,
            &svg::disputes(&measures.disputes),
            &reading,
        ),
        tables::disputes(measures),
        tables::disputes_listed(course),
    ];
    section("disputes", &told("矛盾と警告", "Contradictions and warnings"), &body.concat())
}

/// Writes the restores from the backup.
pub(super) fn restores(course: &Course, measures: &Measures) -> String {
    section(
        "restores",
        &told("バックアップからの復元", "Restores from the backup"),
        &tables::restores(course, measures),
    )
}

/// Writes which faults were made, and how often.
pub(super) fn faults(faults: &Faults) -> String {
    let all = [
        ("届かなかった通信", "messages that never arrived", number(faults.messages_dropped)),
        ("失われた通信量", "bytes that never arrived", bytes(faults.bytes_lost)),
        ("切れた接続", "connections that broke", number(faults.connections_broken)),
        ("遅れた通信", "messages delayed by loss", number(faults.messages_delayed)),
        ("異常終了", "processes killed", number(faults.crashes)),
        ("停電", "power cuts", number(faults.power_cuts)),
        ("停電で失われたセクター", "sectors lost to power cuts", number(faults.sectors_lost)),
        ("途中で切れた書き込み", "torn writes", number(faults.writes_torn)),
        ("劣化したセクター", "sectors that rotted", number(faults.sectors_rotten)),
        ("見つかった劣化", "rot found by reads", number(faults.rot_found)),
        ("満杯による書き込み拒否", "writes refused by full disks", number(faults.full_refusals)),
        ("狂わせた時計", "clocks set wrong", number(faults.clocks_changed)),
        ("バックアップ先の失敗", "failed calls to the bucket", number(faults.bucket_refusals)),
        ("差し出された改ざん", "altered runs offered", number(faults.lies_told)),
        ("拒否された改ざん", "altered runs refused", number(faults.lies_refused)),
        ("失われたディスク", "disks destroyed", number(faults.disks_lost)),
        ("一時停止", "processes frozen", number(faults.freezes)),
    ];
    let made: Vec<_> = all.into_iter().filter(|(_, _, count)| count != "0" && count != "0 B").collect();
    let rows: Vec<Vec<Cell>> = made
        .chunks(2)
        .map(|pair| {
            let cells = |place: usize| match pair.get(place) {
                Some((ja, en, count)) => [Cell::Words(told(*ja, *en)), Cell::figure(count.clone())],
                None => [Cell::words(""), Cell::figure("")],
            };
            let [[one, its], [other, others]] = [cells(0), cells(1)];
            vec![one, its, other, others]
        })
        .collect();
    let head = [told("障害", "Fault"), told("回数", "Count"), told("障害", "Fault"), told("回数", "Count")];
    section("faults", &told("起こした障害", "Faults that were made"), &table(&Told::default(), &head, &rows))
}

/// Writes how the run was made, and how to repeat it.
pub(super) fn making(page: &Page<'_>) -> String {
    let course = page.course;
    let mut disks: BTreeMap<String, (Told, u64)> = BTreeMap::new();
    for member in &course.members {
        let name = disk(member.disk);
        disks.entry(name.en.clone()).or_insert((name, 0)).1 += 1;
    }
    let list = |of: fn(&Told) -> &String, gap: &str| {
        disks
            .values()
            .map(|(name, count)| format!("{} {}", of(name), number(*count)))
            .collect::<Vec<_>>()
            .join(gap)
    };
    let disks = told(list(|told| &told.ja, "、"), list(|told| &told.en, ", "));
    let row = |ja: &str, en: &str, value: Told| vec![Cell::Words(told(ja, en)), Cell::Words(value)];
    let rows = vec![
        row("方法", "How", mode(course.mode)),
        row("ディスク", "Disks", disks),
        row("乱数の種", "Seed", same(page.seed.to_string())),
        row("経過の指紋", "Trace", same(page.trace.to_string())),
        row("同期・バックアップの通信量", "Bytes of sync and backup", {
            let (sync, backup) = (bytes(course.sync_bytes), bytes(course.backup_bytes));
            same(format!("{sync} / {backup}"))
        }),
        row("版", "Version", same(concat!("musubi ", env!("CARGO_PKG_VERSION")))),
    ];
    let head = [told("項目", "Item"), told("内容", "Value")];
    let remarks: String =
        course.remarks.iter().map(|remark| format!("<li>{}</li>", super::markup::t(remark))).collect();
    let remarks = match remarks.is_empty() {
        true => remarks,
        false => {
            format!("<h3>{}</h3><ul>{remarks}</ul>\n", w("読むときの注意", "What to know when reading this"))
        }
    };
    let repeat = match page.command.is_empty() {
        true => String::new(),
        false => format!(
            "<h3>{}</h3><pre>{}</pre>\n",
            w("同じ訓練を繰り返すには", "To repeat this run"),
            esc(&page.command)
        ),
    };
    let body = format!("{}{repeat}{remarks}", table(&Told::default(), &head, &rows));
    section("making", &told("実施の方法", "How the run was made"), &body)
}
