//! The meter of one peer's link: counts what passes while a session runs, and keeps what was used of the day's bytes.

use std::sync::Arc;

use super::budget::{Budget, Used};
use super::core::Replica;
use super::error::ReplicaError;
use crate::base::{cbor, hash_tagged};
use crate::store::Batch;
use crate::sync::Reach;
use crate::transport::LinkStats;

/// After this share of a day's bytes the count is made durable, so that a power cut forgets no more.
const SAVED_EVERY: u64 = 20;

/// A budget and what has passed of it in one session.
pub struct Meter {
    replica: Arc<Replica>,
    name: String,
    budget: Budget,
    /// Bytes of the link that have been counted.
    counted: u64,
    saved: Used,
}

impl Meter {
    /// Reads what was used of the day's bytes of a peer, by its name in the configuration.
    ///
    /// # Errors
    /// When the store fails.
    pub fn open(replica: &Arc<Replica>, peer: &str, bytes_per_day: u64) -> Result<Self, ReplicaError> {
        let name = format!("budget-{}", hash_tagged("musubi.budget.peer.v1", &[peer.as_bytes()]).short());
        let saved = replica.store().named(&name)?;
        // A count of another version is begun anew.
        let saved = saved.and_then(|bytes| cbor::from_canonical(&bytes).ok()).unwrap_or_default();
        let budget = Budget::new(bytes_per_day, saved);
        Ok(Self { replica: replica.clone(), name, budget, counted: 0, saved })
    }

    /// Returns the budget as it is counted.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns what was used today.
    pub fn used(&self) -> Used {
        self.budget.used(self.replica.environment().now())
    }

    /// Says whether what is left today is enough for one more meeting.
    pub fn is_enough_to_meet(&self) -> bool {
        self.budget.is_enough_to_meet(self.replica.environment().now())
    }

    /// Says how far down the order of urgency the link may be used now.
    pub fn reach(&self) -> Reach {
        self.budget.reach(self.replica.environment().now())
    }

    /// Counts what the link has carried since the last time.
    ///
    /// # Errors
    /// When the store fails.
    pub fn count(&mut self, stats: &LinkStats) -> Result<(), ReplicaError> {
        let carried = stats.udp_bytes_sent + stats.udp_bytes_received;
        self.budget.spend(self.replica.environment().now(), carried.saturating_sub(self.counted));
        self.counted = carried;
        let used = self.used();
        let unsaved = used.bytes.abs_diff(self.saved.bytes);
        let many = used.day != self.saved.day || unsaved > self.budget.per_day() / SAVED_EVERY;
        if many { self.save() } else { Ok(()) }
    }

    /// Makes the count durable.
    ///
    /// # Errors
    /// When the store fails.
    pub fn save(&mut self) -> Result<(), ReplicaError> {
        let used = self.used();
        if used != self.saved {
            let named = vec![(self.name.clone(), cbor::to_vec(&used))];
            self.replica.store().commit(Batch { named, ..Batch::default() })?;
            self.saved = used;
        }
        Ok(())
    }
}
