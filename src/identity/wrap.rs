//! Key wraps: secrets sealed to the key-exchange key of whoever may open them (HPKE, RFC 9180, base mode,
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305).
//!
//! Read keys are wrapped to audiences, audiences to sites, sites to their devices and to their offline
//! recovery key; so a new device of a site, or one restored from a recovery key, opens everything that its site
//! may read by one fixpoint over the wraps. A wrap is `[1, secret's name, recipient (32), encapsulation (32),
//! ciphertext (48)]`; the name is authenticated as HPKE's associated data.

use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use hpke::{aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256};
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;

use super::key::{KexPublic, KexSecret};
use crate::base::id::bytes_newtype;
use crate::base::{Area, Part, SiteId, cbor, hash_tagged};

const VERSION: u8 = 1;
const INFO: &[u8] = b"musubi.wrap.v1";

bytes_newtype! {
    /// Names a read key: the tagged hash of its bytes, so that concurrent changes of keys may leave two.
    ReadKeyId, 32
}

/// What a wrapped secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum SecretName {
    /// The symmetric key under which segments of one area and part are sealed.
    #[n(0)]
    ReadKey {
        /// The area.
        #[n(0)]
        area: Area,
        /// The part.
        #[n(1)]
        part: Part,
        /// The key's name.
        #[n(2)]
        id: ReadKeyId,
    },
    /// The key-exchange secret of an audience, such as the card readers of a region.
    #[n(1)]
    Audience {
        /// Its public key.
        #[n(0)]
        public: KexPublic,
    },
    /// The key-exchange secret of a site.
    #[n(2)]
    SiteKex {
        /// The site.
        #[n(0)]
        site: SiteId,
    },
    /// The signing seed of a site: sealed to its recovery key only.
    #[n(3)]
    SiteSigning {
        /// The site.
        #[n(0)]
        site: SiteId,
    },
}

/// One secret sealed to one recipient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(array)]
pub struct KeyWrap {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// What is inside.
    #[n(1)]
    pub name: SecretName,
    /// Who may open it.
    #[n(2)]
    pub recipient: KexPublic,
    /// HPKE's encapsulated key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub encapsulation: [u8; 32],
    /// The sealed 32 bytes.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub ciphertext: Vec<u8>,
}

/// Why a wrap does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key wrap does not open with the key it names")]
pub struct WrapError;

/// Names a read key.
pub fn read_key_id(key: &[u8; 32]) -> ReadKeyId {
    ReadKeyId(hash_tagged("musubi.readkey.v1", &[key]).0)
}

impl KeyWrap {
    /// Seals a 32-byte secret to a recipient.
    pub fn seal(
        name: SecretName,
        secret: &[u8; 32],
        recipient: &KexPublic,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let public = <X25519HkdfSha256 as hpke::Kem>::PublicKey::from_bytes(&recipient.0)
            .expect("any 32 bytes are an X25519 public key");
        let (encapsulation, ciphertext) = hpke::single_shot_seal_with_rng::<
            ChaCha20Poly1305,
            HkdfSha256,
            X25519HkdfSha256,
        >(
            &OpModeS::Base, &public, INFO, secret, &cbor::to_vec(&name), rng
        )
        .expect("sealing 32 bytes to a valid key cannot fail");
        let encapsulation =
            encapsulation.to_bytes().as_slice().try_into().expect("an encapsulation has 32 bytes");
        Self { version: VERSION, name, recipient: *recipient, encapsulation, ciphertext }
    }

    /// Opens the secret.
    ///
    /// # Errors
    /// [`WrapError`] when the key is another one, or the wrap was changed.
    pub fn open(&self, secret: &KexSecret) -> Result<[u8; 32], WrapError> {
        let private = <X25519HkdfSha256 as hpke::Kem>::PrivateKey::from_bytes(secret.expose())
            .map_err(|_| WrapError)?;
        let encapsulated = <X25519HkdfSha256 as hpke::Kem>::EncappedKey::from_bytes(&self.encapsulation)
            .map_err(|_| WrapError)?;
        let opened = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            INFO,
            &self.ciphertext,
            &cbor::to_vec(&self.name),
        )
        .map_err(|_| WrapError)?;
        opened.try_into().map_err(|_| WrapError)
    }
}
