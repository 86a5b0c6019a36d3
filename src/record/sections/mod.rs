//! Sections of a record: which FHIR resources feed which section, and in which part they travel.
//!
//! Each section has a file of its own that states its merge rule, why, and the law that its tests check; the table
//! of what feeds what is [`registry`]. What has no section is kept whole and counted ([`Section::Other`]). A new
//! section is one more variant here, one more row there and one more file.

use serde::Serialize;

pub mod administration;
pub mod allergies;
pub mod blood_type;
pub mod care_level;
pub mod consent;
pub mod demographics;
pub mod immunisation;
pub mod measurements;
pub mod medication;
pub mod notes;
pub mod other;
pub mod problems;
pub mod registry;
pub mod resuscitation;
mod standing;
pub mod triage;
pub mod whereabouts;

pub use registry::{Place, part_of, place_of, section_of};

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
    /// The triage colour.
    Triage,
    /// Where the patient is.
    Whereabouts,
    /// Whether resuscitation is to be attempted.
    Resuscitation,
    /// Blood type.
    BloodType,
    /// Consent to sharing, to the backup, and to other things.
    Consent,
    /// Doses that were given.
    Administration,
    /// Vital signs.
    VitalSigns,
    /// Results and other observations.
    Results,
    /// Immunisations.
    Immunisation,
    /// The certified care level.
    CareLevel,
    /// Everything else, kept whole.
    Other,
}

impl Section {
    /// All sections.
    pub const ALL: [Section; 16] = [
        Section::Demographics,
        Section::Allergies,
        Section::Problems,
        Section::Medication,
        Section::Notes,
        Section::Triage,
        Section::Whereabouts,
        Section::Resuscitation,
        Section::BloodType,
        Section::Consent,
        Section::Administration,
        Section::VitalSigns,
        Section::Results,
        Section::Immunisation,
        Section::CareLevel,
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
            Section::Triage => "triage",
            Section::Whereabouts => "whereabouts",
            Section::Resuscitation => "resuscitation",
            Section::BloodType => "blood-type",
            Section::Consent => "consent",
            Section::Administration => "administration",
            Section::VitalSigns => "vital-signs",
            Section::Results => "results",
            Section::Immunisation => "immunisation",
            Section::CareLevel => "care-level",
            Section::Other => "other",
        }
    }
}
