//! How old the knowledge was on which people decided: by age, and over time.

use std::collections::{BTreeMap, BTreeSet};

use super::axis::{
    Scale, count_label, count_ticks, time_axis, time_axis_height, time_label, time_ticks, value_axis,
};
use super::canvas::{Anchor, Canvas, WIDTH, n};
use crate::drill::course::Course;
use crate::drill::report::measures::{Bin, Staleness};
use crate::drill::report::wording::{number, seconds, told};
use crate::drill::scenario::Told;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 34.0;
const CELL: f64 = 5.0;

/// Draws how many decisions rested on knowledge of which age.
pub(crate) fn histogram(staleness: &Staleness) -> String {
    let mut bars: Vec<(Told, u64, &str)> = staleness
        .histogram
        .iter()
        .enumerate()
        .map(|(place, bin)| (bin_label(place, bin), bin.count, if place == 0 { "bar0" } else { "bar" }))
        .collect();
    bars.push((told("開けず", "not read"), staleness.unread, "barx"));
    let most = bars.iter().map(|(_, count, _)| *count).max().unwrap_or(0);
    let ticks = count_ticks(most, 5);
    let (top, bottom) = (40.0, 210.0);
    let y = Scale { most: ticks.last().copied().unwrap_or(1.0), from: bottom, to: top };
    let mut canvas = Canvas::new(bottom + 46.0, told("判断の根拠の古さ", "age of knowledge at decisions"));
    canvas.told((0.0, 12.0), Anchor::Start, "sub", &told("判断の件数", "decisions"));
    value_axis(&mut canvas, y, &ticks, (LEFT, WIDTH - RIGHT), count_label);
    let step = (WIDTH - RIGHT - LEFT) / bars.len() as f64;
    for (place, (label, count, class)) in bars.iter().enumerate() {
        let middle = LEFT + (place as f64 + 0.5) * step;
        let width = (step * 0.66).min(70.0);
        let at = y.at(*count as f64);
        canvas.rect((middle - width / 2.0, at), (width, bottom - at), &format!("{class} box"));
        canvas.text((middle, at - 6.0), Anchor::Middle, "bold out", &number(*count));
        canvas.told((middle, bottom + 18.0), Anchor::Middle, "", label);
    }
    canvas.line((LEFT, bottom), (WIDTH - RIGHT, bottom), "axis");
    let title =
        told("知らなかった記入のうち最も古いものの古さ", "age of the oldest entry that was not known");
    canvas.told((LEFT + (WIDTH - RIGHT - LEFT) / 2.0, bottom + 39.0), Anchor::Middle, "sub", &title);
    canvas.finish()
}

fn bin_label(place: usize, bin: &Bin) -> Told {
    match (place, bin.until_s) {
        (0, _) => told("最新", "current"),
        (_, Some(until)) => {
            let until = short(until);
            told(format!("≤{}", until.ja), format!("≤{}", until.en))
        }
        (_, None) => {
            let over = short(bin.over_s);
            told(format!(">{}", over.ja), format!(">{}", over.en))
        }
    }
}

fn short(value: f64) -> Told {
    let told = seconds(value);
    Told { ja: told.ja.replace(' ', ""), en: told.en }
}

/// Draws each decision that lacked something, and each that could not read, over the time of the drill; where
/// many fall into one place, the mark is darker.
pub(crate) fn scatter(course: &Course) -> String {
    let most = course.decisions.iter().map(|one| one.stale.as_secs_f64()).fold(0.0, f64::max);
    let ticks = time_ticks(most.max(1.0), 6);
    let top_value = ticks.last().copied().unwrap_or(1.0);
    let any_unread = course.decisions.iter().any(|one| !one.read);
    let (top, height) = (if any_unread { 56.0 } else { 26.0 }, 200.0);
    let bottom = top + height;
    let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
    let y = Scale { most: top_value, from: bottom, to: top };
    let label = told("判断の時刻と根拠の古さ", "decisions by time and age of knowledge");
    let mut canvas = Canvas::new(bottom + time_axis_height(course), label);
    canvas.told((0.0, 12.0), Anchor::Start, "sub", &told("情報の古さ", "age of knowledge"));
    value_axis(&mut canvas, y, &ticks, (x.from, x.to), |value| time_label(value, top_value));
    time_axis(&mut canvas, course, x, top, bottom);
    if any_unread {
        canvas.told((LEFT - 7.0, 38.0), Anchor::End, "", &told("開けず", "not read"));
        canvas.path(&crosses(course, x), "cross");
    }
    for (class, d) in cells(course, x, y) {
        canvas.path(&d, class);
    }
    canvas.finish()
}

fn crosses(course: &Course, x: Scale) -> String {
    let places: BTreeSet<i64> = course
        .decisions
        .iter()
        .filter(|one| !one.read)
        .map(|one| (x.at(one.at.as_secs_f64()) / CELL) as i64)
        .collect();
    places.into_iter().map(|place| format!("M{} 31l6 6m0-6l-6 6", n(place as f64 * CELL - 0.5))).collect()
}

/// Gathers decisions that lacked something into small cells, darker the more there are.
fn cells(course: &Course, x: Scale, y: Scale) -> Vec<(&'static str, String)> {
    let mut counts: BTreeMap<(i64, i64), u64> = BTreeMap::new();
    for one in course.decisions.iter().filter(|one| one.read && one.unknown > 0) {
        let place = (x.at(one.at.as_secs_f64()) / CELL, y.at(one.stale.as_secs_f64()) / CELL);
        *counts.entry((place.0 as i64, place.1 as i64)).or_default() += 1;
    }
    let mut drawn =
        [("d0", String::new()), ("d1", String::new()), ("d2", String::new()), ("d3", String::new())];
    let many = counts.values().copied().max().unwrap_or(0);
    for ((column, row), count) in counts {
        let class = match count {
            _ if many <= 3 => 2,
            1 => 0,
            2..=3 => 1,
            4..=9 => 2,
            _ => 3,
        };
        let (left, top) = (column as f64 * CELL + 0.5, row as f64 * CELL - 2.0);
        drawn[class].1.push_str(&format!("M{} {}h4v4h-4z", n(left), n(top)));
    }
    drawn.into_iter().collect()
}
