//! Running a scenario for real: processes, QUIC through relays, a bucket, kill -9.
//!
//! Invariants:
//!
//! 1. The drill runs what users run: the same binary, its commands, its control socket. Nothing of a replica's
//!    code runs inside the drill's process.
//! 2. Every wait ends. An event that cannot be done is noted and fails the drill; the drill goes on.
//! 3. No process outlives the drill: each is killed, by its id, when its handle is dropped. So are network
//!    namespaces removed.

mod bucket;
mod carrying;
mod client;
mod command;
mod configuring;
mod door;
mod netns;
mod observe;
mod paths;
mod place;
mod process;
mod record;
mod region;
mod steps;
mod writing;

pub use bucket::DrillBucket;
pub use client::Client;
pub use command::{Argument, Musubi};
pub use door::hold as hold_door;
pub use netns::{Netns, NetnsError, PLACES_MAX};
pub use observe::observe;
pub use place::{Home, Inside, Place};
pub use process::ServeProcess;
pub use record::Record;
pub use region::{Ground, Region};
pub use steps::Live;
