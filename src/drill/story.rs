//! The story of a drill: a timeline that people can read aloud, and the table below it.

use std::time::Duration;

use super::events::Event;
use super::scenario::{Scenario, Told};
use crate::base::Digest;
use crate::base::digest::hash_tagged;

/// Stands at the top of everything that a drill prints.
pub const DRILL_MARK: &str = "訓練 DRILL: an exercise. All people, places and events are invented.";

/// What came of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// Files were imported.
    Imported {
        /// Resources read.
        resources: u64,
        /// Patients seen.
        patients: u64,
        /// Resources that were new there.
        added: u64,
    },
    /// All hold the same.
    Converged {
        /// After how long.
        after: Duration,
    },
    /// The bucket holds everything.
    BackedUp {
        /// Entries that it lacked.
        entries: u64,
        /// Bytes written.
        bytes: u64,
    },
    /// It was written durably.
    Written {
        /// What the replica warned of.
        warnings: usize,
    },
    /// Power was cut.
    Killed {
        /// Writes that had been acknowledged.
        acknowledged: u64,
    },
    /// A disk was filled from the backup.
    Restored {
        /// Records on it.
        records: u64,
        /// Entries on it.
        entries: u64,
    },
    /// It was not done.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// The scenario's title.
    pub title: Told,
    /// The scenario's story.
    pub story: Told,
    /// Sentences with the time since the drill began.
    pub lines: Vec<(Duration, String)>,
    events: Vec<String>,
}

impl Timeline {
    /// Tells what is rehearsed: the mark of every drill, the title and the story, in both languages.
    pub fn opening(&self) -> String {
        let parts = [&self.title.en, &self.title.ja, &self.story.en, &self.story.ja];
        let parts = parts.into_iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        std::iter::once(DRILL_MARK).chain(parts).collect::<Vec<_>>().join("\n")
    }

    /// Begins the story of a scenario.
    pub fn begin(scenario: &Scenario) -> Self {
        let (title, story) = (scenario.title.clone(), scenario.story.clone());
        Self { title, story, lines: Vec::new(), events: Vec::new() }
    }

    /// Adds a sentence that is no event.
    pub fn tell<'t>(&mut self, at: Duration, sentence: &'t str) -> &'t str {
        self.lines.push((at, sentence.to_owned()));
        sentence
    }

    /// Adds what came of an event, and returns the sentence.
    pub fn happened(
        &mut self,
        at: Duration,
        scenario: &Scenario,
        event: &dyn Event,
        outcome: &Outcome,
    ) -> String {
        let failed = matches!(outcome, Outcome::Failed { .. });
        let end = if failed { "failed" } else { "done" };
        self.events.push(format!("{} {} {end}", event.kind().name, event.told(scenario).en));
        let sentence = sentence(scenario, event, outcome);
        self.lines.push((at, sentence.clone()));
        sentence
    }

    /// Returns a digest over the events in their order, and the seed; times and counts are not in it.
    pub fn trace(&self, seed: u64) -> Digest {
        let seed = seed.to_be_bytes();
        let events = self.events.iter().map(String::as_bytes);
        let parts: Vec<&[u8]> = std::iter::once(&seed[..]).chain(events).collect();
        hash_tagged("musubi.drill.trace.v1", &parts)
    }
}

/// Writes a time since the beginning as minutes, seconds and tenths.
pub fn clock(at: Duration) -> String {
    let tenths = at.as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// Tells what happened in one sentence.
fn sentence(scenario: &Scenario, event: &dyn Event, outcome: &Outcome) -> String {
    let told = event.told(scenario).en;
    match outcome {
        Outcome::Done => format!("{told}."),
        Outcome::Imported { resources, patients, added } => {
            format!("{told}: {resources} resources of {patients} patients, {added} new there.")
        }
        Outcome::Converged { after } => format!("{told}, after {:.1} s.", after.as_secs_f64()),
        Outcome::BackedUp { entries, bytes } => format!("{told}: {entries} entries, {bytes} bytes."),
        Outcome::Written { warnings: 0 } => format!("{told}."),
        Outcome::Written { warnings } => format!("{told}, and is warned at once ({warnings})."),
        Outcome::Killed { acknowledged } => {
            format!("{told}: {acknowledged} notes had been acknowledged when the power failed.")
        }
        Outcome::Restored { records, entries } => {
            format!("{told}: {records} records, {entries} entries, as a new device.")
        }
        Outcome::Failed { reason } => format!("NOT DONE: {told}: {reason}"),
    }
}
