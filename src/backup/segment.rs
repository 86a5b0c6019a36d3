//! Sealed segments: many runs of one area and part, compressed, sealed under one read key, named by their hash.
//!
//! A segment is a sealed pack ([`crate::lane::sealed`]) of runs in their plain form.
//!
//! A segment is never changed; its name is the SHA-256 of its bytes, so a bucket cannot swap one for another.

use sha2::{Digest as _, Sha256};

use crate::base::cbor::CborError;
use crate::base::limits::RUN_PLAIN_BYTES_MAX;
use crate::base::{Area, Digest, Part};
use crate::identity::ReadKeyId;
use crate::lane::Run;
use crate::lane::frame::{FrameError, decode_plain, encode_plain};
use crate::lane::sealed::{self, ITEM_HEAD_BYTES, Items, Packer, SealedError, SealedHeader};

/// A segment is closed when its plain runs exceed this many bytes (FHIR text packs about 10 to 1, so that an
/// object holds up to some 6 MiB).
pub const SEGMENT_PLAIN_BYTES: usize = 48 << 20;
/// Most plain bytes that a reader unpacks from one segment.
pub const SEGMENT_PLAIN_BYTES_MAX: usize = SEGMENT_PLAIN_BYTES + RUN_PLAIN_BYTES_MAX + 2 * ITEM_HEAD_BYTES;
/// Largest segment object that a reader fetches.
pub const SEGMENT_BYTES_MAX: usize = SEGMENT_PLAIN_BYTES_MAX + (1 << 20);

/// FHIR text is packed at level 1 of zstd as well as at 3, and quicker.
const ZSTD_LEVEL: i32 = 1;

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

impl From<SealedError> for SegmentError {
    fn from(error: SealedError) -> Self {
        match error {
            SealedError::Shape => SegmentError::Shape,
            SealedError::Header(error) => SegmentError::Header(error),
            SealedError::Seal { area, part } => SegmentError::Seal { area, part },
            SealedError::Unpack(error) => SegmentError::Unpack(error),
        }
    }
}

/// Returns runs as they stand in a segment before it is packed.
pub fn plain_of(runs: &[Run]) -> Vec<u8> {
    let mut plain = Vec::new();
    for run in runs {
        let run = encode_plain(run);
        let length = u32::try_from(run.len()).expect("a run is far below 4 GiB");
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(&run);
    }
    plain
}

/// A segment under construction.
pub struct SegmentWriter(Packer);

impl Default for SegmentWriter {
    fn default() -> Self {
        Self(Packer::at_level(ZSTD_LEVEL))
    }
}

impl SegmentWriter {
    /// Starts an empty segment.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds runs in the form of [`plain_of`].
    pub fn push(&mut self, plain: &[u8]) {
        self.0.push_framed(plain);
    }

    /// Seals the segment and names it.
    pub fn seal(
        self,
        area: &Area,
        part: Part,
        key: (ReadKeyId, &[u8; 32]),
        nonce: [u8; 24],
    ) -> (Digest, Vec<u8>) {
        let object = self.0.seal(area, part, key, nonce);
        (name_of(&object), object)
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
pub fn check(name: &Digest, object: &[u8]) -> Result<SealedHeader, SegmentError> {
    let found = name_of(object);
    if found != *name {
        return Err(SegmentError::Hash { expected: *name, found });
    }
    Ok(sealed::header(object)?)
}

/// The runs of an opened segment, unpacked one after the other.
pub struct SegmentRuns(Items);

impl SegmentRuns {
    /// Gives the next run, none behind the last one. After an error nothing that follows means anything.
    ///
    /// # Errors
    /// [`SegmentError`] when it is malformed or beyond its limits.
    pub fn following(&mut self) -> Result<Option<Run>, SegmentError> {
        Ok(self.0.following()?.map(decode_plain).transpose()?)
    }
}

/// Opens a segment.
///
/// # Errors
/// [`SegmentError`] when the key is another one.
pub fn open(object: &[u8], key: &[u8; 32]) -> Result<SegmentRuns, SegmentError> {
    Ok(SegmentRuns(Items::open(object, key, SEGMENT_PLAIN_BYTES_MAX)?))
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

    /// Opens a segment and reads it to its end.
    fn open(object: &[u8], key: &[u8; 32]) -> Result<Vec<Run>, SegmentError> {
        let (mut segment, mut runs) = (super::open(object, key)?, Vec::new());
        while let Some(run) = segment.following()? {
            runs.push(run);
        }
        Ok(runs)
    }

    fn sealed(key: &[u8; 32]) -> (Digest, Vec<u8>) {
        let mut writer = SegmentWriter::new();
        writer.push(&plain_of(&[run(1), run(2)]));
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
