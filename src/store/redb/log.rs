//! The log of postings: what was indexed last, before it is moved into the blocks.
//!
//! New postings belong in blocks all over the index, so that each step of the indexer would write most blocks anew, and the
//! more the larger the index is. So postings are appended to a log first, in few sorted rows, which are kept in memory as
//! well. When enough have come together they are moved, some blocks with each later step, each block once for all of them.
//! Until the last block has its own they stay in the log, where they are found; what is found twice is found once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{ReadableTable, Table};

use super::fault::Fault;
use super::rows::{LogRow, LogState};
use super::view::{get, put};
use crate::store::api::Token;
use crate::store::index::{self, Fanout, LocalPosting};
use crate::store::sealing::{Sealer, damaged};

/// A posting as it is logged.
pub(super) type Logged = (Token, LocalPosting);

/// How much the log holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogLimits {
    /// So many postings that are not being moved are moved next; there are at most about twice as many in the log.
    pub(super) move_from: u64,
    /// Rows of together at most so many are made one.
    pub(super) row: u64,
}

/// 256 Ki postings take 8 MiB of memory, and are what a first sync of 10,000 records brings.
pub(super) const LOG_LIMITS: LogLimits = LogLimits { move_from: 256 << 10, row: 64 << 10 };

/// The rows in memory, by their numbers, which are never used twice.
#[derive(Debug, Default)]
pub(super) struct LogCache {
    rows: BTreeMap<u64, Arc<Vec<Logged>>>,
    order: Option<Arc<MovingOrder>>,
}

impl LogCache {
    /// Keeps what a commit has added, and forgets all rows that there are no more.
    pub(super) fn took(&mut self, written: LogWritten) {
        self.rows.extend(written.added);
        self.rows.retain(|number, _| written.rows.contains(number));
        self.order = written.order;
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// What is being moved, by the block that it belongs in: found once, and used by all steps until everything is moved.
#[derive(Debug)]
struct MovingOrder {
    /// The rows that are being moved, and among how many blocks.
    of: (Vec<u64>, u32),
    /// Where the postings of each block begin among the places, and where the last ones end.
    starts: Vec<u32>,
    /// Row and place in it.
    places: Vec<(u32, u32)>,
}

impl MovingOrder {
    /// Sorts by block, in two passes.
    fn new(of: (Vec<u64>, u32), rows: &[Arc<Vec<Logged>>], fanout: &Fanout) -> Self {
        let block = |(token, _): &Logged| fanout.block_of(token).unwrap_or_default() as usize;
        let mut starts = vec![0_u32; of.1 as usize + 1];
        rows.iter().flat_map(|row| row.iter()).for_each(|logged| starts[block(logged) + 1] += 1);
        for next in 1..starts.len() {
            starts[next] += starts[next - 1];
        }
        let (mut ends, mut places) =
            (starts.clone(), vec![(0, 0); starts.last().map_or(0, |all| *all as usize)]);
        for (row, postings) in (0..).zip(rows) {
            for (place, logged) in (0..).zip(postings.iter()) {
                let end = &mut ends[block(logged)];
                places[*end as usize] = (row, place);
                *end += 1;
            }
        }
        Self { of, starts, places }
    }

    fn places(&self, block: u32) -> &[(u32, u32)] {
        let at = |block: usize| self.starts.get(block).map_or(self.places.len(), |start| *start as usize);
        &self.places[at(block as usize)..at(block as usize + 1)]
    }
}

/// What a change did to the log, to be told to the cache when it is durable.
#[derive(Debug, Default)]
pub(super) struct LogWritten {
    added: BTreeMap<u64, Arc<Vec<Logged>>>,
    rows: Vec<u64>,
    order: Option<Arc<MovingOrder>>,
}

/// Locks the cache; a panic elsewhere cannot have left it half changed in a way that matters.
pub(super) fn lock(cache: &Mutex<LogCache>) -> MutexGuard<'_, LogCache> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a row, from memory if it is there.
pub(super) fn row(
    table: &impl ReadableTable<u64, &'static [u8]>,
    sealer: &Sealer,
    cache: &Mutex<LogCache>,
    row: &LogRow,
) -> Result<Arc<Vec<Logged>>, Fault> {
    if let Some(kept) = lock(cache).rows.get(&row.number) {
        return Ok(kept.clone());
    }
    let key = row.number.to_be_bytes();
    let lost = || Fault::from(damaged("index-log", &key));
    let block = get(table, sealer, "index-log", row.number, &key)?.ok_or_else(lost)?;
    let postings = Arc::new(index::postings(&block).ok_or_else(lost)?);
    lock(cache).rows.insert(row.number, postings.clone());
    Ok(postings)
}

/// Returns what a row has of a token.
pub(super) fn of_token<'a>(row: &'a [Logged], token: &'a Token) -> impl Iterator<Item = LocalPosting> + 'a {
    let first = first_of(row, token);
    row[first..].iter().take_while(move |it| it.0 == *token).map(|(_, posting)| *posting)
}

/// Returns where a token's postings begin in a row, or would. Tokens are hashes, spread evenly but for the common ones: it is
/// looked for where it should be, in steps that double.
fn first_of(row: &[Logged], token: &Token) -> usize {
    let high = u64::from_be_bytes(*token.0.first_chunk().expect("a token has 16 bytes"));
    let near = ((u128::from(high) * row.len() as u128) >> 64) as usize;
    let is_before = |at: usize| row[at].0 < *token;
    let (mut low, mut end, mut step) = (near, near, 1);
    while low > 0 && !is_before(low - 1) {
        (end, low, step) = (low, low.saturating_sub(step), step * 2);
    }
    while end < row.len() && is_before(end) {
        (low, end, step) = (end + 1, (end + step).min(row.len()), step * 2);
    }
    low + row[low..end].partition_point(|it| it.0 < *token)
}

/// The log within a change.
pub(super) struct Log<'a, 't> {
    table: Table<'t, u64, &'static [u8]>,
    sealer: &'a Sealer,
    cache: &'a Mutex<LogCache>,
    pub(super) state: LogState,
    added: BTreeMap<u64, Arc<Vec<Logged>>>,
    order: Option<Arc<MovingOrder>>,
}

impl<'a, 't> Log<'a, 't> {
    /// Opens the log.
    pub(super) fn open(
        table: Table<'t, u64, &'static [u8]>,
        sealer: &'a Sealer,
        cache: &'a Mutex<LogCache>,
        state: LogState,
    ) -> Self {
        let order = lock(cache).order.clone();
        Self { table, sealer, cache, state, added: BTreeMap::new(), order }
    }

    /// Returns where the log stands, and what the cache is to be told.
    pub(super) fn end(self) -> (LogState, LogWritten) {
        let rows = self.state.rows.iter().map(|row| row.number).collect();
        (self.state, LogWritten { added: self.added, rows, order: self.order })
    }

    /// Appends sorted postings; small rows before them are made one with them, so that there are few.
    pub(super) fn append(&mut self, mut postings: Vec<Logged>, limits: LogLimits) -> Result<(), Fault> {
        while let Some(last) = self.state.rows.last().copied()
            && self.state.rows.len() as u64 > self.state.moving
            && last.postings <= postings.len() as u64
            && last.postings + postings.len() as u64 <= limits.row
        {
            postings.extend(self.row(&last)?.iter());
            self.remove_last()?;
        }
        postings.sort_unstable();
        postings.dedup();
        if postings.is_empty() {
            return Ok(());
        }
        let number = self.state.next;
        let block = index::merge(&[], &postings).expect("an empty block is well-formed");
        put(&mut self.table, self.sealer, "index-log", number, &number.to_be_bytes(), &block)?;
        self.state.next += 1;
        let (count, bytes) = (postings.len() as u64, block.len() as u64);
        self.state.rows.push(LogRow { number, postings: count, bytes });
        self.added.insert(number, Arc::new(postings));
        Ok(())
    }

    /// Says whether the first rows are being moved.
    pub(super) fn is_moving(&self) -> bool {
        self.state.moving > 0
    }

    /// Begins to move all rows, if there is enough in them.
    pub(super) fn begin_moving(&mut self, limits: LogLimits) -> bool {
        let is_full = self.postings() >= limits.move_from;
        if is_full {
            (self.state.moving, self.state.moved) = (self.state.rows.len() as u64, 0);
        }
        is_full
    }

    /// Returns the bytes of the rows that are being moved.
    pub(super) fn moving_bytes(&self) -> u64 {
        self.moving_rows().map(|row| row.bytes).sum()
    }

    /// Returns what is being moved and belongs in these blocks, each block's sorted.
    pub(super) fn moving(
        &mut self,
        blocks: Range<u32>,
        fanout: &Fanout,
    ) -> Result<Vec<(u32, Vec<Logged>)>, Fault> {
        let rows = self.moving_rows().map(|row| self.row(row)).collect::<Result<Vec<_>, _>>()?;
        let of = (self.moving_rows().map(|row| row.number).collect(), fanout.blocks);
        let order = match self.order.take().filter(|order| order.of == of) {
            Some(known) => known,
            None => Arc::new(MovingOrder::new(of, &rows, fanout)),
        };
        let logged = |(row, place): &(u32, u32)| rows[*row as usize][*place as usize];
        let mut found: Vec<(u32, Vec<Logged>)> = Vec::new();
        for block in blocks {
            let mut added: Vec<Logged> = order.places(block).iter().map(logged).collect();
            added.sort_unstable();
            found.extend((!added.is_empty()).then_some((block, added)));
        }
        self.order = Some(order);
        Ok(found)
    }

    /// Returns how many postings are in the log.
    pub(super) fn postings(&self) -> u64 {
        self.state.rows.iter().map(|row| row.postings).sum()
    }

    /// Returns how many of them are not being moved.
    pub(super) fn beside_moving(&self) -> u64 {
        self.postings() - self.moving_rows().map(|row| row.postings).sum::<u64>()
    }

    /// Drops the rows that have been moved.
    pub(super) fn end_moving(&mut self) -> Result<(), Fault> {
        let moved: Vec<LogRow> = self.moving_rows().copied().collect();
        for LogRow { number, .. } in &moved {
            self.table.remove(number)?;
        }
        self.order = None;
        self.state.rows.drain(..moved.len());
        (self.state.moving, self.state.moved) = (0, 0);
        Ok(())
    }

    fn moving_rows(&self) -> impl Iterator<Item = &LogRow> {
        let moving = usize::try_from(self.state.moving).unwrap_or(usize::MAX);
        self.state.rows.iter().take(moving)
    }

    fn row(&self, wanted: &LogRow) -> Result<Arc<Vec<Logged>>, Fault> {
        match self.added.get(&wanted.number) {
            Some(row) => Ok(row.clone()),
            None => row(&self.table, self.sealer, self.cache, wanted),
        }
    }

    fn remove_last(&mut self) -> Result<(), Fault> {
        if let Some(LogRow { number, .. }) = self.state.rows.pop() {
            self.table.remove(number)?;
            self.added.remove(&number);
        }
        Ok(())
    }
}
