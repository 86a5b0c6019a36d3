//! Tests that need more than one process, a server or the network: one binary for all of them.

mod drill;
mod s3_bucket;
mod support;
