//! Carrying out deeds in the simulated world.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::ledger::{Acknowledged, PersonNo, Said};
use super::world::World;
use crate::backup::Bucket;
use crate::base::{Area, LaneId, RecordId};
use crate::drill::course::{Act, RestoreCourse};
use crate::drill::deed::{ClockChange, Deed, PathState};
use crate::drill::error::StepFailure;
use crate::drill::scenario::{HandoverEdit, PatientAlias};
use crate::record::Author;
use crate::replica::answer::Written;
use crate::replica::importing::ImportCall;
use crate::replica::request::Write;
use crate::replica::restoring::restore_into;
use crate::replica::{Replica, ReplicaError};

/// Under this name the gateway remembers its chain in the simulated bucket.
const BUCKET: &str = "simulated";
/// Patients that a search may give before it is called ambiguous.
const FOUND_MAX: usize = 10;
/// Most writes and syncs of a disk that still succeed when its power fails in mid-write; a commit of redb has about
/// a dozen.
const MID_WRITE_MAX: u64 = 16;

/// The futures of backup and restore wait for nothing but the bucket, which answers at once here.
pub(super) fn now_or_never<T>(future: impl Future<Output = T>) -> Result<T, StepFailure> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(StepFailure("the simulated bucket did not answer at once".to_owned())),
    }
}

impl World<'_> {
    /// Carries out a deed.
    ///
    /// # Errors
    /// [`StepFailure`] when it cannot be done.
    pub(super) fn carry_out(&mut self, deed: &Deed) -> Result<(), StepFailure> {
        self.trace.note(self.now, deed_name(deed), deed.at().unwrap_or(0) as u64, &[]);
        let done = self.act(deed);
        self.spread();
        done
    }

    fn act(&mut self, deed: &Deed) -> Result<(), StepFailure> {
        match deed {
            Deed::Import { at, files } => self.import(*at, files),
            Deed::WaitConverged { within } => self.wait(*within),
            Deed::Backup => self.back_up(),
            Deed::Register { at, alias, patient } => {
                let (replica, author) = (self.running(*at)?, self.author(*at));
                let written = replica.register(patient, None, author).map_err(failed)?;
                let person = self.people.of(written.record);
                self.people.call(alias, person);
                let decision = self.decision(*at, person, Act::Register, true, true);
                self.recorder.decisions.push(decision);
                self.acknowledge(*at, Some(person), Act::Register, Said::Other, Some(&written));
                Ok(())
            }
            Deed::Write { at, patient, write } => {
                let person = self.patient(*at, patient)?;
                self.decide(*at, person, write.clone()).map(drop)
            }
            Deed::Handover { at, patient, edit } => {
                let person = self.patient(*at, patient)?;
                self.hand_over(*at, person, patient, edit)
            }
            Deed::KillInMidWrite { at, patient, after_writes, writers: _ } => {
                let person = self.patient(*at, patient)?;
                for number in 1..=*after_writes {
                    let text = format!("訓練 {number}: 血圧 {}/{}", 110 + number % 30, 60 + number % 20);
                    self.write(*at, person, Write::Note { text, title: None })?;
                }
                self.cut_power(*at);
                Ok(())
            }
            Deed::Start { at } => self.start(*at),
            Deed::Stop { at } => {
                if self.grid.nodes[*at].up {
                    if let Some(replica) = self.nodes[*at].replica.clone() {
                        replica.index_step().map_err(failed)?;
                    }
                    self.goes_down(*at);
                }
                Ok(())
            }
            Deed::DestroyDisk { at } => {
                self.destroy(*at);
                Ok(())
            }
            // A new disk may be in already, after rot.
            Deed::Restore { at } if self.grid.nodes[*at].disk => Ok(()),
            Deed::Restore { at } => {
                self.nodes[*at].awaits_disk = false;
                self.restore(*at)
            }
            Deed::Path { link, state } => {
                self.path(*link, state.clone());
                Ok(())
            }
            Deed::Bucket { reachable } => {
                self.grid.bucket = *reachable;
                self.bucket.set_reachable(*reachable);
                let whole = self.grid.is_whole();
                self.recorder.whole(self.now, whole);
                Ok(())
            }
            Deed::Crash { at } => {
                if self.grid.nodes[*at].up {
                    self.recorder.faults.crashes += 1;
                    if let Some(device) = self.nodes[*at].device() {
                        device.crash();
                    }
                    self.goes_down(*at);
                }
                Ok(())
            }
            Deed::PowerCut { at } => {
                self.cut_power(*at);
                Ok(())
            }
            Deed::Freeze { at, frozen } => {
                if self.grid.nodes[*at].frozen != *frozen {
                    self.grid.nodes[*at].frozen = *frozen;
                    self.recorder.faults.freezes += u64::from(*frozen);
                    self.surroundings_changed(*at);
                }
                Ok(())
            }
            Deed::DiskFull { at, full } => {
                self.grid.nodes[*at].full = *full;
                if let Some(device) = self.nodes[*at].device() {
                    device.set_space(full.then_some(0));
                }
                self.surroundings_changed(*at);
                Ok(())
            }
            Deed::DiskCorrupt { at, sectors } => {
                if let Some(device) = self.nodes[*at].device() {
                    device.rot(*sectors);
                }
                Ok(())
            }
            Deed::Clock { at, change } => {
                let environment = &self.nodes[*at].environment;
                environment.set_skew_ms(match change {
                    ClockChange::Skew { ms } => *ms,
                    ClockChange::Jump { ms } => environment.skew_ms().saturating_add(*ms),
                });
                self.recorder.faults.clocks_changed += u64::from(environment.skew_ms() != 0);
                Ok(())
            }
            Deed::Lie { at, lying } => {
                self.nodes[*at].liar.set(*lying);
                if !lying {
                    // Peers have given up lanes for the sessions in which they were lied to.
                    self.hang_up_all(*at);
                }
                Ok(())
            }
        }
    }

    fn wait(&mut self, within: Duration) -> Result<(), StepFailure> {
        let until = self.now + within;
        let every = if self.is_small() { Duration::from_millis(200) } else { Duration::from_secs(60) };
        match self.run_until_equal(until, every) {
            true => {
                if self.recorder.healing().is_some() {
                    self.recorder.converged(self.now);
                }
                Ok(())
            }
            false => Err(StepFailure(format!("still different after {within:?}"))),
        }
    }

    // -- Lines and power ------------------------------------------------------------------------------------

    fn path(&mut self, link: usize, state: PathState) {
        let cut = state != PathState::Up;
        if matches!(state, PathState::Down | PathState::OneWay { .. }) {
            self.last_cut = Some(self.now);
        }
        self.grid.lines[link].state = state;
        self.recorder.cut(self.now, link, cut);
        self.notice(link);
        for member in self.grid.lines[link].ends {
            let able = self.grid.able(member, self.now);
            self.recorder.able(self.now, member, able);
        }
        let whole = self.grid.is_whole();
        self.recorder.whole(self.now, whole);
    }

    /// Cuts a machine's power, in the middle of a write if anything can be written.
    fn cut_power(&mut self, at: usize) {
        if !self.grid.nodes[at].up {
            return;
        }
        self.recorder.faults.power_cuts += 1;
        let operations = 1 + self.chance.below(MID_WRITE_MAX);
        if let Some(device) = self.nodes[at].device().cloned() {
            device.cut_power_after(operations);
            self.write_somewhere(at);
            device.cut_power();
        }
        self.goes_down(at);
    }

    /// Writes a note into any record, for the power to fail in; what is acknowledged all the same counts.
    fn write_somewhere(&mut self, at: usize) {
        let Some(replica) = self.nodes[at].replica.clone() else { return };
        let held = self.ledger.writes().iter().rev().filter(|write| write.act == Act::Register);
        let known = held.filter(|write| self.nodes[at].knowledge.size(&write.lane) > write.seq);
        let Some(person) = known.filter_map(|write| write.person).next() else { return };
        let Some(record) = self.people.records(person).first().copied() else { return };
        let write = Write::Note { text: "停電".to_owned(), title: None };
        if let Ok(written) = replica.write(&record, write, self.author(at)) {
            self.acknowledge(at, Some(person), Act::Note, Said::Other, Some(&written));
        }
    }

    pub(super) fn start(&mut self, at: usize) -> Result<(), StepFailure> {
        if self.nodes[at].awaits_disk {
            return self.replace_disk(at);
        }
        if self.grid.nodes[at].up || self.nodes[at].drive.is_none() {
            return Ok(());
        }
        if let Err(error) = self.nodes[at].start() {
            return match self.condemn(at) {
                true => Ok(()),
                false => Err(failed(error)),
            };
        }
        self.grid.nodes[at].up = true;
        self.learn_all(at);
        if let (Some(lost), true) = (self.nodes[at].lost_at.take(), true)
            && let Some(course) = self.recorder.restores.iter_mut().rev().find(|course| course.member == at)
        {
            course.lost = lost;
            course.back = self.now;
        }
        if self.nodes[at].device().is_some() {
            // A running replica reads everything when it starts.
            self.queue.push(self.now, super::world::Due::Scrub { node: at });
        }
        self.surroundings_changed(at);
        for line in self.grid.lines_of(at).to_vec() {
            if self.scenario.links[line].meets_every.is_none() {
                self.dial_soon(line);
            }
        }
        Ok(())
    }

    pub(super) fn destroy(&mut self, at: usize) {
        if !self.grid.nodes[at].disk {
            return;
        }
        self.listen(at);
        self.grid.nodes[at].up = false;
        self.hang_up_all(at);
        self.recorder.faults.disks_lost += 1;
        let (nodes, bucket) = (&self.nodes, &self.bucket_sizes);
        let elsewhere = |lane: &LaneId, seq: u64| {
            let others = nodes.iter().enumerate().filter(|(number, _)| *number != at);
            let mut others = others.map(|(_, node)| node.knowledge.size(lane));
            others.any(|size| size > seq) || bucket.get(lane).is_some_and(|size| *size > seq)
        };
        let here = |lane: &LaneId, seq: u64| nodes[at].knowledge.size(lane) > seq;
        let behind =
            self.ledger.writes().iter().filter(|write| {
                write.member == at && bucket.get(&write.lane).copied().unwrap_or(0) <= write.seq
            });
        let behind = behind.count() as u64;
        let lost_entries =
            self.ledger.forgive(|write| here(&write.lane, write.seq) && !elsewhere(&write.lane, write.seq));
        self.nodes[at].destroy();
        self.nodes[at].lost_at = Some(self.now);
        self.grid.nodes[at].disk = false;
        let (lost, point) = (self.now, self.bucket_at);
        self.recorder.restores.push(RestoreCourse {
            member: at,
            lost,
            back: lost,
            point,
            behind,
            lost_entries,
        });
        self.surroundings_changed(at);
    }

    // -- Backup ---------------------------------------------------------------------------------------------

    /// Lets the gateway write what the bucket lacks.
    ///
    /// # Errors
    /// [`StepFailure`] when there is no gateway, it is down, or the bucket does not answer.
    pub(super) fn back_up(&mut self) -> Result<(), StepFailure> {
        let gateway = self.scenario.gateway.as_ref().and_then(|name| self.scenario.index(name));
        let gateway = gateway.ok_or_else(|| StepFailure("no replica is the gateway".to_owned()))?;
        let replica = self.running(gateway)?;
        let bucket = Bucket::Memory(self.bucket.clone());
        let mut unheard = |_| {};
        let backed_up = now_or_never(replica.backup_to(&bucket, BUCKET, &mut unheard))?;
        match backed_up {
            Ok(done) => {
                self.recorder.backup_bytes += done.bytes;
                for (lane, state) in replica.lanes() {
                    self.bucket_sizes.insert(lane, state.size());
                }
                self.bucket_at = Some(self.now);
                self.trace.note(self.now, "backed up", done.entries, &[]);
                Ok(())
            }
            Err(error) => {
                self.recorder.faults.bucket_refusals += 1;
                drop(replica);
                self.see_to(gateway);
                Err(failed(error))
            }
        }
    }

    pub(super) fn restore(&mut self, at: usize) -> Result<(), StepFailure> {
        let kit = self.nodes[at]
            .kit
            .clone()
            .ok_or_else(|| StepFailure("its site has no recovery kit".to_owned()))?;
        let store = self.nodes[at].new_disk().map_err(|error| failed(error.into()))?;
        let plan = &self.scenario.replicas[at];
        let (name, role) = (format!("{}-2", plan.name), plan.role);
        let environment = self.nodes[at].environment.clone();
        let bucket = Bucket::Memory(self.bucket.clone());
        let mut unheard = |_| {};
        let restoring = restore_into(store, &bucket, &kit, &name, role, environment, &mut unheard);
        let (replica, restored) = now_or_never(restoring)?.map_err(failed)?;
        drop(replica);
        self.grid.nodes[at].disk = true;
        // Now somebody waits for it again: until it starts the region is not whole.
        self.surroundings_changed(at);
        self.trace.note(self.now, "restored", restored.entries, &[]);
        match restored.problems.first() {
            None => Ok(()),
            Some(problem) => Err(StepFailure(problem.clone())),
        }
    }

    // -- Writing --------------------------------------------------------------------------------------------

    fn import(&mut self, at: usize, files: &[std::path::PathBuf]) -> Result<(), StepFailure> {
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

    fn hand_over(
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
            let charts = replica.charts_shown(record).map_err(failed)?;
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
        let written = match replica.write(&record, write, self.author(at)) {
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
    fn patient(&mut self, at: usize, alias: &PatientAlias) -> Result<PersonNo, StepFailure> {
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

fn failed(error: ReplicaError) -> StepFailure {
    StepFailure(error.to_string())
}

pub(super) fn act_of(write: &Write) -> Act {
    match write {
        Write::Note { .. } | Write::Handover { .. } | Write::Annotation { .. } => Act::Note,
        Write::Allergy { .. } => Act::Allergy,
        Write::Medication { .. } => Act::Medication,
    }
}

fn deed_name(deed: &Deed) -> &'static str {
    match deed {
        Deed::Import { .. } => "import",
        Deed::WaitConverged { .. } => "wait",
        Deed::Backup => "backup",
        Deed::Register { .. } => "register",
        Deed::Write { .. } => "write",
        Deed::Handover { .. } => "handover",
        Deed::KillInMidWrite { .. } => "kill in mid-write",
        Deed::Start { .. } => "start",
        Deed::Stop { .. } => "stop",
        Deed::DestroyDisk { .. } => "destroy",
        Deed::Restore { .. } => "restore",
        Deed::Path { .. } => "path",
        Deed::Bucket { .. } => "bucket",
        Deed::Crash { .. } => "crash",
        Deed::PowerCut { .. } => "power cut",
        Deed::Freeze { .. } => "freeze",
        Deed::DiskFull { .. } => "disk full",
        Deed::DiskCorrupt { .. } => "rot",
        Deed::Clock { .. } => "clock",
        Deed::Lie { .. } => "lie",
    }
}
