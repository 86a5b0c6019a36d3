//! Whom a search looks into: the entries that the index names, judged by what each says alone, until there are enough.
//!
//! The index gives places and nothing else, so each candidate is an entry read from its run. Of a region's 15,000 people of
//! one family name nobody reads all: those come first that are in all groups of the query, in the order of its tokens.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::core::Replica;
use super::error::ReplicaError;
use super::index;
use crate::base::RecordId;
use crate::lane::{Entry, EntryKind};
use crate::record::names::{Asked, Hint, SearchToken, query};
use crate::record::{FactsBody, Section, section_of};
use crate::store::Posting;

/// Most entries that one search reads while fewer than enough fit; a query that is met by more is too short.
const CANDIDATES_MAX: usize = 2_000;
/// So many times as many as are asked for are enough to choose the best from, but never less than [`ENOUGH_MIN`].
const ENOUGH_TIMES: usize = 4;
const ENOUGH_MIN: usize = 64;
/// So many entries are read at once.
const READ_AT_ONCE: usize = 32;
/// Where somebody fits in all words, so many are read of whom one entry says only some of them: another may say the rest.
const APART_MAX: usize = 64;

/// A record that may be meant.
pub(super) struct Candidate {
    /// How well what was read of it fits.
    hint: Hint,
    /// How many of its entries were read.
    entries: usize,
    /// The record.
    pub(super) record: RecordId,
}

impl Candidate {
    /// Says whether the record can be meant: what was read of it fits, or something else is said of it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn may_be_meant(&self, replica: &Replica, asked: &Asked) -> Result<bool, ReplicaError> {
        Ok(asked.is_met(self.hint) || self.entries > 1 || replica.entries_of(&self.record)?.len() > 1)
    }
}

impl Replica {
    /// Collects the records that may be meant, the likeliest first; also says whether there are more.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn candidates(
        &self,
        text: &str,
        asked: &Asked,
        limit: usize,
    ) -> Result<(Vec<Candidate>, bool), ReplicaError> {
        let (postings, in_all) = self.postings_of(text)?;
        let enough = ENOUGH_MIN.max(limit.saturating_mul(ENOUGH_TIMES));
        // Each with the place at which it was met first.
        let mut met: BTreeMap<RecordId, (Candidate, usize)> = BTreeMap::new();
        let (mut fitting, mut more) = (0, false);
        let mut place = 0;
        while place < postings.len() {
            let end = if fitting > 0 { CANDIDATES_MAX.min(in_all + APART_MAX) } else { CANDIDATES_MAX };
            if place == CANDIDATES_MAX || fitting >= enough {
                more = true;
                break;
            }
            if place >= end {
                break;
            }
            let some = place + READ_AT_ONCE.min(enough - fitting);
            let some = some.min(postings.len()).min(if place < in_all { in_all } else { end });
            let read = self.entries_at_each(&postings[place..some])?;
            for (place, entry) in
                (place..).zip(read).flat_map(|(place, all)| all.into_iter().map(move |one| (place, one)))
            {
                let Some(record) = index::record_of(&entry) else { continue };
                let hint = hint_of(&entry, asked);
                let new = || (Candidate { hint: Hint::default(), entries: 0, record }, place);
                let (candidate, _) = met.entry(record).or_insert_with(new);
                fitting += usize::from(asked.is_met(hint) && !asked.is_met(candidate.hint));
                candidate.hint = hint.max(candidate.hint);
                candidate.entries += 1;
            }
            place = some;
        }
        // Whom somebody fetched or read from paper has no entries here: each is judged whole, and before the others.
        let apart = self.proven_candidates(text)?.into_iter().filter(|record| !met.contains_key(record));
        let apart = apart.map(|record| Candidate { hint: Hint::default(), entries: usize::MAX, record });
        let apart: Vec<Candidate> = apart.collect();
        let mut candidates: Vec<(Candidate, usize)> = met.into_values().collect();
        candidates.sort_by_key(|(candidate, place)| (std::cmp::Reverse(candidate.hint), *place));
        let candidates = candidates.into_iter().map(|(candidate, _)| candidate);
        Ok((apart.into_iter().chain(candidates).collect(), more))
    }

    /// Finds the entries of the group of tokens that the fewest have; first those that are in the other groups, too: of 10,000
    /// people of one name the one born on that day. Also says how many these are.
    fn postings_of(&self, text: &str) -> Result<(Vec<Posting>, usize), ReplicaError> {
        // Of each group the lists of its tokens, each of them sorted.
        let mut groups: Vec<Vec<Vec<Posting>>> = Vec::new();
        for group in query(text) {
            groups.push(group.iter().map(|token| self.entries_with(token)).collect::<Result<_, _>>()?);
        }
        groups.sort_by_key(|lists| lists.iter().map(Vec::len).sum::<usize>());
        let Some((rarest, others)) = groups.split_first() else { return Ok((Vec::new(), 0)) };
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for (number, list) in rarest.iter().enumerate() {
            let known = in_any(list, &rarest[..number]);
            let in_others: Vec<Vec<bool>> = others.iter().map(|lists| in_any(list, lists)).collect();
            for (place, posting) in list.iter().enumerate().filter(|(place, _)| !known[*place]) {
                let in_all = in_others.iter().all(|other| other[place]);
                if in_all { &mut first } else { &mut rest }.push(*posting);
            }
        }
        let in_all = first.len();
        first.extend(rest);
        Ok((first, in_all))
    }

    /// Finds the records of which entries stand under any of these tokens, up to as many as a search looks into.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn records_with(&self, group: &[SearchToken]) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let mut records = BTreeSet::new();
        for token in group {
            for posting in self.entries_with(token)? {
                if records.len() > CANDIDATES_MAX {
                    return Ok(records);
                }
                records.extend(self.records_at(&posting)?);
            }
        }
        Ok(records)
    }
}

/// Says of each posting of a sorted list whether it is in one of these, which are sorted, too.
fn in_any(list: &[Posting], others: &[Vec<Posting>]) -> Vec<bool> {
    let mut found = vec![false; list.len()];
    for mut other in others.iter().map(Vec::as_slice) {
        for (posting, found) in list.iter().zip(&mut found) {
            other = from(other, posting);
            *found |= other.first() == Some(posting);
        }
    }
    found
}

/// Leaves out of a sorted list what comes before a posting, in steps that double: usually it is near.
fn from<'a>(list: &'a [Posting], posting: &Posting) -> &'a [Posting] {
    let mut step = 1;
    while list.get(step).is_some_and(|other| other < posting) {
        step *= 2;
    }
    let (near, far) = (step / 2, list.len().min(step + 1));
    &list[near + list[near..far].partition_point(|other| other < posting)..]
}

/// Judges an entry by what its registrations say. What cannot be read says nothing here: its record is judged whole, after
/// those that fit.
fn hint_of(entry: &Entry, asked: &Asked) -> Hint {
    if entry.kind != EntryKind::FACTS {
        return Hint::default();
    }
    let Ok(facts) = FactsBody::named(&entry.body) else { return Hint::default() };
    let registrations =
        facts.resources.iter().filter(|it| section_of(&it.resource_type) == Section::Demographics);
    let said: Vec<(&str, Value)> = registrations
        .map(|it| (&*it.resource_type, serde_json::from_str(it.text).unwrap_or_default()))
        .collect();
    let said: Vec<(&str, &Value)> = said.iter().map(|(kind, json)| (*kind, json)).collect();
    asked.hint(&said)
}
