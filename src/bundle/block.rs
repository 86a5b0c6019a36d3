//! Blocks: the pieces of a bundle, each of which tells whether it is whole.
//!
//! ```text
//! "MSBk" ‖ kind (1) ‖ bundle (8) ‖ number (4) ‖ length (4) ‖ check (4) ‖ payload ‖ sum (8)
//! ```
//!
//! Numbers are big-endian and count from 0 without gaps. `check` is the beginning of a tagged hash of the 21 bytes
//! before it, so that no length is believed that was not written; `sum` that of the whole head and the payload.

use crate::base::hash_tagged;
use crate::base::id::bytes_newtype;
use crate::base::limits::BUNDLE_BLOCK_BYTES_MAX;

/// What every block begins with, by which a reader finds the next one behind damage.
pub const MARK: &[u8; 4] = b"MSBk";
/// The bytes before the payload.
pub const HEAD_BYTES: usize = 25;
/// The bytes after the payload.
pub const SUM_BYTES: usize = 8;

const CHECK_AT: usize = HEAD_BYTES - 4;

bytes_newtype! {
    /// Names a bundle: the beginning of its header's hash. It stands in every block, so that a block of another bundle
    /// is known as such.
    BundleId, 8
}

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockKind {
    /// Whose bundle it is, for whom, and what it should hold: the first block.
    Header,
    /// How far the sender holds its lanes.
    Heads,
    /// Certificates that the runs need.
    Certificates,
    /// Sealed runs of one area and part.
    Runs,
    /// Sealed evidence of forks of one area and part.
    Forks,
    /// How many blocks there are: the last block.
    Footer,
}

impl BlockKind {
    /// All kinds.
    pub const ALL: [BlockKind; 6] = [
        BlockKind::Header,
        BlockKind::Heads,
        BlockKind::Certificates,
        BlockKind::Runs,
        BlockKind::Forks,
        BlockKind::Footer,
    ];

    /// Returns the kind's number in the format.
    pub fn code(self) -> u8 {
        match self {
            BlockKind::Header => 0,
            BlockKind::Heads => 1,
            BlockKind::Certificates => 2,
            BlockKind::Runs => 3,
            BlockKind::Forks => 4,
            BlockKind::Footer => 5,
        }
    }
}

/// One whole block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The bundle to which it belongs.
    pub bundle: BundleId,
    /// Its place in the bundle, from 0.
    pub number: u32,
    /// What it holds; none for a kind that this program does not know.
    pub kind: Option<BlockKind>,
    /// Its content.
    pub payload: Vec<u8>,
}

/// The head of a block whose check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The bundle.
    pub bundle: BundleId,
    /// The number of the block.
    pub number: u32,
    /// The kind, if it is known.
    pub kind: Option<BlockKind>,
    /// The length of the payload, in bytes.
    pub length: u32,
}

impl Head {
    /// Reads a head; none when the bytes are too few or none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        if !head.starts_with(MARK) || head[CHECK_AT..] != check(&head[..CHECK_AT]) {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let kind = BlockKind::ALL.into_iter().find(|kind| kind.code() == head[4]);
        let bundle = BundleId(head[5..13].try_into().expect("eight bytes"));
        Some(Self { bundle, number: word(13), kind, length: word(17) })
    }

    /// Returns the length of the whole block, in bytes.
    pub fn block_bytes(&self) -> u64 {
        (HEAD_BYTES + SUM_BYTES) as u64 + u64::from(self.length)
    }
}

/// Writes a block.
pub fn encode(bundle: &BundleId, number: u32, kind: BlockKind, payload: &[u8]) -> Vec<u8> {
    debug_assert!(payload.len() <= BUNDLE_BLOCK_BYTES_MAX, "writers keep blocks small");
    let length = u32::try_from(payload.len()).expect("a block is far below 4 GiB");
    let mut block = Vec::with_capacity(HEAD_BYTES + payload.len() + SUM_BYTES);
    block.extend_from_slice(MARK);
    block.push(kind.code());
    block.extend_from_slice(&bundle.0);
    block.extend_from_slice(&number.to_be_bytes());
    block.extend_from_slice(&length.to_be_bytes());
    block.extend_from_slice(&check(&block));
    block.extend_from_slice(payload);
    block.extend_from_slice(&sum(&block));
    block
}

/// Returns what the last bytes of a block must be, whose bytes before them these are.
pub fn sum(head_and_payload: &[u8]) -> [u8; SUM_BYTES] {
    let hash = hash_tagged("musubi.bundle.block.v1", &[head_and_payload]);
    hash.0[..SUM_BYTES].try_into().expect("eight of 32 bytes")
}

fn check(head: &[u8]) -> [u8; 4] {
    hash_tagged("musubi.bundle.head.v1", &[head]).0[..4].try_into().expect("four of 32 bytes")
}
