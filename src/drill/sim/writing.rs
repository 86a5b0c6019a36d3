//! Writing in the simulated world: by events and by the script, with every acknowledgement put into the ledger.

use std::rc::Rc;
use std::sync::Arc;

use super::ledger::{Acknowledged, Content, PersonNo, Said, Wrote};
use super::oracle::Held;
use super::stage::failed;
use super::world::World;
use crate::base::{LaneId, RecordId};
use crate::chart::ChartError;
use crate::drill::course::Act;
use crate::drill::deed::OVERRIDE;
use crate::drill::error::StepFailure;
use crate::drill::scenario::{Acts, HandoverEdit, PatientAlias};
use crate::lane::AppendError;
use crate::record::{Author, Position};
use crate::replica::answer::Written;
use crate::replica::request::Write;
use crate::replica::{Replica, ReplicaError};

/// Patients that a search may give before it is called ambiguous.
const FOUND_MAX: usize = 10;

/// What an acknowledged write is, as far as somebody must know who did not write it.
pub(super) struct Saying {
    /// What was done.
    pub(super) act: Act,
    /// What it says.
    pub(super) said: Said,
    /// The same in full.
    pub(super) wrote: Option<Wrote>,
}

impl Saying {
    /// Says of a write no more than what was done.
    pub(super) fn of(act: Act) -> Self {
        Self { act, said: Said::Other, wrote: None }
    }
}

impl World<'_> {
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
        let said = self.said(at, person, record, &write);
        let wrote = self.wrote(at, person, record, Content::Write(write.clone()), None);
        let read = match &write {
            Write::Handover { text } => Some((text.clone(), self.handover_text(at, person)?)),
            _ => None,
        };
        let denied = match &write {
            Write::Allergy { substance, refute: Some(_), .. } => Some(substance.clone()),
            _ => None,
        };
        let (written, refused) = self.asked(&replica, at, &record, write.clone());
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                drop(replica);
                self.is_taken(at, &error);
                self.see_to(at);
                return Err(failed(error));
            }
        };
        let wrote = wrote.map(|wrote| Wrote { refused, ..wrote });
        if let (Some(refused), Some(wrote)) = (refused, &wrote)
            && !self.is_doubtful(&record)
            && self.ties.iter().all(|tie| tie.pair.other(&record).is_none())
            && Held::of(self, at, person, record).forbids(&wrote.content)
        {
            let name = &self.scenario.replicas[at].name;
            self.clinical.alerts.note(refused, || format!("{name} took a harmful order without a reason"));
        }
        self.acknowledge(at, Some(person), Saying { act: act_of(&write), said, wrote }, Some(&written));
        if let Some((text, read)) = read {
            self.handed_over(&text, &read);
        }
        if let Some(substance) = denied {
            self.refuted(at, record, &substance);
        }
        Ok(written)
    }

    /// Writes; where people write all sections, an order is tried without a reason first. Says whether it was refused.
    fn asked(
        &self,
        replica: &Replica,
        at: usize,
        record: &RecordId,
        write: Write,
    ) -> (Result<Written, ReplicaError>, Option<bool>) {
        let again = || replica.write_overriding(record, write.clone(), self.author(at), Some(OVERRIDE));
        if !self.writes_all() {
            return (again(), None);
        }
        match replica.write(record, write.clone(), self.author(at)) {
            Err(ReplicaError::Contraindicated(_)) => (again(), Some(true)),
            written => (written, Some(false)),
        }
    }

    /// Notes that a replica did not take what a person wrote, when neither its disk, its certificate, a contraindication
    /// nor what there is to follow or to change is the reason: then nobody can help themselves.
    fn is_taken(&mut self, at: usize, error: &ReplicaError) {
        let has_reason = matches!(
            error,
            ReplicaError::Append(AppendError::Forked(_))
                | ReplicaError::Store(_)
                | ReplicaError::File(_)
                | ReplicaError::Chart(ChartError::NothingChanges)
                | ReplicaError::NotAllowed { .. }
                | ReplicaError::NothingToFollow { .. }
                | ReplicaError::Contraindicated(_)
        );
        if !has_reason {
            let name = &self.scenario.replicas[at].name;
            self.clinical.sections.note(false, || format!("{name} did not take what was written: {error}"));
        }
    }

    /// Settles the first contradiction that is open in a record, for the side of a number, counted round. Says whether
    /// there was one.
    ///
    /// # Errors
    /// [`StepFailure`] as [`World::write`].
    pub(super) fn settle(&mut self, at: usize, person: PersonNo, keep: usize) -> Result<bool, StepFailure> {
        let replica = self.running(at)?;
        let Some(record) = self.record_at(at, person) else { return Ok(false) };
        let open = replica.decisions(Some(record), &mut |_| {}).map_err(failed)?.open;
        let Some(decision) = open.first().filter(|decision| !decision.sides.is_empty()) else {
            return Ok(false);
        };
        let keep = keep % decision.sides.len();
        let sides = decision.sides.iter();
        let sides: Vec<Option<usize>> =
            sides.map(|side| self.ledger.number_at(place_of(&side.statement)?)).collect();
        let kept = sides[keep].map(|number| &self.ledger.writes()[number]);
        // A decision stands in the record of the side that it keeps.
        let into = kept.and_then(|kept| kept.record).unwrap_or(record);
        let kept = kept.and_then(|kept| kept.wrote.clone());
        let kept = kept.and_then(|wrote| wrote.content.write().cloned());
        let sides: Option<Vec<usize>> = sides.into_iter().collect();
        let wrote = match (sides, kept) {
            (Some(sides), Some(kept)) => self.wrote(at, person, into, Content::Decision(kept), Some(sides)),
            // It is about what the drill did not write itself.
            (_, _) => None,
        };
        let said = match wrote.as_ref().map(|wrote| (wrote.content.write(), &wrote.answers)) {
            Some((Some(Write::Allergy { substance, refute: None, .. }), _)) => {
                Said::Allergic(substance.clone())
            }
            Some((Some(Write::Allergy { substance, refute: Some(_), .. }), answers)) => {
                Said::NotAllergic(substance.clone(), answers.clone())
            }
            _ => Said::Other,
        };
        let reason = "訓練：診察して確認".to_owned();
        let decide = |overriding: Option<&str>| {
            let (reason, author) = (reason.clone(), self.author(at));
            replica.decide(&record, &decision.decision, keep + 1, reason, author, overriding)
        };
        let decided = match decide(None) {
            Err(ReplicaError::Contraindicated(_)) => decide(Some(OVERRIDE)),
            decided => decided,
        };
        let written = match decided {
            Ok(decided) => decided.written,
            Err(error) => {
                drop(replica);
                self.is_taken(at, &error);
                self.see_to(at);
                return Err(failed(error));
            }
        };
        let written = written.ok_or_else(|| StepFailure("what was listed is open no more".to_owned()))?;
        self.acknowledge(at, Some(person), Saying { act: Act::Note, said, wrote }, Some(&written));
        Ok(true)
    }

    /// Annotates the first statement of a person that a machine holds.
    ///
    /// # Errors
    /// [`StepFailure`] as [`World::write`], or when it holds none.
    pub(super) fn annotate(&mut self, at: usize, person: PersonNo, text: String) -> Result<(), StepFailure> {
        let record = self.record_at(at, person);
        let is_held = |write: &&Acknowledged| {
            write.record == record && write.resource_id.is_some() && self.holds(at, &write.lane, write.seq)
        };
        let first = self.ledger.about(person).map(|(_, write)| write).find(is_held);
        let first = first.map(|write| Position { lane: write.lane, seq: write.seq, index: 0 });
        let first = first.ok_or_else(|| StepFailure("nothing to annotate".to_owned()))?;
        let anchor = Replica::statement_name(&first);
        self.write(at, person, Write::Annotation { anchor, text }).map(drop)
    }

    /// Whether the people of some workload write all sections.
    pub(super) fn writes_all(&self) -> bool {
        self.scenario.workloads.iter().any(|workload| workload.acts == Acts::All)
    }

    /// What a write will put into a record, for the oracle; `answers` are the sides of a decision.
    pub(super) fn wrote(
        &self,
        at: usize,
        person: PersonNo,
        record: RecordId,
        content: Content,
        answers: Option<Vec<usize>>,
    ) -> Option<Wrote> {
        if !self.is_small() {
            return None;
        }
        let held = Held::of(self, at, person, record);
        let answers = answers.unwrap_or_else(|| held.answered_by(&content));
        let by_doctor = self.scenario.replicas[at].author.role == "doctor";
        let joined = self.joined_with(at, record);
        Some(Wrote { content, by_doctor, saw: held.numbers(), answers, joined, refused: None })
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
                && self.holds(at, &said.lane, said.seq)
        });
        Said::NotAllergic(substance.clone(), known.map(|(number, _)| number).collect())
    }

    /// Notes what a machine has acknowledged: every entry by which its own lanes have grown, and the statement that
    /// the answer names even if no lane has grown.
    pub(super) fn acknowledge(
        &mut self,
        at: usize,
        person: Option<PersonNo>,
        saying: Saying,
        written: Option<&Written>,
    ) {
        let Saying { act, said, wrote } = saying;
        let wrote = wrote.map(Rc::new);
        let Some(replica) = self.nodes[at].replica.clone() else { return };
        let me = replica.me().device;
        let named = written.and_then(|written| place_of(written.statement.as_deref()?));
        let resource_id = written.and_then(|written| written.resource_id.clone());
        let record = written.map(|written| written.record);
        let mut grown = Vec::new();
        // What the sessions have not heard yet is what has just been written.
        for own in self.listen(at).into_iter().filter(|grown| grown.name.device == me) {
            let lane = own.name.id();
            grown.extend((own.from..own.to).map(|seq| (lane, seq, own.name.clone())));
        }
        if let Some((lane, seq)) = named {
            grown.retain(|(grown, at, _)| (*grown, *at) == (lane, seq));
            if let (true, Some(name)) = (grown.is_empty(), replica.lane_name(&lane)) {
                grown.push((lane, seq, name));
            }
        }
        let last = grown.len().saturating_sub(1);
        if let Some(record) =
            record.filter(|_| grown.iter().any(|(lane, seq, _)| self.forkable.is_at(lane, *seq)))
        {
            self.doubtful.insert(record);
        }
        for (place, (lane, seq, name)) in grown.into_iter().enumerate() {
            let leaf = replica.store().entry(&lane, seq).ok().flatten().map(|entry| entry.leaf());
            self.trace.note(self.now, "acknowledged", at as u64, &leaf.map_or([0; 32], |leaf| leaf.0));
            let resource_id = resource_id.clone().filter(|_| named == Some((lane, seq)));
            // What opens a lane comes before what was written.
            let (now, said, wrote) = (self.now, said.clone(), wrote.clone().filter(|_| place == last));
            self.ledger.note(Acknowledged {
                at: now,
                member: at,
                person,
                record,
                act,
                said,
                wrote,
                area: name.area,
                part: name.part,
                lane,
                seq,
                leaf,
                resource_id,
                again: self.forkable.is_at(&lane, seq),
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
