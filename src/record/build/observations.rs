//! Observations that a person enters: triage, vital signs, blood type.

use serde_json::{Value, json};

use super::{TERMINOLOGY, fhir_time, finish, profiled, put, reference};
use crate::base::{RecordId, WallMs};
use crate::record::sections::registry::{LOINC, MUSUBI_SYSTEM, TRIAGE_CODE};
use crate::record::sections::triage::Colour;

/// JP Core's categories of observations.
const JP_CATEGORY: &str = "http://jpfhir.jp/fhir/core/CodeSystem/JP_SimpleObservationCategory_CS";
/// JP Core's second category of a vital sign.
const JP_VITAL_CATEGORY: &str = "http://jpfhir.jp/fhir/core/CodeSystem/JP_ObservationVitalSignsCategory_CS";
pub(super) const UCUM: &str = "http://unitsofmeasure.org";

/// A vital sign that can be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VitalSign {
    /// Beats a minute.
    Pulse,
    /// Breaths a minute.
    Breathing,
    /// Degrees Celsius.
    Temperature,
    /// Per cent, by pulse oximetry.
    Spo2,
    /// Systolic and diastolic, in mmHg.
    BloodPressure,
    /// Glasgow coma scale, the sum.
    Gcs,
}

/// What a vital sign is: its name, LOINC code, Japanese display, unit, UCUM unit, and the bounds of what can be true.
struct Kind(VitalSign, &'static str, &'static str, &'static str, &'static str, &'static str, [f64; 2]);

const KINDS: [Kind; 6] = [
    Kind(VitalSign::Pulse, "pulse", "8867-4", "脈拍", "/min", "/min", [0.0, 400.0]),
    Kind(VitalSign::Breathing, "breathing", "9279-1", "呼吸数", "/min", "/min", [0.0, 150.0]),
    Kind(VitalSign::Temperature, "temperature", "8310-5", "体温", "℃", "Cel", [10.0, 50.0]),
    Kind(VitalSign::Spo2, "spo2", "59408-5", "SpO2", "%", "%", [0.0, 100.0]),
    Kind(VitalSign::BloodPressure, "blood-pressure", "85354-9", "血圧", "mmHg", "mm[Hg]", [0.0, 400.0]),
    Kind(VitalSign::Gcs, "gcs", "9269-2", "GCS", "点", "{score}", [3.0, 15.0]),
];

/// Why a value is none of a vital sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a value of {sign}: {needs}")]
pub struct VitalError {
    /// The vital sign.
    pub sign: &'static str,
    /// What it needs.
    pub needs: String,
}

impl VitalSign {
    /// Returns the sign's name, as people type it.
    pub fn name(self) -> &'static str {
        kind(self).1
    }

    /// Finds the sign of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        KINDS.iter().find(|kind| kind.1 == name).map(|kind| kind.0)
    }
}

/// Builds a triage assessment: an Observation (JP_Observation_Common).
pub fn triage(record: &RecordId, time: WallMs, author: &str, colour: Colour, method: Option<&str>) -> String {
    let display = match colour {
        Colour::Red => "I 赤",
        Colour::Yellow => "II 黄",
        Colour::Green => "III 緑",
        Colour::Black => "0 黒",
    };
    let mut resource = observation("JP_Observation_Common", record, time, author, "exam");
    let code =
        json!({"coding": [{"system": MUSUBI_SYSTEM, "code": TRIAGE_CODE, "display": "トリアージ区分"}]});
    put(&mut resource, "code", Some(code));
    let value = json!({"coding": [{"system": MUSUBI_SYSTEM, "code": colour.name(), "display": display}]});
    put(&mut resource, "valueCodeableConcept", Some(value));
    put(&mut resource, "method", method.map(|method| json!({"text": method})));
    finish(resource)
}

/// Builds a vital sign: an Observation (JP_Observation_VitalSigns); a blood pressure reads `120/80`.
///
/// # Errors
/// [`VitalError`] when the value is no number, or cannot be true.
pub fn vital(
    record: &RecordId,
    time: WallMs,
    author: &str,
    sign: VitalSign,
    value: &str,
) -> Result<String, VitalError> {
    let Kind(_, _, loinc, display, ..) = kind(sign);
    let mut resource = observation("JP_Observation_VitalSigns", record, time, author, "vital-signs");
    let code =
        |code: &str, display: &str| json!({"coding": [{"system": LOINC, "code": code}], "text": display});
    put(&mut resource, "code", Some(code(loinc, display)));
    if sign == VitalSign::BloodPressure {
        let (high, low) = value.split_once('/').ok_or_else(|| refusal(sign, "two numbers, as in 120/80"))?;
        let (high, low) = (number(sign, high)?, number(sign, low)?);
        if low.as_f64() > high.as_f64() {
            return Err(refusal(sign, "the systolic first, as in 120/80"));
        }
        let parts = [("8480-6", "収縮期", high), ("8462-4", "拡張期", low)].map(|(loinc, name, number)| {
            json!({"code": code(loinc, name), "valueQuantity": quantity(sign, number)})
        });
        put(&mut resource, "component", Some(json!(parts)));
    } else {
        put(&mut resource, "valueQuantity", Some(quantity(sign, number(sign, value)?)));
    }
    Ok(finish(resource))
}

/// Builds a blood type: an Observation (JP_Observation_Common) with what was read, in words such as `A+`.
pub fn blood_type(record: &RecordId, time: WallMs, author: &str, group: &str) -> String {
    let mut resource = observation("JP_Observation_Common", record, time, author, "laboratory");
    let code = json!({"coding": [{"system": LOINC, "code": "882-1"}], "text": "血液型"});
    put(&mut resource, "code", Some(code));
    put(&mut resource, "valueCodeableConcept", Some(json!({"text": group})));
    finish(resource)
}

pub(super) fn observation(
    profile: &str,
    record: &RecordId,
    time: WallMs,
    author: &str,
    category: &str,
) -> serde_json::Map<String, Value> {
    let mut resource = profiled("Observation", profile);
    let coded = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    // JP Core asks for its own category, the international vital-signs profile for that of HL7.
    let mut categories = vec![coded(JP_CATEGORY, category)];
    if category == "vital-signs" {
        categories.push(coded(JP_VITAL_CATEGORY, category));
        categories.push(coded(&format!("{TERMINOLOGY}/observation-category"), category));
    }
    put(&mut resource, "status", Some(json!("final")));
    put(&mut resource, "category", Some(json!(categories)));
    put(&mut resource, "subject", Some(reference(record)));
    put(&mut resource, "effectiveDateTime", Some(json!(fhir_time(time))));
    put(&mut resource, "performer", Some(json!([{"display": author}])));
    resource
}

fn kind(sign: VitalSign) -> &'static Kind {
    KINDS.iter().find(|kind| kind.0 == sign).expect("the table has every sign")
}

fn refusal(sign: VitalSign, needs: &str) -> VitalError {
    VitalError { sign: sign.name(), needs: needs.to_owned() }
}

fn number(sign: VitalSign, text: &str) -> Result<serde_json::Number, VitalError> {
    let Kind(.., [least, most]) = kind(sign);
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = text.parse::<f64>().ok().filter(|n| plain && (least..=most).contains(&n));
    let number = number.ok_or_else(|| refusal(sign, &format!("a number from {least} to {most}")))?;
    // Whole numbers stay whole, as they were typed.
    Ok(match text.parse::<u64>() {
        Ok(whole) => whole.into(),
        Err(_) => serde_json::Number::from_f64(number).expect("it is finite, being within bounds"),
    })
}

fn quantity(sign: VitalSign, value: serde_json::Number) -> Value {
    let Kind(_, _, _, _, unit, ucum, _) = kind(sign);
    json!({"value": value, "unit": unit, "system": UCUM, "code": ucum})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json::is_canonical;
    use crate::record::sections::{Section, place_of};

    const RECORD: RecordId = RecordId([0xAB; 16]);
    const TIME: WallMs = WallMs(1_795_000_000_000);

    #[test]
    fn what_is_built_is_canonical_and_comes_back_to_its_section() {
        let vital = |sign, value| vital(&RECORD, TIME, "佐藤", sign, value).unwrap();
        for (built, section) in [
            (triage(&RECORD, TIME, "佐藤", Colour::Red, Some("START")), Section::Triage),
            (vital(VitalSign::Pulse, "88"), Section::VitalSigns),
            (vital(VitalSign::BloodPressure, "120/80"), Section::VitalSigns),
            (blood_type(&RECORD, TIME, "佐藤", "A+"), Section::BloodType),
        ] {
            assert!(is_canonical(&built), "{built}");
            assert_eq!(place_of("Observation", &built).section, section, "{built}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_true_is_refused() {
        for (sign, value) in [
            (VitalSign::Pulse, "1000"),
            (VitalSign::Pulse, "x"),
            (VitalSign::Pulse, ""),
            (VitalSign::Pulse, "-5"),
            (VitalSign::Pulse, "NaN"),
            (VitalSign::Temperature, "3.65"),
            (VitalSign::BloodPressure, "120"),
            (VitalSign::BloodPressure, "80/120"),
            (VitalSign::Gcs, "2"),
        ] {
            assert!(vital(&RECORD, TIME, "佐藤", sign, value).is_err(), "{sign:?} {value}");
        }
        assert!(vital(&RECORD, TIME, "佐藤", VitalSign::Temperature, "36.5").unwrap().contains("36.5"));
        assert!(KINDS.iter().all(|kind| VitalSign::of_name(kind.1) == Some(kind.0)));
    }
}
