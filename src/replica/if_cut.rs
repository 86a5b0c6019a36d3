//! What would be lacking if sites vanished now, and how ready each is: from who is known to hold how much of each lane.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Replica;
use super::error::ReplicaError;
use super::held_by::{Holders, LaneHolders};
use super::horizon::is_heard;
use super::index::record_of;
use super::known::{IfCut, Lacking, LackingPart};
use super::readiness::{Measures, Readiness};
use crate::base::limits::RUN_BYTES_MAX;
use crate::base::{Area, LaneId, Part, RecordId, SiteId, WallMs};
use crate::lane::{LaneMark, Run};
use crate::store::StoreError;

/// Most entries that are read to count the records of what would be lost.
const READ_MAX: u64 = 100_000;
/// Most names that an error lists.
const NAMED_MAX: usize = 20;

/// Sites by their ids, with their names and areas.
pub(super) type Sites = BTreeMap<SiteId, (String, BTreeSet<Area>)>;

/// How much of a lane each site holds.
struct BySite {
    /// The greatest that anybody holds.
    end: u64,
    sites: BTreeMap<SiteId, u64>,
}

impl BySite {
    fn of(holders: &LaneHolders, all: &Holders) -> Self {
        let mut by_site = Self { end: holders.here, sites: BTreeMap::new() };
        for (device, size) in &holders.devices {
            by_site.end = by_site.end.max(*size);
            if let Some(site) = all.sites.get(device) {
                let known = by_site.sites.entry(*site).or_default();
                *known = (*known).max(*size);
            }
        }
        by_site
    }

    fn at(&self, site: &SiteId) -> u64 {
        self.sites.get(site).copied().unwrap_or_default()
    }

    /// The greatest that a site holds which is not among these.
    fn without(&self, cut: &BTreeSet<SiteId>) -> u64 {
        self.sites
            .iter()
            .filter(|(site, _)| !cut.contains(*site))
            .map(|(_, size)| *size)
            .max()
            .unwrap_or_default()
    }
}

/// What is lacking of one area, part and writing site.
#[derive(Default)]
struct Row {
    only_there: u64,
    elsewhere: u64,
    /// The records that the entries only there are about, where these can be read.
    records: Option<BTreeSet<RecordId>>,
}

/// Rows by part, area and writing site.
#[derive(Default)]
struct Rows(BTreeMap<(Part, Area, String), Row>);

impl Rows {
    fn add(&mut self, area: &Area, part: Part, written_at: String, only_there: u64, elsewhere: u64) {
        let row = self.0.entry((part, area.clone(), written_at)).or_default();
        row.only_there += only_there;
        row.elsewhere += elsewhere;
    }

    fn into_parts(self) -> Vec<LackingPart> {
        let part = |((part, area, written_at), row): ((Part, Area, String), Row)| {
            let records = row.records.map(|records| records.len() as u64);
            LackingPart {
                area,
                part,
                written_at,
                only_there: row.only_there,
                elsewhere: row.elsewhere,
                records,
            }
        };
        self.0.into_iter().map(part).collect()
    }
}

impl Replica {
    /// Says what would be lacking if some sites vanished now, as far as this replica knows who holds what.
    ///
    /// # Errors
    /// When no site has one of the names, or the store fails.
    pub fn if_cut(&self, names: &[String]) -> Result<IfCut, ReplicaError> {
        let sites = self.sites();
        let mut cut = BTreeSet::new();
        for name in names {
            let found: Vec<SiteId> =
                sites.iter().filter(|(_, (known, _))| known == name).map(|(site, _)| *site).collect();
            if found.is_empty() {
                let known: Vec<&str> =
                    sites.values().map(|(name, _)| name.as_str()).take(NAMED_MAX).collect();
                let shown: String = name.chars().take(80).collect();
                return Err(ReplicaError::Call(format!(
                    "no site is called '{shown}'; there are: {}",
                    known.join(", ")
                )));
            }
            cut.extend(found);
        }
        let (own, holders) = (self.me().site_certificate.site(), self.holders(None, u64::MAX)?);
        let (mut lost, mut lacking) = (Rows::default(), BTreeMap::<SiteId, Rows>::new());
        let mut budget = READ_MAX;
        let name_of = |site: Option<&SiteId>| {
            site.and_then(|site| sites.get(site)).map_or_else(String::new, |s| s.0.clone())
        };
        for (lane, holders_of) in holders.lanes.iter().filter(|(_, it)| is_heard(it.name.part)) {
            let (by_site, name) = (BySite::of(holders_of, &holders), &holders_of.name);
            let written_at = name_of(holders_of.writer.as_ref());
            let kept = by_site.without(&cut);
            let only_there = by_site.end - kept.min(by_site.end);
            if only_there > 0 {
                lost.add(&name.area, name.part, written_at.clone(), only_there, 0);
                if holders_of.here > kept {
                    let row = lost.0.entry((name.part, name.area.clone(), written_at.clone())).or_default();
                    let records = row.records.get_or_insert_default();
                    self.records_in(lane, kept, holders_of.here, &mut budget, records)?;
                }
            }
            for (site, (_, areas)) in sites.iter().filter(|(site, _)| !cut.contains(*site)) {
                let has = by_site.at(site);
                if has < by_site.end && (areas.contains(&name.area) || name.area == Area::common()) {
                    let rows = lacking.entry(*site).or_default();
                    let elsewhere = kept.saturating_sub(has);
                    rows.add(&name.area, name.part, written_at.clone(), only_there, elsewhere);
                }
            }
        }
        let unnamed_entries = self.announced_beyond(&holders, &cut, &mut lost);
        let lacking = lacking.into_iter().map(|(site, rows)| {
            let parts = rows.into_parts();
            let sum = |of: fn(&LackingPart) -> u64| parts.iter().map(of).sum();
            let (only_there, elsewhere) = (sum(|part| part.only_there), sum(|part| part.elsewhere));
            Lacking { site: name_of(Some(&site)), own: site == own, only_there, elsewhere, parts }
        });
        let mut lacking: Vec<Lacking> = lacking.filter(|it| it.only_there + it.elsewhere > 0).collect();
        lacking.sort_by(|a, b| (!a.own, b.only_there, &a.site).cmp(&(!b.own, a.only_there, &b.site)));
        let readiness = self.readiness_of(&sites, &holders)?;
        let readiness = readiness.into_iter().filter(|(site, _)| cut.contains(site)).map(|(_, ready)| ready);
        let cut = cut.iter().map(|site| name_of(Some(site))).collect();
        let only_there = lost.into_parts();
        Ok(IfCut { cut, only_there, lacking, unnamed_entries, readiness: readiness.collect() })
    }

    /// Adds lanes of which nothing is here that peers have announced, and counts what is signed of lanes without a name.
    fn announced_beyond(&self, holders: &Holders, cut: &BTreeSet<SiteId>, lost: &mut Rows) -> u64 {
        let (hearsay, heard) = (self.hearsay(), self.heard());
        let marks: BTreeSet<LaneMark> = holders.lanes.keys().map(LaneMark::of).collect();
        let is_cut = |device| holders.sites.get(device).map(|site| cut.contains(site));
        let mut announced: BTreeMap<LaneId, (&crate::sync::Group, u64, u64)> = BTreeMap::new();
        for (device, peer) in heard.peers() {
            let Some(is_cut) = is_cut(device) else { continue };
            let unheld = peer.ahead.iter().filter(|(lane, _)| !holders.lanes.contains_key(*lane));
            for (lane, (group, size)) in unheld.filter(|(_, (group, _))| is_heard(group.part)) {
                let row = announced.entry(*lane).or_insert((group, 0, 0));
                let place = if is_cut { &mut row.1 } else { &mut row.2 };
                *place = (*place).max(*size);
            }
        }
        for (group, there, elsewhere) in announced.values().filter(|(_, there, elsewhere)| there > elsewhere)
        {
            lost.add(&group.area, group.part, String::new(), there - elsewhere, 0);
        }
        let named: BTreeSet<LaneMark> = announced.keys().map(LaneMark::of).collect();
        let mut unnamed = 0_u64;
        for (_, devices) in
            hearsay.lanes().filter(|(mark, _)| !marks.contains(*mark) && !named.contains(*mark))
        {
            let most = |there: bool| {
                let of = devices.iter().filter(|(device, _)| is_cut(device) == Some(there));
                of.map(|(_, size)| *size).max().unwrap_or_default()
            };
            unnamed = unnamed.saturating_add(most(true).saturating_sub(most(false)));
        }
        unnamed
    }

    /// Finds the records that a part of a lane is about, within a budget of entries; of what is damaged, none.
    fn records_in(
        &self,
        lane: &LaneId,
        from: u64,
        to: u64,
        budget: &mut u64,
        records: &mut BTreeSet<RecordId>,
    ) -> Result<(), ReplicaError> {
        let mut next = from;
        while next < to && *budget > 0 {
            let runs = match self.store.runs(lane, next, RUN_BYTES_MAX) {
                Err(StoreError::DamagedRun { .. }) => return Ok(()),
                runs => runs?,
            };
            let Some(end) = runs.last().map(Run::end) else { return Ok(()) };
            let entries = runs.iter().flat_map(|run| (run.start..).zip(&run.entries));
            let entries = entries.filter(|(seq, _)| (next..to).contains(seq));
            records.extend(entries.filter_map(|(_, entry)| record_of(entry)));
            *budget = budget.saturating_sub(end - next);
            next = end;
        }
        Ok(())
    }

    /// The realm's sites, as far as their certificates have come, with the areas that their devices hold.
    pub(super) fn sites(&self) -> Sites {
        let inner = self.lock();
        let certificates = &inner.roster.certificates;
        let mut sites = Sites::new();
        for (_, device) in certificates.devices() {
            let name = || {
                certificates.site(&device.site).map_or_else(|| device.site.short(), |site| site.name.clone())
            };
            let (_, areas) = sites.entry(device.site).or_insert_with(|| (name(), BTreeSet::new()));
            areas.extend(device.areas.iter().cloned());
        }
        sites
    }

    /// Computes how ready each site is that is known to hold or to have written something.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn readiness_of(
        &self,
        sites: &Sites,
        holders: &Holders,
    ) -> Result<Vec<(SiteId, Readiness)>, ReplicaError> {
        let own = self.me().site_certificate.site();
        let mut measures: BTreeMap<SiteId, Measures> = BTreeMap::new();
        for holders_of in holders.lanes.values().filter(|it| is_heard(it.name.part)) {
            let (by_site, name) = (BySite::of(holders_of, holders), &holders_of.name);
            if let Some(writer) = holders_of.writer {
                let measure = measures.entry(writer).or_default();
                measure.off_site.add(by_site.without(&BTreeSet::from([writer])), by_site.end);
                measure.backup.add(holders_of.backup, by_site.end);
            }
            for (site, (_, areas)) in sites {
                if areas.contains(&name.area) || name.area == Area::common() {
                    measures.entry(*site).or_default().held.add(by_site.at(site), by_site.end);
                }
            }
        }
        let (heard, now) = (self.sites_heard()?, self.environment().now());
        let ago = |time: Option<WallMs>| time.map(|time| now.0.saturating_sub(time.0));
        let lately_of_others =
            heard.iter().filter(|(site, _)| **site != own).filter_map(|(_, times)| times.heard()).max();
        let ready = measures.into_iter().filter_map(|(site, measures)| {
            let last = match site == own {
                true => lately_of_others,
                false => heard.get(&site).and_then(|times| times.heard()),
            };
            let measures = Measures { heard_ms: ago(last), ..measures };
            Some((site, Readiness::of(sites.get(&site)?.0.clone(), measures)))
        });
        Ok(ready.collect())
    }
}
