//! The sans-IO sync session: `handle(now, input) -> outputs`; a driver moves the bytes and commits.
//!
//! Two replicas that hold the same learn it from one pair of `Hello`s. Otherwise they compare digests of groups of
//! lanes, find out which heads differ (by lists, or by ranges where there are many lanes), and send each other the runs
//! that the other lacks, urgent parts first. What is written later takes the same way. `docs/protocol-sync.md` draws the messages.
//!
//! Invariants: nothing is acknowledged before the driver says that it is durable; what a peer sends never changes
//! anything but through the driver's admission; every list, queue and wait has a limit in [`limits`].

pub mod ask;
pub mod closing;
pub mod digests;
pub mod event;
pub mod holdings;
mod lane;
mod lanes;
pub mod limiting;
pub mod limits;
mod listing;
pub mod message;
mod offer;
mod pulling;
pub mod ranges;
mod ranging;
mod receive;
mod reconcile;
pub mod segment;
mod send;
pub mod session;
pub mod streams;
mod window;

pub use ask::Ended;
pub use digests::Group;
pub use event::{Closed, GiveUp, Input, Output, SessionConfig};
pub use holdings::Holdings;
pub use limiting::{Outlook, Reach};
pub use message::{CloseCode, Message};
pub use session::Session;
pub use streams::Streams;

#[cfg(test)]
mod tests;
