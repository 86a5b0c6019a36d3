//! Replicas that meet in a bucket, and nowhere else.

use std::sync::Arc;

use proptest::prelude::*;

use super::Replica;
use super::backing::open_bucket;
use super::request::{NewPatient, Write};
use super::tests::{Region, author, data, digest, import, meet, views};
use crate::backup::{Bucket, ObjectKey};

async fn met(replica: &Replica, bucket: &Bucket) -> super::sync_answer::Synced {
    replica.sync_with_bucket(bucket, "shared", &mut |_| {}).await.unwrap()
}

fn note(replica: &Replica, text: &str) {
    let patient = NewPatient { name: "三浦 海".into(), kana: None, birth_date: None, sex: None };
    let record = replica.register(&patient, None, author()).unwrap().record;
    replica.write(&record, Write::Note { text: text.into(), title: None }, author()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_never_met_hold_the_same_through_a_bucket() {
    let mut region = Region::new();
    let ((north, _), (tablet, _)) = (region.enrol("north"), region.enrol("tablet"));
    let bucket = Bucket::memory();
    import(&north, vec![data()]);
    note(&tablet, "避難所にて");

    assert!(met(&north, &bucket).await.sent > 0);
    let at_tablet = met(&tablet, &bucket).await;
    assert!(at_tablet.received > 0 && at_tablet.sent > 0, "{at_tablet:?}");
    let at_north = met(&north, &bucket).await;

    assert_eq!((digest(&north), views(&north)), (digest(&tablet), views(&tablet)));
    assert_eq!(at_north.received, at_tablet.sent);
    // What is there already is neither read nor written again.
    for replica in [&north, &tablet] {
        met(replica, &bucket).await;
        let again = met(replica, &bucket).await;
        assert_eq!((again.received, again.sent, again.bytes_received, again.bytes_sent), (0, 0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_put_there_is_not_put_again() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    meet(&north, &south).await;
    let bucket = Bucket::memory();
    let all = met(&north, &bucket).await.sent;
    let rest = met(&south, &bucket).await;
    assert_eq!((rest.received, rest.sent), (0, 0), "{all} entries are there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_named_and_everything_else_is_taken() {
    let mut region = Region::new();
    let ((north, _), (south, _)) = (region.enrol("north"), region.enrol("south"));
    import(&north, vec![data()]);
    let url = format!("file://{}", region.dir.path().join("share").display());
    let bucket = open_bucket(&url).unwrap();
    met(&north, &bucket).await;
    let segments = bucket.list("segments/").await.unwrap();
    let largest = segments.iter().max_by_key(|object| object.size).unwrap();
    let path = region.dir.path().join("share").join(largest.key.as_str());
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&path, damaged).unwrap();

    let error = south.sync_bucket(&url, &mut |_| {}).await.unwrap_err().to_string();
    let name = largest.key.as_str().trim_start_matches("segments/");
    assert!(error.contains(&name[..8]), "{error}");
    assert!(south.lanes().len() > 1 && views(&south) != views(&north));

    std::fs::write(&path, whole).unwrap();
    south.sync_bucket(&url, &mut |_| {}).await.unwrap();
    assert_eq!(views(&south), views(&north));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_the_bucket_s_key_changes_nothing() {
    let (mut ours, mut theirs) = (Region::new(), Region::new());
    let ((north, _), (south, _)) = (ours.enrol("north"), ours.enrol("south"));
    let (stranger, _) = theirs.enrol("stranger");
    import(&north, vec![data()]);
    let bucket = Bucket::memory();
    met(&north, &bucket).await;
    note(&stranger, "他の地域");
    // Our manifests are none of its realm: it says so, and puts its own beside them.
    let error = stranger.sync_with_bucket(&bucket, "shared", &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("realm"), "{error}");
    let junk = ObjectKey::new("manifests/somebody/00000000").unwrap();
    bucket.put_if_absent(&junk, b"junk".to_vec()).await.unwrap();

    let error = south.sync_with_bucket(&bucket, "shared", &mut |_| {}).await.unwrap_err().to_string();
    assert!(error.contains("somebody") && error.contains("realm"), "{error}");
    assert_eq!(views(&south), views(&north));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// Whatever the carrier: what three replicas write, and carry to each other over links and through a bucket in
    /// any order, is the same everywhere in the end.
    #[test]
    fn any_mix_of_links_and_a_bucket_ends_in_the_same(
        steps in proptest::collection::vec((0_usize..3, 0_u8..4), 4..16),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let mut region = Region::new();
            let replicas: Vec<Arc<Replica>> = ["a", "b", "c"].map(|name| region.enrol(name).0).to_vec();
            let bucket = Bucket::memory();
            for (at, what) in steps {
                match what {
                    0 | 1 => note(&replicas[at], "経過"),
                    2 => drop(met(&replicas[at], &bucket).await),
                    _ => drop(meet(&replicas[at], &replicas[(at + 1) % 3]).await),
                }
            }
            for _ in 0..2 {
                for replica in &replicas {
                    met(replica, &bucket).await;
                }
            }
            assert_eq!(digest(&replicas[0]), digest(&replicas[1]));
            assert_eq!(digest(&replicas[0]), digest(&replicas[2]));
            assert_eq!(views(&replicas[0]), views(&replicas[2]));
        });
    }
}
