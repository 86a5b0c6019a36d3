//! Horizon entries as this replica writes and reads them: what it had heard, right before the statements and the changes of
//! charts that it writes.
//!
//! A write costs what was heard since the last one, never all lanes: lanes that grow are kept in the order in which they
//! last did, and each own lane remembers how far in that order its last horizon entry reaches.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::core::{Inner, Replica};
use super::error::ReplicaError;
use super::subject::Subject;
use crate::base::limits::{
    HORIZON_CHANGES_MAX, HORIZON_GAP_MAX, HORIZON_LANES_MAX, HORIZON_NAMED_MAX, HORIZON_SEARCH_MAX,
    RUN_BYTES_MAX,
};
use crate::base::{Area, LaneId, Part, RecordId};
use crate::lane::horizon::{NewLane, check_of};
use crate::lane::{Entry, EntryKind, Horizon, HorizonBody, LaneMark, LaneName, LaneState};
use crate::store::{Store, StoreError};

/// Bytes of a lane in a whole horizon entry, about.
const WHOLE_LANE_BYTES: usize = 12;
/// Bytes of an empty horizon entry, about.
const EMPTY_BYTES: usize = 16;
/// A whole entry is due when the changes since the last one are so many times as large: it adds a quarter to them.
const WHOLE_AFTER: usize = 4;
/// How many entries are looked at first when going back.
const SEARCH_FIRST: u64 = 4;

/// Says whether a lane of this part holds what a record's view is computed from.
pub(super) fn is_heard(part: Part) -> bool {
    match part {
        Part::Card | Part::Notes | Part::Data => true,
        Part::Control | Part::Audit => false,
    }
}

/// What this replica's own lanes say of what it has heard.
#[derive(Default)]
pub(super) struct Horizons {
    /// How often a lane has grown.
    stamp: u64,
    /// Lanes by when they last grew since the store was opened.
    recent: BTreeMap<u64, LaneId>,
    stamps: HashMap<LaneId, u64>,
    chains: HashMap<LaneId, Chain>,
}

/// The horizon that the last horizon entry of an own lane gives.
#[derive(Default)]
struct Chain {
    areas: BTreeSet<Area>,
    /// Lanes by their numbers, with how much of them is named.
    lanes: Vec<(LaneId, u64)>,
    numbers: HashMap<LaneId, usize>,
    /// A mark stands for one lane: another with the same mark is not named.
    marks: HashSet<LaneMark>,
    /// Up to which stamp growth is named; none when all lanes must be compared.
    seen: Option<u64>,
    /// The last horizon entry.
    last: Option<u64>,
    /// Entries, and their bytes, since the last whole one.
    changes: u32,
    change_bytes: usize,
}

/// A horizon as it was read from a lane.
pub(super) struct ReadHorizon {
    /// Where its last entry stands.
    pub(super) seq: u64,
    /// The entries from the whole one on.
    pub(super) bodies: Vec<HorizonBody>,
}

impl Horizons {
    /// Learns that a lane has changed.
    pub(super) fn grew(&mut self, lane: LaneId, part: Part) {
        if is_heard(part) {
            self.stamp += 1;
            if let Some(before) = self.stamps.insert(lane, self.stamp) {
                self.recent.remove(&before);
            }
            self.recent.insert(self.stamp, lane);
        }
    }

    /// Forgets what was meant to be written: the next entries are computed from what the store holds.
    pub(super) fn forget(&mut self) {
        self.chains.clear();
    }

    /// Makes the entry to be written at `at` in an own lane; none when nothing was heard since the last one.
    fn entry(
        &mut self,
        held: &BTreeMap<LaneId, LaneState>,
        name: &LaneName,
        knowing: &BTreeSet<Area>,
        at: u64,
    ) -> Option<Entry> {
        let own = name.id();
        let chain = self.chains.entry(own).or_default();
        let wanted = knowing.iter().chain([&name.area]);
        let added: BTreeSet<Area> = wanted.filter(|area| !chain.areas.contains(*area)).cloned().collect();
        chain.areas.extend(added.iter().cloned());
        let mut changed: BTreeMap<LaneId, &LaneState> = BTreeMap::new();
        let mut look = |lane: &LaneId, state| {
            if *lane != own {
                changed.insert(*lane, state);
            }
        };
        match chain.seen {
            None => held.iter().for_each(|(lane, state)| look(lane, state)),
            Some(seen) => {
                let recent = self.recent.range(seen + 1..).map(|(_, lane)| lane);
                recent.filter_map(|lane| Some((lane, held.get(lane)?))).for_each(|(l, s)| look(l, s));
                if !added.is_empty() {
                    let all = held.iter().filter(|(_, state)| added.contains(&state.name.area));
                    all.for_each(|(lane, state)| look(lane, state));
                }
            }
        }
        chain.seen = Some(self.stamp);
        let (mut grown, mut new) = (BTreeMap::new(), Vec::new());
        for (lane, state) in changed {
            if !is_heard(state.name.part) || !chain.areas.contains(&state.name.area) {
                continue;
            }
            match chain.numbers.get(&lane) {
                // What a fork has cut off was heard all the same.
                Some(number) if state.size() > chain.lanes[*number].1 => {
                    grown.insert(*number, state.size());
                }
                Some(_) => {}
                None if state.size() == 0 || chain.lanes.len() + new.len() >= HORIZON_LANES_MAX => {}
                None if !chain.marks.insert(LaneMark::of(&lane)) => {}
                None => new.push((lane, state.size())),
            }
        }
        let is_due = |last: u64| !grown.is_empty() || !new.is_empty() || at - last >= HORIZON_GAP_MAX;
        chain.last.is_none_or(is_due).then(|| chain.write(held, grown, new, at))
    }
}

impl Chain {
    fn write(
        &mut self,
        held: &BTreeMap<LaneId, LaneState>,
        grown: BTreeMap<usize, u64>,
        new: Vec<(LaneId, u64)>,
        at: u64,
    ) -> Entry {
        let whole_bytes = EMPTY_BYTES + WHOLE_LANE_BYTES * self.lanes.len();
        let is_whole = self.last.is_none()
            || self.changes >= HORIZON_CHANGES_MAX
            || self.change_bytes >= WHOLE_AFTER * whole_bytes;
        let (mut pairs, mut named, mut next) = (Vec::new(), Vec::new(), 0);
        for (number, size) in grown {
            pairs.extend([(number - next) as u64, size - self.lanes[number].1]);
            next = number + 1;
            self.lanes[number].1 = size;
            named.push(self.lanes[number].0);
        }
        let mut added = new;
        if is_whole {
            (pairs, named) = (Vec::new(), Vec::new());
            added.append(&mut self.lanes);
            added.sort_unstable();
            self.numbers.clear();
        }
        for (lane, size) in &added {
            self.numbers.insert(*lane, self.lanes.len());
            self.lanes.push((*lane, *size));
            named.push(*lane);
        }
        let edges = named.iter().filter_map(|lane| Some((LaneMark::of(lane), &held.get(lane)?.frontier)));
        let body = HorizonBody {
            version: HorizonBody::VERSION,
            back: self.last.filter(|_| !is_whole).map(|last| at - last),
            check: check_of(edges),
            grown: pairs,
            new: added.iter().map(|(lane, size)| NewLane { mark: LaneMark::of(lane), size: *size }).collect(),
        };
        let entry = body.entry();
        (self.changes, self.change_bytes) = match is_whole {
            true => (0, 0),
            false => (self.changes + 1, self.change_bytes + entry.body.len()),
        };
        self.last = Some(at);
        entry
    }

    /// Takes up the horizon that is in the store; what no longer fits begins anew.
    fn read(store: &dyn Store, held: &BTreeMap<LaneId, LaneState>, own: &LaneId, size: u64) -> Self {
        // A damaged run of the own lane must not hinder writing.
        let Ok(Some(read)) = read_before(store, own, size, 2 * HORIZON_GAP_MAX) else {
            return Self::default();
        };
        let marks: HashMap<LaneMark, LaneId> = held.keys().map(|lane| (LaneMark::of(lane), *lane)).collect();
        let mut chain = Self { last: Some(read.seq), ..Self::default() };
        let mut horizon = Horizon::default();
        for body in &read.bodies {
            if horizon.apply(body).is_err() {
                return Self::default();
            }
            if body.back.is_some() {
                (chain.changes, chain.change_bytes) =
                    (chain.changes + 1, chain.change_bytes + body.entry().body.len());
            }
        }
        for NewLane { mark, size } in horizon.lanes() {
            let Some(lane) = marks.get(mark) else { return Self::default() };
            chain.areas.extend(held.get(lane).map(|state| state.name.area.clone()));
            chain.numbers.insert(*lane, chain.lanes.len());
            chain.marks.insert(*mark);
            chain.lanes.push((*lane, *size));
        }
        chain
    }
}

/// Reads the horizon that the last horizon entry before `before` gives; none when there is none among the last
/// `search` entries, it cannot be read as one, or it names more than [`HORIZON_NAMED_MAX`].
///
/// # Errors
/// When the store fails.
pub(super) fn read_before(
    store: &dyn Store,
    lane: &LaneId,
    before: u64,
    search: u64,
) -> Result<Option<ReadHorizon>, StoreError> {
    let floor = before.saturating_sub(search.min(HORIZON_SEARCH_MAX));
    let (mut to, mut step, mut last) = (before, SEARCH_FIRST, None);
    while to > floor && last.is_none() {
        let from = to.saturating_sub(step).max(floor);
        let mut next = from;
        while next < to {
            let runs = store.runs(lane, next, RUN_BYTES_MAX)?;
            let Some(end) = runs.last().map(|run| run.end()) else { break };
            let entries = runs.iter().flat_map(|run| (run.start..).zip(&run.entries));
            let mut there = entries.filter(|(seq, _)| (from..to).contains(seq));
            last = there.rfind_horizon().or(last);
            next = end;
        }
        (to, step) = (from, (2 * step).min(HORIZON_GAP_MAX));
    }
    let Some(seq) = last else { return Ok(None) };
    let (mut at, mut bodies, mut named) = (seq, Vec::new(), 0);
    loop {
        let entry = store.entry(lane, at)?.filter(|entry| entry.kind == EntryKind::HORIZON);
        let Some(body) = entry.and_then(|entry| HorizonBody::read(&entry.body).ok()) else { return Ok(None) };
        named += body.grown.len() / 2 + body.new.len();
        if named > HORIZON_NAMED_MAX {
            return Ok(None);
        }
        let back = body.back;
        bodies.push(body);
        match back.map(|back| at.checked_sub(back)) {
            None => break,
            Some(Some(earlier)) if bodies.len() <= HORIZON_CHANGES_MAX as usize => at = earlier,
            Some(_) => return Ok(None),
        }
    }
    bodies.reverse();
    Ok(Some(ReadHorizon { seq, bodies }))
}

trait LastHorizon {
    fn rfind_horizon(&mut self) -> Option<u64>;
}

impl<'a, I: Iterator<Item = (u64, &'a Entry)>> LastHorizon for I {
    fn rfind_horizon(&mut self) -> Option<u64> {
        self.filter(|(_, entry)| entry.kind == EntryKind::HORIZON).map(|(seq, _)| seq).last()
    }
}

impl Replica {
    /// Makes the horizon entry that goes before entries of an own lane; `state` is the lane before them.
    pub(super) fn horizon_before(
        &self,
        inner: &mut Inner,
        name: &LaneName,
        state: Option<&LaneState>,
        knowing: &BTreeSet<Area>,
        entries: &[Entry],
    ) -> Option<Entry> {
        if !is_heard(name.part) || !entries.iter().any(super::index::is_about_a_record) {
            return None;
        }
        // A fork has cut off the places along which this is counted; nothing is appended to such a lane.
        if state.is_some_and(|state| state.fork.is_some()) {
            return None;
        }
        let (own, size) = (name.id(), state.map_or(0, LaneState::size));
        let ruling = state.and_then(|state| state.certificates.last()).map(|(_, hash)| hash);
        let opening = u64::from(ruling != Some(&self.me().certificate));
        let Inner { horizons, lanes, .. } = inner;
        horizons.chains.entry(own).or_insert_with(|| {
            Chain::read(&*self.store, lanes, &own, lanes.get(&own).map_or(0, LaneState::size))
        });
        horizons.entry(lanes, name, knowing, size + opening)
    }

    /// The areas in which a record, or one that is tied to it, has entries here.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn areas_seen(&self, subject: &Subject<'_>) -> Result<BTreeSet<Area>, ReplicaError> {
        // One area and `common`, where no patient is: that of the lane.
        if self.areas().len() <= 2 {
            return Ok(BTreeSet::new());
        }
        let records: Vec<RecordId> = match subject.tied()? {
            None => vec![*subject.record()],
            Some(facts) => facts.held().keys().copied().collect(),
        };
        let mut lanes: BTreeSet<LaneId> = BTreeSet::new();
        for record in &records {
            lanes.extend(self.entries_of(record)?.iter().map(|posting| posting.lane));
        }
        let inner = self.lock();
        Ok(lanes.iter().filter_map(|lane| Some(inner.lanes.get(lane)?.name.area.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{DeviceId, Digest, RealmId};
    use crate::lane::Frontier;

    const LANES: u8 = 100;

    fn name(device: u8, part: Part) -> LaneName {
        let area = Area::new("shared/miura").unwrap();
        LaneName { realm: RealmId([1; 32]), device: DeviceId([device; 32]), area, part }
    }

    fn push(frontier: &mut Frontier, horizons: &mut Horizons, lane: &LaneName) {
        frontier.push(&Digest([7; 32]));
        horizons.grew(lane.id(), lane.part);
    }

    #[test]
    fn over_300_lanes_a_write_costs_what_was_heard_since_the_last_one() {
        let (mut horizons, mut held, own) = (Horizons::default(), BTreeMap::new(), name(0, Part::Card));
        let names: Vec<LaneName> = (1..=LANES)
            .flat_map(|device| [Part::Card, Part::Notes, Part::Data].map(|part| name(device, part)))
            .collect();
        let grow = |horizons: &mut Horizons, held: &mut BTreeMap<LaneId, LaneState>, count: usize| {
            for lane in &names[..count] {
                let state = held.entry(lane.id()).or_insert_with(|| LaneState::new(lane.clone()));
                push(&mut state.frontier, horizons, lane);
            }
        };
        let none = BTreeSet::new();
        grow(&mut horizons, &mut held, 300);
        let sizes: Vec<usize> = [0, 1, 10, 300]
            .into_iter()
            .zip([1, 3, 5, 7])
            .map(|(grown, at)| {
                grow(&mut horizons, &mut held, grown);
                horizons.entry(&held, &own, &none, at).map_or(0, |entry| entry.body.len())
            })
            .collect();
        let [whole, one, ten, all] = sizes[..] else { panic!("four sizes") };
        assert!(whole <= 300 * WHOLE_LANE_BYTES + EMPTY_BYTES, "{whole} bytes for all lanes");
        assert!(one <= 20 && ten <= 50 && all <= 620, "{one}, {ten}, {all} bytes");
        assert!(horizons.entry(&held, &own, &none, 9).is_none(), "nothing was heard");
    }

    /// Hashes collide for whoever looks long enough: what is written must be read all the same.
    #[test]
    fn of_two_lanes_with_one_mark_one_is_named() {
        let (mut horizons, mut held, none) = (Horizons::default(), BTreeMap::new(), BTreeSet::new());
        let (own, mut read) = (name(0, Part::Card), Horizon::default());
        for (last, at) in [(1, 1), (2, 2), (3, 4)] {
            let state =
                held.entry(LaneId([last; 32])).or_insert_with(|| LaneState::new(name(last, Part::Card)));
            state.frontier.push(&Digest([7; 32]));
            let mut twin = LaneId([last; 32]);
            twin.0[31] = 0;
            held.insert(twin, held[&LaneId([last; 32])].clone());
            for lane in [LaneId([last; 32]), twin] {
                horizons.grew(lane, Part::Card);
            }
            let entry = horizons.entry(&held, &own, &none, at).unwrap();
            read.apply(&HorizonBody::read(&entry.body).unwrap()).unwrap();
            assert_eq!(read.lanes().len(), usize::from(last));
        }
    }
}
