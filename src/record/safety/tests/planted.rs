//! Labelled cases: harm that shows only when sites are joined, and near misses.
//!
//! The files beside this one (CC0, all people invented) were composed with the demonstration table, apart from this
//! program: `planted.ndjson.gz` holds four files one after the other, `planted-expected.json.gz` what must be found.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::support::{Chart, NOW, position, unzip};
use crate::record::facts::Facts;
use crate::record::safety::{Alert, Checker, check_together};

const DATA: &[u8] = include_bytes!("planted.ndjson.gz");
const EXPECTED: &[u8] = include_bytes!("planted-expected.json.gz");

struct Planted {
    charts: BTreeMap<String, Chart>,
    expected: Vec<Value>,
}

/// Files the resources by patient; a requester's hospital stands for the site.
fn planted() -> Planted {
    let mut charts: BTreeMap<String, Chart> = BTreeMap::new();
    let mut sites: Vec<String> = Vec::new();
    for line in unzip(DATA).lines() {
        let resource: Value = serde_json::from_str(line).unwrap();
        let subject = resource["subject"]["reference"].as_str().or(resource["patient"]["reference"].as_str());
        let Some(patient) = subject.and_then(|reference| reference.strip_prefix("Patient/")) else {
            continue;
        };
        let writer =
            resource["requester"]["reference"].as_str().or(resource["recorder"]["reference"].as_str());
        let writer = writer.or(resource["performer"][0]["reference"].as_str());
        let writer = writer.unwrap_or("nobody").to_owned();
        let site = sites.iter().position(|site| *site == writer).unwrap_or_else(|| {
            sites.push(writer);
            sites.len() - 1
        });
        let chart = charts.entry(patient.to_owned()).or_default();
        *chart = std::mem::take(chart).with(site as u8, resource);
    }
    let expected: Value = serde_json::from_str(&unzip(EXPECTED)).unwrap();
    Planted { charts, expected: expected["cases"].as_array().unwrap().clone() }
}

impl Planted {
    fn alerts(&self, case: &Value) -> (Vec<Alert>, Vec<BTreeSet<String>>) {
        let patients: Vec<&str> =
            case["patient_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let facts: Vec<Facts> = patients
            .iter()
            .enumerate()
            .map(|(number, patient)| self.charts[*patient].facts(number as u8, false))
            .collect();
        let alerts = check_together(&facts.iter().collect::<Vec<_>>(), &Checker::demonstration(), NOW).alerts;
        let named = alerts.iter().map(|alert| {
            let entries = patients.iter().enumerate().flat_map(|(record, patient)| {
                let entries = self.charts[*patient].entries.iter().enumerate();
                entries.map(move |(number, entry)| (position(record as u8, entry.0, number), entry))
            });
            let there = entries.filter(|(place, _)| alert.statements.contains(place));
            let name = |resource: &Value| {
                format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
            };
            there.map(|(_, (.., resource))| name(resource)).collect()
        });
        let named = named.collect();
        (alerts, named)
    }
}

#[test]
fn every_planted_harm_is_found_once_and_no_near_miss_alerts() {
    let planted = planted();
    assert_eq!(planted.expected.len(), 24);
    let mut harms = 0;
    for case in &planted.expected {
        let (alerts, named) = planted.alerts(case);
        let said: Vec<String> = alerts.iter().map(|alert| alert.why.line()).collect();
        let name = case["case"].as_str().unwrap();
        if case["kind"] == "none" {
            assert!(alerts.is_empty(), "{name}: {said:?}");
            continue;
        }
        harms += 1;
        let [alert] = alerts.as_slice() else { panic!("{name}: {said:?}") };
        assert_eq!(alert.kind.name(), case["kind"], "{name}: {said:?}");
        assert_eq!(serde_json::to_value(alert.severity).unwrap(), case["severity"], "{name}: {said:?}");
        for involved in case["involved_resource_ids"].as_array().unwrap() {
            assert!(named[0].contains(involved.as_str().unwrap()), "{name}: {named:?}");
        }
        for rule in case["rule_ids"].as_array().unwrap() {
            assert!(alert.rules.iter().any(|id| rule == id), "{name}: {:?}", alert.rules);
        }
    }
    assert_eq!(harms, 18);
}

#[test]
fn what_needs_a_link_is_not_seen_in_either_registration_alone() {
    let planted = planted();
    let linked = planted.expected.iter().filter(|case| case["link_required"] == true);
    let mut seen = 0;
    for case in linked {
        for patient in case["patient_ids"].as_array().unwrap() {
            let facts = planted.charts[patient.as_str().unwrap()].facts(1, false);
            assert!(
                check_together(&[&facts], &Checker::demonstration(), NOW).alerts.is_empty(),
                "{}",
                case["case"]
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn nobody_else_in_the_files_alerts_and_nothing_stays_unresolved() {
    let planted = planted();
    let in_cases: BTreeSet<&str> = planted
        .expected
        .iter()
        .filter(|case| case["kind"] != "none")
        .flat_map(|case| case["patient_ids"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    for (patient, chart) in &planted.charts {
        let checked = chart.check();
        assert!(in_cases.contains(patient.as_str()) || checked.alerts.is_empty(), "{patient}");
        assert!(checked.coverage.drugs_unresolved.is_empty(), "{:?}", checked.coverage);
        assert!(checked.coverage.allergies_unresolved.is_empty(), "{:?}", checked.coverage);
    }
}
