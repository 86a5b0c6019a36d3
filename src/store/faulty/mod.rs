//! A disk in memory that loses power, runs full and rots as it is told, always the same from the same seed.
//!
//! *Power.* What was written but not synced is kept or lost sector by sector (512 bytes, the unit that disks promise
//! to write whole), by the toss of a coin: so a write of several sectors can be torn, and later writes can survive
//! earlier ones. *Space.* Overwriting always works, a sector never written before needs space, as on a real file
//! system. *Rot.* Bits flip in sectors that hold something; nobody is told. *Lies.* A disk, or a program, that says
//! that it has synced and has not.
//!
//! Memory: space is taken in chunks of 4 KiB when they are first written; what was not synced is kept twice. A sync
//! costs as much as there is to sync.

mod disk;
mod platter;

pub use disk::FaultDisk;
pub use platter::{DISK_BYTES_MAX, FaultCounters, SECTOR_BYTES};
