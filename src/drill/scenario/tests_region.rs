//! Fleets, meshes, people and workloads: what is expanded, dealt and refused.

use std::time::Duration;

use super::key::{Key, Shape, TOP};
use super::tests::{SOUND, read};
use super::{Scenario, StorePlan};
use crate::base::{Area, Part};
use crate::identity::SiteKind;

const FLEET: &str = r#"[[fleet]]
name = "site"
count = 40
mix = { hospital = 1, clinic = 5, pharmacy = 2 }
areas = ["shared/miura", "shared/zushi"]
store = "memory"
disk-sample = 3
battery-h = 6
[[mesh]]
of = "site"
shape = "hub"
profile = "satellite"
quota-mb-per-day = 50
[[mesh]]
between = ["tablet", "site"]
shape = "each-to-one"
meets-every = "6h"
"#;
const WORK: &str = r#"[[people]]
count = 300
at = "shared/miura"
[[workload]]
at = "site"
until = "72h"
arrivals-per-hour = 2.5
triage = { red = 1, green = 9 }
unnamed = 0.1
"#;

fn region(more: &str) -> Scenario {
    read(&format!("{SOUND}{FLEET}{more}")).unwrap()
}

fn refused(text: &str, line_of: &str, told: &str) {
    let said = read(text).unwrap_err();
    let line = text[..text.find(line_of).unwrap()].matches('\n').count() + 1;
    assert!(
        said.starts_with(&format!("line {line}: ")) && said.contains(told),
        "wanted line {line}: {told}\nsaid {said}"
    );
}

#[test]
fn a_fleet_is_dealt_kinds_areas_and_disks() {
    let scenario = region("");
    let fleet = &scenario.fleets[0];
    assert_eq!((fleet.name.as_str(), fleet.members.clone()), ("site", 2..42));
    let members = &scenario.replicas[fleet.members.clone()];
    assert_eq!((members[0].name.0.as_str(), members[39].name.0.as_str()), ("site-001", "site-040"));
    let count = |kind| members.iter().filter(|member| member.kind == kind).count();
    let kinds = [SiteKind::Hospital, SiteKind::Clinic, SiteKind::Pharmacy].map(count);
    assert_eq!(kinds, [5, 25, 10]);
    let eight = members[..8].iter().filter(|member| member.kind == SiteKind::Hospital).count();
    assert_eq!(eight, 1, "the weights are kept in every part of the fleet");
    let zushi =
        members.iter().filter(|member| member.areas.iter().any(|area| area.as_str() == "shared/zushi"));
    assert_eq!(zushi.count(), 20);
    let disks: Vec<usize> = (0..40).filter(|place| members[*place].store == StorePlan::Disk).collect();
    assert_eq!(disks.len(), 3, "{disks:?}");
    assert!(disks.windows(2).all(|pair| pair[1] - pair[0] >= 13), "{disks:?}");
    assert_eq!(members[3].reserve, Some(Duration::from_secs(6 * 3_600)));
    assert_eq!(scenario.replicas[0].reserve, None);
}

#[test]
fn a_mesh_links_within_areas() {
    let scenario = region("");
    assert_eq!(scenario.links.len(), 1 + 38 + 1, "two hubs of 20 each, and the tablet");
    let hub = |place: usize| scenario.links.iter().filter(|link| link.ends.contains(&place)).count();
    assert_eq!((hub(2), hub(3)), (20, 19), "the tablet came to the first of its area");
    assert_eq!(scenario.links[1].quota_bytes_per_day(), Some(50_000_000));
    assert_eq!(
        (scenario.links[1].profile_name.as_str(), scenario.links[0].profile_name.as_str()),
        ("satellite", "satellite")
    );
    assert_eq!(scenario.links.last().unwrap().meets_every, Some(Duration::from_secs(6 * 3_600)));
    for link in &scenario.links {
        let [a, b] = link.ends.map(|end| &scenario.replicas[end]);
        assert_eq!([&a.name, &b.name], link.between.each_ref());
        assert!(!a.areas.is_disjoint(&b.areas));
    }
    let links = |shape: &str, more: &str| {
        let mesh = format!("[[mesh]]\nof = \"site\"\nshape = \"{shape}\"\n{more}");
        region(&mesh).links.len() - scenario.links.len()
    };
    assert_eq!(links("ring", ""), 2 * 20 - 4, "what is linked already is left out");
    assert_eq!(links("full", ""), 2 * 190 - 38);
    assert_eq!(links("full", "by-area = false\n"), 780 - 38);
}

#[test]
fn people_and_workloads_are_read_with_their_usual_values() {
    let scenario = region(WORK);
    let people = &scenario.people[0];
    assert_eq!(
        (people.count, people.homes.len(), people.allergies, people.prefix.as_str()),
        (300, 22, 0.2, "P")
    );
    let work = &scenario.workloads[0];
    assert_eq!((work.at.len(), work.arrivals_per_hour, work.unnamed, work.known), (40, 2.5, 0.1, 0.5));
    assert_eq!((work.triage.red, work.triage.yellow, work.triage.green), (1.0, 0.0, 9.0));
    assert_eq!((work.from, work.until), (Duration::ZERO, Duration::from_secs(72 * 3_600)));
    let refusal = scenario.live_refusal.unwrap();
    assert!(refusal.problem.contains("'meets-every' is for simulated drills"));
    assert!(!scenario.modes.live);
}

#[test]
fn a_fleet_is_meant_by_its_name_its_areas_and_a_share() {
    let crash = |at: &str| {
        let event = format!("[[event]]\ndo = \"crash\"\nat = {at}\nfor = \"5m\"\n");
        let scenario = region(&event);
        let event = scenario.events.len() - 1;
        let chance = |seed| crate::drill::chance::Chance::of_seed(seed);
        assert_eq!(scenario.deeds(event, &chance(3)), scenario.deeds(event, &chance(3)));
        let at =
            |seed| scenario.deeds(event, &chance(seed)).iter().map(|deed| deed.deed.at().unwrap()).collect();
        (at(3), at(4))
    };
    let (one, other): (Vec<usize>, Vec<usize>) = crash("\"site\"\nshare = 0.25");
    assert_eq!(one.len(), 20, "ten die, and ten start again");
    assert_ne!(one, other, "another seed, another choice");
    let (zushi, _) = crash("[\"shared/zushi\", \"north\"]");
    assert_eq!(zushi.len(), 2 * 21);
    assert!(zushi.starts_with(&[0, 3, 5]));
}

#[test]
fn regions_that_cannot_be_are_refused() {
    let base = format!("{SOUND}{FLEET}");
    let changed = |from: &str, to: &str| {
        assert!(base.contains(from), "{from}");
        base.replacen(from, to, 1)
    };
    for (from, to, told) in [
        ("count = 40", "count = 4000", "'count' must be a whole number from 1 to 2000"),
        (
            "mix = { hospital = 1, clinic = 5, pharmacy = 2 }",
            "mix = { hospitel = 1 }",
            "[mix] weighs nothing",
        ),
        (
            "mix = { hospital = 1, clinic = 5, pharmacy = 2 }",
            "mix = { clinic = 1, hospitel = 1 }",
            "did you mean 'hospital'?",
        ),
        ("store = \"memory\"", "store = \"tape\"", "unknown store 'tape' (known: disk, memory)"),
        ("of = \"site\"", "of = \"sites\"", "unknown replica, fleet or area 'sites'; did you mean 'site'?"),
        ("shape = \"hub\"", "shape = \"hup\"", "unknown shape 'hup'; did you mean 'hub'?"),
        ("meets-every = \"6h\"", "meets-every = \"6\"", "'meets-every' must be a span of time"),
        ("meets-every = \"6h\"", "meets-every = \"6s\"", "'meets-every' is at least \"1m\""),
        ("battery-h = 6", "batery-h = 6", "did you mean 'battery-h'?"),
    ] {
        refused(&changed(from, to), to, told);
    }
    refused(
        &changed("store = \"memory\"\n", ""),
        "disk-sample",
        "'disk-sample' is for a fleet with store = \"memory\"",
    );
    refused(
        &changed("name = \"site\"", "name = \"north\""),
        "name = \"north\"\ncount",
        "two replicas are called 'north'",
    );
    let across = changed("shape = \"each-to-one\"", "shape = \"ring\"");
    refused(&across, "[[mesh]]\nbetween", "of shape 'ring' takes 'of' and no 'between'");
    let base = format!("{base}{WORK}");
    for (from, to, line, told) in [
        ("until = \"72h\"", "until = \"0h\"", "until = \"0h\"", "ends before it begins"),
        ("until = \"72h\"\n", "", "[[workload]]", "needs 'until', or [clock] lasts = \"72h\""),
        ("arrivals-per-hour = 2.5\n", "", "[[workload]]", "does nothing; give 'arrivals-per-hour'"),
        ("unnamed = 0.1", "unnamed = 0.6", "[[workload]]", "more than everybody in 'unnamed' and 'known'"),
        ("count = 300", "count = 0", "count = 0", "'count' must be a whole number from 1"),
    ] {
        refused(&base.replacen(from, to, 1), line, told);
    }
}

/// A scenario that uses every key of every table.
const EVERYTHING: &str = r#"realm = "drill"
modes = ["sim"]
title = { en = "All", ja = "すべて" }
story = { en = "Everything.", ja = "何もかも。" }
[clock]
begins = "2026-11-22T16:32:00"
lasts = "2d"
[backup]
gateway = "north"
every = "6h"
[cloud]
at = "north"
[patients]
oka = { find = "岡田 昭" }
[[replica]]
name = "north"
site = "North"
kind = "hospital"
role = "hospital"
areas = ["shared/miura"]
author = { name = "佐藤", role = "doctor" }
parts = ["card", "notes"]
bucket-every = "5m"
store = "disk"
battery-h = 2
generator-h = 48.5
[[replica.subscription]]
areas = ["shared/zushi"]
parts = ["card"]
[[fleet]]
name = "site"
count = 5
site = "診療所"
mix = { hospital = 1, clinic = 1, pharmacy = 1, care-home = 1, shelter = 1, ambulance = 1, cloud = 1 }
role = "tablet"
areas = ["shared/miura", "shared/zushi"]
areas-each = "all"
author = { name = "当直", role = "nurse" }
parts = ["card"]
bucket-every = "1h"
store = "memory"
disk-sample = 1
battery-h = 0
generator-h = 0
[[fleet.subscription]]
areas = ["shared/hayama"]
parts = ["card"]
[[link]]
between = ["north", "site-001"]
profile = { delay_ms = 300, loss_up = 0.1 }
survives = true
meets-every = "12h"
quota-mb-per-day = 1.5
[[mesh]]
of = "site"
shape = "ring"
by-area = true
profile = "lan"
survives = true
meets-every = "1h"
quota-mb-per-day = 5
[[mesh]]
between = ["north", "site"]
shape = "all"
[[people]]
count = 10
at = ["site", "north"]
prefix = "M"
allergies = 0.5
medications = 0.5
[[workload]]
at = "site"
from = "1h"
until = "40h"
arrivals-per-hour = 3
notes-per-hour = 1
triage = { red = 1, yellow = 1, green = 1, black = 1 }
unnamed = 0.1
known = 0.9
prescriptions = 0.1
allergies = 0.1
refutations = 0.1
handovers = 0.1
acts = "all"
[[event]]
do = "s3-outage"
time = "2h"
after-ms = 5
tell = { en = "The cloud is gone.", ja = "クラウドに届かない。" }
for = "1h"
[[expect]]
name = "quota-kept"
"#;

#[test]
fn every_key_of_every_table_can_be_written() {
    let scenario = read(EVERYTHING).unwrap();
    assert_eq!(scenario.replicas[0].reserve, Some(Duration::from_secs_f64(50.5 * 3_600.0)));
    assert_eq!((scenario.replicas[1].areas.len(), scenario.links[0].profile_name.as_str()), (2, "custom"));
    assert_eq!(scenario.cloud.as_ref(), Some(&scenario.replicas[0].name));
    let (north, area) = (&scenario.replicas[0], |name: &str| Area::new(name).unwrap());
    assert_eq!(north.certified(), [area("shared/miura"), area("shared/zushi")].into());
    let held = |place: usize, name: &str| {
        Part::ALL.into_iter().filter(|part| scenario.replicas[place].holds(&area(name), *part)).count()
    };
    assert_eq!([held(0, "shared/miura"), held(0, "shared/zushi"), held(0, "shared/hayama")], [3, 2, 0]);
    assert_eq!([held(1, "shared/miura"), held(1, "shared/hayama"), held(1, "common")], [2, 2, 5]);
    assert_eq!(north.home(), Some(&area("shared/miura")));
    let without =
        EVERYTHING.replace("gateway = \"north\"", "").replace("[backup]", "").replace("every = \"6h\"", "");
    let said = read(&without).unwrap_err();
    assert!(said.contains("'bucket-every' needs a bucket"), "{said}");
    fn written(keys: &[Key], table: &toml::Table) {
        for key in keys {
            let values: Vec<&toml::Value> = match (key.shape, table.get(key.name)) {
                (_, None) => panic!("'{}' is not in the text", key.name),
                (Shape::Tables(_), Some(value)) => value.as_array().unwrap().iter().collect(),
                (Shape::Named(_), Some(value)) => value.as_table().unwrap().values().collect(),
                (_, Some(value)) => vec![value],
            };
            if let Shape::Table(keys) | Shape::Tables(keys) | Shape::Named(keys) = key.shape {
                let mut all = toml::Table::new();
                values.iter().for_each(|value| all.extend(value.as_table().unwrap().clone()));
                written(keys, &all);
            }
        }
    }
    written(TOP, &EVERYTHING.parse().unwrap());
}
