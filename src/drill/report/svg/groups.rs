//! Lanes of many replicas at once: fleet by fleet and area by area, shares stacked over time.

use std::collections::BTreeMap;

use super::area::stack;
use super::axis::{Scale, time_axis, time_axis_height};
use super::canvas::{Anchor, Canvas, WIDTH, wrap};
use crate::drill::course::Course;
use crate::drill::report::measures::{Slice, slices};
use crate::drill::report::spans::{Span, spans};
use crate::drill::report::wording::{group_of, number, percent, told};

/// Most lanes; beyond it, areas are not told apart.
const LANES_MAX: usize = 20;
/// Slices of time in each lane.
const SLICES: usize = 120;

const LEFT: f64 = 158.0;
const RIGHT: f64 = 62.0;
const LANE: f64 = 30.0;
const LANE_GAP: f64 = 8.0;

/// Draws the lanes of all replicas that have none of their own; nothing when there are none.
pub(crate) fn groups(course: &Course, shown: &[usize]) -> String {
    let mut by_area: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (member, one) in course.members.iter().enumerate().filter(|(member, _)| !shown.contains(member)) {
        by_area.entry(group_of(one)).or_default().push(member);
    }
    let mut groups: Vec<(String, String, Vec<usize>)> =
        by_area.into_iter().map(|((fleet, area), members)| (fleet, area, members)).collect();
    if groups.len() > LANES_MAX {
        let mut by_fleet: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (fleet, _, members) in groups {
            by_fleet.entry(fleet).or_default().extend(members);
        }
        groups = by_fleet.into_iter().map(|(fleet, members)| (fleet, String::new(), members)).collect();
        groups.truncate(LANES_MAX);
    }
    if groups.is_empty() {
        return String::new();
    }
    let spans = spans(course);
    let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
    let top = 22.0;
    let bottom = top + groups.len() as f64 * (LANE + LANE_GAP);
    let label = told("端末群と地区ごとの状態の割合", "shares of states by fleet and area");
    let mut canvas = Canvas::new(bottom + time_axis_height(course), label);
    time_axis(&mut canvas, course, x, top, bottom);
    canvas.told((WIDTH, 13.0), Anchor::End, "sub", &told("閲覧可", "reading"));
    for (row, (fleet, area, members)) in groups.iter().enumerate() {
        let y = top + row as f64 * (LANE + LANE_GAP) + LANE_GAP / 2.0;
        let of_group: Vec<&[Span]> = members.iter().map(|member| spans[*member].as_slice()).collect();
        let slices = slices(&of_group, course.lasted, SLICES);
        stack(&mut canvas, &slices, x, Scale { most: 1.0, from: y + LANE, to: y });
        canvas.rect((x.from, y), (x.to - x.from, LANE), "frame");
        name(&mut canvas, fleet, area, members.len(), y);
        let read = slices.iter().map(Slice::read).sum::<f64>() / slices.len().max(1) as f64;
        canvas.text((WIDTH, y + LANE / 2.0 + 4.5), Anchor::End, "bold", &percent(read));
    }
    canvas.finish()
}

fn name(canvas: &mut Canvas, fleet: &str, area: &str, count: usize, y: f64) {
    let area = area.rsplit('/').next().unwrap_or_default();
    let (fleet_ja, fleet_en) = if fleet.is_empty() { ("その他", "others") } else { (fleet, fleet) };
    let count = number(count as u64);
    let first = wrap(if area.is_empty() { fleet_en } else { area }, (LEFT - 14.0) / 12.5, 1).concat();
    canvas.text((LEFT - 10.0, y + 12.0), Anchor::End, "", &first);
    let second = told(format!("{fleet_ja} ×{count}"), format!("{fleet_en} ×{count}"));
    canvas.told((LEFT - 10.0, y + 27.0), Anchor::End, "sub", &second);
}
