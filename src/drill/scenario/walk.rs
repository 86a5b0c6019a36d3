//! Walking through a scenario before it runs: what is up, down, lost and known at each time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::model::{ReplicaName, Scenario};
use super::names::Whom;

/// How a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Runs,
    /// It is down; its disk is there.
    Down,
    /// Its disk is gone; it is to be restored.
    Destroyed,
    /// Its site is gone; nobody waits for it.
    Lost,
    /// It runs or is down: chance decides.
    Unsure,
}

/// Something that has happened, on which later events or expectations rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// Data was imported.
    Imported,
    /// A backup was written.
    BackedUp,
    /// A path was cut.
    Cut,
    /// A path healed after a cut.
    Healed,
    /// A disk was restored.
    Restored,
    /// Something went wrong from outside: a path, power, a clock, a disk.
    Fault,
    /// A disk or a device altered or lost something.
    Damage,
    /// Something was written.
    Written,
    /// An allergy was recorded.
    Allergy,
    /// A link came to have a quota.
    Metered,
}

/// The state of a scenario at the time of an event.
#[derive(Debug)]
pub struct Walk<'s> {
    scenario: &'s Scenario,
    now: Duration,
    replicas: Vec<Standing>,
    later: Vec<(Duration, usize, Standing)>,
    marks: BTreeSet<Mark>,
}

impl<'s> Walk<'s> {
    /// Begins at time zero: all replicas run.
    pub fn begin(scenario: &'s Scenario) -> Self {
        let replicas = vec![Standing::Runs; scenario.replicas.len()];
        Self { scenario, now: Duration::ZERO, replicas, later: Vec::new(), marks: BTreeSet::new() }
    }

    /// Returns the scenario.
    pub fn scenario(&self) -> &'s Scenario {
        self.scenario
    }

    /// Returns the earliest time at which the event happens.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Goes on to a time; what was to happen until then has happened.
    pub fn advance(&mut self, to: Duration) {
        self.now = self.now.max(to);
        self.later.sort_by_key(|(due, ..)| *due);
        let due = self.later.partition_point(|(due, ..)| *due <= self.now);
        for (_, at, standing) in self.later.drain(..due).collect::<Vec<_>>() {
            match (self.replicas[at], standing) {
                (Standing::Destroyed | Standing::Lost, _) => {}
                (_, standing) => self.replicas[at] = standing,
            }
        }
    }

    /// Lets everything happen that is still to happen.
    pub fn finish(&mut self) {
        self.advance(Duration::MAX);
    }

    /// Returns how a replica is.
    pub fn standing(&self, at: usize) -> Standing {
        self.replicas[at]
    }

    /// Sets how a replica is.
    pub fn set(&mut self, at: usize, standing: Standing) {
        self.replicas[at] = standing;
    }

    /// Sets how a replica will be some time after this event, unless its disk is gone by then.
    pub fn set_after(&mut self, after: Duration, at: usize, standing: Standing) {
        self.later.push((self.now.saturating_add(after), at, standing));
    }

    /// Drops everything that is still to happen: what faults would do or undo later.
    pub fn calm(&mut self) {
        self.later.clear();
    }

    /// Notes that something has happened.
    pub fn mark(&mut self, mark: Mark) {
        self.marks.insert(mark);
    }

    /// Says whether something has happened.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// Returns the name of a replica.
    pub fn name(&self, at: usize) -> &'s ReplicaName {
        &self.scenario.replicas[at].name
    }

    /// Notes that a replica is asked something.
    ///
    /// # Errors
    /// When it is down.
    pub fn runs(&self, at: usize) -> Result<(), String> {
        let name = self.name(at);
        match self.replicas[at] {
            Standing::Runs | Standing::Unsure => Ok(()),
            Standing::Down => {
                Err(format!("asks '{name}', which is down at that time; add an event 'start' at it before"))
            }
            Standing::Destroyed | Standing::Lost => Err(format!(
                "asks '{name}', whose disk is gone at that time; add events 'restore' and 'start' at it before"
            )),
        }
    }

    /// Returns those of some replicas that run, as far as is known.
    ///
    /// # Errors
    /// When none does.
    pub fn running(&self, whom: &Whom) -> Result<Vec<usize>, String> {
        let runs = |at: &&usize| matches!(self.replicas[**at], Standing::Runs | Standing::Unsure);
        let running: Vec<usize> = whom.members.iter().filter(runs).copied().collect();
        match (running.is_empty(), whom.members.as_slice()) {
            (false, _) => Ok(running),
            (true, [one]) => self.runs(*one).map(|()| running),
            (true, _) => Err(format!("asks '{}', of which nothing runs at that time", whom.called)),
        }
    }

    /// Returns those of some replicas whose disks are there.
    ///
    /// # Errors
    /// When none is.
    pub fn standing_disks(&self, whom: &Whom) -> Result<Vec<usize>, String> {
        let there = |at: &&usize| !matches!(self.replicas[**at], Standing::Destroyed | Standing::Lost);
        let found: Vec<usize> = whom.members.iter().filter(there).copied().collect();
        match found.is_empty() {
            false => Ok(found),
            true => Err(format!(
                "concerns '{}', which is lost at that time; take it out, or restore it before",
                whom.called
            )),
        }
    }
}
