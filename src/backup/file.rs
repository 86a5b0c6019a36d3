//! A bucket that is a directory: a disk, a network share, or a USB stick in a courier's pocket.
//!
//! ```text
//! DIRECTORY/segments/ab/cd.seg    the object "segments/ab/cd.seg"
//! DIRECTORY/incoming~/HEX         an object being written; '~' occurs in no key, so it is never listed
//! DIRECTORY/lock~                 held while an object is named, on file systems without hard links
//! ```
//!
//! An object is written under a temporary name, synced, and given its own name by a hard link, which fails
//! when the name is taken; then the directory is synced. File systems without hard links (FAT, exFAT) get
//! a lock file, a check and a rename instead. A crash leaves at most a temporary file, which is removed
//! once it is a day old.

use super::bucket_error::{Action, Attempt, BucketError};
use super::object::{LIST_OBJECTS_MAX, OBJECT_BYTES_MAX, ObjectInfo, ObjectKey, PutOutcome};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

/// Bounds how long an unfinished object is left alone, so that no other writer's work is removed.
pub const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

const INCOMING: &str = "incoming~";
const LOCK: &str = "lock~";

/// Keeps objects as files below one directory. Calls run on the runtime's blocking threads.
#[derive(Debug, Clone)]
pub struct FileBucket {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    cleaned: AtomicBool,
    /// Gives a file a second name unless that is taken: `fs::hard_link`, or a failing stand-in in tests.
    link: fn(&Path, &Path) -> io::Result<()>,
}

impl FileBucket {
    /// Names the directory; nothing is read or written yet.
    pub fn new(directory: impl Into<PathBuf>) -> FileBucket {
        FileBucket::linking_with(directory.into(), |from, to| fs::hard_link(from, to))
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.inner.root
    }

    pub(super) fn address(&self) -> String {
        self.inner.address()
    }

    pub(super) async fn create(&self) -> Result<(), BucketError> {
        self.blocking(|inner| inner.create()).await
    }

    pub(super) async fn check(&self) -> Result<(), BucketError> {
        self.blocking(|inner| inner.require_root(Action::Check, "")).await
    }

    pub(super) async fn put_if_absent(
        &self,
        key: &ObjectKey,
        bytes: Vec<u8>,
    ) -> Result<PutOutcome, BucketError> {
        let key = key.clone();
        self.blocking(move |inner| inner.put(&key, &bytes)).await
    }

    pub(super) async fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, BucketError> {
        let key = key.clone();
        self.blocking(move |inner| inner.get(&key)).await
    }

    pub(super) async fn get_range(
        &self,
        key: &ObjectKey,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, BucketError> {
        let key = key.clone();
        self.blocking(move |inner| inner.get_range(&key, offset, length)).await
    }

    pub(super) async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let key = key.clone();
        self.blocking(move |inner| inner.head(&key)).await
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
        let prefix = prefix.to_owned();
        self.blocking(move |inner| inner.list(&prefix)).await
    }

    fn linking_with(root: PathBuf, link: fn(&Path, &Path) -> io::Result<()>) -> FileBucket {
        FileBucket { inner: Arc::new(Inner { root, cleaned: AtomicBool::new(false), link }) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, BucketError> + Send + 'static,
    ) -> Result<T, BucketError> {
        let inner = Arc::clone(&self.inner);
        match tokio::task::spawn_blocking(move || work(&inner)).await {
            Ok(result) => result,
            Err(stopped) if stopped.is_panic() => std::panic::resume_unwind(stopped.into_panic()),
            // Only a runtime that shuts down drops blocking work before it starts.
            Err(_) => Err(BucketError::Busy {
                attempt: self.inner.attempt(Action::Check, ""),
                detail: "this program is shutting down".to_owned(),
            }),
        }
    }
}

impl Inner {
    fn put(&self, key: &ObjectKey, bytes: &[u8]) -> Result<PutOutcome, BucketError> {
        self.require_root(Action::Put, key.as_str())?;
        if !self.cleaned.swap(true, Ordering::Relaxed) {
            self.remove_old_temporaries();
        }
        let target = self.path(key);
        if target.exists() {
            return self.compare(key, &target, bytes);
        }
        let temporary = self.write_temporary(bytes).map_err(self.io(Action::Put, key.as_str()))?;
        let named = self.name(&temporary, &target);
        // Under the target's name or not wanted: either way the temporary name has served.
        let _ = fs::remove_file(&temporary);
        match named {
            Ok(()) => Ok(PutOutcome::Written),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.compare(key, &target, bytes),
            // Here "not found" concerns our own temporary file: no statement about the object.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BucketError::Busy {
                attempt: self.attempt(Action::Put, key.as_str()),
                detail: "the temporary file was removed by somebody else".to_owned(),
            }),
            Err(error) => Err(BucketError::from_io(self.attempt(Action::Put, key.as_str()), error)),
        }
    }

    /// Writes and syncs the bytes under a name that no key has.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let directory = self.root.join(INCOMING);
        ensure_directory(&directory)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let path = directory.join(data_encoding::HEXLOWER.encode(&random));
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if let Err(error) = written {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        Ok(path)
    }

    /// Gives a synced file its final name, durably, unless the name is taken (`AlreadyExists`).
    fn name(&self, temporary: &Path, target: &Path) -> io::Result<()> {
        let parent = target.parent().unwrap_or(&self.root);
        ensure_directory(parent)?;
        match (self.link)(temporary, target) {
            Ok(()) => {}
            Err(error) if may_lack_hard_links(&error) => self.rename_under_lock(temporary, target)?,
            Err(error) => return Err(error),
        }
        sync_directory(parent)
    }

    fn rename_under_lock(&self, temporary: &Path, target: &Path) -> io::Result<()> {
        let lock = File::options().create(true).append(true).open(self.root.join(LOCK))?;
        lock.lock()?;
        // The lock is released when the file is closed, on every way out.
        if target.try_exists()? {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        fs::rename(temporary, target)
    }

    /// Settles a put whose key is taken. Whoever wrote the object may have crashed before syncing its name,
    /// so that is done here before the object is vouched for.
    fn compare(&self, key: &ObjectKey, target: &Path, bytes: &[u8]) -> Result<PutOutcome, BucketError> {
        let io = |error| BucketError::from_io(self.attempt(Action::Put, key.as_str()), error);
        let conflict = || BucketError::Conflict { attempt: self.attempt(Action::Put, key.as_str()) };
        let file = File::open(target).map_err(io)?;
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() || meta.len() != bytes.len() as u64 {
            return Err(conflict());
        }
        let mut there = Vec::with_capacity(bytes.len());
        (&file).take(bytes.len() as u64 + 1).read_to_end(&mut there).map_err(io)?;
        if there != bytes {
            return Err(conflict());
        }
        file.sync_all().map_err(io)?;
        sync_directory(target.parent().unwrap_or(&self.root)).map_err(io)?;
        Ok(PutOutcome::AlreadyThere)
    }

    fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, BucketError> {
        let (mut file, size) = self.open(key)?;
        if size > OBJECT_BYTES_MAX {
            let attempt = self.attempt(Action::Get, key.as_str());
            return Err(BucketError::TooLarge { attempt, size, limit: OBJECT_BYTES_MAX });
        }
        self.read(&mut file, key, size)
    }

    fn get_range(&self, key: &ObjectKey, offset: u64, length: u64) -> Result<Vec<u8>, BucketError> {
        let (mut file, size) = self.open(key)?;
        if offset.saturating_add(length) > size {
            let detail = format!("{size} bytes, {length} asked for from {offset} on");
            return Err(BucketError::Damaged { attempt: self.attempt(Action::Get, key.as_str()), detail });
        }
        file.seek(SeekFrom::Start(offset)).map_err(self.io(Action::Get, key.as_str()))?;
        self.read(&mut file, key, length)
    }

    fn open(&self, key: &ObjectKey) -> Result<(File, u64), BucketError> {
        self.require_root(Action::Get, key.as_str())?;
        let file = File::open(self.path(key)).map_err(self.io(Action::Get, key.as_str()))?;
        let meta = file.metadata().map_err(self.io(Action::Get, key.as_str()))?;
        if meta.is_file() {
            Ok((file, meta.len()))
        } else {
            Err(BucketError::NotFound { attempt: self.attempt(Action::Get, key.as_str()) })
        }
    }

    fn read(&self, file: &mut File, key: &ObjectKey, length: u64) -> Result<Vec<u8>, BucketError> {
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.take(length).read_to_end(&mut bytes).map_err(self.io(Action::Get, key.as_str()))?;
        if bytes.len() as u64 != length {
            let detail = format!("{} of {length} bytes", bytes.len());
            return Err(BucketError::Damaged { attempt: self.attempt(Action::Get, key.as_str()), detail });
        }
        Ok(bytes)
    }

    fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        self.require_root(Action::Head, key.as_str())?;
        match fs::metadata(self.path(key)) {
            Ok(meta) if meta.is_file() => Ok(Some(ObjectInfo { key: key.clone(), size: meta.len() })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BucketError::from_io(self.attempt(Action::Head, key.as_str()), error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
        self.require_root(Action::List, prefix)?;
        // Only the directory that the prefix surely lies in is walked: "a/b/c" lies in "a/b".
        let start = prefix.rsplit_once('/').map_or("", |(directory, _)| directory);
        let mut waiting = vec![start.to_owned()];
        let mut found = Vec::new();
        while let Some(directory) = waiting.pop() {
            let entries = match fs::read_dir(self.root.join(&directory)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => continue,
                Err(error) => return Err(BucketError::from_io(self.attempt(Action::List, prefix), error)),
            };
            for entry in entries {
                let entry = entry.map_err(self.io(Action::List, prefix))?;
                let Some(key) = entry.file_name().to_str().and_then(|name| key_in(&directory, name)) else {
                    continue;
                };
                let related = key.as_str().starts_with(prefix) || prefix.starts_with(key.as_str());
                if !related {
                    continue;
                }
                // Follows symbolic links to files; a link to a directory could make the walk endless.
                let kind = entry.file_type().map_err(self.io(Action::List, prefix))?;
                if kind.is_dir() {
                    waiting.push(key.to_string());
                } else if key.as_str().starts_with(prefix) {
                    let meta = fs::metadata(entry.path()).map_err(self.io(Action::List, prefix))?;
                    if meta.is_file() {
                        found.push(ObjectInfo { key, size: meta.len() });
                    }
                }
                if found.len() > LIST_OBJECTS_MAX {
                    let attempt = self.attempt(Action::List, prefix);
                    return Err(BucketError::TooMany { attempt, limit: LIST_OBJECTS_MAX });
                }
            }
        }
        Ok(found)
    }

    fn create(&self) -> Result<(), BucketError> {
        let parent = self.root.parent().filter(|parent| !parent.as_os_str().is_empty());
        if parent.is_some_and(|parent| !parent.is_dir()) {
            return Err(BucketError::BucketMissing { attempt: self.attempt(Action::Create, "") });
        }
        ensure_directory(&self.root).map_err(self.io(Action::Create, ""))
    }

    /// An unplugged disk must not look like an empty bucket.
    fn require_root(&self, action: Action, key: &str) -> Result<(), BucketError> {
        match fs::metadata(&self.root) {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(BucketError::BucketMissing { attempt: self.attempt(action, key) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BucketError::BucketMissing { attempt: self.attempt(action, key) })
            }
            Err(error) => Err(BucketError::from_io(self.attempt(action, key), error)),
        }
    }

    /// Removes what writers that died have left; best effort, for it only saves space.
    fn remove_old_temporaries(&self) {
        let Ok(entries) = fs::read_dir(self.root.join(INCOMING)) else { return };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|meta| meta.modified());
            let age = modified.ok().and_then(|then| SystemTime::now().duration_since(then).ok());
            if age.is_some_and(|age| age > TEMPORARY_AGE_MAX) {
                let removed = fs::remove_file(entry.path()).is_ok();
                tracing::info!(bucket = self.address(), removed, "found an unfinished object of a past run");
            }
        }
    }

    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn address(&self) -> String {
        format!("file://{}", self.root.display())
    }

    fn attempt(&self, action: Action, key: &str) -> Attempt {
        Attempt { action, bucket: self.address(), key: key.to_owned() }
    }

    fn io<'a>(&'a self, action: Action, key: &'a str) -> impl Fn(io::Error) -> BucketError + 'a {
        move |error| BucketError::from_io(self.attempt(action, key), error)
    }
}

/// Joins a directory's key and a file name; `None` for names that are no keys.
fn key_in(directory: &str, name: &str) -> Option<ObjectKey> {
    let joined = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    ObjectKey::new(joined).ok()
}

/// FAT on Linux answers EPERM to a link, others "not supported". If it is about rights after all, the
/// rename that is tried next says so.
fn may_lack_hard_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported | io::ErrorKind::CrossesDevices
    )
}

/// Creates a directory and its missing parents, each durably named in its parent.
fn ensure_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure_directory(parent)?;
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(error),
    }
    sync_directory(parent)
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere directories cannot be opened as files; the file system's journal orders names.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::super::object::Bucket;
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(name).unwrap()
    }

    #[tokio::test]
    async fn a_directory_keeps_the_promises_of_a_bucket() {
        let dir = tempfile::tempdir().unwrap();
        conformance::check(&Bucket::File(FileBucket::new(dir.path())), "run").await.unwrap();
        let left = fs::read_dir(dir.path().join(INCOMING)).unwrap().count();
        assert_eq!(left, 0, "temporary files are left");
    }

    /// A USB stick is often formatted as exFAT, which has no hard links.
    #[tokio::test]
    async fn a_directory_without_hard_links_keeps_them_too() {
        let dir = tempfile::tempdir().unwrap();
        let no_links = |_: &Path, _: &Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let bucket = FileBucket::linking_with(dir.path().to_owned(), no_links);
        conformance::check(&Bucket::File(bucket), "run").await.unwrap();
    }

    #[tokio::test]
    async fn a_missing_directory_is_not_an_empty_bucket_until_it_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = FileBucket::new(dir.path().join("stick"));
        assert!(matches!(bucket.list("").await, Err(BucketError::BucketMissing { .. })));
        assert!(matches!(bucket.get(&key("a")).await, Err(BucketError::BucketMissing { .. })));
        assert!(matches!(
            bucket.put_if_absent(&key("a"), vec![1]).await,
            Err(BucketError::BucketMissing { .. })
        ));
        bucket.create().await.unwrap();
        bucket.create().await.unwrap();
        assert_eq!(bucket.put_if_absent(&key("a"), vec![1]).await.unwrap(), PutOutcome::Written);
        let deep = FileBucket::new(dir.path().join("no/such/stick"));
        assert!(matches!(deep.create().await, Err(BucketError::BucketMissing { .. })));
    }

    #[tokio::test]
    async fn temporaries_are_not_listed_and_only_old_ones_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let incoming = dir.path().join(INCOMING);
        fs::create_dir(&incoming).unwrap();
        let (young, old) = (incoming.join("young"), incoming.join("old"));
        fs::write(&young, "half").unwrap();
        let file = File::create(&old).unwrap();
        file.set_modified(SystemTime::now() - TEMPORARY_AGE_MAX - Duration::from_secs(60)).unwrap();

        let bucket = FileBucket::new(dir.path());
        bucket.put_if_absent(&key("a"), vec![1]).await.unwrap();
        assert!(young.exists() && !old.exists());
        let listed = bucket.list("").await.unwrap();
        assert_eq!(listed, [ObjectInfo { key: key("a"), size: 1 }]);
    }

    #[tokio::test]
    async fn a_rotten_object_is_a_conflict_when_it_is_put_again() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = FileBucket::new(dir.path());
        bucket.put_if_absent(&key("a/b"), vec![1, 2, 3]).await.unwrap();
        fs::write(dir.path().join("a/b"), [1, 2, 4]).unwrap();
        let again = bucket.put_if_absent(&key("a/b"), vec![1, 2, 3]).await;
        assert!(matches!(again, Err(BucketError::Conflict { .. })), "{again:?}");
    }

    #[tokio::test]
    async fn a_file_in_the_place_of_a_directory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let bucket = FileBucket::new(dir.path());
        bucket.put_if_absent(&key("a"), vec![1]).await.unwrap();
        assert!(bucket.put_if_absent(&key("a/b"), vec![1]).await.is_err());
        assert_eq!(bucket.list("a/").await.unwrap(), []);
    }
}
