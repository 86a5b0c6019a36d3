//! Sealed segments and signed manifests on an object store, and the way back.
//!
//! The lower half of this part is the object store itself. A [`Bucket`] holds immutable objects under
//! [`ObjectKey`]s: it can put an object that is absent, read, and list; it can neither overwrite nor
//! delete, so that nothing written through it can be lost through it. Three kinds of bucket keep the same
//! promises, which [`conformance`] checks: a directory ([`mod@file`]), S3 ([`s3`]), and memory ([`memory`])
//! for tests and simulations. Addresses are written as [`BucketUrl`]s.

pub mod bucket_error;
pub mod bucket_url;
pub mod conformance;
pub mod file;
pub mod manifest;
pub mod memory;
pub mod object;
pub mod plan;
pub mod s3;
pub mod segment;

pub use bucket_error::{Action, Attempt, BucketError, ErrorKind};
pub use bucket_url::BucketUrl;
pub use object::{Bucket, ObjectInfo, ObjectKey, PutOutcome};
