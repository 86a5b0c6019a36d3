//! The tail: the index, in memory, of what arrived after the index's cursor.
//!
//! An acknowledged write stores its run and nothing else; until the indexer has moved its postings into
//! blocks, reads find them here. The tail is bounded: imports and runs from peers wait for the indexer beyond
//! it ([`Tail::must_catch_up`]), local writes never do. What an entry says is known above, so the caller gives
//! the function that names an entry's terms.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::api::{Arrival, DamagedRun, Posting, Store, Token};
use super::error::{StoreError, StoreErrorKind};
use crate::base::limits::{INDEX_TAIL_BYTES_MAX, INDEX_TAIL_ENTRIES_MAX};
use crate::lane::Run;

/// How many arrivals are read at once.
const PAGE: usize = 256;

/// A term under which an entry is to be found, before the store makes a token of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenInput {
    /// What kind of term it is ("record", "name", …).
    pub kind: &'static str,
    /// The term, normalised.
    pub text: Vec<u8>,
}

/// Names the terms of a run's entries: (term, sequence number).
pub type Extract<'a> = dyn Fn(&Run) -> Vec<(TokenInput, u64)> + 'a;

/// Whether the tail holds everything that the index does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Index and tail together know every entry.
    Complete,
    /// More arrived than the tail may hold: searches may miss what comes after it, until the indexer has
    /// caught up.
    Behind,
}

/// Postings on their way from the tail into the index.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The arrival number up to which these are all postings.
    pub upto: u64,
    /// The postings.
    pub postings: Vec<(Token, Posting)>,
}

/// The postings of arrivals that are not yet in the index.
#[derive(Debug, Default)]
pub struct Tail {
    /// The arrival number up to which the index holds what this tail does not.
    after: u64,
    /// The arrival number up to which this tail has read.
    last: u64,
    by_token: HashMap<Token, Vec<(u64, Posting)>>,
    by_arrival: BTreeMap<u64, ArrivalCost>,
    entries: usize,
    bytes: usize,
    damaged: Vec<DamagedRun>,
}

#[derive(Debug, Default)]
struct ArrivalCost {
    tokens: Vec<Token>,
    entries: usize,
    bytes: usize,
}

impl Tail {
    /// Starts an empty tail after a cursor ([`Store::index_cursor`]).
    pub fn after(cursor: u64) -> Self {
        Self { after: cursor, last: cursor, ..Self::default() }
    }

    /// Reads what has arrived since the last call, as far as there is room; everything anew where the store has dropped
    /// its index.
    ///
    /// Runs that are damaged are passed over and named by [`Tail::take_damaged`]: healing gives them a new
    /// arrival number, so they are indexed then.
    ///
    /// # Errors
    /// Errors of the store other than damaged runs.
    pub fn refresh(&mut self, store: &dyn Store, extract: &Extract<'_>) -> Result<Coverage, StoreError> {
        let cursor = store.index_cursor()?;
        if cursor < self.after {
            let damaged = std::mem::take(&mut self.damaged);
            *self = Self { damaged, ..Self::after(cursor) };
        }
        loop {
            let page = store.arrivals(self.last, PAGE)?;
            let complete = page.len() < PAGE;
            for arrival in page {
                if self.must_catch_up() {
                    return Ok(Coverage::Behind);
                }
                let (parts, lost) = match arrival.start == arrival.end {
                    true => (branches(store, &arrival)?.into_iter().map(Arc::new).collect(), None),
                    false => arrived(store, &arrival)?,
                };
                for part in &parts {
                    self.insert(store, arrival.no, part, extract(part));
                }
                self.damaged.extend(lost);
                self.last = arrival.no;
            }
            if complete {
                return Ok(Coverage::Complete);
            }
        }
    }

    /// Returns the postings of a token in the tail, sorted.
    pub fn find(&self, token: &Token) -> BTreeSet<Posting> {
        self.by_token.get(token).into_iter().flatten().map(|(_, posting)| *posting).collect()
    }

    /// Says whether the indexer has to make room before more runs may come in.
    pub fn must_catch_up(&self) -> bool {
        self.entries >= INDEX_TAIL_ENTRIES_MAX || self.bytes >= INDEX_TAIL_BYTES_MAX
    }

    /// Returns how many entries the tail covers.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Returns the arrival number up to which the tail has read.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Returns a copy of all postings, to be added to the index while reads go on; then
    /// [`Tail::forget`] them. `None` when there is nothing to do for this store's cursor.
    pub fn pending(&self, cursor: u64) -> Option<Pending> {
        if self.last <= cursor {
            return None;
        }
        let mut postings: Vec<_> = self
            .by_token
            .iter()
            .flat_map(|(token, list)| list.iter().map(|(_, posting)| (*token, *posting)))
            .collect();
        postings.sort_unstable();
        postings.dedup();
        Some(Pending { upto: self.last, postings })
    }

    /// Drops the postings of arrivals up to `upto`, which are in the index now.
    pub fn forget(&mut self, upto: u64) {
        self.after = self.after.max(upto);
        let kept = self.by_arrival.split_off(&upto.saturating_add(1));
        if kept.is_empty() {
            self.by_token.clear();
        }
        for (_, cost) in std::mem::replace(&mut self.by_arrival, kept) {
            self.entries -= cost.entries;
            self.bytes -= cost.bytes;
            for token in cost.tokens {
                if let Some(list) = self.by_token.get_mut(&token) {
                    list.retain(|(arrival, _)| *arrival > upto);
                    if list.is_empty() {
                        self.by_token.remove(&token);
                    }
                }
            }
        }
    }

    /// Takes the runs that could not be read since the last call.
    pub fn take_damaged(&mut self) -> Vec<DamagedRun> {
        std::mem::take(&mut self.damaged)
    }

    fn insert(&mut self, store: &dyn Store, arrival: u64, run: &Run, terms: Vec<(TokenInput, u64)>) {
        let cost = self.by_arrival.entry(arrival).or_default();
        let bytes = run.body_bytes();
        cost.entries += run.entries.len();
        cost.bytes += bytes;
        self.entries += run.entries.len();
        self.bytes += bytes;
        for (term, seq) in terms {
            let token = store.token(term.kind, &term.text);
            cost.tokens.push(token);
            self.by_token.entry(token).or_default().push((arrival, Posting { lane: run.lane, seq }));
        }
    }
}

/// Reads the entries that an arrival brought, whatever runs hold them now; says what of them cannot be read.
fn arrived(store: &dyn Store, arrival: &Arrival) -> Result<(Vec<Arc<Run>>, Option<DamagedRun>), StoreError> {
    let (mut parts, mut next) = (Vec::new(), arrival.start);
    while next < arrival.end {
        let run = match store.run_with(&arrival.lane, next) {
            Ok(Some(run)) => run,
            Ok(None) => break,
            Err(StoreError::DamagedRun { .. }) => {
                let (lane, start, end) = (arrival.lane, next, arrival.end);
                return Ok((parts, Some(DamagedRun { lane, start, end })));
            }
            Err(error) => return Err(error),
        };
        let part = if run.start >= next && run.end() <= arrival.end {
            run
        } else {
            let mut part = Run::clone(&run);
            part.trim_start(next);
            part.truncate(arrival.end);
            Arc::new(part)
        };
        if part.entries.is_empty() {
            break;
        }
        next = part.end();
        parts.push(part);
    }
    Ok((parts, None))
}

/// Reads the branches that a lane has since a fork of it arrived: what stands there is in no run.
fn branches(store: &dyn Store, arrival: &Arrival) -> Result<Vec<Run>, StoreError> {
    let fork = store.lane(&arrival.lane)?.and_then(|state| state.fork);
    Ok(fork.map(|fork| fork.branches).unwrap_or_default())
}

/// Finds a token in the index and the tail together, sorted. In a forked lane several entries may stand at one place.
///
/// A damaged index block gives what the tail has, and says that the index has to be rebuilt.
///
/// # Errors
/// Errors of the store other than a damaged index.
pub fn find(store: &dyn Store, tail: &Tail, token: &Token) -> Result<Found, StoreError> {
    find_beside(store, tail.find(token), token)
}

/// As [`find`], with what the tail had before.
///
/// # Errors
/// As [`find`].
pub fn find_beside(store: &dyn Store, fresh: BTreeSet<Posting>, token: &Token) -> Result<Found, StoreError> {
    let (mut postings, rebuild) = match store.index_find(token) {
        Ok(indexed) => (indexed, false),
        Err(error) if error.kind() == StoreErrorKind::Damaged => (Vec::new(), true),
        Err(error) => return Err(error),
    };
    // The index gives them sorted, and there may be tens of thousands.
    if !fresh.is_empty() {
        postings.extend(fresh);
        postings.sort_unstable();
        postings.dedup();
    }
    Ok(Found { postings, rebuild })
}

/// What [`find`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The postings, sorted.
    pub postings: Vec<Posting>,
    /// Whether a part of the index could not be read: call [`Store::rebuild_index`].
    pub rebuild: bool,
}

/// Moves everything in the tail into the index: the indexer's step, for who holds the tail alone.
///
/// # Errors
/// Errors of the store; then the tail is as before.
pub fn flush(store: &dyn Store, tail: &mut Tail) -> Result<(), StoreError> {
    let mut cursor = store.index_cursor()?;
    while let Some(Pending { upto, postings }) = tail.pending(cursor) {
        store.index_add_at(cursor, upto, &postings)?;
        cursor = store.index_cursor()?;
    }
    tail.forget(cursor);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use crate::store::conformance::{SampleLane, batch_of};

    /// Every entry is found under its body.
    fn bodies(run: &Run) -> Vec<(TokenInput, u64)> {
        let term = |body: &[u8]| TokenInput { kind: "body", text: body.to_vec() };
        (run.start..).zip(&run.entries).map(|(seq, entry)| (term(&entry.body), seq)).collect()
    }

    fn found(store: &MemoryStore, tail: &Tail, body: &str) -> Vec<u64> {
        let token = store.token("body", body.as_bytes());
        find(store, tail, &token).unwrap().postings.iter().map(|posting| posting.seq).collect()
    }

    #[test]
    fn an_index_that_was_dropped_is_read_anew() {
        let store = MemoryStore::new();
        let mut lane = SampleLane::new(1);
        store.commit(lane.batch("a")).unwrap();
        let mut tail = Tail::after(0);
        tail.refresh(&store, &bodies).unwrap();
        flush(&store, &mut tail).unwrap();
        store.rebuild_index().unwrap();
        assert!(found(&store, &tail, "a").is_empty());
        tail.refresh(&store, &bodies).unwrap();
        assert_eq!(found(&store, &tail, "a"), [1]);
        flush(&store, &mut tail).unwrap();
        assert_eq!(found(&store, &tail, "a"), [1]);
    }

    #[test]
    fn what_is_acknowledged_is_found_before_and_after_indexing() {
        let store = MemoryStore::new();
        let mut lane = SampleLane::new(1);
        store.commit(lane.batch("a")).unwrap();
        let mut tail = Tail::after(store.index_cursor().unwrap());
        assert_eq!(tail.refresh(&store, &bodies).unwrap(), Coverage::Complete);
        assert_eq!(found(&store, &tail, "a"), [1]);
        // The indexer takes what there is; meanwhile something arrives.
        let pending = tail.pending(0).unwrap();
        store.commit(lane.batch("a")).unwrap();
        tail.refresh(&store, &bodies).unwrap();
        store.index_add(pending.upto, &pending.postings).unwrap();
        assert_eq!(found(&store, &tail, "a"), [1, 2]);
        tail.forget(pending.upto);
        assert_eq!(found(&store, &tail, "a"), [1, 2]);
        assert_eq!(tail.entries(), 1);
        flush(&store, &mut tail).unwrap();
        assert_eq!((tail.entries(), tail.by_token.len()), (0, 0));
        assert_eq!(found(&store, &tail, "a"), [1, 2]);
        assert_eq!(store.index_cursor().unwrap(), 2);
    }

    #[test]
    fn the_tail_is_bounded_and_says_that_it_is_behind() {
        let store = MemoryStore::new();
        let mut lane = SampleLane::new(1);
        for _ in 0..5 {
            store.commit(batch_of(lane.append((0..INDEX_TAIL_ENTRIES_MAX / 3).map(|_| "b")))).unwrap();
        }
        let mut tail = Tail::after(0);
        assert_eq!(tail.refresh(&store, &bodies).unwrap(), Coverage::Behind);
        assert!(tail.must_catch_up());
        while tail.refresh(&store, &bodies).unwrap() == Coverage::Behind {
            flush(&store, &mut tail).unwrap();
            assert!(!tail.must_catch_up());
        }
        flush(&store, &mut tail).unwrap();
        assert_eq!(found(&store, &tail, "b").len(), 5 * (INDEX_TAIL_ENTRIES_MAX / 3));
    }
}
