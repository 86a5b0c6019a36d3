//! Liveness: what must happen before long.

use std::time::Duration;

use super::{Evidence, Finding};

/// How long convergence may take once everything is whole: a scrub every six hours finds what rotted, so a drill
/// whose disks rot has that long; others an hour.
const WITHIN: Duration = Duration::from_secs(3_600);
const WITHIN_ROT: Duration = Duration::from_secs(7 * 3_600);

/// When all faults have stopped, all replicas hold the same within an hour (seven when disks rotted, since they are
/// read through every six), or within two meetings of those that meet seldom.
///
/// # Errors
/// With the reunion that took longer. One that another fault broke off, or the end of the drill, is judged by how long
/// it had.
pub fn converges_in_bounded_time(evidence: &Evidence<'_>) -> Finding {
    let (course, scenario) = (evidence.course, evidence.scenario);
    let meets = scenario.links.iter().filter_map(|link| link.meets_every).max().unwrap_or_default();
    let within = if course.faults.sectors_rotten > 0 { WITHIN_ROT } else { WITHIN } + meets * 2;
    let mut longest = Duration::ZERO;
    for reunion in &course.reunions {
        match reunion.converged {
            Some(converged) => longest = longest.max(converged.saturating_sub(reunion.healed)),
            None => {
                let had = reunion.until.saturating_sub(reunion.healed);
                if had > within {
                    return Err(format!("whole again at {:?}, and not equal {had:?} later", reunion.healed));
                }
            }
        }
    }
    match longest > within {
        true => Err(format!("a reunion took {longest:?}, and {within:?} is the most")),
        false => Ok(format!("{} reunions, the longest took {longest:?}", course.reunions.len())),
    }
}
