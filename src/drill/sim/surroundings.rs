//! Lines and machines of the simulated world: what becomes usable, what fails, what is heard.

use tokio::sync::broadcast::error::TryRecvError;

use super::world::{Due, World};
use crate::drill::deed::PathState;
use crate::lane::LaneName;
use crate::replica::Replica;
use crate::replica::core::Changed;
use crate::transport::BACKOFF_MAX;
use std::time::Duration;

/// How soon the indexer follows what has arrived on a disk.
const INDEX_AFTER: Duration = Duration::from_secs(1);
/// After how many entries the index of a memory store follows.
const INDEX_ENTRIES: u64 = 4_096;

/// Entries by which a lane has grown.
pub(super) struct Grown {
    /// The lane.
    pub(super) name: LaneName,
    /// The first new entry.
    pub(super) from: u64,
    /// The entry after the last new one.
    pub(super) to: u64,
}

impl World<'_> {
    /// Sees whether a line has become usable or unusable.
    pub(super) fn notice(&mut self, line: usize) {
        let usable = self.grid.is_usable(line, self.now);
        let it = &mut self.lines[line];
        if usable {
            it.down_since = None;
            self.resume(line);
            if self.lines[line].connection.is_none() && self.lines[line].wanted {
                self.lines[line].wanted = false;
                let jitter = BACKOFF_MAX.mul_f64(self.chance.unit());
                if !std::mem::replace(&mut self.lines[line].dialling, true) {
                    self.queue.push(self.now + jitter, Due::Dial { line });
                }
            }
        } else {
            let since = *it.down_since.get_or_insert(self.now);
            if let Some(connection) = &it.connection {
                let epoch = connection.epoch;
                // A line that flaps is up again by itself.
                match self.grid.lines[line].next_up(self.now).filter(|up| *up < since + self.idle_max) {
                    Some(up) if self.grid.lines[line].state != PathState::Down => {
                        self.queue.push(up, Due::Dial { line });
                        self.queue.push(up, Due::Tick { line, epoch });
                    }
                    Some(_) | None => {
                        self.queue.push(since + self.idle_max, Due::Break { line, epoch, since });
                    }
                }
            }
        }
    }

    /// Sends again what a line that is back has held up.
    fn resume(&mut self, line: usize) {
        for end in [0, 1] {
            let (now, it) = (self.now, &self.grid.lines[line]);
            let (profile, loss) = (it.profile().clone(), it.loss(end));
            let Some(connection) = &mut self.lines[line].connection else { return };
            let epoch = connection.epoch;
            let held = std::mem::take(&mut connection.pipes[end].stalled);
            for (number, message) in held {
                let pipe = &mut connection.pipes[end];
                let arrival = pipe.depart(now, message.len(), &profile, loss, &mut self.chance);
                self.queue.push(arrival.at, Due::Deliver { line, epoch, end, number, message });
            }
        }
    }

    /// Learns that something about a machine or its lines has changed.
    pub(super) fn surroundings_changed(&mut self, node: usize) {
        let lines = self.grid.lines_of(node).to_vec();
        let others: Vec<usize> = lines.iter().map(|line| self.grid.lines[*line].other(node)).collect();
        for line in lines {
            self.notice(line);
        }
        for member in others.into_iter().chain([node]) {
            let able = self.grid.able(member, self.now);
            self.recorder.able(self.now, member, able);
        }
        self.whole();
    }

    /// Notes whether everything is whole after something has changed; what held the same until then has converged, although
    /// in a large region nobody looked.
    pub(super) fn whole(&mut self) {
        let whole = self.grid.is_whole();
        if let (false, Some(healed)) = (whole, self.recorder.healing())
            && self.are_equal()
        {
            let (heard, last) = self.last_heard;
            self.recorder.converged(heard.max(healed), last.filter(|_| heard > healed));
        }
        self.recorder.whole(self.now, whole);
    }

    /// Notes that a machine's lanes may have changed.
    pub(super) fn has_changed(&mut self, node: usize) {
        self.changed.push_back(node);
    }

    /// Tells all sessions of what has changed, until nothing more does.
    pub(super) fn spread(&mut self) {
        while let Some(node) = self.changed.pop_front() {
            self.listen(node);
            let told = std::mem::take(&mut self.nodes[node].untold);
            if told.is_empty() {
                continue;
            }
            for line in self.grid.lines_of(node).to_vec() {
                self.hear_vital(line, node, &told);
                let end = usize::from(self.grid.lines[line].ends[1] == node);
                let Some(connection) = &mut self.lines[line].connection else { continue };
                told.iter().for_each(|changed| connection.exchanges[end].changed(changed.clone()));
                self.pump(line, end);
                self.after(line);
            }
        }
        if self.recorder.healing().is_some() && self.is_small() && self.are_equal() {
            self.recorder.converged(self.now, self.last_heard.1);
        }
    }

    /// Takes what a replica tells of its lanes: for the sessions, which hear it next, and for the watch. Returns by
    /// what the lanes have grown.
    pub(super) fn listen(&mut self, node: usize) -> Vec<Grown> {
        let (now, it) = (self.now, &mut self.nodes[node]);
        let (Some(replica), Some(changes)) = (&it.replica, it.changes.as_mut()) else { return Vec::new() };
        let mut told = Vec::new();
        loop {
            match changes.try_recv() {
                Ok(changed) => told.push(changed),
                Err(TryRecvError::Lagged(_)) => told = all_heads(replica),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        let (mut grown, mut entries) = (Vec::new(), 0);
        for changed in told {
            let from = it.knowledge.size(&changed.name.id());
            let new = it.knowledge.learn(now, &changed.name, &changed.head);
            entries += new;
            grown.push(Grown { name: changed.name.clone(), from, to: from + new });
            it.untold.push(changed);
        }
        it.unindexed += entries;
        if entries > 0 {
            self.last_heard = (now, Some(node));
        }
        let on_disk = it.device().is_some();
        if entries > 0 {
            self.look_at_return(node);
        }
        let it = &mut self.nodes[node];
        if on_disk && entries > 0 && !std::mem::replace(&mut it.index_due, true) {
            self.queue.push(now + INDEX_AFTER, Due::Index { node });
        } else if !on_disk && it.unindexed >= INDEX_ENTRIES {
            self.index(node);
        }
        grown
    }

    /// Learns anew all that a replica holds, after it has started.
    pub(super) fn learn_all(&mut self, node: usize) {
        let Some(replica) = self.nodes[node].replica.clone() else { return };
        let now = self.now;
        for changed in all_heads(&replica) {
            self.nodes[node].knowledge.learn(now, &changed.name, &changed.head);
        }
    }

    pub(super) fn index(&mut self, node: usize) {
        let it = &mut self.nodes[node];
        it.index_due = false;
        it.unindexed = 0;
        if let Some(replica) = it.replica.clone()
            && (replica.index_step().is_err() || replica.repack_step().is_err())
        {
            self.see_to(node);
        }
    }

    pub(super) fn scrub(&mut self, node: usize) {
        let Some(replica) = self.nodes[node].replica.clone().filter(|_| self.grid.runs(node)) else { return };
        match replica.scrub() {
            Ok(damaged) => {
                self.recorder.faults.rot_found += damaged.len() as u64;
                if !damaged.is_empty() {
                    // The sessions end by themselves at their next tick, and the new ones ask for what is lost.
                    self.trace.note(self.now, "rot found", node as u64, &[]);
                    for line in self.grid.lines_of(node).to_vec() {
                        let epoch = self.lines[line].connection.as_ref().map(|it| it.epoch);
                        if let Some(epoch) = epoch {
                            self.queue.push(self.now, Due::Tick { line, epoch });
                        }
                    }
                }
            }
            Err(_) => {
                drop(replica);
                self.see_to(node);
                if self.grid.nodes[node].up {
                    self.condemn(node);
                }
            }
        }
    }

    /// Sees to a machine whose store has failed: one without power is down.
    pub(super) fn see_to(&mut self, node: usize) {
        if self.nodes[node].device().is_some_and(|device| !device.is_up()) && self.grid.nodes[node].up {
            self.goes_down(node);
        }
    }

    /// Switches a machine off, without a word to anybody.
    pub(super) fn goes_down(&mut self, node: usize) {
        self.listen(node);
        self.grid.nodes[node].up = false;
        self.hang_up_all(node);
        self.nodes[node].halt();
        self.doors[node].forget();
        self.trace.note(self.now, "down", node as u64, &[]);
        self.surroundings_changed(node);
    }
}

fn all_heads(replica: &Replica) -> Vec<Changed> {
    let lanes = replica.lanes().into_values();
    lanes.map(|state| Changed { name: state.name.clone(), head: state.head() }).collect()
}
