//! Expectations about links: what they may carry, and what of it comes first.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::course::Course;
use super::super::invariants::Finding;
use super::super::judge::nothing_to_judge;
use super::super::scenario::Told;
use super::super::units::{length, number};
use super::{NAMED_MAX, holds, nth};
use crate::base::Part;

/// Names parts as scenario files do.
fn named(parts: &BTreeSet<Part>) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// How long each write of some parts took to be everywhere; none when it never was.
fn spans(course: &Course, parts: &BTreeSet<Part>) -> Vec<Option<Duration>> {
    let of = course.traffic.arrived.iter().filter(|one| parts.contains(&one.part));
    of.map(|one| one.after).collect()
}

/// Of what was acknowledged in some parts, a share was everywhere where it belongs in time.
pub(super) fn everywhere_within(
    course: &Course,
    parts: &BTreeSet<Part>,
    within: Duration,
    share: f64,
) -> Finding {
    let mut spans: Vec<Duration> =
        spans(course, parts).into_iter().map(|after| after.unwrap_or(Duration::MAX)).collect();
    let parts = named(parts);
    if spans.is_empty() {
        return Err(Told::of(format!("nothing was written ({parts})"), format!("記入がなかった（{parts}）")));
    }
    spans.sort_unstable();
    let found = spans.partition_point(|after| *after <= within) as f64 / spans.len() as f64;
    let at_share = match nth(&spans, share) {
        Duration::MAX => Told::of("never", "届かず"),
        after => length(after),
    };
    let (count, limit, percent, least) =
        (number(spans.len() as u64), length(within), found * 100.0, share * 100.0);
    let told = Told::of(
        format!(
            "{percent:.2} % of {count} writes ({parts}) were everywhere within {} (at least {least:.2} %); {least:.2} % took at most {}",
            limit.en, at_share.en
        ),
        format!(
            "記入（{parts}）{count} 件の {percent:.2} % が {}以内にすべての複製へ届いた（下限 {least:.2} %）。{least:.2} % が届くまで {}",
            limit.ja, at_share.ja
        ),
    );
    holds(found >= share, told)
}

/// What is less urgent waited: the slowest write of some parts took long.
pub(super) fn waited(course: &Course, parts: &BTreeSet<Part>, at_least: Duration) -> Finding {
    let slowest = spans(course, parts).into_iter().map(|after| after.unwrap_or(course.lasted)).max();
    let parts = named(parts);
    let Some(slowest) = slowest else {
        return Err(Told::of(format!("nothing was written ({parts})"), format!("記入がなかった（{parts}）")));
    };
    let (told, least) = (length(slowest), length(at_least));
    holds(
        slowest >= at_least,
        Told::of(
            format!(
                "the slowest write ({parts}) was everywhere after {} (at least {} wanted)",
                told.en, least.en
            ),
            format!("最も遅い記入（{parts}）が届くまで {}（下限 {}）", told.ja, least.ja),
        ),
    )
}

/// No link carried more in a day than it may.
pub(super) fn quota_kept(course: &Course) -> Finding {
    let name = |end: usize| course.members[end].name.as_str();
    let (mut metered, mut over) = (0, Vec::new());
    for link in &course.links {
        let Some(quota) = link.quota_bytes_per_day else { continue };
        metered += 1;
        let most = link.metered_days(course.begins_ms).into_iter().max().unwrap_or(0);
        if most > quota {
            let [one, other] = link.ends.map(name);
            over.push(format!("{one}–{other} {most} / {quota} B"));
        }
    }
    match over.is_empty() {
        true if metered == 0 => Ok(nothing_to_judge("no link has a quota", "上限のある回線がない")),
        true => Ok(Told::of(
            format!("{metered} links have a quota, and none exceeded it"),
            format!("上限のある回線 {metered} 本、超えたものなし"),
        )),
        false => {
            let told = Told::some(&over, NAMED_MAX);
            Err(Told::of(
                format!("carried more in a day than they may: {}", told.en),
                format!("一日の上限を超えた：{}", told.ja),
            ))
        }
    }
}
