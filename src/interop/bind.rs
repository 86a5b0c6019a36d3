//! Binding a resource to the record that it belongs to.

use std::path::PathBuf;

use super::compartment;
use super::identity::{ImportOptions, PatientIdentity, identify};
use super::links::{Home, Links};
use super::members::Members;
use super::patients::{KnownPatients, Patients, Resolution, SourceNo};
use super::reference::Target;
use super::report::WarningKind;
use super::scope::Place;
use crate::base::{Part, RecordId};
use crate::record::place_of;

/// Types that travel in the card although they name no patient: what the medication of a card points at.
const CARD_DIRECTORY: [&str; 3] = ["Medication", "MedicationKnowledge", "Substance"];

/// Where a resource belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    /// The record: a patient's, or the directory of the source.
    pub record: RecordId,
    /// The source.
    pub source: SourceNo,
    /// The part.
    pub part: Part,
    /// Whether the record is the directory.
    pub in_directory: bool,
    /// What a person should know of it.
    pub warning: Option<WarningKind>,
}

/// What is known when resources are bound.
pub(super) struct Binder<'a> {
    /// What the caller has named.
    pub options: ImportOptions,
    /// The files, by number.
    pub files: Vec<PathBuf>,
    /// The patients of the files.
    pub patients: Patients,
    /// Where the targets of provenance statements belong.
    pub links: Links,
    /// The store.
    pub known: &'a dyn KnownPatients,
}

impl Binder<'_> {
    /// Finds the record of a resource at `here`.
    ///
    /// # Errors
    /// The reason, when that would be a guess.
    pub(super) fn bind(
        &mut self,
        resource_type: &str,
        text: &str,
        resource: &Members<'_>,
        here: &Place,
    ) -> Result<Bound, String> {
        if resource_type == "Patient" {
            let PatientIdentity { source, record, system } =
                identify(text, &self.options).map_err(|error| error.to_string())?;
            let warning = system.is_none().then_some(WarningKind::PatientWithoutIdentifier);
            let source = self.patients.number_of(&source);
            return Ok(Bound { warning, ..in_record(resource_type, text, record, source) });
        }
        if let Some(targets) = compartment::targets(resource_type, resource) {
            return self.bind_by_targets(resource_type, text, &targets, here);
        }
        match compartment::patient_reference(resource_type, resource)
            .map(|target| self.resolve(&target, here))
        {
            None | Some(Resolution::NotPatient) => Ok(self.in_directory(resource_type, here)),
            Some(Resolution::Bound { record, source, from_store }) => Ok(Bound {
                warning: from_store.then_some(WarningKind::PatientFromStore),
                ..in_record(resource_type, text, record, source)
            }),
            Some(Resolution::Unbound(reason)) => Err(reason),
        }
    }

    /// Finds the record of what is about other resources: the one in which its targets lie, or the directory
    /// when they lie in several or none. A patient among the targets decides alone.
    fn bind_by_targets(
        &mut self,
        resource_type: &str,
        text: &str,
        targets: &[Target],
        here: &Place,
    ) -> Result<Bound, String> {
        let mut patients = Vec::new();
        let mut records = Vec::new();
        let mut unknown = None;
        for target in targets {
            match self.resolve_target(target, here) {
                Resolution::Bound { record, source, .. } => patients.push((record, source)),
                Resolution::NotPatient => match self.links.home(target, here) {
                    Some(Home::Record(record, source)) => records.push((record, source)),
                    Some(Home::Several) => return Ok(self.in_directory(resource_type, here)),
                    Some(Home::Directory) => {}
                    None => {
                        unknown.get_or_insert_with(|| {
                            "is about resources that are not in these files".to_owned()
                        });
                    }
                },
                Resolution::Unbound(reason) => {
                    unknown.get_or_insert(reason);
                }
            }
        }
        let mut found = if patients.is_empty() { records } else { patients };
        found.sort_unstable();
        found.dedup();
        match (found.as_slice(), unknown) {
            ([(record, source)], _) => Ok(in_record(resource_type, text, *record, *source)),
            ([], Some(reason)) => Err(reason),
            ([..], _) => Ok(self.in_directory(resource_type, here)),
        }
    }

    /// Says whether a target is a patient; what is no patient may still be found among the links.
    fn resolve_target(&mut self, target: &Target, here: &Place) -> Resolution {
        match target {
            Target::Local { resource_type, .. } if resource_type == "Patient" => self.resolve(target, here),
            Target::Local { .. } | Target::NotPatient | Target::Contained | Target::Words => {
                Resolution::NotPatient
            }
            Target::Url(_) | Target::Identifier { .. } => match self.resolve(target, here) {
                Resolution::Unbound(_) => Resolution::NotPatient,
                found @ (Resolution::Bound { .. } | Resolution::NotPatient) => found,
            },
        }
    }

    fn resolve(&mut self, target: &Target, here: &Place) -> Resolution {
        let (known, named) = (self.known, self.options.source.as_deref());
        let mut ask = |id: &str| {
            let mut found = known.by_id(id);
            found.retain(|one| named.is_none_or(|source| one.source == source));
            found
        };
        self.patients.resolve(target, here, &self.files, &mut ask, named)
    }

    /// Gives the directory record of the source to which what stands `here` belongs: the named source, else the
    /// one source of the patients around, else that of the store, else the fallback.
    fn in_directory(&mut self, resource_type: &str, here: &Place) -> Bound {
        let around = self.patients.scopes.source_at(here, &self.files[here.file as usize]);
        let (source, warning) = if let Some(source) = &self.options.source {
            (self.patients.number_of(source), None)
        } else if let Some(source) = around {
            (source, None)
        } else {
            let of_store = if self.patients.scopes.is_empty() { self.known.single_source() } else { None };
            match of_store {
                Some(source) => (self.patients.number_of(&source), None),
                None => {
                    (self.patients.number_of(&self.options.fallback_source), Some(WarningKind::SourceUnclear))
                }
            }
        };
        let part = if CARD_DIRECTORY.contains(&resource_type) { Part::Card } else { Part::Data };
        let record = RecordId::of_directory(self.patients.source(source));
        Bound { record, source, part, in_directory: true, warning }
    }
}

fn in_record(resource_type: &str, text: &str, record: RecordId, source: SourceNo) -> Bound {
    let part = place_of(resource_type, text).part;
    Bound { record, source, part, in_directory: false, warning: None }
}
