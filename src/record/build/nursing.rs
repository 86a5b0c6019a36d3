//! What care homes and home-nursing stations write: care level, activities of daily living, nursing notes.
//!
//! Codes: LOINC 96761-2 "Total score Barthel Index" (0 to 100) and 34746-8 "Nurse Note". The care level has no code
//! system that could be confirmed \[?\]: it is coded in [`MUSUBI_SYSTEM`], and the words of the certificate are kept.

use serde_json::json;

use super::observations::observation;
use super::{WallMs, finish, note_of, put};
use crate::base::RecordId;
use crate::record::sections::care_level::{CARE_LEVEL_CODE, CareLevel};
use crate::record::sections::registry::{LOINC, MUSUBI_SYSTEM};

/// LOINC: total score of the Barthel index.
pub const BARTHEL: &str = "96761-2";
/// LOINC: nurse note.
pub const NURSE_NOTE: &str = "34746-8";
/// The highest Barthel index; it goes in steps of five.
pub const BARTHEL_MAX: u8 = 100;

/// Builds a care level: an Observation (JP_Observation_Common) as of the day that the certificate names.
pub fn care_level(
    record: &RecordId,
    time: WallMs,
    author: &str,
    level: CareLevel,
    since: Option<&str>,
) -> String {
    let mut resource = observation("JP_Observation_Common", record, time, author, "social-history");
    let code = json!({"coding": [{"system": MUSUBI_SYSTEM, "code": CARE_LEVEL_CODE}], "text": "要介護度"});
    put(&mut resource, "code", Some(code));
    let coding = json!([{"system": MUSUBI_SYSTEM, "code": level.code(), "display": level.words()}]);
    put(&mut resource, "valueCodeableConcept", Some(json!({"coding": coding, "text": level.words()})));
    if let Some(since) = since {
        put(&mut resource, "effectiveDateTime", Some(json!(since)));
    }
    put(&mut resource, "issued", Some(json!(super::fhir_time(time))));
    finish(resource)
}

/// Builds a Barthel index: an Observation (JP_Observation_Common); `None` if it is not 0 to 100 in steps of five.
pub fn barthel(record: &RecordId, time: WallMs, author: &str, score: u8) -> Option<String> {
    if score > BARTHEL_MAX || !score.is_multiple_of(5) {
        return None;
    }
    let mut resource = observation("JP_Observation_Common", record, time, author, "survey");
    let code = json!({"coding": [{"system": LOINC, "code": BARTHEL}], "text": "ADL (Barthel Index)"});
    put(&mut resource, "code", Some(code));
    let value = json!({"value": score, "unit": "点", "system": super::observations::UCUM, "code": "{score}"});
    put(&mut resource, "valueQuantity", Some(value));
    Some(finish(resource))
}

/// Builds a signed nursing note of a visit at home: a DocumentReference as [`super::note`], with its LOINC type.
pub fn nursing_note(record: &RecordId, time: WallMs, author: &str, text: &str) -> String {
    let title = "訪問看護記録";
    let coding = json!([{"system": LOINC, "code": NURSE_NOTE, "display": "Nurse Note"}]);
    let kind = json!({"coding": coding, "text": title});
    finish(note_of(record, time, author, kind, title, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::is_canonical;
    use crate::record::sections::{Section, place_of};

    #[test]
    fn what_is_built_is_canonical_and_comes_back_to_its_section() {
        let (record, time) = (RecordId([0xAB; 16]), WallMs(1_795_000_000_000));
        let level = CareLevel::of_words("要介護３").unwrap();
        for (kind, built, section) in [
            ("Observation", care_level(&record, time, "佐藤", level, Some("2026-04-01")), Section::CareLevel),
            ("Observation", barthel(&record, time, "佐藤", 65).unwrap(), Section::Results),
            ("DocumentReference", nursing_note(&record, time, "佐藤", "清拭"), Section::Notes),
        ] {
            assert!(is_canonical(&built), "{built}");
            assert_eq!(place_of(kind, &built).section, section, "{built}");
        }
        assert_eq!((barthel(&record, time, "佐藤", 63), barthel(&record, time, "佐藤", 105)), (None, None));
    }
}
