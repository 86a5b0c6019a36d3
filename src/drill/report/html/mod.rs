//! The report as one page for people: Japanese and English in one file, for the screen and for A4.
//!
//! Invariants:
//!
//! 1. No script and nothing from elsewhere; the language switch is two radio buttons and the style sheet.
//! 2. Every text that came from outside passes `markup::esc`.
//! 3. 訓練 DRILL stands at the top of the screen, at the head of every printed page and in every section's title.

mod events;
mod expectations;
mod first;
mod glossary;
pub(super) mod markup;
mod page;
mod sections;
mod style;
mod tables;
#[cfg(test)]
pub(super) mod tests;

pub(super) use expectations::name as expectation;
pub(super) use page::whole;
pub use page::{Page, html};
