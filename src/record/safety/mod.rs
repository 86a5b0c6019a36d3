//! Safety checks over the joined statements of one person: what must not meet, and who could not know it.
//!
//! A check runs on every view and before every order, so it speaks again whenever statements arrive from
//! elsewhere: harm that only the joined history shows is shown as soon as it is joined.
//!
//! - **Rules are data** (`table`): a CSV table of pairs of YJ prefixes. The one in this tree is a demonstration,
//!   **not for clinical use**; a site loads its licensed one.
//! - **Resolving** (`resolve`, with the names of `lexicon`): codes first, then names. What cannot be resolved is
//!   counted and named ([`Coverage`]): an unresolved drug is not a safe one.
//! - **Checking** (`check`): drug and allergy, drug and drug, duplicate ingredient, class and test. Few alerts: one
//!   for a pair of ingredients, however many orders there are. Contraindicated interrupts, caution lists.
//! - **Looking back** (`hindsight`): which author knew of the other side, and since when the harm was possible.
//! - **Overriding** (`overriding`): whoever orders all the same says why, in a `DetectedIssue` beside the order.
//!
//! What counts as being taken is told in `evidence`. "Now" is an argument: a view takes its latest statement's
//! time, whoever writes takes the clock. Laws (`safety::tests`): the same evidence gives the same alerts whatever the
//! order of records; what is stopped, finished, refuted or resolved does not alert; what is disputed does.
//!
//! No clinician has reviewed the checks yet.

pub mod alert;
pub mod check;
pub mod evidence;
pub mod hindsight;
pub mod lab;
pub mod lexicon;
pub mod overriding;
pub mod resolve;
pub mod table;
#[cfg(test)]
mod tests;

pub use alert::{Alert, AlertKind, Checked, Coverage, Override, Severity, Witness, Words};
pub use check::{Checker, check, check_together};
pub use evidence::{Evidence, Sections};
pub use table::{Table, TableError};
