//! The index in its table: blocks are merged, divided and sealed in one commit with the cursor.

use std::collections::BTreeMap;

use redb::Table;

use super::fault::Fault;
use super::rows::{INDEX, IndexState, META_INDEX};
use super::view::{Change, View, get, put};
use crate::store::api::{Posting, Token};
use crate::store::index::{self, Fanout, LocalPosting};
use crate::store::rules;
use crate::store::sealing::{Sealer, damaged};

/// Plain bytes of changed blocks that are kept until they are written: a large index is changed in pieces, in one commit.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The blocks that a commit changes; what is too much to be kept is in the table already.
struct Changed<'t, 's> {
    table: Table<'t, u32, &'static [u8]>,
    sealer: &'s Sealer,
    kept: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
}

impl Changed<'_, '_> {
    fn take(&mut self, number: u32) -> Result<Vec<u8>, Fault> {
        if let Some(block) = self.kept.remove(&number) {
            self.bytes -= block.len();
            return Ok(block);
        }
        let key = number.to_be_bytes();
        let block = get(&self.table, self.sealer, "index", number, &key)?;
        block.ok_or_else(|| damaged("index", &key).into())
    }

    fn put(&mut self, number: u32, block: Vec<u8>) -> Result<(), Fault> {
        self.bytes += block.len();
        self.kept.insert(number, block);
        if self.bytes > KEPT_BYTES_MAX { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), Fault> {
        for (number, block) in std::mem::take(&mut self.kept) {
            put(&mut self.table, self.sealer, "index", number, &number.to_be_bytes(), &block)?;
        }
        self.bytes = 0;
        Ok(())
    }
}

/// As `Store::index_add`.
pub(super) fn add(change: &mut Change<'_>, upto: u64, postings: &[(Token, Posting)]) -> Result<(), Fault> {
    let state = change.index_state()?;
    rules::check_cursor(state.cursor, upto, change.counts()?.arrivals)?;
    let mut fanout = Fanout { blocks: state.blocks, bytes: state.bytes };
    let is_first = fanout.blocks == 0 && !postings.is_empty();
    let first = is_first.then(|| fanout.grow().1);
    let local = localize(change, &fanout, postings)?;
    {
        let table = change.transaction.open_table(INDEX)?;
        let mut blocks = Changed { table, sealer: change.sealer, kept: BTreeMap::new(), bytes: 0 };
        first.into_iter().try_for_each(|first| blocks.put(first, Vec::new()))?;
        for group in local.chunk_by(|a, b| a.0 == b.0) {
            let number = group[0].0;
            let old = blocks.take(number)?;
            let added: Vec<(Token, LocalPosting)> = group.iter().map(|(_, t, p)| (*t, *p)).collect();
            let merged = index::merge(&old, &added).ok_or_else(|| damaged("index", &number.to_be_bytes()))?;
            fanout.bytes = (fanout.bytes + merged.len() as u64).saturating_sub(old.len() as u64);
            blocks.put(number, merged)?;
        }
        while fanout.is_full() {
            let (source, new) = fanout.grow();
            let whole = blocks.take(source)?;
            let (stays, moves) =
                index::divide(&whole, &fanout, new).ok_or_else(|| damaged("index", &source.to_be_bytes()))?;
            blocks.put(source, stays)?;
            blocks.put(new, moves)?;
        }
        blocks.write()?;
    }
    let Fanout { blocks, bytes } = fanout;
    change.put_meta(META_INDEX, &IndexState { cursor: upto, blocks, bytes })
}

/// As `Store::index_find`.
pub(super) fn find(view: &View<'_>, token: &Token) -> Result<Vec<Posting>, Fault> {
    let state: IndexState = view.meta(META_INDEX)?;
    let fanout = Fanout { blocks: state.blocks, bytes: state.bytes };
    let Some(number) = fanout.block_of(token) else { return Ok(Vec::new()) };
    let key = number.to_be_bytes();
    let table = view.transaction.open_table(INDEX)?;
    let block = get(&table, view.sealer, "index", number, &key)?.ok_or_else(|| damaged("index", &key))?;
    let found = index::find(&block, token).ok_or_else(|| damaged("index", &key))?;
    let mut postings = Vec::with_capacity(found.len());
    for (lane, seq) in found {
        let lane = *view.directory.ids.get(lane as usize).ok_or_else(|| damaged("index", &key))?;
        postings.push(Posting { lane, seq });
    }
    postings.sort_unstable();
    Ok(postings)
}

/// As `Store::rebuild_index`.
pub(super) fn clear(change: &mut Change<'_>) -> Result<(), Fault> {
    change.transaction.delete_table(INDEX)?;
    change.transaction.open_table(INDEX)?;
    change.put_meta(META_INDEX, &IndexState::default())
}

/// Sorts postings by block and token, with lanes as this store numbers them.
fn localize(
    change: &Change<'_>,
    fanout: &Fanout,
    postings: &[(Token, Posting)],
) -> Result<Vec<(u32, Token, LocalPosting)>, Fault> {
    let mut local = Vec::with_capacity(postings.len());
    for (token, posting) in postings {
        let lane = change
            .lane_number(&posting.lane)
            .ok_or_else(|| rules::bad(&posting.lane, "a posting names a lane that is not held"))?;
        local.push((fanout.block_of(token).unwrap_or(0), *token, (lane, posting.seq)));
    }
    local.sort_unstable();
    Ok(local)
}
