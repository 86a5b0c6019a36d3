//! The time-line: one lane for each replica, with numbered marks of events above.

use super::axis::{Scale, time_axis, time_axis_height};
use super::canvas::{Anchor, Canvas, WIDTH, ems, n, wrap};
use crate::drill::course::Course;
use crate::drill::report::spans::{Span, State, spans};
use crate::drill::report::wording::{percent, site, told};

/// Most replicas that have lanes of their own.
const LANES_MAX: usize = 30;
/// Most named replicas with lanes of their own where fleets are gathered.
const NAMED_MAX: usize = 12;
/// Most events that are marked and listed.
pub(crate) const EVENTS_MAX: usize = 150;

const LEFT: f64 = 158.0;
const RIGHT: f64 = 62.0;
const LANE: f64 = 34.0;
const LANE_GAP: f64 = 8.0;
const MARK: f64 = 18.0;
const MARK_ROWS: usize = 6;
/// How long a stretch is of which one mark tells all events: as wide as the longest of its labels.
const STRETCH: f64 = 66.0;

/// Returns the replicas that have lanes of their own: all of a small region, else those of no fleet.
pub(crate) fn shown_members(course: &Course) -> Vec<usize> {
    let all = 0..course.members.len();
    match course.members.len() {
        few if few <= LANES_MAX => all.collect(),
        _ => all.filter(|member| course.members[*member].fleet.is_none()).take(NAMED_MAX).collect(),
    }
}

/// One mark: the events from one number to another, where it stands.
struct Mark {
    first: usize,
    last: usize,
    at: f64,
    width: f64,
    row: usize,
    failed: bool,
}

/// Draws the lanes of some replicas. Events are numbered from one, as the list below numbers them.
pub(crate) fn lanes(course: &Course, members: &[usize]) -> String {
    let spans = spans(course);
    let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
    let marks = place_marks(course, x);
    let marked = course.happenings.len().min(EVENTS_MAX);
    let rows = marks.iter().map(|mark| mark.row + 1).max().unwrap_or(0);
    let top = 20.0 + rows as f64 * (MARK + 3.0) + 6.0;
    let bottom = top + members.len() as f64 * (LANE + LANE_GAP);
    let label = told("拠点ごとの時間の流れ", "time-line of the sites");
    let mut canvas = Canvas::new(bottom + time_axis_height(course), label);
    time_axis(&mut canvas, course, x, top, bottom);
    canvas.told((WIDTH, 13.0), Anchor::End, "sub", &told("閲覧可", "reading"));
    if !marks.is_empty() {
        canvas.told(
            (LEFT - 10.0, 34.0),
            Anchor::End,
            "sub",
            &told("出来事（番号は一覧）", "events (listed below)"),
        );
    }
    for (row, member) in members.iter().enumerate() {
        let y = top + row as f64 * (LANE + LANE_GAP) + LANE_GAP / 2.0;
        lane(&mut canvas, course, *member, &spans[*member], x, y);
    }
    let mut drops = String::new();
    for mark in marks.iter().filter(|mark| mark.first == mark.last && marks.len() == marked) {
        let y = 20.0 + (rows - 1 - mark.row) as f64 * (MARK + 3.0);
        drops.push_str(&format!("M{} {}V{}", n(mark.at), n(y + MARK), n(bottom)));
    }
    canvas.path(&drops, "drop");
    let mut ticks = String::new();
    for happening in course.happenings.iter().take(marked) {
        ticks.push_str(&format!("M{} {}v6", n(x.at(happening.at.as_secs_f64())), n(top - 2.0)));
    }
    canvas.path(&ticks, "axis");
    for mark in &marks {
        draw_mark(&mut canvas, mark, 20.0 + (rows - 1 - mark.row) as f64 * (MARK + 3.0));
    }
    canvas.finish()
}

fn lane(canvas: &mut Canvas, course: &Course, member: usize, spans: &[Span], x: Scale, y: f64) {
    let name = wrap(&site(course, member), (LEFT - 14.0) / 12.5, 2);
    let middle = y + LANE / 2.0;
    let first = middle + 4.5 - (name.len().saturating_sub(1)) as f64 * 7.5;
    for (line, text) in name.iter().enumerate() {
        canvas.text((LEFT - 10.0, first + line as f64 * 15.0), Anchor::End, "", text);
    }
    for state in State::ALL {
        let mut d = String::new();
        for span in spans.iter().filter(|span| span.state == state) {
            let (from, until) = (x.at(span.from.as_secs_f64()), x.at(span.until.as_secs_f64()));
            d.push_str(&format!(
                "M{} {}H{}V{}H{}z",
                n(from),
                n(y),
                n(until.max(from + 0.6)),
                n(y + LANE),
                n(from)
            ));
        }
        canvas.path(&d, &format!("s{}", state.index()));
    }
    canvas.rect((x.from, y), (x.to - x.from, LANE), "frame");
    let all = course.lasted.as_secs_f64().max(f64::MIN_POSITIVE);
    let unread: f64 = spans.iter().filter(|span| !span.able.read).map(Span::seconds).sum();
    canvas.text((WIDTH, middle + 4.5), Anchor::End, "bold", &percent(1.0 - unread / all));
}

/// Finds a place for each event's mark so that none overlaps. Where single marks do not fit into the rows, all
/// events are gathered by time: one mark tells the numbers of a stretch.
fn place_marks(course: &Course, x: Scale) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    let mut ends = [f64::MIN; MARK_ROWS];
    for (number, happening) in course.happenings.iter().enumerate().take(EVENTS_MAX) {
        let number = number + 1;
        let at = x.at(happening.at.as_secs_f64());
        let failed = happening.failed.is_some();
        let width = (ems(&number.to_string()) * 11.0 + 8.0).max(MARK);
        let Some(row) = ends.iter().position(|end| at - width / 2.0 >= end + 2.0) else {
            return gathered(course, x);
        };
        ends[row] = at + width / 2.0;
        marks.push(Mark { first: number, last: number, at, width, row, failed });
    }
    marks
}

/// Gathers events by stretches of equal length, each with one mark in its middle.
fn gathered(course: &Course, x: Scale) -> Vec<Mark> {
    let stretches = ((x.to - x.from) / STRETCH).floor().max(1.0);
    let step = (x.to - x.from) / stretches;
    let mut marks: Vec<Mark> = Vec::new();
    for (number, happening) in course.happenings.iter().enumerate().take(EVENTS_MAX) {
        let number = number + 1;
        let place = ((x.at(happening.at.as_secs_f64()) - x.from) / step).floor().min(stretches - 1.0);
        let at = x.from + (place + 0.5) * step;
        let failed = happening.failed.is_some();
        match marks.last_mut().filter(|last| last.at >= at) {
            Some(last) => {
                (last.last, last.failed) = (number, last.failed || failed);
                last.width = (ems(&label(last)) * 11.0 + 10.0).max(MARK);
            }
            None => marks.push(Mark { first: number, last: number, at, width: step * 0.6, row: 0, failed }),
        }
    }
    marks
}

fn label(mark: &Mark) -> String {
    if mark.first == mark.last { mark.first.to_string() } else { format!("{}–{}", mark.first, mark.last) }
}

fn draw_mark(canvas: &mut Canvas, mark: &Mark, y: f64) {
    let (left, half) = (mark.at - mark.width / 2.0, MARK / 2.0);
    let run = mark.width - MARK;
    let d = match mark.failed {
        // A failed one is a box, the others are round: told apart without colour.
        true => format!("M{} {}h{}v{}h-{}z", n(left), n(y), n(mark.width), n(MARK), n(mark.width)),
        false => format!(
            "M{} {}h{}a{half} {half} 0 0 1 0 {MARK}h-{}a{half} {half} 0 0 1 0 -{MARK}z",
            n(left + half),
            n(y),
            n(run),
            n(run)
        ),
    };
    canvas.path(&d, if mark.failed { "pinbad" } else { "pin" });
    canvas.text((mark.at, y + 13.0), Anchor::Start, "mark", &label(mark));
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{large, small};
    use super::*;

    #[test]
    fn marks_never_overlap_and_every_event_has_one() {
        for course in [small(), large()] {
            let x = Scale { most: course.lasted.as_secs_f64(), from: LEFT, to: WIDTH - RIGHT };
            let marks = place_marks(&course, x);
            let marked: usize = marks.iter().map(|mark| mark.last - mark.first + 1).sum();
            assert_eq!(marked, course.happenings.len().min(EVENTS_MAX));
            for row in 0..MARK_ROWS {
                let row: Vec<&Mark> = marks.iter().filter(|mark| mark.row == row).collect();
                for pair in row.windows(2) {
                    assert!(pair[0].at + pair[0].width / 2.0 < pair[1].at - pair[1].width / 2.0 + 0.01);
                }
            }
        }
    }

    #[test]
    fn a_large_region_shows_its_named_replicas_alone() {
        assert_eq!(shown_members(&small()).len(), 3);
        assert_eq!(shown_members(&large()).len(), 4);
    }
}
