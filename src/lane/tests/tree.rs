//! The tree against the oracle of `ct-merkle`, which keeps every leaf and node in memory.

use crate::base::laws::cases;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;

use crate::base::{Digest, cbor};
use crate::lane::Entry;
use crate::lane::tests::support::many;
use crate::lane::tree::*;

struct Oracle {
    entries: Vec<Entry>,
    leaves: Vec<Digest>,
    tree: MemoryBackedTree<Sha256, Vec<u8>>,
}

fn oracle(size: usize) -> Oracle {
    let entries = many("entry", size);
    let mut tree = MemoryBackedTree::new();
    entries.iter().for_each(|entry| tree.push(cbor::to_vec(entry)));
    Oracle { leaves: entries.iter().map(Entry::leaf).collect(), entries, tree }
}

fn frontier(leaves: &[Digest]) -> Frontier {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(leaf));
    frontier
}

fn digests(bytes: &[u8]) -> Vec<Digest> {
    bytes.chunks(32).map(|chunk| Digest(chunk.try_into().unwrap())).collect()
}

#[test]
fn the_empty_root_is_the_hash_of_nothing() {
    let root = Frontier::default().root().to_string();
    assert_eq!(root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn roots_and_proofs_equal_the_oracles_for_every_small_tree() {
    for size in 1..40 {
        let Oracle { leaves, entries, tree } = oracle(size);
        let root = frontier(&leaves).root();
        assert_eq!(root.0.as_slice(), tree.root().as_bytes().as_slice());
        for (index, entry) in entries.iter().enumerate() {
            let proof = inclusion_proof(&leaves, index as u64);
            assert_eq!(proof, digests(tree.prove_inclusion(index).as_bytes()));
            assert!(verify_inclusion(&leaves[index], index as u64, size as u64, &proof, &root));
            let nodes: Vec<_> = proof.iter().map(|node| node.0.into()).collect();
            let theirs = InclusionProof::<Sha256>::from_digests(&nodes);
            let signed = RootHash::<Sha256>::new(root.0.into(), size as u64);
            signed.verify_inclusion(&cbor::to_vec(entry), index as u64, &theirs).unwrap();
        }
        for old in 1..=size {
            let proof = consistency_proof(&leaves, old as u64);
            assert_eq!(proof, digests(tree.prove_consistency(size - old).as_bytes()));
            let old_root = frontier(&leaves[..old]).root();
            assert!(verify_consistency(old as u64, &old_root, size as u64, &root, &proof));
        }
    }
}

#[test]
fn a_proof_holds_for_nothing_else() {
    let Oracle { leaves, .. } = oracle(13);
    let root = frontier(&leaves).root();
    let proof = inclusion_proof(&leaves, 6);
    assert!(!verify_inclusion(&leaves[6], 7, 13, &proof, &root));
    assert!(!verify_inclusion(&leaves[7], 6, 13, &proof, &root));
    assert!(!verify_inclusion(&leaves[6], 6, 6, &proof, &root));
    assert!(!verify_inclusion(&leaves[6], 6, 13, &proof[1..], &root));
    assert!(!verify_inclusion(&leaves[6], 6, 13, &[&proof[..], &[root]].concat(), &root));
    assert!(!verify_inclusion(&leaves[6], 6, u64::MAX, &proof, &root));
    let old = frontier(&leaves[..6]).root();
    let proof = consistency_proof(&leaves, 6);
    assert!(verify_consistency(6, &old, 13, &root, &proof));
    assert!(!verify_consistency(7, &old, 13, &root, &proof));
    assert!(!verify_consistency(6, &root, 13, &root, &proof));
    assert!(!verify_consistency(6, &old, u64::MAX, &root, &proof));
    assert!(!verify_consistency(14, &old, 13, &root, &proof));
    assert!(verify_consistency(0, &Frontier::default().root(), 13, &root, &[]));
    assert!(!verify_consistency(0, &old, 13, &root, &[]));
    assert!(inclusion_proof(&leaves, 13).is_empty() && consistency_proof(&leaves, 14).is_empty());
}

#[test]
fn a_frontier_with_a_node_too_few_or_many_is_not_read() {
    let good = cbor::to_vec(&frontier(&oracle(6).leaves));
    assert_eq!(cbor::from_canonical::<Frontier>(&good).unwrap().size(), 6);
    let mut bad = good.clone();
    bad[1] = 7;
    assert!(cbor::from_canonical::<Frontier>(&bad).is_err());
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn proofs_after_a_frontier_are_the_proofs_of_the_whole(size in 1usize..300, cut in 0usize..300, at in 0usize..300) {
        let Oracle { leaves, .. } = oracle(size);
        let cut = cut % size;
        let index = (cut + at % (size - cut)) as u64;
        let after = inclusion_proof_after(&frontier(&leaves[..cut]), &leaves[cut..], index);
        prop_assert_eq!(&after, &inclusion_proof(&leaves, index));
        let root = frontier(&leaves).root();
        prop_assert_eq!(root_of_inclusion(&leaves[index as usize], index, size as u64, &after), Some(root));
    }
}
