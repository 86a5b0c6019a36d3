//! What a random region is: a scenario whose parts can be taken out one by one.

use std::time::Duration;

/// A random small region, and what happens in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The seed that it was made from, and that it is run with.
    pub seed: u64,
    /// The replicas.
    pub replicas: Vec<Site>,
    /// The links between them.
    pub links: Vec<Line>,
    /// How often the first replica writes the backup; none when there is no backup.
    pub backup_every: Option<Duration>,
    /// People who have records before anything happens.
    pub people: u32,
    /// When people write.
    pub shifts: Vec<Shift>,
    /// What happens, in order.
    pub events: Vec<Happens>,
    /// When every fault ends.
    pub ends: Duration,
    /// What is done when every fault has ended: what was lost is restored.
    pub afterwards: Vec<Happens>,
    /// How much time there is after that.
    pub quiet: Duration,
    /// The names of what must hold, as the file asks for them.
    pub expects: Vec<&'static str>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its number: it stays when others are taken out.
    pub number: usize,
    /// The production store on a simulated disk; otherwise the memory store.
    pub disk: bool,
    /// The areas that it holds.
    pub areas: Vec<&'static str>,
    /// Hours that it runs on when the mains fail; none is for ever.
    pub battery_h: Option<f64>,
}

/// A link between two replicas.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The numbers of its ends.
    pub ends: [usize; 2],
    /// What it does to what passes: a name, or a table of the scenario language.
    pub profile: String,
    /// How often the two meet; none when they are always linked.
    pub meets_every: Option<Duration>,
}

/// A time in which people come and write everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub until: Duration,
    /// People who come in an hour, at each replica.
    pub arrivals_per_hour: f64,
    /// Writes in an hour, at each replica.
    pub notes_per_hour: f64,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Happens {
    /// When; none when it follows the one before.
    pub time: Option<Duration>,
    /// The name of the event.
    pub event: &'static str,
    /// Its keys and their values, as the file writes them.
    pub keys: Vec<(&'static str, String)>,
}

impl Site {
    /// Returns its name in the file.
    pub fn name(&self) -> String {
        name_of(self.number)
    }
}

/// Returns the name of the replica with a number.
pub fn name_of(number: usize) -> String {
    format!("r{number}")
}

impl Happens {
    /// Makes something that happens at a time.
    pub fn at(time: Duration, event: &'static str) -> Self {
        Self { time: Some(time), event, keys: Vec::new() }
    }

    /// Makes something that happens as soon as the one before is done.
    pub fn then(event: &'static str) -> Self {
        Self { time: None, event, keys: Vec::new() }
    }

    /// Gives it a key with a text.
    pub fn text(self, key: &'static str, value: impl AsRef<str>) -> Self {
        self.key(key, format!("\"{}\"", value.as_ref()))
    }

    /// Gives it a key with a number, a list or a table.
    pub fn key(mut self, key: &'static str, value: impl ToString) -> Self {
        self.keys.push((key, value.to_string()));
        self
    }
}
