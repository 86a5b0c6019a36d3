//! What a stage, the simulated or the live one, can be told to do: the small set of deeds below all events.
//!
//! Replicas and links are numbers: their places in [`Scenario::replicas`](super::scenario::Scenario::replicas) and
//! [`Scenario::links`](super::scenario::Scenario::links). A deed says what shall be so: a stage leaves alone what is
//! so already. Starting a replica that runs, or whose disk is destroyed, cutting the power of one that is down, or
//! cutting a link that is cut does nothing and is no failure: events that choose at random may overlap.

use std::path::PathBuf;
use std::time::Duration;

use super::people::InventedList;
use super::scenario::{HandoverEdit, PatientAlias};
use crate::record::linking::TieKind;
use crate::replica::request::{NewPatient, Write};
use crate::transport::LinkProfile;

/// The reason that a drill gives for every order that the checks speak against: a script does not stop to decide.
pub const OVERRIDE: &str = "訓練の台本のとおり / as the script of the drill says";

/// A deed, and when it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedDeed {
    /// How long after its event.
    pub after: Duration,
    /// What is done.
    pub deed: Deed,
}

/// One thing that a stage does.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// A replica imports files by itself.
    Import {
        /// The replica.
        at: usize,
        /// The files, absolute.
        files: Vec<PathBuf>,
    },
    /// A replica imports an invented list of patients.
    ImportList {
        /// The replica.
        at: usize,
        /// The list.
        list: InventedList,
        /// How later deeds call its first patient, if they do.
        alias: Option<PatientAlias>,
    },
    /// Waits until all running replicas that can reach each other hold the same; too late is a failure.
    WaitConverged {
        /// How long at most.
        within: Duration,
    },
    /// The gateway writes what the bucket lacks.
    Backup,
    /// A patient is registered in a new record.
    Register {
        /// The replica.
        at: usize,
        /// How later deeds call the patient.
        alias: PatientAlias,
        /// What is known.
        patient: NewPatient,
    },
    /// Something is written into a record.
    Write {
        /// The replica.
        at: usize,
        /// The patient.
        patient: PatientAlias,
        /// What.
        write: Write,
    },
    /// Somebody says of two patients' records whether they are one person's.
    Tie {
        /// The replica.
        at: usize,
        /// The patients.
        patients: [PatientAlias; 2],
        /// What is said.
        tie: TieKind,
        /// Why.
        reason: String,
        /// The replica must have suggested it.
        suggested: bool,
    },
    /// The hand-over text of a record is edited.
    Handover {
        /// The replica.
        at: usize,
        /// The patient.
        patient: PatientAlias,
        /// How.
        edit: HandoverEdit,
    },
    /// A machine writes a bundle with everything in shared areas to a stick.
    PackStick {
        /// The replica.
        at: usize,
        /// Which stick.
        stick: u64,
    },
    /// A machine reads what is whole on a stick.
    ReadStick {
        /// The replica.
        at: usize,
        /// Which stick.
        stick: u64,
        /// So much of its end is missing, in percent.
        torn_percent: u64,
    },
    /// A patient's card is printed as QR codes, and read by another machine.
    HandCard {
        /// The replica that prints.
        at: usize,
        /// The replica that reads.
        to: usize,
        /// The patient.
        patient: PatientAlias,
    },
    /// Writers write one note after another, and power is cut right after one is acknowledged; with two writers
    /// or more another note is being written at that moment.
    KillInMidWrite {
        /// The replica.
        at: usize,
        /// The patient.
        patient: PatientAlias,
        /// How many notes are acknowledged before.
        after_writes: u64,
        /// How many write at once.
        writers: usize,
    },
    /// A replica that is down starts.
    Start {
        /// The replica.
        at: usize,
    },
    /// A replica ends in order.
    Stop {
        /// The replica.
        at: usize,
    },
    /// Power is cut and the disk is gone.
    DestroyDisk {
        /// The replica.
        at: usize,
    },
    /// A new disk is filled from the bucket and the site's recovery kit alone; the replica is not started yet.
    Restore {
        /// The replica.
        at: usize,
    },
    /// The path of a link changes.
    Path {
        /// The link.
        link: usize,
        /// How it is from now on.
        state: PathState,
    },
    /// The backup's bucket is reachable, or not, from everywhere.
    Bucket {
        /// Whether it is.
        reachable: bool,
    },
    /// The process dies (SIGKILL); the disk keeps everything that it was given.
    Crash {
        /// The replica.
        at: usize,
    },
    /// Power is lost, in mid-write when one is under way: sectors that were not synced are torn or lost.
    PowerCut {
        /// The replica.
        at: usize,
    },
    /// The process is stopped (SIGSTOP), or goes on (SIGCONT).
    Freeze {
        /// The replica.
        at: usize,
        /// Whether it is stopped.
        frozen: bool,
    },
    /// The disk refuses to grow, or has room again.
    DiskFull {
        /// The replica.
        at: usize,
        /// Whether it is full.
        full: bool,
    },
    /// Sectors of the disk rot.
    DiskCorrupt {
        /// The replica.
        at: usize,
        /// How many; the stage chooses which.
        sectors: u32,
    },
    /// A copy of the disk is made, in place of the one before.
    CopyDisk {
        /// The replica.
        at: usize,
    },
    /// A replica that runs goes on from the copy of its disk, as if nothing had been written since; one that is down,
    /// or whose disk is another by now, is left alone.
    SetBack {
        /// The replica.
        at: usize,
    },
    /// The wall clock of a device is set.
    Clock {
        /// The replica.
        at: usize,
        /// How.
        change: ClockChange,
    },
    /// The device alters the runs that it relays, or stops doing so: an attacker inside.
    Lie {
        /// The replica.
        at: usize,
        /// Whether it lies.
        lying: bool,
    },
}

/// How the path of a link is.
#[derive(Debug, Clone, PartialEq)]
pub enum PathState {
    /// As its plan says.
    Up,
    /// Nothing passes.
    Down,
    /// Only what travels towards one end passes.
    OneWay {
        /// That end: 0 or 1, the place in [`LinkPlan::ends`](super::scenario::LinkPlan::ends).
        towards: usize,
    },
    /// It is up, with another profile than its plan says.
    Degraded(LinkProfile),
}

/// How a wall clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// From now on it shows the true time plus this; 0 sets it right.
    Skew {
        /// Milliseconds; less than 0 is slow.
        ms: i64,
    },
    /// It jumps by this.
    Jump {
        /// Milliseconds; less than 0 is backwards.
        ms: i64,
    },
}

impl Deed {
    /// Returns the replica that does it or suffers it, if it is one.
    pub fn at(&self) -> Option<usize> {
        match self {
            Deed::Import { at, .. }
            | Deed::ImportList { at, .. }
            | Deed::Register { at, .. }
            | Deed::Write { at, .. }
            | Deed::Tie { at, .. }
            | Deed::Handover { at, .. }
            | Deed::PackStick { at, .. }
            | Deed::ReadStick { at, .. }
            | Deed::HandCard { at, .. }
            | Deed::KillInMidWrite { at, .. }
            | Deed::Start { at }
            | Deed::Stop { at }
            | Deed::DestroyDisk { at }
            | Deed::Restore { at }
            | Deed::Crash { at }
            | Deed::PowerCut { at }
            | Deed::Freeze { at, .. }
            | Deed::DiskFull { at, .. }
            | Deed::DiskCorrupt { at, .. }
            | Deed::CopyDisk { at }
            | Deed::SetBack { at }
            | Deed::Clock { at, .. }
            | Deed::Lie { at, .. } => Some(*at),
            Deed::WaitConverged { .. } | Deed::Backup | Deed::Path { .. } | Deed::Bucket { .. } => None,
        }
    }

    /// Says whether it is a person's writing, which no end of a fault undoes.
    pub fn is_writing(&self) -> bool {
        matches!(
            self,
            Deed::Import { .. }
                | Deed::ImportList { .. }
                | Deed::Register { .. }
                | Deed::Write { .. }
                | Deed::Tie { .. }
                | Deed::Handover { .. }
        )
    }

    /// Makes it a deed that is done at the time of its event.
    pub fn at_once(self) -> TimedDeed {
        self.after(Duration::ZERO)
    }

    /// Makes it a deed that is done some time after its event.
    pub fn after(self, after: Duration) -> TimedDeed {
        TimedDeed { after, deed: self }
    }
}
