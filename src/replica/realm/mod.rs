//! The realm as its operator holds it: the root, the sites, the read keys, and whom they certify.
//!
//! [`Realm`] is data and rules, in memory: nothing in it touches a file, a clock or a random generator, so that a
//! simulator enrols a region in moments. [`RealmFolder`] keeps one in files. A device is given what it needs and no
//! more: its site's certificate and its own, and the wraps that lead from its secret to what its site may read. What
//! it should know of others comes to it in their control lanes.

mod enrol;
mod folder;

pub use enrol::{AreasError, Enrolment, NewDevice, Realm, RecoveryKit, certify};
pub use folder::{CertifiedDevice, RealmError, RealmFolder};
