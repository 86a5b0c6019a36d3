//! What an entry is found by: its record, and the search terms of the patients in it.
//!
//! The index is a cache: it follows in the background, and every read consults what is not yet in it.

use std::collections::BTreeSet;

use super::core::{Inner, Replica};
use super::error::ReplicaError;
use super::terms_memo::remembered;
use crate::base::{Hlc, RecordId, WallMs};
use crate::chart::{ChartBody, ChartChange};
use crate::lane::{CarryBody, Entry, EntryKind, Run};
use crate::record::names::{SearchToken, tokens_of};
use crate::record::{FactsBody, ResourceNames, Section, section_of};
use crate::store::Posting;
use crate::store::tail::{self, Coverage, TokenInput};

/// The kind of token under which all entries of a record stand.
const RECORD: &str = "record";
/// The kind of token under which a Patient stands by the id of its resource at its source.
const PATIENT_ID: &str = "patient-id";
/// The kind of token under which a record stands whose identity people have spoken on.
const LINKED: &str = "linked";

/// Returns the writing time that an entry claims.
pub(super) fn time_of(entry: &Entry) -> Option<Hlc> {
    match entry.kind {
        EntryKind::FACTS => FactsBody::peek(&entry.body).map(|(_, time)| time),
        _ => None,
    }
}

/// Returns by when an entry was written, as its device claims: a change of a chart tells the second alone, and counts
/// from its end.
pub(super) fn written_by(entry: &Entry) -> Option<WallMs> {
    match entry.kind {
        EntryKind::CHART => {
            let body = ChartBody::from_bytes(&entry.body).ok()?;
            let changes = body.changes.iter().filter_map(|change| ChartChange::parse(change).ok());
            let second = changes.filter_map(|change| u64::try_from(change.time_s()).ok()).max()?;
            Some(WallMs(second.checked_add(1)?.checked_mul(1_000)? - 1))
        }
        _ => time_of(entry).map(Hlc::wall),
    }
}

/// Returns the record that an entry says it is about; whether the rest of it is sound is for its reader to see.
pub(super) fn record_of(entry: &Entry) -> Option<RecordId> {
    match entry.kind {
        EntryKind::FACTS => FactsBody::peek(&entry.body).map(|(record, _)| record),
        EntryKind::CHART => ChartBody::from_bytes(&entry.body).ok().map(|body| body.record),
        _ => None,
    }
}

/// Returns the records that an entry is about, those of the entries that it carries included.
fn records_of(entry: &Entry) -> Vec<RecordId> {
    match entry.kind {
        EntryKind::CARRY => {
            let carried = CarryBody::read(&entry.body).map(|body| body.carried).unwrap_or_default();
            carried.iter().filter_map(|carried| record_of(&carried.entry)).collect()
        }
        _ => record_of(entry).into_iter().collect(),
    }
}

/// Says whether an entry is of a kind that is about a record.
pub(super) fn is_about_a_record(entry: &Entry) -> bool {
    entry.kind == EntryKind::FACTS || entry.kind == EntryKind::CHART
}

fn terms_of(run: &Run) -> Vec<(TokenInput, u64)> {
    let mut terms = Vec::new();
    for (seq, entry) in (run.start..).zip(&run.entries) {
        match entry.kind {
            EntryKind::CARRY => {
                let carried = CarryBody::read(&entry.body).map(|body| body.carried).unwrap_or_default();
                carried.iter().for_each(|carried| entry_terms(&carried.entry, seq, &mut terms));
            }
            _ => entry_terms(entry, seq, &mut terms),
        }
    }
    terms
}

fn entry_terms(entry: &Entry, seq: u64, terms: &mut Vec<(TokenInput, u64)>) {
    let Some(record) = record_of(entry) else {
        terms.extend(is_about_a_record(entry).then(|| (quarantine_term(), seq)));
        return;
    };
    terms.push((record_term(&record), seq));
    if entry.kind != EntryKind::FACTS {
        return;
    }
    let Ok((body, names)) = FactsBody::named_from_bytes(&entry.body) else {
        terms.push((quarantine_term(), seq));
        return;
    };
    let mut found = BTreeSet::new();
    for (statement, ResourceNames { resource_type, id }) in body.statements.iter().zip(names) {
        if let (Some(id), "Patient") = (id, resource_type.as_str()) {
            terms.push((patient_term(&id), seq));
        }
        if resource_type == "Linkage" {
            terms.push((linked_term(&record), seq));
        }
        if section_of(&resource_type) == Section::Demographics {
            let resource = serde_json::from_str(&statement.resource).unwrap_or_default();
            found.extend(tokens_of(&resource_type, &resource));
        }
    }
    terms.extend(found.into_iter().map(|token| (search_term(&token), seq)));
}

/// The term under which stand the entries that cannot be joined to a record.
fn quarantine_term() -> TokenInput {
    TokenInput { kind: "quarantined", text: Vec::new() }
}

fn record_term(record: &RecordId) -> TokenInput {
    TokenInput { kind: RECORD, text: record.0.to_vec() }
}

fn patient_term(id: &str) -> TokenInput {
    TokenInput { kind: PATIENT_ID, text: id.as_bytes().to_vec() }
}

fn linked_term(record: &RecordId) -> TokenInput {
    TokenInput { kind: LINKED, text: record.0.to_vec() }
}

fn search_term(token: &SearchToken) -> TokenInput {
    TokenInput { kind: token.kind.name(), text: token.text.as_bytes().to_vec() }
}

impl Replica {
    /// Moves what has arrived into the index until nothing is left: the indexer's step.
    ///
    /// # Errors
    /// When the store fails.
    pub fn index_step(&self) -> Result<(), ReplicaError> {
        let mut inner = self.lock();
        let writes = inner.writes;
        if std::mem::replace(&mut inner.writes_indexed, writes) == writes {
            self.commit_late(&mut inner)?;
        }
        loop {
            let coverage = self.refresh(&mut inner)?;
            if coverage == Coverage::Complete && inner.tail.entries() == 0 {
                break;
            }
            tail::flush(&*self.store, &mut inner.tail)?;
        }
        drop(inner);
        self.save_tally()?;
        self.save_heard(false)
    }

    /// Reads into the tail what has arrived; makes room when it is full.
    pub(super) fn refresh(&self, inner: &mut Inner) -> Result<Coverage, ReplicaError> {
        loop {
            let me = self.me().device;
            let Inner { tail, lanes, .. } = &mut *inner;
            inner.coverage = tail.refresh(&*self.store, &|run: &Run| {
                // Branches, which begin where the trunk ends, are not counted.
                if let Some(state) = lanes.get(&run.lane).filter(|state| run.start < state.size()) {
                    self.tally().count(run, state.name.device == me);
                }
                remembered(run, terms_of)
            })?;
            if inner.coverage == Coverage::Complete {
                return Ok(inner.coverage);
            }
            tail::flush(&*self.store, &mut inner.tail)?;
        }
    }

    /// Finds the entries of a record.
    pub(super) fn entries_of(&self, record: &RecordId) -> Result<Vec<Posting>, ReplicaError> {
        self.find_term(&record_term(record))
    }

    /// Counts the entries that cannot be joined to a record: kept, relayed, and shown to nobody.
    pub(super) fn quarantined(&self) -> Result<u64, ReplicaError> {
        Ok(self.find_term(&quarantine_term())?.len() as u64)
    }

    /// Finds the entries that hold a search token.
    pub(super) fn entries_with(&self, token: &SearchToken) -> Result<Vec<Posting>, ReplicaError> {
        self.find_term(&search_term(token))
    }

    /// Finds the entries that tie a record to others, or untie it.
    pub(super) fn linked_entries(&self, record: &RecordId) -> Result<Vec<Posting>, ReplicaError> {
        self.find_term(&linked_term(record))
    }

    /// Finds the entries that hold a Patient of this resource id.
    pub(super) fn entries_with_patient(&self, id: &str) -> Result<Vec<Posting>, ReplicaError> {
        self.find_term(&patient_term(id))
    }

    /// Returns the records that the entries at a place are about: one in a trunk, what it carries, and in the branches of a
    /// forked lane all that stand there.
    ///
    /// # Errors
    /// When the store fails, or the entry cannot be read.
    pub(super) fn records_at(&self, place: &Posting) -> Result<Vec<RecordId>, ReplicaError> {
        if let Some(entry) = self.store.entry(&place.lane, place.seq)? {
            return Ok(records_of(&entry));
        }
        let inner = self.lock();
        let fork = inner.lanes.get(&place.lane).and_then(|state| state.fork.as_ref());
        let entries = fork.iter().flat_map(|fork| &fork.branches).filter_map(|branch| {
            branch.entries.get(usize::try_from(place.seq.checked_sub(branch.start)?).ok()?)
        });
        Ok(entries.flat_map(records_of).collect())
    }

    fn find_term(&self, term: &TokenInput) -> Result<Vec<Posting>, ReplicaError> {
        let mut inner = self.lock();
        self.refresh(&mut inner)?;
        let token = self.store.token(term.kind, &term.text);
        let found = tail::find(&*self.store, &inner.tail, &token)?;
        if !found.rebuild {
            return Ok(found.postings);
        }
        // The index is a cache: what rotted is built again from the lanes.
        self.store.rebuild_index()?;
        inner.tail = tail::Tail::after(0);
        self.refresh(&mut inner)?;
        Ok(tail::find(&*self.store, &inner.tail, &token)?.postings)
    }
}
