//! Which statements of a thread still stand, where not everything that comes later ends what it follows.
//!
//! Rule: a statement is ended when a statement that may end it follows it, over however many others. A statement on
//! disputed ground never ends a verified one, and none ends another that it follows in a circle; so a tip always stands.
//!
//! Law (`record::tests::laws_sections`: `what_stands_is_ended_by_what_follows_alone`): a statement that does not
//! follow another never ends it.

use std::collections::BTreeSet;

use crate::record::conflict::Conflict;
use crate::record::sections::Section;
use crate::record::statement::{FollowRef, Position};
use crate::record::threads::Thread;

/// Finds the nodes that stand, ascending; `ends` says of a node whether it ends what it follows.
pub(super) fn standing(thread: &Thread<'_>, ends: impl Fn(usize) -> bool) -> Vec<usize> {
    let nodes = &thread.nodes;
    let mut ended = vec![false; nodes.len()];
    // A way down from what ends: where it is, whether it began on verified ground, and whether above this circle.
    let mut open: Vec<(usize, bool, bool)> = (0..nodes.len())
        .filter(|node| ends(*node))
        .map(|node| (node, !nodes[node].is_disputed(), false))
        .collect();
    let mut seen = BTreeSet::new();
    while let Some((at, verified, above)) = open.pop() {
        for followed in nodes[at].follows.iter().copied() {
            let above = above || !thread.is_circle(at, followed);
            if seen.insert((followed, verified, above)) {
                ended[followed] |= above && (verified || nodes[followed].is_disputed());
                open.push((followed, verified, above));
            }
        }
    }
    (0..nodes.len()).filter(|node| !ended[*node]).collect()
}

/// Finds the nodes that a later version of the same resource of the same source replaces: the source's own
/// correction of itself.
pub(super) fn replaced(thread: &Thread<'_>) -> Vec<bool> {
    let mut replaced = vec![false; thread.nodes.len()];
    for (index, node) in thread.nodes.iter().enumerate().filter(|(_, node)| node.first().origin.is_some()) {
        for followed in node.follows.iter().copied() {
            let earlier = &thread.nodes[followed];
            let same = match (&node.first().origin, &earlier.first().origin) {
                (Some(mine), Some(other)) => mine.same_resource(other),
                (_, _) => false,
            };
            let above = !thread.is_circle(index, followed);
            replaced[followed] |= same && above && (!node.is_disputed() || earlier.is_disputed());
        }
    }
    replaced
}

/// Makes the open conflict of statements that stand beside each other, also in several threads: written twice is
/// as good as concurrent.
pub(super) fn open_conflict(
    section: Section,
    kind: &'static str,
    statements: impl IntoIterator<Item = FollowRef>,
    summary: String,
) -> Conflict {
    let mut follows: Vec<FollowRef> = statements.into_iter().collect();
    follows.sort_unstable();
    follows.dedup();
    let mut statements: Vec<Position> = follows.iter().filter_map(FollowRef::position).collect();
    statements.dedup();
    let thread = *statements.first().expect("a contradiction is between statements");
    Conflict { section, kind, open: true, thread, statements, follows, summary }
}
