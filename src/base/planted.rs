//! Planted bugs: faults that a drill puts into its own replicas, to prove that its checks notice.
//!
//! A check that has never failed proves nothing. Each fault of [`Plant`] is a mistake that somebody could make,
//! at the very place where it would be made. A simulator plants one for its thread ([`plant`]); a live process for
//! all its threads ([`plant_everywhere`], asked for by an environment variable that `replica::sabotage` reads).
//!
//! The pure layers ask [`is_planted`], and are pure all the same: in a build that people use the answer is the
//! constant `false` and the compiler removes the question; in a build for tests it is an argument that the
//! caller gives by the thread instead of through every call between.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

/// Whether bugs can be planted in this build: debug builds, and those with the feature `sabotage`.
pub const AVAILABLE: bool = cfg!(any(debug_assertions, feature = "sabotage"));

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Plant {
    /// The store commits without waiting for the disk, once it holds a lane: what was acknowledged is gone after
    /// a power cut or a crash.
    SkipFsync,
    /// Admission takes a run whose checkpoint its device has not signed.
    SkipCheckpointCheck,
    /// Of concurrent statements about one allergy only the latest is shown, and no conflict: a refutation hides
    /// an assertion that it has not seen.
    LastWriteWinsAllergies,
    /// A write is acknowledged a while before it is written.
    AcknowledgeBeforePersisting,
    /// When two replicas meet again, what a lane has grown by is counted as sent and held by the peer, and is not
    /// sent in this session or a later one. Control lanes are spared, so that keys do not go missing too.
    LoseRunOnReconnect,
    /// Some writes are acknowledged and never written.
    DropAcknowledgedWrite,
    /// One lane is left out of what every session but a process's first compares, sends and takes.
    ForgetLaneOnReconnect,
    /// What is read from the store to be sent counts as held by the peer, before it has said so.
    CountSentAsHeld,
}

const COUNT: usize = Plant::ALL.len();

thread_local! {
    /// How many guards of this thread plant each fault.
    static HERE: Cell<[u32; COUNT]> = const { Cell::new([0; COUNT]) };
}

/// The faults of the whole process, one bit each.
static EVERYWHERE: AtomicU32 = AtomicU32::new(0);

impl Plant {
    /// All faults.
    pub const ALL: [Plant; 8] = [
        Self::SkipFsync,
        Self::SkipCheckpointCheck,
        Self::LastWriteWinsAllergies,
        Self::AcknowledgeBeforePersisting,
        Self::LoseRunOnReconnect,
        Self::DropAcknowledgedWrite,
        Self::ForgetLaneOnReconnect,
        Self::CountSentAsHeld,
    ];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipFsync => "skip-fsync",
            Self::SkipCheckpointCheck => "skip-checkpoint-check",
            Self::LastWriteWinsAllergies => "last-write-wins-allergies",
            Self::AcknowledgeBeforePersisting => "acknowledge-before-persisting",
            Self::LoseRunOnReconnect => "lose-run-on-reconnect",
            Self::DropAcknowledgedWrite => "drop-acknowledged-write",
            Self::ForgetLaneOnReconnect => "forget-lane-on-reconnect",
            Self::CountSentAsHeld => "count-sent-as-held",
        }
    }

    /// Finds a fault by its name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// Says whether a fault is planted on this thread or in this process; never where none is [`AVAILABLE`].
#[inline]
pub fn is_planted(fault: Plant) -> bool {
    AVAILABLE
        && (HERE.get()[fault as usize] > 0 || EVERYWHERE.load(Ordering::Relaxed) & (1 << fault as u32) != 0)
}

/// A fault that is planted on the thread that made it, until it is dropped there.
#[derive(Debug)]
#[must_use = "the fault is gone as soon as this is dropped"]
pub struct Planted {
    fault: Plant,
    /// What is thread-local is not taken back from elsewhere.
    on_this_thread: PhantomData<*const ()>,
}

/// Plants a fault on this thread, where faults are [`AVAILABLE`].
pub fn plant(fault: Plant) -> Planted {
    change(fault, |guards| guards.saturating_add(1));
    Planted { fault, on_this_thread: PhantomData }
}

/// Plants a fault in this process for good, where faults are [`AVAILABLE`].
pub fn plant_everywhere(fault: Plant) {
    EVERYWHERE.fetch_or(1 << fault as u32, Ordering::Relaxed);
}

impl Drop for Planted {
    fn drop(&mut self) {
        change(self.fault, |guards| guards.saturating_sub(1));
    }
}

fn change(fault: Plant, by: impl FnOnce(u32) -> u32) {
    let mut here = HERE.get();
    here[fault as usize] = by(here[fault as usize]);
    HERE.set(here);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_planted_on_its_thread_while_its_guard_lives() {
        for fault in Plant::ALL {
            assert!(!is_planted(fault));
            let guard = plant(fault);
            assert!(Plant::ALL.into_iter().all(|other| is_planted(other) == (other == fault)));
            let elsewhere = std::thread::spawn(move || is_planted(fault));
            assert!(!elsewhere.join().unwrap());
            let again = plant(fault);
            drop(guard);
            assert!(is_planted(fault));
            drop(again);
            assert!(!is_planted(fault));
        }
    }

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        for (place, fault) in Plant::ALL.into_iter().enumerate() {
            assert_eq!((Plant::by_name(fault.name()), fault as usize), (Some(fault), place));
        }
        assert_eq!(Plant::by_name("nothing"), None);
    }
}
