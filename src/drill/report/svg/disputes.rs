//! Contradictions and dangers by section and harm.

use std::collections::BTreeMap;

use super::axis::{count_label, count_ticks};
use super::bars::{Bar, LEFT, STEP, bars, scale};
use super::canvas::{Anchor, Canvas, n};
use crate::drill::report::measures::DisputeCount;
use crate::drill::report::wording::{number, section, told};

/// Draws how many there are; nothing when there are none.
pub(crate) fn disputes(counts: &[DisputeCount]) -> String {
    let mut sections: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for count in counts {
        let harm = match count.harm.as_str() {
            "contraindicated" => 0,
            "none" => 2,
            _ => 1,
        };
        sections.entry(&count.section).or_default()[harm] += count.count;
    }
    let mut sections: Vec<(&str, [u64; 3])> = sections.into_iter().collect();
    sections.sort_by_key(|(name, harms)| (std::cmp::Reverse(*harms), *name));
    let most = sections.iter().map(|(_, harms)| harms.iter().sum::<u64>()).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let ticks = count_ticks(most, 6);
    let x = scale(ticks.last().copied().unwrap_or(1.0));
    let bottom = 8.0 + sections.len() as f64 * STEP;
    let mut canvas = Canvas::new(bottom + 28.0, told("矛盾・警告の件数", "contradictions and warnings"));
    let mut grid = String::new();
    for tick in &ticks {
        grid.push_str(&format!("M{} 4V{}", n(x.at(*tick)), n(bottom + 4.0)));
        canvas.told((x.at(*tick), bottom + 19.0), Anchor::Middle, "", &count_label(*tick));
    }
    canvas.path(&grid, "grid");
    canvas.told((LEFT - 10.0, bottom + 19.0), Anchor::End, "sub", &told("件数", "count"));
    let bar = |(name, harms): (&str, [u64; 3])| {
        let sum = number(harms.iter().sum());
        Bar {
            label: section(name),
            parts: vec![(harms[0] as f64, "h0"), (harms[1] as f64, "h1"), (harms[2] as f64, "h2")],
            figure: told(format!("{sum} 件"), sum),
        }
    };
    let drawn: Vec<Bar> = sections.into_iter().map(bar).collect();
    bars(&mut canvas, &drawn, x, 4.0);
    canvas.finish()
}
