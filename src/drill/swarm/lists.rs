//! Lists of patients that the replicas of a random region import: the same people from two sources, again, and in a
//! later version.

use std::time::Duration;

use super::invent::{Inventor, minutes};
use super::region::{Happens, name_of};
use crate::drill::chance::Chance;
use crate::drill::people::InventedList;

/// The share of regions in which lists are imported.
const SHARE: f64 = 0.6;
/// The sources of lists: one sends NDJSON, the other bundles.
const SOURCES: [&str; 2] = ["hospital-p", "hospital-q"];
/// The share of further imports that are of a later version.
const LATER: f64 = 0.3;
/// The share of lists of which an allergy is refuted.
const REFUTED: f64 = 0.6;

impl Inventor {
    /// Imports one list from two sources, and some of it once more, there or elsewhere; and of an imported allergy people say
    /// that it is none, while another imports a later version of it.
    pub(super) fn lists(&mut self) {
        // Apart from everything else: what came before is the same with lists and without.
        let mut chance = Chance::of_seed(self.region.seed).fork("swarm lists");
        if !chance.share(SHARE) {
            return;
        }
        let people = 2 + chance.below(3);
        let alias = self.alias();
        let mut first = None;
        for number in 0..2 + chance.below(4) {
            let (source, version) = match number {
                0 | 1 => (SOURCES[number as usize], 1),
                _ => (SOURCES[chance.below(2) as usize], if chance.share(LATER) { 2 } else { 1 }),
            };
            let Some(time) = self.writing_time(minutes(2), &mut chance) else { continue };
            let mut list = self.list(time, source, people, &mut chance).key("version", version);
            if number == 0 {
                (list, first) = (list.text("as", &alias), Some(time));
            }
            self.region.events.push(list);
        }
        let Some(first) = first.filter(|_| chance.share(REFUTED)) else { return };
        let Some(time) = self.writing_time(first + minutes(5), &mut chance) else { return };
        self.refutations(&alias, (time, people), &mut chance);
    }

    /// Several people say at almost the same time that an imported allergy is none, and a later version of it is imported.
    fn refutations(&mut self, alias: &str, (time, people): (Duration, u64), chance: &mut Chance) {
        let list = self.invented(SOURCES[0], people);
        let Some(substance) = list.people().first().map(|listed| listed.allergy) else { return };
        let soon = |chance: &mut Chance| time + Duration::from_secs(chance.below(150));
        for _ in 0..1 + chance.below(2) {
            let at = name_of(1 + chance.below(self.region.replicas.len() as u64) as usize);
            let event = Happens::at(soon(chance), "allergy").text("at", at).text("patient", alias);
            self.region.events.push(event.text("substance", substance).text("refute", "負荷試験は陰性"));
        }
        if chance.share(0.7) {
            let later = soon(chance);
            let list = self.list(later, SOURCES[0], people, chance);
            self.region.events.push(list.key("version", 3));
        }
    }

    fn list(&self, time: Duration, source: &str, people: u64, chance: &mut Chance) -> Happens {
        let at = name_of(1 + chance.below(self.region.replicas.len() as u64) as usize);
        let InventedList { name, source, people, .. } = self.invented(source, people);
        let list = Happens::at(time, "import-list").text("at", at).text("list", name);
        list.text("source", source).key("people", people)
    }

    fn invented(&self, source: &str, people: u64) -> InventedList {
        let name = self.region.seed.to_string();
        InventedList { name, source: source.to_owned(), people, version: 1 }
    }

    /// Chooses a time at which people write: none when it falls into the lull, or there is none.
    fn writing_time(&self, from: Duration, chance: &mut Chance) -> Option<Duration> {
        let room = self.region.ends.checked_sub(from + minutes(4))?;
        let time = from + Duration::from_secs(chance.below(room.as_secs().max(1)));
        let quiet =
            self.lull.is_some_and(|(from, over)| (from.saturating_sub(minutes(3))..over).contains(&time));
        (!quiet).then_some(time)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::invent::invent;

    #[test]
    fn lists_are_imported_from_two_sources_again_and_in_later_versions() {
        let regions: Vec<_> = (1..=40).filter_map(|seed| Some(invent(seed)?.0)).collect();
        let lists = |region: &super::super::Region| {
            let of_lists = region.events.iter().filter(|event| event.event == "import-list");
            of_lists.map(|event| event.keys.clone()).collect::<Vec<_>>()
        };
        let with = regions.iter().filter(|region| !lists(region).is_empty()).count();
        assert!((10..36).contains(&with), "{with}");
        let all: Vec<_> = regions.iter().flat_map(lists).flatten().collect();
        let values = |key: &str| -> BTreeSet<&str> {
            all.iter().filter(|(name, _)| *name == key).map(|(_, value)| value.as_str()).collect()
        };
        assert_eq!(values("source").len(), 2);
        assert_eq!(values("version"), BTreeSet::from(["1", "2", "3"]));
    }
}
