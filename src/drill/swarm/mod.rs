//! The hardest test of the house: random small regions with all faults on, one for each seed.
//!
//! In the spirit of FoundationDB's simulation and TigerBeetle's VOPR: the production code runs in virtual time, and
//! everything that can go wrong does. As in swarm testing (Groce, Zhang, Eide, Chen, Regehr: Swarm Testing, ISSTA
//! 2012) each seed leaves out a random subset of the fault classes: what many faults together would hide, few show.
//!
//! Invariants:
//!
//! 1. A region is a scenario file: [`Region::text`] is read by the ordinary reader, so that a seed that fails is a
//!    file that anybody can run, read and shorten.
//! 2. A region is made so that Musubi's promises can be kept: at its end everything is mended, nothing rots that only
//!    one disk holds, and there is time enough. Whatever an invariant says then is a bug.
//! 3. A sweep that finds nothing must have tried: every class of faults happened and had an effect, and every judgement
//!    compared something, or it fails.
//!
//! Threads with concurrent sides that mean different things come of lists: a later version of an imported allergy, and
//! those who refute the earlier one without knowing of it.
//!
//! Known limits: the gateway is never set back (a bucket into which two histories of a lane were written is not restored,
//! region 562); nothing is carried from one area into another, because no command does it yet; of records of which
//! something stands where a device that was set back may have signed two histories, it is only judged that nothing is
//! lost and that all show the same.
//!
//! [`region`] is what a region is; [`invent`] makes one from a seed, with its `places`, the `arguments` of its people,
//! the `lists` that they import, its `faults` and its `clones`; `text` writes and reads it; [`verdict`] runs one
//! and judges it; [`mod@sweep`] does so with many; [`mod@shrink`] finds the smallest region that fails in the same way.

mod arguments;
pub mod class;
mod clones;
mod extras;
mod faults;
pub mod invent;
mod lists;
mod places;
mod quiet;
pub mod region;
mod report;
pub mod shrink;
pub mod sweep;
#[cfg(test)]
mod tests;
mod text;
pub mod verdict;

pub use region::Region;
pub use report::{Failure, SweepReport};
pub use shrink::{Shrunk, shrink};
pub use sweep::{SweepOptions, SweepProgress, sweep};
pub use verdict::{Broken, Verdict};
