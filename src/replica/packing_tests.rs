//! Segments on their way into a bucket and out of it: the same whether threads are there or not, and all that can be wrong with
//! one segment costs that segment.

use super::backing::segment_key;
use super::environment::{Environment as _, EnvironmentRng, SystemEnvironment};
use super::opening::{End, Opening, What};
use super::packing::{Packing, Seal};
use crate::backup::Bucket;
use crate::backup::manifest::{SegmentRange, SegmentRef};
use crate::backup::memory::MemoryBucket;
use crate::backup::segment::{SEGMENT_PLAIN_BYTES, name_of, plain_of};
use crate::base::{Area, LaneId, Part};
use crate::identity::wrap::read_key_id;
use crate::identity::{KeyWrap, Keyring, SecretName, SecretSeed};
use crate::lane::sealed::Packer;
use crate::lane::{Checkpoint, Entry, EntryKind, Run};

const SECRET: [u8; 32] = [3; 32];
const PART: Part = Part::Card;

/// A run of so many bytes that do not pack.
fn run(number: u8, bytes: usize) -> Run {
    let mut body = vec![0; bytes];
    SystemEnvironment.fill(&mut body);
    Run {
        lane: LaneId([number; 32]),
        start: 0,
        entries: body
            .chunks(60_000)
            .map(|body| Entry { kind: EntryKind::FACTS, body: body.to_vec() })
            .collect(),
        checkpoints: vec![Checkpoint { size: body.chunks(60_000).count() as u64, signature: [number; 64] }],
    }
}

fn seal(number: u8) -> Seal {
    let (key, secret) = (read_key_id(&SECRET), zeroize::Zeroizing::new(SECRET));
    Seal { area: Area::common(), part: PART, key, secret, nonce: [number; 24] }
}

/// What opens the segments.
fn ring() -> Keyring {
    let reader = SecretSeed::from_bytes([9; 32]);
    let name = SecretName::ReadKey { area: Area::common(), part: PART, id: read_key_id(&SECRET) };
    let wrap = KeyWrap::seal(name, &SECRET, &reader.kex().public(), &mut EnvironmentRng(&SystemEnvironment));
    Keyring::open(reader.kex(), &[wrap])
}

/// Puts each run into a segment of its own.
async fn put(bucket: &Bucket, runs: &[Run]) -> Vec<SegmentRef> {
    let (mut packing, mut put) = (Packing::begin(bucket).unwrap(), Vec::new());
    for (number, run) in (0..).zip(runs) {
        assert!(!packing.push(plain_of(std::slice::from_ref(run))));
        packing.seal(seal(number), vec![SegmentRange { lane: run.lane, from: 0, to: run.end() }]);
        while let Some(segment) = packing.put(false).await.unwrap() {
            put.push(segment);
        }
    }
    while let Some(segment) = packing.put(true).await.unwrap() {
        put.push(segment);
    }
    put
}

/// Reads segments to their end: the runs and the end of each.
async fn read(bucket: &Bucket, segments: &[SegmentRef]) -> Vec<(Vec<Run>, End)> {
    let mut opening = Opening::begin(bucket, &ring(), segments.to_vec()).unwrap();
    let (mut read, mut open) = (Vec::new(), Vec::new());
    while let Some(opened) = opening.following().await.unwrap() {
        assert_eq!(*opened.reference, segments[read.len()], "in their order");
        match opened.what {
            What::Runs(mut runs) => open.append(&mut runs),
            What::End(end) => read.push((std::mem::take(&mut open), end)),
        }
    }
    assert!(open.is_empty());
    read
}

fn alone<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("where nobody else runs nothing is waited for"),
    }
}

fn beside<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(future)
}

#[test]
fn segments_go_and_come_in_their_order_with_threads_and_without() {
    let runs: Vec<Run> = (1..=9).map(|number| run(number, usize::from(number % 4) * 60_000 + 10)).collect();
    let (one, other) = (Bucket::memory(), Bucket::memory());
    let segments = alone(put(&one, &runs));
    assert_eq!(segments, beside(put(&other, &runs)));
    let lanes: Vec<LaneId> = segments.iter().map(|segment| segment.ranges[0].lane).collect();
    assert_eq!(lanes, runs.iter().map(|run| run.lane).collect::<Vec<_>>());
    for read in [alone(read(&one, &segments)), beside(read(&other, &segments))] {
        assert!(read == runs.iter().map(|run| (vec![run.clone()], End::Whole)).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_wrong_with_one_segment_costs_that_segment() {
    let memory = MemoryBucket::default();
    let bucket = Bucket::Memory(memory.clone());
    let runs: Vec<Run> = (1..=5).map(|number| run(number, 1_000)).collect();
    let mut segments = alone(put(&bucket, &runs));
    let key = |at: usize, segments: &[SegmentRef]| segment_key(&segments[at].name).unwrap();
    memory.tamper(&key(0, &segments), None);
    let mut torn = alone(bucket.get(&key(1, &segments))).unwrap();
    torn.truncate(torn.len() / 2);
    memory.tamper(&key(1, &segments), Some(torn));
    // Another's key, and one that holds something else behind a whole run.
    for (at, secret, tail) in [(2, [4; 32], &b""[..]), (3, SECRET, b"\0\0\0\x05no run")] {
        let mut packer = Packer::new();
        packer.push_framed(&[plain_of(&runs[at..=at]), tail.to_vec()].concat());
        let object = packer.seal(&Area::common(), PART, (read_key_id(&secret), &secret), [7; 24]);
        segments[at].name = name_of(&object);
        alone(bucket.put_if_absent(&key(at, &segments), object)).unwrap();
    }
    for read in [alone(read(&bucket, &segments)), beside(read(&bucket, &segments))] {
        let [(gone, first), (torn, second), (others, third), (tailed, fourth), (last, fifth)] = &read[..]
        else {
            panic!("{} of 5 were read", read.len());
        };
        assert!(gone.is_empty() && torn.is_empty() && others.is_empty());
        assert!(matches!(first, End::Problem(problem) if problem.contains("not")), "{first:?}");
        assert!(matches!(second, End::Problem(problem) if problem.contains("hash")), "{second:?}");
        assert_eq!(*third, End::SealedForOthers);
        assert!(matches!(fourth, End::Problem(problem) if problem.contains("run")), "{fourth:?}");
        assert!((tailed, last, fifth) == (&vec![runs[3].clone()], &vec![runs[4].clone()], &End::Whole));
    }
}

#[test]
fn a_bucket_that_is_gone_ends_both_ways_with_its_error() {
    let memory = MemoryBucket::default();
    let bucket = Bucket::Memory(memory.clone());
    let segments = alone(put(&bucket, &[run(1, 10)]));
    memory.set_reachable(false);
    beside(async {
        let mut opening = Opening::begin(&bucket, &ring(), segments).unwrap();
        assert!(opening.following().await.is_err());
        let mut packing = Packing::begin(&bucket).unwrap();
        packing.push(plain_of(&[run(2, 10)]));
        packing.seal(seal(1), Vec::new());
        assert!(packing.put(false).await.unwrap().is_none(), "one may be behind");
        assert!(packing.put(true).await.is_err());
    });
}

#[test]
fn a_segment_is_full_at_its_size_and_large_ones_do_not_wait_in_a_heap() {
    let bucket = Bucket::memory();
    let mut packing = Packing::begin(&bucket).unwrap();
    let piece = plain_of(&[run(1, 900_000)]);
    let mut pieces = 1;
    while !packing.push(piece.clone()) {
        pieces += 1;
    }
    assert_eq!(pieces, SEGMENT_PLAIN_BYTES.div_ceil(piece.len()));
    packing.seal(seal(1), Vec::new());
    // 48 MiB that do not pack: nothing is put beside it.
    assert!(alone(packing.put(false)).unwrap().is_none());
    packing.push(piece.clone());
    packing.seal(seal(2), Vec::new());
    assert!(alone(packing.put(false)).unwrap().is_none(), "the first is under way");
    packing.push(piece);
    packing.seal(seal(3), Vec::new());
    let first = alone(packing.put(false)).unwrap().unwrap();
    assert!(first.size > 40 << 20, "the first had to arrive before the second began");
    let objects = || alone(bucket.list("segments/")).unwrap().len();
    assert!(objects() < 3 && alone(bucket.head(&segment_key(&first.name).unwrap())).unwrap().is_some());
    while alone(packing.put(true)).unwrap().is_some() {}
    assert_eq!(objects(), 3);
}
