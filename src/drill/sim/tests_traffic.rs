//! Links with a budget, storms of reconnections, replicas that hold a part, and replicas that only a bucket joins.

use std::path::Path;
use std::time::Duration;

use super::run::{SimOptions, SimRun, simulate};
use crate::base::{Area, Part};
use crate::drill::expectations::{self, Run};
use crate::drill::invariants::{self, Evidence};
use crate::drill::scenario::{ReplicaName, Scenario};

fn scenario(text: &str) -> Scenario {
    let head = "realm = \"traffic\"\n[title]\nen = \"t\"\n[story]\nen = \"s\"\n";
    Scenario::parse(Path::new("traffic.toml"), &format!("{head}{text}"))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn replica(name: &str, more: &str) -> String {
    format!(
        "[[replica]]\nname = \"{name}\"\nsite = \"Site {name}\"\nkind = \"clinic\"\nrole = \"hospital\"\n\
         areas = [\"shared/miura\"]\nauthor = {{ name = \"当直 {name}\", role = \"doctor\" }}\nstore = \"memory\"\n{more}\n"
    )
}

fn run(scenario: &Scenario, seed: u64) -> SimRun {
    simulate(scenario, SimOptions { seed, plant: None }, &mut |_, _| {}).unwrap()
}

/// What was broken, of expectations and invariants.
fn broken(scenario: &Scenario, run: &SimRun) -> Vec<String> {
    let evidence = Evidence { scenario, course: &run.course, seen: &run.seen };
    let told = Run { scenario, seed: 1, course: &run.course };
    let judged = expectations::judge(told, &run.seen, None).into_iter().chain(invariants::all(&evidence));
    judged
        .filter(|judged| !judged.ok)
        .map(|judged| format!("{}: {}", judged.name, judged.detail.en))
        .collect()
}

/// An island that writes a lot and has so many megabytes a day.
fn island(megabytes: f64) -> Scenario {
    let sites = [replica("island", ""), replica("mainland", "")].concat();
    scenario(&format!(
        "[clock]\nbegins = \"2026-10-05T12:00\"\nlasts = \"16h\"\n{sites}
        [[link]]
        between = [\"island\", \"mainland\"]
        profile = \"satellite\"
        meets-every = \"30m\"
        quota-mb-per-day = {megabytes}
        [[people]]
        count = 6
        at = \"island\"
        [[workload]]
        at = \"island\"
        from = \"1h\"
        until = \"11h\"
        notes-per-hour = 30
        arrivals-per-hour = 0.2
        prescriptions = 0.01
        allergies = 0.01
        refutations = 0
        handovers = 0
        [[expect]]
        name = \"quota-kept\"
        [[expect]]
        name = \"everywhere-within\"
        parts = [\"card\"]
        within = \"40m\"
        [[expect]]
        name = \"waited\"
        parts = [\"notes\"]
        at-least = \"1h\"
        [[expect]]
        name = \"no-acknowledged-write-lost\"
        "
    ))
}

#[test]
fn a_budget_goes_to_the_cards_and_notes_wait_for_the_next_day() {
    let narrow = island(0.37);
    let one = run(&narrow, 1);
    assert_eq!(broken(&narrow, &one), [""; 0]);
    let days = one.course.links[0].metered_days(one.course.begins_ms);
    assert!(days.len() == 2 && days[0] > 250_000, "what there is, is used: {days:?}");
    // With bytes enough nothing waits.
    let wide = island(50.0);
    let failing = broken(&wide, &run(&wide, 1));
    assert!(failing.len() == 1 && failing[0].starts_with("waited: "), "{failing:?}");
}

#[test]
fn a_day_whose_bytes_are_used_up_is_not_exceeded_by_one_more_meeting() {
    let narrowest = island(0.3);
    let one = run(&narrowest, 1);
    let failing = broken(&narrowest, &one);
    assert!(!failing.iter().any(|one| one.starts_with("quota-kept")), "{failing:?}");
    assert_eq!(one.trace, run(&narrowest, 1).trace);
}

#[test]
fn a_storm_of_a_shelter_is_turned_away_in_turns_and_all_have_their_cards() {
    let storm = scenario(&format!(
        "[clock]\nlasts = \"100m\"\n{}
        [[fleet]]
        name = \"tablet\"
        count = 60
        mix = {{ shelter = 1 }}
        role = \"tablet\"
        areas = [\"shared/miura\"]
        store = \"memory\"
        [[mesh]]
        between = [\"tablet\", \"hub\"]
        shape = \"each-to-one\"
        profile = \"satellite\"
        [[people]]
        count = 40
        at = \"hub\"
        [[event]]
        time = \"0s\"
        do = \"reconnect-storm\"
        at = \"tablet\"
        for = \"1h\"
        [[expect]]
        name = \"cards-after-return\"
        at = \"tablet\"
        within = \"15s\"
        share = 1.0
        [[expect]]
        name = \"turned-away\"
        at = \"hub\"
        at-least = 20
        [[expect]]
        name = \"memory-kept\"
        at = \"hub\"
        at-most-mb = 400
        [[expect]]
        name = \"heads-equal-after-heal\"
        ",
        replica("hub", "")
    ));
    let one = run(&storm, 3);
    assert_eq!(broken(&storm, &one), [""; 0]);
    let load = one.course.traffic.loads[0];
    assert!(load.sessions == 60 && load.store_bytes > 20_000, "{load:?}");
    assert!(one.course.traffic.returns.iter().all(|one| one.lacked > 40), "{:?}", one.course.traffic.returns);
}

#[test]
fn who_subscribes_to_cards_holds_cards_and_its_notes_reach_the_others() {
    let sites = [replica("hub", ""), replica("tablet", "parts = [\"card\"]")].concat();
    let cards = scenario(&format!(
        "[clock]\nlasts = \"3h\"\n{sites}
        [[link]]
        between = [\"tablet\", \"hub\"]
        [[people]]
        count = 5
        at = \"hub\"
        [[workload]]
        at = [\"hub\", \"tablet\"]
        from = \"40m\"
        until = \"2h\"
        notes-per-hour = 12
        arrivals-per-hour = 1
        [[expect]]
        name = \"no-acknowledged-write-lost\"
        [[expect]]
        name = \"heads-equal-after-heal\"
        "
    ));
    let one = run(&cards, 1);
    assert_eq!(broken(&cards, &one), [""; 0]);
    let area = Area::new("shared/miura").unwrap();
    let entries = |name: &str, part: Part| {
        let groups = &one.seen.at_end[&ReplicaName(name.into())].groups;
        groups.iter().find(|group| group.area == area && group.part == part).map_or(0, |group| group.entries)
    };
    assert!(entries("hub", Part::Card) > 10 && entries("hub", Part::Card) == entries("tablet", Part::Card));
    let [hub, tablet] = ["hub", "tablet"].map(|name| entries(name, Part::Notes));
    assert!(tablet > 0 && tablet < hub, "its own notes alone: {tablet} of {hub}");
}

#[test]
fn where_no_udp_passes_a_bucket_joins_them_unless_it_is_out_of_reach() {
    let sites: String = ["north", "south"].map(|name| replica(name, "bucket-every = \"2m\"")).concat();
    let blocked = |outage: &str| {
        scenario(&format!(
            "[clock]\nlasts = \"2h\"\n{sites}
            [backup]
            gateway = \"north\"
            [[link]]
            between = [\"north\", \"south\"]
            profile = \"udp-blocked\"
            [[workload]]
            at = [\"north\", \"south\"]
            until = \"1h\"
            arrivals-per-hour = 6
            [[event]]
            do = \"s3-outage\"
            for = \"{outage}\"
            [[expect]]
            name = \"heads-equal-after-heal\"
            "
        ))
    };
    let (joined, apart) = (blocked("30m"), blocked("119m59s"));
    let one = run(&joined, 1);
    assert_eq!(broken(&joined, &one), [""; 0]);
    assert!(one.course.links[0].bytes_by_hour.is_empty() && one.course.sync_bytes > 0);
    let failing = broken(&apart, &run(&apart, 1));
    assert!(failing.iter().any(|one| one.starts_with("heads-equal-after-heal")), "{failing:?}");
    assert!(one.course.lasted == Duration::from_secs(7_200));
}
