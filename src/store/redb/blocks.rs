//! The index in its table: blocks are merged, divided and sealed in one commit with the cursor.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::rows::{INDEX, IndexState, META_INDEX};
use super::view::{Change, View, get, put};
use crate::store::api::{Posting, Token};
use crate::store::index::{self, Fanout, LocalPosting};
use crate::store::rules;
use crate::store::sealing::damaged;

/// As `Store::index_add`.
pub(super) fn add(change: &mut Change<'_>, upto: u64, postings: &[(Token, Posting)]) -> Result<(), Fault> {
    let state = change.index_state()?;
    rules::check_cursor(state.cursor, upto, change.counts()?.arrivals)?;
    let mut fanout = Fanout { blocks: state.blocks, bytes: state.bytes };
    let mut touched: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    if fanout.blocks == 0 && !postings.is_empty() {
        let (_, first) = fanout.grow();
        touched.insert(first, Vec::new());
    }
    let local = localize(change, &fanout, postings)?;
    {
        let mut table = change.transaction.open_table(INDEX)?;
        let load = |number: u32| {
            let key = number.to_be_bytes();
            get(&table, change.sealer, "index", number, &key)?
                .ok_or_else(|| Fault::from(damaged("index", &key)))
        };
        for group in local.chunk_by(|a, b| a.0 == b.0) {
            let number = group[0].0;
            let old = match touched.remove(&number) {
                Some(block) => block,
                None => load(number)?,
            };
            let added: Vec<(Token, LocalPosting)> = group.iter().map(|(_, t, p)| (*t, *p)).collect();
            let merged = index::merge(&old, &added).ok_or_else(|| damaged("index", &number.to_be_bytes()))?;
            fanout.bytes = (fanout.bytes + merged.len() as u64).saturating_sub(old.len() as u64);
            touched.insert(number, merged);
        }
        while fanout.is_full() {
            let (source, new) = fanout.grow();
            let whole = match touched.remove(&source) {
                Some(block) => block,
                None => load(source)?,
            };
            let (stays, moves) =
                index::divide(&whole, &fanout, new).ok_or_else(|| damaged("index", &source.to_be_bytes()))?;
            touched.insert(source, stays);
            touched.insert(new, moves);
        }
        for (number, block) in &touched {
            put(&mut table, change.sealer, "index", *number, &number.to_be_bytes(), block)?;
        }
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
