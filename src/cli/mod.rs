//! The command line, one file a command: thin over what a replica can be asked
//! ([`crate::replica::request`]) and what it answers ([`crate::replica::answer`]).
//!
//! - A command reads its arguments, asks the [`engine::Engine`] once and gives back an [`outcome::Outcome`];
//!   printing it as text or as JSON is done in one place, [`mod@run`].
//! - Only [`backend`] knows how a store is opened or reached; commands are tested against an engine of their own.
//! - Every refusal is a [`failure::Failure`]: an exit status, what was tried, and what to do next.
//! - Text for people goes through [`text::printable`], so that what others wrote into a record cannot steer the
//!   terminal. Errors and logs name ids, never patient data.

pub mod args;
pub mod backend;
pub mod commands;
mod drilling;
pub mod engine;
pub mod failure;
pub mod key;
pub mod logging;
pub mod memory;
pub mod outcome;
pub mod panic;
pub mod progress;
pub mod run;
pub mod text;
pub mod values;

#[cfg(test)]
mod fixtures;

pub use failure::Failure;
pub use run::run;
