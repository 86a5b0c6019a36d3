//! What a record must show, worked out from the drill's own ledger alone: who wrote what, where, and what the writer's
//! replica held at that moment.
//!
//! Invariants:
//!
//! 1. No rule of `record` is asked: the oracle knows no threads, no tips and no views, only which write answers which.
//! 2. It speaks of what the ledger knows. A section that holds a statement which the ledger does not know, such as an
//!    import or a write that was cut off, is not judged in that record.
//!
//! `held` says what answers what; `sections`, `standing`, `notes`, `alerts`, `found`, `links`, `imported`,
//! `doubles` and `handovers` compare one idea each;
//! `looking` asks them all of one record at one machine.

mod alerts;
mod doubles;
mod found;
mod handovers;
mod held;
mod imported;
mod links;
mod looking;
mod notes;
mod sections;
mod standing;

pub(super) use handovers::HandedOver;
pub(super) use held::Held;
pub(super) use links::TieMade;
