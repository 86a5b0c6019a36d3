//! How the replicas spent the time: shares stacked over time.

use super::axis::{Scale, time_axis, time_axis_height, value_axis};
use super::canvas::{Anchor, Canvas, WIDTH, n};
use crate::drill::course::Course;
use crate::drill::report::measures::Slice;
use crate::drill::report::wording::{percent, same, told};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 34.0;
const HEIGHT: f64 = 190.0;

/// Draws the shares of all replicas over time.
pub(crate) fn availability(course: &Course, slices: &[Slice]) -> String {
    let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
    let (top, bottom) = (26.0, 26.0 + HEIGHT);
    let y = Scale { most: 1.0, from: bottom, to: top };
    let label = told("全拠点の状態の割合の推移", "shares of all replicas over time");
    let mut canvas = Canvas::new(bottom + time_axis_height(course), label);
    canvas.told((LEFT - 54.0, 12.0), Anchor::Start, "sub", &told("拠点の割合", "share of replicas"));
    stack(&mut canvas, slices, x, y);
    value_axis(&mut canvas, y, &[0.0, 0.25, 0.5, 0.75, 1.0], (x.from, x.to), |share| {
        same(percent(share).replace(".0 %", " %"))
    });
    time_axis(&mut canvas, course, x, top, bottom);
    canvas.rect((x.from, top), (x.to - x.from, HEIGHT), "frame");
    canvas.finish()
}

/// Stacks the shares of slices as steps, the best at the bottom.
pub(super) fn stack(canvas: &mut Canvas, slices: &[Slice], x: Scale, y: Scale) {
    let states = 5;
    let mut below: Vec<f64> = vec![0.0; slices.len()];
    for state in 0..states {
        let above: Vec<f64> =
            slices.iter().zip(&below).map(|(slice, below)| (below + slice.parts()[state]).min(1.0)).collect();
        if above.iter().zip(&below).any(|(above, below)| above - below > 1e-6) {
            canvas.path(&band(&below, &above, x, y), &format!("s{state}"));
        }
        if state + 1 < states && above.iter().any(|share| *share < 0.999) {
            canvas.path(&outline(&above, x, y), "edge");
        }
        below = above;
    }
}

/// Draws a line in steps.
pub(super) fn outline(shares: &[f64], x: Scale, y: Scale) -> String {
    let width = (x.to - x.from) / shares.len().max(1) as f64;
    let mut d = String::new();
    let mut last = None;
    for (number, share) in shares.iter().enumerate() {
        let at = n(y.at(*share));
        if last.as_ref() != Some(&at) {
            let left = n(x.from + number as f64 * width);
            d.push_str(&if number == 0 { format!("M{left} {at}") } else { format!("H{left}V{at}") });
            last = Some(at);
        }
    }
    if !d.is_empty() {
        d.push_str(&format!("H{}", n(x.to)));
    }
    d
}

/// Draws the area between two lines in steps.
fn band(below: &[f64], above: &[f64], x: Scale, y: Scale) -> String {
    let width = (x.to - x.from) / below.len().max(1) as f64;
    let mut back: Vec<String> = Vec::new();
    let mut last = None;
    for (number, share) in below.iter().enumerate() {
        let at = n(y.at(*share));
        if last.as_ref() != Some(&at) {
            back.push(match number {
                0 => format!("V{at}H{}", n(x.from)),
                number => format!("V{at}H{}", n(x.from + number as f64 * width)),
            });
            last = Some(at);
        }
    }
    back.reverse();
    format!("{}{}z", outline(above, x, y), back.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_do_not_change_draw_nothing() {
        let (x, y) = (Scale { most: 1.0, from: 0.0, to: 100.0 }, Scale { most: 1.0, from: 10.0, to: 0.0 });
        assert_eq!(outline(&[1.0; 50], x, y), "M0 0H100");
        assert_eq!(outline(&[1.0, 1.0, 0.5, 0.5], x, y), "M0 0H50V5H100");
        assert_eq!(band(&[0.0, 0.0], &[1.0, 1.0], x, y), "M0 0H100V10H0z");
        assert_eq!(band(&[0.0, 0.5], &[1.0, 1.0], x, y), "M0 0H100V5H50V10H0z");
    }
}
