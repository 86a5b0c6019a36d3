//! Facts for the tests of the checks: resources of a few sites.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::base::{Area, DeviceId, Hlc, LaneId, RecordId, WallMs, hash_tagged};
use crate::record::facts::{Facts, Standing};
use crate::record::json::canonical;
use crate::record::safety::{Alert, AlertKind, Checked, Checker, Severity, check_together};
use crate::record::statement::{Act, Author, FactsBody, Informant, Position, Salt, Statement};

/// 2026-11-20 09:00 in Japan.
pub(super) const NOW: WallMs = WallMs(1_795_132_800_000);
pub(super) const YJ: &str = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";

/// Resources, each written at a site; the number of a resource is its place.
#[derive(Clone, Default)]
pub(super) struct Chart {
    pub(super) entries: Vec<(u8, Act, Value)>,
}

impl Chart {
    pub(super) fn with(mut self, site: u8, resource: Value) -> Self {
        self.entries.push((site, Act::Assert, resource));
        self
    }

    /// The facts, inserted from the last to the first if `backwards`.
    pub(super) fn facts(&self, record: u8, backwards: bool) -> Facts {
        let mut facts = Facts::new(RecordId([record; 16]));
        let mut numbers: Vec<usize> = (0..self.entries.len()).collect();
        if backwards {
            numbers.reverse();
        }
        for number in numbers {
            let (site, act, resource) = &self.entries[number];
            let body = FactsBody {
                version: FactsBody::VERSION,
                salt: Salt([number as u8; 8]),
                record: RecordId([record; 16]),
                time: Hlc::at(WallMs(NOW.0 - 86_400_000 + number as u64 * 60_000)),
                author: Author { name: format!("writer {site}"), role: "doctor".to_owned() },
                source: Some(format!("urn:test:site-{site}")),
                statements: vec![Statement {
                    act: *act,
                    informant: Informant::Imported,
                    follows: Vec::new(),
                    reason: None,
                    resource: canonical(&resource.to_string()).unwrap(),
                }],
            };
            let leaf = hash_tagged("test.leaf", &[&[*site, record], &body.to_bytes()]);
            let area = Area::new("shared/test").unwrap();
            let position = position(record, *site, number);
            facts
                .insert_body(
                    position.lane,
                    DeviceId([*site; 32]),
                    &area,
                    Standing::Verified,
                    position.seq,
                    &leaf,
                    &body,
                )
                .unwrap();
        }
        facts
    }

    pub(super) fn check(&self) -> Checked {
        check_together(&[&self.facts(1, false)], &Checker::demonstration(), NOW)
    }

    /// The alerts as `kind severity`, and the first rule of each.
    pub(super) fn told(&self) -> Vec<String> {
        told(&self.check().alerts)
    }
}

pub(super) fn told(alerts: &[Alert]) -> Vec<String> {
    let severity = |alert: &Alert| match alert.severity {
        Severity::Contraindicated => "contraindicated",
        Severity::Caution => "caution",
    };
    alerts.iter().map(|alert| format!("{} {}", alert.kind.name(), severity(alert))).collect()
}

pub(super) fn only(alerts: &[Alert], kind: AlertKind) -> Vec<&Alert> {
    alerts.iter().filter(|alert| alert.kind == kind).collect()
}

pub(super) fn position(record: u8, site: u8, number: usize) -> Position {
    Position { lane: LaneId([site; 32]), seq: u64::from(record) * 10_000 + number as u64 + 1, index: 0 }
}

/// An order by YJ code (12 or 7 characters), or by text when it holds no code.
pub(super) fn order(drug: &str) -> Value {
    order_as(drug, "active")
}

pub(super) fn order_as(drug: &str, status: &str) -> Value {
    json!({
        "resourceType": "MedicationRequest", "status": status, "intent": "order",
        "medicationCodeableConcept": concept(drug),
        "authoredOn": "2026-11-18T10:30:00+09:00",
    })
}

pub(super) fn order_until(drug: &str, status: &str, last: &str) -> Value {
    let mut order = order_as(drug, status);
    order["dispenseRequest"] = json!({"validityPeriod": {"start": "2026-09-01", "end": last}});
    order
}

pub(super) fn allergy(substance: &str) -> Value {
    allergy_as(substance, "active", "confirmed")
}

pub(super) fn allergy_as(substance: &str, clinical: &str, verification: &str) -> Value {
    json!({
        "resourceType": "AllergyIntolerance", "code": concept(substance),
        "clinicalStatus": {"coding": [{"code": clinical}]},
        "verificationStatus": {"coding": [{"code": verification}]},
    })
}

fn concept(what: &str) -> Value {
    let is_code =
        matches!(what.len(), 7 | 12) && what.is_ascii() && what[..7].bytes().all(|b| b.is_ascii_digit());
    match is_code {
        true => json!({"coding": [{"system": YJ, "code": what}], "text": format!("薬{what}")}),
        false => json!({"text": what, "coding": [{
            "system": "http://jpfhir.jp/fhir/core/CodeSystem/YCM/JP_JfagyMedicationAllergen_CS",
            "code": "00M", "display": "医薬品",
        }]}),
    }
}

pub(super) fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}
