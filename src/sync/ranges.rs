//! How many lanes are compared: by digests of ranges of lane ids, from wide to narrow.
//!
//! Lane ids are hashes, so that ranges by prefix hold about equally many lanes. Both sides know the larger of their
//! two counts, and by it the depths of the rounds: the first round splits all lanes into up to 256 ranges, each later
//! one each range that differs into 16, until a range holds two to four lanes. With the first round goes a sample of the
//! narrowest ranges: who sees that nearly all of them differ lists at once. What this costs is in `docs/performance.md`.

use super::limits::{
    RANGE_BITS_FIRST, RANGE_BITS_MAX, RANGE_BITS_STEP, RANGE_DIGEST_BYTES, RANGED_LANES_MIN,
    SAMPLE_DIGEST_BYTES, SAMPLES,
};
use crate::lane::{HeadVector, LaneRange};

/// The digest of a range, as it is told; zero when there is no lane in it.
pub type RangeDigest = [u8; RANGE_DIGEST_BYTES];

/// What is told of a range without lanes.
pub const EMPTY_RANGE: RangeDigest = [0; RANGE_DIGEST_BYTES];

/// Returns the depths of the rounds by which two sides compare a group, of which the larger one has so many lanes;
/// none when it is listed instead.
pub fn depths(lanes: u64) -> Vec<u8> {
    if lanes < RANGED_LANES_MIN {
        return Vec::new();
    }
    let narrowest = u8::try_from((lanes / 2).ilog2()).unwrap_or(RANGE_BITS_MAX).min(RANGE_BITS_MAX);
    let mut depths = vec![narrowest.min(RANGE_BITS_FIRST)];
    let mut depth = narrowest.min(RANGE_BITS_FIRST);
    while depth < narrowest {
        depth = narrowest.min(depth + RANGE_BITS_STEP);
        depths.push(depth);
    }
    depths
}

/// Returns the digest of a range.
pub fn digest_of(heads: &HeadVector, range: LaneRange) -> RangeDigest {
    *heads.digest_in(range).0.first_chunk().expect("32 bytes hold 16")
}

/// Returns what is told of some of the narrowest ranges with the first round: the beginnings of their digests.
pub fn sample(heads: &HeadVector, depths: &[u8]) -> Vec<u8> {
    sampled(heads, depths).flatten().collect()
}

/// Says whether nearly all of the narrowest ranges differ, as far as a sample of the other side's tells: at least seven of eight
/// that hold something. Then one more round of digests would cost more than it saves.
pub fn nearly_all_differ(ours: &HeadVector, depths: &[u8], theirs: &[u8]) -> bool {
    let theirs = theirs.as_chunks::<SAMPLE_DIGEST_BYTES>().0;
    let pairs =
        sampled(ours, depths).zip(theirs).filter(|(ours, theirs)| *ours != [0; 2] || **theirs != [0; 2]);
    let (held, differing) = pairs.fold((0, 0), |(held, differing), (ours, theirs)| {
        (held + 1, differing + usize::from(ours != *theirs))
    });
    held * 2 > SAMPLES && differing * 8 >= held * 7
}

fn sampled(heads: &HeadVector, depths: &[u8]) -> impl Iterator<Item = [u8; SAMPLE_DIGEST_BYTES]> {
    let depth = depths.last().copied().unwrap_or(0);
    let apart = (1_u64 << depth) / SAMPLES as u64;
    (0..SAMPLES as u64).map(move |number| {
        let digest = digest_of(heads, LaneRange { depth, index: number * apart });
        *digest.first_chunk().expect("16 bytes hold 2")
    })
}

/// Returns the parts of a range at a greater depth, in order.
pub fn parts_of(range: LaneRange, depth: u8) -> impl Iterator<Item = LaneRange> {
    let step = depth.saturating_sub(range.depth);
    (0..1_u64 << step)
        .map(move |part| LaneRange { depth: range.depth + step, index: range.index << step | part })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Digest, LaneId};
    use crate::lane::Head;

    #[test]
    fn ranges_of_the_last_round_hold_two_to_four_lanes() {
        for lanes in [128_u64, 255, 256, 1_000, 10_000, 99_999, 1_000_000] {
            let depths = depths(lanes);
            let narrowest = lanes >> depths.last().unwrap();
            assert!((2..4).contains(&narrowest), "{lanes} lanes: {depths:?}");
            assert!(depths.is_sorted() && depths[0] <= 8 && depths.windows(2).all(|w| w[1] - w[0] <= 4));
        }
        assert_eq!(depths(10_000), [8, 12]);
        assert_eq!(depths(1_000_000), [8, 12, 16, 18]);
        assert_eq!(depths(127), [0; 0]);
    }

    #[test]
    fn a_sample_tells_whether_nearly_all_differ_and_nothing_of_a_few() {
        let head = |size| Head::Straight { size, root: Digest([1; 32]) };
        let lane = |number: u32| LaneId(crate::base::hash_tagged("lane", &[&number.to_be_bytes()]).0);
        let of = |changed: u32| {
            HeadVector::from_iter(
                (0..10_000).map(|number| (lane(number), head(1 + u64::from(number < changed)))),
            )
        };
        let (depths, ours) = (depths(10_000), of(0));
        let differ = |changed| nearly_all_differ(&ours, &depths, &sample(&of(changed), &depths));
        assert_eq!([0, 10, 1_000, 3_000, 10_000].map(differ), [false, false, false, false, true]);
        assert!(nearly_all_differ(&ours, &depths, &[0; 64]), "the other side has nothing");
        assert!(!nearly_all_differ(&HeadVector::default(), &depths, &[0; 64]), "neither has anything");
        assert!(!nearly_all_differ(&ours, &depths, &[]), "nothing is told");
    }

    #[test]
    fn a_count_that_is_a_lie_makes_no_more_than_the_deepest_ranges() {
        assert_eq!(depths(u64::MAX), [8, 12, 16, 20]);
    }
}
