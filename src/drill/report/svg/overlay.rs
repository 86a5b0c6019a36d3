//! Several runs in one picture: availability over time, and one figure beside the other.

use super::area::outline;
use super::axis::{Scale, time_axis, time_axis_height, value_axis};
use super::bars::{Bar, STEP, bars, scale};
use super::canvas::{Anchor, Canvas, WIDTH};
use crate::drill::course::Course;
use crate::drill::report::wording::{percent, same, told};
use crate::drill::scenario::Told;

/// Most runs that lines tell apart.
pub(crate) const SERIES_MAX: usize = 6;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 34.0;
const HEIGHT: f64 = 210.0;
const FILLS: [&str; SERIES_MAX] = ["f0", "f1", "f2", "f3", "f4", "f5"];

/// Draws lines of shares over the time of the longest run. Each line has as many equal steps as it has values.
pub(crate) fn overlay(longest: &Course, title: &Told, series: &[(f64, Vec<f64>)]) -> String {
    let whole = longest.lasted.as_secs_f64();
    let x = Scale { most: whole, from: LEFT, to: WIDTH - RIGHT };
    let (top, bottom) = (26.0, 26.0 + HEIGHT);
    let y = Scale { most: 1.0, from: bottom, to: top };
    let mut canvas = Canvas::new(bottom + time_axis_height(longest), title.clone());
    canvas.told((0.0, 12.0), Anchor::Start, "sub", title);
    value_axis(&mut canvas, y, &[0.0, 0.25, 0.5, 0.75, 1.0], (x.from, x.to), |share| {
        same(percent(share).replace(".0 %", " %"))
    });
    time_axis(&mut canvas, longest, x, top, bottom);
    for (number, (lasted, shares)) in series.iter().enumerate().take(SERIES_MAX) {
        let x = Scale { to: x.at(*lasted), ..x };
        canvas.path(&outline(shares, x, y), &format!("l{number}"));
    }
    canvas.finish()
}

/// Draws one figure of several runs as bars; none where a run has no such figure. The longest bar is the
/// whole where there is one, such as 1 for shares, else the greatest value.
pub(crate) fn figures(title: &Told, whole: Option<f64>, values: &[(Told, Option<f64>, Told)]) -> String {
    let most = values.iter().filter_map(|(_, value, _)| *value).fold(whole.unwrap_or(0.0), f64::max);
    let mut canvas = Canvas::new(26.0 + values.len() as f64 * STEP, title.clone());
    canvas.told((0.0, 14.0), Anchor::Start, "bold", title);
    let bar = |(number, (label, value, figure)): (usize, &(Told, Option<f64>, Told))| Bar {
        label: label.clone(),
        parts: vec![(value.unwrap_or(0.0), FILLS[number % SERIES_MAX])],
        figure: if value.is_some() { figure.clone() } else { told("該当なし", "none") },
    };
    let drawn: Vec<Bar> = values.iter().enumerate().map(bar).collect();
    let x = scale(most);
    bars(&mut canvas, &drawn, x, 22.0);
    canvas.line((x.from, 22.0), (x.from, 22.0 + values.len() as f64 * STEP), "axis");
    canvas.finish()
}
