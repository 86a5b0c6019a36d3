//! What a replica keeps in memory of others, and how it is taken: after `inner`, in this order, never before.

use std::sync::{Mutex, MutexGuard};

use super::core::Replica;
use super::heard::Heard;
use super::hearsay::Hearsay;
use super::tally::Tally;
use crate::base::LaneId;
use crate::store::Store;

/// What is known of others, and counted of what is held.
pub(super) struct Others {
    hearsay: Mutex<Hearsay>,
    heard: Mutex<Heard>,
    tally: Mutex<Tally>,
}

impl Others {
    /// Reads what a store has kept of it; what cannot be read is not known.
    pub(super) fn open(store: &dyn Store, lanes: impl Iterator<Item = LaneId>) -> Self {
        let (heard, tally) = (Mutex::new(Heard::open(store, lanes)), Mutex::new(Tally::open(store)));
        Self { hearsay: Mutex::default(), heard, tally }
    }
}

impl Replica {
    pub(super) fn hearsay(&self) -> MutexGuard<'_, Hearsay> {
        taken(&self.others.hearsay)
    }

    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        taken(&self.others.heard)
    }

    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        taken(&self.others.tally)
    }
}

fn taken<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a thread panicked while it held what is known of others: that is a bug")
}
