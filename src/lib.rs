//! Musubi (結び): patient records that every hospital and every field tablet can go on reading and
//! writing alone, and that tie themselves together again, losing nothing, when any path returns.
//!
//! The modules stand in layer order: each imports only what is above it here.
//! `docs/architecture.md` draws the house.

#![warn(missing_docs)]

// L0
pub mod base;
// L1
pub mod identity;
pub mod record;
// L2
pub mod chart;
pub mod lane;
// L3
pub mod sync;
// L4
pub mod backup;
pub mod bundle;
pub mod interop;
pub mod store;
pub mod transport;
// L5
pub mod replica;
// L6
pub mod drill;
// L7
pub mod bench;
// L8
pub mod cli;
