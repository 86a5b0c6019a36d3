//! Entries with proofs beside the log: one patient's card, given to somebody who holds nothing else of them, and kept there
//! until the lanes themselves arrive.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::core::Replica;
use super::error::ReplicaError;
use super::index::record_of;
use super::pull_answer::UnheardSite;
use crate::base::limits::PROVEN_ENTRIES_MAX;
use crate::base::{DeviceId, LaneId, Part, RecordId, WallMs, cbor};
use crate::lane::carry::{Carried, prove};
use crate::lane::{Answered, CarryBody, EntryKind, LaneName, ProvenError, ProvenRecord, VerifiedCarried};
use crate::record::facts::Standing;
use crate::store::Batch;

/// The store's space of records with proofs, by record.
const PROVEN: &str = "proven";
/// Most answers that are kept of one record: the latest of each answerer.
const ANSWERS_MAX: usize = 8;
const PAGE: usize = 64;

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
pub(super) struct Answer {
    #[n(0)]
    pub(super) via: Via,
    #[n(1)]
    signed: ByteVec,
    /// When it came, of what a peer answered: after a while it is forgotten.
    #[n(2)]
    pub(super) taken: Option<WallMs>,
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
    /// How long ago that is, in milliseconds.
    #[serde(default)]
    pub age_ms: u64,
    /// Of which parts of the record it is.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Entries that are in no lane that is held here.
    pub entries: u64,
    /// Entries that the answerer has and for which the answer had no room.
    #[serde(default)]
    pub left_out: u64,
    /// Sites that the answerer had not heard for long.
    #[serde(default)]
    pub unheard: Vec<UnheardSite>,
}

impl ProvenShown {
    /// Says as known to whom, when and how long ago.
    pub fn source(&self) -> String {
        let via = match self.via {
            Via::Qr => "BY QR",
            Via::Peer => "FETCHED",
        };
        let time = crate::record::build::fhir_time(self.time);
        let ago = match self.age_ms / 60_000 {
            0 => "just now".to_owned(),
            minutes @ 1..120 => format!("{minutes} min ago"),
            minutes @ 120..2_880 => format!("{} h ago", minutes / 60),
            minutes => format!("{} d ago", minutes / 1_440),
        };
        format!("{via}, as known to {} ({}) at {time}, {ago}", self.site, self.device)
    }

    /// Tells it in one line, and in another what may be missing.
    pub fn text(&self) -> String {
        let entries = match self.parts.as_slice() {
            [] | [Part::Card] => format!(
                "{} entries of the card alone; notes, results and what was written since are not here",
                self.entries
            ),
            parts => {
                let parts: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                format!(
                    "{} entries of {}; what was written since is not here",
                    self.entries,
                    parts.join(", ")
                )
            }
        };
        let left_out = match self.left_out {
            0 => String::new(),
            more => format!("; {more} older entries had no room"),
        };
        let mut text = format!("{}: {entries}{left_out}\n", self.source());
        for UnheardSite { site, heard } in &self.unheard {
            let clean: String = site.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let since = crate::record::build::fhir_time(*heard);
            text.push_str(&format!("  there nothing was heard of {clean} since {since}\n"));
        }
        text
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
        let entries = self.carried_of(record, &|lane| lane.part == part)?;
        if entries.len() > PROVEN_ENTRIES_MAX {
            return Err(ReplicaError::Call(format!(
                "the record has {} entries in its {part}, more than {PROVEN_ENTRIES_MAX}; give it on a stick with `musubi bundle export`",
                entries.len()
            )));
        }
        Ok(self.sign_proven(record, entries, None))
    }

    /// Collects the entries of a record with their proofs, from the lanes that are wanted; what was carried into one of
    /// these counts as there.
    pub(super) fn carried_of(
        &self,
        record: &RecordId,
        wanted: &dyn Fn(&LaneName) -> bool,
    ) -> Result<BTreeMap<(LaneId, u64), Carried>, ReplicaError> {
        let mut entries: BTreeMap<(LaneId, u64), Carried> = BTreeMap::new();
        for posting in self.entries_of(record)? {
            let Some(state) = self.lane(&posting.lane).filter(|state| wanted(&state.name)) else {
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
                Some((EntryKind::FACTS | EntryKind::CHART, _)) => {
                    let before = self.store.frontier_at(&posting.lane, run.start)?;
                    let Some(certificate) = state.certificate_at(posting.seq) else { continue };
                    let one = Carried::from_run(&state.name, &before, &run, posting.seq, certificate);
                    entries.extend(one.map(|one| ((posting.lane, posting.seq), one)));
                }
                _ => {}
            }
        }
        Ok(entries)
    }

    /// Signs entries as what this replica knows of a record now, with all certificates that it takes to believe them.
    pub(super) fn sign_proven(
        &self,
        record: &RecordId,
        entries: BTreeMap<(LaneId, u64), Carried>,
        answered: Option<Answered>,
    ) -> (ProvenRecord, Vec<u8>) {
        let me = self.me();
        let mut signed: Vec<Vec<u8>> = Vec::new();
        {
            let mut seen = BTreeSet::new();
            let inner = self.lock();
            let own = [&me.certificate];
            for certificate in own.into_iter().chain(entries.values().map(|one| &one.certificate)) {
                if seen.contains(certificate) {
                    continue;
                }
                for (hash, bytes) in inner.roster.certificates.chain(certificate) {
                    if seen.insert(hash) {
                        signed.push(bytes.to_vec());
                    }
                }
            }
        }
        let proven = ProvenRecord {
            version: if answered.is_some() { ProvenRecord::VERSION_ANSWERED } else { ProvenRecord::VERSION },
            realm: me.realm,
            record: *record,
            answerer: me.device,
            certificate: me.certificate,
            time: self.environment.now(),
            entries: entries.into_values().collect(),
            answered,
        };
        let bytes = proven.sign(&me.seed, signed);
        (proven, bytes)
    }

    /// Takes a record with proofs and keeps it, durably, until its lanes arrive; a later answer of one answerer replaces
    /// the earlier.
    ///
    /// # Errors
    /// [`ReplicaError::Bundle`] when any of it is not believed: then nothing was kept. When the store fails.
    pub fn take_proven(&self, via: Via, signed: &[u8]) -> Result<ProvenRecord, ReplicaError> {
        let (proven, _) = self.believed(signed)?;
        self.keep_proven(via, &proven, signed)?;
        Ok(proven)
    }

    /// Reads and checks a record with proofs; the certificates that came with it become durable with the next commit.
    ///
    /// # Errors
    /// [`ReplicaError::Bundle`] when any of it is not believed.
    pub(super) fn believed(
        &self,
        signed: &[u8],
    ) -> Result<(ProvenRecord, Vec<VerifiedCarried>), ReplicaError> {
        let damaged = |error: ProvenError| ReplicaError::Bundle(error.to_string());
        let (proven, certificates) = ProvenRecord::read(signed).map_err(damaged)?;
        if proven.realm != self.me().realm {
            return Err(damaged(ProvenError::Realm(proven.realm)));
        }
        self.offer_certificates(&certificates);
        let verified = proven.verify(&self.lock().roster.certificates).map_err(damaged)?;
        if let Some(other) = verified.iter().find(|one| record_of(&one.entry) != Some(proven.record)) {
            return Err(ReplicaError::Bundle(format!(
                "a record with proofs: entry {} of lane {} is of another record",
                other.seq,
                other.lane.short()
            )));
        }
        Ok((proven, verified))
    }

    /// Keeps a record that is believed, durably. An answer that says no more than a later one that came the same way
    /// goes.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn keep_proven(
        &self,
        via: Via,
        proven: &ProvenRecord,
        signed: &[u8],
    ) -> Result<(), ReplicaError> {
        let _keeping = self.pulling.keeping();
        let mut answers = self.answers(&proven.record)?;
        let is_same =
            |kept: &ProvenRecord| kept.answerer == proven.answerer && kept.parts() == proven.parts();
        if !answers.iter().any(|(_, kept)| is_same(kept) && kept.time > proven.time) {
            let places: BTreeSet<(LaneId, u64)> = places(proven);
            let is_told = |answer: &Answer, kept: &ProvenRecord| {
                answer.via == via && kept.time <= proven.time && self::places(kept).is_subset(&places)
            };
            answers.retain(|(answer, kept)| !is_same(kept) && !is_told(answer, kept) && self.is_beyond(kept));
            let taken = (via == Via::Peer).then(|| self.environment.now());
            answers.push((Answer { via, signed: signed.to_vec().into(), taken }, proven.clone()));
            answers.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.time));
            answers.truncate(ANSWERS_MAX);
        }
        self.write_answers(&proven.record, &answers)
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

    /// Tells what of a record is known by proofs alone, for each answerer whose answers still add something.
    pub(super) fn proven_shown(&self, record: &RecordId) -> Result<Vec<ProvenShown>, ReplicaError> {
        let mut told: Vec<(DeviceId, ProvenShown)> = Vec::new();
        let now = self.environment.now();
        for (Answer { via, .. }, answer) in self.answers(record)? {
            let entries = answer.entries.iter().filter(|one| self.is_new(one)).count() as u64;
            if entries == 0 {
                continue;
            }
            let parts = answer.parts().to_vec();
            let Answered { left_out, unheard, .. } =
                answer.answered.unwrap_or(Answered { parts: Vec::new(), left_out: 0, unheard: Vec::new() });
            let known = told.iter_mut().find(|(device, it)| *device == answer.answerer && it.via == via);
            let shown = match known {
                Some((_, known)) => known,
                None => {
                    let (device, site) = self.device_told(&answer.answerer);
                    let site = site.unwrap_or_default();
                    let (time, record) = (answer.time, *record);
                    let new = ProvenShown {
                        record,
                        via,
                        site,
                        device,
                        time,
                        age_ms: 0,
                        parts: Vec::new(),
                        entries: 0,
                        left_out: 0,
                        unheard: Vec::new(),
                    };
                    told.push((answer.answerer, new));
                    &mut told.last_mut().expect("just added").1
                }
            };
            // Several answers of one: no newer than the oldest of them.
            shown.time = shown.time.min(answer.time);
            shown.age_ms = now.0.saturating_sub(shown.time.0);
            shown.entries += entries;
            shown.left_out += left_out;
            shown.parts.extend(parts);
            shown.parts.sort_unstable();
            shown.parts.dedup();
            for one in unheard {
                if !shown.unheard.iter().any(|known| known.site == one.site) {
                    shown.unheard.push(UnheardSite { site: one.site, heard: one.heard });
                }
            }
        }
        Ok(told.into_iter().map(|(_, shown)| shown).collect())
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

    /// Reads the answers that are kept of a record, but for those whose time is over.
    pub(super) fn answers(&self, record: &RecordId) -> Result<Vec<(Answer, ProvenRecord)>, ReplicaError> {
        let mut answers = self.all_answers(record)?;
        answers.retain(|(answer, proven)| !self.is_over(answer, proven));
        Ok(answers)
    }

    /// Reads all answers that are kept of a record.
    pub(super) fn all_answers(&self, record: &RecordId) -> Result<Vec<(Answer, ProvenRecord)>, ReplicaError> {
        let bytes = self.store.blob(PROVEN, &record.0)?;
        // What another version has kept is fetched again.
        let answers: Vec<Answer> =
            bytes.and_then(|bytes| cbor::from_canonical(&bytes).ok()).unwrap_or_default();
        let read = |answer: Answer| Some((ProvenRecord::read(&answer.signed).ok()?.0, answer));
        Ok(answers.into_iter().filter_map(read).map(|(proven, answer)| (answer, proven)).collect())
    }

    /// Makes these the answers that are kept of a record, durably, with the certificates that came with them.
    pub(super) fn write_answers(
        &self,
        record: &RecordId,
        answers: &[(Answer, ProvenRecord)],
    ) -> Result<(), ReplicaError> {
        let kept: Vec<&Answer> = answers.iter().map(|(answer, _)| answer).collect();
        let mut batch = Batch::default();
        match kept.is_empty() {
            true => batch.blobs_removed.push((PROVEN.to_owned(), record.0.to_vec())),
            false => batch.blobs.push((PROVEN.to_owned(), record.0.to_vec(), cbor::to_vec(&kept))),
        }
        self.commit(&mut self.lock(), batch)?;
        self.reindex_proven(record, answers);
        Ok(())
    }

    /// Says whether an answer says more than the lanes that are held here.
    pub(super) fn is_beyond(&self, answer: &ProvenRecord) -> bool {
        answer.entries.iter().any(|one| self.is_new(one))
    }

    /// Says whether an entry is beyond what is held of its lane.
    pub(super) fn is_new(&self, carried: &Carried) -> bool {
        self.lane(&carried.name.id()).is_none_or(|state| state.size() <= carried.seq)
    }
}

fn places(proven: &ProvenRecord) -> BTreeSet<(LaneId, u64)> {
    proven.entries.iter().map(|one| (one.name.id(), one.seq)).collect()
}
