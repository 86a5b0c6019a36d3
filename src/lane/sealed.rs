//! Sealed packs: items of one area and part, compressed together and sealed under one read key.
//!
//! ```text
//! "MSG1" ‖ header length (u16, big-endian) ‖ header ‖ ciphertext
//! header      canonical CBOR [1, area, part, read key id (32), nonce (24)]
//! ciphertext  XChaCha20-Poly1305 under the read key; associated data: everything before it
//! plaintext   one zstd frame of: (length (u32, big-endian) ‖ item) …
//! ```
//!
//! Segments of a backup and the blocks of a bundle are such packs. Who lacks the key learns the area, the part and
//! the size, and no more.

use std::io::{Read as _, Write as _};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use minicbor::{Decode, Encode};

use crate::base::cbor::{self, CborError};
use crate::base::{Area, Part};
use crate::identity::ReadKeyId;

const MAGIC: &[u8; 4] = b"MSG1";
const ZSTD_LEVEL: i32 = 3;
/// Largest zstd window that a reader provides, as a power of two: 16 MiB, where level 3 uses 2 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;
/// The bytes that an item takes beside its own.
pub const ITEM_HEAD_BYTES: usize = 4;

/// Why a sealed pack cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// The bytes are not a sealed pack, or are cut.
    #[error("not a sealed pack, or cut short")]
    Shape,
    /// The header is not canonical.
    #[error("header: {0}")]
    Header(#[from] CborError),
    /// The seal does not open.
    #[error("of {area}/{part}: the seal does not open; wrong key, or changed")]
    Seal {
        /// The area in the header.
        area: Area,
        /// The part in the header.
        part: Part,
    },
    /// The content does not unpack within its limits.
    #[error("content: {0}")]
    Unpack(std::io::Error),
}

/// What a sealed pack says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SealedHeader {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The area.
    #[n(1)]
    pub area: Area,
    /// The part.
    #[n(2)]
    pub part: Part,
    /// The read key that opens it.
    #[n(3)]
    pub key: ReadKeyId,
    /// The nonce of the seal.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub nonce: [u8; 24],
}

/// A pack under construction.
pub struct Packer {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    plain: usize,
}

impl Packer {
    /// Starts an empty pack.
    pub fn new() -> Self {
        let encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).expect("level 3 exists");
        Self { encoder, plain: 0 }
    }

    /// Adds an item.
    pub fn push(&mut self, item: &[u8]) {
        let length = u32::try_from(item.len()).expect("an item is far below 4 GiB");
        self.encoder
            .write_all(&length.to_be_bytes())
            .and_then(|()| self.encoder.write_all(item))
            .expect("compressing into memory cannot fail");
        self.plain += ITEM_HEAD_BYTES + item.len();
    }

    /// Returns how many plain bytes were added.
    pub fn plain_bytes(&self) -> usize {
        self.plain
    }

    /// Seals the pack.
    pub fn seal(self, area: &Area, part: Part, key: (ReadKeyId, &[u8; 32]), nonce: [u8; 24]) -> Vec<u8> {
        let packed = self.encoder.finish().expect("compressing into memory cannot fail");
        let header = cbor::to_vec(&SealedHeader { version: 1, area: area.clone(), part, key: key.0, nonce });
        let length = u16::try_from(header.len()).expect("a header has some 150 bytes");
        let mut object = [MAGIC.as_slice(), &length.to_be_bytes(), &header].concat();
        let sealed = XChaCha20Poly1305::new(key.1.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &packed, aad: &object })
            .expect("sealing in memory cannot fail");
        object.extend_from_slice(&sealed);
        object
    }
}

impl Default for Packer {
    fn default() -> Self {
        Self::new()
    }
}

/// The opened content of a pack.
#[derive(Debug)]
pub struct Opened(Vec<u8>);

impl Opened {
    /// Gives the items in order; the last one is an error when the content is cut inside it.
    pub fn items(&self) -> impl Iterator<Item = Result<&[u8], SealedError>> {
        let mut rest = Some(self.0.as_slice());
        std::iter::from_fn(move || {
            let left = rest.take().filter(|left| !left.is_empty())?;
            let split = left
                .split_first_chunk::<ITEM_HEAD_BYTES>()
                .and_then(|(length, after)| after.split_at_checked(u32::from_be_bytes(*length) as usize));
            Some(match split {
                Some((item, after)) => {
                    rest = Some(after);
                    Ok(item)
                }
                None => Err(SealedError::Shape),
            })
        })
    }
}

/// Returns what a pack says of itself, without a key.
///
/// # Errors
/// [`SealedError`] when the bytes are no pack.
pub fn header(object: &[u8]) -> Result<SealedHeader, SealedError> {
    Ok(split(object)?.0)
}

/// Opens a pack of at most so many plain bytes.
///
/// # Errors
/// [`SealedError`] when the key is another one, or the content is beyond its limit.
pub fn open(object: &[u8], key: &[u8; 32], plain_max: usize) -> Result<Opened, SealedError> {
    let (header, body) = split(object)?;
    let packed = XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(header.nonce), Payload { msg: &object[body..], aad: &object[..body] })
        .map_err(|_| SealedError::Seal { area: header.area, part: header.part })?;
    let mut plain = Vec::new();
    zstd::Decoder::new(packed.as_slice())
        .and_then(|mut decoder| {
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            decoder.take(plain_max as u64 + 1).read_to_end(&mut plain)
        })
        .map_err(SealedError::Unpack)?;
    if plain.len() > plain_max {
        return Err(SealedError::Unpack(std::io::Error::other("more than it may hold")));
    }
    Ok(Opened(plain))
}

fn split(object: &[u8]) -> Result<(SealedHeader, usize), SealedError> {
    let rest = object.strip_prefix(MAGIC.as_slice()).ok_or(SealedError::Shape)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(SealedError::Shape)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let header = rest.get(..length).ok_or(SealedError::Shape)?;
    let header: SealedHeader = cbor::from_canonical(header)?;
    if header.version != 1 {
        return Err(SealedError::Shape);
    }
    Ok((header, MAGIC.len() + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::wrap::read_key_id;

    fn sealed(items: &[&[u8]], key: &[u8; 32]) -> Vec<u8> {
        let mut packer = Packer::new();
        items.iter().for_each(|item| packer.push(item));
        packer.seal(&Area::common(), Part::Card, (read_key_id(key), key), [9; 24])
    }

    #[test]
    fn items_come_back_to_the_holder_of_the_key_only() {
        let object = sealed(&[b"one", b"", b"three"], &[3; 32]);
        let opened = open(&object, &[3; 32], 100).unwrap();
        let items: Vec<&[u8]> = opened.items().map(Result::unwrap).collect();
        assert_eq!(items, [b"one".as_slice(), b"", b"three"]);
        assert!(matches!(open(&object, &[4; 32], 100), Err(SealedError::Seal { .. })));
        assert_eq!(header(&object).unwrap().part, Part::Card);
    }

    #[test]
    fn what_unpacks_to_more_than_it_may_is_refused_and_a_cut_item_is_told() {
        let bomb = sealed(&[&vec![0; 1 << 20]], &[3; 32]);
        assert!(bomb.len() < 1_000 && matches!(open(&bomb, &[3; 32], 1_000), Err(SealedError::Unpack(_))));
        let cut = Opened([&9_u32.to_be_bytes()[..], b"four"].concat());
        assert!(matches!(cut.items().collect::<Vec<_>>().as_slice(), [Err(SealedError::Shape)]));
    }
}
