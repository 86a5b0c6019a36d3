//! Importing: resources become statements, each origin once, whoever imports it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;

use super::answer::{Imported, Problem};
use super::core::{Append, Replica};
use super::error::ReplicaError;
use super::request::Progress;
use super::writing::facts_entry;
use crate::base::{Area, Part, RecordId};
use crate::interop::{self, Draft, ImportOptions, KnownPatients, PatientBinding};
use crate::lane::Entry;
use crate::record::{Act, Author, Informant, Known, Origin, Statement, Versions};

/// Entries are committed when their bodies exceed this many bytes.
const COMMIT_BYTES: usize = 2 << 20;
/// The source of files that tell none, of which this site is the only author that can be named.
const SITE_SOURCE: &str = "urn:musubi:site:";

/// Where and by whom files are imported.
#[derive(Debug, Clone)]
pub struct ImportCall {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The source's identifier system, when the files do not tell.
    pub source: Option<String>,
    /// The area to file patients in.
    pub area: Option<Area>,
    /// Who imports.
    pub author: Author,
}

struct Importer<'a> {
    replica: &'a Replica,
    area: Area,
    author: Author,
    pending: BTreeMap<(Part, Area), Vec<Entry>>,
    pending_bytes: usize,
    /// Resources (source, type, id) that are pending: a second version must follow what is durable.
    pending_resources: HashSet<(String, String, String)>,
    known: Option<((RecordId, Part), Versions)>,
    done: Imported,
}

/// What the store knows of patients who are not in the files.
struct StoredPatients<'a>(&'a Replica);

impl KnownPatients for StoredPatients<'_> {
    fn by_id(&self, id: &str) -> Vec<PatientBinding> {
        let postings = self.0.entries_with_patient(id).unwrap_or_default();
        let records: BTreeSet<RecordId> =
            postings.iter().filter_map(|posting| self.0.records_at(posting).ok()).flatten().collect();
        let mut bindings: Vec<PatientBinding> = Vec::new();
        for record in records {
            let Ok((facts, _)) = self.0.facts(&record) else { continue };
            let origins = facts.iter().filter_map(|fact| fact.origin.as_ref());
            for origin in origins.filter(|origin| origin.resource_type == "Patient" && origin.id == id) {
                let binding = PatientBinding { source: origin.source.clone(), record };
                if !bindings.contains(&binding) {
                    bindings.push(binding);
                }
            }
        }
        bindings
    }

    fn single_source(&self) -> Option<String> {
        None
    }
}

impl Replica {
    /// Imports FHIR files; what is acknowledged stays when a later file fails.
    ///
    /// # Errors
    /// When the device may not write in the area, the options are wrong, or the disk fails. What single lines
    /// and files have wrong is in the answer.
    pub fn import(
        &self,
        call: &ImportCall,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Imported, ReplicaError> {
        let began = self.environment.now();
        let area = call.area.clone().map_or_else(|| self.default_area(), Ok)?;
        let fallback_source = format!("{SITE_SOURCE}{}", self.me().device_certificate.site);
        let options = ImportOptions { source: call.source.clone(), fallback_source };
        let known = StoredPatients(self);
        let mut told = |step: interop::Progress| {
            let doing = match step.step {
                interop::Step::Patients => "reading patients",
                interop::Step::Links => "reading links",
                interop::Step::Resources => "importing",
            };
            let (doing, unit) = (doing.to_owned(), "bytes".to_owned());
            progress(Progress { doing, done: step.read, of: step.total, unit });
        };
        let plan = interop::plan(&call.paths, options, &known, &mut told)
            .map_err(|error| ReplicaError::Call(error.to_string()))?;
        let mut importer = Importer {
            replica: self,
            area,
            author: call.author.clone(),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            pending_resources: HashSet::new(),
            known: None,
            done: Imported::default(),
        };
        let report = plan.run(&mut told, &mut |draft| importer.take(draft))?;
        importer.flush()?;
        if report.files == 0 && report.skipped.total == 0 {
            let what = "nothing to import: no .json or .ndjson file (.gz too) is there";
            return Err(ReplicaError::Call(what.to_owned()));
        }
        let mut done = importer.done;
        done.files = report.files;
        done.resources = report.resources;
        done.unchanged += report.repeated;
        done.patients = report.patients;
        done.skipped = report.skipped.total;
        let problems = report.skipped.named.into_iter();
        done.problems = problems
            .map(|problem| Problem {
                file: problem.file,
                line: problem.line.unwrap_or(0),
                reason: problem.reason,
            })
            .collect();
        done.warnings =
            report.warnings.iter().map(|warning| format!("{} {}", warning.count, warning.kind)).collect();
        done.took_ms = self.environment.ms_since(began);
        Ok(done)
    }
}

impl Importer<'_> {
    fn take(&mut self, draft: Draft) -> Result<(), ReplicaError> {
        if draft.resources.iter().any(|(origin, _)| self.pending_resources.contains(&key(origin))) {
            self.flush()?;
        }
        self.know(draft.record, draft.part)?;
        let (_, versions) = self.known.as_ref().expect("known just now");
        let mut statements = Vec::new();
        for (origin, resource) in draft.resources {
            let follows = match versions.known(&origin) {
                Known::New(follows) => follows,
                Known::Current => {
                    self.done.unchanged += 1;
                    continue;
                }
                Known::Superseded => {
                    self.done.outdated += 1;
                    continue;
                }
            };
            let counted = if follows.is_empty() { &mut self.done.added } else { &mut self.done.updated };
            *counted += 1;
            self.pending_resources.insert(key(&origin));
            let (act, informant) = (Act::Assert, Informant::Imported);
            statements.push(Statement { act, informant, follows, reason: None, resource });
        }
        if statements.is_empty() {
            return Ok(());
        }
        let time = self.replica.tick();
        let author = self.author.clone();
        let directory = draft.record == RecordId::of_directory(&draft.source);
        let entry = facts_entry(self.replica, draft.record, time, author, Some(draft.source), statements)?;
        self.pending_bytes += entry.body.len();
        let area = if directory { Area::common() } else { self.area.clone() };
        self.pending.entry((draft.part, area)).or_default().push(entry);
        if self.pending_bytes >= COMMIT_BYTES { self.flush() } else { Ok(()) }
    }

    /// Loads what is known of the record that is being imported; what is pending is not in it.
    fn know(&mut self, record: RecordId, part: Part) -> Result<(), ReplicaError> {
        let wanted = (record, part);
        if self.known.as_ref().is_none_or(|(known, _)| *known != wanted) {
            let (facts, _) = self.replica.facts_in(&record, Some(part))?;
            self.known = Some((wanted, Versions::of(&facts)));
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ReplicaError> {
        let pending = std::mem::take(&mut self.pending);
        let appends = pending
            .into_iter()
            .map(|((part, area), entries)| Append { area, part, entries, knowing: BTreeSet::new() })
            .collect();
        self.replica.append(appends)?;
        self.pending_bytes = 0;
        self.pending_resources.clear();
        self.known = None;
        Ok(())
    }
}

fn key(origin: &Origin) -> (String, String, String) {
    (origin.source.clone(), origin.resource_type.clone(), origin.id.clone())
}
