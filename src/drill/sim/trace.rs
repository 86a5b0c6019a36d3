//! The trace of a simulation: one hash over everything that happened, in order.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::base::Digest;

/// A running hash over what happens: equal for equal runs, and different as soon as one message, write or fault is.
#[derive(Clone)]
pub struct Trace {
    hasher: Sha256,
    events: u64,
}

impl Default for Trace {
    fn default() -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"musubi.sim.trace.v1");
        Self { hasher, events: 0 }
    }
}

impl Trace {
    /// Notes that something happened: when, what, to whom, with which bytes.
    pub fn note(&mut self, at: Duration, what: &'static str, whom: u64, bytes: &[u8]) {
        self.events += 1;
        self.hasher.update((at.as_micros() as u64).to_be_bytes());
        self.hasher.update((what.len() as u64).to_be_bytes());
        self.hasher.update(what.as_bytes());
        self.hasher.update(whom.to_be_bytes());
        self.hasher.update((bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
    }

    /// Returns how many things were noted.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Returns the hash over all of them.
    pub fn digest(&self) -> Digest {
        Digest(self.hasher.clone().finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_what_happens_counts() {
        let trace = |at: u64, what, whom, bytes: &[u8]| {
            let mut trace = Trace::default();
            trace.note(Duration::from_millis(at), what, whom, bytes);
            trace.digest()
        };
        let one = trace(1, "sent", 2, b"abc");
        assert_eq!(one, trace(1, "sent", 2, b"abc"));
        for other in [trace(2, "sent", 2, b"abc"), trace(1, "kept", 2, b"abc"), trace(1, "sent", 3, b"abc")] {
            assert_ne!(one, other);
        }
        assert_ne!(one, trace(1, "sent", 2, b"abd"));
    }
}
