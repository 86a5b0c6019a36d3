//! What two replicas compare before anything else: the digests of subscriptions and of groups of lanes.

use std::collections::{BTreeMap, BTreeSet};

use super::holdings::Told;
use crate::base::{Area, Digest, Part, hash_tagged};
use crate::lane::LaneName;

/// The lanes of one (part, area), in the order in which groups are listed and sent: urgent parts first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// The part.
    pub part: Part,
    /// The area.
    pub area: Area,
}

impl Group {
    /// Returns the group of a lane.
    pub fn of(name: &LaneName) -> Self {
        Self { part: name.part, area: name.area.clone() }
    }
}

/// Returns the digest of a subscription.
pub fn subscription_digest(subscription: &BTreeSet<Group>) -> Digest {
    let parts: Vec<Vec<u8>> = subscription
        .iter()
        .map(|group| [&[group.part.code()], group.area.as_str().as_bytes()].concat())
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    hash_tagged("musubi.sync.subscription.v1", &parts)
}

/// Returns the digest over the digests of all subscribed groups.
pub fn all_digest(groups: &BTreeMap<Group, Told>) -> Digest {
    let mut parts: Vec<Vec<u8>> = Vec::with_capacity(groups.len());
    for (group, told) in groups {
        parts.push([&[group.part.code()], group.area.as_str().as_bytes()].concat());
        parts.push(told.digest.0.to_vec());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    hash_tagged("musubi.sync.all.v1", &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(part: Part, area: &str) -> Group {
        Group { part, area: Area::new(area).unwrap() }
    }

    #[test]
    fn every_group_and_digest_counts() {
        let one = BTreeSet::from([group(Part::Card, "a"), group(Part::Data, "a")]);
        let other = BTreeSet::from([group(Part::Card, "a"), group(Part::Data, "b")]);
        assert_ne!(subscription_digest(&one), subscription_digest(&other));
        let told = |byte| Told { digest: Digest([byte; 32]), lanes: 1 };
        let digests = |byte| BTreeMap::from([(group(Part::Card, "a"), told(byte))]);
        assert_ne!(all_digest(&digests(1)), all_digest(&digests(2)));
    }

    #[test]
    fn urgent_parts_come_first_whatever_their_area() {
        assert!(group(Part::Card, "z") < group(Part::Data, "a"));
    }
}
