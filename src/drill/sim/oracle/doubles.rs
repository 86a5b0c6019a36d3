//! Whom a machine suggests to be one person: those whom two sources have alike, nobody who has nothing in common, and
//! the same wherever the same is held.

use std::collections::{BTreeMap, BTreeSet};

use super::super::world::World;
use crate::base::{Area, Part, RecordId};
use crate::drill::invariants::Looked;
use crate::drill::ledger::ResourceKey;
use crate::drill::people::Listed;

/// Most pairs that a machine is asked for.
const LIMIT: usize = 10_000;

/// Pairs of records, and what is thought of them.
type Suggestions = BTreeMap<[RecordId; 2], String>;

/// How much a machine holds of each group.
type Holding = Vec<(Area, Part, u64)>;

impl World<'_> {
    /// Asks every machine for doubles, and compares them with the invented lists and with what others say.
    pub(in crate::drill::sim) fn look_for_doubles(&self, seen: &mut Looked) {
        if self.imports.is_doubtful(&self.forkable) {
            return;
        }
        let mut by_content: BTreeMap<Holding, (usize, Suggestions)> = BTreeMap::new();
        for node in 0..self.nodes.len() {
            let Some(replica) = &self.nodes[node].replica else { continue };
            let listed = self.listed_at(node);
            if listed.is_empty() {
                continue;
            }
            let name = &self.scenario.replicas[node].name;
            let suggested: Suggestions = match replica.suggest(None, LIMIT) {
                Ok(suggested) => suggested
                    .pairs
                    .into_iter()
                    .map(|pair| {
                        let mut both = pair.sides.map(|side| side.record);
                        both.sort();
                        (both, format!("{:?} {:.6}", pair.verdict, pair.probability))
                    })
                    .collect(),
                Err(error) => {
                    seen.note(false, || format!("{name} suggests nobody: {error}"));
                    continue;
                }
            };
            for (place, (list, one)) in listed.iter().enumerate() {
                for (other_list, other) in &listed[place + 1..] {
                    let mut both = [one.record, other.record];
                    both.sort();
                    let is_suggested = suggested.contains_key(&both);
                    let [a, b] = both.map(|record| record.short());
                    if list == other_list && one.number == other.number && one.exact && other.exact {
                        seen.note(is_suggested, || {
                            format!("{name} does not suggest {a} and {b}, who are alike in all")
                        });
                    } else if have_nothing_in_common(one, other) {
                        seen.note(!is_suggested, || {
                            format!("{name} suggests {a} and {b}, who have nothing in common")
                        });
                    }
                }
            }
            let content = self.content_of(node);
            match by_content.get(&content) {
                Some((first, said)) => seen.note(*said == suggested, || {
                    let first = &self.scenario.replicas[*first].name;
                    format!("{name} and {first} hold the same and suggest different people")
                }),
                None => drop(by_content.insert(content, (node, suggested))),
            }
        }
    }

    /// The people of lists whose registration a machine holds, with the names of their lists.
    fn listed_at(&self, node: usize) -> Vec<(&str, Listed)> {
        let of_list = |list: &crate::drill::people::InventedList| {
            let people = list.people().into_iter().filter(|listed| {
                let key = ResourceKey { resource_type: "Patient".to_owned(), id: list.id_of(listed) };
                !self.versions_held(node, &key).is_empty()
            });
            people.collect::<Vec<Listed>>()
        };
        let lists = self.imports.lists.iter();
        lists
            .flat_map(|list| of_list(list).into_iter().map(move |listed| (list.name.as_str(), listed)))
            .collect()
    }

    /// What a machine holds: the sums of all areas and parts, also of those that it only writes to.
    fn content_of(&self, node: usize) -> Vec<(Area, Part, u64)> {
        self.nodes[node].knowledge.sums().map(|(area, part, sum)| (area.clone(), part, sum)).collect()
    }
}

/// Says whether no character of their names, no part of their readings, and nothing else by which people are known is
/// the same.
fn have_nothing_in_common(one: &Listed, other: &Listed) -> bool {
    let written = |listed: &Listed| {
        listed.person.name.chars().filter(|c| !c.is_whitespace()).collect::<BTreeSet<char>>()
    };
    let read = |listed: &Listed| -> BTreeSet<String> {
        let kana = listed.person.kana.clone().unwrap_or_default();
        kana.split_whitespace().map(str::to_owned).collect()
    };
    written(one).is_disjoint(&written(other))
        && read(one).is_disjoint(&read(other))
        && one.person.birth_date != other.person.birth_date
        && one.insurance != other.insurance
        && one.phone != other.phone
}
