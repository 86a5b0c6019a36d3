//! What is asserted of a patient: statements, sections, merge rules, views.
//!
//! Facts are a grow-only set of immutable statements; every view is a pure function of that set: same facts,
//! same bytes of view, whatever the order of arrival.

pub mod birth;
pub mod body;
pub mod build;
pub mod conflict;
pub mod decision;
pub mod facts;
pub mod fhir;
#[cfg(test)]
mod fixtures;
pub mod json;
mod json_quick;
mod json_reader;
pub mod kana;
pub mod linking;
pub mod names;
pub mod origin;
pub mod prescription;
pub mod render;
pub mod romaji;
pub mod safety;
pub mod sections;
pub mod signed;
pub mod source;
pub mod statement;
pub mod substance;
#[cfg(test)]
mod tests;
pub mod threads;
pub mod versions;
pub mod view;
pub mod waiting;

pub use body::{BodyError, NamedFacts, NamedResource};
pub use conflict::Conflict;
pub use decision::{Harm, OpenDecision};
pub use facts::{Fact, Facts, FactsError, Standing};
pub use names::{SearchToken, TokenKind};
pub use origin::{Origin, origin_of};
pub use safety::Alert;
pub use sections::{Section, part_of, place_of, section_of};
pub use statement::{Act, Author, FactsBody, FollowRef, Informant, LeafCheck, Position, Salt, Statement};
pub use threads::{Node, Thread};
pub use versions::{Known, Versions};
pub use view::RecordView;
