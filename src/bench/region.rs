//! Sites of one realm on this machine: made, written at, brought together through a relay, and looked at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::accounting::{PeakWatch, at_rest, children_cpu};
use super::workload::Edit;
use crate::base::{Digest, RecordId};
use crate::drill::StepFailure;
use crate::drill::live::{Argument, Client, Home, Musubi, Place, ServeProcess};
use crate::record::Author;
use crate::replica::answer::{Imported, Shown, Status, Written};
use crate::replica::request::{ExportFormat, Request};
use crate::replica::sync_answer::Synced;
use crate::transport::{LinkProfile, Relay};

/// How long one command may take: an import of a million records takes many minutes.
const COMMAND_WITHIN: Duration = Duration::from_secs(4 * 3600);
/// How long a replica may take until it has read its whole store, as it does when it starts.
const REST_WITHIN: Duration = Duration::from_secs(1_800);
/// The area that all hold.
const AREA: &str = "shared/bench";

/// What one or two processes did beside no other: an import, or people who wrote.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Step {
    /// Seconds from start to end.
    pub wall_s: f64,
    /// Seconds of CPU of its processes, user and system.
    pub cpu_s: f64,
    /// The most memory that it held, in bytes.
    pub peak_bytes: u64,
}

/// Two replicas that met: one ran, the other was started to sync with it, and both ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Meeting {
    /// Seconds of the session, from dialling to its end.
    pub wall_s: f64,
    /// Seconds of CPU of both, user and system: of the caller from start to end, opening its store included; of the called
    /// from when it was at rest to its end, indexing and closing included.
    pub cpu_s: f64,
    /// Seconds of CPU beside it: of the called until it was at rest, which is opening its store and reading all of it to find
    /// what rotted; of the caller when it was opened once more, and indexed what was left.
    pub background_cpu_s: f64,
    /// UDP payload that the relay passed, both ways: handshake, acknowledgements and padding of QUIC included.
    pub bytes: u64,
    /// Of these, the messages of the session, both ways, as the caller tells.
    pub session_bytes: u64,
    /// Entries that went either way.
    pub entries: u64,
    /// The most memory that either process held, in bytes.
    pub peak_bytes: u64,
}

/// One replica of the measurement.
pub struct Site {
    name: &'static str,
    folder: PathBuf,
    musubi: Musubi,
    place: Place,
}

/// What was written at a site, to be found everywhere: the record, and words of its resources that nothing else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// The record.
    pub record: RecordId,
    /// Ids of resources and, for a patient, the phone number, in quotes.
    pub marks: Vec<String>,
}

/// What a site has of what was typed.
pub struct Seen {
    /// One digest over all that it holds.
    pub heads: Digest,
    /// How many of the marks its exports lack.
    pub lacking: u64,
    /// What it shows of each record.
    pub views: Vec<(RecordId, Value)>,
}

/// Makes a realm with these sites.
///
/// # Errors
/// [`StepFailure`] saying what could not be made.
pub async fn sites<const N: usize>(
    exe: &Path,
    work: &Path,
    names: [&'static str; N],
) -> Result<[Site; N], StepFailure> {
    let musubi = Musubi::new(exe).patient(COMMAND_WITHIN);
    let realm = work.join("realm");
    let _: Value = musubi.run(&[&"realm", &"create", &"--realm", &realm, &"--name", &"bench"]).await?;
    let mut sites = Vec::new();
    for name in names {
        let folder = work.join(name);
        let failed = |error: std::io::Error| StepFailure::of(format!("making {}", folder.display()), error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let place = Place::on_loopback().map_err(|error| StepFailure::of("finding a free port", error))?;
        let site = Site { name, folder: folder.clone(), musubi: musubi.clone(), place };
        let store = site.store();
        let _: Value = musubi
            .run(&[
                &"realm",
                &"enrol",
                &"--realm",
                &realm,
                &"--site",
                &name,
                &"--kind",
                &"hospital",
                &"--device",
                &name,
                &"--role",
                &"hospital",
                &"--area",
                &AREA,
                &"--store",
                &store,
            ])
            .await?;
        let config = format!("store = {:?}\nlisten = \"{}\"\n", store, site.place.listen);
        fs::write(site.config(), config).map_err(failed)?;
        sites.push(site);
    }
    sites.try_into().map_err(|_| StepFailure("as many sites as names".to_owned()))
}

/// Lets `caller` sync with `called` once, through a relay.
///
/// # Errors
/// [`StepFailure`] saying what failed at which site.
pub async fn meet(caller: &Site, called: &Site) -> Result<Meeting, StepFailure> {
    let before = children_cpu()?;
    let server = called.start().await?;
    let started = at_rest(server.id(), REST_WITHIN).await?;
    let server_peak = PeakWatch::of(server.id());
    let relay = Relay::start(called.place.listen, LinkProfile::default(), 1)
        .map_err(|error| StepFailure::of("starting the relay", error))?;
    let (store, to) = (caller.store(), relay.addr().to_string());
    let begun = Instant::now();
    let (synced, caller_peak): (Synced, u64) =
        caller.run(&[&"sync", &"--store", &store, &"--with", &to]).await?;
    let outside = begun.elapsed().as_secs_f64();
    let counters = relay.counters();
    at_rest(server.id(), REST_WITHIN).await?;
    let server_peak = server_peak.end();
    server.stop(&called.home()).await?;
    let met = children_cpu()?;
    let _: (Value, u64) = caller.run(&[&"status", &"--store", &store]).await?;
    let after = children_cpu()?;
    Ok(Meeting {
        // What the session itself took; a process that is started takes longer.
        wall_s: (synced.took_ms as f64 / 1e3).min(outside),
        cpu_s: (met - before).saturating_sub(started).as_secs_f64(),
        background_cpu_s: (started + (after - met)).as_secs_f64(),
        bytes: counters.up.bytes + counters.down.bytes,
        session_bytes: synced.bytes_sent + synced.bytes_received,
        entries: synced.sent + synced.received,
        peak_bytes: caller_peak.max(server_peak),
    })
}

impl Site {
    /// Returns how many bytes its store takes.
    ///
    /// # Errors
    /// [`StepFailure`] when the file cannot be looked at.
    pub fn file_bytes(&self) -> Result<u64, StepFailure> {
        let path = self.store().join("store.redb");
        let told = fs::metadata(&path);
        told.map(|it| it.len()).map_err(|error| StepFailure::of(format!("reading {}", path.display()), error))
    }

    /// Imports a file, as a command does.
    ///
    /// # Errors
    /// [`StepFailure`] when it fails, or skips anything.
    pub async fn import(&self, file: &Path) -> Result<Step, StepFailure> {
        let before = children_cpu()?;
        let begun = Instant::now();
        let store = self.store();
        let (imported, peak_bytes): (Imported, u64) = self
            .run(&[&"import", &"--store", &store, &file, &"--author", &"bench", &"--role", &"import"])
            .await?;
        if imported.skipped > 0 {
            return Err(StepFailure(format!("{}: {} resources were skipped", self.name, imported.skipped)));
        }
        let (wall_s, cpu_s) = (begun.elapsed().as_secs_f64(), (children_cpu()? - before).as_secs_f64());
        Ok(Step { wall_s, cpu_s, peak_bytes })
    }

    /// Writes edits as people do, each durable before the next, at the running replica; adds what that took to `step`.
    ///
    /// # Errors
    /// [`StepFailure`] of the first that was not acknowledged.
    pub async fn write(&self, edits: &[Edit], step: &mut Step) -> Result<Vec<Typed>, StepFailure> {
        let before = children_cpu()?;
        let server = self.start().await?;
        let started = at_rest(server.id(), REST_WITHIN).await?;
        let (peak, begun) = (PeakWatch::of(server.id()), Instant::now());
        let mut client = Client::connect(&self.home()).await?;
        let author = Author { name: format!("医師 {}", self.name), role: "doctor".to_owned() };
        let mut typed = Vec::new();
        for edit in edits {
            let mut marks = Vec::new();
            for write in &edit.writes {
                let request = Request::Record {
                    record: edit.record.to_string(),
                    write: write.clone(),
                    author: author.clone(),
                    overriding: Some("既往を確認した。".to_owned()),
                };
                let written: Written = client.ask(&request).await?;
                marks.extend(written.resource_id.map(|id| format!("\"{id}\"")));
            }
            marks.extend(edit.patient.iter().map(|patient| patient["telecom"][0]["value"].to_string()));
            typed.push(Typed { record: edit.record, marks });
        }
        let patients: Vec<String> =
            edits.iter().filter_map(|edit| edit.patient.as_ref().map(Value::to_string)).collect();
        if !patients.is_empty() {
            let file = self.folder.join("patients.ndjson");
            let failed =
                |error: std::io::Error| StepFailure::of(format!("writing {}", file.display()), error);
            fs::write(&file, patients.join("\n") + "\n").map_err(failed)?;
            let request = Request::Import { paths: vec![file.clone()], source: None, area: None, author };
            let _: Imported = client.ask(&request).await?;
        }
        step.wall_s += begun.elapsed().as_secs_f64();
        step.peak_bytes = step.peak_bytes.max(peak.end());
        drop(client);
        server.stop(&self.home()).await?;
        step.cpu_s += (children_cpu()? - before).saturating_sub(started).as_secs_f64();
        Ok(typed)
    }

    /// Looks at what was typed anywhere: what it holds, how much of it an export lacks, and what the records show.
    ///
    /// # Errors
    /// [`StepFailure`] when it does not answer.
    pub async fn look(&self, typed: &[Typed]) -> Result<Seen, StepFailure> {
        let server = self.start().await?;
        let mut client = Client::connect(&self.home()).await?;
        let status: Status = client.ask(&Request::Status).await?;
        let records: BTreeSet<RecordId> = typed.iter().map(|one| one.record).collect();
        let to = self.folder.join("export.json");
        let (mut lacking, mut views) = (0, Vec::new());
        for record in records {
            let name = record.to_string();
            let shown: Shown = client.ask(&Request::Show { record: name.clone(), moment: None }).await?;
            views.push((record, shown.view));
            let request = Request::Export { record: Some(name), format: ExportFormat::Fhir, to: to.clone() };
            let _: Value = client.ask(&request).await?;
            let failed = |error: std::io::Error| StepFailure::of(format!("reading {}", to.display()), error);
            let text = fs::read_to_string(&to).map_err(failed)?;
            let marks = typed.iter().filter(|one| one.record == record).flat_map(|one| &one.marks);
            lacking += marks.filter(|mark| !text.contains(mark.as_str())).count() as u64;
            fs::remove_file(&to).map_err(failed)?;
        }
        drop(client);
        server.stop(&self.home()).await?;
        Ok(Seen { heads: status.heads, lacking, views })
    }

    async fn run<T: serde::de::DeserializeOwned>(
        &self,
        arguments: &[Argument<'_>],
    ) -> Result<(T, u64), StepFailure> {
        let mut watch = None;
        let mut begin = |process| watch = Some(PeakWatch::of(process));
        let answer = self.musubi.run_watched(arguments, &mut begin).await;
        let answer = answer.map_err(|failure| StepFailure::of(self.name, failure))?;
        Ok((answer, watch.map_or(0, PeakWatch::end)))
    }

    async fn start(&self) -> Result<ServeProcess, StepFailure> {
        let command = self.place.command(self.musubi.exe());
        let mut server = ServeProcess::spawn(command, &self.config(), &self.folder.join("log"), None)?;
        server.ready(&self.home()).await.map_err(|failure| StepFailure::of(self.name, failure))?;
        Ok(server)
    }

    fn home(&self) -> Home {
        Home { store: self.store(), door: None }
    }

    fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("replica.toml")
    }
}

/// Writes bytes to two places at once.
pub struct Both<'w>(
    /// The one.
    pub &'w mut dyn std::io::Write,
    /// The other.
    pub &'w mut dyn std::io::Write,
);

impl std::io::Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write_all(bytes)?;
        self.1.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()?;
        self.1.flush()
    }
}
