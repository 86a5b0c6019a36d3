//! The heads of many lanes as one value: cheap to copy, to change and to compare, as a whole and by ranges.
//!
//! A binary tree over the bits of the lane id. Copies share their subtrees; a change copies one path. Each subtree
//! keeps its digest, which is computed when it is first asked for. A *range* is all lanes whose ids begin with some
//! bits. Law: the digest of a range is a function of the heads in it alone, whatever the order of changes.
//!
//! ```text
//! digest of no lanes          32 bytes of zero
//! digest of 1 to 16 lanes     H("musubi.heads.leaf.v1", digest of each head in ascending order of lane)
//! digest of more              H("musubi.heads.branch.v1", digest of the lower half, digest of the upper half)
//! ```

use std::sync::{Arc, OnceLock};

use super::state::Head;
use crate::base::{Digest, LaneId, hash_tagged};

/// Most lanes whose heads are hashed as one list; part of the format of digests.
pub const LEAF_LANES_MAX: usize = 16;
/// Most bits that name a range.
pub const RANGE_DEPTH_MAX: u8 = 60;

const NOTHING: Digest = Digest([0; 32]);

/// The lanes whose ids begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneRange {
    /// How many bits, at most [`RANGE_DEPTH_MAX`].
    pub depth: u8,
    /// These bits as a number.
    pub index: u64,
}

impl LaneRange {
    /// All lanes.
    pub const ALL: LaneRange = LaneRange { depth: 0, index: 0 };

    /// Returns a range, if the depth is within the limit and the index is one of that depth.
    pub fn new(depth: u8, index: u64) -> Option<Self> {
        (depth <= RANGE_DEPTH_MAX && index >> depth == 0).then_some(Self { depth, index })
    }

    /// Returns the range of a lane at a depth of at most [`RANGE_DEPTH_MAX`].
    pub fn of(lane: &LaneId, depth: u8) -> Self {
        let depth = depth.min(RANGE_DEPTH_MAX);
        let bits = lane.0.first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
        Self { depth, index: bits.checked_shr(64 - u32::from(depth)).unwrap_or(0) }
    }

    /// Says whether a lane lies in the range.
    pub fn contains(&self, lane: &LaneId) -> bool {
        Self::of(lane, self.depth) == *self
    }

    /// Returns the lower and the upper half; none at the greatest depth.
    pub fn halves(&self) -> Option<[LaneRange; 2]> {
        let depth = self.depth.checked_add(1).filter(|depth| *depth <= RANGE_DEPTH_MAX)?;
        Some([0, 1].map(|bit| LaneRange { depth, index: self.index << 1 | bit }))
    }
}

/// The heads of a set of lanes.
#[derive(Debug, Clone, Default)]
pub struct HeadVector {
    root: Tree,
}

type Tree = Option<Arc<Node>>;

#[derive(Debug, Clone)]
struct Node {
    lanes: usize,
    digest: OnceLock<Digest>,
    kind: Kind,
}

/// A node is a leaf exactly when it has at most [`LEAF_LANES_MAX`] lanes.
#[derive(Debug, Clone)]
enum Kind {
    /// In ascending order.
    Leaf(Vec<(LaneId, Head)>),
    Branch([Tree; 2]),
}

impl HeadVector {
    /// Returns how many lanes there are.
    pub fn len(&self) -> usize {
        lanes_of(&self.root)
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Returns the head of a lane.
    pub fn get(&self, lane: &LaneId) -> Option<&Head> {
        find(&self.root, 0, lane)
    }

    /// Sets the head of a lane.
    pub fn set(&mut self, lane: LaneId, head: Head) {
        if self.get(&lane) != Some(&head) {
            set(&mut self.root, 0, lane, head);
        }
    }

    /// Takes a lane out.
    pub fn remove(&mut self, lane: &LaneId) {
        if self.get(lane).is_some() {
            remove(&mut self.root, 0, lane);
        }
    }

    /// Returns the digest of all heads.
    pub fn digest(&self) -> Digest {
        digest_of(&self.root)
    }

    /// Returns the digest of the heads in a range.
    pub fn digest_in(&self, range: LaneRange) -> Digest {
        match self.at(range) {
            Place::Whole(tree) => digest_of(tree),
            Place::Within(leaf) => leaf_digest(leaf.iter().filter(|(lane, _)| range.contains(lane))),
        }
    }

    /// Returns the heads in a range in ascending order of lane.
    pub fn heads_in(&self, range: LaneRange) -> Vec<(LaneId, Head)> {
        let mut heads = Vec::new();
        match self.at(range) {
            Place::Whole(tree) => gather(tree, &mut heads),
            Place::Within(leaf) => {
                heads.extend(leaf.iter().filter(|(lane, _)| range.contains(lane)).cloned());
            }
        }
        heads
    }

    /// Returns how many lanes there are in a range.
    pub fn lanes_in(&self, range: LaneRange) -> usize {
        match self.at(range) {
            Place::Whole(tree) => lanes_of(tree),
            Place::Within(leaf) => leaf.iter().filter(|(lane, _)| range.contains(lane)).count(),
        }
    }

    /// Returns all heads in ascending order of lane.
    pub fn heads(&self) -> Vec<(LaneId, Head)> {
        self.heads_in(LaneRange::ALL)
    }

    /// Returns the heads that are not the same in `earlier`; subtrees that both share are not looked at.
    pub fn changed_since(&self, earlier: &HeadVector) -> Vec<(LaneId, Head)> {
        let mut changed = Vec::new();
        difference(&self.root, &earlier.root, 0, &mut changed);
        changed
    }

    fn at(&self, range: LaneRange) -> Place<'_> {
        let mut tree = &self.root;
        for depth in 0..range.depth {
            match tree.as_deref() {
                None => return Place::Whole(&None),
                Some(Node { kind: Kind::Leaf(leaf), .. }) => return Place::Within(leaf),
                Some(Node { kind: Kind::Branch(halves), .. }) => {
                    tree = &halves[usize::from(range.index >> (range.depth - depth - 1) & 1 == 1)];
                }
            }
        }
        Place::Whole(tree)
    }
}

impl FromIterator<(LaneId, Head)> for HeadVector {
    fn from_iter<I: IntoIterator<Item = (LaneId, Head)>>(heads: I) -> Self {
        let mut vector = HeadVector::default();
        heads.into_iter().for_each(|(lane, head)| vector.set(lane, head));
        vector
    }
}

impl PartialEq for HeadVector {
    fn eq(&self, other: &Self) -> bool {
        self.digest() == other.digest()
    }
}

impl Eq for HeadVector {}

/// Where the lanes of a range are.
enum Place<'a> {
    /// They are a tree.
    Whole(&'a Tree),
    /// They are among those of a leaf.
    Within(&'a [(LaneId, Head)]),
}

impl Node {
    fn leaf(heads: Vec<(LaneId, Head)>) -> Arc<Self> {
        Arc::new(Self { lanes: heads.len(), digest: OnceLock::new(), kind: Kind::Leaf(heads) })
    }

    fn digest(&self) -> Digest {
        *self.digest.get_or_init(|| match &self.kind {
            Kind::Leaf(heads) => leaf_digest(heads.iter()),
            Kind::Branch([low, high]) => {
                hash_tagged("musubi.heads.branch.v1", &[&digest_of(low).0, &digest_of(high).0])
            }
        })
    }
}

fn lanes_of(tree: &Tree) -> usize {
    tree.as_ref().map_or(0, |node| node.lanes)
}

fn digest_of(tree: &Tree) -> Digest {
    tree.as_ref().map_or(NOTHING, |node| node.digest())
}

fn leaf_digest<'a>(heads: impl Iterator<Item = &'a (LaneId, Head)>) -> Digest {
    let heads: Vec<Digest> = heads.map(|(lane, head)| head.digest(lane)).collect();
    let parts: Vec<&[u8]> = heads.iter().map(|digest| digest.0.as_slice()).collect();
    if parts.is_empty() { NOTHING } else { hash_tagged("musubi.heads.leaf.v1", &parts) }
}

/// Returns bit `depth` of a lane's id as the number of a half. Ids are distinct, so that trees end before their bits do.
fn half(lane: &LaneId, depth: usize) -> usize {
    lane.0.get(depth / 8).map_or(0, |byte| usize::from(byte >> (7 - depth % 8) & 1))
}

fn find<'a>(tree: &'a Tree, depth: usize, lane: &LaneId) -> Option<&'a Head> {
    let (mut tree, mut depth) = (tree, depth);
    loop {
        match &tree.as_ref()?.kind {
            Kind::Leaf(heads) => {
                let at = heads.binary_search_by(|(id, _)| id.cmp(lane)).ok()?;
                return heads.get(at).map(|(_, head)| head);
            }
            Kind::Branch(halves) => {
                tree = &halves[half(lane, depth)];
                depth += 1;
            }
        }
    }
}

fn set(tree: &mut Tree, depth: usize, lane: LaneId, head: Head) {
    let Some(node) = tree else {
        *tree = Some(Node::leaf(vec![(lane, head)]));
        return;
    };
    let node = Arc::make_mut(node);
    node.digest = OnceLock::new();
    match &mut node.kind {
        Kind::Leaf(heads) => {
            match heads.binary_search_by(|(id, _)| id.cmp(&lane)) {
                Ok(at) => heads[at].1 = head,
                Err(at) => heads.insert(at, (lane, head)),
            }
            node.lanes = heads.len();
            if heads.len() > LEAF_LANES_MAX {
                let mut halves = [None, None];
                for (lane, head) in std::mem::take(heads) {
                    set(&mut halves[half(&lane, depth)], depth + 1, lane, head);
                }
                node.kind = Kind::Branch(halves);
            }
        }
        Kind::Branch(halves) => {
            set(&mut halves[half(&lane, depth)], depth + 1, lane, head);
            node.lanes = halves.iter().map(lanes_of).sum();
        }
    }
}

fn remove(tree: &mut Tree, depth: usize, lane: &LaneId) {
    let Some(node) = tree else { return };
    let node = Arc::make_mut(node);
    node.digest = OnceLock::new();
    match &mut node.kind {
        Kind::Leaf(heads) => {
            heads.retain(|(id, _)| id != lane);
            node.lanes = heads.len();
        }
        Kind::Branch(halves) => {
            remove(&mut halves[half(lane, depth)], depth + 1, lane);
            node.lanes = halves.iter().map(lanes_of).sum();
            if node.lanes <= LEAF_LANES_MAX {
                let mut heads = Vec::with_capacity(node.lanes);
                halves.iter().for_each(|half| gather(half, &mut heads));
                node.kind = Kind::Leaf(heads);
            }
        }
    }
    if node.lanes == 0 {
        *tree = None;
    }
}

fn gather(tree: &Tree, heads: &mut Vec<(LaneId, Head)>) {
    match tree.as_ref().map(|node| &node.kind) {
        None => {}
        Some(Kind::Leaf(leaf)) => heads.extend(leaf.iter().cloned()),
        Some(Kind::Branch(halves)) => halves.iter().for_each(|half| gather(half, heads)),
    }
}

fn difference(now: &Tree, earlier: &Tree, depth: usize, changed: &mut Vec<(LaneId, Head)>) {
    let (Some(new), Some(old)) = (now, earlier) else { return gather(now, changed) };
    if Arc::ptr_eq(new, old) {
        return;
    }
    if let (Kind::Branch(new), Kind::Branch(old)) = (&new.kind, &old.kind) {
        new.iter().zip(old).for_each(|(new, old)| difference(new, old, depth + 1, changed));
        return;
    }
    let mut heads = Vec::new();
    gather(now, &mut heads);
    changed.extend(heads.into_iter().filter(|(lane, head)| find(earlier, depth, lane) != Some(head)));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn lane(number: u32) -> LaneId {
        LaneId(hash_tagged("lane", &[&number.to_be_bytes()]).0)
    }

    fn head(size: u64) -> Head {
        Head::Straight { size, root: Digest([size as u8; 32]) }
    }

    #[test]
    fn the_digests_of_version_1_stay() {
        let few: HeadVector = (0..3).map(|number| (lane(number), head(1))).collect();
        let heads: Vec<[u8; 32]> = few.heads().iter().map(|(lane, head)| head.digest(lane).0).collect();
        let parts: Vec<&[u8]> = heads.iter().map(|digest| digest.as_slice()).collect();
        assert_eq!(few.digest(), hash_tagged("musubi.heads.leaf.v1", &parts));
        let many: HeadVector = (0..17).map(|number| (lane(number), head(1))).collect();
        let halves = [0, 1].map(|index| many.digest_in(LaneRange { depth: 1, index }).0);
        assert_eq!(many.digest(), hash_tagged("musubi.heads.branch.v1", &[&halves[0], &halves[1]]));
        assert_eq!(HeadVector::default().digest(), Digest([0; 32]));
    }

    #[test]
    fn a_change_is_found_without_looking_at_the_rest() {
        let earlier: HeadVector = (0..5_000).map(|number| (lane(number), head(1))).collect();
        let mut now = earlier.clone();
        now.set(lane(7), head(2));
        now.set(lane(9_000), head(1));
        now.set(lane(8), head(1));
        let mut expected = vec![(lane(7), head(2)), (lane(9_000), head(1))];
        expected.sort_by_key(|(lane, _)| *lane);
        assert_eq!(now.changed_since(&earlier), expected);
        assert_eq!((now.len(), earlier.len()), (5_001, 5_000), "the copy does not change");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn the_digest_of_a_range_is_a_function_of_its_heads(
            deeds in prop::collection::vec((0..120u32, prop::option::of(1..4u64)), 0..400),
            depth in 0..9u8,
            skipped in any::<u8>(),
        ) {
            let (mut vector, mut model) = (HeadVector::default(), BTreeMap::new());
            for (number, size) in &deeds {
                match size {
                    Some(size) => {
                        vector.set(lane(*number), head(*size));
                        model.insert(lane(*number), head(*size));
                    }
                    None => {
                        vector.remove(&lane(*number));
                        model.remove(&lane(*number));
                    }
                }
                if number % 7 == u32::from(skipped % 7) {
                    vector.digest();
                }
            }
            prop_assert_eq!(vector.heads(), model.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!(vector.len(), model.len());
            let anew: HeadVector = model.clone().into_iter().rev().collect();
            prop_assert_eq!(vector.digest(), anew.digest());
            for index in 0..1u64 << depth {
                let range = LaneRange::new(depth, index).unwrap();
                let inside: Vec<_> =
                    model.clone().into_iter().filter(|(lane, _)| range.contains(lane)).collect();
                prop_assert_eq!(vector.lanes_in(range), inside.len());
                prop_assert_eq!(vector.digest_in(range), inside.iter().cloned().collect::<HeadVector>().digest_shifted(depth, index));
                prop_assert_eq!(vector.heads_in(range), inside);
            }
        }
    }

    impl HeadVector {
        /// The digest that these lanes, all of one range, have in a larger vector.
        fn digest_shifted(&self, depth: u8, index: u64) -> Digest {
            self.digest_in(LaneRange { depth, index })
        }
    }
}
