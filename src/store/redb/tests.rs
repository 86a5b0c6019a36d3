//! Tests of the store in files: conformance, creation, keys, and what is not a store.

use std::path::Path;

use zeroize::Zeroizing;

use super::{RedbStore, StoreOptions};
use crate::store::conformance::{self, SampleLane, Subject};
use crate::store::keys::{Argon2Cost, KeySource};
use crate::store::{Store, StoreError, StoreErrorKind};

const CHEAP: Argon2Cost = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn options() -> StoreOptions {
    StoreOptions { argon2: CHEAP, ..StoreOptions::default() }
}

fn key(dir: &Path) -> KeySource {
    KeySource::File(dir.join("store.key"))
}

struct OnDisk {
    store: RedbStore,
    dir: tempfile::TempDir,
}

impl OnDisk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = RedbStore::create(dir.path(), &key(dir.path()), options()).unwrap();
        Self { store, dir }
    }
}

impl Subject for OnDisk {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopened(self) -> Self {
        drop(self.store);
        let store = RedbStore::open(self.dir.path(), &key(self.dir.path()), options()).unwrap();
        Self { store, dir: self.dir }
    }
}

#[test]
fn the_store_on_disk_conforms() {
    conformance::check_all(OnDisk::new);
}

#[test]
fn nothing_at_rest_tells_ids_names_or_contents() {
    let OnDisk { store, dir } = OnDisk::new();
    let mut lane = SampleLane::new(1);
    let mut batch = lane.batch("patient 佐藤 花子");
    batch.named.push(("the-name".into(), b"the-value".to_vec()));
    batch.blobs.push(("the-space".into(), b"the-key".to_vec(), b"the-blob".to_vec()));
    store.commit(batch).unwrap();
    let token = store.token("name", "佐藤".as_bytes());
    store.index_add(1, &[(token, crate::store::Posting { lane: lane.id(), seq: 1 })]).unwrap();
    drop(store);
    let bytes = std::fs::read(dir.path().join("store.redb")).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    for needle in ["佐藤", "the-name", "the-value", "the-space", "the-key", "the-blob"] {
        assert!(!holds(needle.as_bytes()), "{needle}");
    }
    assert!(!holds(&lane.id().0) && !holds(&lane.state().name.device.0) && !holds(&token.0));
    // The search itself works: what is meant to be readable is found.
    assert!(holds(b"lanes"));
}

#[test]
fn a_second_opening_is_told_who_holds_the_store() {
    let subject = OnDisk::new();
    let path = subject.dir.path();
    let error = RedbStore::open(path, &key(path), options()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    assert_eq!(error.kind(), StoreErrorKind::Retry);
    assert!(error.to_string().contains("musubi serve"), "{error}");
    let error = RedbStore::create(path, &key(path), options()).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
}

#[test]
fn what_a_broken_creation_left_does_not_stand_in_the_way() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store.redb.new"), b"half a database").unwrap();
    let store = RedbStore::create(dir.path(), &key(dir.path()), options()).unwrap();
    drop(store);
    assert!(!dir.path().join("store.redb.new").exists());
    let error = RedbStore::create(dir.path(), &key(dir.path()), options()).unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }));
    RedbStore::open(dir.path(), &key(dir.path()), options()).unwrap();
}

#[test]
fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere");
    let error = RedbStore::open(&nowhere, &key(dir.path()), options()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }) && error.to_string().contains("nowhere"));
    assert!(!nowhere.exists());
    let error = RedbStore::open(dir.path(), &key(dir.path()), options()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was made");
    // A directory that cannot be made, whoever asks.
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = RedbStore::create(&file.join("store"), &key(dir.path()), options()).unwrap_err();
    assert!(error.to_string().contains("creating the directory"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    let result = RedbStore::create(&closed, &key(dir.path()), options());
    if std::fs::write(closed.join("probe"), b"").is_ok() {
        // The administrator may write anywhere: then creating works too.
        result.unwrap();
    } else {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::File { .. }) && error.to_string().contains("closed"), "{error}");
    }
}

#[test]
fn a_wrong_key_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = |text: &str| KeySource::Passphrase(Zeroizing::new(text.to_owned()));
    drop(RedbStore::create(dir.path(), &passphrase("right"), options()).unwrap());
    let path = dir.path().join("store.redb");
    let before = std::fs::read(&path).unwrap();
    let error = RedbStore::open(dir.path(), &passphrase("wrong"), options()).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error}");
    assert_eq!(error.kind(), StoreErrorKind::Fix);
    // Another store's keys beside this file.
    let other = tempfile::tempdir().unwrap();
    drop(RedbStore::create(other.path(), &passphrase("right"), options()).unwrap());
    std::fs::copy(other.path().join("keys.toml"), dir.path().join("keys.toml")).unwrap();
    let error = RedbStore::open(dir.path(), &passphrase("right"), options()).unwrap_err();
    assert!(error.to_string().contains("another data key"), "{error}");
    assert!(std::fs::read(&path).unwrap() == before, "the file was changed");
    std::fs::remove_file(dir.path().join("keys.toml")).unwrap();
    let error = RedbStore::open(dir.path(), &passphrase("right"), options()).unwrap_err();
    assert!(error.to_string().contains("put the file back"), "{error}");
}

#[test]
fn files_that_are_not_a_whole_store_are_refused_unchanged() {
    let subject = OnDisk::new();
    let mut lane = SampleLane::new(1);
    for number in 0..20 {
        subject.store.commit(lane.batch(&format!("entry {number}"))).unwrap();
    }
    let OnDisk { store, dir } = subject;
    drop(store);
    let path = dir.path().join("store.redb");
    let good = std::fs::read(&path).unwrap();
    let cut = |length: usize| good[..length].to_vec();
    let mut cases = vec![
        ("empty", Vec::new()),
        ("garbage", b"garbage ".repeat(1_000)),
        ("zeros", vec![0; good.len()]),
        ("magic only", cut(9)),
    ];
    cases.extend([64, 512, 4_096, 8_192, good.len() / 2, good.len() - 1].map(|length| ("cut", cut(length))));
    for (what, bytes) in cases {
        std::fs::write(&path, &bytes).unwrap();
        let error = RedbStore::open(dir.path(), &key(dir.path()), options()).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Damaged, "{what} of {}: {error:?}", bytes.len());
        assert!(error.to_string().contains("store.redb"), "{what}: {error}");
        assert!(std::fs::read(&path).unwrap() == bytes, "{what} of {} was changed", bytes.len());
    }
    std::fs::write(&path, &good).unwrap();
    let store = RedbStore::open(dir.path(), &key(dir.path()), options()).unwrap();
    assert_eq!(store.stats().unwrap().entries, 21);
}

#[test]
fn a_newer_format_is_not_touched() {
    let subject = OnDisk::new();
    let OnDisk { store, dir } = subject;
    drop(store);
    let path = dir.path().join("store.redb");
    {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        for table in super::rows::META {
            let mut table = transaction.open_table(table).unwrap();
            table
                .insert(super::rows::META_FORMAT, [2_u64.to_be_bytes(), [0; 8]].concat().as_slice())
                .unwrap();
        }
        transaction.commit().unwrap();
    }
    let before = std::fs::read(&path).unwrap();
    let error = RedbStore::open(dir.path(), &key(dir.path()), options()).unwrap_err();
    assert!(matches!(error, StoreError::Version { found: 2, known: 1, .. }), "{error}");
    assert!(std::fs::read(&path).unwrap() == before, "the file was changed");
}
