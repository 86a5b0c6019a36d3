//! What happens to a patient, as a person enters it: movements, doses, immunisations.

use serde_json::json;

use super::{Coding, TERMINOLOGY, YJ_SYSTEM, concept, fhir_time, finish, profiled, put, reference};
use crate::base::{RecordId, WallMs};

/// In what kind of place a patient stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StayKind {
    /// A ward.
    Inpatient,
    /// An emergency department.
    Emergency,
    /// Outside any hospital: a shelter, an aid post, an ambulance.
    Field,
    /// At home, cared for.
    Home,
}

impl StayKind {
    /// Returns the code of HL7 v3 ActCode.
    pub fn code(self) -> &'static str {
        match self {
            StayKind::Inpatient => "IMP",
            StayKind::Emergency => "EMER",
            StayKind::Field => "FLD",
            StayKind::Home => "HH",
        }
    }
}

/// Builds a movement: an Encounter (JP_Encounter) at a place; `left` says that the patient has gone from there, and
/// the statement's act must be `Stop`.
pub fn movement(
    record: &RecordId,
    time: WallMs,
    author: &str,
    place: &str,
    kind: StayKind,
    left: bool,
) -> String {
    let mut resource = profiled("Encounter", "JP_Encounter");
    let status = if left { "finished" } else { "in-progress" };
    let end = if left { "end" } else { "start" };
    let class = json!({"system": format!("{TERMINOLOGY}/v3-ActCode"), "code": kind.code()});
    put(&mut resource, "status", Some(json!(status)));
    put(&mut resource, "class", Some(class));
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "participant", Some(json!([{"individual": {"display": author}}])));
    put(&mut resource, "period", Some(json!({end: fhir_time(time)})));
    let location_status = if left { "completed" } else { "active" };
    let location = json!([{"location": {"display": place}, "status": location_status}]);
    put(&mut resource, "location", Some(location));
    finish(resource)
}

/// Builds a dose that was given: a MedicationAdministration (JP_MedicationAdministration where the drug has a code;
/// the profile demands one).
pub fn administration(
    record: &RecordId,
    given: &str,
    author: &str,
    drug: &str,
    yj: Option<&str>,
    dose: Option<&str>,
) -> String {
    let coding = yj.map(|code| Coding { system: YJ_SYSTEM.to_owned(), code: code.to_owned(), display: None });
    let mut resource = match coding {
        Some(_) => profiled("MedicationAdministration", "JP_MedicationAdministration"),
        None => super::resource("MedicationAdministration"),
    };
    put(&mut resource, "status", Some(json!("completed")));
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "medicationCodeableConcept", Some(concept(drug, coding.as_ref())));
    put(&mut resource, "effectiveDateTime", Some(json!(given)));
    put(&mut resource, "performer", Some(json!([{"actor": {"display": author}}])));
    // R4, constraint mad-1, asks of a dosage a dose or a rate: words alone stand in a note.
    put(&mut resource, "note", dose.map(|dose| json!([{"text": dose}])));
    finish(resource)
}

/// Builds an immunisation: an Immunization (JP_Immunization).
pub fn immunisation(
    record: &RecordId,
    given: &str,
    author: &str,
    vaccine: &str,
    coding: Option<&Coding>,
    lot: Option<&str>,
) -> String {
    let mut resource = profiled("Immunization", "JP_Immunization");
    put(&mut resource, "status", Some(json!("completed")));
    put(&mut resource, "patient", Some(reference(record)));
    put(&mut resource, "vaccineCode", Some(concept(vaccine, coding)));
    put(&mut resource, "occurrenceDateTime", Some(json!(given)));
    put(&mut resource, "lotNumber", lot.map(|lot| json!(lot)));
    put(&mut resource, "performer", Some(json!([{"actor": {"display": author}}])));
    finish(resource)
}

/// Writes when something was done that is being written at `now`.
pub fn given_at(now: WallMs, told: Option<&str>) -> String {
    told.map_or_else(|| fhir_time(now), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::is_canonical;
    use crate::record::sections::{Section, place_of};

    #[test]
    fn what_is_built_is_canonical_and_comes_back_to_its_section() {
        let (record, now) = (RecordId([0xAB; 16]), WallMs(1_795_000_000_000));
        let time = given_at(now, None);
        let dose = administration(&record, &time, "佐藤", "アドレナリン", None, Some("0.3mg 筋注"));
        for (kind, built, section) in [
            (
                "Encounter",
                movement(&record, now, "佐藤", "第二小学校", StayKind::Field, false),
                Section::Whereabouts,
            ),
            (
                "Encounter",
                movement(&record, now, "佐藤", "三浦市立", StayKind::Inpatient, true),
                Section::Whereabouts,
            ),
            ("MedicationAdministration", dose, Section::Administration),
            (
                "Immunization",
                immunisation(&record, &time, "佐藤", "破傷風トキソイド", None, Some("T1")),
                Section::Immunisation,
            ),
        ] {
            assert!(is_canonical(&built), "{built}");
            assert_eq!(place_of(kind, &built).section, section, "{built}");
        }
    }
}
