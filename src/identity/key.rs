//! Secret seeds, and what is derived from them: one seed is a device's whole identity.

use std::fmt;

use ed25519_dalek::SigningKey;
use hpke::{Deserializable as _, Kem as _, Serializable as _, kem::X25519HkdfSha256};
use rand_core::CryptoRng;
use zeroize::Zeroize;

use crate::base::id::bytes_newtype;
use crate::base::{DeviceId, hash_tagged};

bytes_newtype! {
    /// An X25519 public key to which secrets are wrapped (HPKE).
    KexPublic, 32
}

/// The 32 secret bytes from which a signing key and a key-exchange key are derived; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretSeed([u8; 32]);

impl SecretSeed {
    /// Draws a new seed.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Wraps stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the secret bytes, for sealing.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the ed25519 signing key.
    pub fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }

    /// Returns the ed25519 public key.
    pub fn public(&self) -> [u8; 32] {
        self.signing().verifying_key().to_bytes()
    }

    /// Returns the public key as a device id.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(self.public())
    }

    /// Derives the key-exchange secret, which shares no bits with the signing key.
    pub fn kex(&self) -> KexSecret {
        KexSecret(hash_tagged("musubi.kex.v1", &[&self.0]).0)
    }
}

impl Drop for SecretSeed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretSeed(…)")
    }
}

/// An X25519 secret that opens what was wrapped to its public key; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KexSecret([u8; 32]);

impl KexSecret {
    /// Wraps stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the secret bytes, for sealing.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the public key.
    pub fn public(&self) -> KexPublic {
        let secret = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(&self.0)
            .expect("any 32 bytes are an X25519 secret");
        let bytes = X25519HkdfSha256::sk_to_pk(&secret).to_bytes();
        KexPublic(bytes.as_slice().try_into().expect("an X25519 public key has 32 bytes"))
    }
}

impl Drop for KexSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for KexSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KexSecret(…)")
    }
}
