//! Whom something is written about: the facts of a person, loaded once for each thing that is asked.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::core::Replica;
use super::error::ReplicaError;
use super::knowing::Known;
use crate::base::RecordId;
use crate::record::facts::Facts;
use crate::record::linking::group::GROUP_MAX;
use crate::record::linking::{PersonView, order, person, tie};

/// The facts of a record and of those that ties name, from record to record: the linked ones first, and no more than
/// [`GROUP_MAX`].
pub(super) struct PersonFacts {
    asked: RecordId,
    held: BTreeMap<RecordId, Facts>,
    /// Entries that cannot be read.
    pub(super) quarantined: u64,
}

/// A record that is about to be written into: its person's facts are loaded when something first needs them.
pub(super) struct Subject<'r> {
    replica: &'r Replica,
    record: RecordId,
    loaded: OnceCell<PersonFacts>,
}

impl PersonFacts {
    /// Returns the facts of the record that was asked for.
    pub(super) fn own(&self) -> &Facts {
        self.held.get(&self.asked).expect("the asked record is loaded first")
    }

    /// Returns the facts by record, also of those that ties name and that are not joined.
    pub(super) fn held(&self) -> &BTreeMap<RecordId, Facts> {
        &self.held
    }

    /// Joins the facts of the records that are linked with the asked one; they go by its id.
    pub(super) fn joined(&self) -> Facts {
        PersonView::joined(self.asked, &self.held)
    }

    /// Counts the records that ties name and that were not loaded: there were too many.
    pub(super) fn left_out(&self) -> u64 {
        order::left_out(tie::ties(self.held.values()).values(), &self.held)
    }

    /// Returns the linked records of which nothing is held here.
    pub(super) fn unheld(&self) -> Vec<RecordId> {
        person::unheld(&self.records(), &self.held)
    }

    /// Returns the records that are linked with the asked one, itself among them.
    pub(super) fn records(&self) -> BTreeSet<RecordId> {
        PersonView::linked(self.asked, &self.held)
    }
}

impl<'r> Subject<'r> {
    /// Names a record; nothing is loaded yet.
    pub(super) fn new(replica: &'r Replica, record: &RecordId) -> Self {
        Self { replica, record: *record, loaded: OnceCell::new() }
    }

    /// Returns the record.
    pub(super) fn record(&self) -> &RecordId {
        &self.record
    }

    /// Returns the facts of the record's person as they were when they were first asked for.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn facts(&self) -> Result<&PersonFacts, ReplicaError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.replica.person_facts(&self.record, None)?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// Returns the facts where ties name other records, which the index tells without loading them.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn tied(&self) -> Result<Option<&PersonFacts>, ReplicaError> {
        if self.loaded.get().is_none() && self.replica.linked_entries(&self.record)?.is_empty() {
            return Ok(None);
        }
        self.facts().map(Some)
    }
}

impl Replica {
    /// Loads the facts of a record and of those that ties name, as they were known at a time, or all.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn person_facts(
        &self,
        record: &RecordId,
        known: Option<&Known>,
    ) -> Result<PersonFacts, ReplicaError> {
        let (mut held, mut quarantined) = (BTreeMap::new(), 0);
        let mut next = vec![*record];
        while !next.is_empty() && held.len() < GROUP_MAX {
            next.truncate(GROUP_MAX - held.len());
            for other in next {
                let (facts, unread) = self.facts_known(&other, None, known)?;
                quarantined += unread;
                held.insert(other, facts);
            }
            next = order::next(*record, &held);
        }
        Ok(PersonFacts { asked: *record, held, quarantined })
    }
}
