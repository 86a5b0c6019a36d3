//! Expectations about data: nothing is lost, all hold the same, disks come back whole.

use super::super::convergence::differences;
use super::super::course::{Course, Dispute, RestoreCourse};
use super::super::invariants::{self, Evidence, Finding};
use super::super::judge::nothing_restored;
use super::super::scenario::Told;
use super::{NAMED_MAX, holds};

pub(super) fn nothing_lost(evidence: &Evidence<'_>) -> Finding {
    let told = invariants::no_acknowledged_write_lost(evidence)?;
    if evidence.seen.disks.is_empty() {
        return Ok(told);
    }
    // What was typed into hand-over texts is looked for in the merged texts of the disks that were read.
    match evidence.seen.ledger.losses(&evidence.seen.disks).first() {
        None => Ok(told),
        Some(loss) => {
            let missing: Vec<String> = loss.missing_at.iter().map(ToString::to_string).collect();
            let missing = missing.join(", ");
            Err(Told::of(
                format!("{} is lost at {missing}", loss.what),
                format!("{missing} で失われた：{}", loss.what),
            ))
        }
    }
}

/// Every replica that still has a disk holds the same.
pub(super) fn heads_equal(evidence: &Evidence<'_>) -> Finding {
    let (scenario, course, seen) = (evidence.scenario, evidence.course, evidence.seen);
    let unseen = scenario.replicas.iter().enumerate();
    let unseen =
        unseen.filter(|(place, plan)| !seen.at_end.contains_key(&plan.name) && !course.is_lost(*place));
    let unseen: Vec<String> = unseen.map(|(_, plan)| plan.name.to_string()).collect();
    if !unseen.is_empty() {
        let unseen = Told::some(&unseen, NAMED_MAX);
        return Err(Told::of(
            format!("not seen: {}", unseen.en),
            format!("観測できなかった拠点：{}", unseen.ja),
        ));
    }
    let differing = differences(&seen.at_end);
    match differing.is_empty() {
        true => {
            let count = invariants::how_many(evidence);
            Ok(Told::of(format!("{} hold the same", count.en), format!("{}が同じものを持つ", count.ja)))
        }
        false => Err(Told::some(&differing, NAMED_MAX)),
    }
}

pub(super) fn in_disputes(course: &Course, section: &str, kind: &str) -> Finding {
    let open = |one: &&Dispute| {
        one.decided.is_none() && one.section == section && one.kind == kind && one.seen.is_some()
    };
    let count = course.disputes.iter().filter(open).count();
    holds(
        count > 0,
        Told::of(
            format!("{count} open, of whatever patient: too many replicas to ask each"),
            format!("未解決 {count} 件（拠点が多いため患者を問わず数えた）"),
        ),
    )
}

/// The losses of disks after which the member came back.
pub(in crate::drill) fn came_back(course: &Course) -> Vec<&RestoreCourse> {
    course.restores.iter().filter(|one| one.back.is_some()).collect()
}

pub(super) fn restores_complete(course: &Course) -> Finding {
    let restored = came_back(course);
    if restored.is_empty() {
        return Err(nothing_restored());
    }
    let out = course.restores.len() - restored.len();
    let behind: u64 = restored.iter().filter_map(|one| one.behind).sum();
    let count = restored.len();
    let (out_ja, out_en) = match out {
        0 => (String::new(), String::new()),
        out => {
            (format!("（ほかに終了まで復旧せず {out} 件）"), format!(" ({out} more not restored by the end)"))
        }
    };
    let told = Told::of(
        format!("{count} restores{out_en}, {behind} entries of their own were not in the backup"),
        format!("復元 {count} 件{out_ja}、自らの記入でバックアップになかったもの {behind} 件"),
    );
    holds(behind == 0, told)
}
