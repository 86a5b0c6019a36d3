//! Entries: the items of a lane, of versioned kinds; unknown kinds are kept and relayed.
//!
//! An entry is the canonical CBOR `[kind, body]`, `body` a byte string; the leaf of the tree is
//! `SHA-256(0x00 ‖ that CBOR)` (RFC 9162, section 2.1.1). Every body starts with its own version and, where it
//! tells anything about a person, 8 random bytes of salt, so that a leaf hash gives nothing to guess at.

use minicbor::{Decode, Encode, Encoder};
use sha2::{Digest as _, Sha256};

use crate::base::cbor::{self, CborError};
use crate::base::{Area, DeviceId, Digest, LaneId, Part, RealmId};

/// An array of two, a kind and a length take at most so many bytes.
const HEAD_BYTES_MAX: usize = 1 + 3 + 9;

/// The kind of an entry; other numbers than the constants are kept, relayed and not interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct EntryKind(
    /// The number in the format.
    #[n(0)]
    pub u16,
);

impl EntryKind {
    /// Names the lane and the certificate that rules what follows: a [`LaneOpening`].
    pub const CERTIFICATE: EntryKind = EntryKind(0);
    /// Statements about one record: `record::FactsBody`.
    pub const FACTS: EntryKind = EntryKind(1);
    /// One Automerge change of a chart: `chart`.
    pub const CHART: EntryKind = EntryKind(2);
    /// Key wraps and what later rules the realm.
    pub const CONTROL: EntryKind = EntryKind(3);
    /// Who read, wrote and exported what.
    pub const AUDIT: EntryKind = EntryKind(4);
    /// Entries of another area, with their proofs.
    pub const CARRY: EntryKind = EntryKind(5);
    /// How far the replica that writes the lane had heard: a [`HorizonBody`](super::HorizonBody).
    pub const HORIZON: EntryKind = EntryKind(6);
}

/// One item of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Entry {
    /// What the body is.
    #[n(0)]
    pub kind: EntryKind,
    /// The body's bytes, interpreted only by the kind's own code.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

impl Entry {
    /// Returns the leaf hash.
    pub fn leaf(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update([0x00]);
        hasher.update(self.head());
        hasher.update(&self.body);
        Digest(hasher.finalize().into())
    }

    /// Returns the encoding up to the body's bytes: these are long, and need not be copied to be hashed.
    fn head(&self) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::with_capacity(HEAD_BYTES_MAX));
        let head = encoder
            .array(2)
            .and_then(|it| it.u16(self.kind.0))
            .and_then(|it| it.bytes_len(self.body.len() as u64));
        head.expect("writing to a Vec cannot fail");
        encoder.into_writer()
    }
}

/// What a lane is the log of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct LaneName {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// The only device that appends to it.
    #[n(1)]
    pub device: DeviceId,
    /// The area.
    #[n(2)]
    pub area: Area,
    /// The part.
    #[n(3)]
    pub part: Part,
}

impl LaneName {
    /// Returns the id that stands for this name.
    pub fn id(&self) -> LaneId {
        LaneId::of(&self.realm, &self.device, &self.area, self.part)
    }
}

/// The body of a `CERTIFICATE` entry: entry 0 of every lane, and every later change of certificate.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct LaneOpening {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The lane's name, whose hash is the lane's id: so a lane proves itself.
    #[n(1)]
    pub name: LaneName,
    /// The device certificate that rules the entries from here on, by its hash.
    #[n(2)]
    pub certificate: Digest,
}

impl LaneOpening {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;

    /// Makes the entry.
    pub fn entry(&self) -> Entry {
        Entry { kind: EntryKind::CERTIFICATE, body: cbor::to_vec(self) }
    }

    /// Reads the body of a `CERTIFICATE` entry.
    ///
    /// # Errors
    /// [`CborError`] when the body is not the canonical form.
    pub fn read(body: &[u8]) -> Result<Self, CborError> {
        cbor::from_canonical(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_the_hash_of_the_whole_encoding() {
        for (kind, bytes) in [(1, 0), (2, 23), (6, 24), (300, 255), (24, 256), (65_535, 70_000)] {
            let entry = Entry { kind: EntryKind(kind), body: vec![7; bytes] };
            let hash = Sha256::new().chain_update([0x00]).chain_update(cbor::to_vec(&entry)).finalize();
            assert_eq!(entry.leaf(), Digest(hash.into()), "kind {kind}, {bytes} bytes");
        }
    }
}
