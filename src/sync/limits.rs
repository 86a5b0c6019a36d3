//! Named limits of a sync session: what a peer can make this replica hold, wait for or send.

use crate::base::limits::{FORK_PATH_BYTES_MAX, MESSAGE_BYTES_MAX, RUN_PLAIN_BYTES_MAX};

/// Largest message that carries neither runs nor a fork, in bytes.
pub const SMALL_MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Largest message of any kind, in bytes.
pub const LARGE_MESSAGE_BYTES_MAX: usize = MESSAGE_BYTES_MAX;
/// Most (area, part) groups in a subscription and in a `Digests` message.
pub const GROUPS_MAX: usize = 4_096;
/// Most lanes in one `Heads` message.
pub const HEADS_PER_MESSAGE_MAX: usize = 1_024;
/// Most lanes that a session hears of which its replica does not hold, before it takes no more from its peer: 5,000
/// devices in 5 areas and 5 parts, about 50 MB.
pub const LANES_MAX: usize = 131_072;
/// From so many lanes at either side on a group is compared by ranges; a list of fewer is 9 kB.
pub const RANGED_LANES_MIN: u64 = 128;
/// How many bits of the lane id name the ranges of the first round: 256 digests, 4 kB.
pub const RANGE_BITS_FIRST: u8 = 8;
/// How many bits more name those of each later round: 16 digests for a range that differs.
pub const RANGE_BITS_STEP: u8 = 4;
/// Most bits that name a range whose digest is told: enough for two million lanes.
pub const RANGE_BITS_MAX: u8 = 20;
/// Bytes of the digest of a range.
pub const RANGE_DIGEST_BYTES: usize = 16;
/// How many of the narrowest ranges are told of with the first round, evenly spaced.
pub const SAMPLES: usize = 32;
/// Bytes of the digest of each: one in 65,536 that differ is taken for equal.
pub const SAMPLE_DIGEST_BYTES: usize = 2;
/// Most lanes in one list of ranges: short ones are answered while the next is on its way.
pub const LISTED_PER_MESSAGE: usize = 256;
/// Most ranges in one `Ranges` or `Heads` message.
pub const RANGES_PER_MESSAGE_MAX: usize = 1_024;
/// Bytes of `Heads` sent ahead of the peer's own lists: so the heads of a bulky part do not delay the runs of an
/// urgent one by more than this.
pub const HEADS_AHEAD_BYTES_MAX: usize = 256 << 10;
/// Most lanes in one `Ack` message.
pub const ACKS_PER_MESSAGE_MAX: usize = 1_024;
/// Plain bytes made durable after which acknowledgements are sent even though more runs are being stored.
pub const ACK_EVERY_BYTES: usize = 256 << 10;
/// Most certificates in one `Certificates` message (16 KiB each at most).
pub const CERTIFICATES_PER_MESSAGE_MAX: usize = 48;
/// Most certificates that a peer may send in one session.
pub const CERTIFICATES_MAX: usize = 32_768;
/// Longest text in a `Close` message, in bytes.
pub const CLOSE_TEXT_BYTES_MAX: usize = 200;

/// Plain bytes of runs that one read of the store is asked for.
pub const READ_BYTES: usize = 256 << 10;
/// Most reads of the store under way.
pub const READS_MAX: usize = 4;
/// Most plain bytes of runs put into one message, unless one run alone is larger; a quarter of the window when
/// that is less.
pub const SEGMENT_PLAIN_BYTES: usize = 256 << 10;
/// Plain bytes that one message may unfold to: the largest run, or the largest branch of a fork with its proof.
pub const SEGMENT_PLAIN_BYTES_MAX: usize = FORK_PATH_BYTES_MAX + (2 << 20);
/// Compression level of the session's stream: 9 would save 15 % more for ten times the CPU.
pub const STREAM_LEVEL: i32 = 3;
/// log2 of the window of the outgoing stream (2 MiB).
pub const STREAM_WINDOW_LOG: u32 = 21;
/// log2 of the largest window that an incoming stream may ask for (8 MiB of memory).
pub const STREAM_WINDOW_LOG_MAX: u32 = 23;
/// Most idle zstd contexts of each kind that a replica keeps for its next sessions, about 6 MB for an encoder and
/// a decoder: the neighbours that a tablet meets one after the other.
pub const STREAMS_IDLE_MAX: usize = 2;

/// Plain bytes in flight that a session starts with.
pub const WINDOW_BYTES_FIRST: usize = 128 << 10;
/// Plain bytes in flight that are always allowed.
pub const WINDOW_BYTES_MIN: usize = 32 << 10;
/// Most plain bytes in flight.
pub const WINDOW_BYTES_MAX: usize = 4 << 20;
/// The time from sending to acknowledgement that the window aims at, in milliseconds: what is urgent waits about
/// so long behind what is under way, and a satellite's round trip of 600 ms is still filled.
pub const WINDOW_LATENCY_MS: u64 = 2_000;
/// Most plain bytes handed to the driver and not yet answered: the peer's window, and what its reads may exceed
/// it by.
pub const RECEIVE_BYTES_MAX: usize = WINDOW_BYTES_MAX + (READS_MAX + 1) * RUN_PLAIN_BYTES_MAX;

/// Most times that one lane is asked for, or served, from an earlier entry.
pub const RESTARTS_MAX: u8 = 4;
/// Most rounds of fork evidence for one lane; each round only lowers the fork or adds one of four branches.
pub const FORK_ROUNDS_MAX: u8 = 16;

/// Most messages of unknown kinds that are passed over in one session: a later version may send some, a flood is none.
pub const SKIPPED_MAX: u32 = 4_096;
/// How long the peer may take for its `Hello`, in milliseconds.
pub const HELLO_TIMEOUT_MS: u64 = 10_000;
/// How long the peer may be silent while something is expected of it, in milliseconds, beside the time that the
/// oldest unacknowledged message takes at [`SLOWEST_BYTES_PER_S`].
pub const STALL_TIMEOUT_MS: u64 = 30_000;
/// The slowest link that is waited for, in bytes a second (a quarter of the 23 kbit/s profile leaves 700).
pub const SLOWEST_BYTES_PER_S: u64 = 700;

/// Most people that one side may be asking for at once in a session; more wait.
pub const ASKS_OPEN_MAX: usize = 8;
/// Most people that wait to be asked for in a session.
pub const ASKS_WAITING_MAX: usize = 1_024;
/// Most plain bytes of one answer: the cards of up to four records, and what else is known of them.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Most pieces of one answer.
pub const ANSWER_PIECES_MAX: usize = 4_096;
/// Most plain bytes that may still come of answers that are no longer wanted: those that were on their way.
pub const STRAY_BYTES_MAX: usize = ANSWER_BYTES_MAX;
/// How long a peer that was asked for a person may be silent about it, in milliseconds.
pub const ANSWER_TIMEOUT_MS: u64 = 20_000;
