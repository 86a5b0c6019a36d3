//! FHIR resources of native statements: what a person enters, as canonical JSON.
//!
//! A native resource has no `id`: its identity is the statement's position. It names its patient by the
//! record's id as a logical reference, which stays true whatever a resource is called elsewhere.

use jiff::Timestamp;
use jiff::tz::Offset;
use serde_json::{Map, Value, json};

use super::json;
use super::sections::allergies::Criticality;
use super::signed::SignedDraft;
use crate::base::{RecordId, WallMs};

pub mod care;
pub mod consents;
pub mod nursing;
pub mod observations;

/// The identifier system of record ids in references.
pub const RECORD_SYSTEM: &str = "urn:musubi:record";
/// The national drug code.
pub const YJ_SYSTEM: &str = "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code";

/// Where the profiles of JP Core are named.
const JP_CORE: &str = "http://jpfhir.jp/fhir/core/StructureDefinition";
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";
const TERMINOLOGY: &str = "http://terminology.hl7.org/CodeSystem";

/// A code that somebody chose for what they wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Coding {
    /// The code system's URL.
    pub system: String,
    /// The code.
    pub code: String,
    /// The display.
    pub display: Option<String>,
}

/// An allergy as a person enters it.
#[derive(Clone)]
pub struct AllergyInput {
    /// The substance in words.
    pub substance: String,
    /// Its code, if one was chosen.
    pub coding: Option<Coding>,
    /// How dangerous an exposure may be.
    pub criticality: Option<Criticality>,
    /// What happened on exposure, in words.
    pub reaction: Option<String>,
    /// The resource refutes the allergy instead of asserting it; the statement's act must be `Refute`.
    pub refuted: bool,
}

/// What happens to a medication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MedicationChange {
    /// It is started: act `Assert`.
    Start,
    /// Its dose or use changes: act `Change`.
    Change,
    /// It is held: act `Hold`.
    Hold,
    /// It is stopped: act `Stop`.
    Stop,
}

/// A medication as a person enters it.
#[derive(Clone)]
pub struct MedicationInput {
    /// The drug in words.
    pub drug: String,
    /// Its YJ code, if known.
    pub yj: Option<String>,
    /// Dose and use in words.
    pub dose: Option<String>,
    /// What happens to it.
    pub change: MedicationChange,
}

/// A patient as a person registers them; anything may be unknown.
#[derive(Clone, Default)]
pub struct PatientInput {
    /// Family and given name in kanji (or as written).
    pub kanji: Option<(String, String)>,
    /// Family and given name in kana.
    pub kana: Option<(String, String)>,
    /// The birth date, as a FHIR date.
    pub birth_date: Option<String>,
    /// `male`, `female`, `other` or `unknown`.
    pub sex: Option<String>,
    /// Address in words.
    pub address: Option<String>,
    /// Phone number.
    pub phone: Option<String>,
    /// Identifiers: (system, value).
    pub identifiers: Vec<(String, String)>,
}

/// Builds a Patient.
pub fn patient(record: &RecordId, input: &PatientInput) -> String {
    let name = |(family, given): &(String, String), script: &str| {
        let full = [family.as_str(), given.as_str()].into_iter().filter(|part| !part.is_empty());
        let mut name = Map::new();
        name.insert("text".to_owned(), json!(full.collect::<Vec<_>>().join(" ")));
        name.insert("extension".to_owned(), json!([{"url": REPRESENTATION, "valueCode": script}]));
        put(&mut name, "family", (!family.is_empty()).then(|| json!(family)));
        put(&mut name, "given", (!given.is_empty()).then(|| json!([given])));
        Value::Object(name)
    };
    let names: Vec<Value> = input
        .kanji
        .iter()
        .map(|kanji| name(kanji, "IDE"))
        .chain(input.kana.iter().map(|kana| name(kana, "SYL")))
        .collect();
    let mut identifiers = vec![json!({"system": RECORD_SYSTEM, "value": record.to_string()})];
    identifiers
        .extend(input.identifiers.iter().map(|(system, value)| json!({"system": system, "value": value})));
    let mut resource = resource("Patient");
    put(&mut resource, "identifier", Some(Value::Array(identifiers)));
    put(&mut resource, "name", (!names.is_empty()).then_some(Value::Array(names)));
    put(&mut resource, "birthDate", input.birth_date.as_ref().map(|date| json!(date)));
    put(&mut resource, "gender", input.sex.as_ref().map(|sex| json!(sex)));
    put(&mut resource, "address", input.address.as_ref().map(|text| json!([{"text": text}])));
    let telecom = |phone: &String| json!([{"system": "phone", "value": phone}]);
    put(&mut resource, "telecom", input.phone.as_ref().map(telecom));
    finish(resource)
}

/// Builds a signed note: a DocumentReference with plain text. An addendum is the same with act `Addendum`.
pub fn note(record: &RecordId, time: WallMs, author: &str, title: &str, text: &str) -> String {
    finish(note_of(record, time, author, json!({"text": title}), title, text))
}

/// Builds a signed note that was a draft in the chart; see [`note`].
pub fn signed_note(
    record: &RecordId,
    time: WallMs,
    author: &str,
    title: &str,
    text: &str,
    draft: &SignedDraft,
) -> String {
    let mut resource = note_of(record, time, author, json!({"text": title}), title, text);
    draft.write(&mut resource);
    finish(resource)
}

fn note_of(
    record: &RecordId,
    time: WallMs,
    author: &str,
    kind: Value,
    title: &str,
    text: &str,
) -> Map<String, Value> {
    let data = data_encoding::BASE64.encode(text.as_bytes());
    let mut resource = resource("DocumentReference");
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "status", Some(json!("current")));
    put(&mut resource, "docStatus", Some(json!("final")));
    put(&mut resource, "date", Some(json!(fhir_time(time))));
    put(&mut resource, "author", Some(json!([{"display": author}])));
    put(&mut resource, "type", Some(kind));
    let attachment = json!({"contentType": "text/plain; charset=utf-8", "data": data, "title": title});
    put(&mut resource, "content", Some(json!([{"attachment": attachment}])));
    resource
}

/// Builds an AllergyIntolerance.
pub fn allergy(record: &RecordId, time: WallMs, input: &AllergyInput) -> String {
    let verification = if input.refuted { "refuted" } else { "confirmed" };
    let status = |system: &str, code: &str| json!({"coding": [{"system": format!("{TERMINOLOGY}/{system}"), "code": code}]});
    let criticality = input.criticality.map(|criticality| match criticality {
        Criticality::Low => "low",
        Criticality::UnableToAssess => "unable-to-assess",
        Criticality::High => "high",
    });
    let mut resource = resource("AllergyIntolerance");
    put(&mut resource, "patient", Some(reference(record)));
    put(&mut resource, "recordedDate", Some(json!(fhir_time(time))));
    put(&mut resource, "code", Some(concept(&input.substance, input.coding.as_ref())));
    put(&mut resource, "verificationStatus", Some(status("allergyintolerance-verification", verification)));
    // R4, constraint ait-1 and ait-2: a refuted allergy may have a clinical status, an erroneous one may not.
    let clinical = status("allergyintolerance-clinical", if input.refuted { "inactive" } else { "active" });
    put(&mut resource, "clinicalStatus", Some(clinical));
    put(&mut resource, "criticality", criticality.map(|criticality| json!(criticality)));
    let reaction = |text: &String| json!([{"manifestation": [{"text": text}]}]);
    put(&mut resource, "reaction", input.reaction.as_ref().map(reaction));
    finish(resource)
}

/// Builds a MedicationRequest.
pub fn medication(record: &RecordId, time: WallMs, requester: &str, input: &MedicationInput) -> String {
    let status = match input.change {
        MedicationChange::Start | MedicationChange::Change => "active",
        MedicationChange::Hold => "on-hold",
        MedicationChange::Stop => "stopped",
    };
    let yj = input.yj.as_ref();
    let coding = yj.map(|code| Coding { system: YJ_SYSTEM.to_owned(), code: code.clone(), display: None });
    let mut resource = resource("MedicationRequest");
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "status", Some(json!(status)));
    put(&mut resource, "intent", Some(json!("order")));
    put(&mut resource, "authoredOn", Some(json!(fhir_time(time))));
    put(&mut resource, "requester", Some(json!({"display": requester})));
    put(&mut resource, "medicationCodeableConcept", Some(concept(&input.drug, coding.as_ref())));
    put(&mut resource, "dosageInstruction", input.dose.as_ref().map(|dose| json!([{"text": dose}])));
    finish(resource)
}

/// Builds a Condition.
pub fn problem(record: &RecordId, time: WallMs, name: &str, coding: Option<&Coding>) -> String {
    let mut resource = resource("Condition");
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "recordedDate", Some(json!(fhir_time(time))));
    put(&mut resource, "code", Some(concept(name, coding)));
    let clinical =
        json!({"coding": [{"system": format!("{TERMINOLOGY}/condition-clinical"), "code": "active"}]});
    put(&mut resource, "clinicalStatus", Some(clinical));
    finish(resource)
}

/// Writes a time as a FHIR instant in Japanese time, to the second; times beyond the calendar are clipped.
pub fn fhir_time(time: WallMs) -> String {
    let ms = i64::try_from(time.0).unwrap_or(i64::MAX);
    let stamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    let japan = Offset::constant(9);
    japan.to_datetime(stamp).strftime("%Y-%m-%dT%H:%M:%S+09:00").to_string()
}

fn resource(resource_type: &str) -> Map<String, Value> {
    Map::from_iter([("resourceType".to_owned(), json!(resource_type))])
}

/// Begins a resource that claims a profile of JP Core.
fn profiled(resource_type: &str, profile: &str) -> Map<String, Value> {
    let mut resource = resource(resource_type);
    resource.insert("meta".to_owned(), json!({"profile": [format!("{JP_CORE}/{profile}")]}));
    resource
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value);
    }
}

fn reference(record: &RecordId) -> Value {
    json!({"identifier": {"system": RECORD_SYSTEM, "value": record.to_string()}})
}

fn concept(text: &str, coding: Option<&Coding>) -> Value {
    let mut concept = Map::from_iter([("text".to_owned(), json!(text))]);
    let coded = coding.map(|coding| {
        let mut object = Map::new();
        put(&mut object, "system", Some(json!(coding.system)));
        put(&mut object, "code", Some(json!(coding.code)));
        put(&mut object, "display", coding.display.as_ref().map(|display| json!(display)));
        json!([object])
    });
    put(&mut concept, "coding", coded);
    Value::Object(concept)
}

fn finish(resource: Map<String, Value>) -> String {
    json::canonical(&Value::Object(resource).to_string()).expect("serde_json writes flat, strict JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::is_canonical;
    use crate::record::sections::notes;

    const RECORD: RecordId = RecordId([0xAB; 16]);

    #[test]
    fn a_note_keeps_its_text() {
        let text = "呼吸苦。\nSpO2 88%  𠮷田";
        let resource = note(&RECORD, WallMs(1_795_000_000_000), "山田", "経過記録", text);
        assert!(is_canonical(&resource));
        let json: Value = serde_json::from_str(&resource).unwrap();
        assert_eq!(notes::text_of(&json), text);
    }

    #[test]
    fn times_are_japanese() {
        assert_eq!(fhir_time(WallMs(0)), "1970-01-01T09:00:00+09:00");
        assert_eq!(fhir_time(WallMs(1_795_000_000_000)), "2026-11-18T20:06:40+09:00");
        assert!(fhir_time(WallMs(u64::MAX)).starts_with("9999"));
    }

    #[test]
    fn an_unknown_person_is_a_patient_too() {
        let nobody = patient(&RECORD, &PatientInput::default());
        assert!(is_canonical(&nobody));
        assert!(nobody.contains(&RECORD.to_string()));
        assert!(!nobody.contains("name"));
    }
}
