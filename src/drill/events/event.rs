//! What every kind of event is.

use std::fmt::Debug;
use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::TimedDeed;
use super::super::scenario::{Fields, Key, Mistake, Names, PatientAlias, Scenario, Told, Walk, Words};

/// Something that a scenario makes happen.
pub trait Event: Debug + Send + Sync {
    /// Returns its kind.
    fn kind(&self) -> &'static EventKind;

    /// Notes in the walk what it needs and changes.
    ///
    /// # Errors
    /// What is wrong with it at its time, to be read after `event 'NAME'`, with what to write instead.
    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String>;

    /// Returns what it does, as deeds at times after its own, in order of time.
    fn deeds(&self, scenario: &Scenario, chance: &mut Chance) -> Vec<TimedDeed>;

    /// Returns one sentence about it, without the full stop, in both languages.
    fn told(&self, scenario: &Scenario) -> Told;

    /// Returns the alias under which later events name the patient whom it registers, if they can.
    fn registers(&self) -> Option<&PatientAlias> {
        None
    }
}

/// A kind of event.
pub struct EventKind {
    /// The name by which a scenario file calls it.
    pub name: &'static str,
    /// What it does.
    pub does: Words,
    /// The keys that it has beside those of every event.
    pub keys: &'static [Key],
    /// Whether a run with real processes can do it.
    pub live: bool,
    /// What a scenario may write, for the guide: the table's content, one key a line.
    pub example: &'static str,
    /// Reads its keys.
    pub read: fn(&mut Fields<'_>, &Names) -> Result<Arc<dyn Event>, Mistake>,
}

impl Debug for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
