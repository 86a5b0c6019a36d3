//! Named limits: no queue, loop, message or cache is unbounded.

/// Longest area name, in bytes.
pub const AREA_BYTES_MAX: usize = 64;
/// How far a remote clock may advance ours beyond the wall clock (10 minutes).
pub const CLOCK_ADVANCE_MS_MAX: u64 = 10 * 60 * 1000;

/// Largest body of one entry, in bytes: a scanned referral letter inside a resource fits.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
/// An import starts a new entry when its statements exceed this many bytes.
pub const FACTS_SPLIT_BYTES: usize = 64 << 10;
/// Most statements in one entry.
pub const STATEMENTS_PER_ENTRY_MAX: usize = 4_096;
/// Most statements that one statement may follow.
pub const FOLLOWS_MAX: usize = 256;
/// Most objects and arrays inside each other in a FHIR resource.
pub const JSON_DEPTH_MAX: usize = 64;
/// Longest name or role of an author, in bytes.
pub const AUTHOR_BYTES_MAX: usize = 512;
/// Longest reason of a statement, in bytes.
pub const REASON_BYTES_MAX: usize = 4 << 10;
/// Longest identifier system of an import's source, in bytes.
pub const SOURCE_BYTES_MAX: usize = 512;

/// A device signs a checkpoint at least every so many entries.
pub const CHECKPOINT_ENTRIES_MAX: usize = 256;
/// A device signs a checkpoint at least every so many bytes of entry bodies, unless one entry alone is larger
/// (32 KiB packed; FHIR text packs at least 4 to 1).
pub const CHECKPOINT_BYTES_MAX: usize = 128 << 10;
/// Most entries in one run.
pub const RUN_ENTRIES_MAX: usize = 4_096;
/// Largest sum of entry bodies in one run, in bytes, unless one entry alone is larger.
pub const RUN_BYTES_MAX: usize = 256 << 10;
/// Largest sum of entry bodies in a run that was joined of smaller ones, in bytes: what a peer that was cut off in the middle of
/// a run is sent again, at most (some 8 KiB packed).
pub const JOINED_BYTES_MAX: usize = 32 << 10;
/// Most entries in a run that was joined of smaller ones: as many as a device leaves unsigned.
pub const JOINED_ENTRIES_MAX: usize = CHECKPOINT_ENTRIES_MAX;
/// Largest plain encoding of a run that a reader accepts, in bytes.
pub const RUN_PLAIN_BYTES_MAX: usize = ENTRY_BYTES_MAX + (1 << 20);
/// Most branches of a forked lane that are kept.
pub const FORK_BRANCHES_MAX: usize = 4;
/// Disputed entries of one branch that are kept, counted from the first on which the branches differ.
pub const FORK_BRANCH_ENTRIES_MAX: u64 = 4_096;
/// A branch is kept until its disputed entry bodies reach this many bytes; the entry that reaches it is kept.
pub const FORK_BRANCH_BYTES_MAX: usize = 1 << 20;
/// Most entries between two known checkpoints of a branch: a device may leave a branch anywhere in its window,
/// and sign next at the end of a run.
pub const FORK_GAP_ENTRIES_MAX: usize = FORK_BRANCH_ENTRIES_MAX as usize + 2 * RUN_ENTRIES_MAX;
/// Largest sum of entry bodies between two known checkpoints of a branch, in bytes.
pub const FORK_GAP_BYTES_MAX: usize = FORK_BRANCH_BYTES_MAX + ENTRY_BYTES_MAX + RUN_BYTES_MAX;
/// Most entries that vouch for one branch: the agreed ones since the last checkpoint of the trunk (part of a
/// run), the disputed ones, and those up to the checkpoint that covers them.
pub const FORK_PATH_ENTRIES_MAX: usize =
    RUN_ENTRIES_MAX + FORK_BRANCH_ENTRIES_MAX as usize + FORK_GAP_ENTRIES_MAX;
/// Largest sum of all entry bodies that vouch for one branch, in bytes.
pub const FORK_PATH_BYTES_MAX: usize = RUN_BYTES_MAX + FORK_BRANCH_BYTES_MAX + FORK_GAP_BYTES_MAX;
/// Most entries that one carry entry brings.
pub const CARRIED_PER_ENTRY_MAX: usize = 4_096;
/// Most lanes that a horizon names.
pub const HORIZON_LANES_MAX: usize = 65_536;
/// A whole horizon entry follows at the latest after so many that tell only what has changed.
pub const HORIZON_CHANGES_MAX: u32 = 1_024;
/// Most lanes that the entries of one horizon name together. What this program writes stays below: the entries that tell
/// what has changed are together about four times as large as the whole one, with 12 bytes for a lane in that and at least
/// 2 in these.
pub const HORIZON_NAMED_MAX: usize = 32 * HORIZON_LANES_MAX;
/// A horizon entry is repeated when this many entries were written since the last one in its lane.
pub const HORIZON_GAP_MAX: u64 = 1_024;
/// How many entries a reader goes back in a lane to find the horizon of a statement: an import may append many at once.
pub const HORIZON_SEARCH_MAX: u64 = 65_536;
/// Most nodes in an inclusion proof: one for each level of the largest tree.
pub const PROOF_NODES_MAX: usize = 62;

/// Largest message of a sync session, in bytes: a run, or a fork's proof with its largest branch and every
/// entry of it signed.
pub const MESSAGE_BYTES_MAX: usize = RUN_PLAIN_BYTES_MAX + (4 << 20);
/// Most certificates in one chain (genesis, rotations, site, device).
pub const CERTIFICATE_CHAIN_MAX: usize = 16;
/// Largest signed certificate, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 16 << 10;

/// Entries not yet indexed that reads may have to walk; imports and runs wait for the indexer beyond it.
pub const INDEX_TAIL_ENTRIES_MAX: usize = 8_192;
/// Bytes of entries not yet indexed that reads may have to walk.
pub const INDEX_TAIL_BYTES_MAX: usize = 4 << 20;

/// A block of a bundle is closed when its plain runs reach this many bytes: what a stick that is pulled loses at most,
/// beside what the system had not yet written.
pub const BUNDLE_BLOCK_PLAIN_BYTES: usize = 2 << 20;
/// Most plain bytes that a reader unpacks from one block: a block's runs and one more, or one piece of a fork.
pub const BUNDLE_BLOCK_PLAIN_BYTES_MAX: usize = BUNDLE_BLOCK_PLAIN_BYTES + MESSAGE_BYTES_MAX;
/// Largest payload of a block, in bytes.
pub const BUNDLE_BLOCK_BYTES_MAX: usize = BUNDLE_BLOCK_PLAIN_BYTES_MAX + (1 << 20);
/// Most things wrong with one bundle that are told one by one; the others are counted.
pub const BUNDLE_PROBLEMS_MAX: usize = 100;
/// Most codes in one set of QR codes: four sheets of paper.
pub const QR_CODES_MAX: usize = 48;
/// Most plain bytes of one patient's card in a set of QR codes.
pub const QR_CARD_PLAIN_BYTES_MAX: usize = 1 << 20;
/// Most entries of one record that are kept with proofs from one answerer.
pub const PROVEN_ENTRIES_MAX: usize = 4_096;
