//! All findings of a course, in order of weight.

use super::{Finding, Tone, access, harm, network};
use crate::drill::course::Course;
use crate::drill::report::measures::Measures;

/// Most findings of one report.
pub const FINDINGS_MAX: usize = 15;
/// Most good news that stays when there is much else.
const GOOD_KEPT: usize = 3;

/// Computes the findings of a course: dangers first, then concerns, notes and good news; within each, what is
/// about people before what is about machines.
pub fn findings(course: &Course, measures: &Measures) -> Vec<Finding> {
    let mut found: Vec<Finding> = [
        harm::findings(course, measures),
        access::findings(course, measures),
        network::findings(course, measures),
    ]
    .concat();
    found.sort_by_key(|finding| (finding.tone, finding.kind));
    let good = found.iter().filter(|finding| finding.tone == Tone::Good).count();
    let others = found.len() - good;
    let others_kept = others.min(FINDINGS_MAX - good.min(GOOD_KEPT));
    found.drain(others_kept..others);
    found.truncate(FINDINGS_MAX);
    found
}
