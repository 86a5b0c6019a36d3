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
use crate::base::limits::FOLLOWS_MAX;

/// What a record knows about an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// This version is not known: write it, following these statements (none for a new resource).
    New(
        /// All copies of the current versions in ascending order, at most as many as a statement may follow; every lane is
        /// named. A reader may hold any one of the copies only: another was filed in an area that it does not hold.
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
    /// The copies of each version, the representative first.
    versions: BTreeMap<Digest, Vec<FollowRef>>,
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
        let current =
            || resource.versions.iter().filter(|(digest, _)| is_current(digest)).map(|(_, copies)| copies);
        let first = current().filter_map(|copies| copies.first());
        let others = current().flat_map(|copies| copies.iter().skip(1));
        // In a forked lane two stand at one place, and one of them can be named there.
        let mut places = BTreeSet::new();
        let all = first.chain(others).filter(|it| places.insert((it.lane, it.seq, it.index)));
        Known::New(FollowRef::in_order(all.copied().take(FOLLOWS_MAX).collect()))
    }

    fn learn(&mut self, thread: &Thread<'_>) {
        for node in &thread.nodes {
            let Some(origin) = &node.first().origin else { continue };
            let resource = self.resources.entry(key(origin)).or_default();
            let copies = node.facts.iter().map(|fact| fact.follow_ref());
            resource.versions.entry(origin.digest).or_default().extend(copies);
            let followed = node.follows.iter().filter_map(|f| thread.nodes[*f].first().origin.as_ref());
            let earlier = followed.filter(|earlier| earlier.same_resource(origin));
            resource.superseded.extend(earlier.map(|earlier| earlier.digest));
        }
    }
}

fn key(origin: &Origin) -> (String, String, String) {
    (origin.source.clone(), origin.resource_type.clone(), origin.id.clone())
}
