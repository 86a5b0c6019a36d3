//! In which order the records that ties name are looked into.
//!
//! Rule: first those that links lead to, the nearest first; then those of which a link is disputed, whose allergies are
//! shown as a caution; then all others, whose own ties may say more.
//!
//! Why: only so many records are looked into for one person ([`GROUP_MAX`](super::group::GROUP_MAX)), and whoever may
//! write into a record can name as many others as they like. No number of such ties may hide what a linked record knows
//! of danger; what is left out all the same is counted ([`left_out`]) and said.

use std::collections::{BTreeMap, BTreeSet};

use super::tie::{self, PairState, Tied};
use crate::base::RecordId;
use crate::record::facts::Facts;

/// Returns the records to look into next, in their order; none when all that ties name are among those held.
pub fn next(asked: RecordId, held: &BTreeMap<RecordId, Facts>) -> Vec<RecordId> {
    let ties = tie::ties(held.values());
    let linked = nearest_first(asked, ties.values().filter(|tied| tied.state == PairState::Joined));
    let joined: BTreeSet<RecordId> = linked.iter().copied().collect();
    let is_doubtful = |tied: &&Tied| {
        tied.state == PairState::Disputed && (joined.contains(&tied.pair.0) || joined.contains(&tied.pair.1))
    };
    let unmet = |records: Vec<RecordId>| -> Vec<RecordId> {
        let mut met = BTreeSet::new();
        records.into_iter().filter(|one| !held.contains_key(one) && met.insert(*one)).collect()
    };
    let named =
        |ties: Vec<&Tied>| unmet(ties.into_iter().flat_map(|tied| [tied.pair.0, tied.pair.1]).collect());
    let classes =
        [unmet(linked), named(ties.values().filter(is_doubtful).collect()), named(ties.values().collect())];
    classes.into_iter().find(|records| !records.is_empty()).unwrap_or_default()
}

/// Counts the records that ties name and that are not among those held: a linked one may be among them.
pub fn left_out<'t>(ties: impl IntoIterator<Item = &'t Tied>, held: &BTreeMap<RecordId, Facts>) -> u64 {
    let named = ties.into_iter().flat_map(|tied| [tied.pair.0, tied.pair.1]);
    named.filter(|record| !held.contains_key(record)).collect::<BTreeSet<RecordId>>().len() as u64
}

/// The records that links lead to from one, itself first.
fn nearest_first<'t>(from: RecordId, links: impl Iterator<Item = &'t Tied>) -> Vec<RecordId> {
    let mut beside: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for tied in links {
        beside.entry(tied.pair.0).or_default().push(tied.pair.1);
        beside.entry(tied.pair.1).or_default().push(tied.pair.0);
    }
    let (mut order, mut met, mut at) = (vec![from], BTreeSet::from([from]), 0);
    while let Some(record) = order.get(at) {
        let others = beside.remove(record).unwrap_or_default();
        order.extend(others.into_iter().filter(|other| met.insert(*other)));
        at += 1;
    }
    order
}
