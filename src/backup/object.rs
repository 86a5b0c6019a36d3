//! The seam to object stores: immutable objects under plain keys.

use super::bucket_error::{Action, Attempt, BucketError};
use super::bucket_url::BucketUrl;
use super::file::FileBucket;
use super::memory::MemoryBucket;
use super::s3::{S3Bucket, S3Credentials, S3Settings};
use std::fmt;
use std::str::FromStr;

/// Bounds a key and a prefix, bytes. S3 itself allows 1,024, of which the bucket's own prefix takes a part.
pub const KEY_BYTES_MAX: usize = 512;

/// Bounds one `/`-separated component of a key, bytes: file systems allow 255.
pub const KEY_COMPONENT_BYTES_MAX: usize = 200;

/// Bounds one object, bytes, when written and when read: four of the largest segments, far below the
/// 5 GB that S3 takes in one put.
pub const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Bounds one listing, objects. A longer listing is an error, never a short answer.
pub const LIST_OBJECTS_MAX: usize = 1_000_000;

/// Names an object: 1 to 512 bytes of `[a-z0-9._-]` in components separated by single `/`.
///
/// A component has at most 200 bytes and does not end in a dot, and `..` occurs nowhere, so every key is
/// also a safe relative path on every file system. No key should be a directory of another (`a`, `a/b`):
/// S3 allows that, a directory cannot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Checks a name and makes it a key.
    ///
    /// # Errors
    /// [`BucketError::Key`] names the rule that the name breaks.
    pub fn new(name: impl Into<String>) -> Result<ObjectKey, BucketError> {
        let name = name.into();
        match broken_rule(&name).or_else(|| broken_component_rule(&name)) {
            Some(problem) => Err(BucketError::Key { key: name.chars().take(64).collect(), problem }),
            None => Ok(ObjectKey(name)),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = BucketError;

    fn from_str(name: &str) -> Result<ObjectKey, BucketError> {
        ObjectKey::new(name)
    }
}

/// Bounds one page of [`Bucket::list_after`], objects: S3's own limit.
pub const PAGE_OBJECTS_MAX: usize = 1_000;

/// Describes one stored object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key, relative to the bucket's own prefix.
    pub key: ObjectKey,
    /// The size, bytes.
    pub size: u64,
}

/// Says who stored the bytes of a successful put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PutOutcome {
    /// This call stored them.
    Written,
    /// An earlier call, here or elsewhere, had stored exactly these bytes.
    AlreadyThere,
}

/// Holds immutable objects under keys: puts what is absent, reads, lists; never overwrites or deletes.
///
/// A clone is another handle to the same bucket. Whatever the kind of bucket:
/// - *durable*: an object that `put_if_absent` reported is on disk, or with the server, when it returns;
/// - *immutable*: bytes once readable under a key stay those bytes;
/// - *exclusive*: of concurrent puts of one key exactly one is [`PutOutcome::Written`];
/// - *whole*: no reader ever sees a part of an object;
/// - *visible*: an object that was put is in the next listing.
///
/// [`conformance`](super::conformance) checks these.
#[derive(Debug, Clone)]
pub enum Bucket {
    /// A directory.
    File(FileBucket),
    /// A bucket, or a prefix of one, on a server that speaks S3.
    S3(S3Bucket),
    /// A map in memory, for tests and simulations.
    Memory(MemoryBucket),
}

impl Bucket {
    /// Opens the bucket at an address. S3 credentials come from the environment. Nothing is read or
    /// written yet: see [`Bucket::check`].
    ///
    /// # Errors
    /// [`BucketError::Credentials`] when the environment lacks them, [`BucketError::Address`] when the
    /// endpoint in the environment is malformed.
    pub fn open(url: &BucketUrl) -> Result<Bucket, BucketError> {
        match url {
            BucketUrl::File { directory } => Ok(Bucket::File(FileBucket::new(directory))),
            BucketUrl::S3(place) => {
                let place = place.clone().or_environment()?;
                let credentials = S3Credentials::from_environment(&place)?;
                Ok(Bucket::S3(S3Bucket::new(S3Settings::new(place, credentials))))
            }
        }
    }

    /// Makes an empty bucket in memory.
    pub fn memory() -> Bucket {
        Bucket::Memory(MemoryBucket::default())
    }

    /// Returns the address of the bucket, without credentials, for messages.
    pub fn address(&self) -> String {
        match self {
            Bucket::File(bucket) => bucket.address(),
            Bucket::S3(bucket) => bucket.address(),
            Bucket::Memory(bucket) => bucket.address(),
        }
    }

    /// Creates the directory (its parent must exist) or the bucket; one that exists is fine. A bucket made
    /// here has neither versioning nor object lock: on a server that offers them, make it there instead.
    ///
    /// # Errors
    /// Whatever keeps the bucket from existing.
    pub async fn create(&self) -> Result<(), BucketError> {
        match self {
            Bucket::File(bucket) => bucket.create().await,
            Bucket::S3(bucket) => bucket.create().await,
            Bucket::Memory(bucket) => bucket.check(),
        }
    }

    /// Checks cheaply that the bucket exists, answers and accepts the credentials for listing.
    ///
    /// # Errors
    /// As for any other call; a bucket that is gone is reported within seconds.
    pub async fn check(&self) -> Result<(), BucketError> {
        match self {
            Bucket::File(bucket) => bucket.check().await,
            Bucket::S3(bucket) => bucket.check().await,
            Bucket::Memory(bucket) => bucket.check(),
        }
    }

    /// Creates the bucket if there is none. A key that may not create buckets will do where there is one.
    ///
    /// # Errors
    /// As [`Bucket::check`] and [`Bucket::create`].
    pub async fn make_sure(&self) -> Result<(), BucketError> {
        match self.check().await {
            Err(BucketError::BucketMissing { .. }) => self.create().await,
            answer => answer,
        }
    }

    /// Stores an object unless the key is taken, and returns when it is durable. Putting the same bytes
    /// again is harmless and settles what became of a put whose answer was lost.
    ///
    /// # Errors
    /// [`BucketError::Conflict`] when other bytes hold the key; [`BucketError::TooLarge`] above
    /// [`OBJECT_BYTES_MAX`]; otherwise what kept the object from being stored.
    pub async fn put_if_absent(&self, key: &ObjectKey, bytes: Vec<u8>) -> Result<PutOutcome, BucketError> {
        let size = bytes.len() as u64;
        if size > OBJECT_BYTES_MAX {
            let attempt = Attempt { action: Action::Put, bucket: self.address(), key: key.to_string() };
            return Err(BucketError::TooLarge { attempt, size, limit: OBJECT_BYTES_MAX });
        }
        match self {
            Bucket::File(bucket) => bucket.put_if_absent(key, bytes).await,
            Bucket::S3(bucket) => bucket.put_if_absent(key, bytes).await,
            Bucket::Memory(bucket) => bucket.put_if_absent(key, bytes),
        }
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// [`BucketError::NotFound`]; [`BucketError::TooLarge`] above [`OBJECT_BYTES_MAX`], before its bytes
    /// are read; [`BucketError::Damaged`] when fewer bytes arrive than were declared.
    pub async fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, BucketError> {
        match self {
            Bucket::File(bucket) => bucket.get(key).await,
            Bucket::S3(bucket) => bucket.get(key).await,
            Bucket::Memory(bucket) => bucket.get(key),
        }
    }

    /// Reads exactly `length` bytes from `offset` on; no bytes at all need no object.
    ///
    /// # Errors
    /// [`BucketError::NotFound`]; [`BucketError::TooLarge`] when more than [`OBJECT_BYTES_MAX`] are asked
    /// for; [`BucketError::Damaged`] when the object ends before.
    pub async fn get_range(&self, key: &ObjectKey, offset: u64, length: u64) -> Result<Vec<u8>, BucketError> {
        if length == 0 {
            return Ok(Vec::new());
        }
        if length > OBJECT_BYTES_MAX || offset.checked_add(length).is_none() {
            let attempt = Attempt { action: Action::Get, bucket: self.address(), key: key.to_string() };
            return Err(BucketError::TooLarge { attempt, size: length, limit: OBJECT_BYTES_MAX });
        }
        match self {
            Bucket::File(bucket) => bucket.get_range(key, offset, length).await,
            Bucket::S3(bucket) => bucket.get_range(key, offset, length).await,
            Bucket::Memory(bucket) => bucket.get_range(key, offset, length),
        }
    }

    /// Looks an object up without reading it; `None` when there is none.
    ///
    /// # Errors
    /// What kept the bucket from answering.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        match self {
            Bucket::File(bucket) => bucket.head(key).await,
            Bucket::S3(bucket) => bucket.head(key).await,
            Bucket::Memory(bucket) => bucket.head(key),
        }
    }

    /// Lists every object whose key starts with the prefix (which may end anywhere, or be empty), in the
    /// order of keys. What else lies in the bucket under names that are not keys is not listed.
    ///
    /// # Errors
    /// [`BucketError::Key`] for a prefix that no key can have; [`BucketError::TooMany`] above
    /// [`LIST_OBJECTS_MAX`], instead of a listing that is cut short.
    pub async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
        check_prefix(prefix)?;
        let mut objects = match self {
            Bucket::File(bucket) => bucket.list(prefix).await?,
            Bucket::S3(bucket) => bucket.list(prefix).await?,
            Bucket::Memory(bucket) => bucket.list(prefix)?,
        };
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// Lists the first objects whose keys start with the prefix and come behind `after`, in the order of keys: at
    /// most [`PAGE_OBJECTS_MAX`], and none only when there are none.
    ///
    /// # Errors
    /// As [`Bucket::list`].
    pub async fn list_after(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> Result<Vec<ObjectInfo>, BucketError> {
        check_prefix(prefix)?;
        let mut objects = match self {
            Bucket::S3(bucket) => bucket.list_after(prefix, after).await?,
            Bucket::File(_) | Bucket::Memory(_) => self.list(prefix).await?,
        };
        objects.retain(|object| after.is_none_or(|after| object.key > *after));
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        objects.truncate(PAGE_OBJECTS_MAX);
        Ok(objects)
    }
}

fn check_prefix(prefix: &str) -> Result<(), BucketError> {
    match broken_rule(prefix) {
        Some(problem) => Err(BucketError::Key { key: prefix.chars().take(64).collect(), problem }),
        None => Ok(()),
    }
}

/// The rules that keys and prefixes share.
fn broken_rule(text: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/._-".contains(&byte);
    if text.len() > KEY_BYTES_MAX {
        Some("it is longer than 512 bytes")
    } else if !text.bytes().all(allowed) {
        Some("only a-z, 0-9, '/', '.', '_' and '-' are allowed")
    } else if text.contains("..") {
        Some("'..' is not allowed")
    } else if text.starts_with('/') {
        Some("it starts with '/'")
    } else if text.contains("//") {
        Some("it has an empty component ('//')")
    } else {
        None
    }
}

/// The rules that hold for complete keys only.
fn broken_component_rule(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.ends_with('/') {
        Some("it ends with '/'")
    } else if name.split('/').any(|part| part.ends_with('.')) {
        Some("a component ends with '.'")
    } else if name.split('/').any(|part| part.len() > KEY_COMPONENT_BYTES_MAX) {
        Some("a component is longer than 200 bytes")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_plain_relative_paths() {
        let long = format!("{}/{}/{}", "a".repeat(200), "b".repeat(200), "c".repeat(110));
        for good in ["a", "segments/00ff-1.seg", "m/0000001_x", long.as_str()] {
            assert_eq!(ObjectKey::new(good).unwrap().as_str(), good);
        }
        let too_long = format!("{long}c");
        let wide = "a".repeat(201);
        for bad in [
            "", "/a", "a/", "a//b", "a/../b", "..", "a..b", "./a", "a.", "A", "é", "a b", "a~", "a\\b",
            "a\0", &too_long, &wide,
        ] {
            assert!(matches!(ObjectKey::new(bad), Err(BucketError::Key { .. })), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_prefix_that_no_key_can_have_is_an_error_not_an_empty_list() {
        let bucket = Bucket::memory();
        for bad in ["/a", "A", "a//", "a/../"] {
            assert!(matches!(bucket.list(bad).await, Err(BucketError::Key { .. })), "{bad:?}");
        }
    }
}
