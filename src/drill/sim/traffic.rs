//! What a run puts on machines and lines: how soon what was written is everywhere, how soon who returns has the cards of its
//! areas, and how much each machine holds at most.

use std::time::Duration;

use super::world::World;
use crate::base::{Area, LaneId, Part};
use crate::drill::load::{Arrived, Load, Return, Traffic};
use crate::drill::scenario::Expectation;

/// Bytes that a session's compressing context reserves once something was sent: tables, a window of 2 MiB, buffers. What is
/// resident was 1.3 MB after 4 MB of text.
const ENCODER_BYTES: u64 = 3_600_000;
/// Bytes that its unfolding context takes once something came.
const DECODER_BYTES: u64 = 2_300_000;
/// Bytes that a head of the peer takes in a session's tables: id, size, root, and the links of a tree.
const HEAD_BYTES: u64 = 160;

/// How often a machine that sends is weighed, at most.
const WEIGHED_EVERY: Duration = Duration::from_millis(250);

/// What a machine holds in memory now, and has held at most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holding {
    /// Of sessions: bytes sent and not heard by the peer.
    under_way: u64,
    /// When that was last looked at.
    weighed: Duration,
    /// How many entries there were when the store was last weighed, and how much it was.
    store: (u64, u64),
    most: Load,
}

/// A machine that has returned and does not have its cards yet.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Where the return is noted.
    place: usize,
    /// The lanes that it lacks, with their sizes.
    lanes: Vec<(LaneId, u64)>,
}

impl World<'_> {
    /// Notes that a machine has returned: which cards of its own areas it lacks that others in its reach hold.
    pub(super) fn has_returned(&mut self, node: usize) {
        if !self.scenario.expectations.iter().any(|one| matches!(one, Expectation::CardsAfterReturn { .. })) {
            return;
        }
        let mut lanes: Vec<(LaneId, u64)> = Vec::new();
        let areas: Vec<Area> = self.scenario.replicas[node].areas.iter().cloned().collect();
        for area in areas {
            let groups = self.groups(&area, Part::Card);
            let Some(group) = groups[node] else { continue };
            let reached = (0..groups.len()).filter(|other| *other != node && groups[*other] == Some(group));
            // Few hold an area and many of those hold the same: only what differs is looked at lane by lane.
            let mut seen: Vec<u64> = Vec::new();
            for other in reached {
                let sum = self.nodes[other].knowledge.sum(&area, Part::Card);
                if !seen.contains(&sum) {
                    seen.push(sum);
                    lanes.extend(self.nodes[other].knowledge.lanes_of(&area, Part::Card));
                }
            }
        }
        lanes.sort_unstable_by_key(|(lane, size)| (*lane, std::cmp::Reverse(*size)));
        lanes.dedup_by_key(|(lane, _)| *lane);
        let knowledge = &self.nodes[node].knowledge;
        let lacked = lanes.iter().map(|(lane, size)| size.saturating_sub(knowledge.size(lane))).sum();
        let place = self.traffic.returns.len();
        self.traffic.returns.push(Return { member: node, at: self.now, had: None, lacked });
        self.nodes[node].waits = Some(Waiting { place, lanes });
        self.look_at_return(node);
    }

    /// Sees whether a machine that has returned has its cards by now.
    pub(super) fn look_at_return(&mut self, node: usize) {
        let (now, it) = (self.now, &mut self.nodes[node]);
        let Some(waits) = &mut it.waits else { return };
        while let Some((lane, size)) = waits.lanes.last() {
            if it.knowledge.size(lane) < *size {
                return;
            }
            waits.lanes.pop();
        }
        self.traffic.returns[waits.place].had = Some(now);
        it.waits = None;
    }

    /// Notes that a message leaves one end of a line, or (`false`) is heard or lost.
    pub(super) fn under_way(&mut self, node: usize, bytes: usize, leaves: bool) {
        let under_way = &mut self.holdings[node].under_way;
        let bytes = bytes as u64;
        *under_way = if leaves { *under_way + bytes } else { under_way.saturating_sub(bytes) };
    }

    /// Looks at what a machine holds now, where an expectation asks for it.
    pub(super) fn weigh(&mut self, node: usize) {
        if !self.weighs || self.now < self.holdings[node].weighed + WEIGHED_EVERY {
            return;
        }
        self.holdings[node].weighed = self.now;
        let entries = self.nodes[node].knowledge.entries();
        if self.holdings[node].store.0 != entries {
            self.holdings[node].store = (entries, self.nodes[node].store_bytes());
        }
        let store = self.holdings[node].store.1;
        let (mut sessions, mut bytes) = (0, self.holdings[node].under_way);
        let listed = self.nodes[node]
            .replica
            .as_ref()
            .map_or(0, |replica| replica.groups().iter().map(|group| group.lanes).sum());
        for line in self.grid.lines_of(node) {
            let Some(connection) = &self.lines[*line].connection else { continue };
            let end = usize::from(self.grid.lines[*line].ends[1] == node);
            let [folds, unfolds] = connection.exchanges[end].contexts();
            sessions += 1;
            bytes += listed * HEAD_BYTES;
            bytes += u64::from(folds) * ENCODER_BYTES + u64::from(unfolds) * DECODER_BYTES;
        }
        let most = &mut self.holdings[node].most;
        most.sessions = most.sessions.max(sessions);
        most.session_bytes = most.session_bytes.max(bytes);
        most.store_bytes = store;
        most.bytes = most.bytes.max(bytes + store);
    }
}

/// Counts what there is to count at the end.
pub(super) fn traffic(world: &mut World<'_>) -> Traffic {
    for node in 0..world.nodes.len() {
        world.holdings[node].weighed = Duration::ZERO;
        world.weigh(node);
    }
    let mut traffic = std::mem::take(&mut world.traffic);
    let doors = world.doors.iter().map(|door| door.turned_away);
    let load = |(holding, turned_away): (&Holding, u64)| Load { turned_away, ..holding.most };
    traffic.loads = world.holdings.iter().zip(doors).map(load).collect();
    let asked =
        |one: &Expectation| matches!(one, Expectation::EverywhereWithin { .. } | Expectation::Waited { .. });
    if world.scenario.expectations.iter().any(asked) {
        traffic.arrived = arrived(world);
    }
    traffic
}

/// When each acknowledged write was on every machine that holds its area and part and still has a disk.
fn arrived(world: &World<'_>) -> Vec<Arrived> {
    let writes = world.ledger.writes().iter().filter(|write| !write.forgiven);
    let everywhere = |area: &Area, part: Part, lane: &LaneId, seq: u64| -> Option<Duration> {
        let plans = world.scenario.replicas.iter().enumerate();
        let mut holders =
            plans.filter(|(node, plan)| plan.holds(area, part) && world.nodes[*node].replica.is_some());
        holders.try_fold(Duration::ZERO, |latest, (node, _)| {
            world.nodes[node].knowledge.since(lane, seq).map(|since| latest.max(since))
        })
    };
    let one = |write: &super::ledger::Acknowledged| {
        let at = everywhere(&write.area, write.part, &write.lane, write.seq);
        Arrived { part: write.part, after: at.map(|at| at.saturating_sub(write.at)) }
    };
    writes.map(one).collect()
}
