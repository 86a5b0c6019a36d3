//! Reading knowledge at a time: from the horizon of a statement, from this store's arrivals, or from what another
//! device had last written; and what waits for statements that have not arrived.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::core::Replica;
use super::error::ReplicaError;
use super::held_lanes::{ENTRY_WORK, HeldLane, HeldLanes, unless_lost};
use super::horizon::{ReadHorizon, is_heard, read_before};
use super::knowledge::{Basis, KnowledgeShown, MissingLane, Moment, WaitShown};
use super::naming::statement_in;
use crate::base::limits::HORIZON_SEARCH_MAX;
use crate::base::{DeviceId, LaneId, RecordId, WallMs};
use crate::lane::horizon::check_of;
use crate::lane::{Frontier, Horizon, LaneMark};
use crate::store::StoreError;

/// Fewest digits of a lane's or device's beginning.
const DIGITS_MIN: usize = 8;
/// Arrivals read at once.
const PAGE: usize = 1_024;

/// How much of each lane was known; of other lanes, nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    heights: BTreeMap<LaneId, u64>,
}

/// Knowledge at a time, and what is told of it.
pub(super) struct Knowledge {
    pub(super) known: Known,
    pub(super) shown: KnowledgeShown,
}

/// What horizons say, put together.
#[derive(Default)]
struct HeardLanes {
    known: Known,
    /// Lanes of which less is held here: how many entries are missing, and whose they are.
    missing: BTreeMap<LaneMark, (u64, Option<DeviceId>)>,
    contradicted: u64,
    unreadable: u64,
    untold: bool,
}

impl Known {
    /// Says whether an entry was known.
    pub(super) fn holds(&self, lane: &LaneId, seq: u64) -> bool {
        self.heights.get(lane).is_some_and(|height| seq < *height)
    }

    /// Returns how many entries of a lane were known.
    pub(super) fn height(&self, lane: &LaneId) -> u64 {
        self.heights.get(lane).copied().unwrap_or_default()
    }

    fn raise(&mut self, lane: LaneId, height: u64) {
        let known = self.heights.entry(lane).or_default();
        *known = (*known).max(height);
    }
}

impl Replica {
    /// Finds out what was known at a moment; `record` is what is to be shown.
    ///
    /// # Errors
    /// When there is no such statement or device, or the store fails.
    pub(super) fn knowledge(&self, record: &RecordId, moment: &Moment) -> Result<Knowledge, ReplicaError> {
        match moment {
            Moment::AsOf { statement } => self.knowledge_of(record, statement),
            Moment::At { time, device } => {
                let device = match device {
                    Some(name) => self.device_named(name)?,
                    None => self.me().device,
                };
                if device == self.me().device
                    && let Some(known) = self.known_at(*time)?
                {
                    let shown = self.told(Basis::Arrivals, device, Some(*time));
                    return Ok(Knowledge { known, shown: KnowledgeShown { asked: Some(*time), ..shown } });
                }
                self.knowledge_by(&device, *time)
            }
        }
    }

    /// What the author of a statement knew.
    fn knowledge_of(&self, record: &RecordId, name: &str) -> Result<Knowledge, ReplicaError> {
        let facts = self.person_facts(record, None)?.joined();
        let place = statement_in(&facts, name)?;
        let fact = facts.at(place).next().expect("a statement that was found is there");
        let (mut held, mut heard) = (self.held_lanes(), HeardLanes::default());
        let mut shown = self.told(Basis::Statement, fact.device, Some(fact.time.wall()));
        shown.who = Some((fact.author.name.clone(), fact.author.role.clone()));
        shown.statement = Some(Self::statement_name(&place));
        match read_before(&*self.store, &place.lane, place.seq, HORIZON_SEARCH_MAX)? {
            Some(read) => self.add(&read, &mut held, &mut heard)?,
            None => heard.untold = true,
        }
        heard.known.raise(place.lane, place.seq + 1);
        Ok(self.knowledge_told(heard, shown))
    }

    /// What a replica had heard when it wrote an entry, that entry included; none where nothing tells, the lane tells of
    /// other histories than are held here, or what it tells cannot be read or checked here.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn heard_before(
        &self,
        held: &mut HeldLanes,
        lane: &LaneId,
        seq: u64,
    ) -> Result<Option<Known>, ReplicaError> {
        if held.is_spent() {
            return Ok(None);
        }
        let read = unless_lost(read_before(&*self.store, lane, seq, HORIZON_SEARCH_MAX))?.flatten();
        let Some(read) = read else {
            held.spend(seq.min(HORIZON_SEARCH_MAX));
            return Ok(None);
        };
        held.spend(seq - read.seq);
        let mut heard = HeardLanes::default();
        self.add(&read, held, &mut heard)?;
        heard.known.raise(*lane, seq + 1);
        let is_told = !heard.untold && heard.contradicted == 0 && heard.unreadable == 0;
        Ok(is_told.then_some(heard.known))
    }

    /// What a device knew when it last wrote before a time.
    fn knowledge_by(&self, device: &DeviceId, time: WallMs) -> Result<Knowledge, ReplicaError> {
        let mut shown = self.told(Basis::LastWriting, *device, None);
        let (mut held, mut heard) = (self.held_lanes(), HeardLanes::default());
        shown.asked = Some(time);
        for lane in held.of_device(device).into_iter().filter(|lane| is_heard(lane.part)) {
            let Some((seq, written)) = self.last_written(&lane.id, lane.size, time)? else { continue };
            shown.time = shown.time.max(Some(written));
            heard.known.raise(lane.id, seq + 1);
            match read_before(&*self.store, &lane.id, seq, HORIZON_SEARCH_MAX)? {
                Some(read) => self.add(&read, &mut held, &mut heard)?,
                None => heard.untold = true,
            }
        }
        Ok(self.knowledge_told(heard, shown))
    }

    /// Adds what a horizon says, and notes what of it is not held here.
    fn add(
        &self,
        read: &ReadHorizon,
        held: &mut HeldLanes,
        heard: &mut HeardLanes,
    ) -> Result<(), ReplicaError> {
        let mut horizon = Horizon::default();
        for body in &read.bodies {
            let named = horizon.apply(body).ok();
            let Some(named) = named.filter(|named| held.spend(ENTRY_WORK + named.len() as u64)) else {
                heard.untold = true;
                return Ok(());
            };
            let lanes = || named.iter().map(|number| horizon.lanes()[*number]);
            let found: Vec<(LaneMark, u64, HeldLane)> =
                lanes().filter_map(|lane| Some((lane.mark, lane.size, held.lane(&lane.mark)?))).collect();
            // What is not held here cannot be checked.
            if found.len() < named.len() || found.iter().any(|(_, size, state)| *size > state.size) {
                continue;
            }
            let mut trees: Vec<(LaneMark, Rc<Frontier>)> = Vec::with_capacity(found.len());
            for (mark, size, state) in found {
                let Some(tree) = held.tree(&*self.store, &state, size)? else { break };
                trees.push((mark, tree));
            }
            if trees.len() < named.len() {
                heard.unreadable += 1;
            } else {
                let checked = check_of(trees.iter().map(|(mark, tree)| (*mark, &**tree)));
                heard.contradicted += u64::from(checked != body.check);
            }
        }
        if !held.spend(horizon.lanes().len() as u64) {
            heard.untold = true;
            return Ok(());
        }
        for lane in horizon.lanes() {
            let state = held.lane(&lane.mark);
            if let Some(state) = state {
                heard.known.raise(state.id, lane.size);
            }
            let entries = lane.size.saturating_sub(state.map_or(0, |state| state.size));
            if entries > 0 {
                let (missing, device) = heard.missing.entry(lane.mark).or_default();
                *missing = entries.max(*missing);
                *device = state.map(|state| state.device);
            }
        }
        Ok(())
    }

    /// Tells of what was put together, with the devices' names.
    fn knowledge_told(&self, heard: HeardLanes, shown: KnowledgeShown) -> Knowledge {
        let HeardLanes { known, missing, contradicted, unreadable, untold } = heard;
        let missing_entries = missing.values().map(|(entries, _)| *entries).sum();
        let named = missing.into_iter().map(|(mark, (entries, device))| MissingLane {
            lane: mark.to_string(),
            device: device.map(|device| self.device_told(&device).0),
            entries,
        });
        let missing = named.collect();
        let shown = KnowledgeShown { missing, missing_entries, contradicted, unreadable, untold, ..shown };
        Knowledge { known, shown }
    }

    /// How far this store reached in each lane at a time of its own clock; none when it kept no times then.
    fn known_at(&self, time: WallMs) -> Result<Option<Known>, ReplicaError> {
        let last = self.store.stats()?.last_arrival;
        // The first arrival after the time, by halves; where a clock jumped, one of the places where it passed.
        let (mut low, mut high) = (0, last);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.arrived(middle + 1)? {
                Some(arrived) if arrived > time => high = middle,
                Some(_) => low = middle + 1,
                // Nothing up to here has a time.
                None => low = middle + 1,
            }
        }
        if low > 0 && self.arrived(low)?.is_none() {
            return Ok(None);
        }
        let mut after: Vec<(LaneId, u64)> = Vec::new();
        let mut next = low;
        while next < last {
            let page = self.store.arrivals(next, PAGE)?;
            let Some(end) = page.last().map(|arrival| arrival.no) else { break };
            // What was healed has no time: it had been there before.
            let timed = page.iter().filter(|arrival| arrival.time.is_some() && arrival.start < arrival.end);
            after.extend(timed.map(|arrival| (arrival.lane, arrival.start)));
            next = end;
        }
        let heights = self.lock().lanes.iter().map(|(lane, state)| (*lane, state.size())).collect();
        let mut known = Known { heights };
        for (lane, start) in after.into_iter().rev() {
            if let Some(height) = known.heights.get_mut(&lane) {
                *height = (*height).min(start);
            }
        }
        Ok(Some(known))
    }

    /// When an arrival came; of one without a time, the last before it that has one.
    fn arrived(&self, no: u64) -> Result<Option<WallMs>, ReplicaError> {
        for no in (1..=no).rev() {
            let arrival = self.store.arrivals(no - 1, 1)?.first().copied();
            if let Some(time) = arrival.and_then(|arrival| arrival.time) {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    /// Finds the last statement or change of a chart in a lane that was written by a time, as its device claims.
    pub(super) fn last_written(
        &self,
        lane: &LaneId,
        size: u64,
        time: WallMs,
    ) -> Result<Option<(u64, WallMs)>, StoreError> {
        let (mut low, mut high, mut best) = (0, size, None);
        while low < high {
            let middle = low + (high - low) / 2;
            let mut found = None;
            for seq in (low..=middle).rev() {
                let entry = self.store.entry(lane, seq)?;
                if let Some(written) = entry.as_ref().and_then(super::index::written_by) {
                    found = Some((seq, written));
                    break;
                }
            }
            match found {
                Some((seq, written)) if written > time => high = seq,
                Some(_) => (low, best) = (middle + 1, found),
                None => low = middle + 1,
            }
        }
        Ok(best)
    }

    /// Finds a device by its name or the beginning of its id, among those whose lanes are held.
    fn device_named(&self, text: &str) -> Result<DeviceId, ReplicaError> {
        let mut devices: Vec<DeviceId> = self.lock().lanes.values().map(|state| state.name.device).collect();
        devices.push(self.me().device);
        devices.sort_unstable();
        devices.dedup();
        let beginning = text.to_ascii_lowercase();
        let is_meant = |device: &DeviceId| {
            self.device_told(device).0 == text
                || beginning.len() >= DIGITS_MIN && device.to_string().starts_with(&beginning)
        };
        let shown: String = text.chars().take(80).collect();
        let mut found = devices.into_iter().filter(is_meant);
        match (found.next(), found.next()) {
            (Some(device), None) => Ok(device),
            (Some(_), Some(_)) => Err(ReplicaError::Call(format!(
                "'{shown}' names several devices; give its id, as `musubi status --json` shows it"
            ))),
            (None, _) => Err(ReplicaError::Call(format!("no device '{shown}' has been heard of here"))),
        }
    }

    /// The names of a device and its site.
    pub(super) fn device_told(&self, device: &DeviceId) -> (String, Option<String>) {
        let inner = self.lock();
        let certificates = &inner.roster.certificates;
        let certificate = certificates.of_device(device).map(|(_, known)| known).next();
        let site = certificate.and_then(|known| certificates.site(&known.site)).map(|site| site.name.clone());
        (certificate.map_or_else(|| device.short(), |known| known.name.clone()), site)
    }

    fn told(&self, basis: Basis, device: DeviceId, time: Option<WallMs>) -> KnowledgeShown {
        let (device_name, site) = self.device_told(&device);
        KnowledgeShown {
            basis,
            device,
            device_name,
            site: site.unwrap_or_default(),
            who: None,
            statement: None,
            asked: None,
            time,
            later: 0,
            missing_entries: 0,
            missing: Vec::new(),
            contradicted: 0,
            unreadable: 0,
            untold: false,
        }
    }

    /// Counts the statements of these records that are held and were not known.
    pub(super) fn count_later(&self, records: &[RecordId], known: &Known) -> Result<u64, ReplicaError> {
        let mut later = 0;
        for record in records {
            let (now, then) =
                (self.facts(record)?.0.len(), self.facts_known(record, None, Some(known))?.0.len());
            later += now.saturating_sub(then) as u64;
        }
        Ok(later)
    }

    /// Names what waits in a view of what is known now, or was known then, with the devices that it waits for. What an
    /// entry follows that is held here, in a record that was linked once, has arrived.
    pub(super) fn waits(&self, view: &crate::record::RecordView, is_now: bool) -> Vec<WaitShown> {
        let has_arrived = |wait: &&crate::record::waiting::Waiting| {
            let inner = self.lock();
            let state = inner.lanes.get(&wait.waits_for.lane);
            is_now && state.is_some_and(|state| state.fork.is_none() && state.size() > wait.waits_for.seq)
        };
        let shown = |wait: &crate::record::waiting::Waiting| {
            let told = self.lane_name(&wait.waits_for.lane).map(|name| self.device_told(&name.device));
            let (device, site) = told.map_or((None, None), |(device, site)| (Some(device), site));
            WaitShown {
                statement: Self::statement_name(&wait.statement),
                who: (wait.who.clone(), wait.role.clone()),
                waits_for: Self::statement_name(&wait.waits_for),
                device,
                site,
            }
        };
        view.waiting.iter().filter(|wait| !has_arrived(wait)).map(shown).collect()
    }
}
