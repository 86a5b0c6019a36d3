//! What must hold at the end of a drill, and the table of all that can be expected.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::Mistake;
use super::fields::Fields;
use super::key::{Key, Words};
use super::model::PatientAlias;
use super::names::Names;
use crate::base::Part;

/// What must hold at the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// Before the first path healed, the replicas held different things: the cut was real.
    HeadsDifferBeforeHeal,
    /// At the end all replicas hold the same.
    HeadsEqualAfterHeal,
    /// Everything that was acknowledged is on every replica's disk.
    NoAcknowledgedWriteLost,
    /// A conflict waits for a person's decision.
    ConflictOpen {
        /// The section, such as `medication`.
        section: String,
        /// The kind.
        kind: String,
        /// The patient, if only that one will do.
        patient: Option<PatientAlias>,
    },
    /// An alert is shown.
    AlertOpen {
        /// The kind.
        kind: String,
        /// The patient, if only that one will do.
        patient: Option<PatientAlias>,
    },
    /// The restored disk held what the destroyed one had held.
    RestoredHeadsEqual,
    /// The hand-over text holds what each author typed, on every replica.
    HandoverHasAll {
        /// The patient.
        patient: PatientAlias,
    },
    /// Every replica's export and every patient's view are equal.
    RecordsEqual,
    /// After the last fault all replicas that can reach each other hold the same before long.
    Converged {
        /// How long after the last fault at most.
        within: Duration,
    },
    /// No replica shows a record without an allergy that it holds a statement of.
    NoPositiveAllergyMissing,
    /// What the observer compares of records holds.
    Clinical(Clinical),
    /// A restore from the bucket gives what the gateway had written to it.
    BackupRestoresEqual,
    /// Everything that the disks lost or altered was noticed: nothing damaged was shown or passed on.
    DamageDetected,
    /// People could read or write for a share of the time.
    Availability {
        /// What they could do.
        of: Access,
        /// Where; each of these replicas must do.
        at: Vec<usize>,
        /// The share of the time, from 0 to 1.
        at_least: f64,
    },
    /// Decisions rested on knowledge that was not too old.
    Staleness {
        /// The age.
        at_most: Duration,
        /// The share of decisions for which it must hold, from 0 to 1.
        share: f64,
    },
    /// Each acknowledged write is on so many replicas at the end.
    HeldBy {
        /// How many.
        at_least: u64,
    },
    /// So many writes were acknowledged: the drill was no empty one.
    Writes {
        /// How many.
        at_least: u64,
    },
    /// No link carried more in a day than it may.
    QuotaKept,
    /// What was acknowledged in some parts was everywhere it belongs in time.
    EverywhereWithin {
        /// The parts.
        parts: BTreeSet<Part>,
        /// How long after the acknowledgement.
        within: Duration,
        /// The share of the writes for which it must hold, from 0 to 1.
        share: f64,
    },
    /// Something of some parts took long to be everywhere: it waited for what is more urgent.
    Waited {
        /// The parts.
        parts: BTreeSet<Part>,
        /// How long at least.
        at_least: Duration,
    },
    /// Replicas that had been down had the cards of their own areas soon after they started.
    CardsAfterReturn {
        /// The replicas.
        at: Vec<usize>,
        /// How much link time at most.
        within: Duration,
        /// The share of the replicas for which it must hold, from 0 to 1.
        share: f64,
    },
    /// No replica held more in memory at any time.
    MemoryKept {
        /// The replicas.
        at: Vec<usize>,
        /// Bytes of records and sessions.
        at_most_bytes: u64,
    },
    /// Replicas turned dials away, because too many came at once.
    TurnedAway {
        /// The replicas.
        at: Vec<usize>,
        /// How many dials.
        at_least: u64,
    },
    /// Each replica whose disk was lost could be read and written again soon (recovery time objective).
    Rto {
        /// How long after the loss at most.
        at_most: Duration,
    },
    /// The backup from which a replica came back was not too old at the loss (recovery point objective).
    Rpo {
        /// How old at most.
        at_most: Duration,
    },
    /// A second run with the same seed gives the same trace.
    SameTrace,
}

/// What people do with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They read.
    Read,
    /// They write.
    Write,
}

/// What the observer compares of records with what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clinical {
    /// Sections show what was written into them.
    Sections,
    /// Signed notes are read word for word.
    Notes,
    /// What is known to harm is warned of.
    Alerts,
    /// Everybody is found.
    Found,
    /// Links join, and can be undone.
    Links,
    /// What was imported is exported and shown as it was.
    Imports,
    /// Doubles are suggested, and strangers are not.
    Doubles,
    /// What was typed into a hand-over text stands there.
    Handovers,
    /// Both histories of a device that was set back are kept.
    Forks,
    /// Whatever a replica says that another device holds is held there.
    HeldBy,
}

impl Clinical {
    /// Returns the name by which scenario files and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Clinical::Sections => "sections-show-what-was-written",
            Clinical::Notes => "signed-notes-read",
            Clinical::Alerts => "alerts-shown",
            Clinical::Found => "everyone-is-found",
            Clinical::Links => "links-join-and-undo",
            Clinical::Imports => "imports-are-shown",
            Clinical::Doubles => "doubles-are-suggested",
            Clinical::Handovers => "handovers-keep-what-was-typed",
            Clinical::Forks => "forks-are-told",
            Clinical::HeldBy => "held-by-is-true",
        }
    }
}

impl Expectation {
    /// Returns the name by which scenario files and reports call it.
    pub fn name(&self) -> &'static str {
        match self {
            Expectation::HeadsDifferBeforeHeal => "heads-differ-before-heal",
            Expectation::HeadsEqualAfterHeal => "heads-equal-after-heal",
            Expectation::NoAcknowledgedWriteLost => "no-acknowledged-write-lost",
            Expectation::ConflictOpen { .. } => "conflict-open",
            Expectation::AlertOpen { .. } => "alert-open",
            Expectation::RestoredHeadsEqual => "restored-heads-equal",
            Expectation::HandoverHasAll { .. } => "handover-has-all",
            Expectation::RecordsEqual => "records-equal",
            Expectation::Converged { .. } => "converged",
            Expectation::NoPositiveAllergyMissing => "no-positive-allergy-missing",
            Expectation::Clinical(clinical) => clinical.name(),
            Expectation::BackupRestoresEqual => "backup-restores-equal",
            Expectation::DamageDetected => "damage-detected",
            Expectation::Availability { .. } => "availability",
            Expectation::Staleness { .. } => "staleness",
            Expectation::HeldBy { .. } => "held-by",
            Expectation::Writes { .. } => "writes",
            Expectation::QuotaKept => "quota-kept",
            Expectation::EverywhereWithin { .. } => "everywhere-within",
            Expectation::Waited { .. } => "waited",
            Expectation::CardsAfterReturn { .. } => "cards-after-return",
            Expectation::MemoryKept { .. } => "memory-kept",
            Expectation::TurnedAway { .. } => "turned-away",
            Expectation::Rto { .. } => "rto",
            Expectation::Rpo { .. } => "rpo",
            Expectation::SameTrace => "same-trace",
        }
    }
}

/// A kind of expectation.
pub struct ExpectationKind {
    /// The name by which a scenario file calls it.
    pub name: &'static str,
    /// When it holds.
    pub does: Words,
    /// The keys that it has beside `name`.
    pub keys: &'static [Key],
    /// Whether a run with real processes can judge it.
    pub live: bool,
    /// What a scenario may write, for the guide: the table's content, one key a line.
    pub example: &'static str,
    /// Reads its keys.
    pub read: fn(&mut Fields<'_>, &Names) -> Result<Expectation, Mistake>,
}
