//! Disks that rotted beyond use: the store says so and refuses, and people put a new disk in.
//!
//! Runs that rotted are healed from peers. What else is on a disk (the roster, the tables of lanes, the pages of the
//! database) is noticed and not healed: the replica does not start, or its scrub fails. Then its operator does what
//! the guide says: throws the disk away and restores the device from the bucket.

use super::world::World;
use crate::drill::error::StepFailure;

impl World<'_> {
    /// Throws a disk away whose store has refused it, if it rotted; says whether it did.
    pub(super) fn condemn(&mut self, at: usize) -> bool {
        let node = &self.nodes[at];
        if node.device().is_none_or(|device| device.counters().sectors_rotten == 0) {
            return false;
        }
        self.recorder.faults.rot_found += 1;
        self.trace.note(self.now, "condemned", at as u64, &[]);
        self.destroy(at);
        self.nodes[at].awaits_disk = true;
        // If the bucket is out of reach now, the next attempt to start the machine tries again.
        let _ = self.replace_disk(at);
        true
    }

    /// Puts a new disk in and fills it from the bucket; without a bucket, or while it is out of reach, the machine
    /// stays as it is.
    ///
    /// # Errors
    /// [`StepFailure`] when the restore fails.
    pub(super) fn replace_disk(&mut self, at: usize) -> Result<(), StepFailure> {
        if !self.grid.bucket || self.bucket_at.is_none() {
            return Ok(());
        }
        self.nodes[at].awaits_disk = false;
        self.restore(at)?;
        self.start(at)
    }
}
