//! Safety: what must never happen to data.

use std::collections::BTreeMap;

use super::{Evidence, Finding};
use crate::drill::convergence::differences;

/// Every write that was acknowledged is, unaltered, on every replica that should hold it and still has a disk.
///
/// A write whose only copy was on a disk that the drill destroyed is no loss of the system's; the restores of the
/// course count those.
///
/// # Errors
/// With the first writes that are missing, and where.
pub fn no_acknowledged_write_lost(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else { return Ok("judged by the exports".to_owned()) };
    if sim.lost == 0 && sim.altered == 0 {
        return Ok(format!("{} acknowledged, none lost", sim.acknowledged));
    }
    let name = |member: &usize| evidence.course.members[*member].name.clone();
    let told = evidence.course.lost.iter().take(5).map(|lost| {
        let missing: Vec<String> = lost.missing_at.iter().map(name).collect();
        format!("{} written at {} (not at {})", lost.what, name(&lost.member), missing.join(", "))
    });
    let told: Vec<String> = told.collect();
    Err(format!("{} lost, {} altered: {}", sim.lost, sim.altered, told.join("; ")))
}

/// Replicas that can reach each other hold the same of what both subscribe to, and show the same of every record.
///
/// # Errors
/// With what differs.
pub fn connected_replicas_equal(evidence: &Evidence<'_>) -> Finding {
    let seen = evidence.seen;
    let differing = differences(&seen.at_end);
    match &seen.sim {
        Some(sim) if !sim.equal => return Err(format!("not equal: {}", differing.join("; "))),
        Some(sim) if sim.groups > 1 => {
            return Ok(format!("{} groups that cannot reach each other", sim.groups));
        }
        Some(_) | None => {}
    }
    if !differing.is_empty() {
        return Err(differing.join("; "));
    }
    // Equal heads, equal views.
    let mut shown = BTreeMap::new();
    for (name, views) in &seen.views {
        let Some(status) = seen.at_end.get(name) else { continue };
        for (record, view) in views {
            let (first, other) = shown.entry((status.heads, *record)).or_insert((name, view));
            if *other != view {
                return Err(format!("record {} reads differently at {first} and {name}", record.short()));
            }
        }
    }
    Ok(format!("{} replicas hold the same, {} views are equal", seen.at_end.len(), shown.len()))
}

/// No replica hides an allergy that it holds and that nobody who knew of it has refuted.
///
/// # Errors
/// With the replicas and records.
pub fn no_positive_allergy_missing(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else { return Ok("judged in a simulation".to_owned()) };
    match sim.allergies_missing.as_slice() {
        [] => Ok("every allergy is shown by every replica that holds it".to_owned()),
        missing => Err(format!("{} hidden: {}", missing.len(), missing[..missing.len().min(5)].join("; "))),
    }
}

/// A restore from the bucket gives what was backed up.
///
/// # Errors
/// With what is missing, or why nothing came back.
pub fn backup_restores_equal(evidence: &Evidence<'_>) -> Finding {
    match evidence.seen.sim.as_ref().and_then(|sim| sim.backup_restores.clone()) {
        None => Ok("nothing was backed up".to_owned()),
        Some(finding) => finding,
    }
}

/// What rotted on a disk was noticed: no entry reads as anything but what was acknowledged, and what cannot be read
/// is known to be damaged.
///
/// # Errors
/// With the number of entries that read as something else.
pub fn every_damage_detected(evidence: &Evidence<'_>) -> Finding {
    let Some(sim) = &evidence.seen.sim else { return Ok("judged in a simulation".to_owned()) };
    if sim.altered > 0 {
        return Err(format!("{} entries read as something else", sim.altered));
    }
    let sectors: u64 = sim.damage.iter().map(|damage| damage.sectors).sum();
    let unread: u64 = sim.damage.iter().filter_map(|damage| damage.unread).sum();
    Ok(format!(
        "{sectors} sectors rotted on {} disks; {unread} runs are known to be unreadable",
        sim.damage.len()
    ))
}
