//! Invented people: names drawn as often as they are borne, birth dates of an ageing region, and those whose names
//! nobody knows. Where the names come from is in `README.md` beside this file.

mod names;
mod person;
mod population;

pub use person::{Person, person, respelt, unnamed};
pub use population::{Registration, population};
