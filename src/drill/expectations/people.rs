//! Expectations about people: on how old a record they decided.

use std::time::Duration;

use super::super::course::Course;
use super::super::invariants::Finding;
use super::super::scenario::Told;
use super::super::units::{length, number};
use super::holds;

/// A decision without the record rested on nothing, and is too old whatever the limit.
pub(super) fn staleness(course: &Course, at_most: Duration, share: f64) -> Finding {
    let decisions = course.decisions.len();
    if decisions == 0 {
        return Err(Told::of(
            "nobody decided anything: add a [[workload]]",
            "判断が一つもなかった：[[workload]] を加える",
        ));
    }
    let fresh = course.decisions.iter().filter(|one| one.read && one.stale <= at_most).count();
    let found = fresh as f64 / decisions as f64;
    let unread = course.decisions.iter().filter(|one| !one.read).count() as u64;
    let (percent, limit, least) = (found * 100.0, length(at_most), share * 100.0);
    let (decisions, unread) = (number(decisions as u64), number(unread));
    let told = Told::of(
        format!(
            "{percent:.2} % of {decisions} decisions on knowledge of at most {} (at least {least:.2} %); \
             {unread} without the record count as too old",
            limit.en
        ),
        format!(
            "判断 {decisions} 件の {percent:.2} % は、古さ {}以内の情報に基づいた（下限 {least:.2} %）。\
             記録を開けなかった {unread} 件は、古いものに数える",
            limit.ja
        ),
    );
    holds(found >= share, told)
}
