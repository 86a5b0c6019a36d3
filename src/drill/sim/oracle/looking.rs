//! Asking everything of one record at one machine.

use std::collections::BTreeSet;

use super::super::ledger::PersonNo;
use super::super::world::World;
use super::held::{Held, One};
use super::{alerts, found, notes, sections, standing};
use crate::base::RecordId;
use crate::drill::invariants::ClinicalSeen;
use crate::record::{Facts, RecordView, Section};

/// What is compared: what the ledger says is held, and what is shown.
pub(super) struct Look<'l> {
    /// What is held, by the ledger.
    pub(super) held: Held<'l>,
    /// What the machine reads.
    pub(super) facts: &'l Facts,
    /// What it shows.
    pub(super) view: &'l RecordView,
    /// Sections with statements that the ledger does not know.
    pub(super) strange: BTreeSet<Section>,
    /// Where and of what, for the words about what is wrong.
    pub(super) place: String,
}

impl Look<'_> {
    /// Says what is wrong.
    pub(super) fn wrong(&self, what: &str) -> String {
        format!("{}: {what}", self.place)
    }

    /// Says whether all that a section holds is known to the ledger.
    pub(super) fn knows(&self, section: Section) -> bool {
        !self.strange.contains(&section)
    }

    /// Returns what is only ever added and is held.
    pub(super) fn held(&self) -> impl Iterator<Item = &One<'_>> {
        self.held.all.iter()
    }
}

impl World<'_> {
    /// Compares what a machine shows of a record with the ledger.
    pub(in crate::drill::sim) fn look_at(
        &self,
        node: usize,
        (person, record): (PersonNo, RecordId),
        (facts, view): (&Facts, &RecordView),
        seen: &mut ClinicalSeen,
    ) {
        // The ledger knows what lanes hold: what came on paper is shown, too, until they bring it.
        let by_proof = self.nodes[node].replica.as_ref().map(|replica| replica.is_known_by_proof(&record));
        if self.is_doubtful(&record) || by_proof.is_some_and(|known| known.unwrap_or(true)) {
            return;
        }
        let unknown = facts.iter().filter(|fact| {
            let place = (fact.position.lane, fact.position.seq);
            self.ledger.at(place.0, place.1).is_none_or(|write| write.wrote.is_none())
        });
        let name = &self.scenario.replicas[node].name;
        let look = Look {
            held: Held::of(self, node, person, record),
            facts,
            view,
            strange: unknown.map(|fact| fact.section).collect(),
            place: format!("{name}, record {}", record.short()),
        };
        sections::compare(&look, &mut seen.sections);
        standing::compare(&look, &mut seen.sections);
        notes::compare(&look, &mut seen.notes);
        alerts::compare(&look, &mut seen.alerts);
    }

    /// Looks at a record right after it was written into: what is known there now must be shown there now.
    pub(in crate::drill::sim) fn look_now(&mut self, at: usize, person: PersonNo) {
        let Some(replica) = self.replica(at) else { return };
        for record in self.people.records(person).to_vec() {
            let Ok((facts, _)) = replica.facts(&record) else { continue };
            let view = replica.view(&facts);
            let mut seen = std::mem::take(&mut self.clinical);
            self.look_at(at, (person, record), (&facts, &view), &mut seen);
            self.clinical = seen;
        }
    }

    /// Looks for everybody of whom a machine holds the registration.
    pub(in crate::drill::sim) fn look_for_everybody(&self, seen: &mut ClinicalSeen) {
        for node in 0..self.nodes.len() {
            if let Some(replica) = self.nodes[node].replica.as_deref() {
                found::compare(self, node, replica, &mut seen.found);
            }
        }
    }
}
