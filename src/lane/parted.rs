//! A proven record on its way: facts first, proofs after.
//!
//! Each of the two is `kind (0 facts, 1 proofs) ‖ length (4, big-endian) ‖ canonical CBOR`. Facts are
//! `[[lane name, seq, entry] …]`; proofs are `[version, realm, record, answerer, certificate, time, [[size, [node …], signature,
//! certificate] …], answered or null, signature, [certificate bytes …]]`, one proof for each entry. Together they are the signed
//! form of the record again, byte for byte, so its signature covers what came in parts.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::carry::Carried;
use super::entry::{Entry, LaneName};
use super::proven::{Answered, ProvenError, ProvenRecord};
use crate::base::cbor::{self, CborError};
use crate::base::limits::PROVEN_ENTRIES_MAX;
use crate::base::{DeviceId, Digest, RealmId, RecordId, WallMs};
use crate::identity::signed::{Signed, SignedError};

const FACTS: u8 = 0;
const PROOFS: u8 = 1;
/// Bytes of a kind and a length.
const HEAD_BYTES: usize = 5;

/// A proven record in two parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parted {
    /// What can be read at once.
    pub facts: Vec<u8>,
    /// What makes it believed.
    pub proofs: Vec<u8>,
}

/// Why bytes do not become a proven record again.
#[derive(Debug, thiserror::Error)]
pub enum PartedError {
    /// They are neither facts nor proofs.
    #[error("an answer: {0} is neither facts nor proofs")]
    Kind(u8),
    /// They are not the canonical form.
    #[error("an answer: {0}")]
    Encoding(#[from] CborError),
    /// Facts came twice, proofs without facts, or not one proof for each fact.
    #[error("an answer: its proofs are not those of its facts")]
    Unmatched,
    /// More than any answer has.
    #[error("an answer: more than {0} bytes")]
    TooLarge(usize),
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] ProvenError),
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Fact {
    #[n(0)]
    name: LaneName,
    #[n(1)]
    seq: u64,
    #[n(2)]
    entry: Entry,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Proof {
    #[n(0)]
    size: u64,
    #[n(1)]
    proof: Vec<Digest>,
    #[cbor(n(2), with = "minicbor::bytes")]
    signature: [u8; 64],
    #[n(3)]
    certificate: Digest,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Proofs {
    #[n(0)]
    version: u8,
    #[n(1)]
    realm: RealmId,
    #[n(2)]
    record: RecordId,
    #[n(3)]
    answerer: DeviceId,
    #[n(4)]
    certificate: Digest,
    #[n(5)]
    time: WallMs,
    #[n(6)]
    proofs: Vec<Proof>,
    #[n(7)]
    answered: Option<Answered>,
    #[cbor(n(8), with = "minicbor::bytes")]
    signature: [u8; 64],
    #[n(9)]
    chain: Vec<ByteVec>,
}

/// Parts the signed form of a proven record.
///
/// # Errors
/// When the bytes are not its signed form.
pub fn parted(signed: &[u8]) -> Result<Parted, PartedError> {
    let (record, chain) = ProvenRecord::read(signed)?;
    let signature = Signed::read(signed, chain.len()).map_err(ProvenError::from)?.signature;
    let (mut facts, mut proofs) = (Vec::new(), Vec::new());
    for Carried { name, seq, entry, size, proof, signature, certificate } in record.entries {
        facts.push(Fact { name, seq, entry });
        proofs.push(Proof { size, proof, signature, certificate });
    }
    let ProvenRecord { version, realm, record, answerer, certificate, time, answered, entries: _ } = record;
    let chain = chain.into_iter().map(ByteVec::from).collect();
    let proofs =
        Proofs { version, realm, record, answerer, certificate, time, proofs, answered, signature, chain };
    Ok(Parted {
        facts: framed(FACTS, &cbor::to_vec(&facts))?,
        proofs: framed(PROOFS, &cbor::to_vec(&proofs))?,
    })
}

fn framed(kind: u8, body: &[u8]) -> Result<Vec<u8>, PartedError> {
    let length = u32::try_from(body.len()).map_err(|_| PartedError::TooLarge(body.len()))?;
    Ok([&[kind][..], &length.to_be_bytes(), body].concat())
}

/// What bytes of an answer have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// So many entries can be read; nothing of them is proven yet.
    Facts(usize),
    /// A proven record in its signed form, whose signature and proofs are still to be checked.
    Signed(Vec<u8>),
}

/// Puts the parts of an answer together again, whatever pieces its bytes come in.
#[derive(Debug)]
pub struct Gatherer {
    most: usize,
    taken: usize,
    bytes: Vec<u8>,
    facts: Option<Vec<u8>>,
}

impl Gatherer {
    /// Prepares for an answer of at most so many bytes.
    pub fn new(most: usize) -> Self {
        Self { most, taken: 0, bytes: Vec::new(), facts: None }
    }

    /// Says whether nothing is begun and unfinished.
    pub fn is_between(&self) -> bool {
        self.bytes.is_empty() && self.facts.is_none()
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`PartedError`]: then the answer is of no more use.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Step>, PartedError> {
        self.taken = self.taken.saturating_add(bytes.len());
        if self.taken > self.most {
            return Err(PartedError::TooLarge(self.most));
        }
        self.bytes.extend_from_slice(bytes);
        let mut steps = Vec::new();
        while let Some((kind, body)) = self.next_frame()? {
            steps.push(match (kind, self.facts.take()) {
                (FACTS, None) => {
                    let count = minicbor::Decoder::new(&body).array().ok().flatten().unwrap_or(0);
                    self.facts = Some(body);
                    Step::Facts(usize::try_from(count).unwrap_or(0))
                }
                (PROOFS, Some(facts)) => Step::Signed(joined(&facts, &body)?),
                (FACTS | PROOFS, _) => return Err(PartedError::Unmatched),
                (kind, _) => return Err(PartedError::Kind(kind)),
            });
        }
        Ok(steps)
    }

    fn next_frame(&mut self) -> Result<Option<(u8, Vec<u8>)>, PartedError> {
        let Some((&kind, rest)) = self.bytes.split_first() else { return Ok(None) };
        if kind > PROOFS {
            return Err(PartedError::Kind(kind));
        }
        let Some((length, body)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > self.most {
            return Err(PartedError::TooLarge(self.most));
        }
        let Some(body) = body.get(..length) else { return Ok(None) };
        let body = body.to_vec();
        self.bytes.drain(..HEAD_BYTES + length);
        Ok(Some((kind, body)))
    }
}

fn joined(facts: &[u8], proofs: &[u8]) -> Result<Vec<u8>, PartedError> {
    let facts: Vec<Fact> = cbor::from_canonical(facts)?;
    let proofs: Proofs = cbor::from_canonical(proofs)?;
    if facts.len() != proofs.proofs.len() {
        return Err(PartedError::Unmatched);
    }
    if facts.len() > PROVEN_ENTRIES_MAX {
        return Err(ProvenError::TooMany(facts.len()).into());
    }
    let entries = facts.into_iter().zip(proofs.proofs).map(|(Fact { name, seq, entry }, proof)| {
        let Proof { size, proof, signature, certificate } = proof;
        Carried { name, seq, entry, size, proof, signature, certificate }
    });
    let Proofs { version, realm, record, answerer, certificate, time, answered, signature, chain, .. } =
        proofs;
    let entries = entries.collect();
    let body = ProvenRecord { version, realm, record, answerer, certificate, time, entries, answered };
    let signed = Signed { body: cbor::to_vec(&body), signature, chain };
    signed.verify(ProvenRecord::TAG, &answerer).map_err(|error: SignedError| ProvenError::from(error))?;
    Ok(cbor::to_vec(&signed))
}
