//! How long it took after each reunion until all held the same.

use std::time::Duration;

use super::axis::{time_label, time_ticks};
use super::bars::{Bar, LEFT, STEP, bars, scale};
use super::canvas::{Anchor, Canvas, n};
use crate::drill::course::Course;
use crate::drill::report::measures::ReunionMeasure;
use crate::drill::report::wording::{civil, same, seconds, since_zero, told};

/// Draws the reunions; nothing when there are none.
pub(crate) fn reunions(course: &Course, reunions: &[ReunionMeasure]) -> String {
    if reunions.is_empty() {
        return String::new();
    }
    let most = reunions.iter().filter_map(|one| one.took_s).fold(0.0, f64::max);
    let ticks = time_ticks(most.max(1.0), 6);
    let top = ticks.last().copied().unwrap_or(1.0);
    let x = scale(top);
    let bottom = 8.0 + reunions.len() as f64 * STEP;
    let mut canvas =
        Canvas::new(bottom + 28.0, told("復旧から一致までの時間", "time from reunion to equality"));
    let mut grid = String::new();
    for tick in &ticks {
        grid.push_str(&format!("M{} 4V{}", n(x.at(*tick)), n(bottom + 4.0)));
        canvas.told((x.at(*tick), bottom + 19.0), Anchor::Middle, "", &time_label(*tick, top));
    }
    canvas.path(&grid, "grid");
    canvas.told((LEFT - 10.0, bottom + 19.0), Anchor::End, "sub", &told("一致までの時間", "until equal"));
    let bar = |one: &ReunionMeasure| {
        let at = Duration::from_secs_f64(one.healed_s);
        let when = format!("{}  ({})", civil(course, at), since_zero(at, course.lasted));
        match one.took_s {
            Some(took) => Bar { label: same(when), parts: vec![(took, "bar")], figure: seconds(took) },
            None => Bar {
                label: same(when),
                parts: vec![(top * 0.06, "none")],
                figure: told("次の障害までに一致せず", "not equal in time"),
            },
        }
    };
    let drawn: Vec<Bar> = reunions.iter().map(bar).collect();
    bars(&mut canvas, &drawn, x, 4.0);
    canvas.finish()
}
