//! Looks whether what replicas say of each other is so: what one says that another holds is compared with that one's disk.

use std::collections::BTreeMap;

use super::world::World;
use crate::base::DeviceId;
use crate::lane::{Head, LaneState};

impl World<'_> {
    /// Looks at what the two ends of a line say of each other and of all others.
    pub(super) fn look_at_held_over(&mut self, line: usize) {
        for node in self.grid.lines[line].ends {
            self.look_at_held_by(node);
        }
    }

    /// Looks at what every machine says of the others.
    pub(super) fn look_at_held(&mut self) {
        for node in 0..self.nodes.len() {
            self.look_at_held_by(node);
        }
    }

    /// Compares what a machine says of those that run with what these hold; in a small region only.
    fn look_at_held_by(&mut self, node: usize) {
        let Some(replica) = self.nodes[node].replica.clone().filter(|_| self.is_small()) else { return };
        // A failing disk says nothing.
        let Ok(said) = replica.held_elsewhere() else { return };
        let mut there: BTreeMap<DeviceId, (usize, BTreeMap<_, LaneState>)> = BTreeMap::new();
        for (other, it) in self.nodes.iter().enumerate().filter(|(other, _)| *other != node) {
            let spoilt = it.set_back || it.counters().sectors_rotten > 0;
            if let Some(other_replica) = it.replica.as_ref().filter(|_| !spoilt) {
                there.insert(other_replica.me().device, (other, other_replica.lanes()));
            }
        }
        let names = |node: usize| &self.scenario.replicas[node].name;
        for (device, lane, size) in said {
            // Of a disk that was destroyed nobody can tell; where two histories may stand, sizes do not.
            let Some((other, lanes)) = there.get(&device) else { continue };
            if size == 0 || self.forkable.is_at(&lane, size - 1) {
                continue;
            }
            let held = lanes.get(&lane).map_or(0, held_of);
            self.clinical.held.note(held >= size, || {
                let lane = lane.short();
                format!(
                    "{} says that {} holds {size} entries of lane {lane}, which has {held}",
                    names(node),
                    names(*other)
                )
            });
        }
    }
}

/// Returns how many entries of a lane a machine holds. A forked lane's trunk ends at a checkpoint at or below the fork, and
/// its branches begin there: everything below the fork is held.
fn held_of(state: &LaneState) -> u64 {
    match state.head() {
        Head::Straight { size, .. } => size,
        Head::Forked { at, .. } => at.max(state.size()),
    }
}
