//! 名寄せ: which records may be one person's, and what people have said about it.
//!
//! *Candidates.* [`Traits`] folds what is known of a person, [`block`] finds the pairs worth comparing, [`Comparison`]
//! says field by field how well they agree, [`Score`] how probable it is that they are one person, and why, and [`third`]
//! what other registrations say of the two.
//!
//! *Ties.* [`tie`] reads what people have said of pairs of records, [`group`] what follows for more than two, and
//! [`PersonView`] shows the joined records as one, without fusing them. [`unnamed`] names those whose name nobody knows.
//!
//! Invariant: nothing here links anything. A link is a statement that a person writes.

pub mod block;
pub mod candidates;
pub mod commonness;
pub mod compare;
pub mod group;
pub mod normal;
pub mod order;
pub mod person;
pub mod quality;
pub mod score;
#[cfg(test)]
mod tests;
pub mod third;
pub mod tie;
pub mod told;
pub mod traits;
pub mod unnamed;
pub mod variants;
pub mod weights;
pub mod words;

pub use candidates::{Candidate, candidates, candidates_of};
pub use commonness::Commonness;
pub use compare::{Agreement, Comparison, Field};
pub use group::Groups;
pub use person::PersonView;
pub use quality::Quality;
pub use score::{Evidence, Score, Verdict};
pub use tie::{Pair, PairState, TieKind, Tied};
pub use traits::{Raw, Traits};
