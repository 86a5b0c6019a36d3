//! Judging simulated runs: each expectation holds on a good course and fails on the one thing that it is there for.

use std::path::Path;
use std::time::Duration;

use super::super::central::central;
use super::super::course::{Able, AbleFrom, Course, Mode, RestoreCourse, Reunion};
use super::super::judge::{Damage, Judged, Observations, SimSeen};
use super::super::load::{Arrived, Load, Return, Traffic};
use super::super::scenario::{Scenario, Told};
use super::{Run, Twice, judge, judge_course};
use crate::base::{Digest, Part};

const HOUR: Duration = Duration::from_secs(3_600);

/// Two sites, of which the shelter has a battery for an hour.
fn scenario(events: &str, expected: &str) -> Scenario {
    let text = format!(
        r#"
realm = "r"
title = {{ en = "t" }}
story = {{ en = "s" }}
clock = {{ lasts = "10h" }}
backup = {{ gateway = "north" }}
replica = [
  {{ name = "north", site = "N", kind = "hospital", role = "hospital", areas = ["shared/m"], author = {{ name = "佐藤", role = "doctor" }} }},
  {{ name = "shelter", site = "S", kind = "shelter", role = "tablet", areas = ["shared/m"], author = {{ name = "小川", role = "nurse" }}, battery-h = 1 }},
]
link = [{{ between = ["north", "shelter"], quota-mb-per-day = 1 }}]
workload = [{{ at = ["north", "shelter"], from = "0s", until = "10h", arrivals-per-hour = 1, notes-per-hour = 4 }}]
event = [{events}]
expect = [{expected}]
"#
    );
    Scenario::parse(Path::new("/two.toml"), &text).unwrap()
}

const CUT: &str = r#"{ do = "backup", time = "1h" }, { do = "cut", what = "links", time = "4h" }, { do = "heal", what = "links", time = "6h" }"#;
const ALL: &str = r#"{ name = "availability", of = "read", at-least = 0.7 }, { name = "staleness", at-most = "1h", share = 0.7 },
  { name = "writes", at-least = 5 }, { name = "quota-kept" }, { name = "no-acknowledged-write-lost" }, { name = "held-by", at-least = 2 },
  { name = "converged", within = "30m" }, { name = "backup-restores-equal" }, { name = "no-positive-allergy-missing" }"#;

/// A course and observations in which everything of [`ALL`] holds, and more was done.
fn good(scenario: &Scenario) -> (Course, Observations) {
    let mut course = central(scenario, 1);
    course.reunions = vec![Reunion::converged(6 * HOUR, 6 * HOUR + HOUR / 60)];
    course.held_by_least = Some(2);
    course.links[0].bytes_by_hour = vec![40_000; 10];
    let sim = SimSeen {
        acknowledged: course.acknowledged,
        backup_restores: Some(Ok(Told::same("equal"))),
        equal: true,
        groups: 1,
        ..SimSeen::default()
    };
    (course, Observations { sim: Some(sim), ..Observations::default() })
}

fn judged(change: impl Fn(&mut Course, &mut Observations)) -> Vec<Judged> {
    let scenario = scenario(CUT, ALL);
    let (mut course, mut seen) = good(&scenario);
    change(&mut course, &mut seen);
    judge(Run { scenario: &scenario, seed: 1, course: &course }, &seen, None)
}

fn failing(change: impl Fn(&mut Course, &mut Observations)) -> Vec<String> {
    judged(change).into_iter().filter(|judged| !judged.ok).map(|judged| judged.name).collect()
}

#[test]
fn everything_holds_on_a_good_run_and_nothing_is_judged_twice() {
    let all = judged(|_, _| {});
    assert!(all.iter().all(|judged| judged.ok), "{all:#?}");
    let lost = all.iter().filter(|judged| judged.name == "no-acknowledged-write-lost");
    assert_eq!(lost.count(), 1);
    assert!(all.iter().any(|judged| judged.name == "converges-in-bounded-time"), "the invariants are there");
}

#[test]
fn each_expectation_notices_what_it_is_there_for() {
    let blind = |course: &mut Course, _: &mut Observations| {
        course.able.iter_mut().for_each(|from| from.able.read = false);
    };
    assert_eq!(failing(blind), ["availability"]);
    let old = |course: &mut Course, _: &mut Observations| {
        course.decisions.iter_mut().for_each(|one| one.stale = 2 * HOUR);
    };
    assert_eq!(failing(old), ["staleness"]);
    assert_eq!(
        failing(|course, _| course.decisions.iter_mut().for_each(|one| one.read = false)),
        ["staleness"]
    );
    assert_eq!(failing(|course, _| course.acknowledged = 4), ["writes"]);
    assert_eq!(failing(|course, _| course.links[0].bytes_by_hour[9] = 2_000_000), ["quota-kept"]);
    assert_eq!(failing(|course, _| course.held_by_least = Some(1)), ["held-by"]);
    let late = |course: &mut Course, _: &mut Observations| course.reunions[0].converged = Some(7 * HOUR);
    assert_eq!(failing(late), ["converged"]);
    let lost = |_: &mut Course, seen: &mut Observations| seen.sim.as_mut().unwrap().lost = 1;
    assert_eq!(failing(lost), ["no-acknowledged-write-lost"]);
    let none = |_: &mut Course, seen: &mut Observations| seen.sim.as_mut().unwrap().backup_restores = None;
    assert_eq!(failing(none), ["backup-restores-equal"]);
    let hidden = |_: &mut Course, seen: &mut Observations| {
        seen.sim.as_mut().unwrap().allergies_missing = vec!["north".into()];
    };
    assert_eq!(failing(hidden), ["no-positive-allergy-missing"]);
}

#[test]
fn what_arrives_late_who_waits_and_who_holds_too_much_is_noticed() {
    let expected = r#"{ name = "everywhere-within", parts = ["card"], within = "20m", share = 0.75 },
      { name = "waited", parts = ["notes"], at-least = "2h" }, { name = "cards-after-return", at = "shelter", within = "10s" },
      { name = "memory-kept", at = ["north", "shelter"], at-most-mb = 10 }, { name = "turned-away", at = "north", at-least = 3 }"#;
    let scenario = scenario(CUT, expected);
    let failing = |change: &dyn Fn(&mut Course)| -> Vec<String> {
        let (mut course, seen) = good(&scenario);
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        let card = |after| Arrived { part: Part::Card, after };
        course.traffic = Traffic {
            arrived: vec![card(minutes(1)), card(minutes(20)), card(minutes(2)), card(None)],
            returns: vec![Return { member: 1, at: 5 * HOUR, had: Some(5 * HOUR + HOUR / 2), lacked: 7 }],
            loads: vec![Load { bytes: 9_000_000, turned_away: 3, ..Load::default() }; 2],
        };
        course.traffic.arrived.push(Arrived { part: Part::Notes, after: minutes(130) });
        // Its line comes up 9 s before it has its cards.
        let able = |at, linked| AbleFrom { at, member: 1, able: Able { read: true, write: true, linked } };
        course.able =
            vec![able(Duration::ZERO, false), able(5 * HOUR + HOUR / 2 - Duration::from_secs(9), true)];
        change(&mut course);
        let run = Run { scenario: &scenario, seed: 1, course: &course };
        let judged = judge(run, &seen, None).into_iter().take(5);
        judged.filter(|judged| !judged.ok).map(|judged| judged.name).collect()
    };
    assert_eq!(failing(&|_| {}), Vec::<String>::new());
    assert_eq!(failing(&|course| course.traffic.arrived[0].after = None), ["everywhere-within"]);
    assert_eq!(failing(&|course| course.traffic.arrived[4].after = Some(HOUR)), ["waited"]);
    assert_eq!(failing(&|course| course.able[0].able.linked = true), ["cards-after-return"]);
    assert_eq!(failing(&|course| course.traffic.returns[0].had = None), ["cards-after-return"]);
    assert_eq!(failing(&|course| course.traffic.returns[0].lacked = 0), ["cards-after-return"]);
    assert_eq!(failing(&|course| course.traffic.loads[1].bytes = 10_000_001), ["memory-kept"]);
    assert_eq!(failing(&|course| course.traffic.loads[0].turned_away = 2), ["turned-away"]);
}

fn detail(judged: &[Judged], name: &str) -> Told {
    judged.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("{name}")).detail.clone()
}

#[test]
fn the_limit_that_was_applied_is_told_in_both_languages() {
    let all = judged(|_, _| {});
    for (name, en, ja) in [
        ("availability", "(at least 70.00 %)", "下限 70.00 %"),
        ("staleness", "at most 1 h (at least 70.00 %)", "1時間以内"),
        ("writes", "(at least 5 wanted)", "下限 5 件"),
        ("held-by", "(at least 2 wanted)", "下限 2 拠点"),
        ("converged", "1 min after the last fault (at most 30 min)", "上限 30分"),
        ("converges-in-bounded-time", "the longest took 1 min (within 1 h)", "最長 1分（上限 1時間）"),
    ] {
        let told = detail(&all, name);
        assert!(told.en.contains(en) && told.ja.contains(ja), "{name}: {told:?}");
    }
}

#[test]
fn tablets_that_meet_seldom_have_more_time_and_that_is_said() {
    let mut scenario = scenario(CUT, ALL);
    scenario.links[0].meets_every = Some(6 * HOUR);
    let (mut course, seen) = good(&scenario);
    let wanted = "within 13 h: 1 h, and two meetings of those that meet every 6 h";
    for (took, ok) in [(12 * HOUR, true), (14 * HOUR, false)] {
        course.reunions = vec![Reunion::converged(HOUR, HOUR + took)];
        let all = judge(Run { scenario: &scenario, seed: 1, course: &course }, &seen, None);
        let told = all.iter().find(|one| one.name == "converges-in-bounded-time").unwrap();
        assert!(told.ok == ok && told.detail.en.contains(wanted), "{told:?}");
        assert!(told.detail.ja.contains("上限 13時間") && told.detail.ja.contains("6時間ごと"), "{told:?}");
    }
}

#[test]
fn a_check_without_a_case_is_not_one_that_passed() {
    let all = judged(|_, _| {});
    let unjudged: Vec<&str> =
        all.iter().filter(|one| one.had_nothing()).map(|one| one.name.as_str()).collect();
    let unlooked = [
        "no-positive-allergy-missing",
        "connected-replicas-equal",
        "damage-detected",
        "sections-show-what-was-written",
        "signed-notes-read",
        "alerts-shown",
        "everyone-is-found",
        "links-join-and-undo",
        "imports-are-shown",
        "doubles-are-suggested",
        "handovers-keep-what-was-typed",
        "forks-are-told",
        "held-by-is-true",
    ];
    assert_eq!(unjudged, unlooked);
    let rotted = judged(|_, seen| {
        let sim = seen.sim.as_mut().unwrap();
        sim.damage = vec![Damage { member: 0, sectors: 3, unread: Some(0) }];
        sim.allergies_looked_for = 2;
        sim.clinical.found.note(true, String::new);
        sim.clinical.notes.note(false, || "north: a signed note is listed 0 times".to_owned());
    });
    let ok = |name: &str| rotted.iter().find(|one| one.name == name).map(|one| (one.ok, one.was_judged()));
    assert_eq!(ok("everyone-is-found"), Some((true, true)));
    assert_eq!(ok("signed-notes-read"), Some((false, true)));
    let looked = |name: &str| rotted.iter().any(|one| one.name == name && one.ok && one.was_judged());
    assert!(looked("damage-detected") && looked("no-positive-allergy-missing"), "{rotted:#?}");
    let still = judged(|course, _| course.links[0].quota_bytes_per_day = None);
    assert!(still.iter().any(|one| one.name == "quota-kept" && one.had_nothing()));
    let broken = judged(|_, seen| seen.sim.as_mut().unwrap().altered = 1);
    assert!(broken.iter().any(|one| one.name == "damage-detected" && !one.ok && one.was_judged()));
}

#[test]
fn a_quota_is_one_of_each_day() {
    // It begins at 16:32: the eighth hour is the last that begins on the first day.
    let in_hours = |hours: [usize; 2], course: &mut Course| {
        course.links[0].bytes_by_hour = vec![0; 10];
        hours.into_iter().for_each(|hour| course.links[0].bytes_by_hour[hour] = 900_000);
    };
    assert_eq!(failing(|course, _| in_hours([7, 8], course)), Vec::<String>::new());
    assert_eq!(failing(|course, _| in_hours([8, 9], course)), ["quota-kept"]);
    let later = |course: &mut Course, _: &mut Observations| {
        in_hours([8, 9], course);
        course.links[0].metered_from = 9 * HOUR;
    };
    assert_eq!(failing(later), Vec::<String>::new(), "what passed before there was a quota does not count");
}

#[test]
fn time_without_power_is_not_counted_against_anybody() {
    let dark = r#"{ do = "power-failure", at = "shelter", time = "2h", for = "5h" }"#;
    let crash = r#"{ do = "crash", at = "shelter", time = "3h", for = "4h" }"#;
    for (event, wanted) in [(dark, true), (crash, false)] {
        let scenario = scenario(event, r#"{ name = "availability", of = "write" }"#);
        let course = central(&scenario, 1);
        let found = judge_course(Run { scenario: &scenario, seed: 1, course: &course });
        assert_eq!((found.len(), found[0].ok), (1, wanted), "{found:?}");
    }
}

#[test]
fn recovery_is_measured_from_the_loss_and_the_backup() {
    let events = r#"{ do = "backup", time = "1h" }, { do = "destroy-disk", at = "shelter", time = "2h" },
      { do = "restore", at = "shelter", time = "3h" }, { do = "start", at = "shelter" }"#;
    let expected = r#"{ name = "rto", at-most = "1h" }, { name = "rpo", at-most = "1h" }, { name = "restored-heads-equal" }"#;
    let scenario = scenario(events, expected);
    let restore = RestoreCourse {
        member: 1,
        lost: 2 * HOUR,
        back: Some(3 * HOUR),
        point: Some(HOUR),
        behind: Some(0),
        lost_entries: Some(0),
    };
    let failing = |change: &dyn Fn(&mut Course)| {
        let (mut course, seen) = good(&scenario);
        course.mode = Mode::Sim;
        course.restores.push(restore.clone());
        course.members[1].entries = 1;
        change(&mut course);
        let run = Run { scenario: &scenario, seed: 1, course: &course };
        let judged = judge(run, &seen, None).into_iter().take(3);
        judged.filter(|judged| !judged.ok).map(|judged| judged.name).collect::<Vec<_>>()
    };
    assert_eq!(failing(&|_| {}), Vec::<String>::new());
    assert_eq!(failing(&|course| course.restores[0].back = Some(4 * HOUR)), ["rto"]);
    assert_eq!(failing(&|course| course.restores[0].point = None), ["rpo"]);
    assert_eq!(failing(&|course| course.restores[0].behind = Some(3)), ["restored-heads-equal"]);
    assert_eq!(failing(&|course| course.restores[0].back = None), ["rto", "rpo", "restored-heads-equal"]);
    // A central system has nothing to restore, and is not blamed for that.
    let course = central(&scenario, 1);
    assert_eq!(judge_course(Run { scenario: &scenario, seed: 1, course: &course }), []);
}

#[test]
fn two_traces_are_compared() {
    let scenario = scenario(CUT, r#"{ name = "same-trace" }"#);
    let (course, seen) = good(&scenario);
    let run = Run { scenario: &scenario, seed: 1, course: &course };
    let same = |second| {
        let twice = Twice { first: Digest([1; 32]), second: Digest([second; 32]) };
        let judged = judge(run, &seen, Some(twice));
        let found: Vec<bool> =
            judged.iter().filter(|judged| judged.name == "same-trace").map(|judged| judged.ok).collect();
        found
    };
    assert_eq!((same(1), same(2)), (vec![true], vec![false]));
    assert!(judge(run, &seen, None).iter().all(|judged| judged.name != "same-trace"));
}
