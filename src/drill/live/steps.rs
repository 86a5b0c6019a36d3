//! Doing the events of a scenario, one after another.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::record::Record;
use super::region::Region;
use super::writing;
use crate::base::{Area, RecordId};
use crate::drill::chance::Chance;
use crate::drill::deed::{ClockChange, Deed, OVERRIDE, TimedDeed};
use crate::drill::error::StepFailure;
use crate::drill::judge::{Judged, Observations, RestoreSeen};
use crate::drill::ledger::{AcknowledgedWrite, ResourceKey, Typed};
use crate::drill::observer::read_ndjson;
use crate::drill::scenario::{EventPlan, HandoverEdit, PatientAlias, ReplicaName, Told};
use crate::drill::story::Outcome;
use crate::record::Author;
use crate::replica::answer::{BackedUp, Found, Imported, Shown, Status, Written};
use crate::replica::request::{Request, Write};

/// Patients that a search may give before it is called ambiguous.
const FOUND_MAX: usize = 10;

/// A run in progress: the region, and what was observed of it so far.
///
/// The scenario's clock moves only with the `time` of events: pauses between them are not waited for. What an event
/// does later (power that returns) is done before the first event at or after that time, or when so much real time
/// has passed, or at the end.
pub struct Live<'s> {
    /// The region.
    pub region: Region<'s>,
    /// What was observed.
    pub seen: Observations,
    /// What has happened.
    pub record: Record<'s>,
    chance: Chance,
    later: Vec<Later>,
    now: Duration,
    /// A path was cut, and none was healed since.
    pub(super) cut: bool,
    pub(super) cut_at: Option<Instant>,
    pub(super) healed: Option<Instant>,
    step: usize,
}

/// A deed that is not done yet.
struct Later {
    /// When, on the scenario's clock.
    due: Duration,
    /// When, at the latest, in the room.
    latest: Instant,
    /// The event, from 1.
    step: usize,
    /// The deed.
    deed: Deed,
}

impl<'s> Live<'s> {
    /// Begins with a region in which nothing has happened; events choose from `chance`.
    pub fn begin(region: Region<'s>, chance: Chance) -> Self {
        let record = Record::begin(region.scenario());
        Self {
            region,
            seen: Observations::default(),
            record,
            chance,
            later: Vec::new(),
            now: Duration::ZERO,
            cut: false,
            cut_at: None,
            healed: None,
            step: 0,
        }
    }

    /// Does the event of this place in the scenario; what cannot be done is noted as a failure.
    pub async fn take(&mut self, number: usize, plan: &EventPlan) -> Outcome {
        self.now = plan.time.unwrap_or(self.now);
        self.catch_up(false).await;
        self.step = number + 1;
        sleep(plan.after).await;
        if let Some(cut_at) = self.cut_at {
            sleep(plan.outage.saturating_sub(cut_at.elapsed())).await;
        }
        let mut outcomes = Vec::new();
        let deeds = self.region.scenario().deeds(number, &self.chance);
        self.record.event(plan, deeds.iter().filter_map(|timed| timed.deed.at()).collect());
        for TimedDeed { after, deed } in deeds {
            if after.is_zero() {
                outcomes.push(self.attempt(plan.event.kind().name, &deed).await);
            } else {
                let latest = Instant::now() + after;
                self.later.push(Later { due: self.now + after, latest, step: self.step, deed });
            }
        }
        self.note_bytes();
        let failed = outcomes.iter().position(|outcome| matches!(outcome, Outcome::Failed { .. }));
        if let Some(Outcome::Failed { reason }) = failed.map(|failed| &outcomes[failed]) {
            self.record.failed(reason);
        }
        match (failed, outcomes.len()) {
            (Some(failed), _) => outcomes.swap_remove(failed),
            (None, 1) => outcomes.swap_remove(0),
            (None, _) => Outcome::Done,
        }
    }

    /// Does what is still to be done.
    pub async fn finish(&mut self) {
        self.catch_up(true).await;
        self.note_bytes();
        self.seen.metered = self.region.metered();
        self.record.end();
    }

    fn note_bytes(&mut self) {
        for link in 0..self.region.scenario().links.len() {
            self.record.carried(link, self.region.link_bytes(link));
        }
    }

    async fn catch_up(&mut self, all: bool) {
        let now = Instant::now();
        self.later.sort_by_key(|later| later.due);
        let (due, later): (Vec<Later>, Vec<Later>) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|later| all || later.due <= self.now || later.latest <= now);
        self.later = later;
        for Later { step, deed, .. } in due {
            self.step = step;
            let name = self.region.scenario().events[step - 1].event.kind().name;
            self.attempt(name, &deed).await;
        }
    }

    async fn attempt(&mut self, name: &str, deed: &Deed) -> Outcome {
        let begun = self.record.now();
        let done = self.act(deed).await;
        let machine = deed.at().and_then(|at| self.region.machine(&self.name(at).ok()?).ok());
        match done {
            Ok(outcome) => {
                self.record.done(deed, begun, machine);
                outcome
            }
            Err(failure) => {
                self.record.machine(deed, begun, machine);
                let step = self.step;
                let detail = Told::of(
                    format!("event {step} ({name}): {failure}"),
                    format!("出来事 {step}（{name}）：{failure}"),
                );
                self.seen.failures.push(Judged { name: "step".to_owned(), ok: false, detail });
                Outcome::Failed { reason: failure.0 }
            }
        }
    }

    async fn act(&mut self, deed: &Deed) -> Result<Outcome, StepFailure> {
        let at = match deed.at() {
            Some(at) => self.name(at)?,
            None => ReplicaName(String::new()),
        };
        let at = &at;
        match deed {
            Deed::Import { files, .. } => self.import(at, files).await,
            Deed::ImportList { list, alias, .. } => {
                let told = |error: std::io::Error| StepFailure(format!("writing an invented list: {error}"));
                let folder = tempfile::tempdir().map_err(told)?;
                let file = list.write_to(folder.path()).map_err(told)?;
                let imported = self.import_files(at, vec![file]).await?;
                let keyed = |resource| (ResourceKey::of(&resource), resource);
                self.seen.ledger.imported(self.step, at, list.resources().into_iter().map(keyed));
                let first = list.people().into_iter().next().map(|listed| listed.record);
                self.seen.patients.extend(alias.clone().zip(first));
                Ok(imported)
            }
            Deed::WaitConverged { within } => self.wait_converged(*within).await,
            Deed::Backup => self.back_up().await,
            Deed::Path { link, state } => self.path(*link, state).await,
            Deed::Bucket { reachable } => self.bucket(*reachable).await,
            Deed::Register { alias, patient, .. } => {
                let (patient, author) = (patient.clone(), self.author(at)?);
                let request = Request::Register { patient, area: self.opens_in(at), author };
                let written: Written = self.region.ask(at, &request).await?;
                self.seen.patients.insert(alias.clone(), written.record);
                Ok(self.acknowledge(at, written))
            }
            Deed::Write { patient, write, .. } => {
                let written = self.write(at, patient, write.clone()).await?;
                Ok(self.acknowledge(at, written))
            }
            Deed::Handover { patient, edit, .. } => self.hand_over(at, patient, edit).await,
            Deed::KillInMidWrite { patient, after_writes, writers, .. } => {
                self.kill_in_mid_write(at, patient, *after_writes, *writers).await
            }
            Deed::Start { .. } => match self.region.can_start(at)? {
                true => self.region.start(at).await.map(|()| Outcome::Done),
                false => Ok(Outcome::Done),
            },
            Deed::Stop { .. } => self.region.stop(at).await.map(|()| Outcome::Done),
            // Nothing that a process does can tell the two apart: the system keeps what it was given.
            Deed::Crash { .. } | Deed::PowerCut { .. } => self.region.kill(at).await.map(|()| Outcome::Done),
            Deed::Freeze { frozen, .. } => self.region.freeze(at, *frozen).map(|()| Outcome::Done),
            Deed::DestroyDisk { .. } => {
                let status: Result<Status, StepFailure> = self.region.ask(at, &Request::Status).await;
                let destroyed = status.as_ref().ok().map(|status| status.heads);
                self.seen.restore = Some(RestoreSeen { destroyed, restored: None, problems: Vec::new() });
                self.region.destroy(at).await?;
                status.map(|_| Outcome::Done)
            }
            Deed::Restore { .. } => {
                let restored = self.region.restore(at).await?;
                if let (Some(seen), Some(member)) = (&mut self.seen.restore, deed.at()) {
                    seen.restored = Some(restored.heads);
                    seen.problems = restored.problems;
                    self.record.restored(member, seen.ok());
                }
                Ok(Outcome::Restored { records: restored.records, entries: restored.entries })
            }
            Deed::PackStick { stick, .. } => self.pack_stick(at, *stick).await,
            Deed::ReadStick { stick, torn_percent, .. } => self.read_stick(at, *stick, *torn_percent).await,
            Deed::HandCard { to, patient, .. } => {
                let to = self.name(*to)?;
                self.hand_card(at, &to, patient).await
            }
            // Here disks have room, clocks are right and devices are honest already.
            Deed::DiskFull { full: false, .. }
            | Deed::Clock { change: ClockChange::Skew { ms: 0 }, .. }
            | Deed::Lie { lying: false, .. } => Ok(Outcome::Done),
            Deed::DiskFull { full: true, .. }
            | Deed::DiskCorrupt { .. }
            | Deed::CopyDisk { .. }
            | Deed::SetBack { .. }
            | Deed::Tie { .. }
            | Deed::Clock { .. }
            | Deed::Lie { lying: true, .. } => {
                Err(StepFailure("this cannot be done with real processes; run it with --sim".to_owned()))
            }
        }
    }

    async fn import(
        &mut self,
        at: &ReplicaName,
        files: &[std::path::PathBuf],
    ) -> Result<Outcome, StepFailure> {
        let imported = self.import_files(at, files.to_vec()).await?;
        for file in files {
            self.seen.ledger.imported(self.step, at, read_ndjson(file)?);
        }
        Ok(imported)
    }

    async fn import_files(
        &mut self,
        at: &ReplicaName,
        paths: Vec<std::path::PathBuf>,
    ) -> Result<Outcome, StepFailure> {
        let author = self.author(at)?;
        let request = Request::Import { paths, source: None, area: self.opens_in(at), author };
        let imported: Imported = self.region.ask(at, &request).await?;
        if imported.skipped > 0 {
            let first = imported.problems.first().map(|problem| problem.reason.clone()).unwrap_or_default();
            return Err(StepFailure(format!("{} resources were skipped, first: {first}", imported.skipped)));
        }
        let Imported { resources, patients, added, .. } = imported;
        Ok(Outcome::Imported { resources, patients, added })
    }

    async fn back_up(&mut self) -> Result<Outcome, StepFailure> {
        let gateway = self.region.scenario().gateway.clone();
        let gateway = gateway.ok_or_else(|| StepFailure("no replica is the gateway".to_owned()))?;
        let done: BackedUp = self.region.ask(&gateway, &Request::BackupNow { url: None }).await?;
        self.seen.backup_bytes += done.bytes;
        Ok(Outcome::BackedUp { entries: done.entries, bytes: done.bytes })
    }

    async fn hand_over(
        &mut self,
        at: &ReplicaName,
        patient: &PatientAlias,
        edit: &HandoverEdit,
    ) -> Result<Outcome, StepFailure> {
        let (whole, typed, may_be_parted) = match edit {
            HandoverEdit::Whole(text) => (text.clone(), text.clone(), true),
            HandoverEdit::Insert { text, after } => {
                let record = self.record(at, patient).await?;
                let shown: Shown =
                    self.region.ask(at, &Request::Show { record: record.to_string(), moment: None }).await?;
                let now = handover_of(&shown);
                let missing = || StepFailure("the hand-over lacks the phrase of 'after'".to_owned());
                let place = now.find(after).ok_or_else(missing)? + after.len();
                (format!("{}{text}{}", &now[..place], &now[place..]), text.clone(), false)
            }
        };
        let written = self.write(at, patient, Write::Handover { text: whole }).await?;
        self.seen.ledger.typed(Typed {
            step: self.step,
            replica: at.clone(),
            patient: patient.clone(),
            record: written.record,
            text: typed,
            may_be_parted,
        });
        Ok(self.acknowledge(at, written))
    }

    async fn kill_in_mid_write(
        &mut self,
        at: &ReplicaName,
        patient: &PatientAlias,
        after_writes: u64,
        writers: usize,
    ) -> Result<Outcome, StepFailure> {
        let (record, author) = (self.record(at, patient).await?, self.author(at)?);
        let home = self.region.home(at)?;
        let process = self.region.take_process(at)?;
        let killed = writing::until_killed(process, &home, record, &author, after_writes, writers).await?;
        let acknowledged = killed.written.len() as u64;
        for written in killed.written {
            self.acknowledge(at, written);
        }
        killed.process.end().await?;
        killed.course.map(|()| Outcome::Killed { acknowledged })
    }

    async fn write(
        &mut self,
        at: &ReplicaName,
        patient: &PatientAlias,
        write: Write,
    ) -> Result<Written, StepFailure> {
        let record = self.record(at, patient).await?.to_string();
        let author = self.author(at)?;
        self.region
            .ask(at, &Request::Record { record, write, author, overriding: Some(OVERRIDE.to_owned()) })
            .await
    }

    /// Notes in the ledger what was acknowledged.
    fn acknowledge(&mut self, at: &ReplicaName, written: Written) -> Outcome {
        if let Some(resource_id) = written.resource_id {
            let (step, replica, record) = (self.step, at.clone(), written.record);
            self.seen.ledger.wrote(AcknowledgedWrite { step, replica, record, resource_id });
        }
        Outcome::Written { warnings: written.warnings.len() }
    }

    /// Finds a patient's record, by searching where it is asked for first.
    pub(super) async fn record(
        &mut self,
        at: &ReplicaName,
        alias: &PatientAlias,
    ) -> Result<RecordId, StepFailure> {
        if let Some(record) = self.seen.patients.get(alias) {
            return Ok(*record);
        }
        let plan = self.region.scenario().patients.get(alias);
        let plan = plan.ok_or_else(|| StepFailure(format!("patient '{alias}' was not registered")))?;
        let found: Found =
            self.region.ask(at, &Request::Find { text: plan.find.clone(), limit: FOUND_MAX }).await?;
        match found.patients.as_slice() {
            [patient] => {
                self.seen.patients.insert(alias.clone(), patient.record);
                Ok(patient.record)
            }
            [] => Err(StepFailure(format!("{at} finds no patient '{alias}'"))),
            several => {
                let count = several.len();
                Err(StepFailure(format!("{at} finds {count} patients for '{alias}'; say more in 'find'")))
            }
        }
    }

    fn name(&self, at: usize) -> Result<ReplicaName, StepFailure> {
        let plan = self.region.scenario().replicas.get(at);
        plan.map(|plan| plan.name.clone()).ok_or_else(|| StepFailure(format!("there is no replica {at}")))
    }

    /// In which area a replica opens records; none when its own choice is right.
    fn opens_in(&self, at: &ReplicaName) -> Option<Area> {
        let plan = self.region.scenario().replica(at)?;
        plan.home().filter(|_| !plan.in_part.is_empty()).cloned()
    }

    fn author(&self, at: &ReplicaName) -> Result<Author, StepFailure> {
        let plan = self.region.scenario().replica(at);
        plan.map(|plan| plan.author.clone()).ok_or_else(|| StepFailure(format!("no replica is called {at}")))
    }
}

/// Joins the hand-over texts of a record's areas.
pub fn handover_of(shown: &Shown) -> String {
    shown.charts.iter().map(|chart| chart.handover.as_str()).collect::<Vec<_>>().join("\n")
}
