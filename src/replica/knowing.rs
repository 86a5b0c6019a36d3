//! Reading knowledge at a time: from the horizon of a statement, from this store's arrivals, or from what another
//! device had last written; and what waits for statements that have not arrived.

use std::collections::{BTreeMap, HashMap};

use super::core::Replica;
use super::error::ReplicaError;
use super::horizon::{ReadHorizon, is_heard, read_before};
use super::knowledge::{Basis, KnowledgeShown, MissingLane, Moment, WaitShown};
use super::naming::statement_in;
use crate::base::limits::HORIZON_SEARCH_MAX;
use crate::base::{DeviceId, LaneId, RecordId, WallMs};
use crate::lane::horizon::check_of;
use crate::lane::{Frontier, Horizon, LaneMark, LaneState};

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
        let mut known = Known::default();
        let mut shown = self.told(Basis::Statement, fact.device, Some(fact.time.wall()));
        shown.who = Some((fact.author.name.clone(), fact.author.role.clone()));
        shown.statement = Some(Self::statement_name(&place));
        match read_before(&*self.store, &place.lane, place.seq, HORIZON_SEARCH_MAX)? {
            Some(read) => self.add(&read, &mut known, &mut shown)?,
            None => shown.untold = true,
        }
        known.raise(place.lane, place.seq + 1);
        Ok(Knowledge { known, shown })
    }

    /// What a replica had heard when it wrote an entry, that entry included; none where nothing tells, or the lane tells of
    /// other histories than are held here.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn heard_before(
        &self,
        device: &DeviceId,
        lane: &LaneId,
        seq: u64,
    ) -> Result<Option<Known>, ReplicaError> {
        let (mut known, mut shown) = (Known::default(), self.told(Basis::Statement, *device, None));
        let Some(read) = read_before(&*self.store, lane, seq, HORIZON_SEARCH_MAX)? else { return Ok(None) };
        self.add(&read, &mut known, &mut shown)?;
        known.raise(*lane, seq + 1);
        Ok((!shown.untold && shown.contradicted == 0).then_some(known))
    }

    /// What a device knew when it last wrote before a time.
    fn knowledge_by(&self, device: &DeviceId, time: WallMs) -> Result<Knowledge, ReplicaError> {
        let (mut known, mut shown) = (Known::default(), self.told(Basis::LastWriting, *device, None));
        shown.asked = Some(time);
        let lanes = self.lanes().into_values();
        for state in lanes.filter(|state| state.name.device == *device && is_heard(state.name.part)) {
            let lane = state.id();
            let Some((seq, written)) = self.last_written(&lane, state.size(), time)? else { continue };
            shown.time = shown.time.max(Some(written));
            known.raise(lane, seq + 1);
            match read_before(&*self.store, &lane, seq, HORIZON_SEARCH_MAX)? {
                Some(read) => self.add(&read, &mut known, &mut shown)?,
                None => shown.untold = true,
            }
        }
        Ok(Knowledge { known, shown })
    }

    /// Adds what a horizon says, and notes what of it is not held here.
    fn add(
        &self,
        read: &ReadHorizon,
        known: &mut Known,
        shown: &mut KnowledgeShown,
    ) -> Result<(), ReplicaError> {
        let lanes = self.lanes();
        let marks: HashMap<LaneMark, &LaneState> =
            lanes.iter().map(|(lane, state)| (LaneMark::of(lane), state)).collect();
        let mut horizon = Horizon::default();
        for body in &read.bodies {
            let Ok(named) = horizon.apply(body) else {
                shown.untold = true;
                return Ok(());
            };
            let mut edges: Vec<(LaneMark, Frontier)> = Vec::with_capacity(named.len());
            for number in &named {
                let lane = horizon.lanes()[*number];
                let state = marks.get(&lane.mark).filter(|state| state.size() >= lane.size);
                let Some(state) = state else { break };
                edges.push((lane.mark, self.store.frontier_at(&state.id(), lane.size)?));
            }
            let checked = check_of(edges.iter().map(|(mark, frontier)| (*mark, frontier)));
            shown.contradicted += u64::from(edges.len() == named.len() && checked != body.check);
        }
        for lane in horizon.lanes() {
            let state = marks.get(&lane.mark);
            if let Some(state) = state {
                known.raise(state.id(), lane.size);
            }
            let entries = lane.size.saturating_sub(state.map_or(0, |state| state.size()));
            let mark = lane.mark.to_string();
            match shown.missing.iter_mut().find(|missing| missing.lane == mark) {
                Some(missing) => missing.entries = missing.entries.max(entries),
                None if entries > 0 => {
                    let device = state.map(|state| self.device_told(&state.name.device).0);
                    shown.missing.push(MissingLane { lane: mark, device, entries });
                }
                None => {}
            }
        }
        shown.missing_entries = shown.missing.iter().map(|missing| missing.entries).sum();
        Ok(())
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
        let heights = self.lanes().into_iter().map(|(lane, state)| (lane, state.size())).collect();
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
    ) -> Result<Option<(u64, WallMs)>, ReplicaError> {
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
        let mut devices: Vec<DeviceId> = self.lanes().into_values().map(|state| state.name.device).collect();
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

    /// Names what waits in a view, with the devices that it waits for.
    pub(super) fn waits(&self, view: &crate::record::RecordView) -> Vec<WaitShown> {
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
        view.waiting.iter().map(shown).collect()
    }
}
