//! Safety: what must never happen to data.

use std::collections::BTreeMap;

use super::{Evidence, Finding};
use crate::drill::convergence::differences;
use crate::drill::judge::nothing_to_judge;
use crate::drill::scenario::Told;
use crate::drill::units::number;

/// Most names that one detail lists.
const NAMED_MAX: usize = 5;

/// Every write that was acknowledged is, unaltered, on every replica that should hold it and still has a disk.
///
/// A write whose only copy was on a disk that the drill destroyed is no loss of the system's; the restores of the
/// course count those.
///
/// # Errors
/// With the first writes that are missing, and where.
pub fn no_acknowledged_write_lost(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else {
        return Ok(Told::of("judged by the exports", "書き出しから判定した"));
    };
    if sim.acknowledged == 0 {
        return Ok(nothing_to_judge("nothing was acknowledged", "受理された記入がなかった"));
    }
    if sim.lost == 0 && sim.altered == 0 {
        let with_disks = evidence.course.restores.iter().filter_map(|restore| restore.lost_entries).sum();
        return Ok(kept(sim.acknowledged, with_disks));
    }
    let name = |member: &usize| evidence.course.members[*member].name.clone();
    let told = evidence.course.lost.iter().take(NAMED_MAX).map(|lost| {
        let missing: Vec<String> = lost.missing_at.iter().map(name).collect();
        format!("{} written at {} (not at {})", lost.what, name(&lost.member), missing.join(", "))
    });
    let told: Vec<String> = told.collect();
    let (lost, altered, told) = (sim.lost, sim.altered, told.join("; "));
    Err(Told::of(
        format!("{lost} lost, {altered} altered: {told}"),
        format!("失われたもの {lost} 件、変わったもの {altered} 件：{told}"),
    ))
}

/// Says that the system lost nothing, and what went with disks that were destroyed, in one sentence.
fn kept(acknowledged: u64, with_disks: u64) -> Told {
    match with_disks {
        0 => Told::of(
            format!("of {acknowledged} acknowledged writes none was lost"),
            format!("受理した記入 {acknowledged} 件のうち、失われたものはない"),
        ),
        gone => Told::of(
            format!(
                "of {acknowledged} acknowledged writes the system lost none; the only copy of {gone} was on a disk \
                 that was destroyed"
            ),
            format!(
                "受理した記入 {acknowledged} 件のうち、システムが失ったものはない。うち {gone} 件は、唯一の写しが壊されたディスクにあった"
            ),
        ),
    }
}

fn simulated_only() -> Told {
    Told::of("judged in a simulation", "模擬訓練でのみ判定する")
}

/// Says that there is no backup to judge.
pub fn nothing_backed_up() -> Told {
    Told::of("nothing was backed up", "バックアップは取られなかった")
}

/// Replicas that can reach each other hold the same of what both subscribe to, and show the same of every record.
///
/// # Errors
/// With what differs.
pub fn connected_replicas_equal(evidence: &Evidence<'_>) -> Finding {
    let seen = evidence.seen;
    let differing = differences(&seen.at_end);
    match &seen.sim {
        Some(sim) if !sim.equal => {
            let differing = differing.join("; ");
            return Err(Told::of(format!("not equal: {differing}"), format!("一致していない：{differing}")));
        }
        Some(sim) if sim.groups > 1 => {
            let groups = sim.groups;
            return Ok(Told::of(
                format!("{groups} groups that cannot reach each other; within each all hold the same"),
                format!("互いに届かない {groups} 組に分かれ、それぞれの中では同じ"),
            ));
        }
        Some(_) | None => {}
    }
    if !differing.is_empty() {
        return Err(Told::same(differing.join("; ")));
    }
    // Equal heads, equal views.
    let mut shown = BTreeMap::new();
    for (name, views) in &seen.views {
        let Some(status) = seen.at_end.get(name) else { continue };
        for (record, view) in views {
            let (first, other) = shown.entry((status.heads, *record)).or_insert((name, view));
            if *other != view {
                let record = record.short();
                return Err(Told::of(
                    format!("record {record} reads differently at {first} and {name}"),
                    format!("記録 {record} が {first} と {name} で異なって見える"),
                ));
            }
        }
    }
    let (replicas, views) = (how_many(evidence), shown.len());
    Ok(match (seen.at_end.len(), views) {
        (0..=1, _) => {
            nothing_to_judge("fewer than two replicas were running", "動いている拠点が二つなかった")
        }
        (_, 0) => Told::of(
            format!("{} hold the same, compared by digests; no views were compared", replicas.en),
            format!("{}が同じものを持つ（要約値で比べ、画面は比べていない）", replicas.ja),
        ),
        (_, views) => Told::of(
            format!("{} hold the same, {views} views are equal", replicas.en),
            format!("{}が同じものを持ち、記録 {views} 件の画面が等しい", replicas.ja),
        ),
    })
}

/// Says how many replicas were compared, and of how many when some were lost for good.
pub fn how_many(evidence: &Evidence<'_>) -> Told {
    let (seen, all) = (evidence.seen.at_end.len() as u64, evidence.scenario.replicas.len() as u64);
    let lost = evidence.course.lost_for_good() as u64;
    let (count, of, gone) = (number(seen), number(all), number(lost));
    match lost {
        0 => Told::of(format!("{count} replicas"), format!("{count} 拠点")),
        _ => Told::of(
            format!("{count} of {of} replicas ({gone} lost their disk for good)"),
            format!("{of} 拠点のうち {count} 拠点（{gone} 拠点はディスクを失い、復旧しなかった）"),
        ),
    }
}

/// No replica hides an allergy that it holds and that nobody who knew of it has refuted.
///
/// # Errors
/// With the replicas and records.
pub fn no_positive_allergy_missing(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else { return Ok(simulated_only()) };
    match sim.allergies_missing.as_slice() {
        [] if sim.allergies_looked_for == 0 => {
            Ok(nothing_to_judge("no allergy was written", "アレルギーの記入がなかった"))
        }
        [] => {
            let count = number(sim.allergies_looked_for);
            Ok(Told::of(
                format!("every allergy is shown where it is held ({count} looked for)"),
                format!("どのアレルギーも、それを持つ拠点で表示される（照合 {count} 件）"),
            ))
        }
        missing => {
            let (count, told) = (missing.len(), Told::some(missing, NAMED_MAX));
            Err(Told::of(format!("{count} hidden: {}", told.en), format!("{count} 件が隠れた：{}", told.ja)))
        }
    }
}

/// A restore from the bucket gives what was backed up.
///
/// # Errors
/// With what is missing, or why nothing came back.
pub fn backup_restores_equal(evidence: &Evidence<'_>) -> Finding {
    match evidence.seen.sim.as_ref().and_then(|sim| sim.backup_restores.clone()) {
        None => {
            let Told { ja, en } = nothing_backed_up();
            Ok(nothing_to_judge(&en, &ja))
        }
        Some(finding) => finding,
    }
}

/// What rotted on a disk was noticed: no entry reads as anything but what was acknowledged, and what cannot be read
/// is known to be damaged.
///
/// # Errors
/// With the number of entries that read as something else.
pub fn every_damage_detected(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else { return Ok(simulated_only()) };
    if sim.altered > 0 {
        let altered = sim.altered;
        return Err(Told::of(
            format!("{altered} entries read as something else"),
            format!("記入 {altered} 件が別のものとして読まれた"),
        ));
    }
    let sectors: u64 = sim.damage.iter().map(|damage| damage.sectors).sum();
    let unread: u64 = sim.damage.iter().filter_map(|damage| damage.unread).sum();
    let disks = sim.damage.len();
    if sectors == 0 {
        let lies = evidence.course.faults.lies_told;
        return Ok(match lies {
            0 => nothing_to_judge(
                "no disk rotted, and nothing altered was offered",
                "劣化したディスクも、差し出された改ざんもない",
            ),
            _ => Told::of(
                format!(
                    "{lies} altered runs were offered, and no entry reads as one of them; no disk rotted"
                ),
                format!(
                    "改ざんされた区間 {lies} 件が差し出され、そのように読まれる記入はない。劣化したディスクはない"
                ),
            ),
        });
    }
    Ok(Told::of(
        format!("{sectors} sectors rotted on {disks} disks; {unread} runs are known to be unreadable"),
        format!("ディスク {disks} 台で {sectors} セクターが劣化。読めないと分かっている区間 {unread} 件"),
    ))
}
