//! The RFC 9162 Merkle tree over leaf hashes: a compact frontier to append to, and proofs.
//!
//! Leaf `SHA-256(0x00 ‖ entry)` (made by [`Entry::leaf`](super::Entry::leaf)), node
//! `SHA-256(0x01 ‖ left ‖ right)`, empty root `SHA-256("")`. A frontier holds the roots of the complete
//! subtrees, one for each bit set in the size, so appending and roots cost log₂ n hashes and no storage.

use ct_merkle::{ConsistencyProof, RootHash};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};
use sha2::{Digest as _, Sha256};

use crate::base::Digest;

/// Most entries that a lane may have: far from where any arithmetic on sizes could overflow.
pub const TREE_SIZE_MAX: u64 = 1 << 62;

/// The right edge of a tree: all that is needed to append to it and to know its root.
///
/// In CBOR `[size, [node …]]`; as many nodes as bits set in the size, largest subtree first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Digest>,
}

impl Frontier {
    /// Returns how many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: &Digest) {
        let (mut node, mut rest) = (*leaf, self.size);
        while rest & 1 == 1 {
            let left = self.nodes.pop().expect("one node for each bit set in the size");
            node = parent(&left, &node);
            rest >>= 1;
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// Returns the tree's root.
    pub fn root(&self) -> Digest {
        let mut nodes = self.nodes.iter().rev();
        match nodes.next() {
            None => Digest(Sha256::digest([]).into()),
            Some(smallest) => nodes.fold(*smallest, |right, left| parent(left, &right)),
        }
    }

    /// Returns the root of the smallest complete subtree at the right end, which holds the last leaf.
    pub fn edge(&self) -> Option<&Digest> {
        self.nodes.last()
    }

    /// Returns the root of the complete subtree over `start..end`, if it is one of the nodes.
    fn node(&self, start: u64, end: u64) -> Option<&Digest> {
        let bits = (0..u64::BITS).rev().map(|bit| 1u64 << bit).filter(|width| self.size & width != 0);
        let mut at = 0;
        for (width, node) in bits.zip(&self.nodes) {
            if at == start && at + width == end {
                return Some(node);
            }
            at += width;
        }
        None
    }
}

/// Makes the proof that the leaf at `index` is in the tree of `leaves`: siblings from the leaf upwards.
///
/// Empty when there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: u64) -> Vec<Digest> {
    inclusion_proof_after(&Frontier::default(), leaves, index)
}

/// Makes an inclusion proof when only the frontier before the first of `leaves` is held.
///
/// `index` counts from the lane's beginning, and must lie among `leaves`; otherwise the proof is empty.
pub fn inclusion_proof_after(before: &Frontier, leaves: &[Digest], index: u64) -> Vec<Digest> {
    let end = before.size + leaves.len() as u64;
    let mut proof = Vec::new();
    if (before.size..end).contains(&index) {
        Tree { before, leaves }.path(index, 0, end, &mut proof);
    }
    proof
}

/// Computes the root of the tree of `size` leaves in which `leaf` stands at `index` beside the siblings of
/// `proof` (RFC 9162, section 2.1.3.2); none when the proof has another length than such a tree's.
pub fn root_of_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest]) -> Option<Digest> {
    if index >= size || size > TREE_SIZE_MAX {
        return None;
    }
    let (mut node, mut index, mut last) = (*leaf, index, size - 1);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if index & 1 == 1 || index == last {
            node = parent(sibling, &node);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            node = parent(&node, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(node)
}

/// Says whether `proof` shows that `leaf` stands at `index` in the tree of `size` leaves under `root`.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    root_of_inclusion(leaf, index, size, proof).is_some_and(|computed| computed == *root)
}

/// Makes the proof that the tree of the first `old_size` of `leaves` is a prefix of the tree of all of them.
///
/// Empty when the old tree is empty, is all of it, or is longer.
pub fn consistency_proof(leaves: &[Digest], old_size: u64) -> Vec<Digest> {
    let size = leaves.len() as u64;
    let mut proof = Vec::new();
    if old_size > 0 && old_size < size {
        Tree { before: &Frontier::default(), leaves }.subproof(old_size, 0, size, true, &mut proof);
    }
    proof
}

/// Says whether `proof` shows that the tree of `old_size` leaves under `old_root` is a prefix of the tree of
/// `size` leaves under `root`.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Digest,
    size: u64,
    root: &Digest,
    proof: &[Digest],
) -> bool {
    if old_size > size || size > TREE_SIZE_MAX {
        return false;
    }
    if old_size == 0 {
        return proof.is_empty() && *old_root == Frontier::default().root();
    }
    let nodes: Vec<_> = proof.iter().map(|node| node.0.into()).collect();
    let proof = ConsistencyProof::<Sha256>::from_digests(&nodes);
    let old = RootHash::<Sha256>::new(old_root.0.into(), old_size);
    RootHash::new(root.0.into(), size).verify_consistency(&old, &proof).is_ok()
}

/// A tree of which the leaves from `before.size` on are held.
struct Tree<'a> {
    before: &'a Frontier,
    leaves: &'a [Digest],
}

impl Tree<'_> {
    /// `PATH(index, D[start..end])` of RFC 9162, section 2.1.3.1.
    fn path(&self, index: u64, start: u64, end: u64, proof: &mut Vec<Digest>) {
        if end - start == 1 {
            return;
        }
        let middle = split(start, end);
        if index < middle {
            self.path(index, start, middle, proof);
            proof.push(self.root(middle, end));
        } else {
            self.path(index, middle, end, proof);
            proof.push(self.root(start, middle));
        }
    }

    /// `SUBPROOF` of RFC 9162, section 2.1.4.1.
    fn subproof(&self, old: u64, start: u64, end: u64, known: bool, proof: &mut Vec<Digest>) {
        if old == end {
            if !known {
                proof.push(self.root(start, end));
            }
            return;
        }
        let middle = split(start, end);
        if old <= middle {
            self.subproof(old, start, middle, known, proof);
            proof.push(self.root(middle, end));
        } else {
            self.subproof(old, middle, end, false, proof);
            proof.push(self.root(start, middle));
        }
    }

    /// The root over `start..end`. A subtree that begins before the held leaves is a node of the frontier or
    /// splits into such nodes and held leaves, because the subtrees of a tree lie within each other or apart.
    fn root(&self, start: u64, end: u64) -> Digest {
        if let Some(node) = self.before.node(start, end) {
            return *node;
        }
        if end - start == 1 {
            return self.leaves[usize::try_from(start - self.before.size).expect("an index of a slice")];
        }
        let middle = split(start, end);
        parent(&self.root(start, middle), &self.root(middle, end))
    }
}

/// Where a subtree splits: after the largest power of two of leaves that is less than all of them.
fn split(start: u64, end: u64) -> u64 {
    start + ((end - start).next_power_of_two() >> 1)
}

fn parent(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update([0x01]);
    hasher.update(left.0);
    hasher.update(right.0);
    Digest(hasher.finalize().into())
}

impl<C> Encode<C> for Frontier {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(2)?.u64(self.size)?;
        self.nodes.encode(e, c)
    }
}

impl<'b, C> Decode<'b, C> for Frontier {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(2) {
            return Err(decode::Error::message("a frontier has two fields"));
        }
        let (size, nodes) = (d.u64()?, Vec::<Digest>::decode(d, c)?);
        if size > TREE_SIZE_MAX || nodes.len() != size.count_ones() as usize {
            return Err(decode::Error::message("a frontier has one node for each bit set in its size"));
        }
        Ok(Self { size, nodes })
    }
}
