//! Named limits of charts: every size that another device can choose has its bound here.

/// Largest change chunk in bytes; a longer one is refused unread.
///
/// [`OPS_PER_CHANGE_MAX`] scattered deletions are the longest honest change, at most 15 bytes each.
pub const CHANGE_BYTES_MAX: usize = 128 * 1024;

/// Most operations in one change; `Text` costs one per character inserted or deleted.
///
/// Run-length columns can announce 2⁶⁰ operations in ten bytes, so they are counted before any are decoded.
pub const OPS_PER_CHANGE_MAX: u64 = 8_192;

/// Most predecessor ids in one change, summed over its operations.
pub const PREDS_PER_CHANGE_MAX: u64 = 2 * OPS_PER_CHANGE_MAX;

/// Most dependencies of one change: the heads of a chart are at most as many as its devices.
pub const DEPS_PER_CHANGE_MAX: u64 = 2_048;

/// Most other actors that one change may refer to.
pub const ACTORS_PER_CHANGE_MAX: u64 = 2_048;

/// Most operations over the whole history of a chart; the highest operation number it may reach.
///
/// Automerge holds operation numbers in 32 bits and panics near the end of them.
pub const OPS_PER_CHART_MAX: u64 = 4_000_000;

/// Longest key of a note draft, in bytes.
pub const NOTE_ID_BYTES_MAX: usize = 64;

/// Most changes that wait for their dependencies, per chart.
pub const WAITING_CHANGES_MAX: usize = 2_048;

/// Most bytes of changes that wait for their dependencies, per chart.
pub const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Largest time of a change, in seconds since 1970: the end of the year 9999.
///
/// Automerge packs times as differences, which overflow for extreme ones.
pub const CHANGE_TIME_S_MAX: i64 = 253_402_300_799;

/// Longest key in a change, in bytes; the longest that is ever written is a note's, of [`NOTE_ID_BYTES_MAX`].
///
/// A run of equal keys is written once and unpacked once per row: a run of one long key would be a thousandfold of it.
pub const KEY_BYTES_MAX: u64 = 256;

/// Most marks over the whole history of a chart, as far as their writer had seen; removals count too.
///
/// Writers who have not heard of each other may each set so many: it bounds each, and a chart that is read may hold as
/// many times more as it has devices. A chart that has so many is full, and another one may follow it. Where marks
/// overlap, reading costs the square of their number, and one comparison for each change inside a mark whose writer had
/// not seen it.
pub const MARKS_PER_CHART_MAX: u64 = 2_048;

/// Most who are named on one side of a mark, the first ones.
pub const MARKINGS_SHOWN_MAX: usize = 8;
