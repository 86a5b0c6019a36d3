//! When each site was last heard, and which sites' silence matters to whoever reads a record.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::core::Replica;
use super::error::ReplicaError;
use super::horizon::is_heard;
use crate::base::{Area, DeviceId, LaneId, SiteId, WallMs};
use crate::record::Position;

/// A site that writes is silent after so long: 6 hours, shorter than a shift, longer than the pauses of a small site at
/// daytime.
pub const SILENT_AFTER_MS: u64 = 6 * 3_600_000;
/// A site that has written nothing for so long is not missed, unless it wrote in the record: 30 days.
pub const WRITES_SELDOM_MS: u64 = 30 * 86_400_000;
/// Most sites and statements that one line names.
const NAMED_MAX: usize = 3;

/// When a site was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Times {
    /// When something that it wrote last arrived.
    pub(super) arrived: Option<WallMs>,
    /// When a session with one of its devices was last in sync.
    pub(super) in_sync: Option<WallMs>,
}

impl Times {
    /// When it was heard in either way.
    pub(super) fn heard(&self) -> Option<WallMs> {
        self.arrived.max(self.in_sync)
    }
}

/// A site that writes about this patient, or into the record's areas, and has not been heard for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilentSite {
    /// Its name.
    pub site: String,
    /// When it was last heard.
    pub heard: WallMs,
    /// How long ago that is, in milliseconds.
    pub silent_ms: u64,
    /// Whether it wrote in this record; otherwise into its areas only.
    pub wrote_here: bool,
}

impl Replica {
    /// Tells when each site was last heard.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn sites_heard(&self) -> Result<BTreeMap<SiteId, Times>, ReplicaError> {
        self.note_arrivals()?;
        let inner = self.lock();
        let (heard, tally) = (self.heard(), self.tally());
        let mut sites: BTreeMap<SiteId, Times> = BTreeMap::new();
        let devices: BTreeSet<(DeviceId, SiteId)> =
            inner.roster.certificates.devices().map(|(_, known)| (known.device, known.site)).collect();
        for (device, site) in devices {
            let times = sites.entry(site).or_default();
            times.arrived = times.arrived.max(tally.arrived(&device));
            times.in_sync = times.in_sync.max(heard.peers().get(&device).and_then(|peer| peer.in_sync));
        }
        Ok(sites)
    }

    /// Finds the sites that whoever reads a record should know to be silent, the longest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) fn silent_sites(
        &self,
        lanes: &BTreeSet<LaneId>,
        areas: &BTreeSet<Area>,
    ) -> Result<Vec<SilentSite>, ReplicaError> {
        let (heard, now) = (self.sites_heard()?, self.environment().now());
        let own = self.me().site_certificate.site();
        // Sites that write into the areas, with whether they wrote in this record.
        let mut writers: BTreeMap<SiteId, bool> = BTreeMap::new();
        {
            let inner = self.lock();
            let tally = self.tally();
            let site_of: BTreeMap<DeviceId, SiteId> =
                inner.roster.certificates.devices().map(|(_, known)| (known.device, known.site)).collect();
            for (lane, state) in inner.lanes.iter().filter(|(_, state)| is_heard(state.name.part)) {
                let Some(site) = site_of.get(&state.name.device).filter(|site| **site != own) else {
                    continue;
                };
                let here = lanes.contains(lane);
                let arrived = tally.arrived(&state.name.device);
                let writes = state.size() > 0
                    && state.name.area != Area::common()
                    && areas.contains(&state.name.area)
                    && arrived.is_some_and(|time| now.0.saturating_sub(time.0) <= WRITES_SELDOM_MS);
                if here || writes {
                    *writers.entry(*site).or_default() |= here;
                }
            }
        }
        let names = self.sites();
        let silent = writers.into_iter().filter_map(|(site, wrote_here)| {
            let last = heard.get(&site)?.heard()?;
            let silent_ms = now.0.saturating_sub(last.0);
            let site = names.get(&site)?.0.clone();
            (silent_ms >= SILENT_AFTER_MS).then_some(SilentSite { site, heard: last, silent_ms, wrote_here })
        });
        let mut silent: Vec<SilentSite> = silent.collect();
        silent.sort_by(|a, b| (!a.wrote_here, a.heard, &a.site).cmp(&(!b.wrote_here, b.heard, &b.site)));
        Ok(silent)
    }
}

/// Says for people which sites are silent, in one line; nothing when none is.
pub(super) fn silence_text(silent: &[SilentSite]) -> String {
    if silent.is_empty() {
        return String::new();
    }
    let hours = |site: &SilentSite| site.silent_ms / 3_600_000;
    let named = || silent.iter().take(NAMED_MAX);
    let more = silent.len().saturating_sub(NAMED_MAX);
    let clean =
        |text: &str| -> String { text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect() };
    let ja: Vec<String> = named()
        .map(|site| match hours(site) {
            hours @ 0..48 => format!("{} {hours} 時間", clean(&site.site)),
            hours => format!("{} {} 日", clean(&site.site), hours / 24),
        })
        .collect();
    let en: Vec<String> = named()
        .map(|site| match hours(site) {
            hours @ 0..48 => format!("{} for {hours} h", clean(&site.site)),
            hours => format!("{} for {} d", clean(&site.site), hours / 24),
        })
        .collect();
    let (ja_more, en_more) = match more {
        0 => (String::new(), String::new()),
        more => (format!("、ほか {more} 施設"), format!(", and {more} more")),
    };
    format!("受信なし: {}{ja_more} / not heard: {}{en_more}\n", ja.join("、"), en.join(", "))
}

/// Says for people which of this device's own statements are nowhere else, in one line; nothing when none is.
pub(super) fn only_here_text(only_here: &[Position]) -> String {
    if only_here.is_empty() {
        return String::new();
    }
    let count = only_here.len();
    let named: Vec<String> =
        only_here.iter().rev().take(NAMED_MAX).map(crate::record::render::statement_name).collect();
    let more = if count > NAMED_MAX { ", …" } else { "" };
    let statements = if count == 1 { "1 statement is".to_owned() } else { format!("{count} statements are") };
    let named = named.join(", ");
    format!("この端末だけにある記入 {count} 件 / {statements} on this device only: {named}{more}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_the_sites_that_are_silent_longest() {
        let site = |name: &str, hours: u64| SilentSite {
            site: name.into(),
            heard: WallMs(0),
            silent_ms: hours * 3_600_000 + 1,
            wrote_here: true,
        };
        assert_eq!(silence_text(&[]), "");
        assert_eq!(
            silence_text(&[site("South Hospital", 9)]),
            "受信なし: South Hospital 9 時間 / not heard: South Hospital for 9 h\n"
        );
        let many = [site("A", 100), site("B\n", 48), site("C", 47), site("D", 7)];
        assert_eq!(
            silence_text(&many),
            "受信なし: A 4 日、B  2 日、C 47 時間、ほか 1 施設 / not heard: A for 4 d, B  for 2 d, C for 47 h, and 1 more\n"
        );
    }

    #[test]
    fn own_statements_that_are_nowhere_else_are_counted_and_the_latest_named() {
        let place = |seq| Position { lane: LaneId([0x9c; 32]), seq, index: 0 };
        assert_eq!(only_here_text(&[]), "");
        assert_eq!(
            only_here_text(&[place(1)]),
            "この端末だけにある記入 1 件 / 1 statement is on this device only: 9c9c9c9c:1:0\n"
        );
        let many: Vec<Position> = (1..=5).map(place).collect();
        let text = only_here_text(&many);
        assert!(text.ends_with(
            "5 statements are on this device only: 9c9c9c9c:5:0, 9c9c9c9c:4:0, 9c9c9c9c:3:0, …\n"
        ));
    }
}
