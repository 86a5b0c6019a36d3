//! Whether replicas hold the same, as far as their subscriptions overlap.

use std::collections::{BTreeMap, BTreeSet};

use super::scenario::ReplicaName;
use crate::base::{Area, Digest, Part};
use crate::replica::answer::{GroupHeads, Status};
use crate::replica::subscription::Subscribed;

/// Names the areas and parts on which replicas differ; empty when they have converged.
///
/// Audit is each device's own and is not compared, nor are private areas. Of equal subscriptions the one digest
/// over all must be equal, too.
pub fn differences(statuses: &BTreeMap<ReplicaName, Status>) -> Vec<String> {
    let mut groups: BTreeMap<(Area, Part), BTreeMap<&ReplicaName, Option<Digest>>> = BTreeMap::new();
    for (area, part) in statuses.values().flat_map(shared_groups) {
        let holders = statuses.iter().filter(|(_, status)| status.holds(&area, part));
        let digests = holders.map(|(name, status)| (name, digest(status, &area, part))).collect();
        groups.insert((area, part), digests);
    }
    let mut found: Vec<String> = groups
        .iter()
        .filter(|(_, digests)| digests.values().collect::<BTreeSet<_>>().len() > 1)
        .map(|((area, part), digests)| {
            let told = digests.iter().map(|(name, digest)| match digest {
                Some(digest) => format!("{name} {}", digest.short()),
                None => format!("{name} nothing"),
            });
            format!("{area} {part}: {}", told.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let mut by_subscription: BTreeMap<(BTreeSet<&Area>, &[Subscribed]), BTreeSet<Digest>> = BTreeMap::new();
    for status in statuses.values() {
        let subscription = (status.areas.iter().collect(), status.subscription.as_slice());
        by_subscription.entry(subscription).or_default().insert(status.heads);
    }
    if found.is_empty() && by_subscription.values().any(|heads| heads.len() > 1) {
        let told = statuses.iter().map(|(name, status)| format!("{name} {}", status.heads.short()));
        found.push(format!("heads: {}", told.collect::<Vec<_>>().join(", ")));
    }
    found
}

fn shared_groups(status: &Status) -> Vec<(Area, Part)> {
    let is_shared = |group: &&GroupHeads| group.part != Part::Audit && !group.area.is_private();
    let shared = status.groups.iter().filter(is_shared).filter(|group| status.holds(&group.area, group.part));
    shared.map(|group| (group.area.clone(), group.part)).collect()
}

fn digest(status: &Status, area: &Area, part: Part) -> Option<Digest> {
    let group = status.groups.iter().find(|group| group.area == *area && group.part == part)?;
    (group.lanes > 0).then_some(group.digest)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{name, status};
    use super::*;

    #[test]
    fn replicas_of_other_subscriptions_are_compared_where_they_overlap() {
        let hospital = status(&["shared/miura", "shared/zushi"], 1);
        let mut tablet = status(&["shared/miura"], 1);
        tablet.heads = Digest([9; 32]);
        let mut both: BTreeMap<_, _> = [(name("north"), hospital), (name("tablet"), tablet)].into();
        assert_eq!(differences(&both), Vec::<String>::new());

        let group = both.values_mut().last().unwrap().groups.first_mut().unwrap();
        group.digest = Digest([2; 32]);
        let told = differences(&both).join("\n");
        assert!(told.contains("shared/miura card: north 01010101, tablet 02020202"), "{told}");
    }

    #[test]
    fn audit_is_not_compared_and_heads_of_equal_subscription_are() {
        let (one, mut other) = (status(&["shared/miura"], 1), status(&["shared/miura"], 1));
        let mut audit = other.groups[0].clone();
        audit.part = Part::Audit;
        other.groups.push(audit);
        let mut both: BTreeMap<_, _> = [(name("north"), one), (name("south"), other)].into();
        assert_eq!(differences(&both), Vec::<String>::new());
        both.values_mut().last().unwrap().heads = Digest([3; 32]);
        assert!(differences(&both)[0].starts_with("heads: north 01010101, south 03030303"));
    }

    #[test]
    fn what_one_holds_and_the_other_lacks_differs() {
        let (one, mut other) = (status(&["shared/miura"], 1), status(&["shared/miura"], 1));
        other.groups.clear();
        let told = differences(&[(name("north"), one), (name("south"), other)].into()).join("\n");
        assert!(told.contains("south nothing"), "{told}");
    }
}
