//! The first page: what was rehearsed, the verdict, the figures that matter, and the findings.

use super::Page;
use super::expectations::name;
use super::markup::{paragraph, section, t, w};
use crate::drill::course::Mode;
use crate::drill::report::findings::{Finding, Tone};
use crate::drill::report::measures::Measures;
use crate::drill::report::svg::ems;
use crate::drill::report::wording::{civil, counted, length, mode, number, percent, same, seconds, told};
use crate::drill::scenario::Told;

/// Most failed expectations that the first page names; all are told below.
const FAILED_MAX: usize = 5;
/// A figure wider than this is set smaller.
const SHORT_EMS: f64 = 6.6;

/// Writes it.
pub(super) fn first(page: &Page<'_>, measures: &Measures, found: &[Finding]) -> String {
    let course = page.course;
    let mark = w(
        "訓練の記録です。人物・場所・出来事はすべて架空です。",
        "An exercise. All people, places and events are invented.",
    );
    let lasted = length(course.lasted);
    let (begin, end) = (civil(course, std::time::Duration::ZERO), civil(course, course.lasted));
    let replicas = number(measures.replicas);
    let how = mode(course.mode);
    let (when_ja, when_en) = match course.mode {
        Mode::Live => ("実施", "Run from"),
        Mode::Sim | Mode::Central => ("想定時刻", "Rehearsed time"),
    };
    let facts = told(
        format!("{when_ja} {begin} ～ {end}（{}）・{replicas} 拠点・{}", lasted.ja, how.ja),
        format!(
            "{when_en} {begin} to {end} ({}); {}; {}",
            lasted.en,
            counted(measures.replicas, "replica"),
            how.en
        ),
    );
    let head = format!(
        "<p class=\"stamp\">訓練 DRILL <small>{mark}</small></p>\n<h1>{}</h1>\n{}{}\n{}<ul class=\"tiles\">\n{}</ul>\n",
        t(&page.title),
        paragraph("facts", &facts),
        paragraph("story", &unwrapped(&page.story)),
        verdict(page),
        tiles(measures)
    );
    let list = match found.is_empty() {
        true => String::new(),
        false => format!("<ul class=\"findings\">\n{}</ul>\n", found.iter().map(finding).collect::<String>()),
    };
    let title = told("分かったこと", "Findings");
    format!("{head}{}", section("found", &title, &list))
}

/// Joins the lines of each paragraph: where a scenario file breaks a line says nothing about the page.
fn unwrapped(story: &Told) -> Told {
    let joined = |text: &str, gap: &str| {
        let paragraph = |lines: &str| lines.lines().map(str::trim).collect::<Vec<_>>().join(gap);
        text.trim().split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n")
    };
    told(joined(&story.ja, ""), joined(&story.en, " "))
}

fn verdict(page: &Page<'_>) -> String {
    let judged = || page.judged.iter().filter(|judged| judged.was_judged());
    let holds = number(judged().filter(|judged| judged.ok).count() as u64);
    let all = number(judged().count() as u64);
    let (class, words) = match page.passed {
        true => ("verdict", w("✓ 合格", "✓ Passed")),
        false => ("verdict bad", w("✕ 不合格", "✕ Failed")),
    };
    let sum = w(
        &format!("期待 {all} 項目のうち {holds} 項目を満たした。"),
        &format!("{holds} of {all} expectations hold."),
    );
    let failed: Vec<String> = page
        .judged
        .iter()
        .filter(|judged| !judged.ok)
        .take(FAILED_MAX)
        .map(|judged| {
            let name = name(&judged.name);
            let en = if name.en.is_empty() { &name.ja } else { &name.en };
            let ja = if name.ja.is_empty() { en } else { &name.ja };
            format!("<li>{}</li>", w(&format!("満たさず：{ja}"), &format!("Not met: {en}")))
        })
        .collect();
    let failed = if failed.is_empty() { String::new() } else { format!("<ul>{}</ul>", failed.concat()) };
    format!("<div class=\"{class}\"><b>{words}</b> {sum}{failed}</div>\n")
}

/// One large figure: what it is, the figure, and what stands below it.
fn tile(what: (&str, &str), figure: &Told, note: &Told) -> String {
    let long = ems(&figure.en).max(ems(&figure.ja)) > SHORT_EMS;
    let class = if long { " class=\"long\"" } else { "" };
    format!("<li><i>{}</i><b{class}>{}</b><small>{}</small></li>\n", w(what.0, what.1), t(figure), t(note))
}

fn tiles(measures: &Measures) -> String {
    let availability = &measures.availability;
    let of = number(measures.replicas);
    let all_time = |count: u64| {
        let count = number(count);
        told(format!("終始可能 {count} / {of} 拠点"), format!("{count} of {of} replicas always"))
    };
    let stale = &measures.staleness;
    let share = |count: u64| percent(count as f64 / stale.decisions.max(1) as f64);
    let of_decisions = |count: u64| {
        let (share, all) = (share(count), number(stale.decisions));
        told(format!("判断 {all} 件の {share}"), format!("{share} of {all}"))
    };
    let late = measures.late_harm();
    let late_note = match measures.late_harm_max_s().map(seconds) {
        Some(most) => told(format!("最大の遅れ {}", most.ja), format!("latest by {}", most.en)),
        None => told("遅れなし", "none was late"),
    };
    let acknowledged = number(measures.writing.acknowledged);
    let lost_note = match measures.restores.lost_entries.unwrap_or_default() {
        0 => told(format!("受理 {acknowledged} 件のうち"), format!("of {acknowledged} acknowledged")),
        gone => {
            let gone = number(gone);
            told(
                format!(
                    "受理 {acknowledged} 件のうち。これとは別に {gone} 件は、唯一の写しが壊されたディスクとともに失われた"
                ),
                format!(
                    "of {acknowledged} acknowledged; apart from these, {gone} went down with a destroyed disk, their only copy"
                ),
            )
        }
    };
    let missing = || told("該当なし", "none");
    let open = measures.convergence.open;
    let is_live = measures.mode == Mode::Live;
    let converged_note = match (measures.convergence.reunions, open) {
        (0, _) if is_live => told("計測なし", "not measured"),
        (0, _) => told("断絶と復旧はなかった", "there was no reunion"),
        (1, 0) => told("復旧 1 回で一致", "after the one reunion"),
        (all, 0) => told(format!("復旧 {all} 回すべてで一致"), format!("after all {all} reunions")),
        (all, open) => told(format!("{all} 回中 {open} 回は一致せず"), format!("{open} of {all} did not")),
    };
    let restore_note = restore_note(measures);
    let mut tiles = vec![
        tile(
            ("閲覧できた時間", "Time that records could be read"),
            &same(percent(availability.all.read)),
            &all_time(availability.always_read),
        ),
        tile(
            ("記入できた時間", "Time that one could write"),
            &same(percent(availability.all.write)),
            &told("全拠点の平均", "mean of all replicas"),
        ),
        tile(
            ("システムが失った記入", "Writes that the system lost"),
            &same(number(measures.writing.lost)),
            &lost_note,
        ),
    ];
    // A live run records neither decisions nor when contradictions could be seen: that is not none.
    if !is_live {
        tiles.extend([
            tile(
                ("開けずに行った判断", "Decisions without the record"),
                &same(number(stale.unread)),
                &unread_note(measures, of_decisions(stale.unread)),
            ),
            tile(
                ("古い情報での判断", "Decisions on old records"),
                &same(number(stale.stale)),
                &of_decisions(stale.stale),
            ),
            tile(("遅れた警告・矛盾", "Late warnings"), &same(number(late)), &late_note),
        ]);
    }
    tiles.extend([
        tile(
            ("復旧から一致まで（最長）", "Return of lines to equality"),
            &measures.convergence.max_s.map_or_else(missing, seconds),
            &converged_note,
        ),
        tile(
            ("復旧時間 RTO（最長）", "Recovery time (RTO)"),
            &measures.restores.rto_max_s.map_or_else(missing, seconds),
            &restore_note,
        ),
    ]);
    tiles.concat()
}

/// Says after the share of decisions without the record what the commonest cause was; the finding tells all of them.
fn unread_note(measures: &Measures, share: Told) -> Told {
    let why = &measures.staleness.unread_why;
    let causes = [
        (why.not_held, "記録がその端末にない（未着など）", "the device did not hold the record"),
        (
            why.not_running,
            "端末が動いていないか中央に届かない",
            "the device was off, or the centre out of reach",
        ),
        (why.disk_lost, "ディスクを失い復旧前", "the disk was lost, not yet restored"),
    ];
    match causes.into_iter().max_by_key(|(count, ..)| *count) {
        Some((most @ 1.., ja, en)) => {
            let most = number(most);
            told(format!("{}。{most} 件は{ja}", share.ja), format!("{}; {most}: {en}", share.en))
        }
        Some(_) | None => share,
    }
}

/// Says how many came back after the loss of a disk, and how many did not.
fn restore_note(measures: &Measures) -> Told {
    let (count, out) = (measures.restores.count, measures.restores.not_restored);
    let restored = match count {
        0 => told("復元はなかった", "nothing was restored"),
        count => told(format!("復元 {} 件", number(count)), counted(count, "restore")),
    };
    match out {
        0 => restored,
        out => {
            let out = number(out);
            told(
                format!("{}、終了まで復旧せず {out} 拠点", restored.ja),
                format!("{}; {out} not restored by the end", restored.en),
            )
        }
    }
}

fn finding(finding: &Finding) -> String {
    let (class, words) = match finding.tone {
        Tone::Danger => ("danger", w("▲ 危険", "▲ Danger")),
        Tone::Concern => ("concern", w("● 要改善", "● Concern")),
        Tone::Note => ("note", w("○ 参考", "○ Note")),
        Tone::Good => ("good", w("✓ 良好", "✓ Good")),
    };
    format!("<li class=\"{class}\"><b class=\"tone\">{words}</b>{}</li>\n", paragraph("said", &finding.told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_broken_by_the_page_and_not_by_its_file() {
        let story =
            told("病院は\n書き続ける。\n\n夜が明ける。\n", "They go on\nwriting.\n\nMorning comes.\n");
        let wanted = told("病院は書き続ける。\n\n夜が明ける。", "They go on writing.\n\nMorning comes.");
        assert_eq!(unwrapped(&story), wanted);
    }
}
