//! Playing the script: people come, staff read their records and write.

use std::time::Duration;

use super::ledger::{Content, PersonNo};
use super::world::World;
use super::writing::Saying;
use crate::base::{Area, RecordId};
use crate::drill::course::{Act, Decision};
use crate::drill::error::StepFailure;
use crate::drill::workload::Task;
use crate::replica::answer::Written;
use crate::replica::request::{MedicationAction, NewPatient, Write};

/// Where all sections are written, after every so many operations the record is compared with the ledger at once.
const LOOK_EVERY: usize = 3;

impl World<'_> {
    /// Plays one operation of the script.
    pub(super) fn operate(&mut self, number: usize) {
        let operation = self.script.operations[number].clone();
        let (at, person) = (operation.member, PersonNo(operation.person as u64));
        let act = act_of(&operation.task);
        if self.replica(at).is_none() {
            let decision = self.decision(at, person, act, false, false);
            self.recorder.decisions.push(decision);
            return;
        }
        let known = self.record_at(at, person);
        let mut decision = self.decision(at, person, act, true, false);
        // Nobody can write into a record that is not here: the person is received as new.
        let received = match known {
            Some(_) => true,
            None => {
                decision.read = self.people.records(person).is_empty();
                self.receive(at, person)
            }
        };
        decision.written = received
            && match write_of(&operation.task) {
                None => self.does_otherwise(at, person, &operation.task),
                Some(Write::Handover { text }) => {
                    let now = self.handover_text(at, person).unwrap_or_default();
                    self.write(at, person, Write::Handover { text: format!("{now}{text}") }).is_ok()
                }
                Some(write) => {
                    // What is not known here cannot be changed: it is told in a note instead.
                    let told = Write::Note { text: format!("{act:?}"), title: None };
                    self.write(at, person, write).is_ok()
                        || self.replica(at).is_some() && self.write(at, person, told).is_ok()
                }
            };
        self.recorder.decisions.push(decision);
        if self.writes_all() && number.is_multiple_of(LOOK_EVERY) {
            self.look_now(at, person);
        }
    }

    /// Does what is not the writing of something that is known beforehand.
    fn does_otherwise(&mut self, at: usize, person: PersonNo, task: &Task) -> bool {
        match task {
            Task::Annotate(text) => self.annotate(at, person, text.clone()).is_ok(),
            // Where nothing is open there is nothing to decide.
            Task::Decide(keep) => self.settle(at, person, *keep).is_ok(),
            _ => true,
        }
    }

    /// What the registration of a person puts into a record.
    pub(super) fn registering(
        &self,
        at: usize,
        person: PersonNo,
        record: RecordId,
        patient: &NewPatient,
    ) -> Saying {
        let wrote = self.wrote(at, person, record, Content::Patient(patient.clone()), None);
        Saying { wrote, ..Saying::of(Act::Register) }
    }

    /// Writes what an event says, and notes it as a decision like those of the script.
    ///
    /// # Errors
    /// [`StepFailure`] as [`World::write`].
    pub(super) fn decide(
        &mut self,
        at: usize,
        person: PersonNo,
        write: Write,
    ) -> Result<Written, StepFailure> {
        let read = self.record_at(at, person).is_some();
        let mut decision = self.decision(at, person, super::writing::act_of(&write), read, false);
        let written = self.write(at, person, write);
        decision.written = written.is_ok();
        self.recorder.decisions.push(decision);
        written
    }

    /// Opens a record of a person at a machine.
    fn receive(&mut self, at: usize, person: PersonNo) -> bool {
        let Some(replica) = self.replica(at) else { return false };
        let Some(known) = self.script.people.get(person.0 as usize).cloned() else { return false };
        let patient = NewPatient::from(known.person);
        let own = self.scenario.replicas[at].areas.contains(&known.area);
        let area = if own { Some(known.area) } else { self.opens_in(at) };
        let registered = replica.register(&patient, area, self.author(at));
        drop(replica);
        match registered {
            Ok(written) => {
                self.people.add(person, written.record);
                let saying = self.registering(at, person, written.record, &patient);
                self.acknowledge(at, Some(person), saying, Some(&written));
                true
            }
            Err(_) => {
                self.see_to(at);
                false
            }
        }
    }

    /// In which area a machine opens records when nothing else is said; none when its own choice is right.
    pub(super) fn opens_in(&self, at: usize) -> Option<Area> {
        let plan = &self.scenario.replicas[at];
        plan.home().filter(|_| !plan.in_part.is_empty()).cloned()
    }

    /// What a decision about a person rests on, here and now.
    pub(super) fn decision(
        &self,
        at: usize,
        person: PersonNo,
        act: Act,
        read: bool,
        written: bool,
    ) -> Decision {
        let unknown = self.ledger.about(person).map(|(_, write)| write);
        let unknown = unknown.filter(|write| self.nodes[at].knowledge.size(&write.lane) <= write.seq);
        let (mut count, mut oldest) = (0, self.now);
        for write in unknown {
            count += 1;
            oldest = oldest.min(write.at);
        }
        let stale = self.now.saturating_sub(oldest);
        Decision {
            at: self.now,
            member: at,
            person: person.0,
            act,
            read,
            written,
            unknown: count,
            stale: if count == 0 { Duration::ZERO } else { stale },
        }
    }
}

/// What kind of thing a task is.
pub(in crate::drill) fn act_of(task: &Task) -> Act {
    match task {
        Task::Receive => Act::Register,
        Task::Note(_) | Task::Handover(_) | Task::Annotate(_) | Task::Decide(_) => Act::Note,
        Task::Write(write) => super::writing::act_of(write),
        Task::Allergy(_) | Task::Refute(_) => Act::Allergy,
        Task::Start(..) | Task::Change(..) | Task::Stop(_) => Act::Medication,
    }
}

fn write_of(task: &Task) -> Option<Write> {
    let medication = |action, drug: &str, dose: Option<&str>| Write::Medication {
        action,
        drug: drug.to_owned(),
        code: None,
        dose: dose.map(str::to_owned),
        reason: (action == MedicationAction::Stop).then(|| "中止".to_owned()),
    };
    let allergy = |substance: &str, refute: Option<&str>| Write::Allergy {
        substance: substance.to_owned(),
        code: None,
        criticality: refute.is_none().then(|| "high".to_owned()),
        refute: refute.map(str::to_owned),
    };
    match task {
        Task::Receive | Task::Annotate(_) | Task::Decide(_) => None,
        Task::Write(write) => Some(write.clone()),
        Task::Note(text) => Some(Write::Note { text: text.clone(), title: None }),
        Task::Handover(text) => Some(Write::Handover { text: text.clone() }),
        Task::Allergy(substance) => Some(allergy(substance, None)),
        Task::Refute(substance) => Some(allergy(substance, Some("問診で否定"))),
        Task::Start(drug, dose) => Some(medication(MedicationAction::Start, drug, Some(dose))),
        Task::Change(drug, dose) => Some(medication(MedicationAction::Change, drug, Some(dose))),
        Task::Stop(drug) => Some(medication(MedicationAction::Stop, drug, None)),
    }
}
