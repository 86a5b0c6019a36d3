//! The scenario file: a story of replicas, links, people, events and expectations, in TOML.
//!
//! Invariants:
//!
//! 1. A [`Scenario`] that exists is sound: every name in it is defined, every data file was there, no event is in the
//!    past, and none asks something of a replica that is down. What is wrong is refused before anything runs.
//! 2. Every refusal names the file, the line, and what was probably meant.
//! 3. Nothing here knows how a drill is run: no process, port or clock.
//! 4. The language is one set of tables ([`TOP`](key::TOP), [`EVENTS`](super::events::EVENTS), [`EXPECTATIONS`]): files
//!    are read by them, and [`schema`] and [`catalogue`] are made from them.

mod catalogue;
mod check;
mod error;
mod expectation;
mod expectations;
mod fields;
pub mod key;
mod key_region;
mod model;
mod names;
mod read;
mod read_links;
mod read_region;
mod read_work;
mod schema;
mod span;
mod telling;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_check;
#[cfg(test)]
mod tests_region;
mod walk;

pub use catalogue::{Language, catalogue};
pub use error::{Mistake, ScenarioError};
pub use expectation::{Access, Clinical, Expectation, ExpectationKind};
pub use expectations::EXPECTATIONS;
pub use fields::{At, Fields};
pub use key::{AT, AT_ONE, BETWEEN, FOR, Key, LINKS_AT, PATIENT, SHARE, Shape, UNTIL, Words, may, need};
pub use model::{
    Acts, EventPlan, FleetPlan, HandoverEdit, LinkPlan, LiveRefusal, Modes, PatientAlias, PatientPlan,
    PeoplePlan, ReplicaName, ReplicaPlan, Scenario, StorePlan, Told, TriageMix, WorkloadPlan, kind_name,
    role_name,
};
pub use names::{Lines, Names, OptionalLines, Whom};
pub use read_links::profile;
pub use schema::schema;
pub use span::{read_signed_span, read_span, write_span};
pub use walk::{Mark, Standing, Walk};
