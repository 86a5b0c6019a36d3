//! Tests that need more than one process, a server or the network: one binary for all of them.

mod backup_s3;
mod bench_heal;
mod bench_held;
mod bench_pull;
mod both_ways;
mod bucket_sync;
mod bundles;
mod by_hand;
mod cli;
mod discovery;
mod drill;
mod netns;
mod s3_bucket;
mod store_kill;
mod support;
