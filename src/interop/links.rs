//! What provenance statements are about: the record in which all their targets lie.
//!
//! A `Provenance` names resources, not a patient. The few resources that are named so are looked for in the
//! files before anything is handed over, because they may come later than what names them.

use std::collections::HashMap;

use super::patients::{SourceNo, url_key};
use super::reference::Target;
use super::scope::Place;
use crate::base::RecordId;

/// Most resources that are looked for; statements about further ones go to the directory.
const WANTED_MAX: usize = 4_000_000;

/// Where a resource belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// A patient's record.
    Record(RecordId, SourceNo),
    /// The directory record of its source.
    Directory,
    /// Different records: two resources have the same name.
    Several,
}

/// The resources that are targets of others.
#[derive(Default)]
pub(super) struct Links {
    wanted: HashMap<[u8; 16], Option<Home>>,
}

impl Links {
    /// Says whether nothing is looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Asks for the resources that `targets` name.
    pub(super) fn want(&mut self, targets: &[Target], here: &Place) {
        for target in targets {
            for key in target_keys(target, here) {
                if self.wanted.len() < WANTED_MAX {
                    self.wanted.entry(key).or_insert(None);
                }
            }
        }
    }

    /// Says whether a resource is asked for.
    pub(super) fn wants(&self, resource: &Named<'_>, here: &Place) -> bool {
        resource.keys(here).iter().any(|key| self.wanted.contains_key(key))
    }

    /// Learns where a resource belongs.
    pub(super) fn learn(&mut self, resource: &Named<'_>, here: &Place, home: Home) {
        for key in resource.keys(here) {
            if let Some(known) = self.wanted.get_mut(&key) {
                *known = match *known {
                    Some(other) if other != home => Some(Home::Several),
                    Some(_) | None => Some(home),
                };
            }
        }
    }

    /// Finds where what a target names belongs; none when it is not in the files.
    pub(super) fn home(&self, target: &Target, here: &Place) -> Option<Home> {
        target_keys(target, here).iter().find_map(|key| self.wanted.get(key).copied().flatten())
    }
}

/// How a resource may be named by others.
pub(super) struct Named<'a> {
    /// Its type.
    pub resource_type: &'a str,
    /// Its id.
    pub id: Option<&'a str>,
    /// The address of its entry.
    pub full_url: Option<&'a str>,
}

impl Named<'_> {
    fn keys(&self, here: &Place) -> Vec<[u8; 16]> {
        let urls = self.full_url.zip(here.bundles.last()).map(|(url, bundle)| url_key(*bundle, url));
        let local = self.id.map(|id| url_key(0, &format!("{}/{id}", self.resource_type)));
        let uuid = self.id.map(|id| url_key(0, &format!("urn:uuid:{id}")));
        urls.into_iter().chain(local).chain(uuid).collect()
    }
}

/// The names by which a target may be found, the most exact first.
fn target_keys(target: &Target, here: &Place) -> Vec<[u8; 16]> {
    let in_bundles = |url: &str| -> Vec<[u8; 16]> {
        here.bundles.iter().rev().map(|bundle| url_key(*bundle, url)).collect()
    };
    match target {
        Target::Local { resource_type, id, url } => {
            let mut keys = url.as_deref().map(in_bundles).unwrap_or_default();
            keys.push(url_key(0, &format!("{resource_type}/{id}")));
            keys
        }
        Target::Url(url) => {
            let mut keys = in_bundles(url);
            keys.push(url_key(0, url));
            keys
        }
        Target::Identifier { .. } | Target::Contained | Target::NotPatient | Target::Words => Vec::new(),
    }
}
