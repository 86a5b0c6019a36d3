//! Bytes per hour of the busiest links, against their quota, with the hours in which they were cut.

use super::axis::{Scale, bytes_label, round_ticks, time_axis, time_axis_height, value_axis};
use super::canvas::{Anchor, Canvas, WIDTH, n, wrap};
use crate::drill::course::{Course, LinkCourse};
use crate::drill::report::measures::{LinkUse, down};
use crate::drill::report::wording::{bytes, of_quota, site, told};

/// Most links that are drawn.
pub(crate) const LINKS_DRAWN: usize = 6;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 34.0;
const HEIGHT: f64 = 84.0;
const BLOCK: f64 = 128.0;
const HOUR_S: f64 = 3_600.0;
const HOURS_A_DAY: f64 = 24.0;

/// Draws the first few of some links, each on a scale of its own; nothing when there are none.
pub(crate) fn links(course: &Course, uses: &[LinkUse]) -> String {
    let shown: Vec<&LinkUse> = uses.iter().take(LINKS_DRAWN).collect();
    if shown.is_empty() {
        return String::new();
    }
    let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
    let height = shown.len() as f64 * BLOCK - (BLOCK - HEIGHT - 34.0) + time_axis_height(course);
    let mut canvas = Canvas::new(height, told("回線ごとの一時間あたり通信量", "bytes per hour of links"));
    for (row, one) in shown.iter().enumerate() {
        let Some(link) = course.links.get(one.link) else { continue };
        let top = row as f64 * BLOCK + 34.0;
        draw(&mut canvas, course, link, one, x, top);
        if row + 1 == shown.len() {
            time_axis(&mut canvas, course, x, top, top + HEIGHT);
        }
    }
    canvas.finish()
}

fn draw(canvas: &mut Canvas, course: &Course, link: &LinkCourse, one: &LinkUse, x: Scale, top: f64) {
    let bottom = top + HEIGHT;
    let quota = link.quota_bytes_per_day.map(|quota| quota as f64 / HOURS_A_DAY);
    let most = link.bytes_by_hour.iter().copied().max().unwrap_or(0) as f64;
    let ticks = round_ticks(most.max(quota.unwrap_or(0.0)).max(1.0), 3);
    let y = Scale { most: ticks.last().copied().unwrap_or(1.0), from: bottom, to: top };
    let ends = link.ends.map(|end| wrap(&site(course, end), 18.0, 1).concat());
    let title = format!("{} – {}", ends[0], ends[1]);
    canvas.text((LEFT, top - 12.0), Anchor::Start, "bold", &title);
    let all = bytes(one.bytes);
    let figure = match (one.of_quota, link.quota_bytes_per_day) {
        (Some(share), Some(quota)) => {
            let (share, quota) = (of_quota(share), bytes(quota));
            told(
                format!("計 {all}・最多の日は上限 {quota} の {share}"),
                format!("{all}; busiest day {share} of {quota}"),
            )
        }
        _ => told(format!("計 {all}・上限なし"), format!("{all}; no quota")),
    };
    canvas.told((WIDTH - RIGHT, top - 12.0), Anchor::End, "sub", &figure);
    let mut cuts = String::new();
    for (from, until) in down(link, course.lasted) {
        let (left, right) = (x.at(from.as_secs_f64()), x.at(until.as_secs_f64()));
        cuts.push_str(&format!(
            "M{} {}H{}V{}H{}z",
            n(left),
            n(top),
            n(right.max(left + 1.0)),
            n(bottom),
            n(left)
        ));
    }
    canvas.path(&cuts, "cut");
    value_axis(canvas, y, &ticks, (x.from, x.to), bytes_label);
    let mut drawn = String::new();
    for (hour, carried) in link.bytes_by_hour.iter().enumerate().filter(|(_, carried)| **carried > 0) {
        let (from, until) = (hour as f64 * HOUR_S, (hour + 1) as f64 * HOUR_S);
        let (left, right) = (x.at(from), x.at(until));
        let gap = ((right - left) * 0.12).min(1.5);
        let (left, right) = (left + gap, (right - gap).max(left + gap + 0.5));
        drawn.push_str(&format!(
            "M{} {}V{}H{}V{}z",
            n(left),
            n(bottom),
            n(y.at(*carried as f64)),
            n(right),
            n(bottom)
        ));
    }
    canvas.path(&drawn, "bar");
    if let Some(quota) = quota {
        canvas.line((x.from, y.at(quota)), (x.to, y.at(quota)), "quota");
    }
    canvas.line((x.from, bottom), (x.to, bottom), "axis");
}
