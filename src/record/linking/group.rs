//! Which records are one person's: transitive over links, cut by not-same.
//!
//! Rule: records that links connect are joined. Where two of them are said not to be the same (a pair that is apart,
//! or disputed between link and not-same), every link that lies on a way between these two is set aside, until people
//! decide: which of the links on the way is the wrong one, no computer knows. Links that are on no such way hold.
//!
//! Law (`record::linking::tests`): two records of a not-same are never in one group, and a group is the same seen from
//! each of its members.

use std::collections::{BTreeMap, BTreeSet};

use super::tie::{Pair, PairState, TieKind, Tied};
use crate::base::RecordId;

/// Most records that are looked into for one person, the linked ones first ([`super::order`]); how many are left out is
/// said.
pub const GROUP_MAX: usize = 64;

/// How records stand together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    links: BTreeSet<Pair>,
    /// Links that are set aside because a not-same contradicts them.
    pub set_aside: BTreeSet<Pair>,
    /// Pairs that are said not to be the same although links connect them.
    pub contradicted: BTreeSet<Pair>,
}

impl Groups {
    /// Reads the groups of some ties.
    pub fn of(ties: &BTreeMap<Pair, Tied>) -> Self {
        let links: BTreeSet<Pair> =
            ties.values().filter(|tied| tied.state == PairState::Joined).map(|tied| tied.pair).collect();
        let not_same = |tied: &&Tied| {
            let says = || tied.said.iter().any(|said| said.kind == TieKind::NotSame && !said.unverified);
            tied.state == PairState::Apart || (tied.state == PairState::Disputed && says())
        };
        let (mut set_aside, mut contradicted) = (BTreeSet::new(), BTreeSet::new());
        for Tied { pair, .. } in ties.values().filter(not_same) {
            if reach(&links, pair.0).contains(&pair.1) {
                contradicted.insert(*pair);
                set_aside.extend(between(&links, *pair));
            }
        }
        let links = links.difference(&set_aside).copied().collect();
        Self { links, set_aside, contradicted }
    }

    /// Returns the records of one person, ascending, the given one among them.
    pub fn of_record(&self, record: RecordId) -> BTreeSet<RecordId> {
        reach(&self.links, record)
    }
}

fn reach(links: &BTreeSet<Pair>, from: RecordId) -> BTreeSet<RecordId> {
    let (mut met, mut open) = (BTreeSet::from([from]), vec![from]);
    while let Some(record) = open.pop() {
        let next = links.iter().filter_map(|pair| pair.other(&record));
        open.extend(next.filter(|other| met.insert(*other)));
    }
    met
}

/// The links on ways between two records: those that, with the two tied together, lie on a round through them. A link
/// whose loss would part the graph so closed lies on no round.
fn between(links: &BTreeSet<Pair>, ends: Pair) -> BTreeSet<Pair> {
    let closed: BTreeSet<Pair> = links.iter().copied().chain([ends]).collect();
    let on_a_round = |pair: &&Pair| {
        let rest: BTreeSet<Pair> = closed.iter().copied().filter(|other| other != *pair).collect();
        reach(&rest, pair.0).contains(&pair.1)
    };
    let rounds: BTreeSet<Pair> = closed.iter().filter(on_a_round).copied().collect();
    let through = reach(&rounds, ends.0);
    rounds.into_iter().filter(|pair| *pair != ends && through.contains(&pair.0)).collect()
}
