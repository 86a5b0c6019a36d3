//! Scales with round ticks.

use std::time::Duration;

use super::canvas::{Anchor, Canvas, n};
use crate::drill::course::Course;
use crate::drill::report::wording::{bytes, civil, number, same, told};
use crate::drill::scenario::Told;

/// Steps between ticks of time, in seconds.
const TIME_STEPS_S: [f64; 24] = [
    0.1,
    0.2,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
];
/// From this length on, the wall clock is told beside the time since zero.
const CIVIL_FROM: Duration = Duration::from_secs(3_600);

/// Where values lie between two points of a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// The value at the end; the one at the beginning is zero.
    pub most: f64,
    /// The point of zero.
    pub from: f64,
    /// The point of the greatest value.
    pub to: f64,
}

impl Scale {
    /// Returns the point of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.most > 0.0 { (value / self.most).clamp(0.0, 1.0) } else { 0.0 };
        self.from + (self.to - self.from) * share
    }
}

/// Returns round ticks from zero to the first that is not below `most`, about `count` of them.
pub(super) fn round_ticks(most: f64, count: usize) -> Vec<f64> {
    let raw = (most / count as f64).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= raw * 0.999);
    ticks(most, step.unwrap_or(raw))
}

/// Like [`round_ticks`] for counts: never less than one apart.
pub(super) fn count_ticks(most: u64, count: usize) -> Vec<f64> {
    if most as usize <= count { ticks(most.max(1) as f64, 1.0) } else { round_ticks(most as f64, count) }
}

/// Returns ticks of time from zero, round as people count time: to the first not below `most`.
pub(super) fn time_ticks(most: f64, count: usize) -> Vec<f64> {
    let fits = |step: &&f64| most / **step <= count as f64;
    let step = TIME_STEPS_S.iter().find(fits).copied().unwrap_or(most.max(1.0));
    ticks(most, step)
}

fn ticks(most: f64, step: f64) -> Vec<f64> {
    let count = (most / step - 1e-9).ceil().max(1.0) as usize;
    (0..=count).map(|number| number as f64 * step).collect()
}

/// Writes a tick of time.
pub(super) fn time_label(value: f64, most: f64) -> Told {
    let short = |value: f64| {
        let text = format!("{value:.1}");
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    match most {
        _ if value == 0.0 => same("0"),
        most if most < 120.0 => told(format!("{}秒", short(value)), format!("{} s", short(value))),
        most if most < 7_200.0 => {
            told(format!("{}分", short(value / 60.0)), format!("{} min", short(value / 60.0)))
        }
        most if most <= 432_000.0 => {
            told(format!("{}時間", short(value / 3_600.0)), format!("{} h", short(value / 3_600.0)))
        }
        _ => told(format!("{}日", short(value / 86_400.0)), format!("{} d", short(value / 86_400.0))),
    }
}

/// Writes a tick of counts.
pub(super) fn count_label(value: f64) -> Told {
    same(number(value.round() as u64))
}

/// Writes a tick of bytes without needless decimals.
pub(super) fn bytes_label(value: f64) -> Told {
    let text = bytes(value.round() as u64);
    let Some((digits, unit)) = text.split_once(' ') else { return same(text) };
    let digits =
        if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    same(if value == 0.0 { "0".to_owned() } else { format!("{digits} {unit}") })
}

/// How high the labels of [`time_axis`] are.
pub(super) fn time_axis_height(course: &Course) -> f64 {
    if course.lasted >= CIVIL_FROM { 46.0 } else { 32.0 }
}

/// Draws the axis of the drill's time below a plot, with lines of the grid through it: hours since time zero, and
/// below them the wall clock.
pub(super) fn time_axis(canvas: &mut Canvas, course: &Course, x: Scale, top: f64, bottom: f64) {
    let most = course.lasted.as_secs_f64();
    let count = ((x.to - x.from) / 72.0) as usize;
    let mut grid = String::new();
    for value in time_ticks(most, count.max(2)).into_iter().filter(|value| *value <= most) {
        let at = x.at(value);
        grid.push_str(&format!("M{} {}V{}", n(at), n(top), n(bottom + 4.0)));
        canvas.told((at, bottom + 18.0), Anchor::Middle, "", &time_label(value, most));
        if course.lasted >= CIVIL_FROM {
            let clock = civil(course, Duration::from_secs_f64(value));
            canvas.text((at, bottom + 33.0), Anchor::Middle, "sub", &clock);
        }
    }
    canvas.path(&grid, "grid");
    canvas.line((x.from, bottom), (x.to, bottom), "axis");
}

/// Draws an axis of values at the left of a plot, with lines of the grid; the title stands above it.
pub(super) fn value_axis(
    canvas: &mut Canvas,
    y: Scale,
    ticks: &[f64],
    (left, right): (f64, f64),
    label: impl Fn(f64) -> Told,
) {
    let mut grid = String::new();
    for value in ticks {
        let at = y.at(*value);
        grid.push_str(&format!("M{} {}H{}", n(left), n(at), n(right)));
        canvas.told((left - 7.0, at + 4.0), Anchor::End, "", &label(*value));
    }
    canvas.path(&grid, "grid");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_top() {
        assert_eq!(round_ticks(37.0, 4), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(round_ticks(100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(count_ticks(3, 5), [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(
            time_ticks(86_400.0, 8),
            [0.0, 10_800.0, 21_600.0, 32_400.0, 43_200.0, 54_000.0, 64_800.0, 75_600.0, 86_400.0]
        );
        for most in [0.01, 0.7, 3.0, 59.0, 1e3, 86_399.0, 1e7] {
            for ticks in [round_ticks(most, 5), time_ticks(most, 8)] {
                assert!(ticks.len() >= 2 && ticks.len() <= 12, "{most}: {ticks:?}");
                assert!(*ticks.last().unwrap() >= most * 0.999);
            }
        }
    }

    #[test]
    fn labels_have_units() {
        assert_eq!(time_label(21_600.0, 86_400.0).ja, "6時間");
        assert_eq!(time_label(2.5, 9.0).en, "2.5 s");
        assert_eq!(bytes_label(5e6).en, "5 MB");
        assert_eq!(bytes_label(100e6).en, "100 MB");
    }

    #[test]
    fn a_scale_stays_between_its_ends() {
        let scale = Scale { most: 10.0, from: 100.0, to: 0.0 };
        assert_eq!([0.0, 5.0, 20.0].map(|value| scale.at(value)), [100.0, 50.0, 0.0]);
        assert_eq!(Scale { most: 0.0, ..scale }.at(3.0), 100.0);
    }
}
