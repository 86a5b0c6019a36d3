//! Scenarios that could not run, or could not be judged, are refused before anything runs: with line and hint.

use super::tests::{SOUND, deeds, line_below, mistake, mistake_with, read};
use crate::drill::deed::Deed;

/// One event as a table.
fn event(name: &str, keys: &str) -> String {
    let keys: String = keys.split("; ").filter(|key| !key.is_empty()).map(|key| format!("{key}\n")).collect();
    format!("[[event]]\ndo = \"{name}\"\n{keys}")
}

fn expect(name: &str, keys: &str) -> String {
    event(name, keys).replace("[[event]]\ndo", "[[expect]]\nname")
}

/// The number of the first line after the sound scenario.
fn next_line() -> usize {
    SOUND.matches('\n').count() + 1
}

/// Asserts that the sound scenario with more at its end is refused at a line below its own, with these words.
fn refused(more: &str, below: usize, told: &str) {
    let said = mistake_with(more);
    let line = format!("line {}: ", next_line() + below);
    assert!(said.starts_with(&line) && said.contains(told), "{more}\nwanted {line}{told}\nsaid   {said}");
}

fn with(replica: &str, key: &str) -> String {
    let name = format!("name = \"{replica}\"\n");
    SOUND.replace(&name, &format!("{name}{key}\n"))
}

#[test]
fn an_event_in_the_past_is_refused() {
    let late = event("cut", "what = \"links\"; time = \"2h\"");
    let early = event("heal", "what = \"links\"; time = \"1h 30m\"");
    let told = format!(
        "'heal' is in the past: time = \"1h 30m\" comes before \"2h\" of the event in line {}",
        next_line()
    );
    refused(&format!("{late}{early}"), 4, &told);
    refused(&format!("{late}{early}"), 4, "put it above that one, or give it a later time");
    refused(&event("backup", "time = \"-1h\""), 2, "'time' must be a span of time such as \"2d 4h30m\"");
    read(&format!("{SOUND}{early}{late}")).unwrap();
}

#[test]
fn an_event_after_the_end_is_refused() {
    let ending = SOUND.replace("[title]", "[clock]\nbegins = \"2026-11-22T16:32\"\nlasts = \"3h\"\n[title]");
    let said = read(&format!("{ending}{}", event("backup", "time = \"4h\""))).unwrap_err();
    assert!(
        said.starts_with(&format!("line {}: event 'backup' happens at \"4h\"", next_line() + 3)),
        "{said}"
    );
    assert!(said.contains("let [clock] lasts be more than \"3h\""), "{said}");
    let said = read(&ending.replace("16:32", "25:32")).unwrap_err();
    assert!(
        said.starts_with("line 3: 'begins' must be a date") && said.contains("such as \"2026-11-22T16:32\""),
        "{said}"
    );
    let scenario = read(&ending).unwrap();
    assert_eq!(scenario.begins.0, 1_795_332_720_000, "16:32 in Japan is 07:32 UTC");
}

#[test]
fn what_is_down_or_gone_cannot_be_asked() {
    let crash = event("crash", "at = \"north\"");
    refused(&format!("{crash}{crash}"), 3, "asks 'north', which is down at that time; add an event 'start'");
    let freeze = event("freeze", "at = \"north\"; for = \"1h\"; time = \"1h\"");
    let note = |time: &str| {
        event("note", &format!("at = \"north\"; patient = \"oka\"; text = \"x\"; time = \"{time}\""))
    };
    refused(&format!("{freeze}{}", note("90m")), 5, "asks 'north', which is down");
    read(&format!("{SOUND}{freeze}{}", note("2h"))).unwrap();
    refused(
        &crash,
        0,
        "the story ends while 'north' is down; add an event 'start' at it, or 'return-to-normal'",
    );
    read(&format!("{SOUND}{crash}{}", event("return-to-normal", ""))).unwrap();
    refused(&event("start", "at = \"north\""), 0, "finds 'north' running already");
}

#[test]
fn a_lost_site_takes_part_in_nothing_unless_it_is_restored() {
    let lost = event("site-lost", "at = \"north\"");
    let power = event("power-failure", "at = \"north\"; for = \"2h\"");
    refused(&format!("{lost}{power}"), 3, "concerns 'north', which is lost at that time; take it out");
    refused(
        &format!("{lost}{}", event("start", "at = \"north\"")),
        3,
        "that of 'north' is gone; add an event 'restore'",
    );
    refused(&format!("{lost}{}", event("lie", "at = \"north\"")), 3, "which is lost");
    read(&format!("{SOUND}{lost}")).expect("nobody waits for it");
    let restore = event("restore", "at = \"north\"");
    refused(&format!("{lost}{restore}"), 3, "needs an event 'backup' before");
    refused(&restore, 0, "needs an event 'destroy-disk' or 'site-lost' at 'north' before");
    let back = format!("{}{lost}{restore}{}", event("backup", ""), event("start", "at = \"north\""));
    read(&format!("{SOUND}{back}")).unwrap();
    let destroy = event("destroy-disk", "at = \"tablet\"");
    refused(&format!("{}{destroy}", event("backup", "")), 2, "write 'site-lost' instead of 'destroy-disk'");
}

#[test]
fn power_fails_only_where_it_can() {
    let power = event("power-failure", "at = \"north\"; for = \"5h\"; time = \"1h\"");
    refused(&power, 0, "'north' has power for ever; give it 'battery-h' or 'generator-h'");
    let battery = with("north", "battery-h = 0.5\ngenerator-h = 1.5");
    let note = event("note", "at = \"north\"; patient = \"oka\"; text = \"x\"; time = \"3h 30m\"");
    let said = read(&format!("{battery}{power}{note}")).unwrap_err();
    assert!(said.contains("event 'note' asks 'north', which is down"), "{said}");
    for time in ["2h 59m", "6h"] {
        read(&format!("{battery}{power}{}", note.replace("3h 30m", time)))
            .expect("before and after it is dark");
    }
    let scenario = read(&format!("{battery}{power}")).unwrap();
    let deeds = scenario.deeds(scenario.events.len() - 1, &crate::drill::chance::Chance::of_seed(1));
    let hours: Vec<u64> = deeds.iter().map(|deed| deed.after.as_secs() / 3_600).collect();
    assert_eq!(hours, [2, 5], "{deeds:?}");
    assert!(matches!(deeds[1].deed, Deed::Start { at: 0 }));
}

#[test]
fn names_that_match_nothing_are_refused() {
    let cases = [
        (
            event("crash", "at = \"shared/miuraa\""),
            2,
            "unknown replica, fleet or area 'shared/miuraa'; did you mean 'shared/miura'?",
        ),
        (event("crash", "at = [\"north\", \"sout\"]"), 2, "unknown replica, fleet or area 'sout'"),
        (event("crash", "at = []"), 2, "'at' names nothing"),
        (event("crash", "at = 3"), 2, "'at' must be a name in quotes, or a list of names"),
        (event("crash", "share = 0.5"), 0, "event 'crash' needs 'at': a replica, a fleet, an area"),
        (event("crash", "at = \"north\"; share = 1.5"), 3, "'share' must be a number from 0 to 1"),
        (
            event("one-way", "between = [\"north\", \"tablet\"]; towards = \"south\""),
            3,
            "unknown replica 'south'",
        ),
        (
            event("cut", "between = [\"north\", \"tablet\"]; at = \"north\""),
            0,
            "takes either 'between' or 'at'",
        ),
        (
            event("cut", "what = \"links\"; between = [\"north\", \"tablet\"]"),
            2,
            "'what' stands alone, without 'between' and 'at'",
        ),
        (event("cut", ""), 0, "needs 'what' (everything, links or bucket)"),
        (event("degrade", "to = \"narow-23k\""), 2, "known are lan"),
        (
            event("clock-skew", "at = \"north\"; by = \"3\""),
            3,
            "'by' must be a span of time that may begin with '-'",
        ),
        (event("flap", "until = \"2h\""), 2, "'until' needs 'time' beside it; or write 'for'"),
        (event("flap", "time = \"3h\"; until = \"2h\""), 3, "'until' is not after 'time'"),
        (event("surge", "at = \"north\""), 0, "needs 'count': how many people"),
        (event("duplicate-registration", "at = [\"north\", \"north\"]"), 2, "two different replicas"),
        (
            event("second-quake", "lost = 2"),
            0,
            "would lose all 2 sites that are left at 'the region'; say less in 'lost'",
        ),
        (
            event("disk-full", "at = \"north\"; fro = \"2h\""),
            3,
            "unknown key of event 'disk-full' 'fro'; did you mean 'for'?",
        ),
    ];
    for (more, below, told) in cases {
        refused(&more, below, told);
    }
}

#[test]
fn a_fault_of_disks_needs_a_disk() {
    let memory = with("north", "store = \"memory\"");
    let said = read(&format!("{memory}{}", event("disk-corrupt", "at = \"north\""))).unwrap_err();
    assert!(said.contains("'north' keeps its records in memory; write store = \"disk\""), "{said}");
}

#[test]
fn an_expectation_that_can_never_be_judged_is_refused_at_its_own_line() {
    let cases = [
        (expect("rto", "at-most = \"4h\""), "'rto' can only be judged after an event 'restore'"),
        (expect("rpo", "at-most = \"4h\""), "'rpo' can only be judged after an event 'restore'"),
        (expect("damage-detected", ""), "after damage: an event 'disk-corrupt', 'power-loss' or 'lie'"),
        (expect("backup-restores-equal", ""), "after an event 'backup', or with [backup] every = \"6h\""),
        (expect("quota-kept", ""), "when a [[link]] or a [[mesh]] has 'quota-mb-per-day'"),
        (expect("held-by", "at-least = 3"), "asks for 3 replicas, but there are 2; say less in 'at-least'"),
        (expect("staleness", "at-most = \"soon\""), "'at-most' must be a span of time"),
        (expect("availability", "of = \"reed\""), "unknown of 'reed'; did you mean 'read'?"),
        (expect("converged", ""), "needs 'within'"),
    ];
    for (more, told) in cases {
        let below = usize::from(told.starts_with("'at-most'") || told.starts_with("unknown of")) * 2;
        refused(&more, below, told);
    }
    let quiet = SOUND.replace("do = \"cut\"", "do = \"heal\"");
    let said = read(&format!("{quiet}{}", expect("converged", "within = \"1h\""))).unwrap_err();
    assert!(said.starts_with(&format!("line {}: ", next_line())), "{said}");
    assert!(said.contains("can only be judged after a fault, such as an event 'cut'"), "{said}");
}

#[test]
fn a_scenario_says_how_it_may_be_run() {
    let path = std::path::Path::new("/drills/short.toml");
    let sound = read(SOUND).unwrap();
    assert!(sound.modes.live && sound.modes.sim && sound.check_live(path).is_ok());
    let lie = event("lie", "at = \"tablet\"; for = \"1h\"");
    let scenario = read(&format!("{SOUND}{lie}")).unwrap();
    assert!(!scenario.modes.live && scenario.modes.sim);
    let said = scenario.check_live(path).unwrap_err().to_string();
    let told = format!(
        "/drills/short.toml, line {}: event 'lie' cannot be done with real processes; run it with --sim",
        next_line()
    );
    assert!(said.starts_with(&told), "{said}");

    let modes = |modes: &str, more: &str| {
        read(&format!("{}{more}", SOUND.replacen("realm =", &format!("modes = {modes}\nrealm ="), 1)))
    };
    let said = modes("[\"live\", \"sim\"]", &lie).unwrap_err();
    assert!(
        said.starts_with("line 1: 'modes' names \"live\", but in line") && said.contains("'lie'"),
        "{said}"
    );
    let said = modes("[\"sim\"]", "").unwrap().check_live(path).unwrap_err().to_string();
    assert!(said.contains("line 1: 'modes' does not name \"live\"; run it with --sim"), "{said}");
    let said = modes("[\"live\"]", &expect("same-trace", "")).unwrap_err();
    assert!(
        said.contains("expectation 'same-trace' can only be judged in --sim; add \"sim\" to 'modes'"),
        "{said}"
    );
    modes("[\"sim\", \"live\"]", &expect("same-trace", "")).expect("live says that it cannot judge it");
    assert!(
        modes("[\"sim\", \"lvie\"]", "").unwrap_err().contains("unknown mode 'lvie'; did you mean 'live'?")
    );
    assert!(modes("[]", "").unwrap_err().contains("'modes' names nothing"));
}

#[test]
fn faults_do_nothing_more_once_all_is_normal() {
    let battery = with("north", "battery-h = 2");
    let power = event("power-failure", "at = \"north\"; time = \"1h\"");
    let surge = event("surge", "at = \"north\"; count = 50; over = \"6h\"; time = \"1h\"");
    let normal = event("return-to-normal", "time = \"2h\"");
    let scenario = read(&format!("{battery}{power}{surge}{normal}")).unwrap();
    let count = scenario.events.len();
    assert_eq!(deeds(&scenario, count - 3), [], "the battery would have lasted until 3h");
    assert_eq!(deeds(&scenario, count - 2).len(), 100, "people go on writing");
}

#[test]
fn a_mistake_is_told_where_it_is() {
    assert!(mistake("at = \"tablet\"", "at = [\"tablet\"]").starts_with(&line_below("at = \"tablet\"", 0)));
}
