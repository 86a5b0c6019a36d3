//! The import itself: two passes over the files, drafts out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use super::bind::Binder;
use super::compartment;
use super::group::{DRAFTED_BYTES_MAX, Draft, Groups, RESOURCE_BYTES_MAX};
use super::identity::{ImportOptions, identify};
use super::links::{Home, Links, Named};
use super::members::Members;
use super::patients::{KnownPatients, PATIENTS_MAX, PatientBinding, Patients};
use super::reader::{Found, Item};
use super::reading::read_all;
use super::reference::{Target, is_type_name};
use super::report::{ImportReport, Problem, Progress, Step, WarningKind};
use super::scope::Place;
use super::walk::Files;
use crate::base::hash_tagged;
use crate::base::limits::SOURCE_BYTES_MAX;
use crate::record::{Origin, json, origin_of};

/// Drafts after which progress is told.
const PROGRESS_DRAFTS: u64 = 64;
/// Most origins that are remembered to drop what stands in the files twice; later repetitions are handed over,
/// and whoever stores them knows their origins.
const ORIGINS_MAX: usize = 900_000;

/// Why an import cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The named or the fallback source cannot be one.
    #[error("planning the import: a source has 1 to {SOURCE_BYTES_MAX} bytes")]
    Source,
    /// There are too many patients.
    #[error("planning the import: more than {PATIENTS_MAX} patients; import the files in groups")]
    TooManyPatients,
}

/// An import that knows its patients and is ready to hand over drafts.
pub struct Plan<'a> {
    binder: Binder<'a>,
    bytes: u64,
    report: ImportReport,
    flush_bytes: usize,
}

/// Reads the files at `paths` (files, or folders with all that is in them) for the first time and learns who
/// their patients are.
///
/// `known` is asked for patients who are not in the files. What cannot be read is reported by [`Plan::run`].
///
/// # Errors
/// [`PlanError`] when the options or the number of patients exceed a limit.
pub fn plan<'a>(
    paths: &[PathBuf],
    options: ImportOptions,
    known: &'a dyn KnownPatients,
    progress: &mut dyn FnMut(Progress),
) -> Result<Plan<'a>, PlanError> {
    let named = options.source.iter().chain([&options.fallback_source]);
    if named.into_iter().any(|source| source.is_empty() || source.len() > SOURCE_BYTES_MAX) {
        return Err(PlanError::Source);
    }
    let mut report = ImportReport::default();
    let files = Files::of(paths);
    files.problems.into_iter().for_each(|problem| report.skipped.add(problem));
    report.warn(WarningKind::FileIgnored, files.ignored);
    let (patients, links) = (Patients::default(), Links::default());
    let binder = Binder { options, files: files.paths, patients, links, known };
    let mut plan = Plan { binder, bytes: files.bytes, report, flush_bytes: DRAFTED_BYTES_MAX };
    plan.find_patients(progress)?;
    if !plan.binder.links.is_empty() {
        plan.find_links(progress);
    }
    plan.report.patients = plan.binder.patients.records() as u64;
    plan.report.warn(WarningKind::NumberInTwoSystems, plan.binder.patients.number_in_two_systems);
    Ok(plan)
}

impl Plan<'_> {
    /// Returns how many records the patients in the files make.
    pub fn patients(&self) -> u64 {
        self.report.patients
    }

    /// Returns the sum of the sizes of the files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Hands over drafts earlier than at [`DRAFTED_BYTES_MAX`]: less memory, smaller entries.
    pub fn flushing_at(mut self, bytes: usize) -> Self {
        self.flush_bytes = bytes.min(DRAFTED_BYTES_MAX);
        self
    }

    /// Reads the files for the second time and hands their resources to `sink` as drafts: those of the card
    /// first among what is held at a time, and the same drafts in the same order for the same files.
    ///
    /// The next drafts are gathered on a thread of their own meanwhile; `sink` and the store that is asked for patients
    /// stay on this one, and it is asked when `sink` has taken all that was gathered before.
    ///
    /// # Errors
    /// The first error of `sink`, which ends the import.
    pub fn run<E>(
        self,
        progress: &mut dyn FnMut(Progress),
        sink: &mut dyn FnMut(Draft) -> Result<(), E>,
    ) -> Result<ImportReport, E> {
        let Plan { binder, bytes: total, report, flush_bytes } = self;
        let Binder { options, files, patients, links, known } = binder;
        let read = Arc::new(AtomicU64::new(0));
        let mut tell = || {
            progress(Progress { step: Step::Resources, read: read.load(Ordering::Relaxed), total });
        };
        std::thread::scope(|threads| {
            let ((to, gathered), counted) = (sync_channel(0), read.clone());
            let gathering = threads.spawn(move || {
                let known = &Asking(&to);
                let binder = Binder { options, files, patients, links, known };
                let hand = |groups| to.send(Gathered::Groups(groups)).map_err(|_| Ended);
                gather(binder, report, &counted, flush_bytes, &hand)
            });
            let mut taken = 0;
            for gathered in gathered {
                match gathered {
                    Gathered::Groups(mut groups) => {
                        for draft in groups.take() {
                            sink(draft)?;
                            taken += 1;
                            if taken % PROGRESS_DRAFTS == 0 {
                                tell();
                            }
                        }
                    }
                    // Who asks waits.
                    Gathered::Patient(id, answer) => drop(answer.send(known.by_id(&id))),
                    Gathered::SingleSource(answer) => drop(answer.send(known.single_source())),
                }
                tell();
            }
            match gathering.join() {
                Ok(Ok(report)) => Ok(report),
                Ok(Err(Ended)) => unreachable!("it ends early only when nobody takes what it gathers"),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// First pass: the patients, the addresses of entries, and what provenance statements are about.
    fn find_patients(&mut self, progress: &mut dyn FnMut(Progress)) -> Result<(), PlanError> {
        let (binder, total) = (&mut self.binder, self.bytes);
        let files = binder.files.clone();
        let read = Arc::new(AtomicU64::new(0));
        let mut tell = || {
            progress(Progress { step: Step::Patients, read: read.load(Ordering::Relaxed), total });
        };
        read_all(&files, &read, &mut tell, &mut |file, item| {
            let Item::Resource(found) = item else { return Ok(()) };
            let matters = found.full_url.is_some()
                || found.text.contains("\"Patient\"")
                || found.text.contains("\"Provenance\"");
            let Some(members) = matters.then(|| Members::parse(&found.text).ok()).flatten() else {
                return Ok(());
            };
            let place = Place { file, bundles: found.bundles.as_slice().into() };
            let full_url = found.full_url.as_deref();
            match members.text("resourceType").as_deref() {
                Some("Patient") => {
                    if binder.patients.is_full() {
                        return Err(PlanError::TooManyPatients);
                    }
                    if let Ok(identity) = identify(&found.text, &binder.options) {
                        let id = members.text("id");
                        binder.patients.add(&identity, id.as_deref(), full_url, place, &files);
                    }
                }
                Some(resource_type) => {
                    binder.patients.add_other(resource_type, full_url, &place);
                    let targets = compartment::targets(resource_type, &members).unwrap_or_default();
                    if !targets.iter().any(is_patient) {
                        binder.links.want(&targets, &place);
                    }
                }
                None => {}
            }
            Ok(())
        })
    }

    /// Pass between: where the targets of provenance statements belong.
    fn find_links(&mut self, progress: &mut dyn FnMut(Progress)) {
        let (binder, total) = (&mut self.binder, self.bytes);
        let files = binder.files.clone();
        let read = Arc::new(AtomicU64::new(0));
        let mut tell = || progress(Progress { step: Step::Links, read: read.load(Ordering::Relaxed), total });
        let done: Result<(), std::convert::Infallible> =
            read_all(&files, &read, &mut tell, &mut |file, item| {
                let Item::Resource(found) = item else { return Ok(()) };
                let Ok(members) = Members::parse(&found.text) else { return Ok(()) };
                let (id, full_url) = (members.text("id"), found.full_url.as_deref());
                let Some(resource_type) = members.text("resourceType") else { return Ok(()) };
                let named = Named { resource_type: &resource_type, id: id.as_deref(), full_url };
                let place = Place { file, bundles: found.bundles.as_slice().into() };
                if binder.links.wants(&named, &place)
                    && compartment::targets(&resource_type, &members).is_none()
                    && let Ok(bound) = binder.bind(&resource_type, &found.text, &members, &place)
                {
                    let home = match bound.in_directory {
                        true => Home::Directory,
                        false => Home::Record(bound.record, bound.source),
                    };
                    binder.links.learn(&named, &place, home);
                }
                Ok(())
            });
        match done {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
}

/// What the gathering thread has for whoever runs the import.
enum Gathered {
    /// Resources for the sink.
    Groups(Groups),
    /// Who has this id in the store?
    Patient(String, SyncSender<Vec<PatientBinding>>),
    /// Which source are the store's patients of?
    SingleSource(SyncSender<Option<String>>),
}

/// Nobody takes any more what is gathered.
struct Ended;

/// The store, asked by way of whoever runs the import. When that one has ended, the answer does not matter.
struct Asking<'a>(&'a SyncSender<Gathered>);

impl KnownPatients for Asking<'_> {
    fn by_id(&self, id: &str) -> Vec<PatientBinding> {
        let (to, answer) = sync_channel(1);
        let asked = self.0.send(Gathered::Patient(id.to_owned(), to));
        asked.ok().and_then(|()| answer.recv().ok()).unwrap_or_default()
    }

    fn single_source(&self) -> Option<String> {
        let (to, answer) = sync_channel(1);
        let asked = self.0.send(Gathered::SingleSource(to));
        asked.ok().and_then(|()| answer.recv().ok()).flatten()
    }
}

/// Reads all resources and hands them over in groups, until nobody takes them.
fn gather(
    mut binder: Binder<'_>,
    mut report: ImportReport,
    read: &Arc<AtomicU64>,
    flush_bytes: usize,
    hand: &dyn Fn(Groups) -> Result<(), Ended>,
) -> Result<ImportReport, Ended> {
    let files = binder.files.clone();
    let mut groups = Groups::default();
    let mut seen = HashSet::new();
    report.files = files.len() as u64;
    read_all(&files, read, &mut || {}, &mut |file, item| {
        let (line, reason) = match item {
            Item::Resource(found) => {
                let line = found.line;
                let entry = found.entry;
                match take(&mut binder, &mut groups, &mut seen, &mut report, file, found) {
                    Ok(()) => (line, None),
                    Err(reason) => (line, Some(in_entry(entry, reason))),
                }
            }
            Item::Problem { line, reason } => (line, Some(reason)),
        };
        if line == 0 {
            report.files -= 1;
        }
        if let Some(reason) = reason {
            let file = files[file as usize].display().to_string();
            report.skipped.add(Problem { file, line: (line > 0).then_some(line), reason });
        }
        if groups.bytes() >= flush_bytes {
            hand(std::mem::take(&mut groups))?;
        }
        Ok(())
    })?;
    hand(groups)?;
    Ok(report)
}

/// Checks a resource, binds it and adds it to the groups.
fn take(
    binder: &mut Binder<'_>,
    groups: &mut Groups,
    seen: &mut HashSet<[u8; 16]>,
    report: &mut ImportReport,
    file: u32,
    found: Found,
) -> Result<(), String> {
    let members = Members::parse(&found.text)?;
    let resource_type = match members.text("resourceType") {
        Some(name) if is_type_name(&name) => name,
        Some(_) => return Err("not a FHIR resource: its resourceType is no type's name".to_owned()),
        None => return Err("not a FHIR resource: it has no resourceType".to_owned()),
    };
    let canonical = json::canonical(&found.text).map_err(|error| error.to_string())?;
    if canonical.len() > RESOURCE_BYTES_MAX {
        return Err(format!("a {resource_type} larger than {RESOURCE_BYTES_MAX} bytes"));
    }
    let place = Place { file, bundles: found.bundles.into() };
    let bound = binder.bind(&resource_type, &found.text, &members, &place)?;
    let source = binder.patients.source(bound.source);
    let origin = origin_of(source, &canonical).map_err(|error| error.to_string())?;
    let key = origin_key(&origin, &bound.record.0);
    if seen.contains(&key) {
        report.repeated += 1;
        return Ok(());
    }
    if seen.len() < ORIGINS_MAX {
        seen.insert(key);
    }
    report.resources += 1;
    match report.by_type.get_mut(&*resource_type) {
        Some(count) => *count += 1,
        None => {
            report.by_type.insert(resource_type.into_owned(), 1);
        }
    }
    if let Some(warning) = bound.warning {
        report.warn(warning, 1);
    }
    groups.add(bound.record, bound.part, origin, canonical);
    Ok(())
}

fn is_patient(target: &Target) -> bool {
    matches!(target, Target::Local { resource_type, .. } if resource_type == "Patient")
}

fn in_entry(entry: Option<u64>, reason: String) -> String {
    match entry {
        Some(entry) => format!("entry {entry}: {reason}"),
        None => reason,
    }
}

/// Names one version of one resource in one record.
fn origin_key(origin: &Origin, record: &[u8; 16]) -> [u8; 16] {
    let parts: [&[u8]; 5] = [
        origin.source.as_bytes(),
        origin.resource_type.as_bytes(),
        origin.id.as_bytes(),
        &origin.digest.0,
        record,
    ];
    let mut key = [0; 16];
    key.copy_from_slice(&hash_tagged("musubi.import-origin", &parts).0[..16]);
    key
}
