//! Blocks and the scanner, with whatever bytes.

use proptest::prelude::*;

use crate::base::limits::BUNDLE_BLOCK_BYTES_MAX;
use crate::bundle::block::{HEAD_BYTES, encode};
use crate::bundle::{Block, BlockKind, BundleId, Found, Loss, Scanner};

const BUNDLE: BundleId = BundleId([7; 8]);

fn file(sizes: &[usize]) -> Vec<u8> {
    let block = |(number, size): (usize, &usize)| {
        encode(&BUNDLE, number as u32, BlockKind::Runs, &vec![number as u8; *size])
    };
    sizes.iter().enumerate().flat_map(block).collect()
}

fn scanned(bytes: &[u8], step: usize) -> Vec<Found> {
    let mut scanner = Scanner::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(step.max(1)) {
        scanner.feed(piece);
        found.extend(std::iter::from_fn(|| scanner.next_found()));
    }
    scanner.end();
    found.extend(std::iter::from_fn(|| scanner.next_found()));
    assert!(scanner.next_found().is_none());
    found
}

fn whole(found: &[Found]) -> Vec<u32> {
    let number = |found: &Found| match found {
        Found::Block(Block { number, payload, .. }) => {
            assert!(payload.iter().all(|byte| *byte == *number as u8));
            Some(*number)
        }
        Found::Lost(_) => None,
    };
    found.iter().filter_map(number).collect()
}

proptest! {
    #[test]
    fn a_file_cut_at_any_byte_gives_every_block_before_the_cut(
        sizes in prop::collection::vec(0..300_usize, 1..8),
        cut in any::<prop::sample::Index>(),
        step in 1..400_usize,
    ) {
        let bytes = file(&sizes);
        let cut = cut.index(bytes.len() + 1);
        let found = scanned(&bytes[..cut], step);
        let mut end = 0;
        let expected = sizes.iter().take_while(|size| {
            end += HEAD_BYTES + *size + 8;
            end <= cut
        });
        let expected: Vec<u32> = (0..).zip(expected).map(|(number, _)| number).collect();
        prop_assert_eq!(whole(&found), expected.clone());
        let at_boundary = file(&sizes[..expected.len()]).len() == cut;
        prop_assert_eq!(found.len() > expected.len(), !at_boundary, "a torn block is told: {:?}", found);
    }

    #[test]
    fn one_changed_byte_costs_one_block_and_is_told(
        sizes in prop::collection::vec(0..300_usize, 1..8),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        step in 1..400_usize,
    ) {
        let mut bytes = file(&sizes);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let found = scanned(&bytes, step);
        prop_assert_eq!(whole(&found).len(), sizes.len() - 1);
        prop_assert!(found.iter().any(|found| matches!(found, Found::Lost(_))));
    }

    #[test]
    fn bytes_lost_or_put_in_anywhere_leave_the_blocks_behind_them(
        sizes in prop::collection::vec(1..300_usize, 2..8),
        place in any::<prop::sample::Index>(),
        lost in 0..40_usize,
        put in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = file(&sizes);
        let place = place.index(bytes.len());
        bytes.splice(place..(place + lost).min(bytes.len()), put);
        let found = scanned(&bytes, 97);
        // The lost bytes may reach into two blocks, or three small ones.
        prop_assert!(whole(&found).len() + 3 >= sizes.len());
    }

    #[test]
    fn any_bytes_are_read_to_their_end(mut bytes in prop::collection::vec(any::<u8>(), 0..2_000), mix in any::<bool>()) {
        if mix {
            let good = file(&[10, 20]);
            bytes.splice(bytes.len() / 2..bytes.len() / 2, good);
        }
        let found = scanned(&bytes, 13);
        prop_assert_eq!(whole(&found).len(), if mix { 2 } else { 0 });
    }
}

/// A file of heads that all check, each claiming the largest block: hashing every claim would take hours.
#[test]
fn a_file_made_of_heads_is_given_up_soon() {
    let length = BUNDLE_BLOCK_BYTES_MAX / 8;
    let head = encode(&BUNDLE, 1, BlockKind::Runs, &vec![0; length])[..HEAD_BYTES].to_vec();
    let bytes = head.repeat(400_000);
    let found = scanned(&bytes, 1 << 20);
    assert!(matches!(found.last(), Some(Found::Lost(Loss::Hopeless { .. }))), "{:?}", found.last());
    assert!(found.len() < 40, "{}", found.len());
}

#[test]
fn a_claim_of_gigabytes_is_refused_before_anything_is_read_for_it() {
    // The length is patched, and the check made anew, as somebody would who knows the format.
    let mut bytes = encode(&BUNDLE, 3, BlockKind::Runs, b"x");
    bytes[17..21].copy_from_slice(&u32::MAX.to_be_bytes());
    let check = crate::base::hash_tagged("musubi.bundle.head.v1", &[&bytes[..21]]);
    bytes[21..25].copy_from_slice(&check.0[..4]);
    bytes.extend(file(&[5]));
    let found = scanned(&bytes, 8);
    let claim = Loss::TooLarge { at: 0, number: 3, length: u32::MAX };
    assert_eq!(found[0], Found::Lost(claim));
    assert_eq!(whole(&found), [0]);
}
