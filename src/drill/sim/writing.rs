//! Writing in the simulated world: by events and by the script, with every acknowledgement put into the ledger.

use std::sync::Arc;

use super::ledger::{Acknowledged, PersonNo, Said};
use super::stage::failed;
use super::world::World;
use crate::base::{Area, LaneId, RecordId};
use crate::drill::course::Act;
use crate::drill::deed::OVERRIDE;
use crate::drill::error::StepFailure;
use crate::drill::scenario::{HandoverEdit, PatientAlias};
use crate::record::Author;
use crate::replica::Replica;
use crate::replica::answer::Written;
use crate::replica::importing::ImportCall;
use crate::replica::request::Write;

/// Patients that a search may give before it is called ambiguous.
const FOUND_MAX: usize = 10;

impl World<'_> {
    /// Lets a machine import files by itself.
    pub(super) fn import(&mut self, at: usize, files: &[std::path::PathBuf]) -> Result<(), StepFailure> {
        let (replica, author) = (self.running(at)?, self.author(at));
        let call = ImportCall { paths: files.to_vec(), source: None, area: None, author };
        let imported = replica.import(&call, &mut |_| {}).map_err(failed)?;
        self.acknowledge(at, None, Act::Other, Said::Other, None);
        match imported.problems.first() {
            None => Ok(()),
            Some(problem) => Err(StepFailure(format!(
                "{} resources were skipped, first: {}",
                imported.skipped, problem.reason
            ))),
        }
    }

    /// Edits the hand-over text of a person.
    pub(super) fn hand_over(
        &mut self,
        at: usize,
        person: PersonNo,
        alias: &PatientAlias,
        edit: &HandoverEdit,
    ) -> Result<(), StepFailure> {
        let (whole, typed, may_be_parted) = match edit {
            HandoverEdit::Whole(text) => (text.clone(), text.clone(), true),
            HandoverEdit::Insert { text, after } => {
                let now = self.handover_text(at, person)?;
                let missing = || StepFailure("the hand-over lacks the phrase of 'after'".to_owned());
                let place = now.find(after).ok_or_else(missing)? + after.len();
                (format!("{}{text}{}", &now[..place], &now[place..]), text.clone(), false)
            }
        };
        let written = self.decide(at, person, Write::Handover { text: whole })?;
        self.typed.push(crate::drill::ledger::Typed {
            step: self.event,
            replica: self.scenario.replicas[at].name.clone(),
            patient: alias.clone(),
            record: written.record,
            text: typed,
            may_be_parted,
        });
        Ok(())
    }

    /// Reads the hand-over text of a person at a machine.
    ///
    /// # Errors
    /// [`StepFailure`] when the machine is down or does not know the person.
    pub(super) fn handover_text(&self, at: usize, person: PersonNo) -> Result<String, StepFailure> {
        let (replica, mut texts) = (self.running(at)?, Vec::new());
        for record in self.people.records(person) {
            let charts = replica.charts_shown(record, None).map_err(failed)?;
            texts.extend(charts.into_iter().map(|chart| chart.handover));
        }
        Ok(texts.join("\n"))
    }

    /// Writes into the record of a person, as far as the machine knows it.
    ///
    /// # Errors
    /// [`StepFailure`] when the machine is down, does not know the person, or refuses.
    pub(super) fn write(
        &mut self,
        at: usize,
        person: PersonNo,
        write: Write,
    ) -> Result<Written, StepFailure> {
        let replica = self.running(at)?;
        let record = self.record_at(at, person).ok_or_else(|| {
            StepFailure(format!("{} does not know this patient", self.scenario.replicas[at].name))
        })?;
        let act = act_of(&write);
        let said = self.said(at, person, record, &write);
        let written = match replica.write_overriding(&record, write, self.author(at), Some(OVERRIDE)) {
            Ok(written) => written,
            Err(error) => {
                drop(replica);
                self.see_to(at);
                return Err(failed(error));
            }
        };
        self.acknowledge(at, Some(person), act, said, Some(&written));
        Ok(written)
    }

    /// What a write will say, for the oracle of allergies: what a refutation answers is what its writer holds.
    fn said(&self, at: usize, person: PersonNo, record: RecordId, write: &Write) -> Said {
        let Write::Allergy { substance, refute, .. } = write else { return Said::Other };
        if refute.is_none() {
            return Said::Allergic(substance.clone());
        }
        let known = self.ledger.about(person).filter(|(_, said)| {
            matches!(&said.said, Said::Allergic(other) if other == substance)
                && said.record == Some(record)
                && self.nodes[at].knowledge.size(&said.lane) > said.seq
        });
        Said::NotAllergic(substance.clone(), known.map(|(number, _)| number).collect())
    }

    /// Notes what a machine has acknowledged: every entry by which its own lanes have grown, and the statement that
    /// the answer names even if no lane has grown.
    pub(super) fn acknowledge(
        &mut self,
        at: usize,
        person: Option<PersonNo>,
        act: Act,
        said: Said,
        written: Option<&Written>,
    ) {
        let Some(replica) = self.nodes[at].replica.clone() else { return };
        let me = replica.me().device;
        let named = written.and_then(|written| place_of(written.statement.as_deref()?));
        let resource_id = written.and_then(|written| written.resource_id.clone());
        let record = written.map(|written| written.record);
        let mut grown = Vec::new();
        // What the sessions have not heard yet is what has just been written.
        for own in self.listen(at).into_iter().filter(|grown| grown.name.device == me) {
            let lane = own.name.id();
            grown.extend((own.from..own.to).map(|seq| (lane, seq, own.name.area.clone())));
        }
        if let Some((lane, seq)) = named {
            let area = replica.lane_name(&lane).map_or_else(Area::common, |name| name.area);
            grown.retain(|(grown, at, _)| (*grown, *at) == (lane, seq));
            if grown.is_empty() {
                grown.push((lane, seq, area));
            }
        }
        for (lane, seq, area) in grown {
            let leaf = replica.store().entry(&lane, seq).ok().flatten().map(|entry| entry.leaf());
            self.trace.note(self.now, "acknowledged", at as u64, &leaf.map_or([0; 32], |leaf| leaf.0));
            let resource_id = resource_id.clone().filter(|_| named == Some((lane, seq)));
            let (now, said) = (self.now, said.clone());
            self.ledger.note(Acknowledged {
                at: now,
                member: at,
                person,
                record,
                act,
                said,
                area,
                lane,
                seq,
                leaf,
                resource_id,
                forgiven: false,
            });
        }
        self.has_changed(at);
    }

    /// Finds the record by which a machine knows a person.
    pub(super) fn record_at(&self, at: usize, person: PersonNo) -> Option<RecordId> {
        let replica = self.replica(at)?;
        let records = self.people.records(person).iter();
        records.copied().find(|record| replica.areas_of(record).is_ok_and(|areas| !areas.is_empty()))
    }

    /// Finds whom the scenario calls so, by searching where it is asked for first.
    pub(super) fn patient(&mut self, at: usize, alias: &PatientAlias) -> Result<PersonNo, StepFailure> {
        if let Some(person) = self.people.called(alias) {
            return Ok(person);
        }
        let plan = self.scenario.patients.get(alias);
        let plan = plan.ok_or_else(|| StepFailure(format!("patient '{alias}' was not registered")))?;
        let found = self.running(at)?.find(&plan.find, FOUND_MAX).map_err(failed)?;
        match found.patients.as_slice() {
            [patient] => {
                let person = self.people.of(patient.record);
                self.people.call(alias, person);
                Ok(person)
            }
            found => {
                let (name, count) = (&self.scenario.replicas[at].name, found.len());
                Err(StepFailure(format!("{name} finds {count} patients for '{alias}', and not one")))
            }
        }
    }

    /// Returns the replica of a machine.
    ///
    /// # Errors
    /// [`StepFailure`] when it does not run.
    pub(super) fn running(&self, at: usize) -> Result<Arc<Replica>, StepFailure> {
        self.replica(at)
            .ok_or_else(|| StepFailure(format!("{} does not run", self.scenario.replicas[at].name)))
    }

    pub(super) fn author(&self, at: usize) -> Author {
        self.scenario.replicas[at].author.clone()
    }
}

/// Reads the place of a statement from its name: lane, sequence number, index.
fn place_of(statement: &str) -> Option<(LaneId, u64)> {
    let mut parts = statement.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What kind of thing a write is.
pub(in crate::drill) fn act_of(write: &Write) -> Act {
    match write {
        Write::Note { .. } | Write::Handover { .. } | Write::Annotation { .. } | Write::Section(_) => {
            Act::Note
        }
        Write::Allergy { .. } => Act::Allergy,
        Write::Medication { .. } => Act::Medication,
    }
}
