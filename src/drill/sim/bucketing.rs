//! Machines that sync through the simulated bucket, as replicas do that no UDP reaches.

use super::stage::now_or_never;
use super::world::{Due, World};
use crate::backup::Bucket;
use crate::drill::error::StepFailure;

impl World<'_> {
    /// Lets a machine look into the bucket, and plans its next look.
    pub(super) fn look_into_bucket(&mut self, node: usize) {
        let Some(every) = self.scenario.replicas[node].bucket_every else { return };
        self.queue.push(self.now + every, Due::LookIntoBucket { node });
        if self.grid.runs(node)
            && let Err(failure) = self.sync_with_bucket(node)
        {
            // As a running replica, it tries again at the next turn.
            tracing::debug!(%failure, node, "the bucket waits for the next turn");
        }
    }

    fn sync_with_bucket(&mut self, node: usize) -> Result<(), StepFailure> {
        let replica = self.running(node)?;
        let bucket = Bucket::Memory(self.bucket.clone());
        let mut unheard = |_| {};
        match now_or_never(replica.sync_with_bucket(&bucket, super::stage::BUCKET, &mut unheard))? {
            Ok(synced) => {
                self.recorder.sync_bytes += synced.bytes_received + synced.bytes_sent;
                if synced.received + synced.sent > 0 {
                    self.trace.note(self.now, "bucket", node as u64, &synced.received.to_be_bytes());
                    self.has_changed(node);
                }
                Ok(())
            }
            Err(error) => {
                self.recorder.faults.bucket_refusals += 1;
                drop(replica);
                self.see_to(node);
                Err(super::stage::failed(error))
            }
        }
    }
}
