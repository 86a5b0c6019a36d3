//! 名寄せ: which records may be one person's, and what people have said about it.
//!
//! *Candidates.* [`Traits`] folds what is known of a person, [`block`] finds the pairs worth comparing, [`Comparison`]
//! says field by field how well they agree, [`Score`] how probable it is that they are one person, and why.
//!
//! Invariant: nothing here links anything. A link is a statement that a person writes.

pub mod block;
pub mod candidates;
pub mod commonness;
pub mod compare;
pub mod normal;
pub mod score;
pub mod traits;
pub mod variants;
pub mod weights;
pub mod words;

pub use candidates::{Candidate, candidates};
pub use commonness::Commonness;
pub use compare::{Agreement, Comparison, Field};
pub use score::{Evidence, Score, Verdict};
pub use traits::{Raw, Traits};
