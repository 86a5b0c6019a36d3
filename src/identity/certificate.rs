//! The four kinds of certificate and their signed form.
//!
//! Signed form, canonical CBOR: `[1, kind, body, signature]`; `kind` 0 genesis, 1 root rotation, 2 site,
//! 3 device; `body` the CBOR of the fields as a byte string; `signature` 64 bytes of ed25519 over
//! `"musubi.certificate.v1" ‖ kind ‖ body`. A certificate is named by the tagged hash of its signed form.

use std::collections::BTreeSet;

use ed25519_dalek::Signer as _;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::key::{KexPublic, SecretSeed};
use super::signature;
use crate::base::cbor::{self, CborError};
use crate::base::limits::CERTIFICATE_BYTES_MAX;
use crate::base::{Area, DeviceId, Digest, Part, RealmId, SiteId, WallMs, hash_tagged};

const VERSION: u8 = 1;
const SIGNING_TAG: &[u8] = b"musubi.certificate.v1";

/// Why a certificate is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are longer than any certificate.
    #[error("certificate of {0} bytes, more than {CERTIFICATE_BYTES_MAX}")]
    TooLarge(usize),
    /// The bytes are not a certificate's canonical form.
    #[error("certificate: {0}")]
    Encoding(#[from] CborError),
    /// The version is newer than this program.
    #[error("certificate of version {0}: update this program")]
    Version(u8),
    /// The kind is unknown.
    #[error("certificate of unknown kind {0}")]
    Kind(u8),
    /// The signature does not verify under any key that could have issued it.
    #[error("certificate {0}: its signature does not verify")]
    Signature(Digest),
    /// It belongs to another realm.
    #[error("certificate of another realm ({0})")]
    Realm(RealmId),
    /// A second genesis was offered.
    #[error("certificate {0}: another genesis")]
    SecondGenesis(Digest),
    /// Too many certificates wait for their issuers.
    #[error("more than {0} certificates wait for their issuers")]
    TooManyWaiting(usize),
}

/// The root of a realm: self-signed; its hash is the realm's id.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Genesis {
    /// The realm's name for people, such as `三浦半島ネットワーク`.
    #[n(0)]
    pub name: String,
    /// The first root key (ed25519).
    #[cbor(n(1), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// When it was made.
    #[n(2)]
    pub created: WallMs,
}

/// A new root key, signed by the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct RootRotation {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// The root key that signs this.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub previous: [u8; 32],
    /// The root key that may sign from now on, beside the earlier ones.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub next: [u8; 32],
}

/// What a site is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum SiteKind {
    /// A hospital.
    #[n(0)]
    Hospital,
    /// A clinic.
    #[n(1)]
    Clinic,
    /// A pharmacy.
    #[n(2)]
    Pharmacy,
    /// A care home or a home-nursing station.
    #[n(3)]
    CareHome,
    /// A shelter.
    #[n(4)]
    Shelter,
    /// An ambulance service or a visiting team.
    #[n(5)]
    Ambulance,
    /// A cloud site that keeps the backup.
    #[n(6)]
    Cloud,
}

/// A facility of the realm, signed by a root key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SiteCertificate {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// The site's ed25519 key, which signs its devices' certificates.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub key: [u8; 32],
    /// The key to which the site's secrets are wrapped.
    #[n(2)]
    pub kex: KexPublic,
    /// The key to which the site's secrets are wrapped for recovery; its secret is kept offline.
    #[n(3)]
    pub recovery: KexPublic,
    /// The site's name for people.
    #[n(4)]
    pub name: String,
    /// What it is.
    #[n(5)]
    pub kind: SiteKind,
    /// The areas that it may give to its devices (`common` is always among them).
    #[n(6)]
    pub areas: BTreeSet<Area>,
    /// Valid from.
    #[n(7)]
    pub not_before: WallMs,
    /// Valid until; later it is flagged, and still admitted.
    #[n(8)]
    pub not_after: WallMs,
}

impl SiteCertificate {
    /// Returns the site's id.
    pub fn site(&self) -> SiteId {
        SiteId::of_key(&self.key)
    }
}

/// What a device does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceRole {
    /// A hospital's or other site's always-on replica.
    #[n(0)]
    Hospital,
    /// A field tablet.
    #[n(1)]
    Tablet,
    /// A replica that carries lanes to S3.
    #[n(2)]
    Gateway,
}

/// A device of a site, signed by the site's key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct DeviceCertificate {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// The site that vouches for it.
    #[n(1)]
    pub site: SiteId,
    /// The device: its ed25519 key.
    #[n(2)]
    pub device: DeviceId,
    /// The key to which secrets are wrapped for it.
    #[n(3)]
    pub kex: KexPublic,
    /// The device's name for people.
    #[n(4)]
    pub name: String,
    /// What it does.
    #[n(5)]
    pub role: DeviceRole,
    /// The areas in which it may write, beside `common`.
    #[n(6)]
    pub areas: BTreeSet<Area>,
    /// The parts in which it may write.
    #[n(7)]
    pub parts: BTreeSet<Part>,
    /// Valid from.
    #[n(8)]
    pub not_before: WallMs,
    /// Valid until; later it is flagged, and still admitted.
    #[n(9)]
    pub not_after: WallMs,
}

impl DeviceCertificate {
    /// Says whether a lane of this area and part may be ruled by this certificate.
    pub fn covers(&self, area: &Area, part: Part) -> bool {
        self.parts.contains(&part) && (self.areas.contains(area) || *area == Area::common())
    }
}

/// Any certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// The realm's root.
    Genesis(Genesis),
    /// A new root key.
    Rotation(RootRotation),
    /// A facility.
    Site(SiteCertificate),
    /// A device.
    Device(DeviceCertificate),
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Envelope {
    #[n(0)]
    version: u8,
    #[n(1)]
    kind: u8,
    #[cbor(n(2), with = "minicbor::bytes")]
    body: Vec<u8>,
    #[cbor(n(3), with = "minicbor::bytes")]
    signature: [u8; 64],
}

/// A certificate whose form is right and whose signature is yet to be checked against an issuer.
#[derive(Debug, Clone)]
pub struct Unverified {
    /// The certificate.
    pub certificate: Certificate,
    /// Its name: the tagged hash of the signed form.
    pub hash: Digest,
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Certificate {
    fn kind(&self) -> u8 {
        match self {
            Certificate::Genesis(_) => 0,
            Certificate::Rotation(_) => 1,
            Certificate::Site(_) => 2,
            Certificate::Device(_) => 3,
        }
    }

    fn body(&self) -> Vec<u8> {
        match self {
            Certificate::Genesis(body) => cbor::to_vec(body),
            Certificate::Rotation(body) => cbor::to_vec(body),
            Certificate::Site(body) => cbor::to_vec(body),
            Certificate::Device(body) => cbor::to_vec(body),
        }
    }

    /// Signs the certificate with its issuer's seed and returns the signed form.
    pub fn sign(&self, issuer: &SecretSeed) -> Vec<u8> {
        let (kind, body) = (self.kind(), self.body());
        let signature = issuer.signing().sign(&message(kind, &body)).to_bytes();
        cbor::to_vec(&Envelope { version: VERSION, kind, body, signature })
    }

    /// Names a signed form.
    pub fn hash(signed: &[u8]) -> Digest {
        hash_tagged("musubi.certificate.v1", &[signed])
    }

    /// Reads a signed form; the signature is checked by [`Unverified::verify`].
    ///
    /// # Errors
    /// [`CertificateError`] when the bytes are too many, not canonical, or of an unknown version or kind.
    pub fn read(signed: &[u8]) -> Result<Unverified, CertificateError> {
        if signed.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::TooLarge(signed.len()));
        }
        let envelope: Envelope = cbor::from_canonical(signed)?;
        if envelope.version != VERSION {
            return Err(CertificateError::Version(envelope.version));
        }
        let certificate = match envelope.kind {
            0 => Certificate::Genesis(cbor::from_canonical(&envelope.body)?),
            1 => Certificate::Rotation(cbor::from_canonical(&envelope.body)?),
            2 => Certificate::Site(cbor::from_canonical(&envelope.body)?),
            3 => Certificate::Device(cbor::from_canonical(&envelope.body)?),
            other => return Err(CertificateError::Kind(other)),
        };
        Ok(Unverified {
            certificate,
            hash: Self::hash(signed),
            message: message(envelope.kind, &envelope.body),
            signature: envelope.signature,
        })
    }
}

impl Unverified {
    /// Says whether `issuer`'s key signed this certificate.
    pub fn verify(&self, issuer: &[u8; 32]) -> bool {
        signature::verify(issuer, &self.message, &self.signature)
    }

    /// Names what [`Unverified::verify`] checks: the issuer's key, the bytes that are signed, and the signature.
    pub fn signature_by(&self, issuer: &[u8; 32]) -> Digest {
        signature::name_of(issuer, &self.message, &self.signature)
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [SIGNING_TAG, &[kind], body].concat()
}
