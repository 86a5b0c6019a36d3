//! What is asserted of a patient: statements, sections, merge rules, views.
//!
//! Facts are a grow-only set of immutable statements; every view is a pure function of that set: same facts,
//! same bytes of view, whatever the order of arrival.

pub mod body;
pub mod json;
pub mod origin;
pub mod sections;
pub mod statement;

pub use body::BodyError;
pub use origin::{Origin, origin_of};
pub use sections::{Section, part_of, section_of};
pub use statement::{Act, Author, FactsBody, FollowRef, Informant, Position, Statement};
