//! Versions of imported resources: what an import must write, and what it may skip.
//!
//! A later version follows the current versions of the **same source's** resource and nothing else. It must
//! not follow what was written natively in the meantime: the source did not know of it, so a native refutation
//! or stop and the later version are concurrent, and people are asked.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::origin::Origin;
use super::sections::Section;
use super::statement::FollowRef;
use super::threads::Thread;
use crate::base::Digest;

/// What a record knows about an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// This version is not known: write it, following these statements (none for a new resource).
    New(
        /// The current versions in ascending order; every lane is named.
        Vec<FollowRef>,
    ),
    /// This version is known and current: nothing to write.
    Current,
    /// This version is known, and a later one of the same source follows it: skip it, and report.
    Superseded,
}

/// All imported resources of a record, by source, type and id; built once for many questions.
pub struct Versions {
    resources: BTreeMap<(String, String, String), Resource>,
}

#[derive(Default)]
struct Resource {
    versions: BTreeMap<Digest, FollowRef>,
    superseded: BTreeSet<Digest>,
}

impl Versions {
    /// Collects the versions that a record knows.
    pub fn of(facts: &Facts) -> Self {
        let mut versions = Self { resources: BTreeMap::new() };
        let threads = Section::ALL.into_iter().flat_map(|section| facts.threads(section));
        threads.for_each(|thread| versions.learn(&thread));
        versions
    }

    /// Says what is known about an origin.
    pub fn known(&self, origin: &Origin) -> Known {
        let Some(resource) = self.resources.get(&key(origin)) else { return Known::New(Vec::new()) };
        // Two importers that met two versions in different orders made a circle: then all are current.
        let circle = resource.superseded.len() == resource.versions.len();
        let is_current = |digest: &Digest| circle || !resource.superseded.contains(digest);
        if resource.versions.contains_key(&origin.digest) {
            return if is_current(&origin.digest) { Known::Current } else { Known::Superseded };
        }
        let current = resource.versions.iter().filter(|(digest, _)| is_current(digest));
        Known::New(FollowRef::in_order(current.map(|(_, version)| *version).collect()))
    }

    fn learn(&mut self, thread: &Thread<'_>) {
        for node in &thread.nodes {
            let Some(origin) = &node.first().origin else { continue };
            let resource = self.resources.entry(key(origin)).or_default();
            resource.versions.insert(origin.digest, node.first().follow_ref());
            let followed = node.follows.iter().filter_map(|f| thread.nodes[*f].first().origin.as_ref());
            let earlier = followed.filter(|earlier| earlier.same_resource(origin));
            resource.superseded.extend(earlier.map(|earlier| earlier.digest));
        }
    }
}

fn key(origin: &Origin) -> (String, String, String) {
    (origin.source.clone(), origin.resource_type.clone(), origin.id.clone())
}
