//! Bundles: what one replica sends another in a pocket, as a file or as a sequence of QR codes.
//!
//! Formats and planning only, pure: bytes and heads in, bytes and findings out. `docs/protocol.md` draws the formats.
//!
//! Invariants: every block of a bundle stands alone, so what is whole in a torn or damaged file can be used; whatever
//! bytes a file holds, reading it takes memory for one block and time for each byte a bounded number of times; nothing
//! here decides what enters a log, which is for admission alone.

pub mod block;
pub mod frame;
pub mod header;
pub mod heads;
pub mod ledger;
pub mod plan;
pub mod qr;
pub mod request;
pub mod scan;

pub use block::{Block, BlockKind, BundleId};
pub use header::{BundleHeader, Footer, Target};
pub use heads::{Heads, LaneHead};
pub use ledger::Ledger;
pub use request::BundleRequest;
pub use scan::{Found, Loss, Scanner};

#[cfg(test)]
mod tests;
