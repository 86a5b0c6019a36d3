//! The index in its tables: postings are logged, and moved from the log into blocks that are merged, divided and sealed, in one
//! commit with the cursor.

use std::sync::Mutex;

use redb::Table;

use super::fault::Fault;
use super::log::{self, LOG_LIMITS, Log, LogCache, LogLimits, LogWritten, Logged};
use super::rows::{INDEX, INDEX_LOG, IndexState, META_INDEX};
use super::view::{Change, View, get, put};
use crate::base::LaneId;
use crate::store::api::{Posting, Token};
use crate::store::index::{self, BLOCK_BYTES_MEAN, Fanout};
use crate::store::rules;
use crate::store::sealing::{Sealer, damaged};

/// As `Store::index_add`. Returns what the cache of the log is to be told when the change is durable.
pub(super) fn add(
    change: &mut Change<'_>,
    cache: &Mutex<LogCache>,
    upto: u64,
    postings: &[(Token, Posting)],
) -> Result<LogWritten, Fault> {
    add_within(change, cache, upto, postings, LOG_LIMITS)
}

/// As [`add`], with other limits.
pub(super) fn add_within(
    change: &mut Change<'_>,
    cache: &Mutex<LogCache>,
    upto: u64,
    postings: &[(Token, Posting)],
    limits: LogLimits,
) -> Result<LogWritten, Fault> {
    let state = change.index_state()?;
    rules::check_cursor(state.cursor, upto, change.counts()?.arrivals)?;
    let added = localize(change, postings)?;
    let count = added.len() as u64;
    let mut blocks = Blocks {
        fanout: Fanout { blocks: state.blocks, bytes: state.bytes },
        table: change.transaction.open_table(INDEX)?,
        sealer: change.sealer,
    };
    let log = change.transaction.open_table(INDEX_LOG)?;
    let mut log = Log::open(log, change.sealer, cache, state.log.unwrap_or_default());
    log.append(added, limits)?;
    move_some(&mut log, &mut blocks, count, limits)?;
    let ((log, written), fanout) = (log.end(), blocks.fanout);
    drop(blocks);
    let state = IndexState { cursor: upto, blocks: fanout.blocks, bytes: fanout.bytes, log: Some(log) };
    change.put_meta(META_INDEX, &state)?;
    Ok(written)
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
    let mut postings = Vec::with_capacity(found.len());
    for (lane, seq) in found {
        let lane = *view.directory.ids.get(lane as usize).ok_or_else(|| damaged("index", &key))?;
        postings.push(Posting { lane, seq });
    }
    postings.sort_unstable();
    postings.dedup();
    Ok(postings)
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
/// each time.
fn move_some(
    log: &mut Log<'_, '_>,
    blocks: &mut Blocks<'_, '_>,
    count: u64,
    limits: LogLimits,
) -> Result<(), Fault> {
    // All blocks, and those that are divided because of what is moved, while half as many postings come.
    let round =
        u64::from(blocks.fanout.blocks) + 2 * (1 + limits.move_from * POSTING_BYTES / BLOCK_BYTES_MEAN);
    let mut left = count.saturating_mul(round).div_ceil(limits.move_from / 2).max(1);
    while left > 0 {
        if log.is_moving() {
            let from = log.state.moved;
            let to = u32::try_from(left).map_or(u32::MAX, |left| from.saturating_add(left));
            let to = to.min(blocks.fanout.blocks);
            let fanout = blocks.fanout;
            let wanted = |token: &Token| fanout.block_of(token).filter(|block| (from..to).contains(block));
            for group in log.moving(wanted)?.chunk_by(|a, b| a.0 == b.0) {
                let added: Vec<Logged> = group.iter().map(|(_, token, posting)| (*token, *posting)).collect();
                blocks.merge(group[0].0, &added)?;
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

/// What a posting takes in a block, roughly.
const POSTING_BYTES: u64 = 24;

/// The blocks within a change.
struct Blocks<'a, 't> {
    fanout: Fanout,
    table: Table<'t, u32, &'static [u8]>,
    sealer: &'a Sealer,
}

impl Blocks<'_, '_> {
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
