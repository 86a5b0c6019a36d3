//! Horizontal bars with a label at the left and a figure at the right.

use super::axis::Scale;
use super::canvas::{Anchor, Canvas, WIDTH, wrap};
use crate::drill::scenario::Told;

/// The room for labels at the left of bars.
pub(super) const LEFT: f64 = 190.0;
/// The room for figures at the right of bars.
const RIGHT: f64 = 130.0;
/// From one bar to the next.
pub(super) const STEP: f64 = 30.0;
const THICK: f64 = 19.0;

/// One bar of one or more parts.
pub(super) struct Bar {
    /// What it is.
    pub label: Told,
    /// Its parts: how long, and the class of each.
    pub parts: Vec<(f64, &'static str)>,
    /// What stands behind it.
    pub figure: Told,
}

/// Returns the scale on which bars are drawn.
pub(super) fn scale(most: f64) -> Scale {
    Scale { most, from: LEFT, to: WIDTH - RIGHT }
}

/// Draws bars from a height on downwards.
pub(super) fn bars(canvas: &mut Canvas, bars: &[Bar], x: Scale, top: f64) {
    for (row, bar) in bars.iter().enumerate() {
        let y = top + row as f64 * STEP + (STEP - THICK) / 2.0;
        let label = |text: &str| wrap(text, (LEFT - 14.0) / 12.5, 1).concat();
        let told = Told { ja: label(&bar.label.ja), en: label(&bar.label.en) };
        canvas.told((LEFT - 10.0, y + 14.0), Anchor::End, "", &told);
        let mut from = 0.0;
        for (value, class) in bar.parts.iter().filter(|(value, _)| *value > 0.0) {
            let (left, right) = (x.at(from), x.at(from + value));
            canvas.rect((left, y), ((right - left).max(1.5), THICK), &format!("{class} box"));
            from += value;
        }
        canvas.told((x.at(from) + 8.0, y + 14.0), Anchor::Start, "bold out", &bar.figure);
    }
}
