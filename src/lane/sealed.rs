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

use std::io::{self, Cursor, Read as _, Write as _};

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
        Self::at_level(ZSTD_LEVEL)
    }

    /// Starts an empty pack that is compressed at this level of zstd.
    pub fn at_level(level: i32) -> Self {
        let encoder = zstd::Encoder::new(Vec::new(), level).expect("zstd takes any level");
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

    /// Adds items that stand behind each other already, each with its length before it.
    pub fn push_framed(&mut self, items: &[u8]) {
        self.encoder.write_all(items).expect("compressing into memory cannot fail");
        self.plain += items.len();
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
    let packed = unsealed(object, key)?;
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

/// The items of a pack, unpacked one after the other: beside the packed bytes memory is needed for one of them.
pub struct Items {
    decoder: zstd::Decoder<'static, Cursor<Vec<u8>>>,
    /// How many plain bytes may still come.
    left: usize,
    item: Vec<u8>,
}

impl Items {
    /// Opens a pack of at most so many plain bytes.
    ///
    /// # Errors
    /// [`SealedError`] when the key is another one.
    pub fn open(object: &[u8], key: &[u8; 32], plain_max: usize) -> Result<Self, SealedError> {
        let packed = Cursor::new(unsealed(object, key)?);
        let mut decoder = zstd::Decoder::with_buffer(packed).map_err(SealedError::Unpack)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(SealedError::Unpack)?;
        Ok(Self { decoder, left: plain_max, item: Vec::new() })
    }

    /// Gives the next item, none behind the last one. After an error nothing that follows means anything.
    ///
    /// # Errors
    /// [`SealedError`] when the content is cut, does not unpack, or is beyond its limit.
    pub fn following(&mut self) -> Result<Option<&[u8]>, SealedError> {
        if self.read(ITEM_HEAD_BYTES)? == 0 {
            return Ok(None);
        }
        let head = <[u8; ITEM_HEAD_BYTES]>::try_from(&*self.item).map_err(|_| SealedError::Shape)?;
        let length = u32::from_be_bytes(head) as usize;
        match self.read(length)? == length {
            true => Ok(Some(&self.item)),
            false => Err(SealedError::Shape),
        }
    }

    /// Unpacks as many bytes into the item, fewer at the end; memory grows with what is really there.
    fn read(&mut self, length: usize) -> Result<usize, SealedError> {
        if length > self.left {
            // Where nothing follows any more, nothing is too much.
            length_beyond(&mut self.decoder)?;
            self.item.clear();
            return Ok(0);
        }
        self.item.clear();
        self.item.reserve(length.min(RESERVED_BYTES_MAX));
        let read = (&mut self.decoder).take(length as u64).read_to_end(&mut self.item);
        let read = read.map_err(SealedError::Unpack)?;
        self.left -= read;
        Ok(read)
    }
}

/// What is reserved for an item before it has been seen.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// Fails when anything follows.
fn length_beyond(decoder: &mut impl io::Read) -> Result<(), SealedError> {
    match decoder.read(&mut [0]).map_err(SealedError::Unpack)? {
        0 => Ok(()),
        _ => Err(SealedError::Unpack(io::Error::other("more than it may hold"))),
    }
}

/// Opens the seal; what is inside is still packed.
fn unsealed(object: &[u8], key: &[u8; 32]) -> Result<Vec<u8>, SealedError> {
    let (header, body) = split(object)?;
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(header.nonce), Payload { msg: &object[body..], aad: &object[..body] })
        .map_err(|_| SealedError::Seal { area: header.area, part: header.part })
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

    #[test]
    fn items_are_unpacked_one_after_the_other_within_the_limit() {
        let read = |object: &[u8], plain_max: usize| {
            let mut items = Items::open(object, &[3; 32], plain_max)?;
            let mut read = Vec::new();
            while let Some(item) = items.following()? {
                read.push(item.to_vec());
            }
            Ok::<_, SealedError>(read)
        };
        let object = sealed(&[b"one", b"", b"three"], &[3; 32]);
        let all = 3 * ITEM_HEAD_BYTES + 8;
        assert_eq!(read(&object, all).unwrap(), [b"one".as_slice(), b"", b"three"]);
        for plain_max in 0..all {
            assert!(matches!(read(&object, plain_max), Err(SealedError::Unpack(_))), "{plain_max}");
        }
        assert!(matches!(Items::open(&object, &[4; 32], all), Err(SealedError::Seal { .. })));
        let framed = |items: &[u8]| {
            let mut packer = Packer::at_level(1);
            packer.push_framed(items);
            packer.seal(&Area::common(), Part::Card, (read_key_id(&[3; 32]), &[3; 32]), [9; 24])
        };
        assert_eq!(read(&framed(&[0, 0, 0, 1, b'a']), 100).unwrap(), [b"a"]);
        for cut in [&[0, 0, 0][..], &[0, 0, 0, 2, b'a'], &[0, 0, 0, 1, b'a', 0]] {
            assert!(matches!(read(&framed(cut), 100), Err(SealedError::Shape)), "{cut:?}");
        }
        assert!(matches!(read(&framed(&[255, 0, 0, 0, b'a']), 100), Err(SealedError::Unpack(_))));
    }
}
