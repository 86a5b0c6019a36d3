//! The index in its tables: postings are logged, and moved from the log into blocks that are merged, divided and sealed, in one
//! commit with the cursor.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use redb::Table;

use super::fault::Fault;
use super::log::{self, Log, LogCache, LogLimits, LogWritten, Logged};
use super::rows::{INDEX, INDEX_LOG, IndexState, META_INDEX};
use super::view::{Change, View, get, put};
use crate::base::LaneId;
use crate::store::api::{Posting, Token};
use crate::store::index::{self, BLOCK_BYTES_MEAN, Fanout, LocalPosting};
use crate::store::rules;
use crate::store::sealing::{Sealer, damaged};

/// As `Store::index_add_at`. Returns what the cache of the log is to be told when the change is durable, nothing when the
/// cursor stands elsewhere.
pub(super) fn add(
    change: &mut Change<'_>,
    cache: &Mutex<LogCache>,
    cursor: u64,
    upto: u64,
    postings: &[(Token, Posting)],
    limits: LogLimits,
) -> Result<Option<LogWritten>, Fault> {
    let state = change.index_state()?;
    if state.cursor != cursor {
        return Ok(None);
    }
    rules::check_cursor(cursor, upto, change.counts()?.arrivals)?;
    let added = localize(change, postings)?;
    let count = added.len() as u64;
    let mut blocks = Blocks {
        fanout: Fanout { blocks: state.blocks, bytes: state.bytes },
        table: change.transaction.open_table(INDEX)?,
        sealer: change.sealer,
        awaited: change.awaited(),
    };
    let log = change.transaction.open_table(INDEX_LOG)?;
    let mut log = Log::open(log, change.sealer, cache, state.log.unwrap_or_default());
    log.append(added, limits)?;
    move_some(&mut log, &mut blocks, count, limits)?;
    let ((log, written), fanout) = (log.end(), blocks.fanout);
    drop(blocks);
    let state = IndexState { cursor: upto, blocks: fanout.blocks, bytes: fanout.bytes, log: Some(log) };
    change.put_meta(META_INDEX, &state)?;
    Ok(Some(written))
}

/// As `Store::index_find`.
pub(super) fn find(view: &View<'_>, cache: &Mutex<LogCache>, token: &Token) -> Result<Vec<Posting>, Fault> {
    let state: IndexState = view.meta(META_INDEX)?;
    let fanout = Fanout { blocks: state.blocks, bytes: state.bytes };
    let (mut found, mut key) = (Vec::new(), [0; 4]);
    if let Some(number) = fanout.block_of(token) {
        key = number.to_be_bytes();
        let table = view.transaction.open_table(INDEX)?;
        let block = get(&table, view.sealer, "index", number, &key)?.ok_or_else(|| damaged("index", &key))?;
        found = index::find(&block, token).ok_or_else(|| damaged("index", &key))?;
    }
    let rows = state.log.map(|log| log.rows).unwrap_or_default();
    if !rows.is_empty() {
        let table = view.transaction.open_table(INDEX_LOG)?;
        for row in &rows {
            found.extend(log::of_token(&log::row(&table, view.sealer, cache, row)?, token));
        }
    }
    // Sorted by lane number, in few pieces; lanes are put into the order of their ids whole: there may be tens of thousands.
    found.sort();
    found.dedup();
    let mut lanes = Vec::new();
    for of_lane in found.chunk_by(|a, b| a.0 == b.0) {
        let lane = view.directory.ids.get(of_lane[0].0 as usize).ok_or_else(|| damaged("index", &key))?;
        lanes.push((*lane, of_lane));
    }
    lanes.sort_unstable_by_key(|(lane, _)| *lane);
    let places = |(lane, of_lane): (LaneId, &[LocalPosting])| {
        of_lane.iter().map(move |(_, seq)| Posting { lane, seq: *seq }).collect::<Vec<_>>()
    };
    Ok(lanes.into_iter().flat_map(places).collect())
}

/// As `Store::rebuild_index`.
pub(super) fn clear(change: &mut Change<'_>) -> Result<(), Fault> {
    change.transaction.delete_table(INDEX)?;
    change.transaction.open_table(INDEX)?;
    change.transaction.delete_table(INDEX_LOG)?;
    // Numbers of rows go on: none is used twice.
    let mut log = change.index_state()?.log.unwrap_or_default();
    log.rows.clear();
    (log.moving, log.moved) = (0, 0);
    change.put_meta(META_INDEX, &IndexState { log: Some(log), ..IndexState::default() })
}

/// Moves a share of what is in the log into its blocks: as much as keeps it within its limits when so many postings more come
/// each time. Where writes wait that somebody waits for it is put off, and caught up with later, unless there is far too much.
fn move_some(
    log: &mut Log<'_, '_>,
    blocks: &mut Blocks<'_, '_>,
    count: u64,
    limits: LogLimits,
) -> Result<(), Fault> {
    // All blocks, and those that are divided because of what is moved, while half as many postings come.
    let round =
        u64::from(blocks.fanout.blocks) + 2 * (1 + limits.move_from * POSTING_BYTES / BLOCK_BYTES_MEAN);
    let share = |count: u64| count.saturating_mul(round).div_ceil(limits.move_from / 2);
    let due = share(log.beside_moving()).min(round).saturating_sub(u64::from(log.state.moved));
    let mut left = share(count).max(if log.is_moving() { due } else { 1 });
    let may_wait = log.postings() < PUT_OFF_MAX * limits.move_from;
    while left > 0 && !(may_wait && blocks.is_awaited()) {
        if log.is_moving() {
            let from = log.state.moved;
            let to =
                u32::try_from(left.min(MOVED_AT_ONCE)).map_or(u32::MAX, |left| from.saturating_add(left));
            let to = to.min(blocks.fanout.blocks);
            for (block, added) in log.moving(from..to, &blocks.fanout)? {
                blocks.merge(block, &added)?;
            }
            left -= u64::from(to - from);
            log.state.moved = to;
            if to == blocks.fanout.blocks {
                log.end_moving()?;
            }
        } else if blocks.fanout.is_full() {
            blocks.grow()?;
            left = left.saturating_sub(2);
        } else if log.begin_moving(limits) {
            if blocks.fanout.blocks == 0 {
                blocks.found(log.moving_bytes())?;
            }
        } else {
            break;
        }
    }
    Ok(())
}

/// Blocks that are moved into before it is looked whether somebody waits.
const MOVED_AT_ONCE: u64 = 8;
/// So many times what is moved at once may be in the log before nothing is put off any more.
const PUT_OFF_MAX: u64 = 4;
/// What a posting takes in a block, roughly.
const POSTING_BYTES: u64 = 24;

/// The blocks within a change.
struct Blocks<'a, 't> {
    fanout: Fanout,
    table: Table<'t, u32, &'static [u8]>,
    sealer: &'a Sealer,
    awaited: Option<&'a AtomicUsize>,
}

impl Blocks<'_, '_> {
    /// Says whether another write waits that somebody waits for.
    fn is_awaited(&self) -> bool {
        self.awaited.is_some_and(|awaited| awaited.load(Ordering::Acquire) > 0)
    }

    /// Makes the first blocks, enough for so many bytes.
    fn found(&mut self, bytes: u64) -> Result<(), Fault> {
        let count = u32::try_from(bytes / BLOCK_BYTES_MEAN).unwrap_or(u32::MAX).max(1);
        for number in 0..count {
            self.put(number, &[])?;
        }
        self.fanout = Fanout { blocks: count, bytes: 0 };
        Ok(())
    }

    fn merge(&mut self, number: u32, added: &[Logged]) -> Result<(), Fault> {
        let old = self.load(number)?;
        let merged = index::merge(&old, added).ok_or_else(|| damaged("index", &number.to_be_bytes()))?;
        self.fanout.bytes = (self.fanout.bytes + merged.len() as u64).saturating_sub(old.len() as u64);
        self.put(number, &merged)
    }

    fn grow(&mut self) -> Result<(), Fault> {
        let (source, new) = self.fanout.grow();
        let whole = if source == new { Vec::new() } else { self.load(source)? };
        let divided = index::divide(&whole, &self.fanout, new);
        let (stays, moves) = divided.ok_or_else(|| damaged("index", &source.to_be_bytes()))?;
        self.put(source, &stays)?;
        self.put(new, &moves)
    }

    fn load(&self, number: u32) -> Result<Vec<u8>, Fault> {
        let key = number.to_be_bytes();
        let block = get(&self.table, self.sealer, "index", number, &key)?;
        block.ok_or_else(|| damaged("index", &key).into())
    }

    fn put(&mut self, number: u32, block: &[u8]) -> Result<(), Fault> {
        put(&mut self.table, self.sealer, "index", number, &number.to_be_bytes(), block)
    }
}

/// Returns postings with lanes as this store numbers them.
fn localize(change: &Change<'_>, postings: &[(Token, Posting)]) -> Result<Vec<Logged>, Fault> {
    let mut local = Vec::with_capacity(postings.len());
    let mut last: Option<(LaneId, u32)> = None;
    for (token, posting) in postings {
        let lane = match last {
            Some((id, number)) if id == posting.lane => number,
            Some(_) | None => change
                .lane_number(&posting.lane)
                .ok_or_else(|| rules::bad(&posting.lane, "a posting names a lane that is not held"))?,
        };
        last = Some((posting.lane, lane));
        local.push((*token, (lane, posting.seq)));
    }
    Ok(local)
}
