//! Marks in the chart's texts: setting them by the words that they stand on, and showing them with their authors.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::ReplicaError;
use crate::base::WallMs;
use crate::chart::{ChangeHash, Chart, ChartChange, ChartError, MarkKind, Marking, NoteId, Span, SpanMark};

/// A mark of a chart's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Important (重要).
    Important,
    /// Struck through (取消線): no longer valid, and still readable.
    Struck,
}

impl From<Mark> for MarkKind {
    fn from(mark: Mark) -> Self {
        match mark {
            Mark::Important => Self::Important,
            Mark::Struck => Self::Struck,
        }
    }
}

impl From<MarkKind> for Mark {
    fn from(kind: MarkKind) -> Self {
        match kind {
            MarkKind::Important => Self::Important,
            MarkKind::Struck => Self::Struck,
        }
    }
}

/// Words of a text, as somebody who reads it names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The words as they stand in the text.
    pub text: String,
    /// Which of the places where they stand, from 1; needed where they stand several times.
    pub occurrence: Option<u32>,
}

/// Characters side by side that bear the same marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanShown {
    /// The characters.
    pub text: String,
    /// Their marks.
    pub marks: Vec<MarkShown>,
}

/// A mark that characters bear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkShown {
    /// Which.
    pub mark: Mark,
    /// `set`, or `disputed`: set and taken away at once.
    pub state: String,
    /// Who set it and when, oldest first.
    pub by: Vec<(String, WallMs)>,
    /// Of a disputed one, who took it away and when.
    pub against: Vec<(String, WallMs)>,
}

impl SpanShown {
    /// Shows a span; `who` tells who wrote a change.
    pub(super) fn of(span: &Span, who: impl Fn(&ChangeHash) -> String) -> Self {
        Self { text: span.text.clone(), marks: marks_shown(&span.marks, who) }
    }
}

/// Shows the marks of characters.
pub(super) fn marks_shown(marks: &[SpanMark], who: impl Fn(&ChangeHash) -> String) -> Vec<MarkShown> {
    let named = |markings: &[Marking]| {
        let time = |time_s: i64| WallMs(u64::try_from(time_s).unwrap_or(0).saturating_mul(1_000));
        markings.iter().map(|one| (who(&one.change), time(one.time_s))).collect()
    };
    let shown = |mark: &SpanMark| MarkShown {
        mark: mark.kind.into(),
        state: if mark.is_disputed() { "disputed" } else { "set" }.to_owned(),
        by: named(&mark.by),
        against: named(&mark.against),
    };
    marks.iter().map(shown).collect()
}

/// Sets a mark on words of a note, or without one of the hand-over; or takes it away.
///
/// # Errors
/// When the words stand nowhere, or at several places and none is named, or all of them are marked so already.
pub(super) fn mark_words(
    chart: &mut Chart,
    note: Option<&NoteId>,
    words: &Words,
    mark: Mark,
    on: bool,
    now: WallMs,
) -> Result<ChartChange, ReplicaError> {
    let (text, range) = place_of(chart, note, words)?;
    let change = match note {
        Some(note) => chart.mark_note(note, text, range, mark.into(), on, now.0),
        None => chart.mark_handover(range, mark.into(), on, now.0),
    };
    change.map_err(|error| match error {
        ChartError::NothingChanges => {
            let state =
                if on { "marked so already (既に指定済み)" } else { "not marked so (指定なし)" };
            ReplicaError::Call(format!("{} are {state}", told(words)))
        }
        error => error.into(),
    })
}

/// Finds words of a note, or without one of the hand-over: in which of its texts, and which characters of it.
///
/// # Errors
/// When the words stand nowhere, or at several places and none is named.
pub(super) fn place_of(
    chart: &mut Chart,
    note: Option<&NoteId>,
    words: &Words,
) -> Result<(usize, Range<usize>), ReplicaError> {
    let texts: Vec<String> = match note {
        Some(note) => chart.note_marked(note)?.iter().map(|spans| plain_text(spans)).collect(),
        None => vec![plain_text(&chart.handover_marked()?)],
    };
    place(&texts, words)
}

/// Finds where spans bear a mark, to set it on the same characters of another chart.
///
/// What is disputed counts as marked if it is important, and as unmarked if it is struck: the cautious side of each.
pub(super) fn marked(spans: &[Span], kind: MarkKind) -> Vec<Range<usize>> {
    let bears = |span: &Span| {
        let mark = span.marks.iter().find(|mark| mark.kind == kind);
        mark.is_some_and(|mark| kind == MarkKind::Important || !mark.is_disputed())
    };
    let (mut ranges, mut at): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for span in spans {
        let end = at + span.text.chars().count();
        match ranges.last_mut().filter(|last| last.end == at) {
            Some(last) if bears(span) => last.end = end,
            None if bears(span) => ranges.push(at..end),
            Some(_) | None => {}
        }
        at = end;
    }
    ranges
}

/// Returns the characters of spans.
pub(super) fn plain_text(spans: &[Span]) -> String {
    spans.iter().map(|span| span.text.as_str()).collect()
}

/// Finds words: in which text, and which characters of it.
fn place(texts: &[String], words: &Words) -> Result<(usize, Range<usize>), ReplicaError> {
    let call = |message: String| Err(ReplicaError::Call(message));
    let wanted: Vec<char> = words.text.chars().collect();
    if wanted.is_empty() {
        return call("there are no words to look for".to_owned());
    }
    let mut found = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        let text: Vec<char> = text.chars().collect();
        let places = text.windows(wanted.len()).zip(0..).filter(|(window, _)| *window == wanted);
        found.extend(places.map(|(_, at)| (number, at..at + wanted.len())));
    }
    let told = told(words);
    match (found.as_slice(), words.occurrence) {
        ([], _) => call(format!(
            "{told} do not stand in the text as it is now: `show` prints it; give the words exactly as they stand there"
        )),
        ([only], None) => Ok(only.clone()),
        (all, None) => {
            let times = all.len();
            call(format!(
                "{told} stand {times} times in the text; give more words, or choose one with --occurrence"
            ))
        }
        (all, Some(number)) => {
            let index = usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1);
            match index.and_then(|index| all.get(index)) {
                Some(place) => Ok(place.clone()),
                None => call(format!("{told} stand {} times in the text, not {number}", all.len())),
            }
        }
    }
}

/// Names words without saying them: they are a patient's text, and errors are written down elsewhere.
fn told(words: &Words) -> String {
    format!("the words ({} characters)", words.text.chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str, occurrence: Option<u32>) -> Words {
        Words { text: text.into(), occurrence }
    }

    #[test]
    fn words_are_found_where_they_stand_alone_or_by_their_number() {
        let texts = ["酸素2L、酸素4L".to_owned(), "𠮷田、ああああ".to_owned()];
        let found = |text: &str, occurrence| place(&texts, &words(text, occurrence)).ok();
        assert_eq!(found("2L", None), Some((0, 2..4)));
        assert_eq!(found("田", None), Some((1, 1..2)));
        assert_eq!(found("酸素", None), None);
        assert_eq!(found("酸素", Some(2)), Some((0, 5..7)));
        assert_eq!(found("ああ", Some(3)), Some((1, 5..7)));
        for (text, occurrence) in
            [("酸素", Some(0)), ("酸素", Some(3)), ("6L", None), ("", None), ("L酸", None)]
        {
            assert_eq!(found(text, occurrence), None, "{text}");
        }
        let several = place(&texts, &words("酸素", None)).unwrap_err().to_string();
        assert!(several.contains("stand 2 times") && several.contains("--occurrence"), "{several}");
        let nowhere = place(&texts, &words("6L", None)).unwrap_err().to_string();
        assert!(nowhere.contains("(2 characters)") && nowhere.contains("`show`"), "{nowhere}");
        assert!(!several.contains("酸素") && !nowhere.contains("6L"), "{several} {nowhere}");
    }
}
