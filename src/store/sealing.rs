//! Sealing: every value at rest is encrypted and authenticated, and keys at rest tell nothing.
//!
//! ```text
//! sealed value:  version (1 byte, = 1) ‖ nonce (24 random bytes) ‖ XChaCha20-Poly1305 ciphertext ‖ tag (16)
//! associated data:  version (1) ‖ length of the table's name (1) ‖ table's name ‖ key as stored
//! ```
//!
//! The associated data ties a value to its place: a value moved to another key or table does not open. What
//! sealing cannot show is that a value (or the whole file) was put back to an older state; peers do, because a
//! lane that goes back is a fork. Random nonces of 192 bits do not repeat in the lifetime of a region.
//!
//! Keyed hashes are SHA-256 over (subkey, name, text), each with its length before it: such an input is never
//! the beginning of another with as many parts, and hashes are cut to 16 bytes, so length extension has
//! nothing to hold on to.

use std::sync::Arc;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::api::Token;
use super::error::StoreError;
use crate::base::hash_tagged;

/// The version of the sealed form.
pub const SEAL_VERSION: u8 = 1;
/// Bytes that sealing adds to a value.
pub const SEAL_OVERHEAD: usize = HEADER + TAG;

const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = 1 + NONCE;

/// What tells a sealed value from every other: its nonce.
pub type Stamp = [u8; NONCE];

/// Returns the stamp of a sealed value; none when it is too short to be one.
pub fn stamp_of(sealed: &[u8]) -> Option<Stamp> {
    sealed.get(1..HEADER)?.try_into().ok()
}

/// The key under which everything in one store is sealed: 32 random bytes, wiped when dropped.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Draws a new key.
    ///
    /// # Errors
    /// [`StoreError::Random`].
    pub fn generate() -> Result<Self, StoreError> {
        let mut key = Zeroizing::new([0; 32]);
        fill_random(key.as_mut_slice())?;
        Ok(Self(key))
    }

    /// Takes the key's bytes, as unwrapped.
    pub fn from_bytes(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Returns the key's bytes, to be wrapped.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the key's name: 8 bytes of its tagged hash.
    pub fn id(&self) -> KeyId {
        let digest = hash_tagged("musubi.store.key-id.v1", &[self.0.as_slice()]);
        KeyId(digest.0[..8].try_into().expect("a digest has 32 bytes"))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({})", self.id())
    }
}

/// The name of a data key; tells nothing about the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(
    /// The bytes.
    pub [u8; 8],
);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::base::id::hex(&self.0))
    }
}

/// Where a store's nonces come from: the operating system, unless a simulator gives its own.
///
/// Two values sealed under one key with one nonce can be read by who has both: what is given here must never repeat
/// within the life of a data key.
#[derive(Clone)]
pub struct Nonces(Arc<FillNonce>);

/// Fills a nonce.
type FillNonce = dyn Fn(&mut [u8]) -> Result<(), StoreError> + Send + Sync;

impl Nonces {
    /// Takes nonces from a function, which is called once for each value that is sealed, in order.
    pub fn from_fn(fill: impl Fn(&mut [u8]) -> Result<(), StoreError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }
}

impl Default for Nonces {
    /// The operating system's random generator.
    fn default() -> Self {
        Self::from_fn(fill_random)
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(…)")
    }
}

/// Seals and opens the values of one store and hashes its keys.
pub struct Sealer {
    nonces: Nonces,
    cipher: XChaCha20Poly1305,
    hash_key: Zeroizing<[u8; 32]>,
    key_id: KeyId,
}

impl Sealer {
    /// Derives the subkeys of a data key; nonces are the operating system's.
    pub fn new(key: &DataKey) -> Self {
        Self::with_nonces(key, Nonces::default())
    }

    /// Derives the subkeys of a data key, and takes nonces from elsewhere.
    pub fn with_nonces(key: &DataKey, nonces: Nonces) -> Self {
        let seal_key = Zeroizing::new(hash_tagged("musubi.store.seal.v1", &[key.bytes()]).0);
        Self {
            nonces,
            cipher: XChaCha20Poly1305::new(&(*seal_key).into()),
            hash_key: Zeroizing::new(hash_tagged("musubi.store.hash.v1", &[key.bytes()]).0),
            key_id: key.id(),
        }
    }

    /// Returns the data key's name.
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Seals a value for its place.
    ///
    /// # Errors
    /// [`StoreError::Random`] when there is no nonce.
    pub fn seal(&self, table: &'static str, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD);
        sealed.push(SEAL_VERSION);
        sealed.resize(HEADER, 0);
        (self.nonces.0)(&mut sealed[1..])?;
        sealed.extend_from_slice(plain);
        let (head, body) = sealed.split_at_mut(HEADER);
        let nonce = XNonce::try_from(&head[1..]).expect("a nonce has 24 bytes");
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &associated(table, key), InOutBuf::from(body))
            .expect("a value is far below the cipher's limit of 256 GiB");
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens a value from its place.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when any bit of the value or its place is not as it was sealed.
    pub fn open(&self, table: &'static str, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
        self.try_open(table, key, sealed).ok_or_else(|| damaged(table, key))
    }

    /// Hashes a text for use as a key or token: 16 bytes that tell nothing without the data key.
    pub fn keyed_hash(&self, name: &str, text: &[u8]) -> [u8; 16] {
        let digest = hash_tagged("musubi.store.token.v1", &[self.hash_key.as_slice(), name.as_bytes(), text]);
        digest.0[..16].try_into().expect("a digest has 32 bytes")
    }

    /// Makes the token of a text.
    pub fn token(&self, kind: &str, text: &[u8]) -> Token {
        Token(self.keyed_hash(kind, text))
    }

    fn try_open(&self, table: &str, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = sealed.split_at_checked(HEADER)?;
        let (body, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        if header[0] != SEAL_VERSION {
            return None;
        }
        let nonce = XNonce::try_from(&header[1..]).ok()?;
        let tag = Tag::try_from(tag).ok()?;
        let mut plain = body.to_vec();
        self.cipher
            .decrypt_inout_detached(
                &nonce,
                &associated(table, key),
                InOutBuf::from(plain.as_mut_slice()),
                &tag,
            )
            .ok()?;
        Some(plain)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.key_id)
    }
}

/// Fills a buffer with random bytes of the operating system.
///
/// # Errors
/// [`StoreError::Random`].
pub fn fill_random(bytes: &mut [u8]) -> Result<(), StoreError> {
    getrandom::fill(bytes).map_err(|error| StoreError::Random { why: error.to_string() })
}

/// Names a damaged value by its table and the first bytes of its key.
pub fn damaged(table: &'static str, key: &[u8]) -> StoreError {
    StoreError::Damaged { table, key: crate::base::id::hex(&key[..key.len().min(12)]) }
}

fn associated(table: &str, key: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(2 + table.len() + key.len());
    data.push(SEAL_VERSION);
    data.push(table.len() as u8);
    data.extend_from_slice(table.as_bytes());
    data.extend_from_slice(key);
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&DataKey::from_bytes(Zeroizing::new([byte; 32])))
    }

    #[test]
    fn a_value_opens_only_whole_and_only_in_its_place() {
        let sealer = sealer(1);
        let sealed = sealer.seal("runs", b"key", b"value").unwrap();
        assert_eq!(sealed.len(), 5 + SEAL_OVERHEAD);
        assert_eq!(sealer.open("runs", b"key", &sealed).unwrap(), b"value");
        assert!(sealer.open("runs", b"kez", &sealed).is_err());
        assert!(sealer.open("lanes", b"key", &sealed).is_err());
        assert!(self::sealer(2).open("runs", b"key", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(sealer.open("runs", b"key", &bad).is_err(), "byte {at}");
            assert!(sealer.open("runs", b"key", &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn nonces_differ_and_plain_bytes_do_not_show() {
        let sealer = sealer(1);
        let one = sealer.seal("runs", b"key", b"a patient's name").unwrap();
        let two = sealer.seal("runs", b"key", b"a patient's name").unwrap();
        assert_ne!(one, two);
        assert!(!one.windows(7).any(|window| window == b"patient"));
    }

    #[test]
    fn tokens_depend_on_key_kind_and_text() {
        let token = sealer(1).token("name", "佐藤".as_bytes());
        assert_eq!(token, sealer(1).token("name", "佐藤".as_bytes()));
        assert_ne!(token, sealer(2).token("name", "佐藤".as_bytes()));
        assert_ne!(token, sealer(1).token("kana", "佐藤".as_bytes()));
        assert_ne!(sealer(1).token("a", b"bc"), sealer(1).token("ab", b"c"));
    }
}
