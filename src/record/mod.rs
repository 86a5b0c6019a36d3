//! What is asserted of a patient: statements, sections, merge rules, views.
//!
//! Facts are a grow-only set of immutable statements; every view is a pure function of that set: same facts,
//! same bytes of view, whatever the order of arrival.

pub mod statement;

pub use statement::{Act, Author, FactsBody, FollowRef, Informant, Position, Statement};
