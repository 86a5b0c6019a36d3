//! The promises of a [`Bucket`], as checks that every kind of bucket must pass.

use super::bucket_error::BucketError;
use super::object::{Bucket, OBJECT_BYTES_MAX, ObjectInfo, ObjectKey, PutOutcome};

/// Counts the objects that the listing check stores. Give an S3 bucket a page size below this, so that the
/// listing needs several pages.
pub const LISTED_OBJECTS: usize = 23;

/// Counts the writers that compete for one key.
pub const COMPETING_WRITERS: u8 = 8;

/// Names a promise that a bucket broke.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// A call failed that must succeed.
    #[error("{promise}: {source}")]
    Failed {
        /// The promise that was being checked.
        promise: &'static str,
        /// What the bucket answered.
        source: BucketError,
    },
    /// A call succeeded or failed in another way than it must.
    #[error("{promise}: {seen}")]
    Broken {
        /// The promise that was being checked.
        promise: &'static str,
        /// What the bucket did instead.
        seen: String,
    },
}

/// Checks every promise on a bucket that exists, under keys that begin with `conformance/` and the name of
/// the run. What is stored stays there, since buckets do not delete: use a fresh name for each run.
///
/// # Errors
/// The first promise that does not hold.
pub async fn check(bucket: &Bucket, run: &str) -> Result<(), Violation> {
    let check = Check { bucket, run };
    check.round_trip().await?;
    check.immutable().await?;
    check.absent().await?;
    check.ranges().await?;
    check.exclusive().await?;
    check.idempotent_together().await?;
    check.listing().await?;
    check.size_limit().await
}

struct Check<'a> {
    bucket: &'a Bucket,
    run: &'a str,
}

impl Check<'_> {
    async fn round_trip(&self) -> Result<(), Violation> {
        let promise = "what was put is read back equal, whatever its size";
        for (name, size) in [("empty", 0), ("one", 1), ("page", 4096), ("large", 3 * 1024 * 1024 + 17)] {
            let key = self.key(&format!("round-trip/{name}"))?;
            let bytes = pattern(size, size as u64);
            let put = self.bucket.put_if_absent(&key, bytes.clone()).await;
            expect(promise, put.map_err(failed(promise))?, PutOutcome::Written)?;
            let read = self.bucket.get(&key).await.map_err(failed(promise))?;
            if read != bytes {
                return broken(promise, format!("{size} bytes were put, {} other bytes read", read.len()));
            }
            let head = self.bucket.head(&key).await.map_err(failed(promise))?;
            expect(promise, head, Some(ObjectInfo { key, size: size as u64 }))?;
        }
        Ok(())
    }

    async fn immutable(&self) -> Result<(), Violation> {
        let promise = "an object is never overwritten";
        let key = self.key("immutable")?;
        let put = |bytes: &[u8]| self.bucket.put_if_absent(&key, bytes.to_vec());
        expect(promise, put(b"first").await.map_err(failed(promise))?, PutOutcome::Written)?;
        expect(promise, put(b"first").await.map_err(failed(promise))?, PutOutcome::AlreadyThere)?;
        for other in [&b"other"[..], b"first and more", b""] {
            match put(other).await {
                Err(BucketError::Conflict { .. }) => {}
                outcome => return broken(promise, format!("other bytes were put: {outcome:?}")),
            }
        }
        expect(promise, self.bucket.get(&key).await.map_err(failed(promise))?, b"first".to_vec())
    }

    async fn absent(&self) -> Result<(), Violation> {
        let promise = "what is absent is said to be absent";
        let key = self.key("absent")?;
        match self.bucket.get(&key).await {
            Err(BucketError::NotFound { .. }) => {}
            outcome => return broken(promise, format!("get: {outcome:?}")),
        }
        match self.bucket.get_range(&key, 0, 1).await {
            Err(BucketError::NotFound { .. }) => {}
            outcome => return broken(promise, format!("get_range: {outcome:?}")),
        }
        expect(promise, self.bucket.head(&key).await.map_err(failed(promise))?, None)?;
        expect(promise, self.bucket.list(key.as_str()).await.map_err(failed(promise))?, Vec::new())
    }

    async fn ranges(&self) -> Result<(), Violation> {
        let promise = "a range is exactly the bytes asked for, or an error";
        let key = self.key("ranges")?;
        let bytes = pattern(1000, 7);
        self.bucket.put_if_absent(&key, bytes.clone()).await.map_err(failed(promise))?;
        for (start, end) in [(0, 1000), (0, 1), (999, 1000), (100, 613), (5, 5)] {
            let read = self.bucket.get_range(&key, start as u64, (end - start) as u64).await;
            expect(promise, read.map_err(failed(promise))?, bytes[start..end].to_vec())?;
        }
        for (offset, length) in [(0, 1001), (999, 2), (1000, 1), (5000, 1)] {
            match self.bucket.get_range(&key, offset, length).await {
                Err(BucketError::Damaged { .. }) => {}
                outcome => return broken(promise, format!("{length} bytes from {offset} on: {outcome:?}")),
            }
        }
        Ok(())
    }

    async fn exclusive(&self) -> Result<(), Violation> {
        let promise = "of concurrent puts of different bytes exactly one is written, the others conflict";
        let key = self.key("exclusive")?;
        let mut winner = None;
        for (writer, outcome) in self.compete(&key, |writer| pattern(5000, u64::from(writer))).await {
            match outcome {
                Ok(PutOutcome::Written) if winner.is_none() => winner = Some(writer),
                Err(BucketError::Conflict { .. }) => {}
                outcome => {
                    return broken(promise, format!("writer {writer}, winner {winner:?}: {outcome:?}"));
                }
            }
        }
        let Some(winner) = winner else { return broken(promise, "no writer won".to_owned()) };
        let read = self.bucket.get(&key).await.map_err(failed(promise))?;
        expect(promise, read, pattern(5000, u64::from(winner)))
    }

    async fn idempotent_together(&self) -> Result<(), Violation> {
        let promise =
            "of concurrent puts of equal bytes exactly one is written, for the others they are there";
        let key = self.key("together")?;
        let mut written = 0;
        for (writer, outcome) in self.compete(&key, |_| pattern(5000, 1)).await {
            match outcome {
                Ok(PutOutcome::Written) => written += 1,
                Ok(PutOutcome::AlreadyThere) => {}
                Err(error) => return broken(promise, format!("writer {writer}: {error}")),
            }
        }
        expect(promise, written, 1)
    }

    async fn listing(&self) -> Result<(), Violation> {
        let promise = "a listing has every object of the prefix and no other, in order, with its size";
        let mut all = Vec::new();
        for number in 0..LISTED_OBJECTS {
            let key =
                self.key(&format!("list/{}/{number:03}", if number % 2 == 0 { "even" } else { "odd" }))?;
            self.bucket.put_if_absent(&key, pattern(number, 0)).await.map_err(failed(promise))?;
            all.push(ObjectInfo { key, size: number as u64 });
        }
        let beside = self.key("list-beside")?;
        self.bucket.put_if_absent(&beside, Vec::new()).await.map_err(failed(promise))?;
        all.push(ObjectInfo { key: beside, size: 0 });
        all.sort_by(|a, b| a.key.cmp(&b.key));
        for end in [
            "list",
            "list/",
            "list-",
            "list/even/",
            "list/ev",
            "list/odd/01",
            "list/odd/013",
            "list/none",
            "li",
        ] {
            let prefix = format!("conformance/{}/{end}", self.run);
            let due: Vec<_> =
                all.iter().filter(|info| info.key.as_str().starts_with(&prefix)).cloned().collect();
            let seen = self.bucket.list(&prefix).await.map_err(failed(promise))?;
            if seen != due {
                return broken(promise, format!("prefix {prefix}: {seen:?} instead of {due:?}"));
            }
        }
        self.listing_on(&all).await?;
        let everything = self.bucket.list("").await.map_err(failed(promise))?;
        match all.iter().find(|info| !everything.contains(info)) {
            None => Ok(()),
            Some(lacking) => broken(promise, format!("the list of everything lacks {}", lacking.key)),
        }
    }

    /// Walks page by page, and from the middle.
    async fn listing_on(&self, all: &[ObjectInfo]) -> Result<(), Violation> {
        let promise = "a listing that goes on behind a key misses and repeats nothing";
        let prefix = format!("conformance/{}/list/", self.run);
        let due: Vec<&ObjectInfo> =
            all.iter().filter(|info| info.key.as_str().starts_with(&prefix)).collect();
        for begins in [0, 1, due.len() / 2, due.len()] {
            let mut after = begins.checked_sub(1).map(|last| due[last].key.clone());
            let mut seen = Vec::new();
            loop {
                let page = self.bucket.list_after(&prefix, after.as_ref()).await.map_err(failed(promise))?;
                let Some(last) = page.last() else { break };
                after = Some(last.key.clone());
                seen.extend(page);
            }
            if seen.iter().collect::<Vec<_>>() != due[begins..] {
                return broken(promise, format!("from {begins} on: {seen:?}"));
            }
        }
        Ok(())
    }

    async fn size_limit(&self) -> Result<(), Violation> {
        let promise = "an object above the size limit is refused and not stored";
        let key = self.key("too-large")?;
        let bytes = vec![0; usize::try_from(OBJECT_BYTES_MAX).unwrap_or(usize::MAX - 1) + 1];
        match self.bucket.put_if_absent(&key, bytes).await {
            Err(BucketError::TooLarge { .. }) => {}
            outcome => return broken(promise, format!("{outcome:?}")),
        }
        expect(promise, self.bucket.head(&key).await.map_err(failed(promise))?, None)
    }

    /// Lets all writers put one key at the same time.
    async fn compete(
        &self,
        key: &ObjectKey,
        bytes: impl Fn(u8) -> Vec<u8>,
    ) -> Vec<(u8, Result<PutOutcome, BucketError>)> {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..COMPETING_WRITERS {
            let (bucket, key, bytes) = (self.bucket.clone(), key.clone(), bytes(writer));
            writers.spawn(async move { (writer, bucket.put_if_absent(&key, bytes).await) });
        }
        writers.join_all().await
    }

    fn key(&self, name: &str) -> Result<ObjectKey, Violation> {
        let key = ObjectKey::new(format!("conformance/{}/{name}", self.run));
        key.map_err(failed("the name of the run is a part of keys"))
    }
}

fn failed(promise: &'static str) -> impl Fn(BucketError) -> Violation {
    move |source| Violation::Failed { promise, source }
}

fn broken(promise: &'static str, seen: String) -> Result<(), Violation> {
    Err(Violation::Broken { promise, seen })
}

fn expect<T: PartialEq + std::fmt::Debug>(promise: &'static str, seen: T, due: T) -> Result<(), Violation> {
    if seen == due { Ok(()) } else { broken(promise, format!("{seen:?} instead of {due:?}")) }
}

/// Bytes that differ from each other and between seeds, so that no mix-up goes unseen.
fn pattern(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        // Marsaglia's xorshift64: enough to tell byte strings apart.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..size).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bucket_that_loses_or_changes_objects_is_found_out() {
        let Bucket::Memory(memory) = Bucket::memory() else { unreachable!("memory() makes a memory bucket") };
        let taken = ObjectKey::new("conformance/run/immutable").unwrap();
        memory.tamper(&taken, Some(b"second".to_vec()));
        let outcome = check(&Bucket::Memory(memory.clone()), "run").await;
        assert!(matches!(outcome, Err(Violation::Failed { .. })), "{outcome:?}");

        memory.set_reachable(false);
        let outcome = check(&Bucket::Memory(memory), "other").await;
        assert!(matches!(outcome, Err(Violation::Failed { .. })), "{outcome:?}");
    }
}
