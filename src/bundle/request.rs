//! The request: what a replica holds, so that the answer holds just what it lacks.
//!
//! A file `"MSBq" ‖` canonical CBOR `[body bytes, signature (64), [certificate bytes …]]`, signed by the device over
//! `"musubi.bundle.request.v1" ‖ body`; the body is `[1, realm, device, certificate hash, time, [group …], [lane …]]`, a
//! group `[area, part]`, a lane `[id's beginning (8), entries, head's beginning (8)]`.

use minicbor::{Decode, Encode};

use super::heads::Heads;
use crate::base::limits::CERTIFICATE_CHAIN_MAX;
use crate::base::{Area, DeviceId, Digest, Part, RealmId, WallMs, cbor, hash_tagged};
use crate::identity::SecretSeed;
use crate::identity::signed::{Signed, SignedError};

const MAGIC: &[u8; 4] = b"MSBq";
const TAG: &[u8] = b"musubi.bundle.request.v1";
/// Largest request that a reader takes, in bytes: heads of three million lanes.
pub const REQUEST_BYTES_MAX: usize = 64 << 20;

/// An area and part that a replica subscribes to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct Subscribed {
    /// The area.
    #[n(0)]
    pub area: Area,
    /// The part.
    #[n(1)]
    pub part: Part,
}

/// What a replica holds and wants.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct BundleRequest {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The realm.
    #[n(1)]
    pub realm: RealmId,
    /// Who asks.
    #[n(2)]
    pub device: DeviceId,
    /// The hash of its certificate.
    #[n(3)]
    pub certificate: Digest,
    /// When, by its clock.
    #[n(4)]
    pub time: WallMs,
    /// What it subscribes to.
    #[n(5)]
    pub groups: Vec<Subscribed>,
    /// How far it holds its lanes.
    #[n(6)]
    pub heads: Heads,
}

/// Why a file is not a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The file is something else.
    #[error("not a request for a bundle: `musubi bundle request` writes one")]
    Magic,
    /// It is cut, changed or not signed by its device.
    #[error("a request for a bundle that is cut short or was changed: {0}")]
    Signed(#[from] SignedError),
}

impl BundleRequest {
    /// The version that this program writes.
    pub const VERSION: u8 = 1;

    /// Signs the request: the whole file.
    pub fn sign(&self, device: &SecretSeed, chain: Vec<Vec<u8>>) -> Vec<u8> {
        [MAGIC.as_slice(), &Signed::sign(TAG, cbor::to_vec(self), device, chain)].concat()
    }

    /// Reads a whole file, and the certificates that it brings.
    ///
    /// # Errors
    /// [`RequestError`] says what is wrong.
    pub fn read(file: &[u8]) -> Result<(Self, Vec<Vec<u8>>), RequestError> {
        let signed =
            Signed::read(file.strip_prefix(MAGIC).ok_or(RequestError::Magic)?, CERTIFICATE_CHAIN_MAX)?;
        let request: Self = cbor::from_canonical(&signed.body).map_err(SignedError::from)?;
        if request.version != Self::VERSION {
            return Err(SignedError::Version(request.version).into());
        }
        signed.verify(TAG, &request.device)?;
        Ok((request, signed.chain()))
    }

    /// Hashes a file, so that a bundle can name the request that it answers.
    pub fn hash(file: &[u8]) -> Digest {
        hash_tagged("musubi.bundle.request.hash.v1", &[file])
    }
}
