//! Who the patients of an import are, and which of them a reference means.

use std::collections::HashMap;
use std::path::PathBuf;

use super::identity::PatientIdentity;
use super::reference::{Target, uuid_of};
use super::scope::{Place, ScopeSources, nearest};
use crate::base::{RecordId, hash_tagged};

/// Most `Patient` resources in the files of one import.
pub const PATIENTS_MAX: usize = 16_000_000;
/// Most addresses (`fullUrl`) of Bundle entries that are remembered; references beyond go by ids.
const URLS_MAX: usize = 4_000_000;
/// Most ids whose answers from the store are remembered.
const ASKED_MAX: usize = 65_536;

/// Resource types that a patient field may point at instead of a patient.
const OTHER_SUBJECTS: [&str; 10] = [
    "CareTeam",
    "Device",
    "Group",
    "HealthcareService",
    "Location",
    "Medication",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Substance",
];

/// A patient whom the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientBinding {
    /// The source's identifier system, as in the origin of the `Patient` statement.
    pub source: String,
    /// The record.
    pub record: RecordId,
}

/// What the importing store knows of patients; asked for references that these files do not explain.
pub trait KnownPatients {
    /// Finds the patients whose imported `Patient` resource has this id, one per source and record.
    fn by_id(&self, id: &str) -> Vec<PatientBinding>;

    /// Returns the source of all imported patients, when it is one.
    fn single_source(&self) -> Option<String>;
}

/// A store that knows nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKnownPatients;

impl KnownPatients for NoKnownPatients {
    fn by_id(&self, _: &str) -> Vec<PatientBinding> {
        Vec::new()
    }

    fn single_source(&self) -> Option<String> {
        None
    }
}

/// The number of a source within one import.
pub(super) type SourceNo = u32;

/// What a reference to a patient turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolution {
    /// A patient.
    Bound {
        /// The record.
        record: RecordId,
        /// The source.
        source: SourceNo,
        /// Whether only the store knows the patient.
        from_store: bool,
    },
    /// Something else, such as a group or a device.
    NotPatient,
    /// Nothing that can be bound without guessing; why.
    Unbound(String),
}

/// The patients of an import.
#[derive(Default)]
pub(super) struct Patients {
    entries: Vec<Entry>,
    by_id: HashMap<Box<str>, u32>,
    by_url: HashMap<[u8; 16], Option<u32>>,
    records: HashMap<RecordId, (SourceNo, Option<SourceNo>)>,
    asked: HashMap<String, Vec<(RecordId, SourceNo)>>,
    sources: Vec<String>,
    source_numbers: HashMap<String, SourceNo>,
    /// Which scopes hold patients of one source.
    pub scopes: ScopeSources,
    /// Patients whose number was seen in another system under the same named source.
    pub number_in_two_systems: u64,
}

/// A `Patient` resource of the files.
struct Entry {
    record: RecordId,
    source: SourceNo,
    place: Place,
    /// The entry with the same id that was added before.
    same_id: Option<u32>,
}

impl Patients {
    /// Returns how many records the `Patient` resources make.
    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    /// Says whether no more `Patient` resource fits.
    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= PATIENTS_MAX
    }

    /// Gives a source its number.
    pub(super) fn number_of(&mut self, source: &str) -> SourceNo {
        if let Some(number) = self.source_numbers.get(source) {
            return *number;
        }
        let number = SourceNo::try_from(self.sources.len()).expect("fewer sources than patients");
        self.sources.push(source.to_owned());
        self.source_numbers.insert(source.to_owned(), number);
        number
    }

    /// Returns the source of a number.
    pub(super) fn source(&self, number: SourceNo) -> &str {
        &self.sources[number as usize]
    }

    /// Adds a `Patient` resource of the files.
    pub(super) fn add(
        &mut self,
        identity: &PatientIdentity,
        id: Option<&str>,
        full_url: Option<&str>,
        place: Place,
        files: &[PathBuf],
    ) {
        let source = self.number_of(&identity.source);
        let system = identity.system.as_ref().map(|system| self.number_of(system));
        let (_, seen) = *self.records.entry(identity.record).or_insert((source, system));
        self.number_in_two_systems += u64::from(seen != system);
        self.scopes.add(&place, &files[place.file as usize], source);
        let index = u32::try_from(self.entries.len()).expect("the caller checks is_full");
        self.add_url(full_url, &place, Some(index));
        let same_id = id.and_then(|id| self.by_id.insert(id.into(), index));
        self.entries.push(Entry { record: identity.record, source, place, same_id });
    }

    /// Remembers the address of an entry that is not a patient, if a patient field may point at its type.
    pub(super) fn add_other(&mut self, resource_type: &str, full_url: Option<&str>, place: &Place) {
        if OTHER_SUBJECTS.contains(&resource_type) {
            self.add_url(full_url, place, None);
        }
    }

    /// Finds the patient whom a reference at `here` means; `ask` asks the store for an id.
    pub(super) fn resolve(
        &mut self,
        target: &Target,
        here: &Place,
        files: &[PathBuf],
        ask: &mut dyn FnMut(&str) -> Vec<PatientBinding>,
        named_source: Option<&str>,
    ) -> Resolution {
        match target {
            Target::NotPatient => Resolution::NotPatient,
            Target::Local { resource_type, .. } if resource_type != "Patient" => Resolution::NotPatient,
            Target::Local { id, url, .. } => match url.as_deref().and_then(|url| self.at_url(url, here)) {
                Some(found) => found,
                None => self.with_id(id, here, files, ask),
            },
            Target::Url(url) => match (self.at_url(url, here), uuid_of(url)) {
                (Some(found), _) => found,
                (None, Some(id)) => self.with_id(id, here, files, ask),
                (None, None) => Resolution::Unbound(
                    "names its patient by an address that no entry of its Bundle has".to_owned(),
                ),
            },
            Target::Identifier { system, value } => {
                let record = RecordId::of_patient(named_source.unwrap_or(system), value);
                match self.records.get(&record) {
                    Some((source, _)) => Resolution::Bound { record, source: *source, from_store: false },
                    None => Resolution::Unbound(
                        "names its patient by an identifier that is no patient's record number in these files"
                            .to_owned(),
                    ),
                }
            }
            Target::Contained => Resolution::Unbound(
                "its patient is only contained in it (#…); import the patient as a Patient resource"
                    .to_owned(),
            ),
            Target::Words => {
                Resolution::Unbound("names its patient in words only, not by a reference".to_owned())
            }
        }
    }

    /// Finds what an entry of the Bundles around `here` has as its address.
    fn at_url(&self, url: &str, here: &Place) -> Option<Resolution> {
        let found = here.bundles.iter().rev().find_map(|bundle| self.by_url.get(&url_key(*bundle, url)))?;
        Some(match found {
            Some(index) => {
                let entry = &self.entries[*index as usize];
                Resolution::Bound { record: entry.record, source: entry.source, from_store: false }
            }
            None => Resolution::NotPatient,
        })
    }

    /// Finds the nearest patient with an id, in the files or else in the store.
    fn with_id(
        &mut self,
        id: &str,
        here: &Place,
        files: &[PathBuf],
        ask: &mut dyn FnMut(&str) -> Vec<PatientBinding>,
    ) -> Resolution {
        let mut candidates = Vec::new();
        let mut next = self.by_id.get(id).copied();
        while let Some(index) = next {
            let entry = &self.entries[index as usize];
            candidates.push(entry);
            next = entry.same_id;
        }
        if candidates.iter().any(|entry| entry.record != candidates[0].record) {
            candidates = nearest(candidates, |entry| entry.place.clone(), here, files);
        }
        let found: Vec<_> = candidates.iter().map(|entry| (entry.record, entry.source)).collect();
        if found.is_empty() {
            return match one(&self.asked(id, ask)) {
                One::Bound(record, source) => Resolution::Bound { record, source, from_store: true },
                One::Nobody => Resolution::Unbound(format!(
                    "names Patient/{id}, which is in neither these files nor the store; import its Patient \
                     resource with it"
                )),
                One::Several => Resolution::Unbound(format!(
                    "names Patient/{id}, which is several patients in the store; import its Patient resource \
                     with it, or name the source with --source"
                )),
            };
        }
        match one(&found) {
            One::Bound(record, source) => Resolution::Bound { record, source, from_store: false },
            One::Nobody | One::Several => Resolution::Unbound(format!(
                "names Patient/{id}, which is several patients in these files; import each source by itself"
            )),
        }
    }

    /// Asks the store for an id, once.
    fn asked(
        &mut self,
        id: &str,
        ask: &mut dyn FnMut(&str) -> Vec<PatientBinding>,
    ) -> Vec<(RecordId, SourceNo)> {
        if let Some(known) = self.asked.get(id) {
            return known.clone();
        }
        let known: Vec<_> =
            ask(id).into_iter().map(|one| (one.record, self.number_of(&one.source))).collect();
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
        }
        self.asked.insert(id.to_owned(), known.clone());
        known
    }

    fn add_url(&mut self, full_url: Option<&str>, place: &Place, index: Option<u32>) {
        if self.by_url.len() >= URLS_MAX {
            return;
        }
        if let (Some(url), Some(bundle)) = (full_url, place.bundles.last()) {
            self.by_url.insert(url_key(*bundle, url), index);
        }
    }
}

/// What a list of candidates comes to.
enum One {
    Nobody,
    Bound(RecordId, SourceNo),
    Several,
}

fn one(found: &[(RecordId, SourceNo)]) -> One {
    match found {
        [] => One::Nobody,
        [first, rest @ ..] if rest.iter().all(|other| other == first) => One::Bound(first.0, first.1),
        [..] => One::Several,
    }
}

/// Names an address within a Bundle.
pub(super) fn url_key(bundle: u64, url: &str) -> [u8; 16] {
    let digest = hash_tagged("musubi.import-url", &[&bundle.to_be_bytes(), url.as_bytes()]);
    let mut key = [0; 16];
    key.copy_from_slice(&digest.0[..16]);
    key
}
