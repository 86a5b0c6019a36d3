//! The kinds of findings, and how much each weighs.

use serde::Serialize;

use crate::drill::scenario::Told;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// Acknowledged writes that a replica lacks.
    LostWrites,
    /// Entries that were lost with a disk for good.
    LostWithDisk,
    /// Altered runs that were not refused.
    LiesAccepted,
    /// Contradictions with possible harm that nobody settled.
    OpenDisputes,
    /// Warnings that came too late because lines were cut.
    LateAlerts,
    /// Contradictions that nobody could see before the end.
    UnseenDisputes,
    /// Decisions without being able to open the record.
    UnreadDecisions,
    /// What people did and could not record.
    UnwrittenDecisions,
    /// Two sites without a way to each other, and decisions on old records in that time.
    Apart,
    /// Decisions on old records.
    StaleDecisions,
    /// How long each site worked in touch with nobody.
    Isolation,
    /// The site that could read or write the least.
    WorstAvailability,
    /// Replicas that did not come to hold the same.
    NotConverged,
    /// The slowest reunion.
    SlowestReunion,
    /// Recovery from the backup: how long it took, how old the backup was.
    Recovery,
    /// A write that one replica alone holds.
    HeldByOne,
    /// Links that carried more than they may.
    OverQuota,
    /// Events of the scenario that could not be done.
    EventsFailed,
    /// Faults that were made and hit nothing: what they should test was not tested.
    FaultsIdle,
    /// Faults that were made and did no harm.
    FaultsHarmless,
    /// Nothing that was acknowledged was lost.
    NothingLost,
    /// Every replica could read all the time.
    AlwaysReadable,
    /// All came to hold the same after every separation.
    AllConverged,
    /// Everything with possible harm was settled by a person.
    AllSettled,
    /// No decision rested on old records.
    AlwaysCurrent,
}

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// People could have come to harm, or records are lost.
    Danger,
    /// Something to improve.
    Concern,
    /// Something to know.
    Note,
    /// Something that went well.
    Good,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: FindingKind,
    /// How it is meant.
    pub tone: Tone,
    /// One or two sentences with the figures.
    pub told: Told,
}

impl Finding {
    /// Makes a finding of its parts.
    pub(super) fn new(kind: FindingKind, tone: Tone, ja: String, en: String) -> Self {
        Self { kind, tone, told: Told { ja, en } }
    }
}
