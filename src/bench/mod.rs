//! Measuring this program on this machine: real processes, real sockets, real files, and the floor beside each figure.
//!
//! Invariants:
//!
//! 1. What is measured is what users run: the same binary, its commands, its control socket.
//!    Only `ingest` calls the library in its own process: what it measures is a part of what a session does.
//! 2. CPU is what the system accounts to the processes from their start to their end, opening and closing their stores
//!    included; bytes are those that passed a relay between them. No process tells its own figures.
//! 3. A measurement that lost an edit, or after which the replicas differ, is no measurement but a failure.

mod accounting;
mod floors;
mod growth;
mod heal;
pub mod held;
mod plot;
mod region;
mod workload;

pub use floors::{Floors, floors};
pub use growth::{Growth, GrowthOptions, Point, growth};
pub use heal::{Apart, Changes, Heal, HealOptions, RECORDS_MAX, heal};
pub use region::{Meeting, Step};
pub use workload::{Edit, Workload};
