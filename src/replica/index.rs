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
use crate::record::{FactsBody, NamedFacts, NamedResource, Section, section_of};
use crate::store::tail::{self, Coverage, Pending, TokenInput};
use crate::store::{Batch, Posting, Store, StoreErrorKind};

/// The kind of token under which all entries of a record stand.
const RECORD: &str = "record";
/// The kind of token under which a Patient stands by the id of its resource at its source.
const PATIENT_ID: &str = "patient-id";
/// The kind of token under which a record stands whose identity people have spoken on.
const LINKED: &str = "linked";

/// The kind of token under which all entries stand whose record's id begins so: with the digits that people type at least.
const RECORD_BEGINS: &str = "record-begins";
/// How much of a record's id that is.
const BEGINNING: usize = 4;
/// Which terms are in the index: a store whose index has others builds it anew when it is opened.
const TERMS: u8 = 2;
/// The store's name for that.
const TERMS_NAME: &str = "index-terms";

/// Names the terms that a new store's index will have.
pub(super) fn terms_kept() -> (String, Vec<u8>) {
    (TERMS_NAME.to_owned(), vec![TERMS])
}

/// Drops an index that was made with other terms.
///
/// # Errors
/// When the store fails.
pub(super) fn renew_terms(store: &dyn Store) -> Result<(), ReplicaError> {
    if store.named(TERMS_NAME)?.is_none_or(|terms| terms != [TERMS]) {
        store.rebuild_index()?;
        store.commit(Batch { named: vec![terms_kept()], ..Batch::default() })?;
    }
    Ok(())
}

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

/// Returns an entry, or in its place those that it carries.
fn carried_or_itself(entry: Entry) -> Vec<Entry> {
    match entry.kind {
        EntryKind::CARRY => {
            let carried = CarryBody::read(&entry.body).map(|body| body.carried).unwrap_or_default();
            carried.into_iter().map(|carried| carried.entry).collect()
        }
        _ => vec![entry],
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
    terms.push((begins_term(&record.0), seq));
    if entry.kind != EntryKind::FACTS {
        return;
    }
    let Ok(facts) = FactsBody::named(&entry.body) else {
        terms.push((quarantine_term(), seq));
        return;
    };
    for NamedResource { resource_type, id, .. } in &facts.resources {
        if let (Some(id), "Patient") = (id, &**resource_type) {
            terms.push((patient_term(id), seq));
        }
        if resource_type == "Linkage" {
            terms.push((linked_term(&record), seq));
        }
    }
    terms.extend(demographic_tokens(&facts).iter().map(|token| (search_term(token), seq)));
}

/// Returns what a person is searched by, of all that an entry says of them.
pub(super) fn demographic_tokens(facts: &NamedFacts<'_>) -> BTreeSet<SearchToken> {
    let mut tokens = BTreeSet::new();
    for NamedResource { resource_type, text, .. } in &facts.resources {
        if section_of(resource_type) == Section::Demographics {
            let resource = serde_json::from_str(text).unwrap_or_default();
            tokens.extend(tokens_of(resource_type, &resource));
        }
    }
    tokens
}

/// The term under which stand the entries that cannot be joined to a record.
fn quarantine_term() -> TokenInput {
    TokenInput { kind: "quarantined", text: Vec::new() }
}

fn record_term(record: &RecordId) -> TokenInput {
    TokenInput { kind: RECORD, text: record.0.to_vec() }
}

/// The term of a record's id, or of the beginning of one that has as many bytes.
fn begins_term(id: &[u8]) -> TokenInput {
    TokenInput { kind: RECORD_BEGINS, text: id[..BEGINNING].to_vec() }
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
            let cursor = self.store.index_cursor()?;
            if let Some(Pending { upto, postings }) = inner.tail.pending(cursor) {
                // Others read and write meanwhile: what is on its way is found in the tail until it is in the index.
                drop(inner);
                self.store.index_add_at(cursor, upto, &postings)?;
                inner = self.lock();
            }
            // Somebody may have added more, or dropped the index: what the cursor has passed is there.
            inner.tail.forget(self.store.index_cursor()?);
        }
        drop(inner);
        self.save_tally()?;
        self.save_checked()?;
        self.save_heard(false)
    }

    /// Reads into the tail what has arrived; makes room when it is full.
    pub(super) fn refresh(&self, inner: &mut Inner) -> Result<Coverage, ReplicaError> {
        let changes = self.store.changes();
        if changes.is_some() && changes == inner.changes_read {
            return Ok(Coverage::Complete);
        }
        loop {
            let me = self.me().device;
            let Inner { tail, lanes, .. } = &mut *inner;
            let read = tail.refresh(&*self.store, &|run: &Run| {
                // Branches, which begin where the trunk ends, are not counted.
                if let Some(state) = lanes.get(&run.lane).filter(|state| run.start < state.size()) {
                    self.tally().count(run, state.name.device == me);
                }
                remembered(run, terms_of)
            });
            inner.coverage = match read {
                Ok(coverage) => coverage,
                Err(error) if error.kind() == StoreErrorKind::Damaged => {
                    let lost = self.store.relist()?;
                    if lost == 0 {
                        return Err(error.into());
                    }
                    tracing::error!(lost, "lines of the list of arrivals cannot be read: it is made anew");
                    inner.damage_found += 1;
                    self.note_damage(true)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if inner.coverage == Coverage::Complete {
                inner.changes_read = changes;
                return Ok(inner.coverage);
            }
            tail::flush(&*self.store, &mut inner.tail)?;
        }
    }

    /// Finds the entries of a record.
    pub(super) fn entries_of(&self, record: &RecordId) -> Result<Vec<Posting>, ReplicaError> {
        self.find_term(&record_term(record))
    }

    /// Finds the records whose ids begin with these 4 bytes, each by one of its entries: at most about so many.
    pub(super) fn records_beginning(
        &self,
        beginning: [u8; BEGINNING],
        most: usize,
    ) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let mut records = BTreeSet::new();
        let mut left = self.find_term(&begins_term(&beginning))?;
        while let Some(posting) = left.pop().filter(|_| records.len() < most) {
            for record in self.records_at(&posting)?.into_iter().filter(|it| it.0.starts_with(&beginning)) {
                // Its other entries lead to the same; at one place others may be carried as well.
                if records.insert(record) && !left.is_empty() {
                    let known = self.entries_of(&record)?;
                    left.retain(|posting| known.binary_search(posting).is_err());
                }
            }
        }
        Ok(records)
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

    /// Returns the records that the entries at a place are about.
    ///
    /// # Errors
    /// When the store fails, or the entry cannot be read.
    pub(super) fn records_at(&self, place: &Posting) -> Result<Vec<RecordId>, ReplicaError> {
        Ok(self.entries_at(place)?.iter().filter_map(record_of).collect())
    }

    /// Returns the entries at a place: one in a trunk, or what it carries, and in the branches of a forked lane all that stand
    /// there.
    ///
    /// # Errors
    /// When the store fails, or the entry cannot be read.
    pub(super) fn entries_at(&self, place: &Posting) -> Result<Vec<Entry>, ReplicaError> {
        match self.store.entry(&place.lane, place.seq)? {
            Some(entry) => Ok(carried_or_itself(entry)),
            None => Ok(self.branch_entries_at(place)),
        }
    }

    /// Returns the entries at each of some places, as [`Replica::entries_at`] does.
    ///
    /// # Errors
    /// When the store fails, or an entry cannot be read.
    pub(super) fn entries_at_each(&self, places: &[Posting]) -> Result<Vec<Vec<Entry>>, ReplicaError> {
        let read = self.store.entries(places)?.into_iter().zip(places);
        Ok(read
            .map(|(entry, place)| entry.map_or_else(|| self.branch_entries_at(place), carried_or_itself))
            .collect())
    }

    fn branch_entries_at(&self, place: &Posting) -> Vec<Entry> {
        let inner = self.lock();
        let fork = inner.lanes.get(&place.lane).and_then(|state| state.fork.as_ref());
        let entries = fork.iter().flat_map(|fork| &fork.branches).filter_map(|branch| {
            branch.entries.get(usize::try_from(place.seq.checked_sub(branch.start)?).ok()?)
        });
        entries.cloned().flat_map(carried_or_itself).collect()
    }

    fn find_term(&self, term: &TokenInput) -> Result<Vec<Posting>, ReplicaError> {
        let token = self.store.token(term.kind, &term.text);
        let fresh = {
            let mut inner = self.lock();
            self.refresh(&mut inner)?;
            inner.tail.find(&token)
        };
        // Nobody waits while the index is read. What moves there from the tail meanwhile is found in both.
        let found = tail::find_beside(&*self.store, fresh, &token)?;
        if !found.rebuild {
            return Ok(found.postings);
        }
        // The index is a cache: what rotted is built again from the lanes.
        let mut inner = self.lock();
        self.store.rebuild_index()?;
        inner.tail = tail::Tail::after(0);
        inner.changes_read = None;
        self.refresh(&mut inner)?;
        Ok(tail::find(&*self.store, &inner.tail, &token)?.postings)
    }
}
