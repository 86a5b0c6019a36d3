//! Liveness: what must happen before long.

use std::time::Duration;

use super::{Evidence, Finding};
use crate::drill::judge::nothing_to_judge;
use crate::drill::scenario::{Scenario, Told};
use crate::drill::units::length;

/// How long convergence may take once everything is whole: a scrub every six hours finds what rotted, so a drill
/// whose disks rot has that long; others an hour.
const WITHIN: Duration = Duration::from_secs(3_600);
const WITHIN_ROT: Duration = Duration::from_secs(7 * 3_600);

/// How long convergence may take, and what makes up the limit.
struct Limit {
    within: Duration,
    told: Told,
}

impl Limit {
    fn of(scenario: &Scenario, rotted: bool) -> Self {
        let meets = scenario.links.iter().filter_map(|link| link.meets_every).max();
        let base = if rotted { WITHIN_ROT } else { WITHIN };
        let within = base + meets.unwrap_or_default() * 2;
        let (whole, own) = (length(within), length(base));
        let (rot_ja, rot_en) = match rotted {
            true => ("（劣化したディスクを読み直す分を含む）", " with the reading of disks that rotted"),
            false => ("", ""),
        };
        let told = match meets.map(length) {
            None => Told::of(format!("within {}{rot_en}", whole.en), format!("上限 {}{rot_ja}", whole.ja)),
            Some(every) => Told::of(
                format!(
                    "within {}: {}{rot_en}, and two meetings of those that meet every {}",
                    whole.en, own.en, every.en
                ),
                format!(
                    "上限 {}：{}{rot_ja}に、{}ごとに会う機器が二回会う時間を加える",
                    whole.ja, own.ja, every.ja
                ),
            ),
        };
        Self { within, told }
    }
}

/// When all faults have stopped, all replicas hold the same within an hour (seven when disks rotted, since they are
/// read through every six) and the time of two meetings of those that meet seldom.
///
/// # Errors
/// With the reunion that took longer. One that another fault broke off, or the end of the drill, is judged by how long
/// it had.
pub fn converges_in_bounded_time(evidence: &Evidence<'_>) -> Finding {
    let course = evidence.course;
    let Limit { within, told: limit } = Limit::of(evidence.scenario, course.faults.sectors_rotten > 0);
    if course.reunions.is_empty() {
        return Ok(nothing_to_judge(
            "there was no moment at which all faults had stopped",
            "障害がすべて止んだ時はなかった",
        ));
    }
    let mut longest = Duration::ZERO;
    for reunion in &course.reunions {
        match reunion.converged {
            Some(converged) => longest = longest.max(converged.saturating_sub(reunion.healed)),
            None => {
                let had = reunion.until.saturating_sub(reunion.healed);
                if had > within {
                    let (healed, had) = (length(reunion.healed), length(had));
                    return Err(Told::of(
                        format!(
                            "whole again {} after the start, and not equal {} later ({})",
                            healed.en, had.en, limit.en
                        ),
                        format!(
                            "開始から {} で元に戻ったが、{}後も一致せず（{}）",
                            healed.ja, had.ja, limit.ja
                        ),
                    ));
                }
            }
        }
    }
    let took = length(longest);
    match longest > within {
        true => Err(Told::of(
            format!("a reunion took {} ({})", took.en, limit.en),
            format!("復旧から一致まで {}（{}）", took.ja, limit.ja),
        )),
        false => {
            let count = course.reunions.len();
            Ok(Told::of(
                format!("{count} reunions, the longest took {} ({})", took.en, limit.en),
                format!("復旧 {count} 回、一致まで最長 {}（{}）", took.ja, limit.ja),
            ))
        }
    }
}
