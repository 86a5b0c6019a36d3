//! What a replica holds and asks of its peers: areas whole, or some of their parts.
//!
//! Control is always in, and `common` is always whole. What this device wrote itself is held and offered to peers
//! whatever the subscription is; what was held before a subscription was narrowed stays, and is not asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answer::Status;
use super::core::Replica;
use super::error::ReplicaError;
use crate::base::{Area, Part};
use crate::sync::Group;

/// Parts of one area.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscribed {
    /// The area.
    pub area: Area,
    /// The parts.
    pub parts: Vec<Part>,
}

impl Replica {
    /// Holds only these of the certificate's areas, besides `common`: others are not asked of peers, nor sent.
    pub fn hold_only(&mut self, areas: BTreeSet<Area>) {
        self.hold_parts(areas.into_iter().map(|area| (area, Part::ALL.into())).collect());
    }

    /// Holds only these parts of these of the certificate's areas, besides control and `common`.
    pub fn hold_parts(&mut self, wanted: BTreeMap<Area, BTreeSet<Part>>) {
        self.held = Some(wanted);
    }

    /// Returns the areas that this device holds, wholly or in part: those of its certificate, unless it is told to
    /// hold fewer, and `common`.
    pub fn areas(&self) -> BTreeSet<Area> {
        let areas = self.me().device_certificate.areas.iter();
        let held = areas.filter(|area| self.held.as_ref().is_none_or(|held| held.contains_key(*area)));
        held.cloned().chain([Area::common()]).collect()
    }

    /// Returns the areas and parts that this device holds and asks of its peers.
    pub fn subscription(&self) -> BTreeSet<Group> {
        let groups = self.areas().into_iter().flat_map(|area| {
            let wanted = self.held.as_ref().and_then(|held| held.get(&area)).cloned();
            let whole = wanted.is_none() || area == Area::common();
            let wanted = wanted.unwrap_or_default();
            let parts = Part::ALL.into_iter();
            parts
                .filter(move |part| whole || *part == Part::Control || wanted.contains(part))
                .map(move |part| Group { part, area: area.clone() })
        });
        groups.collect()
    }

    /// Returns the subscription area by area.
    pub fn subscribed(&self) -> Vec<Subscribed> {
        by_area(self.subscription())
    }

    /// Returns what this device may hold of records and does not subscribe to: nobody can tell from this replica what is
    /// in it.
    pub fn not_held(&self) -> Vec<Subscribed> {
        let subscription = self.subscription();
        let areas = self.me().device_certificate.areas.iter();
        let of_records = [Part::Card, Part::Notes, Part::Data];
        let groups = areas.flat_map(|area| of_records.map(|part| Group { part, area: area.clone() }));
        by_area(groups.filter(|group| !subscription.contains(group)).collect())
    }

    /// Returns the area for new patients when none is given: the first shared one.
    ///
    /// # Errors
    /// [`ReplicaError::NoArea`] when the certificate names no area.
    pub fn default_area(&self) -> Result<Area, ReplicaError> {
        let areas = &self.me().device_certificate.areas;
        let shared = areas.iter().find(|area| !area.is_private());
        shared.or_else(|| areas.first()).cloned().ok_or(ReplicaError::NoArea)
    }
}

impl Status {
    /// Says whether the replica subscribes to a part of an area.
    pub fn holds(&self, area: &Area, part: Part) -> bool {
        // A replica of an older version names areas alone, and holds them whole.
        let whole = || *area == Area::common() || self.areas.contains(area);
        let of_area = |one: &Subscribed| one.area == *area && one.parts.contains(&part);
        if self.subscription.is_empty() { whole() } else { self.subscription.iter().any(of_area) }
    }
}

fn by_area(groups: BTreeSet<Group>) -> Vec<Subscribed> {
    let mut areas: BTreeMap<Area, Vec<Part>> = BTreeMap::new();
    for Group { part, area } in groups {
        areas.entry(area).or_default().push(part);
    }
    areas.into_iter().map(|(area, parts)| Subscribed { area, parts }).collect()
}
