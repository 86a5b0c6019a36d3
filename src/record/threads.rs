//! Threads: statements connected by what they follow, and their tips.
//!
//! A thread is a connected set of statements of one section; statements of one origin are one **node** of it,
//! and versions of one resource of one source belong to one thread even where they do not follow each other
//! (imported apart, they are two tips). A **tip** is a node that no other node follows. More than one tip:
//! their authors had not seen each other, and the section's rule says what is shown.
//!
//! A disputed node may add a tip but never hides a verified one, unless a verified node stands on it
//! (a countersignature). Nodes can follow each other in a circle only where one origin was imported in
//! different orders by two importers; then none of the circle hides another, and all are tips.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::facts::{Fact, Facts, Standing};
use super::statement::{Act, FollowRef, Position};
use crate::base::Digest;

/// Steps that finding the settled conflicts of one thread may take; beyond it they are not listed any more.
/// Open conflicts always are.
const MERGE_STEPS_MAX: usize = 1 << 20;

/// One statement of a thread, or several of the same origin.
pub struct Node<'a> {
    /// The statements, the representative first: verified before disputed, then the smallest (time, position).
    pub facts: Vec<&'a Fact>,
    /// The nodes of the thread that it follows, by their indices, ascending.
    pub follows: Vec<usize>,
    /// What it follows but is not known here: it may arrive later.
    pub missing: Vec<FollowRef>,
    /// What it claims to follow although another entry stands there: ignored and flagged.
    pub mismatched: Vec<FollowRef>,
}

/// Connected statements of one section.
pub struct Thread<'a> {
    /// The nodes in the order of (time, position) of their representatives.
    pub nodes: Vec<Node<'a>>,
    /// The nodes that no other node follows, ascending; never empty.
    pub tips: Vec<usize>,
    /// The nodes that brought concurrent nodes together, in order.
    pub merges: Vec<Merge>,
    /// For each node a number that it shares with those that it follows in a circle.
    circles: Vec<usize>,
}

/// A node that follows nodes which had not seen each other.
pub struct Merge {
    /// The node that follows them.
    pub node: usize,
    /// The concurrent nodes, ascending; two or more.
    pub sides: Vec<usize>,
}

impl<'a> Node<'a> {
    /// Makes a node of one statement, for telling where it comes from.
    pub fn alone(fact: &'a Fact) -> Self {
        Self { facts: vec![fact], follows: Vec::new(), missing: Vec::new(), mismatched: Vec::new() }
    }

    /// Returns the representative.
    pub fn first(&self) -> &'a Fact {
        self.facts[0]
    }

    /// Returns what it does to its thread.
    pub fn act(&self) -> Act {
        self.first().statement.act
    }

    /// Says whether none of its statements is verified.
    pub fn is_disputed(&self) -> bool {
        self.first().standing == Standing::Disputed
    }

    /// Says whether it follows something that may still arrive. A version that was imported follows every copy of the one
    /// before, wherever it was filed: one of them is enough.
    pub fn is_waiting(&self) -> bool {
        let has_predecessor = self.first().origin.is_some() && !self.follows.is_empty();
        !self.missing.is_empty() && !has_predecessor
    }

    /// Returns the position of the representative.
    pub fn position(&self) -> Position {
        self.first().position
    }
}

impl<'a> Thread<'a> {
    /// Says whether several tips had not seen each other.
    pub fn is_concurrent(&self) -> bool {
        self.tips.len() > 1
    }

    /// Says whether two nodes follow each other in a circle: then neither hides or ends the other.
    pub fn is_circle(&self, one: usize, other: usize) -> bool {
        self.circles[one] == self.circles[other]
    }

    /// Returns the tips, the latest first.
    pub fn tip_nodes(&self) -> impl Iterator<Item = &Node<'a>> {
        self.tips.iter().rev().map(|tip| &self.nodes[*tip])
    }

    /// Returns the position that stands for the thread: its first statement's.
    pub fn position(&self) -> Position {
        self.nodes[0].position()
    }
}

/// Builds the threads of some statements of a set, in the order of their first statements.
pub(super) fn build<'a>(set: &'a Facts, chosen: impl Iterator<Item = &'a Fact>) -> Vec<Thread<'a>> {
    let mut nodes = group(chosen);
    let links = resolve(set, &mut nodes);
    let count = nodes.len();
    let mut slots: Vec<Option<Node<'a>>> = nodes.into_iter().map(Some).collect();
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let roots = connect(count, &slots, &links);
    for (node, root) in roots.into_iter().enumerate() {
        groups.entry(root).or_default().push(node);
    }
    let mut threads: Vec<Vec<usize>> = groups.into_values().collect();
    threads.sort();
    threads.into_iter().map(|members| thread(members, &links, &mut slots)).collect()
}

/// Groups statements into nodes and orders them.
fn group<'a>(chosen: impl Iterator<Item = &'a Fact>) -> Vec<Node<'a>> {
    let mut by_origin = BTreeMap::new();
    let mut groups: Vec<Vec<&Fact>> = Vec::new();
    for fact in chosen {
        match &fact.origin {
            Some(origin) => by_origin.entry(origin).or_insert_with(Vec::new).push(fact),
            None => groups.push(vec![fact]),
        }
    }
    groups.extend(by_origin.into_values());
    let age = |fact: &Fact| (fact.time, fact.position, fact.leaf);
    for facts in &mut groups {
        facts.sort_by_key(|fact| (fact.standing, age(fact)));
    }
    groups.sort_by_key(|facts| age(facts[0]));
    let node = |facts| Node { facts, follows: Vec::new(), missing: Vec::new(), mismatched: Vec::new() };
    groups.into_iter().map(node).collect()
}

/// What connects nodes besides their places: for each node the nodes that it follows.
struct Links {
    follows: Vec<Vec<usize>>,
}

fn resolve<'a>(set: &'a Facts, nodes: &mut [Node<'a>]) -> Links {
    let mut places: HashMap<(Position, Digest), usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        places.extend(node.facts.iter().map(|fact| ((fact.position, fact.leaf), index)));
    }
    let mut follows = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter_mut().enumerate() {
        let mut followed = BTreeSet::new();
        let claims: BTreeSet<FollowRef> =
            node.facts.iter().flat_map(|fact| fact.statement.follows.iter().copied()).collect();
        for claim in claims {
            let lane = claim.lane.expect("a set resolves the lanes of its follows");
            let position = Position { lane, seq: claim.seq, index: claim.index };
            let mut there = set.at(position).peekable();
            if there.peek().is_none() {
                node.missing.push(claim);
                continue;
            }
            let matching: Vec<&Fact> = there.filter(|fact| fact.check() == claim.check).collect();
            if matching.is_empty() {
                node.mismatched.push(claim);
            }
            // A statement of another section is context, not a predecessor.
            followed
                .extend(matching.iter().filter_map(|fact| places.get(&(fact.position, fact.leaf)).copied()));
        }
        followed.remove(&index);
        follows.push(followed.into_iter().collect());
    }
    Links { follows }
}

/// Finds for each node the smallest node of its thread.
fn connect(count: usize, nodes: &[Option<Node<'_>>], links: &Links) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..count).collect();
    fn root(parents: &mut [usize], mut node: usize) -> usize {
        while parents[node] != node {
            parents[node] = parents[parents[node]];
            node = parents[node];
        }
        node
    }
    let mut unite = |a: usize, b: usize| {
        let (a, b) = (root(&mut parents, a), root(&mut parents, b));
        parents[a.max(b)] = a.min(b);
    };
    let mut resources = BTreeMap::new();
    let mut absent: BTreeMap<FollowRef, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let node = node.as_ref().expect("threads are taken out later");
        links.follows[index].iter().for_each(|followed| unite(index, *followed));
        node.missing.iter().for_each(|claim| unite(index, *absent.entry(*claim).or_insert(index)));
        if let Some(origin) = &node.first().origin {
            let resource = (&origin.source, &origin.resource_type, &origin.id);
            unite(index, *resources.entry(resource).or_insert(index));
        }
    }
    (0..count).map(|node| root(&mut parents, node)).collect()
}

fn thread<'a>(members: Vec<usize>, links: &Links, slots: &mut [Option<Node<'a>>]) -> Thread<'a> {
    let local: HashMap<usize, usize> = members.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let nodes: Vec<Node<'a>> = members
        .iter()
        .map(|old| {
            let mut node = slots[*old].take().expect("each node is in one thread");
            node.follows = links.follows[*old].iter().map(|followed| local[followed]).collect();
            node
        })
        .collect();
    let circles = circles(&nodes);
    Thread { tips: tips(&nodes, &circles), merges: merges(&nodes, &circles), nodes, circles }
}

/// Numbers the strongly connected components (Tarjan, without recursion): what is followed has a smaller
/// number than what follows it, and nodes share a number only when they follow each other in a circle.
fn circles(nodes: &[Node<'_>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let mut order = vec![UNSEEN; nodes.len()];
    let mut low = vec![0; nodes.len()];
    let mut component = vec![UNSEEN; nodes.len()];
    let (mut stack, mut path): (Vec<usize>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    let (mut seen, mut components) = (0, 0);
    for start in 0..nodes.len() {
        if order[start] == UNSEEN {
            path.push((start, 0));
        }
        while let Some((node, next)) = path.pop() {
            if next == 0 {
                (order[node], low[node]) = (seen, seen);
                seen += 1;
                stack.push(node);
            } else {
                let child = nodes[node].follows[next - 1];
                low[node] = low[node].min(low[child]);
            }
            let mut at = next;
            while let Some(child) = nodes[node].follows.get(at).copied() {
                at += 1;
                if order[child] == UNSEEN {
                    path.extend([(node, at), (child, 0)]);
                    break;
                }
                if component[child] == UNSEEN {
                    low[node] = low[node].min(order[child]);
                }
            }
            let descended = path.last().is_some_and(|(top, step)| *step == 0 && order[*top] == UNSEEN);
            if !descended && low[node] == order[node] {
                while let Some(member) = stack.pop() {
                    component[member] = components;
                    if member == node {
                        break;
                    }
                }
                components += 1;
            }
        }
    }
    component
}

fn tips(nodes: &[Node<'_>], circles: &[usize]) -> Vec<usize> {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, circle) in circles.iter().enumerate() {
        members[*circle].push(node);
    }
    let mut above_any = vec![false; nodes.len()];
    let mut above_verified = vec![false; nodes.len()];
    let mut tips = Vec::new();
    for (circle, members) in members.iter().enumerate().rev() {
        let verified = above_verified[circle] || members.iter().any(|node| !nodes[*node].is_disputed());
        for node in members {
            let hidden = if nodes[*node].is_disputed() { above_any[circle] } else { above_verified[circle] };
            if !hidden {
                tips.push(*node);
            }
            for followed in nodes[*node].follows.iter().map(|f| circles[*f]).filter(|f| *f != circle) {
                above_any[followed] = true;
                above_verified[followed] |= verified;
            }
        }
    }
    tips.sort_unstable();
    tips
}

fn merges(nodes: &[Node<'_>], circles: &[usize]) -> Vec<Merge> {
    let mut merges = Vec::new();
    let mut steps = 0;
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.follows.len() > 1) {
        let lowest = node.follows.iter().map(|followed| circles[*followed]).min().unwrap_or_default();
        let mut below: BTreeSet<usize> = BTreeSet::new();
        let mut open: Vec<usize> = node.follows.clone();
        while let Some(at) = open.pop() {
            steps += 1 + nodes[at].follows.len();
            if steps > MERGE_STEPS_MAX {
                return merges;
            }
            let unseen = nodes[at].follows.iter().filter(|f| circles[**f] >= lowest);
            open.extend(unseen.copied().filter(|f| below.insert(*f)));
        }
        let sides: Vec<usize> = node.follows.iter().copied().filter(|side| !below.contains(side)).collect();
        if sides.len() > 1 {
            merges.push(Merge { node: index, sides });
        }
    }
    merges
}
