//! The time of each replica as spans in which people there could do the same things.

use std::time::Duration;

use crate::drill::course::{Able, Course};

/// What people at a replica could do, as plots tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Reading and writing, in touch with others.
    Linked,
    /// Reading and writing, in touch with nobody.
    Alone,
    /// Reading, but not writing.
    ReadOnly,
    /// Not reading.
    Off,
    /// The disk is lost and not yet restored.
    Lost,
}

impl State {
    /// All states, from the best to the worst.
    pub(super) const ALL: [State; 5] =
        [State::Linked, State::Alone, State::ReadOnly, State::Off, State::Lost];

    fn of(able: Able) -> Self {
        match able {
            Able { read: false, .. } => State::Off,
            Able { write: false, .. } => State::ReadOnly,
            Able { linked: false, .. } => State::Alone,
            Able { .. } => State::Linked,
        }
    }

    /// Returns its place in [`State::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            State::Linked => 0,
            State::Alone => 1,
            State::ReadOnly => 2,
            State::Off => 3,
            State::Lost => 4,
        }
    }
}

/// A time in which a replica's state did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// When it begins.
    pub from: Duration,
    /// When it ends; after it begins.
    pub until: Duration,
    /// What could be done.
    pub able: Able,
    /// The same, as plots show it.
    pub state: State,
}

impl Span {
    /// Returns how long it lasts, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }
}

/// Returns for each replica its spans: in order, without gap, from zero to the end of the run.
///
/// A replica of which nothing was said could do nothing.
pub(super) fn spans(course: &Course) -> Vec<Vec<Span>> {
    let mut changes: Vec<Vec<(Duration, Able)>> = vec![Vec::new(); course.members.len()];
    for change in &course.able {
        if let Some(of_member) = changes.get_mut(change.member) {
            of_member.push((change.at.min(course.lasted), change.able));
        }
    }
    let mut found: Vec<Vec<Span>> =
        changes.into_iter().map(|changes| from_changes(changes, course.lasted)).collect();
    for restore in &course.restores {
        if let Some(spans) = found.get_mut(restore.member) {
            *spans = with_loss(spans, restore.lost, restore.lost + restore.out(course.lasted));
        }
    }
    found
}

/// Returns the longest time in a row for which something was true: how long, and from when.
pub(super) fn longest(spans: &[Span], is: impl Fn(&Span) -> bool) -> Option<(Duration, Duration)> {
    let mut best: Option<(Duration, Duration)> = None;
    let mut since = None;
    for span in spans {
        if is(span) {
            let from = *since.get_or_insert(span.from);
            let length = span.until - from;
            if best.is_none_or(|(longest, _)| length > longest) {
                best = Some((length, from));
            }
        } else {
            since = None;
        }
    }
    best
}

fn from_changes(mut changes: Vec<(Duration, Able)>, lasted: Duration) -> Vec<Span> {
    changes.sort_by_key(|(at, _)| *at);
    let mut now = Able { read: false, write: false, linked: false };
    let mut from = Duration::ZERO;
    let mut spans: Vec<Span> = Vec::new();
    let mut end = |from: Duration, until: Duration, able: Able| {
        if until <= from {
            return;
        }
        match spans.last_mut() {
            Some(last) if last.able == able => last.until = until,
            _ => spans.push(Span { from, until, able, state: State::of(able) }),
        }
    };
    for (at, able) in changes {
        end(from, at, now);
        (from, now) = (at, able);
    }
    end(from, lasted, now);
    spans
}

/// Marks the part of the spans between the loss of a disk and its return.
fn with_loss(spans: &[Span], lost: Duration, back: Duration) -> Vec<Span> {
    let mut marked = Vec::new();
    for span in spans {
        let cuts =
            [span.from, lost.clamp(span.from, span.until), back.clamp(span.from, span.until), span.until];
        for (piece, pair) in cuts.windows(2).enumerate().filter(|(_, pair)| pair[0] < pair[1]) {
            let state = if piece == 1 { State::Lost } else { span.state };
            marked.push(Span { from: pair[0], until: pair[1], state, ..*span });
        }
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{hours, small};
    use super::*;

    #[test]
    fn spans_cover_the_run_without_gap_or_overlap() {
        let course = small();
        for spans in spans(&course) {
            assert_eq!(spans.first().unwrap().from, Duration::ZERO);
            assert_eq!(spans.last().unwrap().until, course.lasted);
            assert!(spans.windows(2).all(|pair| pair[0].until == pair[1].from));
        }
    }

    #[test]
    fn a_lost_disk_is_told_apart_from_a_stop() {
        let course = small();
        let lost: f64 = spans(&course)[1].iter().filter(|s| s.state == State::Lost).map(Span::seconds).sum();
        let restore = &course.restores[0];
        assert!((lost - restore.out(course.lasted).as_secs_f64()).abs() < 1e-6);
        assert!(spans(&course)[0].iter().all(|span| span.state != State::Lost));
    }

    #[test]
    fn the_longest_time_in_a_row_joins_neighbours() {
        let able = |read| Able { read, write: read, linked: read };
        let span = |from, until, read| Span {
            from: hours(from),
            until: hours(until),
            able: able(read),
            state: State::of(able(read)),
        };
        let spans = [span(0, 1, false), span(1, 2, true), span(2, 5, false), span(5, 7, false)];
        assert_eq!(longest(&spans, |span| !span.able.read), Some((hours(5), hours(2))));
        assert_eq!(longest(&spans, |_| false), None);
    }
}
