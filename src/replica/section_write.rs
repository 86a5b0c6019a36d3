//! What can be written into the sections that have a form of their own: triage, vital signs, and so on.

use serde::{Deserialize, Serialize};

/// Something to write into one section of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "section", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SectionWrite {
    /// A triage assessment.
    Triage {
        /// `red`, `yellow`, `green` or `black`.
        colour: String,
        /// How it was assessed, such as `START`.
        method: Option<String>,
    },
    /// A vital sign.
    Vital {
        /// `pulse`, `breathing`, `temperature`, `spo2`, `blood-pressure` or `gcs`.
        sign: String,
        /// The value, such as `88` or `120/80`.
        value: String,
    },
    /// A blood type.
    BloodType {
        /// The group, such as `A+`.
        group: String,
        /// It decides what statements about it disagree on.
        confirm: bool,
    },
    /// A resuscitation status.
    Resuscitation {
        /// Whether resuscitation is to be attempted.
        attempt: bool,
        /// It decides what statements about it disagree on, or replaces what was said so far.
        confirm: bool,
    },
    /// A movement.
    Move {
        /// The place.
        place: String,
        /// `inpatient`, `emergency`, `field` or `home`.
        kind: String,
        /// The patient has left the place, and where to is not known.
        left: bool,
    },
    /// A dose that was given.
    Administration {
        /// The drug as people name it.
        drug: String,
        /// Its YJ code, if known.
        code: Option<String>,
        /// How much, and how.
        dose: Option<String>,
        /// When, as a FHIR dateTime with its offset; without it, now.
        at: Option<String>,
    },
    /// An immunisation.
    Immunisation {
        /// The vaccine as people name it.
        vaccine: String,
        /// Its code as `SYSTEM|CODE`, if known.
        code: Option<String>,
        /// The lot number.
        lot: Option<String>,
        /// When, as a FHIR dateTime with its offset; without it, now.
        at: Option<String>,
    },
    /// A care level.
    CareLevel {
        /// The level as on the certificate, such as `要介護3`.
        level: String,
        /// Since when, as a FHIR date; without it, as of now.
        since: Option<String>,
    },
    /// Activities of daily living.
    Adl {
        /// The Barthel index, 0 to 100 in steps of five.
        score: u8,
    },
    /// A signed nursing note of a visit at home.
    NursingNote {
        /// The text.
        text: String,
    },
    /// A consent.
    Consent {
        /// `sharing` or `backup`.
        kind: String,
        /// `permitted`, `limited` or `withdrawn`.
        level: String,
        /// What a limited one allows, in words.
        limits: Option<String>,
    },
}
