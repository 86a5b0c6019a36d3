//! Machines that go on from an older copy of their disk, as a virtual machine does that is set back to a snapshot.
//!
//! What such a machine writes, its device signs a second time at places of its lanes at which others hold something
//! else: a fork. Which of the two a machine holds is not told by how many entries it holds; so records of which anything
//! stands at such a place are looked at no more by the oracles. What must hold of them: nothing of either history is
//! lost, all hold the same, and everybody is told.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::Acknowledged;
use super::world::World;
use crate::base::{Area, LaneId, Part, RecordId};
use crate::drill::error::StepFailure;
use crate::drill::invariants::Looked;
use crate::lane::{AppendError, LaneName, LaneState};
use crate::replica::core::Append;
use crate::replica::{Replica, ReplicaError};

/// Places of lanes at which a device may have signed two histories.
#[derive(Debug, Default)]
pub(super) struct Forkable {
    /// The first such place of each lane.
    from: BTreeMap<LaneId, u64>,
}

impl Forkable {
    /// Says whether a device may have signed two histories at a place.
    pub(super) fn is_at(&self, lane: &LaneId, seq: u64) -> bool {
        self.from.get(lane).is_some_and(|from| seq >= *from)
    }
}

impl World<'_> {
    /// Makes a copy of a machine's disk, in place of the one before; without a simulated disk nothing happens.
    pub(super) fn copy_disk(&mut self, at: usize) {
        self.nodes[at].copy_disk();
    }

    /// Lets a machine that runs go on from the copy of its disk, if there is one of this disk.
    ///
    /// # Errors
    /// [`StepFailure`] when it does not start from it.
    pub(super) fn set_back(&mut self, at: usize) -> Result<(), StepFailure> {
        let Some(replica) = self.replica(at) else { return Ok(()) };
        if !self.nodes[at].has_copy() {
            return Ok(());
        }
        self.listen(at);
        let me = replica.me().device;
        let before = replica.lanes();
        drop(replica);
        self.goes_down(at);
        self.nodes[at].use_copy();
        self.start(at)?;
        let Some(replica) = self.nodes[at].replica.clone() else { return Ok(()) };
        let lanes = replica.lanes();
        let size = |lane: &LaneId| lanes.get(lane).map_or(0, LaneState::size);
        for (lane, had) in before.iter().filter(|(_, had)| had.name.device == me) {
            if size(lane) < had.size() {
                let from = self.forkable.from.entry(*lane).or_insert(u64::MAX);
                *from = (*from).min(size(lane));
            }
        }
        self.trace.note(self.now, "set back", at as u64, &[]);
        // What stood nowhere else is gone with the disk.
        let nodes = &self.nodes;
        let here = |lane: &LaneId, seq: u64| {
            before.get(lane).is_some_and(|had| had.size() > seq) && size(lane) <= seq
        };
        let elsewhere = |lane: &LaneId, seq: u64| {
            let mut others = nodes.iter().enumerate().filter(|(node, _)| *node != at);
            others.any(|(_, node)| node.knowledge.size(lane) > seq)
        };
        // Where two histories may stand, nobody can tell by sizes who holds which.
        let forkable = &self.forkable;
        let gone = |write: &Acknowledged| {
            let (lane, seq) = (&write.lane, write.seq);
            here(lane, seq) && (write.again && forkable.is_at(lane, seq) || !elsewhere(lane, seq))
        };
        self.ledger.forgive(gone);
        let doubtful =
            self.ledger.writes().iter().filter(|write| self.forkable.is_at(&write.lane, write.seq));
        self.doubtful.extend(doubtful.filter_map(|write| write.record));
        Ok(())
    }

    /// Says whether a machine holds what was written at a place, and it is certain what that is.
    pub(super) fn holds(&self, node: usize, lane: &LaneId, seq: u64) -> bool {
        self.nodes[node].knowledge.size(lane) > seq && !self.forkable.is_at(lane, seq)
    }

    /// Says whether something of a record stands where a device may have signed two histories: then it is not certain
    /// who holds what of it.
    pub(super) fn is_doubtful(&self, record: &RecordId) -> bool {
        self.doubtful.contains(record)
    }

    /// Looks whether every lane of which two histories were acknowledged is known to be forked by all who hold its area,
    /// and whether its device refuses to go on.
    pub(super) fn look_at_forks(&self, seen: &mut Looked) {
        let mut signed: BTreeMap<(LaneId, u64), &Acknowledged> = BTreeMap::new();
        let mut forked: BTreeMap<LaneId, (Area, Part)> = BTreeMap::new();
        for write in self.ledger.writes().iter().filter(|write| !write.forgiven && write.leaf.is_some()) {
            let first = signed.entry((write.lane, write.seq)).or_insert(write);
            if first.leaf != write.leaf {
                forked.insert(write.lane, (write.area.clone(), write.part));
            }
        }
        for (lane, (area, part)) in &forked {
            for node in 0..self.nodes.len() {
                let Some(replica) = self.nodes[node].replica.as_deref() else { continue };
                if !self.scenario.replicas[node].holds(area, *part) {
                    continue;
                }
                let name = &self.scenario.replicas[node].name;
                let state = replica.lanes().remove(lane);
                let told = state.as_ref().is_some_and(|state| state.fork.is_some());
                seen.note(told, || format!("{name} does not know that lane {} is forked", lane.short()));
                let own = state.as_ref().is_some_and(|state| state.name.device == replica.me().device);
                if let (true, true, Some(state)) = (told, own, state) {
                    let refused = refuses(replica, state.name);
                    seen.note(refused, || {
                        format!("{name} goes on to write to its forked lane {}", lane.short())
                    });
                }
            }
        }
    }
}

/// Says whether a replica refuses to append to a lane because it is forked.
fn refuses(replica: &Replica, LaneName { area, part, .. }: LaneName) -> bool {
    let nothing = Append { area, part, entries: Vec::new(), knowing: BTreeSet::new() };
    matches!(replica.append(vec![nothing]), Err(ReplicaError::Append(AppendError::Forked(_))))
}
