//! A bucket on a server that speaks S3: AWS, or SeaweedFS and others on premises.
//!
//! - An object is put with `If-None-Match: *`, which the server decides atomically.
//! - A put whose answer was lost is repeated; each call carries a random id in the object's metadata
//!   (`x-amz-meta-musubi-put`), so that "the key is taken" can be told from "you took it".
//! - Failures that pass are retried a few times, with jitter and within seconds; wrong credentials never.
//!
//! What breaks without support on the server: one that ignores `If-None-Match` would overwrite. The
//! conformance checks notice that.

mod bucket;
mod client;
mod failure;
mod settings;

pub use bucket::{PUT_ID_METADATA, S3Bucket};
pub use settings::{Patience, S3Credentials, S3Place, S3Settings};
