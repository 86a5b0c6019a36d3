//! Whom somebody asks for: one person, named so exactly that nobody can list a region by asking.
//!
//! A record by its whole id, an identifier as it is written, or a whole name together with a whole birth date. Beginnings,
//! slips and sounds, by which [`super::names`] finds people, lead to nobody here.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::birth;
use super::linking::normal;
use super::names::{SearchToken, TokenKind, fold_identifier, name_token};
use super::sections::demographics::Demographics;
use crate::base::RecordId;

/// Longest identifier, identifier system or name, in bytes.
pub const WHOM_BYTES_MAX: usize = 512;

/// One person.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Whom {
    /// By the record.
    #[n(0)]
    Record {
        /// Its id.
        #[n(0)]
        record: RecordId,
    },
    /// By an identifier.
    #[n(1)]
    Identifier {
        /// The system that gave it; any, when it is not said.
        #[n(0)]
        system: Option<String>,
        /// The value, whole.
        #[n(1)]
        value: String,
    },
    /// By name and birth date.
    #[n(2)]
    Person {
        /// The whole name, in any of its writings.
        #[n(0)]
        name: String,
        /// The birth date, `YYYY-MM-DD`.
        #[n(1)]
        birth_date: String,
    },
}

/// Shows how somebody is named, and not by what.
impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::Record { record } => write!(f, "record {}", record.short()),
            Whom::Identifier { .. } => f.write_str("an identifier"),
            Whom::Person { .. } => f.write_str("a name and a birth date"),
        }
    }
}

impl Whom {
    /// Checks that it can mean one person.
    ///
    /// # Errors
    /// Says what is missing; holds nothing of what was given.
    pub fn check(&self) -> Result<(), &'static str> {
        let fits = |text: &str| text.len() <= WHOM_BYTES_MAX;
        match self {
            Whom::Record { .. } => Ok(()),
            Whom::Identifier { system, value } => match fold_identifier(value).is_empty() {
                true => Err("the identifier is empty"),
                false if !fits(value) || !system.as_deref().is_none_or(fits) => {
                    Err("the identifier is too long")
                }
                false => Ok(()),
            },
            Whom::Person { name, .. } if normal::writing(name).is_empty() => Err("the name is empty"),
            Whom::Person { name, .. } if !fits(name) => Err("the name is too long"),
            Whom::Person { birth_date, .. } => {
                match birth_date.len() <= 10 && birth::parse(birth_date).is_some() {
                    true => Ok(()),
                    false => Err("a whole birth date is needed, as in 1950-01-31"),
                }
            }
        }
    }

    /// Returns tokens of which each person who is meant has all; none when the record is named itself.
    pub fn tokens(&self) -> Vec<SearchToken> {
        match self {
            Whom::Record { .. } => Vec::new(),
            Whom::Identifier { value, .. } => {
                vec![SearchToken { kind: TokenKind::Identifier, text: fold_identifier(value) }]
            }
            Whom::Person { name, birth_date } => {
                let birth = birth::parse(birth_date).map(|day| day.to_string()).unwrap_or_default();
                vec![SearchToken { kind: TokenKind::Birth, text: birth }, name_token(name)]
            }
        }
    }

    /// Says whether a record's person is the one who is meant.
    pub fn is(&self, record: &RecordId, who: &Demographics) -> bool {
        match self {
            Whom::Record { record: named } => named == record,
            Whom::Identifier { system, value } => {
                let value = fold_identifier(value);
                who.identifiers.iter().any(|known| {
                    fold_identifier(&known.value) == value
                        && system.as_ref().is_none_or(|system| *system == known.system)
                })
            }
            Whom::Person { name, birth_date } => {
                let (name, day) = (normal::writing(name), birth::parse(birth_date));
                let born = who.birth_dates.iter().any(|known| day.is_some() && birth::parse(known) == day);
                born && who.names.iter().any(|known| normal::writing(&known.full) == name)
            }
        }
    }
}
