//! What can happen in a drill: one small file for each kind of event, and the table of all.
//!
//! Invariants:
//!
//! 1. An event is made of [deeds](super::deed): a stage knows deeds, never events.
//! 2. An event chooses only from the [`Chance`](super::chance::Chance) that it is given: equal seeds, equal deeds.
//! 3. What an event needs and changes it tells the walk that checks a scenario before anything runs.

mod event;

pub use event::{Event, EventKind};
