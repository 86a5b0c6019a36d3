//! Exporting: every resource as it was imported or written, from the lanes on this replica's own disk.

use std::collections::BTreeSet;
use std::path::Path;

use super::answer::Exported;
use super::core::Replica;
use super::error::ReplicaError;
use super::request::{ExportFormat, Progress};
use crate::base::RecordId;
use crate::interop::export::{ExportError, ExportForm, to_file, to_folder};
use crate::record::{Fact, Facts, Known, Versions};

impl Replica {
    /// Exports one record, or everything that this replica holds: of imported resources the current versions,
    /// and everything that was written here or elsewhere.
    ///
    /// # Errors
    /// When the store fails, or the place cannot be written: then nothing is left there.
    pub fn export(
        &self,
        record: Option<RecordId>,
        format: ExportFormat,
        to: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Exported, ReplicaError> {
        let records: Vec<RecordId> = match record {
            Some(record) => vec![record],
            None => self.records()?.into_iter().collect(),
        };
        let of = records.len() as u64;
        let mut done = 0;
        let resources = records.into_iter().flat_map(|record| {
            done += 1;
            let (doing, unit) = ("exporting".to_owned(), "records".to_owned());
            progress(Progress { doing, done, of, unit });
            match self.resources(&record) {
                Ok(resources) => resources.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(Box::new(error))],
            }
        });
        let report = match format {
            ExportFormat::Ndjson => to_folder(resources, to),
            ExportFormat::Fhir => to_file(resources, ExportForm::Bundle, to),
        };
        let report = report.map_err(|error| match error {
            ExportError::Read(error) => match error.downcast::<ReplicaError>() {
                Ok(error) => *error,
                Err(error) => ReplicaError::Call(error.to_string()),
            },
            other => ReplicaError::Call(other.to_string()),
        })?;
        let (to, not_held) = (to.display().to_string(), self.not_held());
        Ok(Exported { to, records: of, resources: report.resources, not_held })
    }

    /// Gives every resource that [`Replica::export`] of everything would write, record by record, without a file.
    ///
    /// # Errors
    /// When the store fails; what was given until then has been given.
    pub fn export_each(&self, each: &mut dyn FnMut(&RecordId, &str)) -> Result<(), ReplicaError> {
        for record in self.records()? {
            self.resources(&record)?.iter().for_each(|resource| each(&record, resource));
        }
        Ok(())
    }

    /// The resources of a record, as they are exported.
    fn resources(&self, record: &RecordId) -> Result<Vec<String>, ReplicaError> {
        let (facts, _) = self.facts(record)?;
        Ok(resources_of(&facts))
    }
}

/// The resources of a record: every statement once, without the imported versions that later ones replaced.
fn resources_of(facts: &Facts) -> Vec<String> {
    let versions = Versions::of(facts);
    let mut written = BTreeSet::new();
    let is_wanted = |fact: &&Fact| match &fact.origin {
        Some(origin) => versions.known(origin) == Known::Current && written.insert(origin.clone()),
        None => true,
    };
    facts.iter().filter(is_wanted).map(|fact| fact.statement.resource.clone()).collect()
}
