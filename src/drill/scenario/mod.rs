//! The scenario file: a story of replicas, links, patients, steps and expectations, in TOML.
//!
//! Invariants:
//!
//! 1. A [`Scenario`] that exists is sound: every name in it is defined, every data file was there, and no step
//!    asks something of a replica that is down. What is wrong is refused before anything runs.
//! 2. Every refusal names the file, the line, and what was probably meant.
//! 3. Nothing here knows how a drill is run: no process, port, folder or clock.

mod check;
mod error;
mod fields;
mod model;
mod read;
mod read_step;
#[cfg(test)]
mod tests;

pub use error::ScenarioError;
pub use model::{
    Access, EventPlan, Expectation, FleetPlan, HandoverEdit, LinkPlan, Modes, PatientAlias, PatientPlan, PeoplePlan,
    ReplicaName, ReplicaPlan, Scenario, StorePlan, Told, TriageMix, WorkloadPlan, kind_name, role_name,
};
