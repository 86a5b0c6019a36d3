//! Tests that need more than one process, a server or the network: one binary for all of them.

mod backup_s3;
mod both_ways;
mod cli;
mod drill;
mod netns;
mod s3_bucket;
mod store_kill;
mod support;
