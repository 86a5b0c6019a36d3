//! What a sync would send, without sending it.

use std::collections::BTreeMap;

use super::core::Replica;
use super::error::ReplicaError;
use super::sync_answer::PlannedPart;
use crate::base::{LaneId, Part};
use crate::lane::{Run, frame};
use crate::sync::segment::Folder;
use crate::sync::{Group, Outlook, Streams};

/// Plain bytes of each part that are read and folded to tell how many bytes it would be on the wire.
const SAMPLE_BYTES: usize = 8 << 20;
/// Plain bytes read from the store at once.
const READ_BYTES: usize = 1 << 20;

/// What was folded of one part.
#[derive(Default)]
struct Sample {
    entries: u64,
    plain: usize,
    packed: u64,
}

impl Replica {
    /// Tells what a session found to be sent, by area and part, the most urgent first. Bytes are those of a sample of
    /// each part, as the wire would pack it, times what there is of it.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn planned(
        &self,
        outlook: BTreeMap<Group, Outlook>,
        ahead: impl Iterator<Item = (LaneId, Part, u64)>,
    ) -> Result<Vec<PlannedPart>, ReplicaError> {
        let mut samples: BTreeMap<Part, Sample> = BTreeMap::new();
        let mut folder = Folder::new(Streams::default());
        for (lane, part, from) in ahead {
            let sample = samples.entry(part).or_default();
            let mut next = from;
            while sample.plain < SAMPLE_BYTES {
                let runs: Vec<Run> = self.store.runs(&lane, next, READ_BYTES)?;
                let Some(end) = runs.last().map(Run::end) else { break };
                let plain: Vec<Vec<u8>> = runs
                    .into_iter()
                    .map(|mut run| {
                        run.trim_start(next);
                        frame::encode_plain(&run)
                    })
                    .collect();
                // What no message could hold is left out of the sample.
                if let Ok(segment) = folder.fold(plain.iter().map(Vec::as_slice)) {
                    sample.packed += segment.len() as u64;
                    sample.entries += end - next;
                }
                sample.plain += plain.iter().map(Vec::len).sum::<usize>();
                next = end;
            }
        }
        let about = |part: Part, entries: u64| {
            let sample = samples.get(&part).filter(|sample| sample.entries > 0);
            sample.map_or(0, |sample| {
                (u128::from(sample.packed) * u128::from(entries) / u128::from(sample.entries)) as u64
            })
        };
        let planned = |(group, outlook): (Group, Outlook)| PlannedPart {
            send_bytes_about: about(group.part, outlook.send_entries),
            area: group.area,
            part: group.part,
            send_lanes: outlook.send_lanes,
            send_entries: outlook.send_entries,
            take_lanes: outlook.take_lanes,
            take_entries: outlook.take_entries,
            forked: outlook.forked,
        };
        let is_something = |(_, outlook): &(Group, Outlook)| *outlook != Outlook::default();
        Ok(outlook.into_iter().filter(is_something).map(planned).collect())
    }
}
