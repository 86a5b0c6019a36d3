//! Tests of the merge rules over whole records, and of the laws of facts and views.

mod allergies;
mod decisions;
mod laws;
mod medication;
mod others;
mod threads;
