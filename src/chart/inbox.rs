//! The order in which arriving changes are judged, and what waits.
//!
//! Changes of one lane are judged in the lane's order: while one waits for its dependencies, those behind
//! it wait too. Otherwise a device that writes two changes of one sequence, the first with a dependency
//! that arrives late, would have one of them accepted here and the other there. Lanes do not wait for one
//! another, so a device that names dependencies which never come holds up only itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::ChartChange;
use super::limits::{WAITING_BYTES_MAX, WAITING_CHANGES_MAX};

/// The place of a change in its lane: the entry's sequence, and the index within the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LanePlace {
    /// The sequence of the entry.
    pub sequence: u64,
    /// The index of the change within the entry.
    pub index: u32,
}

/// A change as a lane brought it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The actor that the lane's device has in this document.
    pub actor: ActorBytes,
    /// Where the change stands in the lane.
    pub place: LanePlace,
    /// The bytes of the change.
    pub bytes: Vec<u8>,
}

/// A change that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The actor whose lane brought it.
    pub actor: ActorBytes,
    /// Where it stands in the lane.
    pub place: LanePlace,
    /// The change that the first one waiting in this lane has yet to see; the others wait behind it.
    pub missing: ChangeHash,
}

/// Changes that arrived and are not judged yet, by lane and place; bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Inbox {
    lanes: BTreeMap<ActorBytes, BTreeMap<LanePlace, ChartChange>>,
    /// What the first waiting change of each lane lacks; empty while draining.
    missing: BTreeMap<ActorBytes, ChangeHash>,
    /// From which place on a lane was cut off for want of space.
    cut: BTreeMap<ActorBytes, LanePlace>,
    changes: usize,
    bytes: usize,
}

impl Inbox {
    /// Adds a change; `false` when its lane was cut off before it and has to be brought again from there.
    pub(super) fn push(&mut self, actor: &ActorBytes, place: LanePlace, change: ChartChange) -> bool {
        if let Some(cut) = self.cut.get(actor) {
            if place > *cut {
                return false;
            }
            self.cut.remove(actor);
        }
        let lane = self.lanes.entry(actor.clone()).or_default();
        if let std::collections::btree_map::Entry::Vacant(vacant) = lane.entry(place) {
            self.changes += 1;
            self.bytes += change.bytes().len();
            vacant.insert(change);
        }
        true
    }

    /// Judges in order: calls `judge` with the first change of each lane as long as it decides.
    ///
    /// Whenever `judge` admits a change, the lanes that waited for it are tried again.
    pub(super) fn drain(&mut self, mut judge: impl FnMut(&ActorBytes, LanePlace, &ChartChange) -> Decision) {
        self.missing.clear();
        let mut ready: BTreeSet<ActorBytes> = self.lanes.keys().cloned().collect();
        let mut blocked: HashMap<ChangeHash, Vec<ActorBytes>> = HashMap::new();
        while let Some(actor) = ready.pop_first() {
            while let Some(first) = self.lanes.get_mut(&actor).and_then(|lane| lane.first_entry()) {
                match judge(&actor, *first.key(), first.get()) {
                    Decision::Admitted => {
                        ready.extend(blocked.remove(&first.get().hash()).unwrap_or_default())
                    }
                    Decision::Dropped => {}
                    Decision::Waits(missing) => {
                        blocked.entry(missing).or_default().push(actor.clone());
                        self.missing.insert(actor.clone(), missing);
                        break;
                    }
                }
                let change = first.remove();
                self.changes -= 1;
                self.bytes -= change.bytes().len();
                self.missing.remove(&actor);
            }
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
    }

    /// Drops the ends of the longest lanes until the limits hold, and returns what was dropped.
    pub(super) fn shrink(&mut self) -> Vec<(ActorBytes, LanePlace)> {
        let mut dropped = Vec::new();
        while self.changes > WAITING_CHANGES_MAX || self.bytes > WAITING_BYTES_MAX {
            let longest =
                self.lanes.iter().max_by_key(|(_, lane)| lane.len()).map(|(actor, _)| actor.clone());
            let Some(actor) = longest else { break };
            let Some((place, change)) = self.lanes.get_mut(&actor).and_then(BTreeMap::pop_last) else {
                break;
            };
            self.changes -= 1;
            self.bytes -= change.bytes().len();
            self.cut.insert(actor.clone(), place);
            dropped.push((actor, place));
        }
        for (actor, _) in &dropped {
            if self.lanes.get(actor).is_some_and(BTreeMap::is_empty) {
                self.lanes.remove(actor);
                self.missing.remove(actor);
            }
        }
        dropped
    }

    /// Returns what waits, by actor and place.
    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let lanes = self
            .missing
            .iter()
            .filter_map(|(actor, missing)| Some((actor, *missing, self.lanes.get(actor)?)));
        lanes
            .flat_map(|(actor, missing, lane)| {
                lane.keys().map(move |place| Waiting { actor: actor.clone(), place: *place, missing })
            })
            .collect()
    }
}

/// What was decided of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is in the history now.
    Admitted,
    /// It was known or is refused.
    Dropped,
    /// It waits for this change.
    Waits(ChangeHash),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Chart, genesis_bytes};

    fn actor(n: u8) -> ActorBytes {
        ActorBytes::from([n; 16])
    }

    fn place(sequence: u64) -> LanePlace {
        LanePlace { sequence, index: 0 }
    }

    fn any_change() -> ChartChange {
        ChartChange::parse(&genesis_bytes()).unwrap()
    }

    #[test]
    fn a_change_does_not_overtake_one_that_waits_in_its_lane() {
        let mut inbox = Inbox::default();
        inbox.push(&actor(1), place(2), any_change());
        inbox.push(&actor(1), place(1), any_change());
        inbox.push(&actor(2), place(9), any_change());
        let mut judged = Vec::new();
        let missing = ChangeHash([5; 32]);
        inbox.drain(|actor, place, _| {
            judged.push((actor.clone(), place.sequence));
            if place.sequence == 1 { Decision::Waits(missing) } else { Decision::Dropped }
        });
        assert_eq!(judged, [(actor(1), 1), (actor(2), 9)]);
        let places: Vec<_> = inbox.waiting().iter().map(|waiting| waiting.place.sequence).collect();
        assert_eq!(places, [1, 2]);
    }

    #[test]
    fn an_inbox_that_is_full_cuts_the_longest_lane_and_takes_it_up_again_from_the_cut() {
        let mut inbox = Inbox::default();
        let extra = 3;
        for n in 0..(WAITING_CHANGES_MAX + extra) as u64 {
            assert!(inbox.push(&actor(1), place(n), any_change()));
        }
        inbox.push(&actor(2), place(0), any_change());
        let dropped = inbox.shrink();
        assert_eq!(dropped.len(), extra + 1);
        let cut = WAITING_CHANGES_MAX as u64 - 1;
        assert_eq!(dropped.last(), Some(&(actor(1), place(cut))));

        assert!(!inbox.push(&actor(1), place(cut + 1), any_change()));
        assert!(inbox.push(&actor(1), place(cut), any_change()));
        assert!(inbox.push(&actor(1), place(cut + 1), any_change()));
    }

    #[test]
    fn a_change_that_arrives_twice_is_held_once() {
        let mut chart = Chart::new(actor(1));
        let change = chart.splice_handover(0, 0, "a", 0).unwrap();
        let mut inbox = Inbox::default();
        inbox.push(&actor(1), place(1), change.clone());
        inbox.push(&actor(1), place(1), change);
        assert_eq!(inbox.changes, 1);
    }
}
