//! The store on disk: one redb file, every value sealed.
//!
//! ```text
//! DIR/lock          held while the store is open
//! DIR/keys.toml     the wrapped data key (see `keys`)
//! DIR/store.redb    the tables; made as store.redb.new, synced and renamed
//! ```
//!
//! | table | key | sealed value |
//! |---|---|---|
//! | `meta`, `meta-twin` | `format` | not sealed: version (8, big-endian) ‖ data key's id (8) |
//! | | `counts`, `index`, `names` | CBOR: how much there is of everything, the index's state, the names in use |
//! | `ids` | lane number (u32) | the lane's id; local numbers keep ids out of keys |
//! | `lanes`, `lanes-twin` | lane number (u32) | CBOR of the lane's state |
//! | `runs` | lane number (4, big-endian) ‖ start (8, big-endian) | CBOR: end, frontier before, packed frame |
//! | `arrivals` | arrival number (u64) | CBOR: lane number, start, end, time or nothing |
//! | `named`, `named-twin` | keyed hash of the name (16) | the value |
//! | `blobs` | keyed hash of the space (8) ‖ of space and key (16) | CBOR: key, value |
//! | `index` | block number (u32) | an index block (see `index`) |
//! | `index-log` | row number (u64) | postings that are not in their blocks yet, in the form of an index block |
//!
//! Invariants:
//! - every commit is `Durability::Immediate` with quick repair, so that opening after a crash takes
//!   milliseconds whatever the size;
//! - after a failed commit or a panic inside redb the database is reopened before it is used again;
//! - redb does not check what it reads: rot in a value fails its seal, and rot in the tree above, which would
//!   look like absence, is told by counts, consecutive numbers and the lanes' sizes;
//! - what cannot be fetched from a peer by asking for a run (states, names, counts) has a twin in another
//!   table, read when the first is damaged.
//!
//! What sealing and counting cannot show: an older copy of the whole file put in its place.
//!
//! The same tables can stand on a [`BlockDevice`](super::BlockDevice) in place of a file: with nonces that are given,
//! the same operations on the same device leave the same bytes.

mod blocks;
mod cache;
mod commit;
mod disk;
mod engine;
mod fault;
mod heal;
mod log;
mod read;
mod relist;
mod repack;
mod rows;
mod store;
mod view;

#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod rot_tests;
#[cfg(test)]
pub(crate) mod rotting;
#[cfg(test)]
mod tests;

pub use store::{RedbStore, StoreOptions};
