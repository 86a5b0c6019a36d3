//! Tables, keys and the values inside the seals.

use minicbor::{Decode, Encode};
use redb::TableDefinition;

use crate::base::WallMs;
use crate::lane::tree::Frontier;

/// The version of the tables that this program writes and reads.
pub(super) const FORMAT_VERSION: u64 = 1;

/// A table whose values are sealed.
pub(super) type Sealed<K> = TableDefinition<'static, K, &'static [u8]>;

pub(super) const META: [Sealed<&str>; 2] = [Sealed::new("meta"), Sealed::new("meta-twin")];
pub(super) const IDS: Sealed<u32> = Sealed::new("ids");
pub(super) const LANES: [Sealed<u32>; 2] = [Sealed::new("lanes"), Sealed::new("lanes-twin")];
pub(super) const RUNS: Sealed<&[u8; 12]> = Sealed::new("runs");
/// The table of runs while it is written anew.
pub(super) const RUNS_IN_ORDER: Sealed<&[u8; 12]> = Sealed::new("runs-in-order");
pub(super) const ARRIVALS: Sealed<u64> = Sealed::new("arrivals");
pub(super) const NAMED: [Sealed<&[u8; 16]>; 2] = [Sealed::new("named"), Sealed::new("named-twin")];
pub(super) const BLOBS: Sealed<&[u8; 24]> = Sealed::new("blobs");
pub(super) const INDEX: Sealed<u32> = Sealed::new("index");
pub(super) const INDEX_LOG: Sealed<u64> = Sealed::new("index-log");

pub(super) const META_FORMAT: &str = "format";
pub(super) const META_COUNTS: &str = "counts";
pub(super) const META_INDEX: &str = "index";
pub(super) const META_NAMES: &str = "names";

/// How much there is of everything: what is missing from a table is damage, not absence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Counts {
    #[n(0)]
    pub(super) lanes: u32,
    #[n(1)]
    pub(super) arrivals: u64,
    #[n(2)]
    pub(super) runs: u64,
    #[n(3)]
    pub(super) entries: u64,
}

/// Where the index stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct IndexState {
    #[n(0)]
    pub(super) cursor: u64,
    #[n(1)]
    pub(super) blocks: u32,
    #[n(2)]
    pub(super) bytes: u64,
    /// Left out in what was written before postings were logged.
    #[n(3)]
    pub(super) log: Option<LogState>,
}

/// The rows of the log of postings, and how far the first of them have been moved into the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct LogState {
    /// The number of the next row: none is ever used twice.
    #[n(0)]
    pub(super) next: u64,
    #[n(1)]
    pub(super) rows: Vec<LogRow>,
    /// So many of the first rows are being moved.
    #[n(2)]
    pub(super) moving: u64,
    /// What of them belongs in a block below this one has been moved.
    #[n(3)]
    pub(super) moved: u32,
}

/// A row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct LogRow {
    #[n(0)]
    pub(super) number: u64,
    #[n(1)]
    pub(super) postings: u64,
    #[n(2)]
    pub(super) bytes: u64,
}

/// A run at rest.
#[derive(Debug, Clone, Encode)]
#[cbor(array)]
pub(super) struct RunRow {
    #[n(0)]
    pub(super) end: u64,
    #[n(1)]
    pub(super) before: Frontier,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) frame: Vec<u8>,
}

/// A run at rest, whose frame stays where it was read.
#[derive(Debug, Clone, Decode)]
#[cbor(array)]
pub(super) struct RunRowRef<'b> {
    #[n(0)]
    pub(super) end: u64,
    #[n(1)]
    pub(super) before: Frontier,
    #[cbor(b(2), with = "minicbor::bytes")]
    pub(super) frame: &'b [u8],
}

/// A line of the order of arrival.
#[derive(Debug, Clone, Copy, Encode, Decode)]
#[cbor(array)]
pub(super) struct ArrivalRow {
    #[n(0)]
    pub(super) lane: u32,
    #[n(1)]
    pub(super) start: u64,
    #[n(2)]
    pub(super) end: u64,
    /// Left out in what was written before times were kept.
    #[n(3)]
    pub(super) time: Option<WallMs>,
}

/// A value of a space, with the key that its place only hashes.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(array)]
pub(super) struct BlobRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) key: Vec<u8>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) value: Vec<u8>,
}

/// The place of a run: runs of one lane stand side by side, in order.
pub(super) fn run_key(lane: u32, start: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&lane.to_be_bytes());
    key[4..].copy_from_slice(&start.to_be_bytes());
    key
}

/// The start in a run's key.
pub(super) fn start_of(key: &[u8; 12]) -> u64 {
    u64::from_be_bytes(key[4..].try_into().expect("a key has 12 bytes"))
}
