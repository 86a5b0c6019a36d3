//! One replica: composition of store, lanes, records, sync and backup.

pub mod answer;
pub mod config;
pub mod files;
pub mod realm;
pub mod request;
