//! Proven records: some entries of one record, each with the proof that it stands in its lane, and who says so.
//!
//! Canonical CBOR `[body bytes, signature (64), [certificate bytes …]]`, signed by the answering device over
//! `"musubi.proven.v1" ‖ body`; the body is `[version, realm, record, answerer, certificate hash, time, [carried …]]`, a carried
//! entry as in a `CARRY` entry; version 1 is a card. Version 2 has one field more, `[[part …], left out, [[site, time] …]]`: of
//! which parts it is, how many entries found no room, and whom the answerer had not heard for long, since when. What is proven is presence: that a lane's device signed a tree with this entry in it. That
//! there is nothing else only the answerer says, "as known to North, 13:40".
//!
//! Such entries cannot enter a log, which has no gaps; they are joined into the facts of their record by position, and
//! the same entry in the log is the same fact.

use minicbor::{Decode, Encode};

use super::carry::{Carried, CarryError, VerifiedCarried, prove};
use crate::base::limits::PROVEN_ENTRIES_MAX;
use crate::base::{DeviceId, Digest, Part, RealmId, RecordId, WallMs, cbor};
use crate::identity::signed::{Signed, SignedError};
use crate::identity::{Certificates, SecretSeed};

const TAG: &[u8] = b"musubi.proven.v1";
/// Most certificates that come with it: those of a hundred devices.
const CERTIFICATES_MAX: usize = 256;
/// Most sites that are named as not heard.
pub const UNHEARD_MAX: usize = 32;
/// Longest name of such a site, in bytes.
const SITE_BYTES_MAX: usize = 256;

/// Some entries of one record, as one replica knows them.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ProvenRecord {
    /// The format's version: 1, or 2 with [`Self::answered`].
    #[n(0)]
    pub version: u8,
    /// The realm.
    #[n(1)]
    pub realm: RealmId,
    /// The record.
    #[n(2)]
    pub record: RecordId,
    /// Who answers.
    #[n(3)]
    pub answerer: DeviceId,
    /// The hash of the answerer's certificate.
    #[n(4)]
    pub certificate: Digest,
    /// When, by the answerer's clock.
    #[n(5)]
    pub time: WallMs,
    /// The entries, with their proofs.
    #[n(6)]
    pub entries: Vec<Carried>,
    /// What it is an answer of; of version 1, a card.
    #[n(7)]
    pub answered: Option<Answered>,
}

/// What an answer is of, and how far the answerer had heard.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Answered {
    /// The parts of the record that it is of, ascending.
    #[n(0)]
    pub parts: Vec<Part>,
    /// How many entries of these found no room.
    #[n(1)]
    pub left_out: u64,
    /// Sites that write into the record's areas and had not been heard there for long.
    #[n(2)]
    pub unheard: Vec<Unheard>,
}

/// A site that the answerer had not heard for long.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Unheard {
    /// Its name.
    #[n(0)]
    pub site: String,
    /// When it was last heard, by the answerer's clock.
    #[n(1)]
    pub heard: WallMs,
}

/// Why a proven record is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ProvenError {
    /// It is not the canonical form, or not signed by whom it names.
    #[error("a record with proofs: {0}")]
    Signed(#[from] SignedError),
    /// There are too many entries.
    #[error("a record with proofs: {0} entries, more than {PROVEN_ENTRIES_MAX}")]
    TooMany(usize),
    /// It names more sites, or longer ones, than it may.
    #[error("a record with proofs: more than {UNHEARD_MAX} sites not heard, or one with a very long name")]
    Unheard,
    /// It is of another realm.
    #[error("a record of another realm ({})", .0.short())]
    Realm(RealmId),
    /// Its answerer is not of the realm.
    #[error("a record whose answerer {} has no certificate of this realm", .0.short())]
    Answerer(DeviceId),
    /// A proof does not hold.
    #[error("a record with proofs: {0}")]
    Proof(#[from] CarryError),
}

impl ProvenRecord {
    pub(super) const TAG: &[u8] = TAG;
    /// The version of a card.
    pub const VERSION: u8 = 1;
    /// The version of what says of what it is an answer.
    pub const VERSION_ANSWERED: u8 = 2;

    /// Returns the parts of the record that it is of.
    pub fn parts(&self) -> &[Part] {
        self.answered.as_ref().map_or(&[Part::Card], |answered| &answered.parts)
    }

    /// Signs it, with the certificates that its entries and its answerer need.
    pub fn sign(&self, answerer: &SecretSeed, certificates: Vec<Vec<u8>>) -> Vec<u8> {
        Signed::sign(TAG, cbor::to_vec(self), answerer, certificates)
    }

    /// Reads the signed form, and the certificates that come with it: to be offered to the roster before
    /// [`ProvenRecord::verify`].
    ///
    /// # Errors
    /// [`ProvenError`] says what is wrong.
    pub fn read(bytes: &[u8]) -> Result<(Self, Vec<Vec<u8>>), ProvenError> {
        let signed = Signed::read(bytes, CERTIFICATES_MAX)?;
        let read: Self = cbor::from_canonical(&signed.body).map_err(SignedError::from)?;
        let of_version = match &read.answered {
            None => Self::VERSION,
            Some(_) => Self::VERSION_ANSWERED,
        };
        if read.version != of_version {
            return Err(SignedError::Version(read.version).into());
        }
        let sites = read.answered.iter().flat_map(|answered| &answered.unheard);
        if sites.clone().count() > UNHEARD_MAX || sites.clone().any(|one| one.site.len() > SITE_BYTES_MAX) {
            return Err(ProvenError::Unheard);
        }
        if read.entries.len() > PROVEN_ENTRIES_MAX {
            return Err(ProvenError::TooMany(read.entries.len()));
        }
        signed.verify(TAG, &read.answerer)?;
        Ok((read, signed.chain()))
    }

    /// Checks that the answerer belongs to the realm, and every proof.
    ///
    /// # Errors
    /// [`ProvenError`] names the first that does not hold: then nothing of it is believed.
    pub fn verify(&self, certificates: &Certificates) -> Result<Vec<VerifiedCarried>, ProvenError> {
        if self.realm != certificates.realm() {
            return Err(ProvenError::Realm(self.realm));
        }
        let answerer = certificates.device(&self.certificate);
        if answerer.is_none_or(|known| known.device != self.answerer) {
            return Err(ProvenError::Answerer(self.answerer));
        }
        self.entries.iter().map(|carried| Ok(prove(carried, certificates)?)).collect()
    }
}
