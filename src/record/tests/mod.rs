//! Tests of the merge rules over whole records, and of the laws of facts and views.

mod allergies;
mod decisions;
mod golden_views;
mod laws;
mod laws_sections;
mod medication;
mod notes;
mod observed;
mod others;
mod sections;
mod status;
mod threads;
mod world;
