//! Liveness: what must happen before long.

use std::time::Duration;

use super::{Evidence, Finding};
use crate::drill::scenario::{Told, write_span as span};

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
                    let (healed, had) = (span(reunion.healed), span(had));
                    return Err(Told::of(
                        format!("whole again at {healed}, and not equal {had} later"),
                        format!("開始から {healed} で元に戻ったが、{had} 後も一致せず"),
                    ));
                }
            }
        }
    }
    match longest > within {
        true => {
            let (took, most) = (span(longest), span(within));
            Err(Told::of(
                format!("a reunion took {took}, and {most} is the most"),
                format!("復旧から一致まで {took} かかった（上限 {most}）"),
            ))
        }
        false => {
            let (count, took) = (course.reunions.len(), seconds(longest));
            Ok(Told::of(
                format!("{count} reunions, the longest took {took}"),
                format!("復旧 {count} 回、一致まで最長 {took}"),
            ))
        }
    }
}

/// Writes a time, with a tenth of a second where that is much of it.
fn seconds(time: Duration) -> String {
    const SHORT: Duration = Duration::from_secs(60);
    if time < SHORT { format!("{:.1}s", time.as_secs_f64()) } else { span(time) }
}
