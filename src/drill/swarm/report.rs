//! What a sweep found.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::verdict::Broken;
use crate::drill::course::Faults;

/// Failures that the text names.
const NAMED_MAX: usize = 20;

/// A seed that failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What does not hold, the first thing first.
    pub broken: Vec<Broken>,
    /// The command that plays it again.
    pub command: String,
    /// The scenario that fails in the same way, shortened if that was asked for.
    pub scenario: String,
    /// How many events that scenario has.
    pub events: usize,
}

/// What a sweep found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SweepReport {
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds were run, `also` among them.
    pub seeds: u64,
    /// Seeds beyond the range that have found a bug once, and are run again.
    pub also: Vec<u64>,
    /// The name of the planted bug, if there was one.
    pub plant: Option<&'static str>,
    /// The seeds that failed, in order.
    pub failures: Vec<Failure>,
    /// What was done to all regions together.
    pub faults: Faults,
    /// How much was compared with what was written, in all regions together.
    pub compared: BTreeMap<&'static str, u64>,
    /// Kinds of faults that never had an effect in the whole sweep, and kinds of things that were never compared.
    pub without_effect: Vec<&'static str>,
    /// Seeds that were run twice, and whose traces were compared.
    pub run_twice: u64,
    /// How many things happened in all regions together.
    pub events: u64,
    /// Writes that were acknowledged in all regions together.
    pub acknowledged: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl SweepReport {
    /// Says whether everything held, and everything that must be tried was.
    pub fn passed(&self) -> bool {
        self.failures.is_empty() && self.without_effect.is_empty()
    }

    /// Returns how many seeds were run in a second.
    pub fn seeds_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.seeds as f64 / self.seconds } else { 0.0 }
    }
}

impl Failure {
    /// Writes the scenario into a folder, as `seed-N.toml`, and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("seed-{}.toml", self.seed));
        fs::write(&path, &self.scenario)?;
        Ok(path)
    }
}

/// Every kind of fault with how much of it there was, under the names that people read.
pub fn kinds(faults: &Faults) -> [(&'static str, u64); 17] {
    let Faults {
        messages_dropped,
        bytes_lost,
        connections_broken,
        messages_delayed,
        crashes,
        power_cuts,
        sectors_lost,
        writes_torn,
        sectors_rotten,
        rot_found,
        full_refusals,
        clocks_changed,
        bucket_refusals,
        lies_told,
        lies_refused,
        disks_lost,
        freezes,
    } = *faults;
    [
        ("messages dropped", messages_dropped),
        ("bytes lost", bytes_lost),
        ("connections broken", connections_broken),
        ("messages delayed", messages_delayed),
        ("crashes", crashes),
        ("power cuts", power_cuts),
        ("sectors lost", sectors_lost),
        ("writes torn", writes_torn),
        ("sectors rotten", sectors_rotten),
        ("rot found", rot_found),
        ("full refusals", full_refusals),
        ("clocks changed", clocks_changed),
        ("bucket refusals", bucket_refusals),
        ("lies told", lies_told),
        ("lies refused", lies_refused),
        ("disks lost", disks_lost),
        ("freezes", freezes),
    ]
}

/// Adds what was done in one region to what was done in others.
pub(super) fn add(all: &mut Faults, one: &Faults) {
    all.messages_dropped += one.messages_dropped;
    all.bytes_lost += one.bytes_lost;
    all.connections_broken += one.connections_broken;
    all.messages_delayed += one.messages_delayed;
    all.crashes += one.crashes;
    all.power_cuts += one.power_cuts;
    all.sectors_lost += one.sectors_lost;
    all.writes_torn += one.writes_torn;
    all.sectors_rotten += one.sectors_rotten;
    all.rot_found += one.rot_found;
    all.full_refusals += one.full_refusals;
    all.clocks_changed += one.clocks_changed;
    all.bucket_refusals += one.bucket_refusals;
    all.lies_told += one.lies_told;
    all.lies_refused += one.lies_refused;
    all.disks_lost += one.disks_lost;
    all.freezes += one.freezes;
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let planted = self.plant.map(|plant| format!(" with the bug '{plant}' planted")).unwrap_or_default();
        let last = (self.first_seed + self.seeds).saturating_sub(1 + self.also.len() as u64);
        let also: String = self.also.iter().map(|seed| format!(", and {seed}")).collect();
        writeln!(f, "{} random regions{planted}, seeds {} to {last}{also}", self.seeds, self.first_seed)?;
        writeln!(
            f,
            "{:.1} s, {:.1} regions a second; {} events, {} writes acknowledged; {} regions run twice",
            self.seconds,
            self.seeds_per_second(),
            self.events,
            self.acknowledged,
            self.run_twice
        )?;
        writeln!(f, "what was done to them:")?;
        for (name, count) in kinds(&self.faults) {
            writeln!(f, "  {count:>12}  {name}")?;
        }
        writeln!(f, "what was compared with what people wrote:")?;
        for (name, count) in &self.compared {
            writeln!(f, "  {count:>12}  {name}")?;
        }
        if !self.without_effect.is_empty() {
            writeln!(f, "NOT TRIED: {}", self.without_effect.join(", "))?;
        }
        for failure in self.failures.iter().take(NAMED_MAX) {
            writeln!(f, "FAILED: seed {}", failure.seed)?;
            for broken in &failure.broken {
                writeln!(f, "  {}: {}", broken.invariant, broken.detail)?;
            }
            writeln!(f, "  again: {}", failure.command)?;
        }
        if self.failures.len() > NAMED_MAX {
            writeln!(f, "and {} more seeds failed", self.failures.len() - NAMED_MAX)?;
        }
        match self.passed() {
            true => writeln!(f, "everything held"),
            false => writeln!(f, "{} seeds failed", self.failures.len()),
        }
    }
}
