//! Records as this replica knows them: facts, charts and views computed from the lanes.

use std::collections::{BTreeMap, BTreeSet};

use super::chart_shown::OlderChart;
use super::core::Replica;
use super::error::ReplicaError;
use super::healing::DAMAGED_MAX;
use super::knowing::Known;
use super::proving::ProvenEntry;
use crate::base::{Area, DeviceId, LaneId, Part, RecordId};
use crate::chart::{ChangeHash, Chart, ChartBody, ChartChange, Incoming, LanePlace, actor_of};
use crate::identity::Certificates;
use crate::lane::{CarryBody, Entry, EntryKind, LaneName, LaneState, carry};
use crate::record::facts::{Facts, Standing};
use crate::record::{Author, FactsBody, Position};
use crate::store::StoreError;

/// How many runs' bytes a scan reads at once.
const SCAN_BYTES: usize = 1 << 20;
/// Fewest digits of a record id's beginning.
const RECORD_DIGITS_MIN: usize = 8;
/// Most records of equal first digits that are told apart by further ones: in a region of a million, two are rare.
const ALIKE_MAX: usize = 1_024;

/// A chart with what could not be applied to it.
pub struct LoadedChart {
    /// The chart.
    pub chart: Chart,
    /// Which of the area's charts it is, 0 for the first.
    pub generation: u32,
    /// Who wrote each change: its entry's author and device. Refused changes are among them.
    pub writers: Vec<(ChangeHash, Option<Author>, DeviceId)>,
    /// The charts that it followed.
    pub older: Vec<OlderChart>,
    /// Changes that the guard refused.
    pub quarantined: u64,
    /// Changes that wait for others.
    pub waiting: u64,
}

impl LoadedChart {
    /// Lists this chart and those before it, for the one that follows.
    fn set_aside(mut self) -> Result<Vec<OlderChart>, ReplicaError> {
        // The genesis change is nobody's.
        let changes = self.chart.change_count()?.saturating_sub(1) as u64;
        let mut older = self.older;
        older.push(OlderChart { generation: self.generation, changes });
        Ok(older)
    }
}

/// A chart entry, where it stands.
pub(super) struct ChartEntry {
    pub(super) area: Area,
    pub(super) device: DeviceId,
    pub(super) seq: u64,
    pub(super) standing: Standing,
    pub(super) body: ChartBody,
}

impl ChartEntry {
    /// Which of the area's charts it belongs to, 0 for the first.
    pub(super) fn generation(&self) -> u32 {
        self.body.generation.map_or(0, std::num::NonZeroU32::get)
    }
}

/// An entry of a record, where it stands.
struct Found {
    lane: LaneId,
    name: LaneName,
    seq: u64,
    entry: Entry,
    standing: Standing,
    /// The area in which it was met, where that is not its own.
    carried_into: Option<Area>,
}

impl Replica {
    /// Computes the facts of a record; entries that cannot be read are counted.
    ///
    /// # Errors
    /// When the store fails.
    pub fn facts(&self, record: &RecordId) -> Result<(Facts, u64), ReplicaError> {
        self.facts_in(record, None)
    }

    /// Computes the facts of a record from one part alone: all versions of a resource are in the same part.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn facts_in(
        &self,
        record: &RecordId,
        part: Option<Part>,
    ) -> Result<(Facts, u64), ReplicaError> {
        self.facts_known(record, part, None)
    }

    /// Computes the facts of a record from what was known at a time, or from all.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn facts_known(
        &self,
        record: &RecordId,
        part: Option<Part>,
        known: Option<&Known>,
    ) -> Result<(Facts, u64), ReplicaError> {
        let mut facts = Facts::new(*record);
        let mut quarantined = 0;
        for found in self.found(record, part, known)? {
            if found.entry.kind != EntryKind::FACTS {
                continue;
            }
            let leaf = found.entry.leaf();
            let area = found.carried_into.as_ref().unwrap_or(&found.name.area);
            let joined = FactsBody::from_bytes(&found.entry.body).is_ok_and(|body| {
                let device = found.name.device;
                body.record == *record
                    && facts
                        .insert_body(found.lane, device, area, found.standing, found.seq, &leaf, &body)
                        .is_ok()
            });
            quarantined += u64::from(!joined);
        }
        Ok((facts, quarantined))
    }

    /// Reads what lanes hold of a record's charts, entry by entry; the second number counts what is no chart entry's
    /// body.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn chart_entries(&self, record: &RecordId) -> Result<(Vec<ChartEntry>, u64), ReplicaError> {
        self.chart_entries_known(record, None)
    }

    fn chart_entries_known(
        &self,
        record: &RecordId,
        known: Option<&Known>,
    ) -> Result<(Vec<ChartEntry>, u64), ReplicaError> {
        let (mut entries, mut unreadable) = (Vec::new(), 0);
        for found in self.found(record, Some(Part::Notes), known)? {
            if found.entry.kind != EntryKind::CHART {
                continue;
            }
            let Some(body) =
                ChartBody::from_bytes(&found.entry.body).ok().filter(|one| one.record == *record)
            else {
                unreadable += 1;
                continue;
            };
            let Found { name, seq, standing, .. } = found;
            entries.push(ChartEntry { area: name.area, device: name.device, seq, standing, body });
        }
        Ok((entries, unreadable))
    }

    /// Computes the charts of a record, by area: in each the latest one; an area without changes has none.
    ///
    /// # Errors
    /// When the store or the chart library fails.
    pub fn charts(&self, record: &RecordId) -> Result<BTreeMap<Area, LoadedChart>, ReplicaError> {
        self.charts_known(record, None)
    }

    pub(super) fn charts_known(
        &self,
        record: &RecordId,
        known: Option<&Known>,
    ) -> Result<BTreeMap<Area, LoadedChart>, ReplicaError> {
        let mut charts: BTreeMap<(Area, u32), Vec<ChartEntry>> = BTreeMap::new();
        for entry in self.chart_entries_known(record, known)?.0 {
            if entry.standing == Standing::Verified {
                charts.entry((entry.area.clone(), entry.generation())).or_default().push(entry);
            }
        }
        let mut latest: BTreeMap<Area, LoadedChart> = BTreeMap::new();
        for ((area, generation), entries) in charts {
            let mut loaded = self.load_chart(record, &area, generation, entries)?;
            // Charts follow each other one by one, and one without an admitted change is none: so that nobody sets
            // a chart aside by a number alone.
            let follows = latest.get(&area).map_or(generation <= 1, |last| last.generation + 1 == generation);
            if generation > 0 && (!follows || loaded.chart.change_count()? <= 1) {
                if let Some(last) = latest.get_mut(&area) {
                    last.quarantined += loaded.quarantined.max(1);
                }
                continue;
            }
            loaded.older = latest.remove(&area).map(LoadedChart::set_aside).transpose()?.unwrap_or_default();
            latest.insert(area, loaded);
        }
        Ok(latest)
    }

    /// Computes the chart of a record in one area, empty if need be.
    ///
    /// # Errors
    /// When the store or the chart library fails.
    pub fn chart(&self, record: &RecordId, area: &Area) -> Result<LoadedChart, ReplicaError> {
        match self.charts(record)?.remove(area) {
            Some(loaded) => Ok(loaded),
            None => self.load_chart(record, area, 0, Vec::new()),
        }
    }

    /// Returns the areas in which a record has entries.
    ///
    /// # Errors
    /// When the store fails.
    pub fn areas_of(&self, record: &RecordId) -> Result<BTreeSet<Area>, ReplicaError> {
        self.areas_known(record, None)
    }

    /// Returns the areas in which a record had entries that were known.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn areas_known(
        &self,
        record: &RecordId,
        known: Option<&Known>,
    ) -> Result<BTreeSet<Area>, ReplicaError> {
        let areas = self.found(record, None, known)?.into_iter();
        Ok(areas.map(|found| found.carried_into.unwrap_or(found.name.area)).collect())
    }

    /// Finds the record whose id begins so.
    ///
    /// # Errors
    /// When none or several do, or the text is no beginning of an id.
    pub fn record_named(&self, text: &str) -> Result<RecordId, ReplicaError> {
        if let Ok(record) = text.parse() {
            let is_unknown = self.entries_of(&record)?.is_empty() && self.proven_entries(&record)?.is_empty();
            return if is_unknown { Err(ReplicaError::NoRecord(text.to_owned())) } else { Ok(record) };
        }
        if text.len() < RECORD_DIGITS_MIN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ReplicaError::BadRecord(text.chars().take(40).collect()));
        }
        let beginning = text.to_ascii_lowercase();
        let bad = || ReplicaError::BadRecord(beginning.clone());
        let first = u32::from_str_radix(&beginning[..RECORD_DIGITS_MIN], 16).map_err(|_| bad())?;
        let mut records = self.records_beginning(first.to_be_bytes(), ALIKE_MAX)?;
        records.extend(self.proven_records()?);
        let mut found = records.into_iter().filter(|record| record.to_string().starts_with(&beginning));
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record),
            (Some(_), Some(_)) => Err(ReplicaError::AmbiguousRecord(text.to_owned())),
            (None, _) => Err(ReplicaError::NoRecord(text.to_owned())),
        }
    }

    /// Lists all records that this replica holds anything of, directories of sources among them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn records(&self) -> Result<BTreeSet<RecordId>, ReplicaError> {
        let mut records = BTreeSet::new();
        self.scan(|_, _, entry| records.extend(super::index::record_of(entry)))?;
        Ok(records)
    }

    /// Reads every entry, lane by lane: trunks, and what stands in the branches of forked lanes.
    ///
    /// # Errors
    /// When the store fails, or a run is damaged.
    pub fn scan(&self, mut each: impl FnMut(&LaneName, u64, &Entry)) -> Result<(), ReplicaError> {
        for state in self.lanes().values() {
            self.scan_lane(state, 0, &mut each)?;
            let disputed = state.disputed().map(|(_, seq, entry)| (seq, entry));
            state.agreed_tail().chain(disputed).for_each(|(seq, entry)| each(&state.name, seq, entry));
        }
        Ok(())
    }

    /// Reads every entry of every trunk that can be read, and counts the damaged runs.
    ///
    /// # Errors
    /// When the store fails otherwise than by damaged runs.
    pub(super) fn scan_whole(
        &self,
        mut each: impl FnMut(&LaneName, u64, &Entry),
    ) -> Result<u64, ReplicaError> {
        let (mut damaged, mut lost) = (0, None);
        for (lane, state) in self.lanes() {
            let mut next = 0;
            while let Err(error) = self.scan_lane(&state, next, &mut each) {
                let ReplicaError::Store(StoreError::DamagedRun { start, .. }) = error else {
                    return Err(error);
                };
                damaged += 1;
                if lost.is_none() {
                    lost = Some(self.store().scrub(DAMAGED_MAX)?);
                }
                // What a scrub does not name is left out to the next that it names: this comes to an end.
                let behind = start.max(next);
                let after = lost.iter().flatten().find(|run| run.lane == lane && run.end > behind);
                next = after.map_or(state.size(), |run| run.end.min(state.size()));
            }
        }
        Ok(damaged)
    }

    fn scan_lane(
        &self,
        state: &LaneState,
        from: u64,
        each: &mut impl FnMut(&LaneName, u64, &Entry),
    ) -> Result<(), ReplicaError> {
        let (lane, mut next) = (state.id(), from);
        while next < state.size() {
            let runs = self.store.runs(&lane, next, SCAN_BYTES)?;
            let Some(last) = runs.last() else { break };
            let end = last.end();
            for run in &runs {
                let entries = (run.start..).zip(&run.entries);
                entries
                    .filter(|(seq, _)| *seq >= next)
                    .for_each(|(seq, entry)| each(&state.name, seq, entry));
            }
            next = end;
        }
        Ok(())
    }

    /// Names a statement for people and for annotations: lane, entry and index.
    pub fn statement_name(position: &Position) -> String {
        format!("{}:{}:{}", position.lane, position.seq, position.index)
    }

    /// Begins an empty chart of a record, as this device writes in it.
    pub(super) fn empty_chart(&self, record: &RecordId, area: &Area, generation: u32) -> Chart {
        Chart::new(actor_of(&self.me().device, record, area, generation))
    }

    fn load_chart(
        &self,
        record: &RecordId,
        area: &Area,
        generation: u32,
        entries: Vec<ChartEntry>,
    ) -> Result<LoadedChart, ReplicaError> {
        let mut chart = self.empty_chart(record, area, generation);
        let (mut incoming, mut writers, mut own) = (Vec::new(), Vec::new(), BTreeMap::new());
        for entry in entries {
            let actor = actor_of(&entry.device, record, area, generation);
            let places = (0u32..).map(|index| LanePlace { sequence: entry.seq, index });
            for (change, place) in entry.body.changes.iter().zip(places) {
                if let Ok(parsed) = ChartChange::parse(change) {
                    writers.push((parsed.hash(), entry.body.author.clone(), entry.device));
                    if entry.device == self.me().device {
                        own.insert(place, parsed.seq());
                    }
                }
                incoming.push(Incoming { actor: actor.clone(), place, bytes: change.to_vec() });
            }
        }
        let delivery = chart.apply_all(incoming)?;
        // An own change that waits keeps its number: nothing is written until what it waits for is here.
        let waits = delivery.waiting.iter().filter(|one| one.actor == *chart.actor());
        if let Some(seq) = waits.filter_map(|one| own.get(&one.place)).max() {
            chart.expect_own_seq(*seq);
        }
        Ok(LoadedChart {
            chart,
            generation,
            writers,
            older: Vec::new(),
            quarantined: (delivery.quarantined.len() + delivery.dropped.len()) as u64,
            waiting: delivery.waiting.len() as u64,
        })
    }

    /// Finds the entries of a record, of one part or all: in trunks, carried, and in the branches of forked
    /// lanes.
    fn found(
        &self,
        record: &RecordId,
        part: Option<Part>,
        known: Option<&Known>,
    ) -> Result<Vec<Found>, ReplicaError> {
        let mut found = Vec::new();
        let is_known = |lane: &LaneId, seq| known.is_none_or(|known| known.holds(lane, seq));
        let is_wanted = |name: &LaneName| part.is_none_or(|part| part == name.part);
        for posting in self.entries_of(record)? {
            if !is_known(&posting.lane, posting.seq) {
                continue;
            }
            let Some(name) = self.lane_name(&posting.lane).filter(is_wanted) else { continue };
            let Some(entry) = self.store.entry(&posting.lane, posting.seq)? else { continue };
            let (lane, seq) = (posting.lane, posting.seq);
            match entry.kind {
                EntryKind::CARRY => found.extend(self.carried(&name, seq, &entry, record)),
                _ => found.push(Found {
                    lane,
                    name,
                    seq,
                    entry,
                    standing: Standing::Verified,
                    carried_into: None,
                }),
            }
        }
        if known.is_none() {
            let proven = self.proven_entries(record)?.into_iter().filter(|one| is_wanted(&one.entry.name));
            found.extend(proven.map(|ProvenEntry { entry, standing }| Found {
                lane: entry.lane,
                name: entry.name,
                seq: entry.seq,
                entry: entry.entry,
                standing,
                carried_into: None,
            }));
        }
        let mut carries = Vec::new();
        let inner = self.lock();
        for (lane, state) in
            inner.lanes.iter().filter(|(_, state)| state.fork.is_some() && is_wanted(&state.name))
        {
            let known_here = |seq: u64| is_known(lane, seq);
            let agreed = state.agreed_tail().map(|(seq, entry)| (seq, entry, Standing::Verified));
            let disputed = state.disputed().map(|(_, seq, entry)| (seq, entry, Standing::Disputed));
            let carrying = state.agreed_tail().filter(|(_, entry)| entry.kind == EntryKind::CARRY);
            let carrying = carrying.filter(|(seq, _)| known_here(*seq));
            carries.extend(carrying.map(|(seq, entry)| (state.name.clone(), seq, entry.clone())));
            let about = |entry: &Entry| super::index::record_of(entry) == Some(*record);
            let here = |(seq, entry, _): &(u64, &Entry, Standing)| about(entry) && known_here(*seq);
            found.extend(agreed.chain(disputed).filter(here).map(|(seq, entry, standing)| Found {
                lane: *lane,
                name: state.name.clone(),
                seq,
                entry: entry.clone(),
                standing,
                carried_into: None,
            }));
        }
        drop(inner);
        for (name, seq, entry) in carries {
            found.extend(self.carried(&name, seq, &entry, record));
        }
        Ok(found)
    }

    /// Opens a carry entry: what it carries of a record, where its proof holds.
    fn carried(&self, carrier: &LaneName, seq: u64, entry: &Entry, record: &RecordId) -> Vec<Found> {
        let Ok(body) = CarryBody::read(&entry.body) else { return Vec::new() };
        let inner = self.lock();
        let certificates: &Certificates = &inner.roster.certificates;
        let ruling = inner.lanes.get(&carrier.id()).and_then(|state| state.certificate_at(seq));
        let Some(carrier_certificate) = ruling.and_then(|hash| certificates.device(hash)) else {
            return Vec::new();
        };
        body.carried
            .iter()
            .filter_map(|carried| {
                carry::verify(carried, &carrier.area, carrier_certificate, certificates).ok()
            })
            .filter(|verified| super::index::record_of(&verified.entry) == Some(*record))
            .map(|verified| Found {
                lane: verified.lane,
                name: verified.name,
                seq: verified.seq,
                entry: verified.entry,
                standing: Standing::Verified,
                carried_into: Some(carrier.area.clone()),
            })
            .collect()
    }
}
