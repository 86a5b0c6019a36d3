//! Lists that are imported again and from two sources, and machines that are set back to an older copy.

use std::collections::BTreeSet;
use std::path::Path;

use super::run::{SimOptions, SimRun, simulate};
use crate::drill::invariants::{self, ClinicalSeen, Evidence};
use crate::drill::people::InventedList;
use crate::drill::scenario::Scenario;

/// Machines in a row, each with its areas and its store.
fn row(machines: &[(&str, &[&str], &str)], events: &str) -> Scenario {
    let replica = |(name, areas, store): &(&str, &[&str], &str)| {
        format!(
            "[[replica]]\nname = \"{name}\"\nsite = \"Site {name}\"\nkind = \"clinic\"\nrole = \"hospital\"\n\
             areas = {areas:?}\nauthor = {{ name = \"当直 {name}\", role = \"doctor\" }}\nstore = \"{store}\"\n"
        )
    };
    let replicas: String = machines.iter().map(replica).collect();
    let link = |pair: &[(&str, &[&str], &str)]| {
        format!("[[link]]\nbetween = [\"{}\", \"{}\"]\n", pair[0].0, pair[1].0)
    };
    let links: String = machines.windows(2).map(link).collect();
    let text = format!(
        "realm = \"copies\"\n[title]\nen = \"copies\"\n[story]\nen = \"copies\"\n[clock]\nlasts = \"6h\"\n{replicas}\
         {links}{events}\n[[expect]]\nname = \"no-acknowledged-write-lost\"\n"
    );
    Scenario::parse(Path::new("copies.toml"), &text).unwrap_or_else(|error| panic!("{error}"))
}

/// Three machines in a row; the first two have disks.
fn region(events: &str) -> Scenario {
    let miura = ["shared/miura"].as_slice();
    row(&[("one", miura, "disk"), ("two", miura, "disk"), ("three", miura, "memory")], events)
}

/// Four machines in a row: "west" and "east" hold one area each, the two between them both.
fn two_areas(events: &str) -> Scenario {
    let (west, east) = (["shared/west"].as_slice(), ["shared/east"].as_slice());
    let both = ["shared/east", "shared/west"].as_slice();
    row(
        &[
            ("west", west, "memory"),
            ("one", both, "memory"),
            ("two", both, "memory"),
            ("east", east, "memory"),
        ],
        events,
    )
}

fn run(scenario: &Scenario) -> SimRun {
    simulate(scenario, SimOptions { seed: 1, plant: None }, &mut |_, _| {}).unwrap()
}

fn looked(scenario: &Scenario, run: &SimRun) -> ClinicalSeen {
    let evidence = Evidence { scenario, course: &run.course, seen: &run.seen };
    let broken: Vec<String> = invariants::all(&evidence)
        .into_iter()
        .chain(run.seen.failures.clone())
        .filter(|judged| !judged.ok)
        .map(|judged| format!("{}: {}", judged.name, judged.detail.en))
        .collect();
    assert_eq!(broken, [""; 0]);
    let failed: Vec<_> = run.course.happenings.iter().filter_map(|it| it.failed.clone()).collect();
    assert_eq!(failed, [""; 0]);
    run.seen.sim.as_ref().unwrap().clinical.clone()
}

#[test]
fn a_list_is_imported_once_and_whom_two_sources_know_is_suggested() {
    let import = |time: &str, at: &str, source: &str, version: u64| {
        format!(
            "[[event]]\ntime = \"{time}\"\ndo = \"import-list\"\nat = \"{at}\"\nlist = \"町\"\nsource = \"{source}\"\n\
             people = 6\nversion = {version}\n"
        )
    };
    let events = [
        import("5m", "one", "hospital-p", 1),
        import("6m", "two", "hospital-q", 1),
        import("20m", "three", "hospital-p", 1),
        import("30m", "one", "hospital-p", 2),
        import("40m", "two", "hospital-p", 1),
        // Nobody can know of the other: both write the same, and it is one.
        "[[event]]\ntime = \"50m\"\ndo = \"cut\"\nbetween = [\"one\", \"two\"]\n".to_owned(),
        import("51m", "one", "hospital-q", 3),
        import("52m", "three", "hospital-q", 3),
        "[[event]]\ntime = \"60m\"\ndo = \"heal\"\nbetween = [\"one\", \"two\"]\n".to_owned(),
    ];
    let scenario = region(&events.concat());
    let run = run(&scenario);
    let seen = looked(&scenario, &run);
    // Seven imports; 31 resources of each source, six people with seven questions, at each of three machines.
    assert!(seen.imports.count > 7 + 3 * (2 * 31 + 2 * 6 * 6), "{}", seen.imports.count);
    assert!(seen.doubles.count > 20, "{}", seen.doubles.count);
}

#[test]
fn an_imported_allergy_is_hidden_by_those_who_knew_what_they_refuted_only() {
    let import = |time: &str, at: &str, version: u64, more: &str| {
        format!(
            "[[event]]\ntime = \"{time}\"\ndo = \"import-list\"\nat = \"{at}\"\nlist = \"町\"\n\
             source = \"hospital-p\"\npeople = 1\nversion = {version}\n{more}"
        )
    };
    let list =
        InventedList { name: "町".to_owned(), source: "hospital-p".to_owned(), people: 1, version: 1 };
    let listed = list.people().remove(0);
    let refute = |time: &str, at: &str| {
        let substance = listed.allergy;
        format!(
            "[[event]]\ntime = \"{time}\"\ndo = \"allergy\"\nat = \"{at}\"\npatient = \"oka\"\n\
             substance = \"{substance}\"\nrefute = \"負荷試験は陰性\"\n"
        )
    };
    let cut = |time: &str, what: &str| {
        format!("[[event]]\ntime = \"{time}\"\ndo = \"{what}\"\nbetween = [\"one\", \"two\"]\n")
    };
    let first = import("5m", "one", 1, "as = \"oka\"\n");
    let known = region(&[first.clone(), refute("10m", "two")].concat());
    let seen = run(&known);
    looked(&known, &seen);
    let active = |run: &SimRun| -> BTreeSet<bool> {
        let shown = run
            .seen
            .views
            .values()
            .map(|views| views[&listed.record].view["allergies"]["active"].to_string());
        shown.map(|shown| shown.contains(listed.allergy)).collect()
    };
    assert_eq!(active(&seen), BTreeSet::from([false]));
    let apart = [
        first,
        cut("9m", "cut"),
        refute("10m", "three"),
        refute("10m", "one"),
        import("11m", "one", 2, ""),
        cut("20m", "heal"),
    ];
    let apart = region(&apart.concat());
    let seen = run(&apart);
    looked(&apart, &seen);
    assert_eq!(active(&seen), BTreeSet::from([true]), "nobody has refuted the second version");
}

/// Region 680: the same list was imported on both sides of a cut, into two areas.
#[test]
fn a_version_replaces_the_copies_that_its_importer_held() {
    let import = |time: &str, at: &str, version: u64| {
        format!(
            "[[event]]\ntime = \"{time}\"\ndo = \"import-list\"\nat = \"{at}\"\nlist = \"町\"\n\
             source = \"hospital-p\"\npeople = 1\nversion = {version}\n"
        )
    };
    let cut = |time: &str, what: &str| {
        format!("[[event]]\ntime = \"{time}\"\ndo = \"{what}\"\nbetween = [\"one\", \"two\"]\n")
    };
    let first = import("5m", "west", 1) + "as = \"oka\"\n";
    let apart = [cut("4m", "cut"), first, import("5m", "east", 1)].concat();
    let versions = |events: String| {
        let scenario = two_areas(&events);
        let run = run(&scenario);
        looked(&scenario, &run);
        ["two", "east"].map(|name| {
            let seen = run.seen.views.iter().find(|(replica, _)| replica.0 == name).unwrap().1;
            let view = &seen.values().next().unwrap().view;
            view["allergies"]["active"][0]["sides"].as_array().map_or(0, Vec::len)
        })
    };
    // Who holds both copies replaces both. Who has heard of one replaces that: where only the other is held, both
    // versions stand.
    let known = format!("{apart}{}{}", cut("10m", "heal"), import("20m", "one", 3));
    let unknown = format!("{apart}{}{}", import("9m", "one", 3), cut("10m", "heal"));
    assert_eq!((versions(known), versions(unknown)), ([1, 1], [1, 2]));
}

const SET_BACK: &str = r#"
[[event]]
do = "register"
at = "one"
as = "oka"
name = "岡 昭"
[[event]]
time = "10m"
do = "set-back"
at = "one"
after = "20m"
[[event]]
time = "20m"
do = "note"
at = "one"
patient = "oka"
text = "写しの後。"
[[event]]
do = "handover"
at = "one"
patient = "oka"
text = "写しの後の申し送り。"
[[event]]
time = "29m"
do = "cut"
between = ["one", "two"]
[[event]]
time = "31m"
do = "note"
at = "one"
patient = "oka"
text = "戻された後。"
[[event]]
do = "handover"
at = "one"
patient = "oka"
text = "戻された後の申し送り。"
[[event]]
time = "40m"
do = "heal"
between = ["one", "two"]
[[event]]
time = "50m"
do = "note"
at = "three"
patient = "oka"
text = "続く。"
"#;

#[test]
fn a_machine_that_is_set_back_and_writes_forks_its_lanes_and_both_histories_are_kept() {
    let scenario = region(SET_BACK);
    let run = run(&scenario);
    let seen = looked(&scenario, &run);
    assert!(seen.forks.count >= 4, "{}", seen.forks.count);
    assert!(run.seen.at_end.values().all(|status| status.forked > 0));
}

#[test]
fn a_machine_that_is_set_back_hears_what_it_had_written_before_it_writes() {
    let (before, _) = SET_BACK.split_once("[[event]]\ntime = \"29m\"").unwrap();
    let after = "[[event]]\ntime = \"31m\"\ndo = \"note\"\nat = \"one\"\npatient = \"oka\"\ntext = \"戻された後。\"\n";
    let scenario = region(&format!("{before}{after}"));
    let run = run(&scenario);
    assert_eq!(looked(&scenario, &run).forks.count, 0);
    assert!(run.seen.at_end.values().all(|status| status.forked == 0));
}

/// Region 583: the horizon before an entry was counted along a lane that the fork had cut off, and the replica died of it.
#[test]
fn a_machine_that_has_forked_its_lane_refuses_to_write_and_lives() {
    let note = |time: &str, text: &str| {
        format!(
            "[[event]]\ntime = \"{time}\"\ndo = \"note\"\nat = \"one\"\npatient = \"oka\"\ntext = \"{text}\"\n"
        )
    };
    let (before, after) = SET_BACK.split_once("[[event]]\ntime = \"40m\"").unwrap();
    let more = [note("33m", "もう一度。"), note("34m", "さらに。")].concat();
    let late = note("55m", "枝分かれの後。");
    let scenario = region(&format!("{before}{more}[[event]]\ntime = \"40m\"{after}{late}"));
    let run = run(&scenario);
    let failed: Vec<String> = run.course.happenings.iter().filter_map(|it| it.failed.clone()).collect();
    assert!(matches!(failed.as_slice(), [told] if told.contains("is forked")), "{failed:?}");
    assert!(run.seen.at_end.len() == 3 && run.seen.sim.as_ref().is_some_and(|sim| sim.lost == 0));
}
