//! What a machine holds of a record, by the ledger, and which of it still stands.
//!
//! A write *answers* what its writer's replica held and showed when it was written, where it is of a kind that
//! replaces: a stop answers the start, a second triage the first, a confirmed blood type those before it. A write stands
//! until one that is held answers it. What nobody who wrote later had seen stands, whatever the clocks say.

use std::collections::BTreeSet;

use super::super::ledger::{Acknowledged, Content, PersonNo, Wrote};
use super::super::world::World;
use crate::base::RecordId;
use crate::record::Position;
use crate::replica::request::{MedicationAction, Write};
use crate::replica::section_write::SectionWrite;

/// What several writes can be about, so that one answers another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::drill::sim) enum Topic<'w> {
    /// The allergy to a substance.
    Allergy(&'w str),
    /// A drug.
    Drug(&'w str),
    /// The triage colour.
    Triage,
    /// The blood type.
    BloodType,
    /// Whether to resuscitate.
    Resuscitation,
    /// Where the patient is.
    Whereabouts,
    /// A kind of consent.
    Consent(&'w str),
}

/// One write that a machine holds.
#[derive(Clone, Copy)]
pub(in crate::drill::sim) struct One<'l> {
    /// Its place in the ledger.
    pub(in crate::drill::sim) number: usize,
    /// The write.
    pub(in crate::drill::sim) at: &'l Acknowledged,
    /// What it put into the record.
    pub(in crate::drill::sim) wrote: &'l Wrote,
}

/// What a machine holds of a record, in the order in which it was written.
pub(in crate::drill::sim) struct Held<'l> {
    /// The writes.
    pub(in crate::drill::sim) all: Vec<One<'l>>,
}

impl<'l> One<'l> {
    /// Returns what it says, if it is no registration.
    pub(in crate::drill::sim) fn write(&self) -> Option<&'l Write> {
        self.wrote.content.write()
    }

    /// Returns the form that it fills in, if it does.
    pub(in crate::drill::sim) fn form(&self) -> Option<&'l SectionWrite> {
        match self.write() {
            Some(Write::Section(form)) => Some(form),
            _ => None,
        }
    }

    /// Returns where its statement stands.
    pub(in crate::drill::sim) fn position(&self) -> Position {
        Position { lane: self.at.lane, seq: self.at.seq, index: 0 }
    }

    /// Says whether it ends what it answers: black that no doctor signed ends nothing.
    fn ends(&self) -> bool {
        match self.form() {
            Some(SectionWrite::Triage { colour, .. }) => colour != "black" || self.wrote.by_doctor,
            _ => true,
        }
    }
}

impl<'l> Held<'l> {
    /// Gathers what a machine holds of a record of a person.
    pub(in crate::drill::sim) fn of(
        world: &'l World<'_>,
        node: usize,
        person: PersonNo,
        record: RecordId,
    ) -> Self {
        let knowledge = &world.nodes[node].knowledge;
        let here = world.ledger.about(person).filter(|(_, write)| {
            write.record == Some(record) && knowledge.size(&write.lane) > write.seq
        });
        let one = |(number, at): (usize, &'l Acknowledged)| {
            at.wrote.as_deref().map(|wrote| One { number, at, wrote })
        };
        Self { all: here.filter_map(one).collect() }
    }

    /// Returns the places of all in the ledger.
    pub(in crate::drill::sim) fn numbers(&self) -> Vec<usize> {
        self.all.iter().map(|one| one.number).collect()
    }

    /// Returns everything that is said about a topic and still stands.
    pub(in crate::drill::sim) fn standing(&self, topic: &Topic<'_>) -> Vec<One<'l>> {
        let about = || self.all.iter().filter(|one| one.write().and_then(topic_of).as_ref() == Some(topic));
        let ended: BTreeSet<usize> =
            about().filter(|one| one.ends()).flat_map(|one| one.wrote.answers.iter().copied()).collect();
        let stands = |one: &&One<'l>| one.write().is_some_and(can_stand) && !ended.contains(&one.number);
        about().filter(stands).copied().collect()
    }

    /// Returns what something that is written now answers.
    pub(in crate::drill::sim) fn answered_by(&self, content: &Content) -> Vec<usize> {
        let topic = content.write().filter(|write| replaces(write)).and_then(topic_of);
        topic.map_or(Vec::new(), |topic| self.standing(&topic).iter().map(|one| one.number).collect())
    }

    /// Returns all topics of which anything is said.
    pub(in crate::drill::sim) fn topics(&self) -> BTreeSet<Topic<'l>> {
        self.all.iter().filter_map(|one| topic_of(one.write()?)).collect()
    }
}

/// Returns what a write is about, if others can answer it.
pub(in crate::drill::sim) fn topic_of(write: &Write) -> Option<Topic<'_>> {
    match write {
        Write::Allergy { substance, .. } => Some(Topic::Allergy(substance)),
        Write::Medication { drug, .. } => Some(Topic::Drug(drug)),
        Write::Section(SectionWrite::Triage { .. }) => Some(Topic::Triage),
        Write::Section(SectionWrite::BloodType { .. }) => Some(Topic::BloodType),
        Write::Section(SectionWrite::Resuscitation { .. }) => Some(Topic::Resuscitation),
        Write::Section(SectionWrite::Move { .. }) => Some(Topic::Whereabouts),
        Write::Section(SectionWrite::Consent { kind, .. }) => Some(Topic::Consent(kind)),
        // These are only ever added.
        Write::Section(
            SectionWrite::Vital { .. }
            | SectionWrite::Administration { .. }
            | SectionWrite::Immunisation { .. },
        )
        | Write::Note { .. }
        | Write::Handover { .. }
        | Write::Annotation { .. } => None,
    }
}

/// Says whether a write takes the place of what its writer saw about the same topic.
fn replaces(write: &Write) -> bool {
    match write {
        Write::Allergy { refute, .. } => refute.is_some(),
        Write::Medication { action, .. } => *action != MedicationAction::Start,
        Write::Section(
            SectionWrite::BloodType { confirm, .. } | SectionWrite::Resuscitation { confirm, .. },
        ) => *confirm,
        Write::Section(
            SectionWrite::Triage { .. } | SectionWrite::Move { .. } | SectionWrite::Consent { .. },
        ) => true,
        _ => false,
    }
}

/// Says whether a write says something that can stand: a refutation, a stop and a departure only end what they answer.
fn can_stand(write: &Write) -> bool {
    match write {
        Write::Allergy { refute, .. } => refute.is_none(),
        Write::Medication { action, .. } => *action != MedicationAction::Stop,
        Write::Section(SectionWrite::Move { left, .. }) => !left,
        _ => true,
    }
}
