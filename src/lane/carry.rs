//! Carry: entries of one area brought into another, with the proof that they stood where they stood.
//!
//! Body, canonical CBOR: `[1, salt (8), registration, [carried …]]`, a carried entry
//! `[lane name, seq, entry, size, [proof node …], signature, certificate hash]`. The original position and value
//! stay, so identity and what follows survive: a carried entry and the entry itself are the same, wherever met.

use minicbor::{Decode, Encode};

use super::checkpoint;
use super::entry::{Entry, EntryKind, LaneName};
use super::run::{Checkpoint, Run};
use super::tree::{Frontier, inclusion_proof_after, root_of_inclusion};
use crate::base::cbor::{self, CborError};
use crate::base::limits::{CARRIED_PER_ENTRY_MAX, ENTRY_BYTES_MAX, PROOF_NODES_MAX};
use crate::base::{Area, Digest, LaneId};
use crate::identity::{Certificates, DeviceCertificate};
use crate::record::statement::Salt;

/// The body of a `CARRY` entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct CarryBody {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// Eight random bytes.
    #[n(1)]
    pub salt: Salt,
    /// The registration by which the patient has agreed to be in the other area.
    #[n(2)]
    pub registration: String,
    /// The entries.
    #[n(3)]
    pub carried: Vec<Carried>,
}

/// One entry of another lane, with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Carried {
    /// The lane in which it stands.
    #[n(0)]
    pub name: LaneName,
    /// Its sequence number there.
    #[n(1)]
    pub seq: u64,
    /// The entry.
    #[n(2)]
    pub entry: Entry,
    /// The size of the signed tree that contains it.
    #[n(3)]
    pub size: u64,
    /// The inclusion proof, from the leaf upwards.
    #[n(4)]
    pub proof: Vec<Digest>,
    /// The lane's device's signature of that tree.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub signature: [u8; 64],
    /// The certificate that ruled the entry, by its hash.
    #[n(6)]
    pub certificate: Digest,
}

/// A carried entry whose proof holds. Equal lane, sequence number and leaf: the same entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCarried {
    /// The lane in which the entry stands.
    pub lane: LaneId,
    /// The lane's name: its device wrote the entry, in its area.
    pub name: LaneName,
    /// The entry's sequence number there.
    pub seq: u64,
    /// The entry's leaf hash.
    pub leaf: Digest,
    /// The entry.
    pub entry: Entry,
}

impl VerifiedCarried {
    /// Returns the area from which the entry was carried.
    pub fn area(&self) -> &Area {
        &self.name.area
    }
}

/// Why a carried entry is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// The body is too large.
    #[error("carry: a body of {0} bytes, more than {ENTRY_BYTES_MAX}")]
    TooLarge(usize),
    /// The body is not the canonical form.
    #[error("carry: {0}")]
    Encoding(#[from] CborError),
    /// The version is newer than this program.
    #[error("carry of version {0}: update this program")]
    Version(u8),
    /// There are too many entries.
    #[error("carry: {0} entries, more than {CARRIED_PER_ENTRY_MAX}")]
    TooMany(usize),
    /// The entry is of a kind that stands for its own lane only.
    #[error("carry of {}: an entry of kind {} is not carried", .lane.short(), .kind.0)]
    Kind {
        /// The original lane.
        lane: LaneId,
        /// The entry's kind.
        kind: EntryKind,
    },
    /// The entry is not proven to be in a tree that the lane's device signed.
    #[error("carry of {}: entry {seq} is not proven to be in it", .lane.short())]
    Proof {
        /// The original lane.
        lane: LaneId,
        /// The entry's sequence number there.
        seq: u64,
    },
    /// The original lane's certificate is not known yet.
    #[error("carry of {}: certificate {certificate} is not known yet", .lane.short())]
    UnknownCertificate {
        /// The original lane.
        lane: LaneId,
        /// The certificate's hash.
        certificate: Digest,
    },
    /// The certificate is another device's, or does not cover the original lane.
    #[error("carry of {}: its certificate does not cover it", .0.short())]
    Certificate(LaneId),
    /// The carrier may not write in both areas.
    #[error("carry from area {from} to area {to}: the carrier does not hold both")]
    Carrier {
        /// The original area.
        from: Area,
        /// The area of the carry entry.
        to: Area,
    },
}

impl CarryBody {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;

    /// Makes the entry.
    pub fn entry(&self) -> Entry {
        Entry { kind: EntryKind::CARRY, body: cbor::to_vec(self) }
    }

    /// Reads the body of a `CARRY` entry; what it carries is checked by [`verify`].
    ///
    /// # Errors
    /// [`CarryError`] when the body is too large, not canonical or of an unknown version.
    pub fn read(body: &[u8]) -> Result<Self, CarryError> {
        if body.len() > ENTRY_BYTES_MAX {
            return Err(CarryError::TooLarge(body.len()));
        }
        let read: Self = cbor::from_canonical(body)?;
        if read.version != Self::VERSION {
            return Err(CarryError::Version(read.version));
        }
        if read.carried.len() > CARRIED_PER_ENTRY_MAX {
            return Err(CarryError::TooMany(read.carried.len()));
        }
        Ok(read)
    }
}

impl Carried {
    /// Takes an entry out of a run that is held, with its proof; `before` is the tree's edge at the run's start,
    /// `certificate` the one that rules the entry. None when the run does not hold the entry.
    pub fn from_run(
        name: &LaneName,
        before: &Frontier,
        run: &Run,
        seq: u64,
        certificate: &Digest,
    ) -> Option<Self> {
        let index = usize::try_from(seq.checked_sub(run.start)?).ok()?;
        let entry = run.entries.get(index)?.clone();
        let Checkpoint { size, signature } = *run.checkpoints.iter().find(|signed| signed.size > seq)?;
        let covered = usize::try_from(size - run.start).ok()?;
        let leaves: Vec<_> = run.entries.get(..covered)?.iter().map(Entry::leaf).collect();
        let proof = inclusion_proof_after(before, &leaves, seq);
        Some(Self { name: name.clone(), seq, entry, size, proof, signature, certificate: *certificate })
    }
}

/// Verifies a carried entry: it stands in a tree that its lane's device signed, its certificate covers its lane,
/// and the carrier may write in both its area and `to`, the area of the lane that holds the carry entry.
///
/// # Errors
/// [`CarryError`] says what is wrong; only `UnknownCertificate` may be cured by what arrives later.
pub fn verify(
    carried: &Carried,
    to: &Area,
    carrier: &DeviceCertificate,
    certificates: &Certificates,
) -> Result<VerifiedCarried, CarryError> {
    let name = &carried.name;
    let holds = |area: &Area| carrier.covers(area, name.part);
    if !holds(&name.area) || !holds(to) {
        return Err(CarryError::Carrier { from: name.area.clone(), to: to.clone() });
    }
    prove(carried, certificates)
}

/// Verifies an entry by its proof alone: it stands in a tree that its lane's device signed, and its certificate covers
/// its lane.
///
/// # Errors
/// [`CarryError`] says what is wrong; only `UnknownCertificate` may be cured by what arrives later.
pub fn prove(carried: &Carried, certificates: &Certificates) -> Result<VerifiedCarried, CarryError> {
    let Carried { name, seq, entry, size, proof, signature, certificate } = carried;
    let lane = name.id();
    if matches!(entry.kind, EntryKind::CERTIFICATE | EntryKind::CARRY) {
        return Err(CarryError::Kind { lane, kind: entry.kind });
    }
    let ruling = certificates
        .device(certificate)
        .ok_or(CarryError::UnknownCertificate { lane, certificate: *certificate })?;
    let ours = ruling.device == name.device && ruling.realm == name.realm;
    if !ours || name.realm != certificates.realm() || !ruling.covers(&name.area, name.part) {
        return Err(CarryError::Certificate(lane));
    }
    let leaf = entry.leaf();
    let unproven = CarryError::Proof { lane, seq: *seq };
    let root = match proof.len() {
        0..=PROOF_NODES_MAX => root_of_inclusion(&leaf, *seq, *size, proof),
        _ => None,
    };
    let signed = Checkpoint { size: *size, signature: *signature };
    match root {
        Some(root) if checkpoint::verify(&name.device, &lane, &signed, &root) => {
            Ok(VerifiedCarried { lane, name: name.clone(), seq: *seq, leaf, entry: entry.clone() })
        }
        Some(_) | None => Err(unproven),
    }
}
