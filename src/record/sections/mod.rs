//! Sections of a record: which FHIR resources feed which section, and in which part they travel.
//!
//! Each section has a file of its own that states its merge rule, why, and the law that its tests check. What
//! has no section is kept whole and counted ([`Section::Other`]). A new section is one more variant here and
//! one more file.

use serde::Serialize;

use crate::base::Part;

pub mod allergies;
pub mod demographics;
pub mod medication;
pub mod notes;
pub mod other;
pub mod problems;

/// A section of the record's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Who the patient is.
    Demographics,
    /// Allergies and intolerances, and the statement that none is known.
    Allergies,
    /// Diagnoses and problems.
    Problems,
    /// What is or was taken.
    Medication,
    /// Progress notes, summaries, letters.
    Notes,
    /// Everything else, kept whole.
    Other,
}

impl Section {
    /// All sections, in the order of the view.
    pub const ALL: [Section; 6] = [
        Section::Demographics,
        Section::Allergies,
        Section::Problems,
        Section::Medication,
        Section::Notes,
        Section::Other,
    ];

    /// Returns the section's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Section::Demographics => "demographics",
            Section::Allergies => "allergies",
            Section::Problems => "problems",
            Section::Medication => "medication",
            Section::Notes => "notes",
            Section::Other => "other",
        }
    }
}

/// Finds the section that shows resources of a type.
pub fn section_of(resource_type: &str) -> Section {
    match resource_type {
        "Patient" | "Coverage" => Section::Demographics,
        "AllergyIntolerance" => Section::Allergies,
        "Condition" => Section::Problems,
        "MedicationRequest" | "MedicationStatement" | "MedicationDispense" => Section::Medication,
        "DocumentReference" | "Composition" | "ClinicalImpression" => Section::Notes,
        _ => Section::Other,
    }
}

/// Finds the part in which statements of a resource type travel: what must be known in an emergency in
/// `card`, what tells the course in `notes`, all the rest, and every unknown type, in `data`.
pub fn part_of(resource_type: &str) -> Part {
    match resource_type {
        "Patient"
        | "RelatedPerson"
        | "Person"
        | "Coverage"
        | "Linkage"
        | "Consent"
        | "Flag"
        | "DetectedIssue"
        | "AllergyIntolerance"
        | "Condition"
        | "Medication"
        | "MedicationKnowledge"
        | "Substance"
        | "MedicationRequest"
        | "MedicationStatement"
        | "MedicationDispense" => Part::Card,
        "Encounter" | "EpisodeOfCare" | "DocumentReference" | "Composition" | "ClinicalImpression"
        | "CarePlan" | "CareTeam" | "Goal" | "Communication" | "Bundle" => Part::Notes,
        _ => Part::Data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_emergency_needs_travels_in_the_card() {
        for kind in ["Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "Coverage"] {
            assert_eq!(part_of(kind), Part::Card, "{kind}");
        }
        assert_eq!(part_of("Encounter"), Part::Notes);
        for kind in ["Observation", "Practitioner", "MedicationAdministration", "NotYetInvented"] {
            assert_eq!(part_of(kind), Part::Data, "{kind}");
            assert_eq!(section_of(kind), Section::Other, "{kind}");
        }
    }

    #[test]
    fn sections_of_the_card_never_wait_for_bulk() {
        for kind in ["Patient", "Coverage", "AllergyIntolerance", "Condition", "MedicationDispense"] {
            assert_ne!(section_of(kind), Section::Other);
            assert_eq!(part_of(kind), Part::Card);
        }
    }
}
