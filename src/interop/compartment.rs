//! Which fields of a resource name its patient.
//!
//! The table follows the FHIR R4 patient compartment (<https://hl7.org/fhir/R4/compartmentdefinition-patient.html>),
//! reduced to the fields that say whom a resource is about; what merely mentions a patient (a performer, a
//! payer) comes after them, where nothing else is there. Types that are not in the table go by the generic
//! names. `Group` and its members stay in the directory: a group is not one patient.

use super::members::Members;
use super::reference::Target;

/// The fields of types that the generic names do not fit.
const FIELDS: &[(&str, &[&str])] = &[
    ("Account", &["subject"]),
    ("Appointment", &["participant.actor"]),
    ("AppointmentResponse", &["actor"]),
    ("AuditEvent", &["entity.what", "agent.who"]),
    ("Coverage", &["beneficiary", "subscriber", "policyHolder"]),
    ("EnrollmentRequest", &["candidate"]),
    ("Group", &[]),
    ("Invoice", &["subject", "recipient"]),
    ("Person", &["link.target"]),
    ("Provenance", &[]),
    ("QuestionnaireResponse", &["subject", "source"]),
    ("ResearchSubject", &["individual"]),
    ("Schedule", &["actor"]),
    ("SupplyRequest", &["deliverTo"]),
    ("Task", &["for"]),
];

/// The fields that name the patient in all other types.
const GENERIC: &[&str] = &["subject", "patient", "beneficiary", "individual", "for"];

/// Fields in which a reference means a patient only when it says so: the other things that they point at do
/// not make a resource unreadable.
const LOOSE: &[&str] =
    &["AuditEvent", "Appointment", "AppointmentResponse", "Invoice", "Person", "Schedule", "SupplyRequest"];

/// Returns the first reference that may mean the patient whom the resource is about.
pub(super) fn patient_reference(resource_type: &str, resource: &Members<'_>) -> Option<Target> {
    let fields =
        FIELDS.iter().find(|(name, _)| *name == resource_type).map_or(GENERIC, |(_, fields)| *fields);
    let loose = LOOSE.contains(&resource_type);
    let mut found = None;
    for field in fields {
        resource.each(field, &mut |value| {
            let target = Target::of(value).filter(Target::may_be_patient);
            let firm = |target: &Target| !loose || !matches!(target, Target::Words | Target::Contained);
            if found.is_none() {
                found = target.filter(firm);
            }
        });
    }
    found
}

/// Returns what a resource is about when it is about other resources: the targets of a `Provenance`.
pub(super) fn targets(resource_type: &str, resource: &Members<'_>) -> Option<Vec<Target>> {
    if resource_type != "Provenance" {
        return None;
    }
    let mut found = Vec::new();
    resource.each("target", &mut |value| found.extend(Target::of(value)));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(resource_type: &str, text: &str) -> Option<String> {
        match patient_reference(resource_type, &Members::parse(text).unwrap())? {
            Target::Local { id, .. } => Some(id),
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn each_type_names_its_patient_in_its_own_field() {
        for (resource_type, text) in [
            (
                "Observation",
                r#"{"subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/q"}]}"#,
            ),
            ("Immunization", r#"{"patient":{"reference":"Patient/p"}}"#),
            (
                "Coverage",
                r#"{"subscriber":{"reference":"Patient/q"},"beneficiary":{"reference":"Patient/p"}}"#,
            ),
            ("Task", r#"{"for":{"reference":"Patient/p"},"owner":{"reference":"Patient/q"}}"#),
            (
                "Appointment",
                r#"{"participant":[{"actor":{"reference":"Practitioner/d"}},{"actor":{"reference":"Patient/p"}}]}"#,
            ),
            ("Account", r#"{"subject":[{"reference":"Patient/p"},{"reference":"Patient/q"}]}"#),
            ("MadeUpLater", r#"{"patient":{"reference":"Patient/p"}}"#),
        ] {
            assert_eq!(patient(resource_type, text).as_deref(), Some("p"), "{resource_type}");
        }
    }

    #[test]
    fn what_is_about_no_patient_names_none() {
        assert_eq!(patient("Observation", r#"{"subject":{"reference":"Group/g"}}"#), None);
        assert_eq!(patient("Group", r#"{"member":[{"entity":{"reference":"Patient/p"}}]}"#), None);
        assert_eq!(patient("Practitioner", r#"{"name":[{"text":"山田"}]}"#), None);
        assert_eq!(patient("AuditEvent", r#"{"agent":[{"who":{"display":"someone"}}]}"#), None);
        assert!(patient("Observation", r##"{"subject":{"reference":"#p"}}"##).is_some());
    }
}
