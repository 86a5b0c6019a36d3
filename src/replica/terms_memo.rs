//! A memo of the search terms of runs, for whoever plays many replicas on one thread.
//!
//! What a run's entries are found by is a function of the run alone. A simulated region indexes each run on every
//! replica that holds it; while a [`TermsMemo`] lives, this thread computes it once. It changes no answer.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::base::{Digest, hash_tagged};
use crate::lane::Run;
use crate::store::tail::TokenInput;

/// The terms of a run, each with the entry's sequence number.
pub(super) type Terms = Vec<(TokenInput, u64)>;

thread_local! {
    static MEMO: RefCell<Option<Memo>> = const { RefCell::new(None) };
}

struct Memo {
    capacity: usize,
    known: HashMap<Digest, Rc<Terms>>,
}

/// Remembers the terms of runs on the thread that made it, until it is dropped there.
#[derive(Debug)]
#[must_use = "nothing is remembered any more as soon as this is dropped"]
pub struct TermsMemo {
    on_this_thread: PhantomData<*const ()>,
}

impl TermsMemo {
    /// Remembers the terms of at most so many runs; beyond that it forgets them all and begins again.
    pub fn on_this_thread(capacity: usize) -> Self {
        MEMO.set(Some(Memo { capacity, known: HashMap::new() }));
        Self { on_this_thread: PhantomData }
    }
}

impl Drop for TermsMemo {
    fn drop(&mut self) {
        MEMO.set(None);
    }
}

/// Returns the terms of a run: as remembered, else as `compute` finds them.
pub(super) fn remembered(run: &Run, compute: fn(&Run) -> Terms) -> Terms {
    MEMO.with_borrow_mut(|memo| {
        let Some(memo) = memo else { return compute(run) };
        let name = name_of(run);
        if let Some(known) = memo.known.get(&name) {
            return known.as_ref().clone();
        }
        if memo.known.len() >= memo.capacity {
            memo.known.clear();
        }
        let terms = Rc::new(compute(run));
        memo.known.insert(name, terms.clone());
        terms.as_ref().clone()
    })
}

/// Names a run by everything that its terms depend on.
fn name_of(run: &Run) -> Digest {
    let start = run.start.to_be_bytes();
    let kinds: Vec<[u8; 2]> = run.entries.iter().map(|entry| entry.kind.0.to_be_bytes()).collect();
    let entries = kinds.iter().zip(&run.entries);
    let parts = entries.flat_map(|(kind, entry)| [&kind[..], &entry.body[..]]);
    let parts: Vec<&[u8]> = [&start[..]].into_iter().chain(parts).collect();
    hash_tagged("musubi.terms-memo.v1", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::LaneId;
    use crate::lane::{Entry, EntryKind};

    fn run(body: &[u8]) -> Run {
        let entry = Entry { kind: EntryKind::FACTS, body: body.to_vec() };
        Run { lane: LaneId([1; 32]), start: 3, entries: vec![entry], checkpoints: Vec::new() }
    }

    fn bodies(run: &Run) -> Terms {
        let term = |entry: &Entry| (TokenInput { kind: "body", text: entry.body.clone() }, run.start);
        run.entries.iter().map(term).collect()
    }

    #[test]
    fn a_memo_changes_no_answer() {
        let _memo = TermsMemo::on_this_thread(2);
        for body in [b"a", b"b", b"a", b"c", b"a", b"b"] {
            assert_eq!(remembered(&run(body), bodies), bodies(&run(body)));
        }
    }

    #[test]
    fn what_is_known_is_not_computed_again_and_is_forgotten_with_the_guard() {
        fn never(_: &Run) -> Terms {
            Vec::new()
        }
        let memo = TermsMemo::on_this_thread(2);
        assert_eq!(remembered(&run(b"a"), bodies).len(), 1);
        assert_eq!(remembered(&run(b"a"), never).len(), 1, "remembered");
        assert_eq!(remembered(&run(b"b"), never).len(), 0, "another run");
        drop(memo);
        assert_eq!(remembered(&run(b"a"), never).len(), 0, "forgotten");
    }
}
