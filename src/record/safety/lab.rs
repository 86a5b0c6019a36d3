//! Recent laboratory tests, and which of them were done twice for nothing.
//!
//! Order, specimen and result of one test are one event. Two events are the same test by their JLAC10 analyte (the
//! first five characters; material too, where both tell it) or LOINC code. They are a duplicate when the later falls
//! into the window after the earlier, unless one encounter or one orderer stands behind both: repeating one's own test
//! is monitoring. What was drawn on the same two days is told together.
//!
//! Window: [`WINDOW_DAYS`] by default, a week, within which most values of a stable patient do not change what is
//! done. `data/tests.csv` (CC0, composed for this program, no clinician has reviewed it) has shorter ones for what
//! changes fast, and 0 for what is never a duplicate, such as blood gases.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::Value;

use super::alert::{Alert, AlertKind, Severity, Witness, Words};
use crate::record::facts::{Fact, Facts};
use crate::record::fhir::{self, Code};
use crate::record::statement::{Act, Position};

/// Days within which the same test counts as a duplicate, where the table says nothing else.
pub const WINDOW_DAYS: i32 = 7;
/// Days for which a duplicate is shown after the later test.
pub const SHOWN_DAYS: i32 = 28;
/// Most tests that are compared: the latest.
const TESTS_MAX: usize = 2_000;
/// Characters of a JLAC10 code that name the analyte.
const ANALYTE_CHARS: usize = 5;
const WINDOWS: &str = include_str!("data/tests.csv");
const LOINC: &str = "http://loinc.org";
const JLAC10: [&str; 2] = ["urn:oid:1.2.392.200119.4.1005", "master-JLAC10-17digits"];

/// One order or result of a laboratory test.
#[derive(Clone, PartialEq, Eq)]
pub struct Test {
    /// What it is called.
    pub name: String,
    /// What it measures: analyte, analyte and material, and LOINC.
    pub keys: BTreeSet<String>,
    /// The day on which it was drawn, or ordered.
    pub day: Date,
    /// What makes it one event with others: order, specimen.
    pub event: BTreeSet<String>,
    /// The encounter and the orderer.
    pub behind: BTreeSet<String>,
    /// Who wrote it.
    pub witness: Witness,
}

/// Gathers the tests of the last days before `today`.
pub fn gather(facts: &Facts, today: Date) -> Vec<Test> {
    let from = today.checked_sub((SHOWN_DAYS + WINDOW_DAYS).days()).unwrap_or(Date::MIN).to_string();
    let of_lab = |fact: &&Fact| matches!(fact.resource_type.as_str(), "Observation" | "ServiceRequest");
    let recent: Vec<&Fact> = facts
        .iter()
        .filter(of_lab)
        .filter(|fact| raw_day(&fact.statement.resource).is_some_and(|day| day >= from.as_str()))
        .collect();
    let followed: BTreeSet<_> = recent
        .iter()
        .flat_map(|fact| &fact.statement.follows)
        .filter_map(|follow| Some((follow.lane?, follow.seq, follow.index)))
        .collect();
    let mut seen = BTreeSet::new();
    let current = recent.into_iter().filter(|fact| {
        let Position { lane, seq, index } = fact.position;
        let again = fact.origin.as_ref().is_some_and(|origin| !seen.insert(origin.clone()));
        !again && !followed.contains(&(lane, seq, index)) && fact.statement.act != Act::Refute
    });
    let mut tests: Vec<Test> = current.filter_map(test).collect();
    tests.sort_by_key(|test| (std::cmp::Reverse(test.day), test.witness.position));
    tests.truncate(TESTS_MAX);
    tests
}

/// Finds tests that were done twice within their window, one alert for each pair of days.
pub fn duplicates(tests: &[Test], today: Date) -> Vec<Alert> {
    let windows = windows();
    let events = events(tests);
    let mut told: BTreeMap<(Date, Date), Vec<(&Test, &Test)>> = BTreeMap::new();
    for (number, (one, group)) in events.iter().enumerate() {
        for (other, other_group) in &events[number + 1..] {
            let (first, second) = if one.day <= other.day { (one, other) } else { (other, one) };
            if group == other_group
                || first.keys.is_disjoint(&second.keys)
                || is_other_material(first, second)
            {
                continue;
            }
            let window = first.keys.iter().find_map(|key| windows.get(key)).copied().unwrap_or(WINDOW_DAYS);
            let days = (second.day - first.day).get_days();
            let age = (today - second.day).get_days();
            let monitored = !first.behind.is_disjoint(&second.behind);
            if window > 0 && days <= window && age <= SHOWN_DAYS && !monitored {
                told.entry((first.day, second.day)).or_default().push((first, second));
            }
        }
    }
    told.into_iter().map(|(days, pairs)| alert(days, &pairs)).collect()
}

fn alert((first, second): (Date, Date), pairs: &[(&Test, &Test)]) -> Alert {
    let names: BTreeSet<&str> = pairs.iter().map(|(one, _)| one.name.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join("、");
    let mut witnesses: Vec<Witness> =
        pairs.iter().flat_map(|(one, other)| [one.witness.clone(), other.witness.clone()]).collect();
    let apart = pairs.iter().all(|(one, other)| one.witness.device != other.witness.device);
    let mut statements: Vec<Position> = witnesses.iter().map(|witness| witness.position).collect();
    statements.sort_unstable();
    statements.dedup();
    witnesses.sort_by_key(|witness| (witness.time, witness.position));
    witnesses.dedup();
    let side = |tests: Vec<&Test>| tests.into_iter().map(|test| test.witness.position).collect();
    let sides = vec![
        side(pairs.iter().map(|(one, _)| *one).collect()),
        side(pairs.iter().map(|(_, other)| *other).collect()),
    ];
    Alert {
        kind: AlertKind::DuplicateTest,
        severity: Severity::Caution,
        pair: format!("{names} {first} {second}"),
        why: Words::new(
            format!("同じ検査が{first}と{second}に行われている：{names}"),
            format!("the same test on {first} and on {second}: {names}"),
        ),
        rules: Vec::new(),
        statements,
        sides,
        witnesses,
        apart,
        overrides: Vec::new(),
    }
}

/// Numbers the tests by event: those that share an order or specimen, directly or through others.
fn events(tests: &[Test]) -> Vec<(&Test, usize)> {
    let mut groups: Vec<usize> = (0..tests.len()).collect();
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, test) in tests.iter().enumerate() {
        for mark in &test.event {
            let other = *first.entry(mark).or_insert(index);
            let (from, to) = (groups[index].max(groups[other]), groups[index].min(groups[other]));
            groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }
    tests.iter().zip(groups).collect()
}

fn is_other_material(one: &Test, other: &Test) -> bool {
    let material = |test: &Test| test.keys.iter().find(|key| key.starts_with("material ")).cloned();
    matches!((material(one), material(other)), (Some(one), Some(other)) if one != other)
}

fn test(fact: &Fact) -> Option<Test> {
    let json = fact.json();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    if matches!(status.as_str(), "entered-in-error" | "cancelled" | "revoked" | "draft") {
        return None;
    }
    let code = fhir::at(&json, &["code"]);
    let keys = keys(&fhir::codes(code));
    let is_lab = fhir::items(&json, &["category"])
        .iter()
        .flat_map(fhir::codes)
        .any(|category| matches!(category.code.as_str(), "laboratory" | "LAB" | "108252007"));
    if keys.is_empty() || !(is_lab || keys.iter().any(|key| key.starts_with("jlac10 "))) {
        return None;
    }
    let times: [&[&str]; 4] =
        [&["effectiveDateTime"], &["effectivePeriod", "start"], &["occurrenceDateTime"], &["authoredOn"]];
    let dated = fhir::first_text(&json, &times)?;
    let own = fhir::text(&json, &["id"]).map(|id| format!("{}/{id}", fact.resource_type));
    let references = |key: &str| {
        let each = |value: &Value| fhir::text(value, &["reference"]);
        fhir::items(&json, &[key]).iter().filter_map(each).collect::<Vec<_>>()
    };
    let source = fact.origin.as_ref().map_or("", |origin| origin.source.as_str());
    let within = |reference: String| format!("{source} {reference}");
    let event = own.into_iter().chain(references("basedOn")).chain(references("specimen")).map(within);
    let behind = ["encounter", "requester"].into_iter().flat_map(references);
    Some(Test {
        name: fhir::concept(code)?,
        keys,
        day: fhir::day(&dated).parse().ok()?,
        event: event.collect(),
        behind: behind.map(within).collect(),
        witness: Witness {
            what: fhir::concept(code)?,
            who: fact.author.name.clone(),
            role: fact.author.role.clone(),
            device: fact.device,
            time: fact.time,
            time_ms: fact.time.wall(),
            dated: Some(dated),
            position: fact.position,
        },
    })
}

fn keys(codes: &[Code]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for code in codes {
        if code.system == LOINC {
            keys.insert(format!("loinc {}", code.code));
        }
        if JLAC10.iter().any(|system| code.system.ends_with(system)) {
            keys.extend(code.code.get(..ANALYTE_CHARS).map(|analyte| format!("jlac10 {analyte}")));
            // Characters 10 to 12 of the whole code name the material.
            keys.extend(code.code.get(9..12).map(|material| format!("material {material}")));
        }
    }
    keys
}

/// Returns the windows by key.
fn windows() -> BTreeMap<String, i32> {
    let mut windows = BTreeMap::new();
    for row in WINDOWS.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        if let ([jlac10, loinc, ..], Some(Ok(days))) = (fields.as_slice(), fields.last().map(|d| d.parse())) {
            windows.insert(format!("jlac10 {jlac10}"), days);
            windows.insert(format!("loinc {loinc}"), days);
        }
    }
    windows
}

/// Finds a day in canonical JSON without reading it all: years of results are passed over at every write.
fn raw_day(resource: &str) -> Option<&str> {
    let keys = [r#""effectiveDateTime":""#, r#""occurrenceDateTime":""#, r#""authoredOn":""#, r#""start":""#];
    keys.iter().find_map(|key| {
        let at = resource.find(key)? + key.len();
        resource.get(at..at + 10)
    })
}
