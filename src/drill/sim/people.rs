//! Who is who in a run: the people of the script, the patients of the scenario, and their records.

use std::collections::BTreeMap;

use super::ledger::PersonNo;
use crate::base::RecordId;
use crate::drill::scenario::PatientAlias;

/// The people of a run.
#[derive(Debug, Default)]
pub(super) struct People {
    records: BTreeMap<PersonNo, Vec<RecordId>>,
    of_record: BTreeMap<RecordId, PersonNo>,
    aliases: BTreeMap<PatientAlias, PersonNo>,
    next: u64,
}

impl People {
    /// Starts after the people of the script, who keep their places as numbers.
    pub(super) fn after(script: usize) -> Self {
        Self { next: script as u64, ..Self::default() }
    }

    /// Returns the person of a record; a record that nobody knew belongs to somebody new.
    pub(super) fn of(&mut self, record: RecordId) -> PersonNo {
        if let Some(person) = self.of_record.get(&record) {
            return *person;
        }
        let person = PersonNo(self.next);
        self.next += 1;
        self.add(person, record);
        person
    }

    /// Notes that a record is a person's.
    pub(super) fn add(&mut self, person: PersonNo, record: RecordId) {
        self.of_record.insert(record, person);
        self.records.entry(person).or_default().push(record);
    }

    /// Notes whom the scenario calls so.
    pub(super) fn call(&mut self, alias: &PatientAlias, person: PersonNo) {
        self.aliases.insert(alias.clone(), person);
    }

    /// Finds whom the scenario calls so.
    pub(super) fn called(&self, alias: &PatientAlias) -> Option<PersonNo> {
        self.aliases.get(alias).copied()
    }

    /// Returns how the scenario calls somebody, if it does.
    pub(super) fn alias(&self, person: PersonNo) -> Option<&PatientAlias> {
        self.aliases.iter().find(|(_, one)| **one == person).map(|(alias, _)| alias)
    }

    /// Returns the records of a person, the first one first.
    pub(super) fn records(&self, person: PersonNo) -> &[RecordId] {
        self.records.get(&person).map_or(&[], Vec::as_slice)
    }

    /// Finds the person of a record.
    pub(super) fn person_of(&self, record: RecordId) -> Option<PersonNo> {
        self.of_record.get(&record).copied()
    }

    /// Returns every record with its person.
    pub(super) fn all(&self) -> impl Iterator<Item = (RecordId, PersonNo)> {
        self.of_record.iter().map(|(record, person)| (*record, *person))
    }

    /// Returns the patients whom the scenario names, with their first records.
    pub(super) fn named(&self) -> BTreeMap<PatientAlias, RecordId> {
        let first = |(alias, person): (&PatientAlias, &PersonNo)| {
            self.records(*person).first().map(|record| (alias.clone(), *record))
        };
        self.aliases.iter().filter_map(first).collect()
    }
}
