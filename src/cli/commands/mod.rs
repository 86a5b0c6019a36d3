//! The commands: one file each, whose arguments' doc comment is its help.

pub mod backup;
pub mod bench;
pub mod bundle;
pub mod decide;
pub mod drill;
pub mod export;
pub mod find;
pub mod import;
pub mod link;
mod nearby;
pub mod pull;
pub mod realm;
pub mod record;
mod record_chart;
mod record_sections;
pub mod serve;
pub mod show;
pub mod status;
pub mod sync;
