//! Each finding appears when its cause is in the course, and is gone without it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::drill::course::*;
use crate::drill::report::Measures;
use crate::drill::report::fixtures::{calm, hours, large, minutes, small};
use crate::drill::scenario::Told;

fn kinds(course: &Course) -> BTreeSet<FindingKind> {
    findings(course, &Measures::of(course)).into_iter().map(|finding| finding.kind).collect()
}

fn nothing(member: usize, at: Duration) -> AbleFrom {
    AbleFrom { at, member, able: Able { read: false, write: false, linked: false } }
}

fn harmful() -> Dispute {
    small().disputes[0].clone()
}

/// A kind, and a change that is its cause in a course that lacks it.
type Cause = (FindingKind, fn(&mut Course));

const CAUSES: &[Cause] = &[
    (FindingKind::LostWrites, |course| {
        course.lost = vec![LostWrite { at: hours(2), member: 1, what: "note".into(), missing_at: vec![0] }];
    }),
    (FindingKind::LostWithDisk, |course| {
        course.restores = small().restores;
        course.restores[0].lost_entries = Some(4);
    }),
    (FindingKind::LiesAccepted, |course| (course.faults.lies_told, course.faults.lies_refused) = (3, 2)),
    (FindingKind::OpenDisputes, |course| {
        course.disputes = vec![Dispute { decided: None, ..harmful() }];
    }),
    (FindingKind::LateAlerts, |course| {
        course.disputes = vec![Dispute { late_by_split: true, ..harmful() }];
    }),
    (FindingKind::UnseenDisputes, |course| course.disputes = vec![Dispute { seen: None, ..harmful() }]),
    (FindingKind::UnreadDecisions, |course| course.decisions[5].read = false),
    (FindingKind::UnwrittenDecisions, |course| course.decisions[5].written = false),
    (FindingKind::Apart, |course| {
        course.links.iter_mut().for_each(|link| link.outages = vec![(hours(1), hours(2))]);
    }),
    (FindingKind::StaleDecisions, |course| {
        (course.decisions[9].unknown, course.decisions[9].stale) = (2, hours(1));
    }),
    (FindingKind::Isolation, |course| {
        let able = Able { read: true, write: true, linked: false };
        course.able.push(AbleFrom { at: hours(5), member: 0, able });
    }),
    (FindingKind::WorstAvailability, |course| course.able.push(nothing(2, hours(23)))),
    (FindingKind::NotConverged, |course| {
        course.reunions = vec![Reunion::broken_off(hours(3), hours(5))];
    }),
    (FindingKind::SlowestReunion, |course| {
        course.reunions = vec![Reunion::converged(hours(3), minutes(185))];
    }),
    (FindingKind::AllConverged, |course| {
        course.reunions = vec![Reunion::converged(hours(3), minutes(185))];
    }),
    (FindingKind::Recovery, |course| course.restores = small().restores),
    (FindingKind::HeldByOne, |course| course.held_by_least = Some(1)),
    (FindingKind::OverQuota, |course| course.links[1].quota_bytes_per_day = Some(1_000)),
    (FindingKind::EventsFailed, |course| course.happenings[0].failed = Some("no".into())),
    (FindingKind::FaultsIdle, |course| course.faults.sectors_rotten = 4),
    (FindingKind::FaultsHarmless, |course| course.faults.crashes = 3),
    (FindingKind::AllSettled, |course| {
        course.disputes = vec![Dispute { decided: Some(hours(20)), ..harmful() }];
    }),
];

#[test]
fn each_finding_appears_with_its_cause_and_only_then() {
    let before = kinds(&calm());
    for (kind, cause) in CAUSES {
        assert!(!before.contains(kind), "{kind:?} without a cause");
        let mut course = calm();
        cause(&mut course);
        assert!(kinds(&course).contains(kind), "{kind:?} is missing");
    }
}

#[test]
fn good_news_goes_when_something_went_wrong() {
    let good = [FindingKind::NothingLost, FindingKind::AlwaysReadable, FindingKind::AlwaysCurrent];
    assert!(good.iter().all(|kind| kinds(&calm()).contains(kind)));
    let mut course = calm();
    (CAUSES[0].1)(&mut course);
    course.able.push(nothing(0, hours(4)));
    course.decisions[3].read = false;
    let found = kinds(&course);
    assert!(good.iter().all(|kind| !found.contains(kind)), "{found:?}");
    let mut open = calm();
    open.disputes = vec![Dispute { decided: None, ..harmful() }];
    assert!(!kinds(&open).contains(&FindingKind::AllSettled));
}

#[test]
fn every_kind_is_covered() {
    let covered: BTreeSet<FindingKind> = CAUSES.iter().map(|(kind, _)| *kind).chain(kinds(&calm())).collect();
    assert_eq!(covered.len(), FindingKind::AlwaysCurrent as usize + 1);
}

#[test]
fn findings_are_few_ranked_and_in_both_languages() {
    for course in [calm(), small(), large()] {
        let found = findings(&course, &Measures::of(&course));
        assert!(!found.is_empty() && found.len() <= FINDINGS_MAX);
        assert!(found.windows(2).all(|pair| pair[0].tone <= pair[1].tone));
        assert!(found.iter().all(|one| !one.told.ja.is_empty() && !one.told.en.is_empty()));
        let distinct: BTreeSet<FindingKind> = found.iter().map(|one| one.kind).collect();
        assert_eq!(distinct.len(), found.len());
    }
}

#[test]
fn figures_are_those_of_the_course() {
    let found = findings(&small(), &Measures::of(&small()));
    let told = |kind| &found.iter().find(|one| one.kind == kind).unwrap().told.en;
    assert!(told(FindingKind::Apart).contains("9 h 20 min"), "{}", told(FindingKind::Apart));
    assert!(
        told(FindingKind::LateAlerts).contains("latest by 8 h 20 min"),
        "{}",
        told(FindingKind::LateAlerts)
    );
    assert!(told(FindingKind::Recovery).contains("1 h 4 min"), "{}", told(FindingKind::Recovery));
}

fn told_of(course: &Course, kind: FindingKind) -> Told {
    let found = findings(course, &Measures::of(course));
    found.into_iter().find(|one| one.kind == kind).unwrap().told
}

#[test]
fn what_never_came_back_is_no_restore_and_not_among_those_that_hold_the_same() {
    let mut course = small();
    course.restores[0].back = None;
    course.reunions.retain(|reunion| reunion.converged.is_some());
    let recovery = told_of(&course, FindingKind::Recovery);
    assert!(
        recovery.en.contains("not restored by the end: 1") && recovery.en.contains("at least 8 h"),
        "{recovery:?}"
    );
    assert!(!recovery.en.contains("RTO") && recovery.ja.contains("8時間以上"), "{recovery:?}");
    let all = told_of(&course, FindingKind::AllConverged);
    assert!(all.en.contains("2 of 3 replicas") && all.ja.contains("3 拠点のうち"), "{all:?}");
}

#[test]
fn good_news_stays_when_there_is_much_else() {
    let mut course = large();
    course.lost.clear();
    course.restores.iter_mut().for_each(|restore| restore.lost_entries = Some(0));
    (course.faults.rot_found, course.faults.lies_refused) = (0, course.faults.lies_told);
    let found = findings(&course, &Measures::of(&course));
    assert_eq!(found.len(), FINDINGS_MAX);
    let good = found.iter().filter(|one| one.tone == Tone::Good).map(|one| one.kind);
    assert_eq!(good.collect::<Vec<_>>(), [FindingKind::FaultsHarmless, FindingKind::NothingLost]);
}
