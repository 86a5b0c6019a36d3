//! The header and the footer of a bundle.
//!
//! The header's payload is canonical CBOR `[body bytes, signature (64), [certificate bytes …]]`: ed25519 by the sender's
//! device over `"musubi.bundle.v1" ‖ body`, and the chain of its certificate. The body is `[1, realm, sender,
//! certificate hash, time, target, request hash | null, [area …], [part …], [contents …], heads digest]`; a content is
//! `[area, part, lanes, entries]`. The footer's payload is `[1, blocks, entries]`.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use super::block::BundleId;
use crate::base::cbor;
use crate::base::limits::CERTIFICATE_CHAIN_MAX;
use crate::base::{Area, DeviceId, Digest, Part, RealmId, SiteId, WallMs, hash_tagged};
use crate::identity::SecretSeed;
use crate::identity::signed::{Signed, SignedError};

/// For whom a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Target {
    /// The device that asked.
    #[n(0)]
    Device(
        /// The device.
        #[n(0)]
        DeviceId,
    ),
    /// All devices of a site.
    #[n(1)]
    Site(
        /// The site.
        #[n(0)]
        SiteId,
    ),
    /// Everybody of the realm, each as far as their keys open it.
    #[n(2)]
    Realm,
}

/// How much of one area and part a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Contents {
    /// The area.
    #[n(0)]
    pub area: Area,
    /// The part.
    #[n(1)]
    pub part: Part,
    /// Lanes of which it has entries.
    #[n(2)]
    pub lanes: u64,
    /// Their entries.
    #[n(3)]
    pub entries: u64,
}

/// Whose bundle it is, for whom, and what it should hold.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BundleHeader {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The realm.
    #[n(1)]
    pub realm: RealmId,
    /// Who wrote it.
    #[n(2)]
    pub sender: DeviceId,
    /// The hash of the sender's certificate.
    #[n(3)]
    pub certificate: Digest,
    /// When, by the sender's clock.
    #[n(4)]
    pub time: WallMs,
    /// For whom.
    #[n(5)]
    pub target: Target,
    /// The hash of the request that it answers.
    #[n(6)]
    pub request: Option<Digest>,
    /// Only these areas were asked for; empty: all.
    #[n(7)]
    pub areas: BTreeSet<Area>,
    /// Only these parts were asked for; empty: all.
    #[n(8)]
    pub parts: BTreeSet<Part>,
    /// What it holds, in the order of writing.
    #[n(9)]
    pub contents: Vec<Contents>,
    /// The digest of the heads that stand in the block behind the header.
    #[n(10)]
    pub heads: Digest,
}

/// How many blocks and entries were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Footer {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The blocks before the footer.
    #[n(1)]
    pub blocks: u32,
    /// The entries in them.
    #[n(2)]
    pub entries: u64,
}

impl BundleHeader {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;
    const TAG: &'static [u8] = b"musubi.bundle.v1";

    /// Signs the header: the payload of the first block.
    pub fn sign(&self, sender: &SecretSeed, chain: Vec<Vec<u8>>) -> Vec<u8> {
        Signed::sign(Self::TAG, cbor::to_vec(self), sender, chain)
    }

    /// Reads the payload of a first block, and the certificates that it brings. The signature is the named sender's;
    /// whether the sender belongs to the realm is for its certificate to show.
    ///
    /// # Errors
    /// [`SignedError`] says what is wrong.
    pub fn read(payload: &[u8]) -> Result<(Self, Vec<Vec<u8>>), SignedError> {
        let signed = Signed::read(payload, CERTIFICATE_CHAIN_MAX)?;
        let header: Self = cbor::from_canonical(&signed.body).map_err(SignedError::from)?;
        if header.version != Self::VERSION {
            return Err(SignedError::Version(header.version));
        }
        signed.verify(Self::TAG, &header.sender)?;
        Ok((header, signed.chain()))
    }

    /// Returns the name of the bundle whose header's payload this is.
    pub fn id(payload: &[u8]) -> BundleId {
        let hash = hash_tagged("musubi.bundle.id.v1", &[payload]);
        BundleId(hash.0[..8].try_into().expect("eight of 32 bytes"))
    }
}
