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
        let here = world
            .ledger
            .about(person)
            .filter(|(_, write)| write.record == Some(record) && world.holds(node, &write.lane, write.seq));
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
        // These are only ever added; nobody in a simulation certifies a care level.
        Write::Section(
            SectionWrite::Vital { .. }
            | SectionWrite::Administration { .. }
            | SectionWrite::Immunisation { .. }
            | SectionWrite::CareLevel { .. }
            | SectionWrite::Adl { .. }
            | SectionWrite::NursingNote { .. },
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::base::{Area, LaneId};
    use crate::drill::course::Act;
    use crate::drill::sim::ledger::Said;

    fn form(form: SectionWrite) -> Write {
        Write::Section(form)
    }

    fn triage(colour: &str) -> Write {
        form(SectionWrite::Triage { colour: colour.to_owned(), method: None })
    }

    fn drug(action: MedicationAction) -> Write {
        Write::Medication { action, drug: "ワルファリン".into(), code: None, dose: None, reason: None }
    }

    /// A ledger of one record, written by replicas that held what is said of each.
    fn ledger(writes: &[(Write, bool, &[usize])]) -> Vec<Acknowledged> {
        let mut all: Vec<Acknowledged> = Vec::new();
        for (number, (write, by_doctor, saw)) in writes.iter().enumerate() {
            let content = Content::Write(write.clone());
            let answers = held(&all, saw).answered_by(&content);
            let wrote = Wrote {
                content,
                by_doctor: *by_doctor,
                saw: saw.to_vec(),
                answers,
                joined: Vec::new(),
                refused: None,
            };
            all.push(Acknowledged {
                at: Duration::ZERO,
                member: 0,
                person: None,
                record: None,
                act: Act::Note,
                said: Said::Other,
                wrote: Some(Rc::new(wrote)),
                area: Area::common(),
                part: crate::base::Part::Card,
                lane: LaneId([0; 32]),
                seq: number as u64,
                leaf: None,
                resource_id: None,
                again: false,
                forgiven: false,
            });
        }
        all
    }

    fn held<'l>(all: &'l [Acknowledged], numbers: &[usize]) -> Held<'l> {
        let one = |number: &usize| {
            let at = &all[*number];
            at.wrote.as_deref().map(|wrote| One { number: *number, at, wrote })
        };
        Held { all: numbers.iter().filter_map(one).collect() }
    }

    fn standing(writes: &[(Write, bool, &[usize])], numbers: &[usize], topic: &Topic<'_>) -> Vec<usize> {
        let all = ledger(writes);
        held(&all, numbers).standing(topic).iter().map(|one| one.number).collect()
    }

    #[test]
    fn what_was_seen_is_answered_and_what_was_not_stands() {
        let colours =
            [(triage("red"), true, &[][..]), (triage("green"), true, &[0]), (triage("yellow"), true, &[0])];
        assert_eq!(standing(&colours, &[0, 1, 2], &Topic::Triage), [1, 2]);
        assert_eq!(standing(&colours, &[0, 2], &Topic::Triage), [2], "as far as it is held");
        let black = [(triage("green"), true, &[][..]), (triage("black"), false, &[0])];
        assert_eq!(standing(&black, &[0, 1], &Topic::Triage), [0, 1], "no doctor's black ends nothing");
        let doctors = [(triage("green"), true, &[][..]), (triage("black"), true, &[0])];
        assert_eq!(standing(&doctors, &[0, 1], &Topic::Triage), [1]);
    }

    #[test]
    fn a_stop_ends_what_its_writer_saw_and_says_nothing_itself() {
        let (start, stop, change) =
            (MedicationAction::Start, MedicationAction::Stop, MedicationAction::Change);
        let topic = Topic::Drug("ワルファリン");
        let seen = [(drug(start), true, &[][..]), (drug(stop), true, &[0])];
        assert_eq!(standing(&seen, &[0, 1], &topic), Vec::<usize>::new());
        let apart = [(drug(start), true, &[][..]), (drug(stop), true, &[0]), (drug(change), true, &[0])];
        assert_eq!(standing(&apart, &[0, 1, 2], &topic), [2]);
        let twice = [(drug(start), true, &[][..]), (drug(start), true, &[0])];
        assert_eq!(standing(&twice, &[0, 1], &topic), [0, 1], "a second start answers nothing");
    }

    #[test]
    fn a_blood_type_answers_only_when_it_is_confirmed() {
        let group = |group: &str, confirm| form(SectionWrite::BloodType { group: group.to_owned(), confirm });
        let both = [(group("A+", false), true, &[][..]), (group("O+", false), true, &[0])];
        assert_eq!(standing(&both, &[0, 1], &Topic::BloodType), [0, 1]);
        let decided = [both[0].clone(), both[1].clone(), (group("O+", true), true, &[0, 1])];
        assert_eq!(standing(&decided, &[0, 1, 2], &Topic::BloodType), [2]);
    }
}
