//! Judging: each expectation holds on a good run and fails on the one thing that it is there for.

use std::collections::BTreeMap;

use serde_json::json;

use super::fixtures::{RECORD, good_run, name};
use super::judge::Observations;

/// The expectations that do not hold.
fn failing(change: impl Fn(&mut Observations)) -> Vec<String> {
    let (scenario, mut seen) = good_run();
    change(&mut seen);
    seen.judge(&scenario).into_iter().filter(|judged| !judged.ok).map(|judged| judged.name).collect()
}

#[test]
fn a_good_run_holds_all_expectations() {
    let (scenario, seen) = good_run();
    let judged = seen.judge(&scenario);
    assert!(judged.iter().all(|judged| judged.ok), "{judged:#?}");
    assert_eq!(judged.len(), 8);
    assert!(seen.converged(&scenario));
}

#[test]
fn a_cut_that_was_none_is_noticed() {
    let same = |seen: &mut Observations| {
        let first = seen.before_heal.values().next().unwrap().clone();
        seen.before_heal.values_mut().for_each(|status| *status = first.clone());
    };
    assert_eq!(failing(same), ["heads-differ-before-heal"]);
    assert_eq!(failing(|seen| seen.before_heal = BTreeMap::new()), ["heads-differ-before-heal"]);
}

#[test]
fn a_replica_that_lags_behind_is_noticed() {
    let lag = |seen: &mut Observations| {
        let status = seen.at_end.get_mut(&name("south")).unwrap();
        status.heads.0[0] ^= 1;
        status.groups[0].digest.0[0] ^= 1;
    };
    assert_eq!(failing(lag), ["heads-equal-after-heal"]);
}

#[test]
fn a_write_that_one_disk_lacks_is_lost() {
    let lose = |seen: &mut Observations| {
        let disk = seen.disks.get_mut(&name("south")).unwrap();
        disk.resources.retain(|key, _| key.id != "note-1");
    };
    assert_eq!(failing(lose), ["no-acknowledged-write-lost", "records-equal"]);
}

#[test]
fn a_disk_that_was_not_read_fails_all_that_needs_it() {
    let unread = |seen: &mut Observations| {
        seen.disks.remove(&name("south"));
        seen.at_end.remove(&name("south"));
    };
    let missing =
        ["heads-equal-after-heal", "no-acknowledged-write-lost", "handover-has-all", "records-equal"];
    assert_eq!(failing(unread), missing);
}

#[test]
fn a_conflict_that_one_replica_blends_away_is_noticed() {
    let blend = |seen: &mut Observations| {
        let record = seen.views.get_mut(&name("south")).unwrap().get_mut(&RECORD).unwrap();
        record.view["conflicts"][0]["open"] = json!(false);
    };
    assert_eq!(failing(blend), ["conflict-open", "records-equal"]);
}

#[test]
fn an_alert_that_is_not_shown_is_noticed() {
    let silence = |seen: &mut Observations| {
        for views in seen.views.values_mut() {
            views.get_mut(&RECORD).unwrap().view["alerts"] = json!([]);
        }
    };
    assert_eq!(failing(silence), ["alert-open"]);
    let unknown = ["conflict-open", "alert-open", "handover-has-all"];
    assert_eq!(failing(|seen| seen.patients.clear()), unknown);
}

#[test]
fn characters_that_one_merged_text_lacks_are_noticed() {
    let drop = |seen: &mut Observations| {
        let disk = seen.disks.get_mut(&name("south")).unwrap();
        disk.handovers.insert(RECORD, "夜間は見守り、採血。".into());
    };
    assert_eq!(failing(drop), ["no-acknowledged-write-lost", "handover-has-all"]);
    let differ = |seen: &mut Observations| {
        let disk = seen.disks.get_mut(&name("south")).unwrap();
        disk.handovers.insert(RECORD, "夜間は見守りと血圧、採血。追記".into());
    };
    assert_eq!(failing(differ), ["handover-has-all"]);
}

#[test]
fn a_restore_of_something_else_is_noticed() {
    let other = |seen: &mut Observations| {
        seen.restore.as_mut().unwrap().restored = Some(crate::base::Digest([8; 32]));
    };
    assert_eq!(failing(other), ["restored-heads-equal"]);
    let complaint = |seen: &mut Observations| {
        seen.restore.as_mut().unwrap().problems.push("segment 3 is damaged".into());
    };
    assert_eq!(failing(complaint), ["restored-heads-equal"]);
    assert_eq!(failing(|seen| seen.restore = None), ["restored-heads-equal"]);
}
