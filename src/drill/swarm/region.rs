//! What a random region is: a scenario whose parts can be taken out one by one.

use std::collections::BTreeSet;
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
    /// The parts of its areas that it holds; none is all.
    pub parts: Option<&'static [&'static str]>,
    /// How often it syncs through the bucket, too; none when it does not.
    pub bucket_every: Option<Duration>,
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
    /// Megabytes that it may carry in a day; none is without limit.
    pub quota_mb: Option<u64>,
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

/// Time after the last fault when nothing rotted: converging may take an hour.
pub const QUIET: Duration = Duration::from_secs(65 * 60);
/// Time after the last fault when something rotted: it is found at a scrub, which there is every six hours.
pub const QUIET_ROT: Duration = Duration::from_secs((7 * 60 + 10) * 60);

impl Region {
    /// Says whether Musubi's promises can be kept in it: whoever holds an area can reach the others in the end, there
    /// is time enough, and nothing rots before all hold the same.
    pub fn is_fair(&self) -> bool {
        let rots = |happens: &Happens| happens.event == "disk-corrupt";
        let waits =
            |pair: &[Happens]| !rots(&pair[1]) || matches!(pair[0].event, "wait-converged" | "disk-corrupt");
        let quiet = if self.events.iter().any(rots) { QUIET_ROT } else { QUIET };
        self.quiet >= quiet + self.meets_max() * 2
            && self.events.windows(2).all(waits)
            && !self.events.first().is_some_and(rots)
            && self.is_whole_without(&BTreeSet::new())
            // Those that only a lost site joined cannot give each other what rots.
            && self.events.iter().rposition(rots).is_none_or(|rot| {
                self.is_whole_without(&self.lost_in(&self.events[..rot]))
            })
    }

    /// Says whether the holders of each area, and all replicas, are joined by links when some replicas are lost.
    pub fn is_whole_without(&self, lost: &BTreeSet<usize>) -> bool {
        let areas: BTreeSet<&str> =
            self.replicas.iter().flat_map(|site| site.areas.iter().copied()).collect();
        areas.into_iter().map(Some).chain([None]).all(|area| self.is_joined(area, lost))
    }

    /// Returns the replicas that events lose.
    fn lost_in(&self, events: &[Happens]) -> BTreeSet<usize> {
        let lost = events.iter().filter(|happens| happens.event == "site-lost");
        let places: BTreeSet<&str> = lost
            .flat_map(|happens| &happens.keys)
            .filter(|(key, _)| *key == "at")
            .map(|(_, place)| place.trim_matches('"'))
            .collect();
        let numbers = self.replicas.iter().filter(|site| places.contains(site.name().as_str()));
        numbers.map(|site| site.number).collect()
    }

    /// Returns the longest time between two meetings of a link.
    pub fn meets_max(&self) -> Duration {
        self.links.iter().filter_map(|line| line.meets_every).max().unwrap_or_default()
    }

    /// Says whether all holders of an area, or all replicas, that are not lost are joined by links of theirs.
    fn is_joined(&self, area: Option<&str>, lost: &BTreeSet<usize>) -> bool {
        let holds =
            |site: &&Site| !lost.contains(&site.number) && area.is_none_or(|area| site.areas.contains(&area));
        let mut apart: BTreeSet<usize> = self.replicas.iter().filter(holds).map(|site| site.number).collect();
        let all = apart.clone();
        let mut open: Vec<usize> = apart.pop_first().into_iter().collect();
        while let Some(number) = open.pop() {
            for line in self.links.iter().filter(|line| line.ends.contains(&number)) {
                let joined = line.ends.into_iter().filter(|end| all.contains(end));
                open.extend(joined.filter(|end| apart.remove(end)));
            }
        }
        apart.is_empty()
    }
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
