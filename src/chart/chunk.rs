//! The frame of one change: read, bounded and hashed without the help of Automerge.
//!
//! ```text
//! 0   4  magic 85 6f 4a 83
//! 4   4  checksum: the first bytes of the hash
//! 8   1  chunk type: 1 = change (0 = document, 2 = compressed change, 3 = bundle: refused unread)
//! 9   …  length of the body, unsigned LEB128
//!        body: dependencies · actor · sequence · first operation · time · message · other actors ·
//!              column directory · columns · extra bytes
//! ```
//!
//! The hash is SHA-256 over the chunk type, the length and the body. Four bytes of checksum stop accidents
//! and nothing else, so the hash is always computed here and never taken from the bytes. A document
//! chunk makes `load` panic, hang or allocate 17 GB when it is hostile, and a compressed chunk inflates
//! without limit before its checksum is looked at; neither is ever needed between replicas.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::actor::{ActorBytes, ChangeHash};
use super::columns::{Reader, count_operations};
use super::limits::{ACTORS_PER_CHANGE_MAX, CHANGE_BYTES_MAX, DEPS_PER_CHANGE_MAX, KEY_BYTES_MAX};

/// Says why bytes are not the frame of a change that a chart may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes exceed [`CHANGE_BYTES_MAX`].
    #[error("reading a chart change: it is larger than {CHANGE_BYTES_MAX} bytes")]
    TooLarge,
    /// The bytes end before the frame does.
    #[error("reading a chart change: it is cut short")]
    Truncated,
    /// The bytes go on after the frame.
    #[error("reading a chart change: bytes follow its end")]
    TrailingBytes,
    /// The bytes do not begin as a chunk does.
    #[error("reading a chart change: not an Automerge chunk")]
    NotAChunk,
    /// The chunk is a document, a compressed change, a bundle or unknown.
    #[error("reading a chart change: chunks of type {found} are not accepted")]
    ChunkType {
        /// The type byte that was found; a change has 1.
        found: u8,
    },
    /// The checksum is not the beginning of the hash of the body.
    #[error("reading a chart change: its checksum is wrong")]
    Checksum,
    /// A number does not fit 64 bits.
    #[error("reading a chart change: a number is too long")]
    NumberTooLong,
    /// An actor is shorter or longer than actors are.
    #[error("reading a chart change: an actor has a wrong length")]
    ActorLength,
    /// The change names more dependencies or actors than the limits allow.
    #[error("reading a chart change: too many dependencies or actors")]
    TooManyReferences,
    /// The dependencies are not sorted, or one stands twice.
    #[error("reading a chart change: dependencies are not in order")]
    DepsOutOfOrder,
    /// The first operation has number 0 or the last exceeds 64 bits.
    #[error("reading a chart change: operation numbers are out of range")]
    OperationNumber,
    /// The change holds a message or extra bytes, which charts never write.
    #[error("reading a chart change: it holds a message or extra bytes")]
    Extras,
    /// A column is not one of those that charts write.
    #[error("reading a chart change: it holds an unknown column")]
    UnknownColumn,
    /// The columns are not in ascending order.
    #[error("reading a chart change: columns are not in order")]
    ColumnsOutOfOrder,
    /// The columns announce more operations or predecessors than the limits allow.
    #[error("reading a chart change: too many operations")]
    TooManyOperations,
    /// A key is longer than [`KEY_BYTES_MAX`].
    #[error("reading a chart change: a key is longer than {KEY_BYTES_MAX} bytes")]
    KeyTooLong,
    /// A mark has another name than those that the schema fixes.
    #[error("reading a chart change: it holds an unknown mark")]
    UnknownMark,
    /// The change holds no operation.
    #[error("reading a chart change: it holds no operation")]
    Empty,
}

/// One change of a chart: the bytes of one type-1 chunk and what its frame says.
///
/// The frame was read, the checksum and the limits hold; nothing is known of the operations inside nor of
/// who wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartChange {
    bytes: Vec<u8>,
    hash: ChangeHash,
    actor: ActorBytes,
    seq: u64,
    start_op: u64,
    max_op: u64,
    time_s: i64,
    deps: Vec<ChangeHash>,
}

impl ChartChange {
    /// Reads the frame of one change.
    ///
    /// # Errors
    ///
    /// When the bytes are not exactly one change chunk within the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, ChunkError> {
        if bytes.len() > CHANGE_BYTES_MAX {
            return Err(ChunkError::TooLarge);
        }
        let mut frame = Reader::new(bytes);
        if frame.take(4)? != MAGIC {
            return Err(ChunkError::NotAChunk);
        }
        let checksum = frame.take(4)?;
        let found = frame.take(1)?[0];
        if found != CHANGE_CHUNK {
            return Err(ChunkError::ChunkType { found });
        }
        let hashed_from = &bytes[bytes.len() - frame.rest().len() - 1..];
        let length = frame.unsigned()?;
        let body = frame.take(length)?;
        if !frame.is_at_end() {
            return Err(ChunkError::TrailingBytes);
        }
        // The length is hashed as it stands; one that is not in shortest form gives another hash than
        // Automerge computes, and the guard compares both.
        let hash: [u8; 32] = Sha256::digest(hashed_from).into();
        if checksum != &hash[..4] {
            return Err(ChunkError::Checksum);
        }
        Self::parse_body(bytes, ChangeHash(hash), body)
    }

    fn parse_body(bytes: &[u8], hash: ChangeHash, body: &[u8]) -> Result<Self, ChunkError> {
        let mut body = Reader::new(body);
        let deps = references(&mut body, DEPS_PER_CHANGE_MAX, |reader| {
            let hash = reader.take(32)?.try_into().expect("32 bytes were taken");
            Ok(ChangeHash(hash))
        })?;
        if !deps.is_sorted_by(|a, b| a < b) {
            return Err(ChunkError::DepsOutOfOrder);
        }
        let actor = read_actor(&mut body)?;
        let seq = body.unsigned()?;
        let start_op = body.unsigned()?;
        let time_s = body.signed()?;
        let message_bytes = body.unsigned()?;
        if message_bytes != 0 {
            return Err(ChunkError::Extras);
        }
        let others = references(&mut body, ACTORS_PER_CHANGE_MAX, read_actor)?;
        if others.iter().collect::<BTreeSet<_>>().len() != others.len() || others.contains(&actor) {
            return Err(ChunkError::TooManyReferences);
        }
        let operations = count_operations(&mut body)?;
        if !body.is_at_end() {
            return Err(ChunkError::Extras);
        }
        if operations == 0 {
            return Err(ChunkError::Empty);
        }
        if start_op == 0 {
            return Err(ChunkError::OperationNumber);
        }
        let max_op = start_op.checked_add(operations - 1).ok_or(ChunkError::OperationNumber)?;
        Ok(Self { bytes: bytes.to_vec(), hash, actor, seq, start_op, max_op, time_s, deps })
    }

    /// Returns the bytes of the chunk, as a lane's entry carries them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the hash of the change.
    pub fn hash(&self) -> ChangeHash {
        self.hash
    }

    /// Returns the actor that the change claims to be by.
    pub fn actor(&self) -> &ActorBytes {
        &self.actor
    }

    /// Returns the place of the change among those of its actor, from 1.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Returns the number of its first operation.
    pub fn start_op(&self) -> u64 {
        self.start_op
    }

    /// Returns the number of its last operation.
    pub fn max_op(&self) -> u64 {
        self.max_op
    }

    /// Returns when it was written by its writer's clock, in seconds since 1970.
    pub fn time_s(&self) -> i64 {
        self.time_s
    }

    /// Returns the changes that its writer's document had as heads, in ascending order.
    pub fn deps(&self) -> &[ChangeHash] {
        &self.deps
    }
}

/// The first bytes of every Automerge chunk.
pub(super) const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];

/// The chunk type of a change that is not compressed.
pub(super) const CHANGE_CHUNK: u8 = 1;

fn read_actor(reader: &mut Reader<'_>) -> Result<ActorBytes, ChunkError> {
    let bytes = reader.unsigned()?;
    ActorBytes::new(reader.take(bytes)?).ok_or(ChunkError::ActorLength)
}

fn references<T>(
    reader: &mut Reader<'_>,
    count_max: u64,
    mut one: impl FnMut(&mut Reader<'_>) -> Result<T, ChunkError>,
) -> Result<Vec<T>, ChunkError> {
    let count = reader.unsigned()?;
    if count > count_max {
        return Err(ChunkError::TooManyReferences);
    }
    (0..count).map(|_| one(reader)).collect()
}
