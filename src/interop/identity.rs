//! Who a patient's record is: derived from the source's own identifiers, and from nothing else.
//!
//! The same `Patient` resource gives the same source and record whoever imports it, with whatever other files,
//! in any order. Edits of the resource change neither, as long as the identifier stays.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::members::{Members, items_of};
use crate::base::RecordId;
use crate::base::limits::SOURCE_BYTES_MAX;
use crate::record::{json, origin_of};

/// The code system of identifier types (HL7 v2 table 0203).
const IDENTIFIER_TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";
/// The code of a medical record number in that system.
const MEDICAL_RECORD_NUMBER: &str = "MR";

/// What is known of the source besides its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The source of everything in this import, when a person names it: overrules the patients' identifiers.
    pub source: Option<String>,
    /// The source of patients without identifiers and of what belongs to no single source: a name that is the
    /// importing site's own.
    pub fallback_source: String,
}

/// The identity that a `Patient` resource claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientIdentity {
    /// The source's identifier system.
    pub source: String,
    /// The record.
    pub record: RecordId,
    /// The system of the patient's identifier, which differs from the source where a person named that.
    pub system: Option<String>,
}

/// Why a resource has no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The text is not a JSON object that can be kept.
    #[error("{0}")]
    Json(String),
}

/// Finds the source and the record of a patient.
///
/// The identifier that counts is the one of type `MR` (medical record number), else the one with use `usual`,
/// else the first; it needs a system and a value, and identifiers with use `old` come last. With a named source
/// only its number counts: of type `MR`, or of the named system. Without any the record derives from the
/// resource's id.
///
/// # Errors
/// [`IdentityError`] when the text is not a JSON object.
pub fn identify(patient: &str, options: &ImportOptions) -> Result<PatientIdentity, IdentityError> {
    let members = Members::parse(patient).map_err(IdentityError::Json)?;
    let identifiers = identifiers(&members);
    let chosen = match &options.source {
        Some(source) => choose(&identifiers, |one| one.is_record_number)
            .or_else(|| choose(&identifiers, |one| one.system == source.as_str())),
        None => choose(&identifiers, |one| one.is_record_number)
            .or_else(|| choose(&identifiers, |one| one.usage.as_deref() == Some("usual")))
            .or_else(|| choose(&identifiers, |_| true)),
    };
    if let Some(chosen) = chosen {
        let source = options.source.clone().unwrap_or_else(|| chosen.system.to_string());
        let record = RecordId::of_patient(&source, &chosen.value);
        return Ok(PatientIdentity { source, record, system: Some(chosen.system.to_string()) });
    }
    let source = options.source.as_ref().unwrap_or(&options.fallback_source).clone();
    let id = match members.text("id") {
        Some(id) => id.into_owned(),
        None => {
            let canonical =
                json::canonical(patient).map_err(|error| IdentityError::Json(error.to_string()))?;
            origin_of(&source, &canonical).map_err(|error| IdentityError::Json(error.to_string()))?.id
        }
    };
    let record = RecordId::of_patient(&source, &format!("Patient/{id}"));
    Ok(PatientIdentity { source, record, system: None })
}

/// An identifier that has a system and a value.
struct Identifier<'a> {
    system: Cow<'a, str>,
    value: Cow<'a, str>,
    usage: Option<Cow<'a, str>>,
    is_record_number: bool,
}

/// Takes the first identifier that fits, one that is still in use if there is any.
fn choose<'i, 'a>(
    identifiers: &'i [Identifier<'a>],
    fits: impl Fn(&Identifier<'a>) -> bool,
) -> Option<&'i Identifier<'a>> {
    let fitting = || identifiers.iter().filter(|one| fits(one));
    fitting().find(|one| one.usage.as_deref() != Some("old")).or_else(|| fitting().next())
}

/// Reads the identifiers of a patient; what is malformed does not count.
fn identifiers<'a>(patient: &Members<'a>) -> Vec<Identifier<'a>> {
    let mut found = Vec::new();
    patient.each("identifier", &mut |value| found.extend(identifier(value)));
    found
}

fn identifier(value: &RawValue) -> Option<Identifier<'_>> {
    let members = Members::parse(value.get()).ok()?;
    let (system, value) = (members.text("system")?, members.text("value")?);
    if system.is_empty() || value.is_empty() || system.len() > SOURCE_BYTES_MAX {
        return None;
    }
    let mut is_record_number = false;
    members.each("type.coding", &mut |coding| {
        for coding in items_of(coding) {
            let Ok(coding) = Members::parse(coding.get()) else { continue };
            is_record_number |= coding.text("system").as_deref() == Some(IDENTIFIER_TYPES)
                && coding.text("code").as_deref() == Some(MEDICAL_RECORD_NUMBER);
        }
    });
    Some(Identifier { system, value, usage: members.text("use"), is_record_number })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MR: &str =
        r#""type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}"#;

    fn options(source: Option<&str>) -> ImportOptions {
        ImportOptions { source: source.map(str::to_owned), fallback_source: "site:south".into() }
    }

    fn of(identifiers: &str, source: Option<&str>) -> PatientIdentity {
        let text = format!(r#"{{"resourceType":"Patient","id":"1","identifier":[{identifiers}]}}"#);
        identify(&text, &options(source)).unwrap()
    }

    #[test]
    fn the_medical_record_number_counts_before_usual_before_first() {
        let first = r#"{"system":"urn:first","value":"a"}"#;
        let usual = r#"{"use":"usual","system":"urn:usual","value":"b"}"#;
        let number = format!(r#"{{{MR},"system":"urn:mr","value":"c"}}"#);
        let old = format!(r#"{{"use":"old",{MR},"system":"urn:mr","value":"before"}}"#);
        assert_eq!(of(first, None).record, RecordId::of_patient("urn:first", "a"));
        assert_eq!(of(&format!("{first},{usual}"), None).record, RecordId::of_patient("urn:usual", "b"));
        for order in [format!("{first},{usual},{old},{number}"), format!("{number},{old},{first}")] {
            let identity = of(&order, None);
            assert_eq!(identity.record, RecordId::of_patient("urn:mr", "c"));
            assert_eq!(identity.source, "urn:mr");
        }
        assert_eq!(of(&old, None).record, RecordId::of_patient("urn:mr", "before"));
    }

    #[test]
    fn a_named_source_takes_the_number_or_the_id() {
        let number = format!(r#"{{{MR},"system":"urn:mr","value":"c"}}"#);
        assert_eq!(of(&number, Some("urn:x")).record, RecordId::of_patient("urn:x", "c"));
        let other = r#"{"system":"urn:first","value":"a"}"#;
        assert_eq!(of(other, Some("urn:x")).record, RecordId::of_patient("urn:x", "Patient/1"));
        assert_eq!(of(other, Some("urn:first")).record, RecordId::of_patient("urn:first", "a"));
    }

    #[test]
    fn without_a_whole_identifier_the_id_and_the_fallback_count() {
        for useless in ["", r#"{"value":"7"}"#, r#"{"system":"","value":"7"}"#, "3", r#"{"system":"urn:s"}"#]
        {
            let identity = of(useless, None);
            assert_eq!(identity.record, RecordId::of_patient("site:south", "Patient/1"));
            assert_eq!((identity.source.as_str(), identity.system), ("site:south", None));
        }
        let unnamed = identify(r#"{"resourceType":"Patient"}"#, &options(None)).unwrap();
        assert_eq!(unnamed, identify(r#"{ "resourceType": "Patient" }"#, &options(None)).unwrap());
    }
}
