//! People who are known by proofs alone, fetched or from paper: found by the same words as others, and forgotten when what
//! was fetched has grown old.
//!
//! The index is in memory, made when somebody first searches: such records are few, and their proofs are kept sealed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{MutexGuard, PoisonError};

use super::core::Replica;
use super::error::ReplicaError;
use super::index::demographic_tokens;
use super::proving::{Answer, Via};
use super::pull_answer::PullCounts;
use crate::base::RecordId;
use crate::lane::{Carried, Entry, EntryKind, ProvenRecord};
use crate::record::FactsBody;
use crate::record::names::{SearchToken, query};
use crate::sync::Group;

/// The search tokens of people who are known by proofs.
#[derive(Default)]
pub(super) struct ProvenIndex {
    tokens: BTreeMap<SearchToken, BTreeSet<RecordId>>,
    records: BTreeMap<RecordId, BTreeSet<SearchToken>>,
}

impl ProvenIndex {
    /// Makes these the tokens of a record; none at all forgets it.
    fn set(&mut self, record: RecordId, tokens: BTreeSet<SearchToken>, is_kept: bool) {
        for old in self.records.remove(&record).unwrap_or_default() {
            if let Some(records) = self.tokens.get_mut(&old) {
                records.remove(&record);
                if records.is_empty() {
                    self.tokens.remove(&old);
                }
            }
        }
        if is_kept {
            for token in &tokens {
                self.tokens.entry(token.clone()).or_default().insert(record);
            }
            self.records.insert(record, tokens);
        }
    }

    /// Finds the records that have a token of each group.
    fn find(&self, groups: &[Vec<SearchToken>]) -> BTreeSet<RecordId> {
        let of_group = |group: &Vec<SearchToken>| -> BTreeSet<RecordId> {
            group.iter().filter_map(|token| self.tokens.get(token)).flatten().copied().collect()
        };
        let mut sets = groups.iter().map(of_group);
        let first = sets.next().unwrap_or_default();
        sets.fold(first, |found, set| &found & &set)
    }
}

impl Replica {
    /// Keeps what is fetched of single people for so many milliseconds.
    pub fn keep_pulled(&mut self, kept_ms: u64) {
        self.pulling.kept_ms = kept_ms;
    }

    /// Finds those who are known by proofs and whom a query may mean.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn proven_candidates(&self, text: &str) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let index = self.proven_index()?;
        Ok(index.as_ref().as_ref().map(|index| index.find(&query(text))).unwrap_or_default())
    }

    /// Removes what was fetched and has grown old, and what has come by its lanes since; returns of how many records.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_pulled(&self) -> Result<u64, ReplicaError> {
        let mut forgotten = 0;
        for record in self.proven_records()? {
            let _keeping = self.pulling.keeping();
            let mut answers = self.all_answers(&record)?;
            let before = answers.len();
            answers.retain(|(answer, proven)| !self.is_over(answer, proven) && self.is_beyond(proven));
            if answers.len() < before {
                self.write_answers(&record, &answers)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    /// Says whether the time of an answer is over: it was fetched long ago, and what it says is not going to come by
    /// lanes that are subscribed to.
    pub(super) fn is_over(&self, answer: &Answer, proven: &ProvenRecord) -> bool {
        let now = self.environment().now();
        let is_old = |taken: &crate::base::WallMs| now.0.saturating_sub(taken.0) > self.pulling.kept_ms;
        if answer.via != Via::Peer || !answer.taken.as_ref().is_some_and(is_old) {
            return false;
        }
        let subscription = self.subscription();
        let will_come = |one: &Carried| {
            let group = Group { part: one.name.part, area: one.name.area.clone() };
            subscription.contains(&group) && self.is_new(one)
        };
        !proven.entries.iter().any(will_come)
    }

    /// Counts how often single people were asked for, and how many are kept.
    pub(super) fn pull_counts(&self) -> Result<PullCounts, ReplicaError> {
        let kept = self.proven_index()?.as_ref().map_or(0, |index| index.records.len() as u64);
        Ok(PullCounts { kept, ..self.pulling.table().counts })
    }

    /// Learns what is kept of a record now.
    pub(super) fn reindex_proven(&self, record: &RecordId, answers: &[(Answer, ProvenRecord)]) {
        if let Some(index) = self.index_of_proven().as_mut() {
            index.set(*record, tokens_in(answers), !answers.is_empty());
        }
    }

    fn proven_index(&self) -> Result<MutexGuard<'_, Option<ProvenIndex>>, ReplicaError> {
        let is_made = self.index_of_proven().is_some();
        if !is_made {
            // Nobody changes what is kept while it is read.
            let _keeping = self.pulling.keeping();
            let mut index = ProvenIndex::default();
            for record in self.proven_records()? {
                let answers = self.all_answers(&record)?;
                index.set(record, tokens_in(&answers), !answers.is_empty());
            }
            *self.index_of_proven() = Some(index);
        }
        Ok(self.index_of_proven())
    }

    fn index_of_proven(&self) -> MutexGuard<'_, Option<ProvenIndex>> {
        self.pulling.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tokens_in(answers: &[(Answer, ProvenRecord)]) -> BTreeSet<SearchToken> {
    let entries = answers.iter().flat_map(|(_, proven)| &proven.entries);
    entries.flat_map(|one| tokens_of_entry(&one.entry)).collect()
}

fn tokens_of_entry(entry: &Entry) -> BTreeSet<SearchToken> {
    if entry.kind != EntryKind::FACTS {
        return BTreeSet::new();
    }
    FactsBody::named(&entry.body).map(|facts| demographic_tokens(&facts)).unwrap_or_default()
}
