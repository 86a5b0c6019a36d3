//! The environment of a simulated replica: a clock of the simulation's time, perhaps wrong, and random bytes of
//! the seed.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::WallMs;
use crate::drill::chance::Chance;
use crate::replica::environment::Environment;

/// The true time of a simulation, in milliseconds since 1970.
#[derive(Debug, Clone, Default)]
pub(super) struct TrueTime(Arc<AtomicU64>);

impl TrueTime {
    /// Sets it.
    pub(super) fn set(&self, ms: u64) {
        self.0.store(ms, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one machine sees of the world.
pub(super) struct SimEnvironment {
    time: TrueTime,
    /// What its clock shows beyond the true time, in milliseconds.
    skew_ms: AtomicI64,
    chance: Mutex<Chance>,
}

impl SimEnvironment {
    /// Makes the environment of a machine.
    pub(super) fn new(time: TrueTime, chance: Chance) -> Arc<Self> {
        Arc::new(Self { time, skew_ms: AtomicI64::new(0), chance: Mutex::new(chance) })
    }

    /// Returns by how much its clock is wrong.
    pub(super) fn skew_ms(&self) -> i64 {
        self.skew_ms.load(Ordering::Relaxed)
    }

    /// Sets by how much its clock is wrong.
    pub(super) fn set_skew_ms(&self, ms: i64) {
        self.skew_ms.store(ms, Ordering::Relaxed);
    }
}

impl Environment for SimEnvironment {
    fn now(&self) -> WallMs {
        WallMs(self.time.get().saturating_add_signed(self.skew_ms()))
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).fill(bytes);
    }
}
