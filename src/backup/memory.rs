//! A bucket in memory, which tests and simulations can also take away, damage, or roll back.

use super::bucket_error::{Action, Attempt, BucketError};
use super::object::{Bucket, LIST_OBJECTS_MAX, OBJECT_BYTES_MAX, ObjectInfo, ObjectKey, PutOutcome};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps objects in a map that all clones share. It is lost with the last clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryBucket {
    state: Arc<Mutex<State>>,
}

/// Remembers what a [`MemoryBucket`] held at one moment, to roll it back to.
#[derive(Debug, Clone)]
pub struct MemorySnapshot(BTreeMap<ObjectKey, Arc<[u8]>>);

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<ObjectKey, Arc<[u8]>>,
    unreachable: bool,
    refused: u64,
}

impl MemoryBucket {
    /// Cuts the bucket off, or connects it again: while cut off every call is
    /// [`BucketError::Unreachable`].
    pub fn set_reachable(&self, reachable: bool) {
        self.locked().unreachable = !reachable;
    }

    /// Returns how many calls were refused because the bucket was cut off.
    pub fn refused_calls(&self) -> u64 {
        self.locked().refused
    }

    /// Replaces the bytes of an object, or removes it, as a failing disk or an intruder with a key would:
    /// what a [`Bucket`] never does. Returns the bytes that were there.
    pub fn tamper(&self, key: &ObjectKey, bytes: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let mut state = self.locked();
        let before = match bytes {
            Some(bytes) => state.objects.insert(key.clone(), bytes.into()),
            None => state.objects.remove(key),
        };
        before.map(|bytes| bytes.to_vec())
    }

    /// Remembers what the bucket holds now.
    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.locked().objects.clone())
    }

    /// Makes the bucket hold what it held then: the sabotage that witnesses must notice.
    pub fn roll_back(&self, to: MemorySnapshot) {
        self.locked().objects = to.0;
    }

    pub(super) fn address(&self) -> String {
        "memory".to_owned()
    }

    pub(super) fn check(&self) -> Result<(), BucketError> {
        self.reached(Action::Check, "").map(drop)
    }

    pub(super) fn put_if_absent(&self, key: &ObjectKey, bytes: Vec<u8>) -> Result<PutOutcome, BucketError> {
        let mut state = self.reached(Action::Put, key.as_str())?;
        match state.objects.get(key) {
            None => {
                state.objects.insert(key.clone(), bytes.into());
                Ok(PutOutcome::Written)
            }
            Some(there) if **there == *bytes => Ok(PutOutcome::AlreadyThere),
            Some(_) => Err(BucketError::Conflict { attempt: self.attempt(Action::Put, key.as_str()) }),
        }
    }

    pub(super) fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, BucketError> {
        let bytes = self.bytes(key)?;
        let size = bytes.len() as u64;
        if size > OBJECT_BYTES_MAX {
            let attempt = self.attempt(Action::Get, key.as_str());
            return Err(BucketError::TooLarge { attempt, size, limit: OBJECT_BYTES_MAX });
        }
        Ok(bytes.to_vec())
    }

    pub(super) fn get_range(
        &self,
        key: &ObjectKey,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, BucketError> {
        let bytes = self.bytes(key)?;
        let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(length)).ok());
        match range.and_then(|(start, end)| bytes.get(start..end)) {
            Some(part) => Ok(part.to_vec()),
            None => Err(BucketError::Damaged {
                attempt: self.attempt(Action::Get, key.as_str()),
                detail: format!("{} bytes, {length} asked for from {offset} on", bytes.len()),
            }),
        }
    }

    pub(super) fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let state = self.reached(Action::Head, key.as_str())?;
        Ok(state.objects.get(key).map(|bytes| ObjectInfo { key: key.clone(), size: bytes.len() as u64 }))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
        let state = self.reached(Action::List, prefix)?;
        let found: Vec<ObjectInfo> = state
            .objects
            .iter()
            .filter(|(key, _)| key.as_str().starts_with(prefix))
            .map(|(key, bytes)| ObjectInfo { key: key.clone(), size: bytes.len() as u64 })
            .take(LIST_OBJECTS_MAX + 1)
            .collect();
        if found.len() > LIST_OBJECTS_MAX {
            let attempt = self.attempt(Action::List, prefix);
            return Err(BucketError::TooMany { attempt, limit: LIST_OBJECTS_MAX });
        }
        Ok(found)
    }

    fn bytes(&self, key: &ObjectKey) -> Result<Arc<[u8]>, BucketError> {
        let state = self.reached(Action::Get, key.as_str())?;
        let bytes = state.objects.get(key).cloned();
        bytes.ok_or_else(|| BucketError::NotFound { attempt: self.attempt(Action::Get, key.as_str()) })
    }

    fn reached(&self, action: Action, key: &str) -> Result<MutexGuard<'_, State>, BucketError> {
        let mut state = self.locked();
        if state.unreachable {
            state.refused += 1;
            let attempt = self.attempt(action, key);
            return Err(BucketError::Unreachable { attempt, detail: "cut off".to_owned() });
        }
        Ok(state)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Each change of the state is a single step, so a panicking holder leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self, action: Action, key: &str) -> Attempt {
        Attempt { action, bucket: self.address(), key: key.to_owned() }
    }
}

impl From<MemoryBucket> for Bucket {
    fn from(bucket: MemoryBucket) -> Self {
        Bucket::Memory(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[tokio::test]
    async fn memory_keeps_the_promises_of_a_bucket() {
        conformance::check(&Bucket::memory(), "run").await.unwrap();
    }

    #[test]
    fn a_bucket_can_be_cut_off_damaged_and_rolled_back() {
        let bucket = MemoryBucket::default();
        let (a, b) = (ObjectKey::new("a").unwrap(), ObjectKey::new("b").unwrap());
        bucket.put_if_absent(&a, vec![1]).unwrap();
        let before = bucket.snapshot();
        bucket.put_if_absent(&b, vec![2]).unwrap();

        bucket.set_reachable(false);
        assert!(matches!(bucket.get(&a), Err(BucketError::Unreachable { .. })));
        assert_eq!(bucket.refused_calls(), 1);
        bucket.set_reachable(true);
        assert_eq!(bucket.tamper(&a, Some(vec![9])), Some(vec![1]));
        assert_eq!(bucket.get(&a).unwrap(), [9]);
        bucket.roll_back(before);
        assert_eq!(bucket.get(&a).unwrap(), [1]);
        assert!(matches!(bucket.get(&b), Err(BucketError::NotFound { .. })));
    }
}
