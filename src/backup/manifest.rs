//! The signed chain of delta manifests: what a gateway has put into the bucket, in order.
//!
//! An object `manifests/<gateway>/<number, 8 digits>` holds canonical CBOR `[body bytes, signature (64)]`; the
//! body is `[1, realm, gateway, number, previous hash (32) | null, time, [segment …], [certificate bytes …],
//! [key wrap …]]`, a segment `[name (32), size, area, part, [[lane (32), from, to] …]]`. The signature is
//! ed25519 by the gateway's device over `"musubi.manifest.v1" ‖ body`. Each manifest names the hash of the one
//! before it, so that none can be left out, and carries the certificates and wraps that are new in it, so that a
//! bucket and a recovery key are enough to read everything.

use ed25519_dalek::Signer as _;
use minicbor::{Decode, Encode};

use crate::base::cbor::{self, CborError};
use crate::base::{Area, DeviceId, Digest, LaneId, Part, RealmId, WallMs, hash_tagged};
use crate::identity::{KeyWrap, SecretSeed, signature};

const VERSION: u8 = 1;
const SIGNING_TAG: &[u8] = b"musubi.manifest.v1";
/// Largest manifest that a reader fetches, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 << 20;

/// A range of a lane inside a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SegmentRange {
    /// The lane.
    #[n(0)]
    pub lane: LaneId,
    /// The first entry.
    #[n(1)]
    pub from: u64,
    /// The sequence number after the last entry.
    #[n(2)]
    pub to: u64,
}

/// A segment that a manifest adds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SegmentRef {
    /// Its name.
    #[n(0)]
    pub name: Digest,
    /// Its size in bytes.
    #[n(1)]
    pub size: u64,
    /// Its area.
    #[n(2)]
    pub area: Area,
    /// Its part.
    #[n(3)]
    pub part: Part,
    /// What it holds.
    #[n(4)]
    pub ranges: Vec<SegmentRange>,
}

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Manifest {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The realm.
    #[n(1)]
    pub realm: RealmId,
    /// The gateway's device.
    #[n(2)]
    pub gateway: DeviceId,
    /// Its number in the gateway's chain, from 0.
    #[n(3)]
    pub number: u64,
    /// The hash of the manifest before it.
    #[n(4)]
    pub previous: Option<Digest>,
    /// When it was written, by the gateway's clock.
    #[n(5)]
    pub time: WallMs,
    /// The segments that it adds.
    #[n(6)]
    pub segments: Vec<SegmentRef>,
    /// Certificates that no earlier manifest of the chain carries, issuers first.
    #[n(7)]
    pub certificates: Vec<minicbor::bytes::ByteVec>,
    /// Key wraps that no earlier manifest of the chain carries.
    #[n(8)]
    pub wraps: Vec<KeyWrap>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Signed {
    #[cbor(n(0), with = "minicbor::bytes")]
    body: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: [u8; 64],
}

/// Why a manifest is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The bytes are not a manifest's canonical form.
    #[error("manifest: {0}")]
    Encoding(#[from] CborError),
    /// The version is newer than this program.
    #[error("manifest of version {0}: update this program")]
    Version(u8),
    /// The signature is not the gateway's.
    #[error("manifest {number} of gateway {}: the signature does not verify", gateway.short())]
    Signature {
        /// The gateway that it names.
        gateway: DeviceId,
        /// Its number.
        number: u64,
    },
    /// It belongs elsewhere.
    #[error("manifest at place {place} of gateway {} says that it is number {number}", gateway.short())]
    Place {
        /// The gateway that it names.
        gateway: DeviceId,
        /// The place where it lies.
        place: u64,
        /// The number that it says.
        number: u64,
    },
    /// It does not follow the one before it.
    #[error("manifest {number} of gateway {} does not follow the one before it", gateway.short())]
    Chain {
        /// The gateway.
        gateway: DeviceId,
        /// Its number.
        number: u64,
    },
    /// It is of another realm.
    #[error("manifest of another realm ({0})")]
    Realm(RealmId),
}

impl Manifest {
    /// The version that this program writes.
    pub const VERSION: u8 = VERSION;

    /// Returns the key of a place in a gateway's chain.
    pub fn key(gateway: &DeviceId, number: u64) -> String {
        format!("{}{number:08}", Self::prefix(gateway))
    }

    /// Returns the prefix of a gateway's chain.
    pub fn prefix(gateway: &DeviceId) -> String {
        format!("manifests/{gateway}/")
    }

    /// Signs the manifest: the object's bytes.
    pub fn sign(&self, gateway: &SecretSeed) -> Vec<u8> {
        let body = cbor::to_vec(self);
        let signature = gateway.signing().sign(&[SIGNING_TAG, &body].concat()).to_bytes();
        cbor::to_vec(&Signed { body, signature })
    }

    /// Names an object's bytes, as the next manifest names it.
    pub fn hash(object: &[u8]) -> Digest {
        hash_tagged("musubi.manifest.v1", &[object])
    }

    /// Reads an object at a place and checks its signature by the gateway that it names, its realm and its place.
    /// Whether that gateway's certificate verifies is the caller's to check, as the chain may carry it.
    ///
    /// # Errors
    /// [`ManifestError`] when any of it is wrong.
    pub fn read(
        object: &[u8],
        realm: &RealmId,
        gateway: &DeviceId,
        place: u64,
    ) -> Result<Self, ManifestError> {
        let signed: Signed = cbor::from_canonical(object)?;
        let body: Manifest = cbor::from_canonical(&signed.body)?;
        if body.version != VERSION {
            return Err(ManifestError::Version(body.version));
        }
        if body.realm != *realm {
            return Err(ManifestError::Realm(body.realm));
        }
        if body.gateway != *gateway || body.number != place {
            return Err(ManifestError::Place { gateway: body.gateway, place, number: body.number });
        }
        let message = [SIGNING_TAG, &signed.body].concat();
        if !signature::verify(&gateway.0, &message, &signed.signature) {
            return Err(ManifestError::Signature { gateway: *gateway, number: place });
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::fixtures::{Realm, seed};

    fn manifest(realm: &Realm, gateway: &SecretSeed) -> Manifest {
        Manifest {
            version: 1,
            realm: realm.id,
            gateway: gateway.device_id(),
            number: 3,
            previous: Some(Digest([1; 32])),
            time: WallMs(5),
            segments: vec![SegmentRef {
                name: Digest([2; 32]),
                size: 10,
                area: Area::common(),
                part: Part::Control,
                ranges: vec![SegmentRange { lane: LaneId([3; 32]), from: 0, to: 4 }],
            }],
            certificates: vec![realm.genesis.clone().into()],
            wraps: Vec::new(),
        }
    }

    #[test]
    fn a_manifest_is_read_only_in_its_own_place() {
        let (realm, gateway) = (Realm::new(), seed("gateway"));
        let written = manifest(&realm, &gateway);
        let (object, device) = (written.sign(&gateway), gateway.device_id());
        assert_eq!(Manifest::read(&object, &realm.id, &device, 3).unwrap(), written);
        assert!(matches!(
            Manifest::read(&object, &realm.id, &device, 4),
            Err(ManifestError::Place { number: 3, .. })
        ));
        assert!(matches!(
            Manifest::read(&object, &RealmId([0; 32]), &device, 3),
            Err(ManifestError::Realm(_))
        ));
        let forged = written.sign(&seed("somebody else"));
        assert!(matches!(
            Manifest::read(&forged, &realm.id, &device, 3),
            Err(ManifestError::Signature { .. })
        ));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let (realm, gateway) = (Realm::new(), seed("gateway"));
        let object = manifest(&realm, &gateway).sign(&gateway);
        for byte in 0..object.len() {
            let mut bad = object.clone();
            bad[byte] ^= 1;
            assert!(Manifest::read(&bad, &realm.id, &gateway.device_id(), 3).is_err(), "byte {byte}");
        }
    }

    /// A released format stays readable: this object was written by version 0.1.0.
    #[test]
    fn the_golden_manifest_is_read_and_written_alike() {
        let golden = include_str!("../../tests/golden/manifest.hex").trim();
        let (realm, gateway) = (Realm::new(), seed("gateway"));
        let written = manifest(&realm, &gateway);
        assert_eq!(crate::base::id::hex(&written.sign(&gateway)), golden);
        let object = data_encoding::HEXLOWER.decode(golden.as_bytes()).unwrap();
        assert_eq!(Manifest::read(&object, &realm.id, &gateway.device_id(), 3).unwrap(), written);
    }
}
