//! FHIR R4 in and out: files become drafts of statements, statements become files again, equal as JSON.
//!
//! Nothing is stored here. [`plan`] reads the files once and learns who their patients are; [`Plan::run`] reads
//! them again and hands over [`Draft`]s, each of which becomes one entry. Two promises hold:
//!
//! - **Who a record is depends on the source's own identifiers only**: never on who imports, in which order, or
//!   which part of the files ([`identity`]). Where a resource cannot be tied to one patient without guessing, it
//!   is skipped and reported, because guessing could mix two people.
//! - **One bad line costs one line**: what cannot be read is named with its file, line and reason, and counted.
//!
//! Memory stays bounded: files are streamed, and what is grouped is handed over in pieces of
//! [`DRAFTED_BYTES_MAX`], of which there are two: one is gathered while the other is written.

pub mod export;
pub mod identity;

mod bind;
mod compartment;
mod group;
mod import;
mod links;
mod members;
mod patients;
mod reader;
mod reading;
mod reference;
mod report;
mod scan;
mod scope;
mod walk;

#[cfg(test)]
mod tests;

pub use group::{DRAFTED_BYTES_MAX, Draft, RESOURCE_BYTES_MAX};
pub use identity::ImportOptions;
pub use import::{Plan, PlanError, plan};
pub use patients::{KnownPatients, NoKnownPatients, PATIENTS_MAX, PatientBinding};
pub use report::{ImportReport, PROBLEMS_NAMED_MAX, Problem, Problems, Progress, Step, Warning, WarningKind};
