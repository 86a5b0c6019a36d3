//! `musubi record RECORD triage`, `vital` and the others: what is written into a section with a form of its own.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use super::record::{code, filled, text_of};
use crate::cli::failure::Failure;
use crate::cli::values::birth_date;
use crate::replica::section_write::SectionWrite;

const COLOURS: &[&str] = &["red", "yellow", "green", "black"];
const SIGNS: &[&str] = &["pulse", "breathing", "temperature", "spo2", "blood-pressure", "gcs"];
const PLACES: &[&str] = &["inpatient", "emergency", "field", "home"];
const ORDERS: &[&str] = &["attempt", "do-not-attempt"];
const CONSENTS: &[&str] = &["sharing", "backup"];
const LEVELS: &[&str] = &["permitted", "limited", "withdrawn"];

/// What is written into one section.
#[derive(Debug, Subcommand)]
pub enum SectionArgs {
    /// Write a triage colour; black counts against a living colour only from a doctor.
    Triage {
        /// The colour.
        #[arg(long, alias = "color", value_parser = PossibleValuesParser::new(COLOURS))]
        colour: String,
        /// How it was assessed, such as START.
        #[arg(long)]
        method: Option<String>,
    },
    /// Write a vital sign.
    Vital {
        /// What was measured.
        #[arg(value_parser = PossibleValuesParser::new(SIGNS))]
        sign: String,
        /// The value; of a blood pressure both, as in 120/80.
        value: String,
    },
    /// Write a blood type.
    BloodType {
        /// The group, such as A+ or "O Rh-".
        #[arg(allow_hyphen_values = true)]
        group: String,
        /// Decide what statements disagree on.
        #[arg(long)]
        confirm: bool,
    },
    /// Write whether resuscitation is to be attempted.
    Resuscitation {
        /// What is to be done.
        #[arg(value_parser = PossibleValuesParser::new(ORDERS))]
        order: String,
        /// Decide what statements disagree on, or replace what was said so far.
        #[arg(long)]
        confirm: bool,
    },
    /// Write where the patient is now.
    Move {
        /// The place.
        place: String,
        /// What kind of place it is.
        #[arg(long, default_value = "field", value_parser = PossibleValuesParser::new(PLACES))]
        kind: String,
        /// The patient has left it, and where to is not known.
        #[arg(long)]
        left: bool,
    },
    /// Write a dose that was given.
    Administration {
        /// The drug as people name it.
        drug: String,
        /// Its YJ code, if known.
        #[arg(long, value_name = "YJ")]
        code: Option<String>,
        /// How much, and how.
        #[arg(long)]
        dose: Option<String>,
        /// When, with its offset, as in 2026-11-22T16:40:00+09:00; without it, now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Write an immunisation.
    Immunisation {
        /// The vaccine as people name it.
        vaccine: String,
        /// Its code, if known.
        #[arg(long, value_name = "SYSTEM|CODE", value_parser = code)]
        code: Option<String>,
        /// The lot number.
        #[arg(long)]
        lot: Option<String>,
        /// When, with its offset, as in 2026-11-22T16:40:00+09:00; without it, now.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Write the certified care level (要介護度).
    CareLevel {
        /// The level as on the certificate, such as 要介護3.
        level: String,
        /// Since when, YYYY-MM-DD; without it, as of now.
        #[arg(long, value_name = "DATE", value_parser = birth_date)]
        since: Option<String>,
    },
    /// Write activities of daily living (ADL) as a Barthel index.
    Adl {
        /// The score, 0 to 100 in steps of five.
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        score: u8,
    },
    /// Write a signed nursing note of a visit at home (訪問看護記録).
    NursingNote {
        /// The text, or `-` for standard input.
        text: String,
    },
    /// Write a consent, or that it is withdrawn; to sharing and to the backup separately.
    Consent {
        /// To what.
        #[arg(value_parser = PossibleValuesParser::new(CONSENTS))]
        kind: String,
        /// How far.
        #[arg(value_parser = PossibleValuesParser::new(LEVELS))]
        level: String,
        /// What a limited consent allows.
        #[arg(long, required_if_eq("level", "limited"))]
        limits: Option<String>,
    },
}

impl SectionArgs {
    /// Returns what is to be written.
    ///
    /// # Errors
    /// [`Failure`] when a text is empty.
    pub(super) fn write(&self) -> Result<SectionWrite, Failure> {
        Ok(match self {
            SectionArgs::Triage { colour, method } => {
                SectionWrite::Triage { colour: colour.clone(), method: method.clone() }
            }
            SectionArgs::Vital { sign, value } => {
                SectionWrite::Vital { sign: sign.clone(), value: filled("the value", value)? }
            }
            SectionArgs::BloodType { group, confirm } => {
                SectionWrite::BloodType { group: filled("the group", group)?, confirm: *confirm }
            }
            SectionArgs::Resuscitation { order, confirm } => {
                SectionWrite::Resuscitation { attempt: order == "attempt", confirm: *confirm }
            }
            SectionArgs::Move { place, kind, left } => {
                SectionWrite::Move { place: filled("the place", place)?, kind: kind.clone(), left: *left }
            }
            SectionArgs::Administration { drug, code, dose, at } => SectionWrite::Administration {
                drug: filled("the drug", drug)?,
                code: code.clone(),
                dose: dose.clone(),
                at: at.clone(),
            },
            SectionArgs::Immunisation { vaccine, code, lot, at } => SectionWrite::Immunisation {
                vaccine: filled("the vaccine", vaccine)?,
                code: code.clone(),
                lot: lot.clone(),
                at: at.clone(),
            },
            SectionArgs::CareLevel { level, since } => {
                SectionWrite::CareLevel { level: filled("the level", level)?, since: since.clone() }
            }
            SectionArgs::Adl { score } => SectionWrite::Adl { score: *score },
            SectionArgs::NursingNote { text } => SectionWrite::NursingNote { text: text_of(text)? },
            SectionArgs::Consent { kind, level, limits } => SectionWrite::Consent {
                kind: kind.clone(),
                level: level.clone(),
                limits: limits.as_deref().map(|limits| filled("the limits", limits)).transpose()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::RecordId;
    use crate::cli::fixtures::{Fake, NOW};
    use crate::replica::answer::Written;
    use crate::replica::request::{Request, Write};

    fn fake() -> Fake {
        let written = Written {
            record: RecordId([0xab; 16]),
            statement: None,
            resource_id: None,
            time: NOW,
            warnings: Vec::new(),
        };
        Fake::answering(serde_json::to_value(written).unwrap())
    }

    fn run(words: &[&str]) -> Result<Fake, Failure> {
        let fake = fake();
        let author = ["--store", "s", "--author", "佐藤", "--role", "nurse"];
        fake.run(&[&["record", "abababab"], words, &author].concat()).map(|_| fake)
    }

    #[test]
    fn each_form_is_asked_for_as_it_was_typed_and_survives_the_socket() {
        for words in [
            vec!["triage", "--colour", "red", "--method", "START"],
            vec!["vital", "blood-pressure", "120/80"],
            vec!["blood-type", "O-", "--confirm"],
            vec!["resuscitation", "do-not-attempt"],
            vec!["move", "第二小学校", "--left"],
            vec!["administration", "アドレナリン", "--dose", "0.3mg"],
            vec!["immunisation", "破傷風", "--lot", "T1"],
            vec!["care-level", "要介護3", "--since", "2026-04-01"],
            vec!["adl", "65"],
            vec!["nursing-note", "清拭"],
            vec!["consent", "backup", "limited", "--limits", "県内"],
        ] {
            let asked = run(&words).unwrap().request();
            let text = serde_json::to_string(&asked).unwrap();
            let Request::Record { write: Write::Section(sent), .. } = asked else { panic!("{words:?}") };
            let Request::Record { write: Write::Section(again), .. } = serde_json::from_str(&text).unwrap()
            else {
                panic!("{text}")
            };
            assert_eq!(sent, again);
        }
    }

    #[test]
    fn what_is_none_of_the_names_is_refused() {
        for words in [
            vec!["triage", "--colour", "blue"],
            vec!["triage"],
            vec!["vital", "mood", "3"],
            vec!["move", " "],
            vec!["consent", "sharing", "limited"],
            vec!["consent", "research", "permitted"],
            vec!["adl", "101"],
            vec!["care-level", "要介護3", "--since", "yesterday"],
        ] {
            assert_eq!(run(&words).map(|_| ()).unwrap_err().status, 2, "{words:?}");
        }
    }
}
