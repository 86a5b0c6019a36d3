//! Keys, certificates, read keys and the roster: who may do what, verifiable offline.
//!
//! Realm root key (offline) → site → device. Every statement here is small canonical CBOR with one ed25519
//! signature; nothing needs a clock or a network to be verified. Expiry and revocation decide what a person is
//! told, never what is admitted, so that replicas cannot disagree for ever.

pub mod certificate;
pub mod certificates;
pub mod key;

pub use certificate::{
    Certificate, CertificateError, DeviceCertificate, DeviceRole, Genesis, RootRotation, SiteCertificate,
    SiteKind,
};
pub use certificates::{Certificates, Inserted};
pub use key::{KexPublic, KexSecret, SecretSeed};
