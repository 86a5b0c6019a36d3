//! QUIC with raw ed25519 keys, the UDP relay that makes faults, and what finds peers on a local network.
//!
//! This part carries byte messages between two devices and knows nothing of what they mean.
//!
//! Invariants:
//!
//! 1. The device key is the TLS identity (RFC 7250 raw public keys, no X.509): nothing expires. A [`Link`]
//!    exists only after both sides have proven their key and the caller's [`AdmissionPolicy`] has admitted it.
//! 2. The dialling side returns from [`Endpoint::connect`] only after the accepting side has welcomed it, so a
//!    refusal is an error with a reason, never a link that dies later.
//! 3. No wait lasts for ever: a path on which nothing arrives fails after [`Options::silence_max`], a peer that
//!    makes no progress after [`Options::stall_max`].
//! 4. No byte from the wire makes this part allocate more than the limits of [`Options`], or panic.
//! 5. Dials are counted by socket, address and key before they cost anything, links have shares ([`Guard`]), and
//!    whoever is refused is told why and when to come back, or not answered at all.
//!
//! One connection carries one bidirectional stream, opened by the dialling side with the last step of the handshake:
//!
//! ```text
//! both ways, first:               6D 75 73 75 62 69 00 02          "musubi", format 2; the accepting side's is the welcome
//! both ways, any number of:       length u32 big-endian | length bytes of message
//! ```
//!
//! The dialling side need not wait for the welcome to say its first messages ([`Endpoint::connect_saying`]).
//!
//! [`Relay`] stands between two endpoints and loses, delays, throttles or cuts what passes, after a
//! [`LinkProfile`]. [`Backoff`] says when to dial again. [`Multicast`] carries what replicas of a realm say to find
//! each other ([`Beacon`]); whom they are is proven on the link alone.

mod acceptor;
mod backoff;
mod beacon;
mod bucket;
mod carried;
mod close;
mod endpoint;
mod error;
mod frame;
mod gate;
mod guard;
mod interfaces;
mod link;
mod liveness;
mod multicast;
mod options;
mod profile;
mod raw_key;
mod refusal;
mod relay;
mod seats;
mod shaper;
#[cfg(test)]
mod storm_tests;
#[cfg(test)]
mod tests;

pub use backoff::{BACKOFF_FIRST, BACKOFF_LEAST, BACKOFF_MAX, BUSY_FIRST, Backoff, FIRST_DIAL_WITHIN};
pub use beacon::{BEACON_BYTES_MAX, BEACON_TTL_SECONDS, Beacon, RealmKey, Said, Salt};
pub use bucket::Rate;
pub use close::{CLOSE_REASON_BYTES_MAX, CloseCode};
pub use endpoint::Endpoint;
pub use error::{ErrorKind, TransportError};
pub use gate::{BAR_FIRST, BAR_MAX, Gate, GateLimits, OFFENCES_FORGOTTEN_AFTER, Step, source_of};
pub use guard::{Guard, GuardLimits, TOLD_EVERY};
pub use link::{Link, LinkHandle, LinkReceiver, LinkSender, LinkStats};
pub use multicast::Multicast;
pub use options::{Admission, AdmissionPolicy, Congestion, Options};
pub use profile::{
    Flap, LinkProfile, Loss, LossOutOfRange, NamedProfile, PROFILES, ProfileName, UnknownProfile,
};
pub use raw_key::PeerKey;
pub use refusal::{COME_BACK_MAX, Refusal, Refusals, Turned};
pub use relay::{DirectionCounters, Relay, RelayCounters};
pub use seats::{MADE_ROOM_FOR, SEAT_HELD_MIN, SEAT_TURN, SeatId, SeatLimits, Seated, Seats};
