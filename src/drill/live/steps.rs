//! Doing the steps of a scenario, one after another.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::region::Region;
use super::writing;
use crate::base::RecordId;
use crate::drill::convergence::differences;
use crate::drill::error::StepFailure;
use crate::drill::judge::{Judged, Observations, RestoreSeen};
use crate::drill::ledger::{AcknowledgedWrite, Typed};
use crate::drill::observer::read_ndjson;
use crate::drill::scenario::{Action, HandoverEdit, Paths, PatientAlias, ReplicaName, Step};
use crate::drill::story::Outcome;
use crate::record::Author;
use crate::replica::answer::{BackedUp, Found, Imported, Shown, Status, Written};
use crate::replica::request::{Request, Write};

/// How often replicas are asked whether they hold the same.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Patients that a search may give before it is called ambiguous.
const FOUND_MAX: usize = 10;

/// A run in progress: the region, and what was observed of it so far.
pub struct Live<'s> {
    /// The region.
    pub region: Region<'s>,
    /// What was observed.
    pub seen: Observations,
    /// A path was cut, and none was healed since.
    cut: bool,
    cut_at: Option<Instant>,
    healed: Option<Instant>,
    step: usize,
}

impl<'s> Live<'s> {
    /// Begins with a region in which nothing has happened.
    pub fn begin(region: Region<'s>) -> Self {
        Self { region, seen: Observations::default(), cut: false, cut_at: None, healed: None, step: 0 }
    }

    /// Does a step; what cannot be done is noted as a failure.
    pub async fn take(&mut self, step: &Step) -> Outcome {
        self.step += 1;
        sleep(step.after).await;
        if let Some(cut_at) = self.cut_at {
            sleep(step.outage.saturating_sub(cut_at.elapsed())).await;
        }
        match self.act(&step.action).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                let detail = format!("step {} ({}): {failure}", self.step, step.action.name());
                self.seen.failures.push(Judged { name: "step".to_owned(), ok: false, detail });
                Outcome::Failed { reason: failure.0 }
            }
        }
    }

    async fn act(&mut self, action: &Action) -> Result<Outcome, StepFailure> {
        match action {
            Action::Import { at, files } => self.import(at, files).await,
            Action::WaitConverged { within } => self.wait_converged(*within).await,
            Action::Backup => self.back_up().await,
            Action::Cut(paths) => self.cut(paths),
            Action::Heal(paths) => self.heal(paths).await,
            Action::Meet { link } => self.heal(&Paths { links: [*link].into(), bucket: false }).await,
            Action::Register { at, alias, patient } => {
                let (patient, author) = (patient.clone(), self.author(at)?);
                let request = Request::Register { patient, area: None, author };
                let written: Written = self.region.ask(at, &request).await?;
                self.seen.patients.insert(alias.clone(), written.record);
                Ok(self.acknowledge(at, written))
            }
            Action::Write { at, patient, write } => {
                let written = self.write(at, patient, write.clone()).await?;
                Ok(self.acknowledge(at, written))
            }
            Action::Handover { at, patient, edit } => self.hand_over(at, patient, edit).await,
            Action::KillInMidWrite { at, patient, after_writes, writers } => {
                self.kill_in_mid_write(at, patient, *after_writes, *writers).await
            }
            Action::Start { at } => self.region.start(at).await.map(|()| Outcome::Done),
            Action::Stop { at } => self.region.stop(at).await.map(|()| Outcome::Done),
            Action::DestroyDisk { at } => {
                let status: Result<Status, StepFailure> = self.region.ask(at, &Request::Status).await;
                let destroyed = status.as_ref().ok().map(|status| status.heads);
                self.seen.restore = Some(RestoreSeen { destroyed, restored: None, problems: Vec::new() });
                self.region.destroy(at).await?;
                status.map(|_| Outcome::Done)
            }
            Action::Restore { at } => {
                let restored = self.region.restore(at).await?;
                if let Some(seen) = &mut self.seen.restore {
                    seen.restored = Some(restored.heads);
                    seen.problems = restored.problems;
                }
                Ok(Outcome::Restored { records: restored.records, entries: restored.entries })
            }
        }
    }

    async fn import(
        &mut self,
        at: &ReplicaName,
        files: &[std::path::PathBuf],
    ) -> Result<Outcome, StepFailure> {
        let (paths, author) = (files.to_vec(), self.author(at)?);
        let request = Request::Import { paths, source: None, area: None, author };
        let imported: Imported = self.region.ask(at, &request).await?;
        if imported.skipped > 0 {
            let first = imported.problems.first().map(|problem| problem.reason.clone()).unwrap_or_default();
            return Err(StepFailure(format!("{} resources were skipped, first: {first}", imported.skipped)));
        }
        for file in files {
            self.seen.ledger.imported(read_ndjson(file)?);
        }
        let Imported { resources, patients, added, .. } = imported;
        Ok(Outcome::Imported { resources, patients, added })
    }

    async fn wait_converged(&mut self, within: Duration) -> Result<Outcome, StepFailure> {
        let begun = Instant::now();
        loop {
            let differing = differences(&self.region.statuses().await?);
            if differing.is_empty() {
                if let Some(healed) = self.healed.take() {
                    self.seen.converge_after_heal_s = Some(healed.elapsed().as_secs_f64());
                }
                return Ok(Outcome::Converged { after: begun.elapsed() });
            }
            if begun.elapsed() >= within {
                self.healed = None;
                return Err(StepFailure(format!(
                    "still different after {within:?}: {}",
                    differing.join("; ")
                )));
            }
            sleep(ASK_EVERY).await;
        }
    }

    async fn back_up(&mut self) -> Result<Outcome, StepFailure> {
        let gateway = self.region.scenario().gateway.clone();
        let gateway = gateway.ok_or_else(|| StepFailure("no replica is the gateway".to_owned()))?;
        let done: BackedUp = self.region.ask(&gateway, &Request::BackupNow { url: None }).await?;
        self.seen.backup_bytes += done.bytes;
        Ok(Outcome::BackedUp { entries: done.entries, bytes: done.bytes })
    }

    fn cut(&mut self, paths: &Paths) -> Result<Outcome, StepFailure> {
        self.cut = true;
        self.cut_at = Some(Instant::now());
        for relay in paths.links.iter().flat_map(|link| self.region.relays(*link)) {
            relay.cut();
        }
        match self.region.bucket().filter(|_| paths.bucket) {
            Some(bucket) => bucket.cut().map(|()| Outcome::Done),
            None => Ok(Outcome::Done),
        }
    }

    async fn heal(&mut self, paths: &Paths) -> Result<Outcome, StepFailure> {
        // Of several cuts the last one counts.
        if std::mem::take(&mut self.cut) {
            self.seen.before_heal = self.region.statuses().await?;
        }
        for relay in paths.links.iter().flat_map(|link| self.region.relays(*link)) {
            relay.heal();
        }
        self.healed = Some(Instant::now());
        match self.region.bucket().filter(|_| paths.bucket) {
            Some(bucket) => bucket.heal().map(|()| Outcome::Done),
            None => Ok(Outcome::Done),
        }
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
                let shown: Shown = self.region.ask(at, &Request::Show { record: record.to_string() }).await?;
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
        let store = self.region.store(at)?;
        let process = self.region.take_process(at)?;
        let killed = writing::until_killed(process, &store, record, &author, after_writes, writers).await?;
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
        self.region.ask(at, &Request::Record { record, write, author }).await
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
    async fn record(&mut self, at: &ReplicaName, alias: &PatientAlias) -> Result<RecordId, StepFailure> {
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

    fn author(&self, at: &ReplicaName) -> Result<Author, StepFailure> {
        let plan = self.region.scenario().replica(at);
        plan.map(|plan| plan.author.clone()).ok_or_else(|| StepFailure(format!("no replica is called {at}")))
    }
}

/// Joins the hand-over texts of a record's areas.
pub fn handover_of(shown: &Shown) -> String {
    shown.charts.iter().map(|chart| chart.handover.as_str()).collect::<Vec<_>>().join("\n")
}
