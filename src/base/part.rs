//! The priority classes into which a record's entries are parted.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// A priority class: parts travel in separate lanes, so that the vital part never waits for the bulky one.
///
/// The order of the variants is the order of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Certificates, key wraps, revocations, declarations.
    Control,
    /// What must be known in an emergency: identity, allergies, problems, medication, alerts.
    Card,
    /// Encounters, progress notes, summaries, charts.
    Notes,
    /// Results, orders, administrations, everything else.
    Data,
    /// Who read, wrote and exported what.
    Audit,
}

impl Part {
    /// All parts, in the order of sending.
    pub const ALL: [Part; 5] = [Part::Control, Part::Card, Part::Notes, Part::Data, Part::Audit];

    /// Returns the part's number in every format.
    pub fn code(self) -> u8 {
        match self {
            Part::Control => 0,
            Part::Card => 1,
            Part::Notes => 2,
            Part::Data => 3,
            Part::Audit => 4,
        }
    }

    /// Finds the part of a number.
    pub fn from_code(code: u8) -> Option<Part> {
        Part::ALL.into_iter().find(|part| part.code() == code)
    }

    /// Returns the part's name, as in configuration and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Part::Control => "control",
            Part::Card => "card",
            Part::Notes => "notes",
            Part::Data => "data",
            Part::Audit => "audit",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a part: control, card, notes, data or audit")]
pub struct PartError {
    /// What was given.
    pub text: String,
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        Part::ALL
            .into_iter()
            .find(|part| part.name() == text)
            .ok_or_else(|| PartError { text: text.chars().take(40).collect() })
    }
}

impl<C> Encode<C> for Part {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.u8(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Part {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Part::from_code(d.u8()?).ok_or_else(|| decode::Error::message("not a part"))
    }
}
