//! The order of a text's elements, as the guard needs it and as marks are read.
//!
//! An element (a character, the begin or the end of a mark) is inserted behind another one or at the start. Elements
//! that were inserted behind the same one stand with the newest first: the higher operation number, then the higher
//! actor. So the elements are a tree, and the text is its walk from the root:
//!
//! ```text
//! start ── a ── b ── c        typed at once: one run
//!               └─── X ── Y   inserted behind b later, so it stands before c:  a b X Y c
//! ```
//!
//! The order of two elements follows from what their writers had seen, and never changes by what arrives later. That is
//! why the guard may judge by it, and why all replicas agree. Deleted characters keep their place.

use std::collections::{BTreeMap, HashMap};

use super::history::{History, OpRef};

/// Where an element stands in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The first element of the run, in which each stands behind the one before.
    pub(super) first: OpRef,
    /// What the first element was inserted behind; `None` at the start of the text.
    pub(super) after: Option<OpRef>,
}

/// Says whether element `a` stands before `b` in their text, whatever else the text holds.
///
/// `None` when `step` does not know one of the elements on the way.
pub(super) fn stands_before(
    history: &History,
    a: OpRef,
    b: OpRef,
    step: impl Fn(OpRef) -> Option<Step>,
) -> Option<bool> {
    let (a_way, b_way) = (way(a, &step)?, way(b, &step)?);
    let runs: HashMap<OpRef, usize> = a_way.iter().zip(0..).map(|((run, _), index)| (*run, index)).collect();
    let meeting = b_way.iter().zip(0..).find_map(|((run, _), index)| Some((*runs.get(run)?, index)));
    let Some((in_a, in_b)) = meeting else {
        return Some(history.age(a_way.last()?.0) > history.age(b_way.last()?.0));
    };
    let (a_last, b_last) = (a_way[in_a].1, b_way[in_b].1);
    let shared = if a_last.counter < b_last.counter { a_last } else { b_last };
    // The element behind the shared one on the way to each, or none where the way ends there.
    let branch = |way: &[(OpRef, OpRef)], index: usize| {
        if way[index].1 == shared {
            index.checked_sub(1).map(|below| way[below].0)
        } else {
            Some(OpRef { counter: shared.counter + 1, ..shared })
        }
    };
    Some(match (branch(&a_way, in_a), branch(&b_way, in_b)) {
        (None, to_b) => to_b.is_some(),
        (Some(_), None) => false,
        (Some(to_a), Some(to_b)) => history.age(to_a) > history.age(to_b),
    })
}

/// The runs from an element up to the start of the text: the first of each run, and how far the way follows it.
fn way(element: OpRef, step: impl Fn(OpRef) -> Option<Step>) -> Option<Vec<(OpRef, OpRef)>> {
    let mut way = Vec::new();
    let mut next = Some(element);
    // Each element was inserted behind one that its writer had seen, so this ends.
    while let Some(last) = next {
        let Step { first, after } = step(last)?;
        way.push((first, last));
        next = after;
    }
    Some(way)
}

/// Walks over all elements of a text, deleted ones too, in their order; `visit` gets the first of elements side by side
/// whose numbers follow one another, and how many they are.
pub(super) fn walk(history: &History, text: OpRef, mut visit: impl FnMut(OpRef, u64)) {
    let mut behind: BTreeMap<Option<OpRef>, Vec<OpRef>> = BTreeMap::new();
    let mut last_of: HashMap<OpRef, u64> = HashMap::new();
    for (first, last, after) in history.elements(text) {
        behind.entry(after).or_default().push(first);
        last_of.insert(first, last);
    }
    // The newest of those behind one element stands first, and is opened last.
    let open_all = |open: &mut Vec<(OpRef, u64)>, mut elements: Vec<(OpRef, u64)>| {
        elements.sort_by(|(a, _), (b, _)| history.age(*a).cmp(&history.age(*b)));
        open.append(&mut elements);
    };
    let runs = |firsts: &[OpRef]| firsts.iter().map(|first| (*first, last_of[first])).collect::<Vec<_>>();
    // What remains of runs: where each goes on, and the number of its last element.
    let mut open = Vec::new();
    open_all(&mut open, runs(behind.get(&None).map_or(&[], Vec::as_slice)));
    while let Some((from, last)) = open.pop() {
        let end = OpRef { counter: last, ..from };
        let Some((Some(at), branches)) = behind.range(Some(from)..=Some(end)).next() else {
            visit(from, last - from.counter + 1);
            continue;
        };
        visit(from, at.counter - from.counter + 1);
        let mut branches = runs(branches);
        if at.counter < last {
            branches.push((OpRef { counter: at.counter + 1, ..*at }, last));
        }
        open_all(&mut open, branches);
    }
}
