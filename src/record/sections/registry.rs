//! Which resources feed which section, and in which part they travel: one table.
//!
//! Rule: the first row that matches decides; a type without a row is kept in [`Section::Other`] and travels in
//! `data`. Most types need no look inside. An Observation is told by its code, a Flag or Consent by whether it is
//! about resuscitation, an Encounter by whether the patient stays somewhere.
//!
//! Why: a tablet with a bad link gets the card first; triage colour, whereabouts, blood type, resuscitation status
//! and consent are small, and useless when they come late. Visits to an outpatient department and laboratory values
//! are many, and are not moved into the card.
//!
//! Law (`every_row_can_be_reached`, `types_that_were_written_before_keep_their_part`): a resource has exactly one
//! place, and it depends on nothing but its own bytes.
//!
//! What a statement is about decides its section, so a correction keeps the code of what it corrects: one that does
//! not is shown beside it, and hides nothing.

use serde_json::Value;

use super::Section;
use crate::base::Part;
use crate::record::fhir;

/// The code system of what forms name and no other code system has: triage, consent, care level.
pub const MUSUBI_SYSTEM: &str = "urn:musubi:code";
/// The code of a triage assessment in [`MUSUBI_SYSTEM`].
pub const TRIAGE_CODE: &str = "triage";
/// HL7's categories of consent, among which `dnr` is "do not resuscitate".
pub const CONSENT_CATEGORY_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentcategorycodes";
/// LOINC.
pub const LOINC: &str = "http://loinc.org";
/// SNOMED CT.
pub const SNOMED: &str = "http://snomed.info/sct";
/// SNOMED CT: for resuscitation.
pub const FOR_RESUSCITATION: &str = "304252001";
/// SNOMED CT: not for resuscitation.
pub const NOT_FOR_RESUSCITATION: &str = "304253006";

/// Where the statements of a resource belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The section that shows it.
    pub section: Section,
    /// The part in which it travels.
    pub part: Part,
}

/// A code, by its system (empty: any) and itself (`*` at the end: whatever begins so).
type Told = (&'static str, &'static str);

/// What a row asks of a resource.
enum When {
    /// Nothing.
    Always,
    /// One of these codes as its code, its coded value, its category or the code of its provision.
    Coded(&'static [Told]),
    /// One of these codes, of whatever system, as a category.
    Category(&'static [&'static str]),
    /// One of these codes as its class.
    Class(&'static [&'static str]),
}

struct Row(&'static str, When, Section, Part);

const TRIAGE: &[Told] = &[(MUSUBI_SYSTEM, TRIAGE_CODE)];
const CARE_LEVEL: &[Told] = &[(MUSUBI_SYSTEM, super::care_level::CARE_LEVEL_CODE)];
/// LOINC: ABO and Rh, ABO, Rh; JLAC10 analytes: ABO (5H010), RhD (5H020).
const BLOOD_TYPE: &[Told] =
    &[(LOINC, "882-1"), (LOINC, "883-9"), (LOINC, "10331-7"), ("", "5H010*"), ("", "5H020*")];
/// HL7 `dnr` and the two SNOMED CT findings, as the German consensus profiles (GECCO) write them in a Consent.
const RESUSCITATION: &[Told] =
    &[(CONSENT_CATEGORY_SYSTEM, "dnr"), (SNOMED, FOR_RESUSCITATION), (SNOMED, NOT_FOR_RESUSCITATION)];
/// Pulse, breathing, temperature, oxygen saturation (two), blood pressure (panel and its parts), coma scale.
const VITAL_SIGNS: &[Told] = &[
    (LOINC, "8867-4"),
    (LOINC, "9279-1"),
    (LOINC, "8310-5"),
    (LOINC, "59408-5"),
    (LOINC, "2708-6"),
    (LOINC, "85354-9"),
    (LOINC, "8480-6"),
    (LOINC, "8462-4"),
    (LOINC, "9269-2"),
];
/// HL7 v3 ActCode: inpatient (also acute and not), emergency, short stay, observation, field, home.
const STAYS: &[&str] = &["IMP", "ACUTE", "NONAC", "EMER", "SS", "OBSENC", "FLD", "HH"];

use self::When::{Always, Category, Class, Coded};
use Part::{Card, Data, Notes};

static ROWS: &[Row] = &[
    Row("Patient", Always, Section::Demographics, Card),
    Row("Coverage", Always, Section::Demographics, Card),
    Row("AllergyIntolerance", Always, Section::Allergies, Card),
    Row("Condition", Always, Section::Problems, Card),
    Row("MedicationRequest", Always, Section::Medication, Card),
    Row("MedicationStatement", Always, Section::Medication, Card),
    Row("MedicationDispense", Always, Section::Medication, Card),
    Row("DocumentReference", Always, Section::Notes, Notes),
    Row("Composition", Always, Section::Notes, Notes),
    Row("ClinicalImpression", Always, Section::Notes, Notes),
    Row("Observation", Coded(TRIAGE), Section::Triage, Card),
    Row("Observation", Coded(BLOOD_TYPE), Section::BloodType, Card),
    Row("Observation", Coded(RESUSCITATION), Section::Resuscitation, Card),
    Row("Observation", Coded(CARE_LEVEL), Section::CareLevel, Card),
    Row("Observation", Category(&["vital-signs"]), Section::VitalSigns, Data),
    Row("Observation", Coded(VITAL_SIGNS), Section::VitalSigns, Data),
    Row("Observation", Always, Section::Results, Data),
    Row("Flag", Coded(RESUSCITATION), Section::Resuscitation, Card),
    Row("Flag", Always, Section::Other, Card),
    Row("Consent", Coded(RESUSCITATION), Section::Resuscitation, Card),
    Row("Consent", Always, Section::Consent, Card),
    Row("Encounter", Class(STAYS), Section::Whereabouts, Card),
    Row("Encounter", Always, Section::Other, Notes),
    Row("MedicationAdministration", Always, Section::Administration, Data),
    Row("Immunization", Always, Section::Immunisation, Data),
    Row("RelatedPerson", Always, Section::Other, Card),
    Row("Person", Always, Section::Other, Card),
    Row("Linkage", Always, Section::Other, Card),
    Row("DetectedIssue", Always, Section::Other, Card),
    Row("Medication", Always, Section::Other, Card),
    Row("MedicationKnowledge", Always, Section::Other, Card),
    Row("Substance", Always, Section::Other, Card),
    Row("EpisodeOfCare", Always, Section::Other, Notes),
    Row("CarePlan", Always, Section::Other, Notes),
    Row("CareTeam", Always, Section::Other, Notes),
    Row("Goal", Always, Section::Other, Notes),
    Row("Communication", Always, Section::Other, Notes),
    Row("Bundle", Always, Section::Other, Notes),
];

/// Finds the place of a resource by its type and, where the type alone does not tell, by its JSON text.
pub fn place_of(resource_type: &str, resource: &str) -> Place {
    let told_by_type = ROWS.iter().find(|row| row.0 == resource_type).is_none_or(|row| row.1.is_always());
    let json = if told_by_type { Value::Null } else { serde_json::from_str(resource).unwrap_or_default() };
    let found = ROWS.iter().find(|row| row.0 == resource_type && row.1.holds(&json));
    found.map_or(Place { section: Section::Other, part: Data }, |row| Place { section: row.2, part: row.3 })
}

/// Finds the section of a resource type whose content says nothing special.
pub fn section_of(resource_type: &str) -> Section {
    place_of(resource_type, "").section
}

/// Finds the part of a resource type whose content says nothing special.
pub fn part_of(resource_type: &str) -> Part {
    place_of(resource_type, "").part
}

/// Says whether a code is one of a list.
fn is_told(code: &fhir::Code, told: &[Told]) -> bool {
    told.iter().any(|(system, wanted)| {
        let same = match wanted.strip_suffix('*') {
            Some(beginning) => code.code.starts_with(beginning),
            None => code.code == *wanted,
        };
        same && (system.is_empty() || code.system == *system)
    })
}

impl When {
    fn is_always(&self) -> bool {
        matches!(self, Always)
    }

    fn holds(&self, json: &Value) -> bool {
        match self {
            Always => true,
            Coded(told) => {
                let lone = [&["code"][..], &["valueCodeableConcept"]].map(|path| fhir::at(json, path));
                let lists = fhir::items(json, &["category"]).iter();
                let lists = lists.chain(fhir::items(json, &["provision", "code"]));
                lone.into_iter().chain(lists).any(|c| fhir::codes(c).iter().any(|code| is_told(code, told)))
            }
            Category(wanted) => fhir::items(json, &["category"])
                .iter()
                .any(|category| fhir::codes(category).iter().any(|c| wanted.contains(&c.code.as_str()))),
            Class(wanted) => {
                fhir::text(json, &["class", "code"]).is_some_and(|c| wanted.contains(&c.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(resource: Value) -> (Section, Part) {
        let place = place_of(resource["resourceType"].as_str().unwrap(), &resource.to_string());
        (place.section, place.part)
    }

    fn coded(resource_type: &str, system: &str, code: &str) -> Value {
        json!({"resourceType": resource_type, "code": {"coding": [{"system": system, "code": code}]}})
    }

    #[test]
    fn what_an_emergency_needs_travels_in_the_card() {
        for kind in ["Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "Coverage", "Consent"]
        {
            assert_eq!(part_of(kind), Card, "{kind}");
        }
        let stay = json!({"resourceType": "Encounter", "class": {"code": "EMER"}});
        let dnr = json!({"resourceType": "Consent", "category": [{"coding": [
            {"system": CONSENT_CATEGORY_SYSTEM, "code": "dnr"}]}]});
        let value = json!({"resourceType": "Observation", "valueCodeableConcept": {"coding": [
            {"system": SNOMED, "code": NOT_FOR_RESUSCITATION}]}});
        for (resource, section) in [
            (coded("Observation", MUSUBI_SYSTEM, TRIAGE_CODE), Section::Triage),
            (coded("Observation", LOINC, "882-1"), Section::BloodType),
            (coded("Observation", "urn:jlac", "5H010000001910111"), Section::BloodType),
            (coded("Flag", SNOMED, NOT_FOR_RESUSCITATION), Section::Resuscitation),
            (value, Section::Resuscitation),
            (dnr, Section::Resuscitation),
            (stay, Section::Whereabouts),
        ] {
            assert_eq!(place(resource.clone()), (section, Card), "{resource}");
        }
    }

    #[test]
    fn types_that_were_written_before_keep_their_part() {
        for kind in
            ["Practitioner", "MedicationAdministration", "Observation", "Immunization", "NotYetInvented"]
        {
            assert_eq!(part_of(kind), Data, "{kind}");
        }
        for kind in ["Encounter", "DocumentReference", "Bundle"] {
            assert_eq!(part_of(kind), Notes, "{kind}");
        }
        let visit = json!({"resourceType": "Encounter", "class": {"code": "AMB"}});
        assert_eq!(place(visit), (Section::Other, Notes));
        assert_eq!(place(coded("Observation", LOINC, "2160-0")), (Section::Results, Data));
        assert_eq!(place(coded("Observation", LOINC, "8867-4")), (Section::VitalSigns, Data));
        assert_eq!(place(coded("Observation", "urn:other", "882-1")), (Section::Results, Data));
        let vital =
            json!({"resourceType": "Observation", "category": [{"coding": [{"code": "vital-signs"}]}]});
        assert_eq!(place(vital), (Section::VitalSigns, Data));
    }

    #[test]
    fn every_row_can_be_reached() {
        for (number, row) in ROWS.iter().enumerate() {
            let before = ROWS[..number].iter().filter(|other| other.0 == row.0);
            assert!(before.into_iter().all(|other| !other.1.is_always()), "{}", row.0);
            assert!(ROWS.iter().any(|other| other.0 == row.0 && other.1.is_always()), "{}", row.0);
        }
        let shown = |section: &Section| ROWS.iter().any(|row| row.2 == *section);
        assert!(Section::ALL.iter().all(shown));
    }

    #[test]
    fn what_is_no_json_or_of_another_shape_has_a_place() {
        for text in ["", "[", "{\"code\":[1]}", "{\"category\":{\"coding\":3},\"class\":\"IMP\"}"] {
            assert_eq!(place_of("Observation", text).section, Section::Results);
            assert_eq!(place_of("Encounter", text).part, Notes);
        }
    }
}
