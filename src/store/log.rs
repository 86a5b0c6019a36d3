//! A store as the log that admission reads.

use super::api::Store;
use super::error::StoreError;
use crate::base::LaneId;
use crate::lane::admission::LaneLog;
use crate::lane::{Frontier, Run};

/// How many bytes of entry bodies are read at once.
const PAGE_BYTES: usize = 1 << 20;

/// A store, read by admission.
#[derive(Clone, Copy)]
pub struct StoreLog<'a>(
    /// The store.
    pub &'a dyn Store,
);

impl LaneLog for StoreLog<'_> {
    type Error = StoreError;

    fn runs(&self, lane: &LaneId, from: u64, to: u64) -> Result<Vec<Run>, StoreError> {
        let (mut runs, mut next) = (Vec::new(), from);
        while next < to {
            // Mostly one entry is asked for, of a run that is asked for again.
            let limit_bytes = if to - next == 1 { 1 } else { PAGE_BYTES };
            let page = self.0.runs(lane, next, limit_bytes)?;
            let Some(last) = page.last() else { break };
            next = last.end();
            runs.extend(page.into_iter().filter(|run| run.start < to));
        }
        Ok(runs)
    }

    fn frontier_at(&self, lane: &LaneId, seq: u64) -> Result<Frontier, StoreError> {
        self.0.frontier_at(lane, seq)
    }
}
