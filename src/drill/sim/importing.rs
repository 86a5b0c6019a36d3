//! Importing in the simulated world, and what of it must be found again.

use std::collections::BTreeMap;

use serde_json::Value;

use super::setting_back::Forkable;
use super::stage::failed;
use super::world::World;
use super::writing::Saying;
use crate::base::{LaneId, RecordId};
use crate::drill::course::Act;
use crate::drill::error::StepFailure;
use crate::drill::ledger::ResourceKey;
use crate::drill::people::InventedList;
use crate::drill::scenario::PatientAlias;
use crate::replica::Replica;
use crate::replica::answer::Imported;
use crate::replica::importing::ImportCall;

/// What was imported of invented lists.
#[derive(Debug, Default)]
pub(super) struct Imports {
    /// The lists, each once for each source, with as many people as were imported of it at most.
    pub(super) lists: Vec<InventedList>,
    /// The versions of each resource, in the order in which they were written.
    pub(super) resources: BTreeMap<ResourceKey, Vec<Version>>,
    /// Who said that an imported allergy is none.
    pub(super) refuted: Vec<Refuted>,
}

/// Somebody said that an imported allergy is none.
#[derive(Debug)]
pub(super) struct Refuted {
    /// The imported allergy.
    pub(super) key: ResourceKey,
    /// Where that stands.
    pub(super) place: (LaneId, u64),
    /// The versions of the allergy that the writer's replica held, by their places in the list.
    pub(super) saw: Vec<usize>,
}

/// A version of a resource that a replica has written: one that it held already it does not write.
#[derive(Debug)]
pub(super) struct Version {
    /// The resource.
    pub(super) value: Value,
    /// Where it stands.
    pub(super) place: (LaneId, u64),
    /// The versions of the same resource that its writer's replica held, by their places in the list.
    pub(super) saw: Vec<usize>,
}

impl World<'_> {
    /// Lets a machine import files by itself.
    pub(super) fn import(&mut self, at: usize, files: &[std::path::PathBuf]) -> Result<(), StepFailure> {
        self.import_files(at, files).map(drop)
    }

    /// Lets a machine import an invented list, and notes what it has written of it.
    /// `alias` is how the scenario calls its first patient, if it does.
    pub(super) fn import_list(
        &mut self,
        at: usize,
        list: &InventedList,
        alias: Option<&PatientAlias>,
    ) -> Result<(), StepFailure> {
        let told = |error: std::io::Error| StepFailure(format!("writing an invented list: {error}"));
        let folder = tempfile::tempdir().map_err(told)?;
        let file = list.write_to(folder.path()).map_err(told)?;
        let keyed = |value: Value| (ResourceKey::of(&value), value);
        let resources: Vec<(ResourceKey, Value)> = list.resources().into_iter().map(keyed).collect();
        let held: Vec<Vec<usize>> = resources.iter().map(|(key, _)| self.versions_held(at, key)).collect();
        let before = self.ledger.writes().len();
        let imported = self.import_files(at, &[file])?;
        self.imports.add(list);
        if let (Some(alias), Some(first)) = (alias, list.people().first()) {
            let person = self.people.of(first.record);
            self.people.call(alias, person);
        }
        let places: Vec<(LaneId, u64)> =
            self.ledger.writes()[before..].iter().map(|write| (write.lane, write.seq)).collect();
        let bodies = self.bodies(at, &places);
        let mut new = 0;
        for ((key, value), saw) in resources.into_iter().zip(held) {
            let versions = self.imports.resources.entry(key.clone()).or_default();
            if saw.iter().any(|place| versions[*place].value == value) {
                continue;
            }
            new += 1;
            let named = format!("\"id\":\"{}\"", key.id);
            let is_in = |body: &[u8]| body.windows(named.len()).any(|part| part == named.as_bytes());
            // What stands nowhere is told below: fewer were written than were new.
            if let Some((place, _)) = bodies.iter().find(|(_, body)| is_in(body)) {
                versions.push(Version { value, place: *place, saw });
            }
        }
        let written = imported.added + imported.updated;
        let name = &self.scenario.replicas[at].name;
        // What cannot be read is imported once more; and of what may be signed twice nobody knows whether it is here.
        let certain =
            |replica: &Replica| replica.damaged().is_empty() && !self.imports.is_doubtful(&self.forkable);
        if self.replica(at).is_some_and(|replica| certain(&replica)) {
            self.clinical.imports.note(written == new, || {
                format!("{name} wrote {written} resources of a list of which {new} were new there")
            });
        }
        Ok(())
    }

    /// Notes that somebody has just said that a patient of a list is not allergic to a substance.
    pub(super) fn refuted(&mut self, at: usize, record: RecordId, substance: &str) {
        let Some(place) = self.ledger.writes().last().map(|write| (write.lane, write.seq)) else { return };
        let lists = self.imports.lists.iter();
        let all = lists.flat_map(|list| list.people().into_iter().map(move |listed| (list, listed)));
        let found = all.into_iter().find(|(_, one)| one.record == record && one.allergy == substance);
        if let Some(key) = found.map(|(list, listed)| list.allergy_of(&listed)) {
            let saw = self.versions_held(at, &key);
            self.imports.refuted.push(Refuted { key, place, saw });
        }
    }

    fn import_files(&mut self, at: usize, files: &[std::path::PathBuf]) -> Result<Imported, StepFailure> {
        let (replica, author) = (self.running(at)?, self.author(at));
        let call = ImportCall { paths: files.to_vec(), source: None, area: self.opens_in(at), author };
        let imported = match replica.import(&call, &mut |_| {}) {
            Ok(imported) => imported,
            Err(error) => {
                drop(replica);
                self.see_to(at);
                return Err(failed(error));
            }
        };
        self.acknowledge(at, None, Saying::of(Act::Other), None);
        match imported.problems.first() {
            None => Ok(imported),
            Some(problem) => Err(StepFailure(format!(
                "{} resources were skipped, first: {}",
                imported.skipped, problem.reason
            ))),
        }
    }

    /// Returns the versions of a resource that a machine holds, by their places in the list.
    pub(super) fn versions_held(&self, node: usize, key: &ResourceKey) -> Vec<usize> {
        let versions = self.imports.resources.get(key).map_or(&[][..], Vec::as_slice);
        let is_held = |place: &usize| {
            let (lane, seq) = versions[*place].place;
            self.nodes[node].knowledge.size(&lane) > seq
        };
        (0..versions.len()).filter(is_held).collect()
    }

    fn bodies(&self, at: usize, places: &[(LaneId, u64)]) -> Vec<((LaneId, u64), Vec<u8>)> {
        let Some(replica) = self.replica(at) else { return Vec::new() };
        let body = |place: &(LaneId, u64)| {
            let entry = replica.store().entry(&place.0, place.1).ok().flatten()?;
            Some((*place, entry.body.to_vec()))
        };
        places.iter().filter_map(body).collect()
    }
}

impl Imports {
    /// Says whether anything that was imported stands where a device may have signed two histories.
    pub(super) fn is_doubtful(&self, forkable: &Forkable) -> bool {
        let versions = self.resources.values().flatten().map(|version| version.place);
        let mut all = versions.chain(self.refuted.iter().map(|refuted| refuted.place));
        all.any(|(lane, seq)| forkable.is_at(&lane, seq))
    }

    fn add(&mut self, list: &InventedList) {
        let same = |known: &&mut InventedList| known.name == list.name && known.source == list.source;
        match self.lists.iter_mut().find(same) {
            Some(known) => known.people = known.people.max(list.people),
            None => self.lists.push(list.clone()),
        }
    }
}
