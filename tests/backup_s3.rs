//! The backup as its operators use it: the built binary against a real S3 server, and against a folder.

use std::time::Duration;

use serde_json::Value;

use musubi::backup::{Bucket, BucketUrl, ObjectInfo, ObjectKey};

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::region::{Region, Resources, patients, sources};
use crate::support::seaweed::{
    ACCESS_KEY, BUCKET, GATEWAY_ACCESS_KEY, GATEWAY_SECRET_KEY, SECRET_KEY, SeaweedFs,
};

/// A patient of the invented ones whose name occurs once.
const PATIENT: &str = "清水 咲希";
/// A bucket that refuses, or dies, is reported within this time.
const REPORTED_WITHIN: Duration = Duration::from_secs(20);

/// A region with two hospitals, the north one filled; its commands know the server's keys.
async fn filled() -> (Region, String) {
    let mut region = Region::create().await;
    region.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    region.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    let kit = region.enrol("north").await;
    region.enrol("south").await;
    let data = patients();
    let imported = region.done(&["import", "--store", "north", data.to_str().expect("UTF-8")]).await;
    assert_eq!((&imported["skipped"], &imported["patients"]), (&0.into(), &25.into()));
    (region, kit)
}

fn url(address: std::net::SocketAddr) -> String {
    format!("s3://{BUCKET}/miura?endpoint=http://{address}&region=us-east-1")
}

/// Says what a backup or a check cost, for those who run the tests with `--nocapture`.
fn tell(what: &str, answer: &Value) {
    let [bytes, entries, segments] = ["bytes", "entries", "segments"].map(|name| answer[name].clone());
    println!("{what}: {bytes} bytes, {entries} entries, {segments} segments, {} ms", answer["took_ms"]);
}

async fn backup_now(region: &Region, url: &str) -> Value {
    let written = region.done(&["backup", "now", "--store", "north", "--url", url]).await;
    tell("backup now", &written);
    written
}

async fn assert_sound(region: &Region, url: &str) -> Value {
    let verified = region.done(&["backup", "verify", "--store", "north", "--url", url]).await;
    assert_eq!(verified["problems"], serde_json::json!([]));
    tell("backup verify", &verified);
    verified
}

/// Returns the sources and the notes that were written with `musubi record`.
fn with_notes(notes: &[&Value], exported: &Resources) -> Resources {
    let mut expected = sources();
    for note in notes {
        let id = note["resource_id"].as_str().expect("a note becomes a resource");
        let found: Vec<_> = exported.iter().filter(|((_, found), _)| found == id).collect();
        let [(key, resource)] = found.as_slice() else { panic!("{id}: {} resources", found.len()) };
        expected.insert((*key).clone(), (*resource).clone());
    }
    expected
}

fn assert_exported(exported: &Resources, notes: &[(&Value, &str)]) {
    let expected = with_notes(&notes.iter().map(|(note, _)| *note).collect::<Vec<_>>(), exported);
    let missing: Vec<_> = expected.keys().filter(|id| !exported.contains_key(*id)).collect();
    let strange: Vec<_> = exported.keys().filter(|id| !expected.contains_key(*id)).collect();
    let changed: Vec<_> = expected.iter().filter(|(id, value)| exported.get(*id) != Some(*value)).collect();
    assert!(
        missing.is_empty() && strange.is_empty() && changed.is_empty(),
        "{missing:?} {strange:?} {} changed",
        changed.len()
    );
    for (note, text) in notes {
        let id = note["resource_id"].as_str().expect("a note becomes a resource");
        let shown = exported.iter().find(|((_, found), _)| found == id).expect("checked above").1.to_string();
        let encoded = data_encoding::BASE64.encode(text.as_bytes());
        assert!(shown.contains(text) || shown.contains(&encoded), "the text of {id} is not in its resource");
    }
}

/// The story of design and guide: a hospital burns down, and comes back from bucket and recovery kit.
async fn a_lost_hospital_comes_back(region: Region, kit: &str, url: &str) {
    let first = backup_now(&region, url).await;
    assert_eq!(first["manifest"], 0);
    assert!(first["bytes"].as_u64() > Some(10_000), "{first}");
    assert_sound(&region, url).await;

    let south = region.serve("south").await;
    let synced = region.done(&["sync", "--store", "north", "--with", &south.listen]).await;
    assert!(synced["sent"].as_u64() > Some(0), "{synced}");
    assert_eq!(region.heads("north").await, region.heads("south").await);
    // Each of them writes alone: one note is in the backup only, the other at the peer only.
    let in_the_bucket = region.note("north", PATIENT, "避難所で診察。意識清明。").await;
    let at_the_peer = region.note("south", PATIENT, "右前腕に創。").await;

    let second = backup_now(&region, url).await;
    assert_eq!(second["manifest"], 1);
    assert!(second["bytes"].as_u64() < Some(20_000), "only what is new: {second}");
    let again = backup_now(&region, url).await;
    assert_eq!((&again["manifest"], &again["bytes"]), (&Value::Null, &0.into()));
    let verified = assert_sound(&region, url).await;
    let lost = region.heads("north").await;
    assert_eq!(verified["heads"], lost);
    std::fs::remove_dir_all(region.path("north")).expect("the hospital burns down");

    let restore = ["backup", "restore", "--url", url, "--recovery-key", kit, "--store", "north-2"];
    let restored = region.done(&restore).await;
    tell("backup restore", &restored);
    assert_eq!((&restored["heads"], &restored["problems"]), (&lost, &serde_json::json!([])));
    assert_eq!(restored["site"], "north");
    assert_exported(
        &region.export("north-2", "restored.json").await,
        &[(&in_the_bucket, "避難所で診察。意識清明。")],
    );

    let goes_on = region.note("north-2", PATIENT, "新しい端末で記載。").await;
    let synced = region.done(&["sync", "--store", "north-2", "--with", &south.listen]).await;
    assert!(synced["received"].as_u64() > Some(0), "{synced}");
    assert_eq!(region.heads("north-2").await, region.heads("south").await);
    assert_ne!(region.heads("north-2").await, lost);
    let notes = [
        (&in_the_bucket, "避難所で診察。意識清明。"),
        (&at_the_peer, "右前腕に創。"),
        (&goes_on, "新しい端末で記載。"),
    ];
    for store in ["north-2", "south"] {
        assert_exported(&region.export(store, &format!("{store}.json")).await, &notes);
    }
    // The new device is a gateway as the lost one was.
    let third = region.done(&["backup", "now", "--store", "north-2", "--url", url]).await;
    tell("backup now, by the restored device", &third);
    let verified = region.done(&["backup", "verify", "--store", "south", "--url", url]).await;
    assert_eq!(verified["problems"], serde_json::json!([]));
    assert_eq!(verified["heads"], region.heads("south").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hospital_comes_back_from_s3_and_its_recovery_kit() {
    let Some(server) = SeaweedFs::start().await else { return };
    let (region, kit) = filled().await;
    a_lost_hospital_comes_back(region, &kit, &url(server.address())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hospital_comes_back_from_a_folder_and_its_recovery_kit() {
    let (region, kit) = filled().await;
    a_lost_hospital_comes_back(region, &kit, "file://bucket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_named_within_seconds_and_changes_nothing() {
    let Some(server) = SeaweedFs::start().await else { return };
    let (mut region, kit) = filled().await;
    let (heads, address) = (region.heads("north").await, url(server.address()));
    region.set("AWS_SECRET_ACCESS_KEY", "mistyped-secret");
    let restore = ["backup", "restore", "--url", &address, "--recovery-key", &kit, "--store", "new"];
    let calls: [&[&str]; 3] = [
        &["backup", "now", "--store", "north", "--url", &address],
        &["backup", "verify", "--store", "north", "--url", &address],
        &restore,
    ];
    for call in calls {
        let refused = region.run(call).await;
        assert_eq!(refused.status, 2, "{call:?}: {}", refused.json);
        let message = refused.json["error"]["message"].as_str().expect("a message");
        assert!(message.contains("refused the credentials"), "{message}");
        assert!(message.contains("AWS_SECRET_ACCESS_KEY"), "{message}");
        assert!(!message.contains("mistyped-secret"), "a secret is shown");
        assert!(refused.took < REPORTED_WITHIN, "{:?}", refused.took);
        println!("{} {}: refused after {:?}", call[0], call[1], refused.took);
    }
    assert!(!region.path("new").exists(), "a restore that was refused leaves nothing");
    assert_eq!(server.bucket().list("").await.expect("the bucket answers"), []);
    assert_eq!(region.heads("north").await, heads);

    region.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    assert_eq!(backup_now(&region, &address).await["manifest"], 0);
    assert_sound(&region, &address).await;
}

/// A backup once tried to create its bucket each time, which a key for that bucket alone may not.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_use_the_bucket_and_not_create_one_is_enough() {
    let Some(server) = SeaweedFs::start().await else { return };
    let (mut region, _kit) = filled().await;
    region.set("AWS_ACCESS_KEY_ID", GATEWAY_ACCESS_KEY);
    region.set("AWS_SECRET_ACCESS_KEY", GATEWAY_SECRET_KEY);
    let address = url(server.address());
    assert_eq!(backup_now(&region, &address).await["manifest"], 0);
    assert_sound(&region, &address).await;

    let elsewhere = address.replace(BUCKET, "no-such-bucket");
    let refused = region.run(&["backup", "now", "--store", "north", "--url", &elsewhere]).await;
    assert_eq!(refused.status, 2, "{}", refused.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_within_a_backup_is_reported_and_the_next_backup_is_whole() {
    let Some(mut server) = SeaweedFs::start().await else { return };
    let (region, _kit) = filled().await;
    // The first segments pass; the connection stops within a later one.
    let proxy = FaultProxy::start(server.address(), Fault::HoldAfter(48 * 1024)).await;
    let address = url(proxy.address());
    let words = ["backup", "now", "--store", "north", "--url", &address];
    let (failed, ()) = tokio::join!(region.run(&words), async {
        proxy.struck().await;
        server.kill();
    });
    assert_eq!(failed.status, 1, "{}", failed.json);
    let error = &failed.json["error"];
    assert!(error["message"].as_str().expect("a message").contains("try again"), "{error}");
    assert!(error["hint"].as_str().expect("a hint").contains("try again"), "{error}");
    assert!(failed.took < REPORTED_WITHIN, "{:?}", failed.took);
    println!("the dead server was reported after {:?}", failed.took);

    server.restart().await;
    let left = server.bucket().list("").await.expect("the bucket answers");
    assert!(!left.is_empty(), "nothing was written before: the test shows little");
    assert!(left.iter().all(|object| !object.key.as_str().contains("manifests/")), "{left:?}");
    proxy.heal();
    let written = backup_now(&region, &address).await;
    assert_eq!(written["manifest"], 0);
    assert_eq!(assert_sound(&region, &address).await["heads"], region.heads("north").await);
}

/// Deletes an object of a bucket, or replaces its bytes.
trait Tamper {
    async fn tamper(&self, key: &str, bytes: Option<Vec<u8>>);
}

impl Tamper for SeaweedFs {
    async fn tamper(&self, key: &str, bytes: Option<Vec<u8>>) {
        SeaweedFs::tamper(self, &format!("miura/{key}"), bytes).await;
    }
}

/// The folder of a `file://` bucket.
struct Folder(std::path::PathBuf);

impl Tamper for Folder {
    async fn tamper(&self, key: &str, bytes: Option<Vec<u8>>) {
        match bytes {
            Some(bytes) => std::fs::write(self.0.join(key), bytes).expect("the object is overwritten"),
            None => std::fs::remove_file(self.0.join(key)).expect("the object is deleted"),
        }
    }
}

/// Somebody deletes one segment and changes a byte of another: both are named, and all else is restored.
async fn damaged_segments_are_named(
    region: Region,
    kit: &str,
    url: &str,
    bucket: &Bucket,
    tamper: &impl Tamper,
) {
    backup_now(&region, url).await;
    let note = region.note("north", PATIENT, "避難所で診察。").await;
    backup_now(&region, url).await;
    let whole = assert_sound(&region, url).await;
    let south = region.serve("south").await;
    region.done(&["sync", "--store", "north", "--with", &south.listen]).await;

    let mut segments = bucket.list("segments/").await.expect("the bucket answers");
    segments.sort_by_key(|segment: &ObjectInfo| segment.size);
    let [.., changed, deleted] = segments.as_slice() else { panic!("{segments:?}") };
    let mut bytes = bucket.get(&changed.key).await.expect("the segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    tamper.tamper(changed.key.as_str(), Some(bytes)).await;
    tamper.tamper(deleted.key.as_str(), None).await;

    let verify = region.run(&["backup", "verify", "--store", "north", "--url", url]).await;
    assert_eq!(verify.status, 1, "{}", verify.json);
    assert_names_both(&verify.json["problems"], [&changed.key, &deleted.key]);
    let readable = verify.json["entries"].as_u64().expect("a count");
    assert!(0 < readable && readable < whole["entries"].as_u64().expect("a count"), "{readable}");

    std::fs::remove_dir_all(region.path("north")).expect("the hospital burns down");
    let restore = ["backup", "restore", "--url", url, "--recovery-key", kit, "--store", "north-2"];
    let restored = region.run(&restore).await;
    assert_eq!(restored.status, 3, "{}", restored.json);
    assert_names_both(&restored.json["problems"], [&changed.key, &deleted.key]);
    assert_eq!(restored.json["entries"], readable);
    assert_eq!(restored.json["heads"], verify.json["heads"]);
    println!("restored {readable} of {} entries", whole["entries"]);

    // What could be read is in use, and what is missing comes from a peer.
    let status = region.done(&["status", "--store", "north-2"]).await;
    assert!(status["entries"].as_u64() >= Some(readable), "{status}");
    let fragments = region.export("north-2", "fragments.json").await;
    assert!(!fragments.is_empty() && fragments.len() < sources().len(), "{}", fragments.len());
    region.done(&["sync", "--store", "north-2", "--with", &south.listen]).await;
    assert_eq!(region.heads("north-2").await, region.heads("south").await);
    assert_exported(&region.export("north-2", "healed.json").await, &[(&note, "避難所で診察。")]);
}

fn assert_names_both(problems: &Value, names: [&ObjectKey; 2]) {
    let problems = problems.as_array().expect("a list").iter().map(|problem| problem.as_str().expect("text"));
    let problems: Vec<&str> = problems.collect();
    for name in names {
        let name = name.as_str().strip_prefix("segments/").expect("a segment");
        assert!(problems.iter().any(|problem| problem.contains(name)), "{name} is not in {problems:?}");
    }
    assert!(
        problems.iter().all(|problem| problem.contains("segment") || problem.contains("wait")),
        "{problems:?}"
    );
    println!("{problems:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_segments_in_s3_are_named_and_all_else_is_restored() {
    let Some(server) = SeaweedFs::start().await else { return };
    let (region, kit) = filled().await;
    let bucket = Bucket::S3(musubi::backup::s3::S3Bucket::new(server.settings(BUCKET, "miura")));
    damaged_segments_are_named(region, &kit, &url(server.address()), &bucket, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_segments_in_a_folder_are_named_and_all_else_is_restored() {
    let (region, kit) = filled().await;
    let directory = region.path("bucket");
    let url = BucketUrl::File { directory: directory.clone() };
    let bucket = Bucket::open(&url).expect("a folder");
    damaged_segments_are_named(region, &kit, &url.to_string(), &bucket, &Folder(directory)).await;
}
