//! The table of events: every example is read by the keys that the table names, and does what its kind says.

use std::collections::BTreeSet;

use toml::de::DeTable;

use super::EVENTS;
use crate::drill::chance::Chance;
use crate::drill::deed::{ClockChange, Deed, PathState};
use crate::drill::scenario::key::EVENT;
use crate::drill::scenario::{EXPECTATIONS, Fields, Names, PatientAlias, Scenario, key};

const REGION: &str = r#"realm = "drill"
title = { en = "A region" }
story = { en = "Nothing is well." }
[clock]
lasts = "7d"
[patients]
oka = { find = "岡田 昭" }
aoki = { find = "青木 武" }
[backup]
gateway = "north"
[[replica]]
name = "north"
site = "North 北"
kind = "hospital"
role = "hospital"
areas = ["shared/miura"]
author = { name = "佐藤", role = "doctor" }
battery-h = 0
[[replica]]
name = "south"
site = "South 南"
kind = "hospital"
role = "hospital"
areas = ["shared/miura"]
author = { name = "三上", role = "doctor" }
[[replica]]
name = "tablet"
site = "Shelter 避難所"
kind = "shelter"
role = "tablet"
areas = ["shared/miura"]
author = { name = "小川", role = "nurse" }
[[fleet]]
name = "site"
count = 10
mix = { clinic = 1 }
areas = ["shared/miura"]
battery-h = 4
[[fleet]]
name = "clinic"
count = 2
mix = { clinic = 1 }
areas = ["shared/miura"]
[[mesh]]
of = "shared/miura"
shape = "hub"
quota-mb-per-day = 10
[[expect]]
name = "heads-equal-after-heal"
[[event]]
do = "import"
at = "north"
data = "."
[[event]]
do = "backup"
"#;

fn region(more: &str) -> Result<Scenario, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data/jp-region-small");
    std::fs::create_dir_all(&path).unwrap();
    for name in ["Patient", "AllergyIntolerance"] {
        std::fs::write(path.join(format!("{name}.ndjson")), "").unwrap();
        std::fs::write(dir.path().join(format!("{name}.ndjson")), "").unwrap();
    }
    Scenario::parse(&dir.path().join("region.toml"), &format!("{REGION}{more}"))
        .map_err(|error| error.to_string())
}

/// What must stand around the example of an event, so that it can be.
fn around(name: &str) -> (&'static str, &'static str) {
    match name {
        "start" => ("[[event]]\ndo = \"stop\"\nat = \"north\"\n", ""),
        "restore" => (
            "[[event]]\ndo = \"destroy-disk\"\nat = \"south\"\n",
            "[[event]]\ndo = \"start\"\nat = \"south\"\n",
        ),
        "destroy-disk" => {
            ("", "[[event]]\ndo = \"restore\"\nat = \"south\"\n[[event]]\ndo = \"return-to-normal\"\n")
        }
        "stop" | "kill-in-mid-write" => ("", "[[event]]\ndo = \"return-to-normal\"\n"),
        _ => ("", ""),
    }
}

/// The example of an event in the region, and its place.
fn example(name: &str) -> (Scenario, usize) {
    let kind = EVENTS.iter().find(|kind| kind.name == name).unwrap();
    let (before, after) = around(name);
    let text = format!("{before}[[event]]\ndo = \"{name}\"\n{}\n{after}", kind.example);
    let scenario = region(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    (scenario, 2 + usize::from(!before.is_empty()))
}

fn deeds(name: &str) -> Vec<Deed> {
    let (scenario, place) = example(name);
    scenario.deeds(place, &Chance::of_seed(1)).into_iter().map(|timed| timed.deed).collect()
}

#[test]
fn every_example_is_a_sound_event_that_does_and_tells_something() {
    let mut names = BTreeSet::new();
    for kind in EVENTS {
        let (scenario, place) = example(kind.name);
        let event = &scenario.events[place].event;
        assert!(names.insert(kind.name) && std::ptr::eq(event.kind(), *kind), "{}", kind.name);
        let deeds = scenario.deeds(place, &Chance::of_seed(1));
        assert!(!deeds.is_empty() && deeds.is_sorted_by_key(|deed| deed.after), "{}: {deeds:?}", kind.name);
        assert_eq!(deeds, scenario.deeds(place, &Chance::of_seed(1)), "{}", kind.name);
        let told = event.told(&scenario);
        assert!(!told.en.is_empty() && !told.ja.is_ascii(), "{}: {told:?}", kind.name);
        assert!(!told.en.ends_with('.') && !told.ja.ends_with('。'), "{}: {told:?}", kind.name);
    }
}

#[test]
fn every_key_that_is_read_stands_in_the_table_and_conversely() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Patient.ndjson"), "").unwrap();
    let scenario = region("").unwrap();
    let names = Names {
        replicas: scenario.replicas.iter().map(|plan| plan.name.clone()).collect(),
        areas: scenario.replicas.iter().map(|plan| plan.areas.clone()).collect(),
        fleets: scenario.fleets.iter().map(|fleet| (fleet.name.clone(), fleet.members.clone())).collect(),
        links: scenario.links.iter().map(|link| link.ends).collect(),
        surviving: std::collections::BTreeSet::new(),
        patients: ["oka", "aoki"].map(|name| PatientAlias(name.into())).to_vec(),
        backup: true,
        bucket_line: None,
        folder: dir.path().to_owned(),
        time: None,
    };
    let asked = |text: &str, keys, read: &dyn Fn(&mut Fields<'_>) -> bool| {
        let table = DeTable::parse(text).unwrap();
        let mut fields = Fields::new("the example", text, 1, table.get_ref(), keys);
        assert!(read(&mut fields), "{text}");
        fields.asked().clone()
    };
    for kind in EVENTS {
        let text = kind.example.replace("data/jp-region-small", "Patient.ndjson").replace("types", "#");
        let read = |fields: &mut Fields<'_>| (kind.read)(fields, &names).is_ok();
        let mut found = asked(&text, kind.keys, &read);
        if kind.keys.iter().any(|key| key.name == "outage-s") {
            found.insert("outage-s");
        }
        let wanted: BTreeSet<&str> = kind.keys.iter().map(|key| key.name).collect();
        assert_eq!(found, wanted, "{}", kind.name);
        assert!(EVENT.iter().all(|key| !wanted.contains(key.name)), "{}", kind.name);
    }
    for kind in EXPECTATIONS {
        let read = |fields: &mut Fields<'_>| {
            let expectation = (kind.read)(fields, &names);
            expectation.is_ok_and(|expectation| expectation.name() == kind.name)
        };
        let found = asked(kind.example, kind.keys, &read);
        let wanted: BTreeSet<&str> = kind.keys.iter().map(|key| key.name).collect();
        assert_eq!(found, wanted, "{}", kind.name);
    }
    let tables = [key::REPLICA, key::FLEET, key::LINK, key::MESH, key::PEOPLE, key::WORKLOAD, key::TOP];
    for table in tables {
        let keys: BTreeSet<&str> = table.iter().map(|key| key.name).collect();
        assert_eq!(keys.len(), table.len(), "a key stands twice");
    }
}

#[test]
fn links_flap_degrade_and_carry_one_way() {
    let (scenario, place) = example("flap");
    let flapping = scenario.deeds(place, &Chance::of_seed(1));
    let [one, other] = flapping.as_slice() else { panic!("{flapping:?}") };
    let Deed::Path { state: PathState::Degraded(profile), link } = &one.deed else { panic!() };
    assert_eq!(profile.flap.map(|flap| (flap.up_ms.get(), flap.down_ms)), Some((20_000, 10_000)));
    assert_eq!(other.deed, Deed::Path { link: *link, state: PathState::Up });
    assert_eq!(other.after.as_secs(), 2 * 3_600);
    let one_way = deeds("one-way");
    assert!(matches!(one_way[0], Deed::Path { state: PathState::OneWay { towards: 1 }, .. }), "{one_way:?}");
    let links = scenario.links.len();
    let degraded = deeds("degrade");
    assert_eq!(degraded.len(), links.div_ceil(2) * 2, "half of them, and back: {degraded:?}");
}

#[test]
fn a_second_quake_cuts_darkens_and_takes() {
    let happened = deeds("second-quake");
    let count = |wanted: fn(&Deed) -> bool| happened.iter().filter(|deed| wanted(deed)).count();
    assert_eq!(count(|deed| matches!(deed, Deed::DestroyDisk { .. })), 1);
    let cut = count(|deed| matches!(deed, Deed::Path { state: PathState::Down, .. }));
    assert_eq!((cut, count(|deed| matches!(deed, Deed::Path { state: PathState::Up, .. }))), (8, 8));
    let dark = count(|deed| matches!(deed, Deed::PowerCut { .. } | Deed::Crash { .. }));
    assert!(dark > 0 && dark == count(|deed| matches!(deed, Deed::Start { .. })), "{happened:?}");
}

#[test]
fn a_surge_registers_people_who_can_be_told_apart() {
    let surge = deeds("surge");
    let names: BTreeSet<&str> = surge
        .iter()
        .filter_map(|deed| match deed {
            Deed::Register { patient, .. } => Some(patient.name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!((surge.len(), names.len()), (400, 200));
    let twice = deeds("duplicate-registration");
    let registered: Vec<(usize, &str)> = twice
        .iter()
        .filter_map(|deed| match deed {
            Deed::Register { at, patient, .. } => Some((*at, patient.name.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(registered.len(), 6);
    assert_eq!((registered[0].0, registered[1].0), (0, 2));
    assert_ne!(registered[0].1, registered[1].1);
}

#[test]
fn return_to_normal_undoes_every_fault_everywhere() {
    let (scenario, place) = example("return-to-normal");
    let deeds = scenario.deeds(place, &Chance::of_seed(1));
    let has = |deed: Deed| deeds.iter().any(|timed| timed.deed == deed);
    for at in 0..scenario.replicas.len() {
        assert!(has(Deed::Start { at }) && has(Deed::Freeze { at, frozen: false }));
        assert!(has(Deed::Clock { at, change: ClockChange::Skew { ms: 0 } }));
        assert!(has(Deed::DiskFull { at, full: false }) && has(Deed::Lie { at, lying: false }));
    }
    for link in 0..scenario.links.len() {
        assert!(has(Deed::Path { link, state: PathState::Up }));
    }
    assert!(has(Deed::Bucket { reachable: true }));
}

#[test]
fn clocks_disks_power_and_the_bucket_fail_as_written() {
    assert_eq!(deeds("clock-skew"), [Deed::Clock { at: 2, change: ClockChange::Skew { ms: -7_200_000 } }]);
    assert_eq!(
        deeds("clock-jump"),
        [Deed::Clock { at: 2, change: ClockChange::Jump { ms: 30 * 86_400_000 } }]
    );
    assert_eq!(deeds("disk-corrupt"), [Deed::DiskCorrupt { at: 0, sectors: 20 }]);
    assert_eq!(
        deeds("disk-full"),
        [Deed::DiskFull { at: 0, full: true }, Deed::DiskFull { at: 0, full: false }]
    );
    assert_eq!(deeds("power-loss"), [Deed::PowerCut { at: 0 }, Deed::Start { at: 0 }]);
    assert_eq!(
        deeds("freeze"),
        [Deed::Freeze { at: 2, frozen: true }, Deed::Freeze { at: 2, frozen: false }]
    );
    assert_eq!(deeds("lie"), [Deed::Lie { at: 2, lying: true }, Deed::Lie { at: 2, lying: false }]);
    assert_eq!(deeds("s3-outage"), [Deed::Bucket { reachable: false }, Deed::Bucket { reachable: true }]);
    assert_eq!(deeds("site-lost"), [Deed::DestroyDisk { at: 13 }, Deed::DestroyDisk { at: 14 }]);
    assert_eq!(deeds("meet"), [Deed::Path { link: 1, state: PathState::Up }]);
}

#[test]
fn a_link_that_survives_is_cut_and_spoilt_by_name_only() {
    const DISH: &str =
        "[[link]]\nbetween = [\"south\", \"tablet\"]\nprofile = \"satellite\"\nsurvives = true\n";
    let struck = |event: &str| {
        let scenario = region(&format!("{DISH}[[event]]\n{event}\n")).unwrap();
        let dish = scenario.links.iter().position(|link| link.survives).unwrap();
        let deeds = scenario.deeds(2, &Chance::of_seed(1)).into_iter();
        let links: Vec<usize> = deeds
            .filter_map(|timed| match timed.deed {
                Deed::Path { link, state } if state != PathState::Up => Some(link),
                _ => None,
            })
            .collect();
        assert!(!links.is_empty(), "{event}");
        (links.contains(&dish), scenario.events[2].event.told(&scenario).en)
    };
    for by_place in [
        "do = \"cut\"\nwhat = \"everything\"",
        "do = \"cut\"\nwhat = \"links\"",
        "do = \"cut\"\nat = \"tablet\"",
        "do = \"cut\"\nat = \"shared/miura\"\nshare = 0.99",
        "do = \"flap\"\nfor = \"2h\"",
        "do = \"degrade\"\nat = \"south\"\nto = \"narrow-23k\"",
        "do = \"second-quake\"\nlinks = 1.0\npower = 0.0\nfor = \"12h\"",
    ] {
        assert!(!struck(by_place).0, "{by_place}");
    }
    assert!(struck("do = \"cut\"\nbetween = [\"tablet\", \"south\"]").0);
    assert!(struck("do = \"degrade\"\nbetween = [\"tablet\", \"south\"]\nto = \"narrow-23k\"").0);
    let told = struck("do = \"cut\"\nwhat = \"links\"").1;
    assert_eq!(told, "Cut: every link but 1 that survives");
    // What was cut by its name is healed by its place.
    let healed = region(&format!("{DISH}[[event]]\ndo = \"heal\"\nat = \"tablet\"\n")).unwrap();
    assert_eq!(healed.deeds(2, &Chance::of_seed(1)).len(), 2);
}

#[test]
fn a_cut_of_nothing_but_what_survives_is_a_mistake() {
    let dish = "[[replica]]\nname = \"island\"\nsite = \"I\"\nkind = \"clinic\"\nrole = \"hospital\"\n\
                areas = [\"shared/island\"]\nauthor = { name = \"a\", role = \"doctor\" }\n\
                [[link]]\nbetween = [\"south\", \"island\"]\nsurvives = true\n";
    let error = region(&format!("{dish}[[event]]\ndo = \"cut\"\nat = \"island\"\n")).unwrap_err();
    assert!(error.contains("survive") && error.contains("'between'"), "{error}");
}
