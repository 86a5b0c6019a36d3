//! What can happen in a drill: one small file for each idea, and the table of all events.
//!
//! Invariants:
//!
//! 1. An event is made of [deeds](super::deed): a stage knows deeds, never events.
//! 2. An event chooses only from the [`Chance`](super::chance::Chance) that it is given: equal seeds, equal deeds.
//! 3. What an event needs and changes it tells the walk that checks a scenario before anything runs.

mod backup;
mod bad_disks;
mod clocks;
mod courier;
mod disk_loss;
mod duplicate;
mod event;
mod import;
mod import_list;
mod kill_in_mid_write;
mod lie;
mod paths;
mod power;
mod processes;
mod quota;
mod return_to_normal;
mod second_quake;
mod set_back;
mod storm;
mod surge;
mod table;
#[cfg(test)]
mod tests;
mod tying;
mod wait_converged;
mod weak_paths;
mod words;
mod writing;

pub use event::{Event, EventKind, ReadEvent};
pub use return_to_normal::RETURN_TO_NORMAL;
pub use table::EVENTS;
