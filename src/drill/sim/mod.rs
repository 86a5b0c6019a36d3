//! A drill in virtual time: the production code on one thread, with simulated lines, disks, clocks and bucket.
//!
//! Invariants:
//!
//! 1. One seed, one trace: every choice comes from the seed's [`Chance`](super::chance::Chance), every time from
//!    the virtual clock, and things that happen at one time happen in the order in which they were scheduled.
//! 2. What runs is what hospitals run: [`Replica`](crate::replica::Replica), its
//!    [`Exchange`](crate::replica::exchange::Exchange), its store (redb on a disk that tears, rots and fills, or
//!    memory), its backup and restore. Simulated are only the sockets, the sectors, the clocks and the bucket.
//! 3. What a replica acknowledged is in the simulation's own [`ledger`], and is looked for at the end.
//!
//! [`grid`] knows which lines and machines are up; `pipe` says when a message arrives; `node` is one machine;
//! `world` moves time and carries out [deeds](super::deed); `watch` follows who knows what; `recorder`
//! writes the [course](super::course); `finish` looks at everything when time is over.

mod bucketing;
mod carrying;
mod connections;
mod doors;
mod environment;
mod finish;
pub mod grid;
mod held;
mod importing;
pub mod ledger;
mod lying;
mod metering;
mod node;
mod observing;
mod oracle;
mod people;
mod pipe;
mod play;
mod queue;
pub(in crate::drill) mod recorder;
mod replacing;
mod run;
mod setting_back;
mod stage;
mod surroundings;
mod talking;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_copies;
#[cfg(test)]
mod tests_traffic;
mod trace;
mod traffic;
mod tying;
mod watch;
mod world;
mod writing;

pub(in crate::drill) use play::act_of;
pub use run::{SimOptions, SimRun, TIME_PASSES, simulate};
pub use trace::Trace;
pub(in crate::drill) use writing::act_of as act_of_write;
