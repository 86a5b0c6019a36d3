//! Sealed segments: many runs of one area and part, compressed, sealed under one read key, named by their hash.
//!
//! ```text
//! "MSG1" ‖ header length (u16, big-endian) ‖ header ‖ ciphertext
//! header      canonical CBOR [1, area, part, read key id (32), nonce (24)]
//! ciphertext  XChaCha20-Poly1305 under the read key; associated data: everything before it
//! plaintext   one zstd frame of: (length (u32, big-endian) ‖ plain run) …
//! ```
//!
//! A segment is never changed; its name is the SHA-256 of its bytes, so a bucket cannot swap one for another.

use std::io::{Read as _, Write as _};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use minicbor::{Decode, Encode};
use sha2::{Digest as _, Sha256};

use crate::base::cbor::{self, CborError};
use crate::base::limits::RUN_PLAIN_BYTES_MAX;
use crate::base::{Area, Digest, Part};
use crate::identity::ReadKeyId;
use crate::lane::Run;
use crate::lane::frame::{FrameError, decode_plain, encode_plain};

const MAGIC: &[u8; 4] = b"MSG1";
const ZSTD_LEVEL: i32 = 3;
/// A segment is closed when its plain runs exceed this many bytes (FHIR text packs about 10 to 1, so that an
/// object holds up to some 6 MiB).
pub const SEGMENT_PLAIN_BYTES: usize = 48 << 20;
/// Most plain bytes that a reader unpacks from one segment.
pub const SEGMENT_PLAIN_BYTES_MAX: usize = SEGMENT_PLAIN_BYTES + RUN_PLAIN_BYTES_MAX + 8;
/// Largest segment object that a reader fetches.
pub const SEGMENT_BYTES_MAX: usize = SEGMENT_PLAIN_BYTES_MAX + (1 << 20);

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The object is not a segment, or is cut.
    #[error("not a segment, or cut short")]
    Shape,
    /// The header is not canonical.
    #[error("segment header: {0}")]
    Header(#[from] CborError),
    /// The object's bytes are not those that its name says.
    #[error("segment {expected}: its bytes hash to {found}; the object was changed or damaged")]
    Hash {
        /// The name.
        expected: Digest,
        /// The hash of what is there.
        found: Digest,
    },
    /// The seal does not open.
    #[error("segment of {area}/{part}: the seal does not open; wrong key, or changed")]
    Seal {
        /// The area in the header.
        area: Area,
        /// The part in the header.
        part: Part,
    },
    /// The content does not unpack within its limits.
    #[error("segment content: {0}")]
    Unpack(std::io::Error),
    /// A run inside is malformed.
    #[error("segment content: {0}")]
    Run(#[from] FrameError),
}

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct SegmentHeader {
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

/// A segment under construction.
pub struct SegmentWriter {
    encoder: zstd::Encoder<'static, Vec<u8>>,
    plain: usize,
}

impl SegmentWriter {
    /// Starts an empty segment.
    pub fn new() -> Self {
        let encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL).expect("level 3 exists");
        Self { encoder, plain: 0 }
    }

    /// Adds a run.
    pub fn push(&mut self, run: &Run) {
        let plain = encode_plain(run);
        let length = u32::try_from(plain.len()).expect("a run is far below 4 GiB");
        self.encoder
            .write_all(&length.to_be_bytes())
            .and_then(|()| self.encoder.write_all(&plain))
            .expect("compressing into memory cannot fail");
        self.plain += 4 + plain.len();
    }

    /// Says whether the segment has reached its size.
    pub fn is_full(&self) -> bool {
        self.plain >= SEGMENT_PLAIN_BYTES
    }

    /// Says whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.plain == 0
    }

    /// Seals the segment and names it.
    pub fn seal(
        self,
        area: &Area,
        part: Part,
        key: (ReadKeyId, &[u8; 32]),
        nonce: [u8; 24],
    ) -> (Digest, Vec<u8>) {
        let packed = self.encoder.finish().expect("compressing into memory cannot fail");
        let header = cbor::to_vec(&SegmentHeader { version: 1, area: area.clone(), part, key: key.0, nonce });
        let length = u16::try_from(header.len()).expect("a header has some 150 bytes");
        let mut object = [MAGIC.as_slice(), &length.to_be_bytes(), &header].concat();
        let sealed = XChaCha20Poly1305::new(key.1.into())
            .encrypt(&XNonce::from(nonce), Payload { msg: &packed, aad: &object })
            .expect("sealing in memory cannot fail");
        object.extend_from_slice(&sealed);
        (name_of(&object), object)
    }
}

impl Default for SegmentWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Names a segment by the hash of its bytes.
pub fn name_of(object: &[u8]) -> Digest {
    Digest(Sha256::digest(object).into())
}

/// Checks that an object is the segment of this name, and returns what it says of itself.
///
/// # Errors
/// [`SegmentError`] when the bytes are others or are not a segment.
pub fn check(name: &Digest, object: &[u8]) -> Result<SegmentHeader, SegmentError> {
    let found = name_of(object);
    if found != *name {
        return Err(SegmentError::Hash { expected: *name, found });
    }
    Ok(split(object)?.0)
}

/// Opens a segment and returns its runs, in order.
///
/// # Errors
/// [`SegmentError`] when the key is another one, or anything inside is malformed or beyond its limits.
pub fn open(object: &[u8], key: &[u8; 32]) -> Result<Vec<Run>, SegmentError> {
    let (header, body) = split(object)?;
    let packed = XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(header.nonce), Payload { msg: &object[body..], aad: &object[..body] })
        .map_err(|_| SegmentError::Seal { area: header.area, part: header.part })?;
    let mut plain = Vec::new();
    zstd::Decoder::new(packed.as_slice())
        .and_then(|decoder| decoder.take(SEGMENT_PLAIN_BYTES_MAX as u64 + 1).read_to_end(&mut plain))
        .map_err(SegmentError::Unpack)?;
    if plain.len() > SEGMENT_PLAIN_BYTES_MAX {
        return Err(SegmentError::Unpack(std::io::Error::other("more than a segment may hold")));
    }
    let mut runs = Vec::new();
    let mut rest = plain.as_slice();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(SegmentError::Shape)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (run, after) = after.split_at_checked(length).ok_or(SegmentError::Shape)?;
        runs.push(decode_plain(run)?);
        rest = after;
    }
    Ok(runs)
}

fn split(object: &[u8]) -> Result<(SegmentHeader, usize), SegmentError> {
    let rest = object.strip_prefix(MAGIC.as_slice()).ok_or(SegmentError::Shape)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(SegmentError::Shape)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let header = rest.get(..length).ok_or(SegmentError::Shape)?;
    let header: SegmentHeader = cbor::from_canonical(header)?;
    if header.version != 1 {
        return Err(SegmentError::Shape);
    }
    Ok((header, MAGIC.len() + 2 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{LaneId, Part};
    use crate::identity::wrap::read_key_id;
    use crate::lane::{Checkpoint, Entry, EntryKind};

    fn run(number: u8) -> Run {
        Run {
            lane: LaneId([number; 32]),
            start: 7,
            entries: vec![Entry { kind: EntryKind::FACTS, body: vec![number; 300] }],
            checkpoints: vec![Checkpoint { size: 8, signature: [number; 64] }],
        }
    }

    fn sealed(key: &[u8; 32]) -> (Digest, Vec<u8>) {
        let mut writer = SegmentWriter::new();
        writer.push(&run(1));
        writer.push(&run(2));
        writer.seal(&Area::common(), Part::Card, (read_key_id(key), key), [9; 24])
    }

    #[test]
    fn a_segment_gives_back_its_runs_to_the_holder_of_its_key_only() {
        let key = [3; 32];
        let (name, object) = sealed(&key);
        let header = check(&name, &object).unwrap();
        assert_eq!((header.part, header.key), (Part::Card, read_key_id(&key)));
        assert_eq!(open(&object, &key).unwrap(), [run(1), run(2)]);
        assert!(matches!(open(&object, &[4; 32]), Err(SegmentError::Seal { .. })));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let key = [3; 32];
        let (name, object) = sealed(&key);
        for byte in 0..object.len() {
            let mut bad = object.clone();
            bad[byte] ^= 0x10;
            assert!(check(&name, &bad).is_err());
            assert!(open(&bad, &key).is_err(), "byte {byte}");
            assert!(open(&object[..byte], &key).is_err(), "cut at {byte}");
        }
    }

    /// A released format stays readable: this object was written by version 0.1.0. What zstd writes may change
    /// with its version, so only reading is held fast.
    #[test]
    fn the_golden_segment_is_read() {
        let golden = include_str!("../../tests/golden/segment.hex").trim();
        let object = data_encoding::HEXLOWER.decode(golden.as_bytes()).unwrap();
        assert_eq!(open(&object, &[3; 32]).unwrap(), [run(1), run(2)]);
    }
}
