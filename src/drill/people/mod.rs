//! Invented people: names drawn as often as they are borne, birth dates of an ageing region, and those whose names
//! nobody knows. Where the names come from is in `README.md` beside this file.

mod list;
mod names;
mod person;
mod population;

pub use list::{InventedList, LIST_PEOPLE_MAX, LIST_VERSIONS_MAX, Listed};
pub use person::{Person, person, respelt, unnamed};
pub use population::{Registration, population};
