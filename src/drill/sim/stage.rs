//! Carrying out deeds in the simulated world.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::ledger::Acknowledged;
use super::world::World;
use super::writing::Saying;
use crate::backup::Bucket;
use crate::base::LaneId;
use crate::drill::course::{Act, RestoreCourse};
use crate::drill::deed::{ClockChange, Deed, PathState};
use crate::drill::error::StepFailure;
use crate::replica::ReplicaError;
use crate::replica::request::Write;
use crate::replica::restoring::restore_into;

/// Under this name the gateway remembers its chain in the simulated bucket.
pub(super) const BUCKET: &str = "simulated";
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
            Deed::ImportList { at, list, alias } => self.import_list(*at, list, alias.as_ref()),
            Deed::WaitConverged { within } => self.wait(*within),
            Deed::Backup => self.back_up(),
            Deed::Register { at, alias, patient } => {
                let (replica, author) = (self.running(*at)?, self.author(*at));
                let written = replica.register(patient, self.opens_in(*at), author).map_err(failed)?;
                let person = self.people.of(written.record);
                self.people.call(alias, person);
                let decision = self.decision(*at, person, Act::Register, true, true);
                self.recorder.decisions.push(decision);
                let saying = self.registering(*at, person, written.record, patient);
                self.acknowledge(*at, Some(person), saying, Some(&written));
                Ok(())
            }
            Deed::Write { at, patient, write } => {
                let person = self.patient(*at, patient)?;
                self.decide(*at, person, write.clone()).map(drop)
            }
            Deed::Tie { at, patients, tie, reason, suggested } => {
                self.tie(*at, patients, *tie, reason, *suggested)
            }
            Deed::Handover { at, patient, edit } => {
                let person = self.patient(*at, patient)?;
                self.hand_over(*at, person, patient, edit)
            }
            Deed::PackStick { at, stick } => self.pack_stick(*at, *stick),
            Deed::ReadStick { at, stick, torn_percent } => self.read_stick(*at, *stick, *torn_percent),
            Deed::HandCard { at, to, patient } => self.hand_card(*at, *to, patient),
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
                self.whole();
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
            Deed::CopyDisk { at } => {
                self.copy_disk(*at);
                Ok(())
            }
            Deed::SetBack { at } => self.set_back(*at),
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
                    self.recorder.converged(self.now, self.last_heard.1);
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
        let before = self.quota(link);
        self.grid.lines[link].state = state;
        let quota = self.quota(link);
        if let Some(quota) = quota {
            self.recorder.metered(self.now, link, quota);
        }
        if before != quota {
            // The end that dials is configured anew, and dials as after a start.
            self.part(link);
            self.lines[link].meeting += 1;
            self.dial_first(link);
        }
        self.recorder.cut(self.now, link, cut);
        self.notice(link);
        for member in self.grid.lines[link].ends {
            let able = self.grid.able(member, self.now);
            self.recorder.able(self.now, member, able);
        }
        self.whole();
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

    /// Writes a note into any record, for the power to fail in; what is acknowledged all the same counts. Where nobody
    /// was registered in the run, people are known from an import, and the last one written about is taken.
    fn write_somewhere(&mut self, at: usize) {
        let Some(replica) = self.nodes[at].replica.clone() else { return };
        let of = |is: fn(&Acknowledged) -> bool| {
            let held = self.ledger.writes().iter().rev().filter(|write| is(write));
            let mut known = held.filter(|write| self.nodes[at].knowledge.size(&write.lane) > write.seq);
            known.find_map(|write| write.person)
        };
        let person = of(|write| write.act == Act::Register).or_else(|| of(|_| true));
        let Some(person) = person else { return };
        let Some(record) = self.people.records(person).first().copied() else { return };
        let write = Write::Note { text: "停電".to_owned(), title: None };
        if let Ok(written) = replica.write(&record, write, self.author(at)) {
            self.acknowledge(at, Some(person), Saying::of(Act::Note), Some(&written));
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
            course.back = Some(self.now);
        }
        if self.nodes[at].device().is_some() {
            // A running replica reads everything when it starts.
            self.queue.push(self.now, super::world::Due::Scrub { node: at });
        }
        self.surroundings_changed(at);
        for line in self.grid.lines_of(at).to_vec() {
            if self.scenario.links[line].meets_every.is_none() {
                self.dial_first(line);
            }
        }
        self.has_returned(at);
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
        let (nodes, bucket, forkable) = (&self.nodes, &self.bucket_sizes, &self.forkable);
        let elsewhere = |lane: &LaneId, seq: u64| {
            let others = nodes.iter().enumerate().filter(|(number, _)| *number != at);
            let mut others = others.map(|(_, node)| node.knowledge.size(lane));
            // Where two histories may stand, sizes do not tell who holds which.
            !forkable.is_at(lane, seq)
                && (others.any(|size| size > seq) || bucket.get(lane).is_some_and(|size| *size > seq))
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
            back: None,
            point,
            behind: Some(behind),
            lost_entries: Some(lost_entries),
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
}

pub(super) fn failed(error: ReplicaError) -> StepFailure {
    StepFailure(error.to_string())
}

pub(super) fn deed_name(deed: &Deed) -> &'static str {
    match deed {
        Deed::Import { .. } => "import",
        Deed::ImportList { .. } => "import list",
        Deed::WaitConverged { .. } => "wait",
        Deed::Backup => "backup",
        Deed::Register { .. } => "register",
        Deed::Write { .. } => "write",
        Deed::Tie { .. } => "tie",
        Deed::Handover { .. } => "handover",
        Deed::PackStick { .. } => "pack stick",
        Deed::ReadStick { .. } => "read stick",
        Deed::HandCard { .. } => "hand card",
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
        Deed::CopyDisk { .. } => "copy disk",
        Deed::SetBack { .. } => "set back",
        Deed::Clock { .. } => "clock",
        Deed::Lie { .. } => "lie",
    }
}
