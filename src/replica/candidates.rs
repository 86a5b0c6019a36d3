//! Whom a search looks into: the entries that the index names, judged by what each says alone, until there are enough.
//!
//! The index gives places and nothing else, so each candidate is an entry read from its run. Of a region's 15,000 people of
//! one family name nobody reads all: those come first that are in all groups of the query, in the order of its tokens.

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
        for (place, posting) in postings.iter().enumerate() {
            if place == CANDIDATES_MAX || fitting >= enough {
                more = true;
                break;
            }
            if fitting > 0 && place >= in_all + APART_MAX {
                break;
            }
            for entry in self.entries_at(posting)? {
                let Some(record) = index::record_of(&entry) else { continue };
                let hint = hint_of(&entry, asked);
                let new = || (Candidate { hint: Hint::default(), entries: 0, record }, place);
                let (candidate, _) = met.entry(record).or_insert_with(new);
                fitting += usize::from(asked.is_met(hint) && !asked.is_met(candidate.hint));
                candidate.hint = hint.max(candidate.hint);
                candidate.entries += 1;
            }
        }
        let mut candidates: Vec<(Candidate, usize)> = met.into_values().collect();
        candidates.sort_by_key(|(candidate, place)| (std::cmp::Reverse(candidate.hint), *place));
        Ok((candidates.into_iter().map(|(candidate, _)| candidate).collect(), more))
    }

    /// Finds the entries of the group of tokens that the fewest have; first those that are in the other groups, too: of 10,000
    /// people of one name the one born on that day. Also says how many these are.
    fn postings_of(&self, text: &str) -> Result<(Vec<Posting>, usize), ReplicaError> {
        let mut groups: Vec<Vec<Posting>> = Vec::new();
        for group in query(text) {
            let mut postings = Vec::new();
            for token in &group {
                postings.extend(self.entries_with(token)?);
            }
            groups.push(postings);
        }
        groups.sort_by_key(Vec::len);
        let mut groups = groups.into_iter();
        let Some(mut rarest) = groups.next() else { return Ok((Vec::new(), 0)) };
        let mut met = HashSet::new();
        rarest.retain(|posting| met.insert(*posting));
        let others: Vec<Vec<Posting>> = groups
            .map(|mut other| {
                other.sort_unstable();
                other
            })
            .collect();
        let in_all = |posting: &Posting| others.iter().all(|other| other.binary_search(posting).is_ok());
        let (mut first, rest): (Vec<Posting>, Vec<Posting>) = rarest.into_iter().partition(in_all);
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

/// Judges an entry by what its registrations say. What cannot be read says nothing here: its record is judged whole, after
/// those that fit.
fn hint_of(entry: &Entry, asked: &Asked) -> Hint {
    if entry.kind != EntryKind::FACTS {
        return Hint::default();
    }
    let Ok(body) = FactsBody::from_bytes(&entry.body) else { return Hint::default() };
    let resources: Vec<Value> = body
        .statements
        .iter()
        .map(|statement| serde_json::from_str(&statement.resource).unwrap_or_default())
        .collect();
    let said = resources.iter().filter_map(|json| Some((json["resourceType"].as_str()?, json)));
    let said: Vec<(&str, &Value)> =
        said.filter(|(kind, _)| section_of(kind) == Section::Demographics).collect();
    asked.hint(&said)
}
