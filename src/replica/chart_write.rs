//! What can be written into what people edit together: drafts, signing, the care plan, comments.

use serde::{Deserialize, Serialize};

use super::chart_marks::{Mark, Words};
use crate::base::{RecordId, WallMs};

/// Something to write into a record's chart, or to sign out of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "chart", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChartWrite {
    /// Begins a note, or makes the draft of one read so; only what differs is changed.
    Draft {
        /// The draft, or its beginning; without it, a new one is begun.
        note: Option<String>,
        /// The whole text.
        text: String,
    },
    /// Signs a draft: its text becomes a statement.
    Sign {
        /// The draft, or its beginning.
        note: String,
        /// The title of the signed note.
        title: Option<String>,
        /// The version of the draft that was read, as `show` names it; another one is not signed.
        version: Option<String>,
    },
    /// Adds to a signed note.
    Addendum {
        /// The statement, as `show` names it.
        to: String,
        /// The text.
        text: String,
    },
    /// Adds a line to the care plan.
    Plan {
        /// What is to be done.
        text: String,
    },
    /// Ticks a line of the care plan, or takes the tick away.
    Tick {
        /// The line, as `show` names it.
        item: String,
        /// Whether it is done.
        done: bool,
    },
    /// A comment on a statement, or a reply to a comment.
    Comment {
        /// The statement or the comment, as `show` names it.
        at: String,
        /// The text.
        text: String,
    },
    /// Marks words of a text, or takes the mark away; the text stays as it is.
    Mark {
        /// The draft, or its beginning; without it, the hand-over.
        note: Option<String>,
        /// The words.
        words: Words,
        /// Which mark.
        mark: Mark,
        /// Whether it is set.
        on: bool,
    },
    /// Says that sentences which several people changed apart are right as they stand.
    Confirm {
        /// The draft, or its beginning; without it, the hand-over.
        note: Option<String>,
        /// Words of them.
        words: Words,
    },
    /// Begins a new chart beside one that is spoiled, with what can be read of it.
    NewChart,
}

/// What was written into a chart, durably.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Charted {
    /// The record.
    pub record: RecordId,
    /// The draft, line or comment, as `show` names it.
    pub name: Option<String>,
    /// The statement, where one was signed.
    pub statement: Option<String>,
    /// The FHIR id of the signed resource.
    pub resource_id: Option<String>,
    /// When, by this device's clock.
    pub time: WallMs,
    /// What a clinician should know at once.
    pub warnings: Vec<String>,
}

/// What people typed into the charts of a record, change by change, read from the lanes alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Typed {
    /// The record.
    pub record: RecordId,
    /// The texts, by device and in the order in which each wrote.
    pub texts: Vec<TypedText>,
    /// Chart entries and changes that nobody can read.
    pub unreadable: u64,
}

/// What one change typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedText {
    /// Who wrote it, where the entry says so.
    pub author: Option<String>,
    /// The device's name, or the beginning of its key.
    pub device: String,
    /// When, by the writer's clock.
    pub time: WallMs,
    /// Which chart, 0 for the first.
    pub generation: u32,
    /// Whether it is in the chart; what was refused or waits is not.
    pub in_chart: bool,
    /// The characters in the order of typing; what was deleted later is among them.
    pub text: String,
}
