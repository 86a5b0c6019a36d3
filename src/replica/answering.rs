//! Answering who asks for one person: found exactly, proven, the card of each record before the rest of any.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Replica;
use super::error::ReplicaError;
use super::granting::Grant;
use super::index;
use crate::base::{Area, DeviceId, LaneId, Part, RecordId};
use crate::lane::{Answered, Carried, LaneName, ProvenRecord, Unheard, parted};
use crate::record::Whom;
use crate::record::sections::demographics;
use crate::sync::limits::ANSWER_BYTES_MAX;
use crate::sync::{Ended, Reach};

/// Most records that one answer is of: one person is registered at several hospitals, and twins of one name are rare.
const RECORDS_MAX: usize = 4;
/// Most entries of the rarest token that are looked into: a whole name, a birth date or an identifier that more have
/// is none by which one person is found.
const CANDIDATES_MAX: usize = 2_000;
/// Bytes of an answer that its heads, signatures and certificates may take.
const BESIDE_BYTES: usize = 256 << 10;
/// Bytes that an entry takes beside its body and its proof, about: names, signature, hashes.
const ENTRY_BESIDE_BYTES: usize = 400;
/// Most sites that are told as not heard.
const UNHEARD_MAX: usize = 8;
/// The bytes of an answer, in the order in which they are useful, each as urgent as its part.
pub(super) type Bytes = Vec<(Part, Vec<u8>)>;

/// What an answer is of beside the card.
const REST: [Part; 2] = [Part::Notes, Part::Data];

impl Replica {
    /// Answers a device that asks for a person: the bytes of an answer in the order in which they are useful, and how it
    /// ends.
    pub(super) fn answer_ask(&self, asker: &DeviceId, whom: &Whom, reach: Reach) -> (Bytes, Ended) {
        let answered = self.grant(asker).and_then(|grant| match self.answered(asker, &grant, whom, reach) {
            Ok(answered) => answered,
            Err(error) => {
                tracing::warn!(%error, "a person could not be looked up for a device that asked");
                Err(Ended::Failed)
            }
        });
        match answered {
            Ok(parts) => (parts, Ended::Whole),
            Err(why) => {
                self.note_refused(asker, why);
                (Vec::new(), why)
            }
        }
    }

    fn answered(
        &self,
        asker: &DeviceId,
        grant: &Grant,
        whom: &Whom,
        reach: Reach,
    ) -> Result<Result<Bytes, Ended>, ReplicaError> {
        let records = match self.meant(whom)? {
            records if records.is_empty() => return Ok(Err(Ended::Nobody)),
            records if records.len() > RECORDS_MAX => return Ok(Err(Ended::Several)),
            records => records,
        };
        let (mut bytes, mut room) = (Vec::new(), ANSWER_BYTES_MAX - BESIDE_BYTES);
        let mut given: BTreeMap<RecordId, usize> = BTreeMap::new();
        for parts in [&[Part::Card][..], &REST] {
            let parts: Vec<Part> = parts.iter().copied().filter(|part| reach.lets(*part)).collect();
            for record in &records {
                let wanted = |lane: &LaneName| parts.contains(&lane.part) && grant.lets(lane);
                let Some((proven, signed)) = self.proven_within(record, &parts, &wanted, &mut room)? else {
                    continue;
                };
                let made = parted(&signed).map_err(|error| ReplicaError::Bundle(error.to_string()))?;
                *given.entry(*record).or_default() += proven.entries.len();
                let part = parts.first().copied().unwrap_or(Part::Data);
                bytes.extend([(part, made.facts), (part, made.proofs)]);
            }
        }
        given.iter().for_each(|(record, entries)| self.note_given(asker, record, *entries));
        // Not even that there is somebody is told to who may not have it.
        Ok(if given.is_empty() { Err(Ended::Nobody) } else { Ok(bytes) })
    }

    /// Finds the records of the person who is meant; one more than an answer may have when there are too many.
    fn meant(&self, whom: &Whom) -> Result<Vec<RecordId>, ReplicaError> {
        if let Whom::Record { record } = whom {
            return Ok(if self.entries_of(record)?.is_empty() { Vec::new() } else { vec![*record] });
        }
        let mut groups = Vec::new();
        for token in whom.tokens() {
            groups.push(self.entries_with(&token)?);
        }
        let Some(rarest) = groups.into_iter().min_by_key(Vec::len) else { return Ok(Vec::new()) };
        let (mut looked_at, mut meant) = (BTreeSet::new(), Vec::new());
        for posting in rarest.into_iter().take(CANDIDATES_MAX) {
            let records = self.records_at(&posting)?;
            for record in records.into_iter().filter(|record| looked_at.insert(*record)) {
                let who = demographics::view(&self.facts_in(&record, Some(Part::Card))?.0).0;
                if whom.is(&record, &who) {
                    meant.push(record);
                }
            }
            if meant.len() > RECORDS_MAX {
                break;
            }
        }
        Ok(meant)
    }

    /// Proves what is known of a record in some parts, as far as there is room: the latest entries first. None when there
    /// is nothing of it.
    fn proven_within(
        &self,
        record: &RecordId,
        parts: &[Part],
        wanted: &dyn Fn(&LaneName) -> bool,
        room: &mut usize,
    ) -> Result<Option<(ProvenRecord, Vec<u8>)>, ReplicaError> {
        let all = self.carried_of(record, wanted)?;
        if all.is_empty() {
            return Ok(None);
        }
        let count = all.len();
        let mut latest: Vec<((LaneId, u64), Carried)> = all.into_iter().collect();
        latest.sort_by_key(|(place, one)| (std::cmp::Reverse(index::time_of(&one.entry)), *place));
        let mut entries = BTreeMap::new();
        for (place, one) in latest {
            let size = one.entry.body.len() + 32 * one.proof.len() + ENTRY_BESIDE_BYTES;
            if entries.len() < crate::base::limits::PROVEN_ENTRIES_MAX && size <= *room {
                *room -= size;
                entries.insert(place, one);
            }
        }
        let lanes: BTreeSet<LaneId> = entries.keys().map(|(lane, _)| *lane).collect();
        let areas: BTreeSet<Area> = entries.values().map(|one| one.name.area.clone()).collect();
        let silent = self.silent_sites(&lanes, &areas)?.into_iter().take(UNHEARD_MAX);
        let answered = Answered {
            parts: parts.to_vec(),
            left_out: (count - entries.len()) as u64,
            unheard: silent.map(|one| Unheard { site: short_name(one.site), heard: one.heard }).collect(),
        };
        Ok(Some(self.sign_proven(record, entries, Some(answered))))
    }
}

/// A name that fits into an answer.
fn short_name(mut name: String) -> String {
    while name.len() > 200 {
        name.pop();
    }
    name
}
