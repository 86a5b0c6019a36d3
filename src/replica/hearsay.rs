//! What other devices have signed that they held: the horizon entries in their lanes, whoever relayed those.
//!
//! Nothing of it is kept on disk: the lanes hold it. It is read when somebody asks, from then on only what is new of each
//! lane, and within bounds: what lies beyond them tells nothing, which makes what is told lower.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::core::Replica;
use super::error::ReplicaError;
use super::held_lanes::unless_lost;
use super::horizon::{is_heard, read_before};
use crate::base::limits::{HORIZON_GAP_MAX, RUN_BYTES_MAX};
use crate::base::{DeviceId, LaneId};
use crate::lane::{EntryKind, Horizon, HorizonBody, LaneMark};
use crate::sync::Holdings;

/// Most (device, lane) pairs that are remembered, of some 48 bytes: a region of 300 sites in one area.
const PAIRS_MAX: usize = 1 << 19;
/// A lane that has grown by more is not read through: its last horizon is looked for from the end.
const STEP_MAX: u64 = 256;
/// Entries that are looked at, at most, for somebody who waits for a card, and in a piece of a step.
pub(super) const LISTEN_ENTRIES: u64 = 4_096;
/// Pieces of one step.
const STEP_PIECES: usize = 4;

/// What was read of one lane.
#[derive(Debug, Default)]
struct Said {
    /// How much of the lane was looked at.
    upto: u64,
    /// Where the last horizon entry stands.
    last: Option<u64>,
    /// What its entries give together; none after one that does not continue what it should.
    horizon: Option<Horizon>,
}

/// What other devices have signed that they held.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    /// The heads when lanes were last looked at.
    seen: Holdings,
    /// Lanes that have changed since they were read.
    due: BTreeSet<LaneId>,
    said: HashMap<LaneId, Said>,
    held: HashMap<LaneMark, BTreeMap<DeviceId, u64>>,
    pairs: usize,
}

impl Hearsay {
    /// Returns how much of a lane devices have signed that they held.
    pub(super) fn of(&self, lane: &LaneMark) -> impl Iterator<Item = (&DeviceId, &u64)> {
        self.held.get(lane).into_iter().flatten()
    }

    /// Returns all lanes of which a device has signed that it held something.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&LaneMark, &BTreeMap<DeviceId, u64>)> {
        self.held.iter()
    }

    fn take(&mut self, device: DeviceId, said: &mut Said, seq: u64, body: &HorizonBody) {
        let continues = match body.back {
            None => true,
            Some(back) => said.last.is_some_and(|last| last + back == seq),
        };
        let mut horizon = said.horizon.take().filter(|_| continues).unwrap_or_default();
        if !continues && body.back.is_some() {
            return;
        }
        let Ok(named) = horizon.apply(body) else { return };
        for lane in named.into_iter().map(|number| horizon.lanes()[number]) {
            let devices = self.held.entry(lane.mark).or_default();
            match devices.get_mut(&device) {
                Some(known) => *known = lane.size.max(*known),
                None if self.pairs >= PAIRS_MAX => {}
                None => {
                    devices.insert(device, lane.size);
                    self.pairs += 1;
                }
            }
        }
        (said.last, said.horizon) = (Some(seq), Some(horizon));
    }
}

impl Replica {
    /// Reads what is new of what other devices have signed that they held.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn listen_to_others(
        &self,
        hearsay: &mut Hearsay,
        mut budget: u64,
    ) -> Result<bool, ReplicaError> {
        let me = self.me().device;
        let grown: Vec<(LaneId, Option<(DeviceId, u64)>)> = {
            let inner = self.lock();
            let now = inner.holdings.clone();
            hearsay.due.extend(now.changed_since(&hearsay.seen).into_iter().map(|(lane, _)| lane));
            hearsay.seen = now;
            let others = |lane: &LaneId| {
                let state = inner.lanes.get(lane).filter(|state| {
                    state.name.device != me && state.fork.is_none() && is_heard(state.name.part)
                })?;
                let is_new = hearsay.said.get(lane).map_or(0, |said| said.upto) < state.size();
                is_new.then(|| (state.name.device, state.size()))
            };
            hearsay.due.iter().map(|lane| (*lane, others(lane))).collect()
        };
        for (lane, new) in grown {
            let Some((device, size)) = new else {
                hearsay.due.remove(&lane);
                continue;
            };
            let from = hearsay.said.get(&lane).map_or(0, |said| said.upto);
            let is_step = from > 0 && size - from <= STEP_MAX;
            let Some(left) = budget.checked_sub((size - from).min(2 * HORIZON_GAP_MAX)) else {
                return Ok(false);
            };
            budget = left;
            let mut said = hearsay.said.remove(&lane).unwrap_or_default();
            if !is_step {
                let read =
                    unless_lost(read_before(&*self.store, &lane, size, 2 * HORIZON_GAP_MAX))?.flatten();
                if let Some(read) = read.filter(|read| said.last != Some(read.seq)) {
                    // The places of those before the last do not matter: they were read as one chain.
                    let mut at = read.seq - read.bodies.iter().filter_map(|body| body.back).sum::<u64>();
                    for body in &read.bodies {
                        at += body.back.unwrap_or(0);
                        hearsay.take(device, &mut said, at, body);
                    }
                }
            } else {
                for (seq, body) in self.horizons_in(&lane, from, size)? {
                    hearsay.take(device, &mut said, seq, &body);
                }
            }
            said.upto = size;
            hearsay.said.insert(lane, said);
            hearsay.due.remove(&lane);
        }
        Ok(true)
    }

    /// Reads some of what other devices have said, so that whoever opens a card need not wait for it: after a start a store
    /// of a million records takes seconds. Says whether all is read.
    ///
    /// # Errors
    /// When the store fails otherwise than by damaged runs.
    pub fn listen_step(&self) -> Result<bool, ReplicaError> {
        for _ in 0..STEP_PIECES {
            // A piece at a time: others ask in between.
            if self.listen_to_others(&mut self.hearsay(), LISTEN_ENTRIES)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the horizon entries in a part of a lane; of what is damaged, none.
    fn horizons_in(
        &self,
        lane: &LaneId,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, HorizonBody)>, ReplicaError> {
        let (mut found, mut next) = (Vec::new(), from);
        while next < to {
            let runs = unless_lost(self.store.runs(lane, next, RUN_BYTES_MAX))?.unwrap_or_default();
            let Some(end) = runs.last().map(crate::lane::Run::end) else { break };
            let entries = runs.iter().flat_map(|run| (run.start..).zip(&run.entries));
            let horizons =
                entries.filter(|(seq, entry)| (next..to).contains(seq) && entry.kind == EntryKind::HORIZON);
            found.extend(
                horizons.filter_map(|(seq, entry)| Some((seq, HorizonBody::read(&entry.body).ok()?))),
            );
            next = end;
        }
        Ok(found)
    }
}
