//! Reasons for ordering in spite of a contraindication: a `DetectedIssue` in the entry of the order.
//!
//! It stands beside the order in one entry, so neither arrives without the other. Its identifier names the pair for
//! which the reason was given, its `mitigation` says who ordered all the same and why. A reason holds for that pair and
//! as long as that order is among the statements of the alert: another order of the same drug needs its own.

use serde_json::{Value, json};

use super::alert::{Alert, AlertKind, Override};
use super::evidence::Reason;
use crate::base::{RecordId, WallMs};
use crate::record::build::{RECORD_SYSTEM, fhir_time};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::json;
use crate::record::statement::Author;

/// The identifier system of the pairs of alerts.
pub const PAIR_SYSTEM: &str = "urn:musubi:alert";
const TYPE: &str = "DetectedIssue";

/// Writes the reason for one alert beside an order, as canonical JSON; `order` is the order's reference.
pub fn issue(
    record: &RecordId,
    now: WallMs,
    author: &Author,
    alert: &Alert,
    order: &str,
    reason: &str,
) -> String {
    // Codes of HL7 v3 ActCode that R4 names for DetectedIssue.code.
    let code = match alert.kind {
        AlertKind::DrugAllergy => "ALGY",
        AlertKind::DrugDrug => "DRG",
        AlertKind::DuplicateIngredient
        | AlertKind::DuplicateClass
        | AlertKind::DuplicateTest
        | AlertKind::DoubleDose => "DUPTHPY",
        // Nobody orders in spite of where the patient is.
        AlertKind::TwoPlaces => "OBSA",
    };
    let time = fhir_time(now);
    let resource = json!({
        "resourceType": TYPE,
        "status": "final",
        "severity": "high",
        "identifier": [{"system": PAIR_SYSTEM, "value": alert.pair}],
        "code": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": code}]},
        "patient": {"identifier": {"system": RECORD_SYSTEM, "value": record.to_string()}},
        "identifiedDateTime": time,
        "implicated": [{"reference": order}],
        "detail": alert.why.line(),
        "mitigation": [{
            "action": {"text": reason},
            "date": time,
            "author": {"display": author.name},
        }],
    });
    json::canonical(&resource.to_string()).expect("serde_json writes flat, strict JSON")
}

/// Reads the reasons of a record.
pub fn read(facts: &Facts) -> Vec<Reason> {
    let issues = facts.iter().filter(|fact| fact.resource_type == TYPE && fact.origin.is_none());
    let reasons = issues.filter_map(|fact| {
        let json = fact.json();
        let named = |identifier: &&Value| identifier["system"] == PAIR_SYSTEM;
        let pair = fhir::items(&json, &["identifier"]).iter().find(named)?["value"].as_str()?.to_owned();
        Some(Reason {
            entry: (fact.position.lane, fact.position.seq),
            pair,
            given: Override {
                who: fact.author.name.clone(),
                role: fact.author.role.clone(),
                time_ms: fact.time.wall(),
                reason: fhir::text(&json, &["mitigation", "0", "action", "text"])?,
            },
        })
    });
    reasons.collect()
}
