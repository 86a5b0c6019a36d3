//! Linked records are shown together, an undone link parts them again, and what was written meanwhile is listed.

use std::collections::BTreeSet;

use super::super::world::World;
use super::held::{Held, Topic};
use crate::base::{LaneId, RecordId};
use crate::drill::invariants::Looked;
use crate::record::linking::{Pair, TieKind};
use crate::replica::Replica;
use crate::replica::request::Write;

/// What somebody said of two records.
#[derive(Debug, Clone)]
pub(in crate::drill::sim) struct TieMade {
    /// The two.
    pub(in crate::drill::sim) pair: Pair,
    /// What.
    pub(in crate::drill::sim) kind: TieKind,
    /// Where it was written: once for each record, and either is the whole.
    pub(in crate::drill::sim) places: Vec<(LaneId, u64)>,
    /// What had been said of them that its writer's replica knew, by places in the list of ties.
    pub(in crate::drill::sim) answers: Vec<usize>,
}

impl World<'_> {
    /// Returns the ties of two records that a machine knows and that none which it knows answers.
    pub(in crate::drill::sim) fn ties_standing(&self, node: usize, pair: Pair) -> Vec<usize> {
        let known: Vec<usize> = (0..self.ties.len())
            .filter(|place| {
                let tie = &self.ties[*place];
                tie.pair == pair && tie.places.iter().any(|(lane, seq)| self.holds(node, lane, *seq))
            })
            .collect();
        let answered: BTreeSet<usize> =
            known.iter().flat_map(|place| self.ties[*place].answers.iter().copied()).collect();
        known.into_iter().filter(|place| !answered.contains(place)).collect()
    }

    /// Returns the records that are linked with one where a machine is.
    pub(in crate::drill::sim) fn joined_with(&self, node: usize, record: RecordId) -> Vec<RecordId> {
        let pairs: BTreeSet<Pair> = self.ties.iter().map(|tie| tie.pair).collect();
        let others = pairs.into_iter().filter_map(|pair| Some((pair, pair.other(&record)?)));
        others.filter(|(pair, _)| self.joins(node, *pair)).map(|(_, other)| other).collect()
    }

    fn joins(&self, node: usize, pair: Pair) -> bool {
        let standing = self.ties_standing(node, pair);
        !standing.is_empty() && standing.iter().all(|place| self.ties[*place].kind == TieKind::Link)
    }

    /// Looks at every pair that anybody has spoken of, at every machine that knows of it.
    pub(in crate::drill::sim) fn look_at_links(&self, seen: &mut Looked) {
        let pairs: BTreeSet<Pair> = self.ties.iter().map(|tie| tie.pair).collect();
        for pair in &pairs {
            let places = self.ties.iter().filter(|tie| tie.pair == *pair).flat_map(|tie| &tie.places);
            let doubtful = places.clone().any(|(lane, seq)| self.forkable.is_at(lane, *seq));
            if doubtful || self.is_doubtful(&pair.0) || self.is_doubtful(&pair.1) {
                continue;
            }
            let apart = |other: &Pair| [pair.0, pair.1].iter().all(|record| other.other(record).is_none());
            if !pairs.iter().filter(|other| *other != pair).all(apart) {
                // Joined through a third record, perhaps: too much for an oracle that must be right at a glance.
                continue;
            }
            for node in 0..self.nodes.len() {
                let Some(replica) = self.nodes[node].replica.as_deref() else { continue };
                if !self.ties_standing(node, *pair).is_empty() {
                    self.look_at_pair((node, replica), (pair.0, pair.1), *pair, seen);
                    self.look_at_pair((node, replica), (pair.1, pair.0), *pair, seen);
                }
            }
        }
    }

    fn look_at_pair(
        &self,
        (node, replica): (usize, &Replica),
        (record, other): (RecordId, RecordId),
        pair: Pair,
        seen: &mut Looked,
    ) {
        let Ok((person, _)) = replica.person(&record) else { return };
        let joined = self.joins(node, pair);
        let place = || format!("{}, record {}", self.scenario.replicas[node].name, record.short());
        seen.note(person.records.contains(&other) == joined, || {
            format!("{}: linked is {joined}, and shown otherwise", place())
        });
        let held = |record: RecordId| {
            self.people.person_of(record).map(|person| Held::of(self, node, person, record))
        };
        if joined {
            let theirs = held(other);
            for topic in theirs.iter().flat_map(Held::topics) {
                let Topic::Allergy(substance) = topic else { continue };
                let stands = theirs.as_ref().is_some_and(|held| !held.standing(&topic).is_empty());
                let shown =
                    person.view.allergies.active.iter().any(|one| {
                        one.substance == substance || one.also.iter().any(|name| name == substance)
                    });
                seen.note(!stands || shown, || {
                    format!("{}: the allergy to {substance} of the linked record is not shown", place())
                });
            }
            return;
        }
        for one in held(record).iter().flat_map(|held| &held.all) {
            let statement =
                !matches!(one.write(), None | Some(Write::Handover { .. } | Write::Annotation { .. }));
            if !statement || !one.wrote.joined.contains(&other) {
                continue;
            }
            let mut listed = person.written_together.iter();
            let listed = listed.any(|item| item.position == one.position() && item.with == other);
            seen.note(listed, || format!("{}: what was written while wrongly linked is not listed", place()));
        }
    }
}
