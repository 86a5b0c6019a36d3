//! Things signed by a device outside of lanes, with what shows that the device belongs to the realm: headers of bundles,
//! requests, and cards that are handed over alone.
//!
//! Canonical CBOR `[body bytes, signature (64), [certificate bytes …]]`: ed25519 by the device over `tag ‖ body`.

use ed25519_dalek::Signer as _;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::key::SecretSeed;
use super::signature;
use crate::base::DeviceId;
use crate::base::cbor::{self, CborError};

/// Something signed by a device, with certificates.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Signed {
    /// The canonical bytes of what is signed.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// The signature.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
    /// The signed certificates, issuers first.
    #[n(2)]
    pub chain: Vec<ByteVec>,
}

/// Why something signed is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// It is not the canonical form.
    #[error("{0}")]
    Encoding(#[from] CborError),
    /// The version is newer than this program.
    #[error("version {0}: update this program")]
    Version(u8),
    /// It brings more certificates than it may.
    #[error("{0} certificates, more than it may bring")]
    Chain(usize),
    /// Its device did not sign it.
    #[error("it is not signed by the device {} that it names", .0.short())]
    Signature(DeviceId),
}

impl Signed {
    /// Signs a body, and returns the whole as bytes.
    pub fn sign(tag: &[u8], body: Vec<u8>, seed: &SecretSeed, chain: Vec<Vec<u8>>) -> Vec<u8> {
        let signature = seed.signing().sign(&[tag, &body].concat()).to_bytes();
        cbor::to_vec(&Self { body, signature, chain: chain.into_iter().map(Into::into).collect() })
    }

    /// Reads the canonical form, with at most so many certificates.
    ///
    /// # Errors
    /// [`SignedError`] when it is none, or has too many certificates.
    pub fn read(bytes: &[u8], chain_max: usize) -> Result<Self, SignedError> {
        let signed: Self = cbor::from_canonical(bytes)?;
        match signed.chain.len() {
            more if more > chain_max => Err(SignedError::Chain(more)),
            _ => Ok(signed),
        }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`SignedError::Signature`] when `device` did not sign the body.
    pub fn verify(&self, tag: &[u8], device: &DeviceId) -> Result<(), SignedError> {
        match signature::verify(&device.0, &[tag, &self.body].concat(), &self.signature) {
            true => Ok(()),
            false => Err(SignedError::Signature(*device)),
        }
    }

    /// Returns the certificates.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.chain.iter().map(|signed| signed.to_vec()).collect()
    }
}
