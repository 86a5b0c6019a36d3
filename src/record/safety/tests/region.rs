//! A whole region of invented people: how often the checks interrupt, and how much they can read.

use std::collections::BTreeMap;

use serde_json::Value;

use super::support::{Chart, unzip};
use crate::record::safety::Checked;

const FILES: [&[u8]; 4] = [
    include_bytes!("../../../../scenarios/data/jp-region-small/AllergyIntolerance.ndjson.gz"),
    include_bytes!("../../../../scenarios/data/jp-region-small/MedicationRequest.ndjson.gz"),
    include_bytes!("../../../../scenarios/data/jp-region-small/Observation.ndjson.gz"),
    include_bytes!("../../../../scenarios/data/jp-region-small/ServiceRequest.ndjson.gz"),
];
const PATIENTS: usize = 25;

fn region() -> BTreeMap<String, Checked> {
    let mut charts: BTreeMap<String, Chart> = BTreeMap::new();
    for file in FILES {
        for line in unzip(file).lines() {
            let resource: Value = serde_json::from_str(line).unwrap();
            let patient =
                resource["subject"]["reference"].as_str().or(resource["patient"]["reference"].as_str());
            let chart = charts.entry(patient.unwrap().to_owned()).or_default();
            *chart = std::mem::take(chart).with(1, resource);
        }
    }
    charts.into_iter().map(|(patient, chart)| (patient, chart.check())).collect()
}

#[test]
fn a_region_is_interrupted_at_most_three_times_in_a_hundred_patients_and_each_time_explained() {
    let region = region();
    let alerts = || region.values().flat_map(|checked| &checked.alerts);
    let interrupting: Vec<_> = alerts().filter(|alert| alert.interrupts()).collect();
    let said: Vec<String> = alerts().map(|alert| alert.why.line()).collect();
    assert!(interrupting.len() * 100 <= 3 * PATIENTS, "{said:#?}");
    for alert in interrupting {
        assert!(alert.why.ja.contains('：') && alert.why.en.contains(": "), "{}", alert.why.line());
    }
    let (mut known, mut unknown) = (0, Vec::new());
    for checked in region.values() {
        known += checked.coverage.drugs_resolved + checked.coverage.allergies_resolved;
        unknown
            .extend(checked.coverage.drugs_unresolved.iter().chain(&checked.coverage.allergies_unresolved));
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(known >= 40, "{known}");
    println!("{} alerts, {known} resolved: {said:#?}", said.len());
}
