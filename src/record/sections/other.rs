//! Everything that has no section of its own yet: kept whole, exported equal, counted here.
//!
//! Rule: nothing is dropped. Law: the counts are a function of the set of current statements.

use std::collections::BTreeMap;

use crate::record::facts::Facts;
use crate::record::sections::Section;

/// Counts the current statements by resource type; versions of one resource that are tips side by side count
/// as often as there are tips.
pub fn count(facts: &Facts) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for thread in facts.threads(Section::Other) {
        for tip in thread.tip_nodes() {
            *counts.entry(tip.first().resource_type.clone()).or_default() += 1;
        }
    }
    counts
}
