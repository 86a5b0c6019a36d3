//! Entries with proofs beside the log: one patient's card, given to somebody who holds nothing else of them, and kept there
//! until the lanes themselves arrive.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::core::Replica;
use super::error::ReplicaError;
use super::index::record_of;
use crate::base::limits::PROVEN_ENTRIES_MAX;
use crate::base::{LaneId, Part, RecordId, WallMs, cbor};
use crate::lane::carry::{Carried, prove};
use crate::lane::proven::ProvenRecord;
use crate::lane::{CarryBody, EntryKind, VerifiedCarried};
use crate::record::facts::Standing;
use crate::store::Batch;

/// The store's space of records with proofs, by record.
const PROVEN: &str = "proven";
/// Most answers that are kept of one record: the latest of each answerer.
const ANSWERS_MAX: usize = 8;
const PAGE: usize = 256;

/// By what way a record with proofs came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// As QR codes.
    #[n(0)]
    Qr,
    /// From a peer that was asked.
    #[n(1)]
    Peer,
}

/// One answer, as it is kept in the store.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
struct Answer {
    #[n(0)]
    via: Via,
    #[n(1)]
    signed: ByteVec,
}

/// What is known of a record by proofs alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvenShown {
    /// The record.
    pub record: RecordId,
    /// By what way it came.
    pub via: Via,
    /// As known to which site.
    pub site: String,
    /// As known to which device.
    pub device: String,
    /// As known when, by that device's clock.
    pub time: WallMs,
    /// Entries that are in no lane that is held here.
    pub entries: u64,
}

impl ProvenShown {
    /// Tells it in one line.
    pub fn text(&self) -> String {
        let via = match self.via {
            Via::Qr => "BY QR",
            Via::Peer => "FETCHED",
        };
        let time = crate::record::build::fhir_time(self.time);
        let known = format!("{via}, as known to {} ({}) at {time}", self.site, self.device);
        format!(
            "{known}: {} entries of the card alone; notes, results and what was written since are not here\n",
            self.entries
        )
    }
}

/// An entry that is known by its proof, and in no lane that is held here.
pub(super) struct ProvenEntry {
    pub(super) entry: VerifiedCarried,
    pub(super) standing: Standing,
}

impl Replica {
    /// Proves what this replica knows of a record in one part: signed, with all certificates that it takes to believe it.
    ///
    /// # Errors
    /// When the store fails, or there are more entries than one answer holds.
    pub fn proven_record(
        &self,
        record: &RecordId,
        part: Part,
    ) -> Result<(ProvenRecord, Vec<u8>), ReplicaError> {
        let me = self.me();
        let mut entries: BTreeMap<(LaneId, u64), Carried> = BTreeMap::new();
        for posting in self.entries_of(record)? {
            let Some(state) = self.lane(&posting.lane).filter(|state| state.name.part == part) else {
                continue;
            };
            let Some(run) = self.store.runs(&posting.lane, posting.seq, 1)?.into_iter().next() else {
                continue;
            };
            let entry =
                posting.seq.checked_sub(run.start).and_then(|at| run.entries.get(usize::try_from(at).ok()?));
            match entry.map(|entry| (entry.kind, &entry.body)) {
                Some((EntryKind::CARRY, body)) => {
                    let carried = CarryBody::read(body).map(|body| body.carried).unwrap_or_default();
                    let about = carried.into_iter().filter(|one| record_of(&one.entry) == Some(*record));
                    entries.extend(about.map(|one| ((one.name.id(), one.seq), one)));
                }
                Some((EntryKind::FACTS, _)) => {
                    let before = self.store.frontier_at(&posting.lane, run.start)?;
                    let Some(certificate) = state.certificate_at(posting.seq) else { continue };
                    let one = Carried::from_run(&state.name, &before, &run, posting.seq, certificate);
                    entries.extend(one.map(|one| ((posting.lane, posting.seq), one)));
                }
                _ => {}
            }
        }
        if entries.len() > PROVEN_ENTRIES_MAX {
            return Err(ReplicaError::Call(format!(
                "the record has {} entries in its {part}, more than {PROVEN_ENTRIES_MAX}; give it on a stick with `musubi bundle export`",
                entries.len()
            )));
        }
        let mut signed: Vec<Vec<u8>> = Vec::new();
        let mut seen = BTreeSet::new();
        let roster = self.roster();
        for certificate in entries.values().map(|one| &one.certificate).chain([&me.certificate]) {
            for (hash, bytes) in roster.certificates.chain(certificate) {
                if seen.insert(hash) {
                    signed.push(bytes.to_vec());
                }
            }
        }
        let proven = ProvenRecord {
            version: ProvenRecord::VERSION,
            realm: me.realm,
            record: *record,
            answerer: me.device,
            certificate: me.certificate,
            time: self.environment.now(),
            entries: entries.into_values().collect(),
        };
        let bytes = proven.sign(&me.seed, signed);
        Ok((proven, bytes))
    }

    /// Takes a record with proofs and keeps it, durably, until its lanes arrive; a later answer of one answerer replaces
    /// the earlier.
    ///
    /// # Errors
    /// [`ReplicaError::Bundle`] when any of it is not believed: then nothing was kept. When the store fails.
    pub fn take_proven(&self, via: Via, signed: &[u8]) -> Result<ProvenRecord, ReplicaError> {
        let damaged = |error: crate::lane::proven::ProvenError| ReplicaError::Bundle(error.to_string());
        let (proven, certificates) = ProvenRecord::read(signed).map_err(damaged)?;
        if proven.realm != self.me().realm {
            return Err(damaged(crate::lane::proven::ProvenError::Realm(proven.realm)));
        }
        self.offer_certificates(&certificates);
        let verified = proven.verify(&self.roster().certificates).map_err(damaged)?;
        if let Some(other) = verified.iter().find(|one| record_of(&one.entry) != Some(proven.record)) {
            return Err(ReplicaError::Bundle(format!(
                "a record with proofs: entry {} of lane {} is of another record",
                other.seq,
                other.lane.short()
            )));
        }
        let mut answers = self.answers(&proven.record)?;
        let is_newer =
            |(_, kept): &(Answer, ProvenRecord)| kept.answerer == proven.answerer && kept.time > proven.time;
        if !answers.iter().any(is_newer) {
            answers.retain(|(_, kept)| kept.answerer != proven.answerer && self.is_beyond(kept));
            answers.push((Answer { via, signed: signed.to_vec().into() }, proven.clone()));
            answers.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.time));
            answers.truncate(ANSWERS_MAX);
        }
        let kept: Vec<&Answer> = answers.iter().map(|(answer, _)| answer).collect();
        let blobs = vec![(PROVEN.to_owned(), proven.record.0.to_vec(), cbor::to_vec(&kept))];
        // The certificates that came with it become durable in the same commit.
        self.commit(&mut self.lock(), Batch { blobs, ..Batch::default() })?;
        Ok(proven)
    }

    /// The entries of a record that are known by proof, and in no lane that is held here.
    pub(super) fn proven_entries(&self, record: &RecordId) -> Result<Vec<ProvenEntry>, ReplicaError> {
        let mut entries: BTreeMap<(LaneId, u64), ProvenEntry> = BTreeMap::new();
        let certificates = |one: &Carried| prove(one, &self.lock().roster.certificates).ok();
        for (_, answer) in self.answers(record)? {
            for one in answer.entries.iter().filter(|one| self.is_new(one)) {
                let Some(entry) = certificates(one) else { continue };
                let fork = self.lane(&entry.lane).and_then(|state| state.fork);
                let standing = match fork.is_some_and(|fork| fork.at <= entry.seq) {
                    true => Standing::Disputed,
                    false => Standing::Verified,
                };
                entries.insert((entry.lane, entry.seq), ProvenEntry { entry, standing });
            }
        }
        Ok(entries.into_values().collect())
    }

    /// Tells what of a record is known by proofs alone, for each answer that still adds something.
    pub(super) fn proven_shown(&self, record: &RecordId) -> Result<Vec<ProvenShown>, ReplicaError> {
        let answers = self.answers(record)?;
        let shown = answers.into_iter().map(|(Answer { via, .. }, answer)| {
            let (device, site) = self.device_told(&answer.answerer);
            let entries = answer.entries.iter().filter(|one| self.is_new(one)).count() as u64;
            let site = site.unwrap_or_default();
            ProvenShown { record: *record, via, site, device, time: answer.time, entries }
        });
        Ok(shown.filter(|shown| shown.entries > 0).collect())
    }

    /// Says whether something of a record is known by proof and in no lane that is held here.
    ///
    /// # Errors
    /// When the store fails.
    pub fn is_known_by_proof(&self, record: &RecordId) -> Result<bool, ReplicaError> {
        Ok(!self.proven_shown(record)?.is_empty())
    }

    /// Lists the records of which something is known by proof.
    pub(super) fn proven_records(&self) -> Result<Vec<RecordId>, ReplicaError> {
        let (mut records, mut after): (Vec<RecordId>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let page = self.store.blobs(PROVEN, after.as_deref(), PAGE)?;
            records
                .extend(page.iter().filter_map(|(key, _)| Some(RecordId(key.as_slice().try_into().ok()?))));
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                Some(_) | None => return Ok(records),
            }
        }
    }

    fn answers(&self, record: &RecordId) -> Result<Vec<(Answer, ProvenRecord)>, ReplicaError> {
        let bytes = self.store.blob(PROVEN, &record.0)?;
        // What another version has kept is fetched again.
        let answers: Vec<Answer> =
            bytes.and_then(|bytes| cbor::from_canonical(&bytes).ok()).unwrap_or_default();
        let read = |answer: Answer| Some((ProvenRecord::read(&answer.signed).ok()?.0, answer));
        Ok(answers.into_iter().filter_map(read).map(|(proven, answer)| (answer, proven)).collect())
    }

    fn is_beyond(&self, answer: &ProvenRecord) -> bool {
        answer.entries.iter().any(|one| self.is_new(one))
    }

    /// Says whether an entry is beyond what is held of its lane.
    fn is_new(&self, carried: &Carried) -> bool {
        self.lane(&carried.name.id()).is_none_or(|state| state.size() <= carried.seq)
    }
}
