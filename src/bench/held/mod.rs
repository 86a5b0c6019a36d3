//! A region that is held: a replica with very many records, made quickly, asked as people ask, and opened after a kill.
//!
//! What is in the store came through production code alone: entries as an import writes them, runs that the devices of the
//! region sign (`lane::append`), and the admission of every carrier (`Replica::admit`), which checks every signature.

mod asked;
mod built;
mod card;
mod devices;
mod ingest;
mod meet;
mod served;
mod spread;

pub use asked::{Asked, Find, Open, Question, Write, find, open, write};
pub use built::{Built, HeldOptions, LANES_MAX, Made};
pub use card::{CARD_TOLD, Cards};
pub use devices::Devices;
pub use ingest::{Ingest, IngestOptions, Rate, ingest};
pub use meet::{Differing, Meet, Meetings, meet};
pub use spread::Spread;
