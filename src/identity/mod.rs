//! Keys, certificates, read keys and the roster: who may do what, verifiable offline.
//!
//! Realm root key (offline) → site → device. Every statement here is small canonical CBOR with one ed25519
//! signature; nothing needs a clock or a network to be verified. Expiry and revocation decide what a person is
//! told, never what is admitted, so that replicas cannot disagree for ever.

pub mod certificate;
pub mod certificates;
pub mod control;
#[cfg(test)]
pub mod fixtures;
pub mod key;
pub mod keyring;
pub mod signature;
pub mod signed;
pub mod wrap;

pub use certificate::{
    Certificate, CertificateError, DeviceCertificate, DeviceRole, Genesis, RootRotation, SiteCertificate,
    SiteKind,
};
pub use certificates::{Certificates, Inserted};
pub use control::{ControlBody, ControlItem, Roster};
pub use key::{KexPublic, KexSecret, SecretSeed};
pub use keyring::Keyring;
pub use signature::SignatureMemo;
pub use wrap::{KeyWrap, ReadKeyId, SecretName};
