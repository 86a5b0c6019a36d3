//! Ids, clocks, digests and limits: what every other layer may use.
//!
//! Nothing here does I/O, reads a clock or draws a random number: time and randomness are arguments.

pub mod cbor;
pub mod clock;
pub mod digest;
pub mod id;
#[cfg(test)]
pub(crate) mod laws;
pub mod limits;
pub mod part;
pub mod planted;

pub use clock::{Hlc, HybridClock, WallMs};
pub use digest::{Digest, hash_tagged};
pub use id::{Area, AreaError, DeviceId, LaneId, RealmId, RecordId, SiteId};
pub use part::Part;
