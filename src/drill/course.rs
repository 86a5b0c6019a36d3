//! What happened in a run, as data: the only thing that the report, its findings and a comparison read.
//!
//! A course holds no judgement and no prose of its own beyond what events say of themselves. Times are counted
//! from the drill's time zero. Replicas, links and people are numbers; their names are beside them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::Traffic;
use super::scenario::{Scenario, Told, kind_name, role_name};
use crate::base::WallMs;
use crate::replica::budget::day_of;

/// How a run was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Real processes, sockets and disks.
    Live,
    /// The same code on virtual time, with simulated networks, disks and clocks.
    Sim,
    /// No Musubi at all: one central system that every site reads over its line.
    Central,
}

/// What kind of disk a replica of a run had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskKind {
    /// A real file.
    File,
    /// The production store on a simulated disk that tears and loses sectors.
    Simulated,
    /// The memory store.
    Memory,
    /// None: the central system holds everything.
    None,
}

/// One replica of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Member {
    /// Its name in the scenario.
    pub name: String,
    /// Its site, as people call it.
    pub site: String,
    /// What the site is, such as `hospital`.
    pub kind: &'static str,
    /// What the device does, such as `tablet`.
    pub role: &'static str,
    /// The fleet that it belongs to, if any.
    pub fleet: Option<String>,
    /// The areas that it holds.
    pub areas: Vec<String>,
    /// Where its records were.
    pub disk: DiskKind,
    /// Entries that it held at the end.
    pub entries: u64,
    /// Records that it held at the end.
    pub records: u64,
}

impl Member {
    /// A replica as the scenario plans it, which holds nothing yet and has no disk.
    pub fn planned(scenario: &Scenario, place: usize) -> Self {
        let plan = &scenario.replicas[place];
        let fleet = scenario.fleets.iter().find(|fleet| fleet.members.contains(&place));
        Self {
            name: plan.name.to_string(),
            site: plan.site.clone(),
            kind: kind_name(plan.kind),
            role: role_name(plan.role),
            fleet: fleet.map(|fleet| fleet.name.clone()),
            areas: plan.areas.iter().map(ToString::to_string).collect(),
            disk: DiskKind::None,
            entries: 0,
            records: 0,
        }
    }
}

/// Something that the scenario made happen.
#[derive(Debug, Clone, Serialize)]
pub struct Happening {
    /// When.
    pub at: Duration,
    /// The event's name, such as `cut`; empty for a sentence of the story.
    pub event: &'static str,
    /// What to say of it.
    pub told: Told,
    /// The replicas that it concerned; empty when it concerned all or none.
    pub members: Vec<usize>,
    /// Why it could not be done, if so.
    pub failed: Option<String>,
}

/// What people at a replica could do from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Able {
    /// Whether records could be read.
    pub read: bool,
    /// Whether something could be written durably.
    pub write: bool,
    /// Whether at least one other replica, or in a central run the centre, could be reached.
    pub linked: bool,
}

/// A change of what people at a replica could do; each replica has one at time zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AbleFrom {
    /// When.
    pub at: Duration,
    /// The replica.
    pub member: usize,
    /// What it could do from then on.
    pub able: Able,
}

/// What somebody did with a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Registered the person.
    Register,
    /// Wrote a note or a hand-over text.
    Note,
    /// Recorded or refuted an allergy.
    Allergy,
    /// Prescribed, changed or stopped a drug.
    Medication,
    /// Something else.
    Other,
}

/// Somebody read a record and acted on it.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// When.
    pub at: Duration,
    /// The replica.
    pub member: usize,
    /// The person, as the run numbers them.
    pub person: u64,
    /// What was done.
    pub act: Act,
    /// Whether the record could be opened at all.
    pub read: bool,
    /// Whether what was done could be recorded durably at once.
    pub written: bool,
    /// Statements about this person that were acknowledged elsewhere before, and not known here.
    pub unknown: u32,
    /// The age of the oldest of these: how old the knowledge was on which the decision rested. Zero when nothing
    /// was unknown.
    pub stale: Duration,
}

/// A contradiction, or a danger that a person must decide about.
#[derive(Debug, Clone, Serialize)]
pub struct Dispute {
    /// The section, such as `medication`; `alerts` for a safety alert.
    pub section: String,
    /// The kind, such as `dose-vs-stop`.
    pub kind: String,
    /// How much harm is possible: `contraindicated`, `caution` or `none`.
    pub harm: String,
    /// The person.
    pub person: u64,
    /// What the person is called; all people of a drill are invented. Empty when the run knows no name.
    pub called: String,
    /// The replicas where the statements that make it were written, each once, the earliest first.
    pub written_at: Vec<usize>,
    /// When the second of the statements that make it was acknowledged.
    pub arose: Duration,
    /// When a replica first held all that makes it; none when none did.
    pub seen: Option<Duration>,
    /// Where it was first seen.
    pub seen_by: Option<usize>,
    /// When somebody settled it; none when it is open.
    pub decided: Option<Duration>,
    /// Whether it could have been seen when the second statement was made, had the lines been up.
    pub late_by_split: bool,
}

impl Dispute {
    /// Puts the replicas where statements were written in order of time, each once.
    pub(super) fn places(written: impl Iterator<Item = (Duration, usize)>) -> Vec<usize> {
        let mut written: Vec<(Duration, usize)> = written.collect();
        written.sort_unstable();
        let mut places = Vec::new();
        for (_, member) in written {
            if !places.contains(&member) {
                places.push(member);
            }
        }
        places
    }
}

/// A link over the whole run.
#[derive(Debug, Clone, Serialize)]
pub struct LinkCourse {
    /// The replicas at its ends.
    pub ends: [usize; 2],
    /// The name of its profile.
    pub profile: String,
    /// Bytes that passed in both directions, for each hour of the run.
    pub bytes_by_hour: Vec<u64>,
    /// The bytes that it may carry in a day, if that is limited.
    pub quota_bytes_per_day: Option<u64>,
    /// From when on they are limited: in whole hours from then on days are counted.
    pub metered_from: Duration,
    /// When it was cut, and when it healed.
    pub outages: Vec<(Duration, Duration)>,
}

impl LinkCourse {
    /// Returns what the link has carried in each day since its bytes are limited. A day begins at midnight in Japan, as that
    /// of a byte budget does; an hour of the run belongs to the day in which it begins.
    pub fn metered_days(&self, begins_ms: u64) -> Vec<u64> {
        let first = (self.metered_from.as_secs() / 3_600) as usize;
        let mut days: BTreeMap<u64, u64> = BTreeMap::new();
        for (hour, bytes) in self.bytes_by_hour.iter().enumerate().skip(first) {
            *days.entry(day_of(WallMs(begins_ms + hour as u64 * 3_600_000))).or_default() += bytes;
        }
        days.into_values().collect()
    }
}

/// A time of separation and what followed it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Reunion {
    /// When the last fault stopped.
    pub healed: Duration,
    /// When all replicas that could reach each other held the same; none when they did not before `until`.
    pub converged: Option<Duration>,
    /// When the next fault came, or the run ended, or all held the same.
    pub until: Duration,
    /// The replica that was the last to hear anything new before all held the same; none when that was not seen.
    pub last: Option<usize>,
}

/// The loss of a disk, and the restore from the backup if there was one.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreCourse {
    /// The replica.
    pub member: usize,
    /// When it was lost.
    pub lost: Duration,
    /// When it could be read and written again; none when that never was. The recovery time (RTO) counts from the loss.
    pub back: Option<Duration>,
    /// When the backup that it came from was written: the recovery point (RPO) counts back from the loss.
    pub point: Option<Duration>,
    /// Entries that it had acknowledged and the backup did not hold; none when nobody counted them.
    pub behind: Option<u64>,
    /// Of these, entries that no other replica held either: lost for good; none when nobody counted them.
    pub lost_entries: Option<u64>,
}

impl Course {
    /// Says whether a replica's disk was lost and the replica never came back.
    pub fn is_lost(&self, member: usize) -> bool {
        let last = self.restores.iter().rev().find(|restore| restore.member == member);
        last.is_some_and(|restore| restore.back.is_none())
    }

    /// Counts the replicas whose disk was lost and that never came back.
    pub fn lost_for_good(&self) -> usize {
        (0..self.members.len()).filter(|member| self.is_lost(*member)).count()
    }
}

impl Reunion {
    /// A reunion after which all came to hold the same.
    pub fn converged(healed: Duration, at: Duration) -> Self {
        Self { healed, converged: Some(at), until: at, last: None }
    }

    /// Says which replica was the last to hear anything new.
    #[must_use]
    pub fn last(self, last: Option<usize>) -> Self {
        Self { last, ..self }
    }

    /// A reunion that the next fault, or the end of the run, broke off.
    pub fn broken_off(healed: Duration, until: Duration) -> Self {
        Self { healed, converged: None, until, last: None }
    }
}

impl RestoreCourse {
    /// Returns the recovery time: from the loss to the return; none when it never came back.
    pub fn recovery(&self) -> Option<Duration> {
        self.back.map(|back| back.saturating_sub(self.lost))
    }

    /// Returns how long the replica was out, in a run that lasted so long; of one that never came back, to the end.
    pub fn out(&self, lasted: Duration) -> Duration {
        self.back.unwrap_or(lasted).min(lasted).saturating_sub(self.lost)
    }
}

/// What the simulated world did to the system; in a live run what the drill did to processes and disks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// Messages that never arrived.
    pub messages_dropped: u64,
    /// Bytes of messages that never arrived.
    pub bytes_lost: u64,
    /// Connections that broke.
    pub connections_broken: u64,
    /// Messages that lost datagrams delayed.
    pub messages_delayed: u64,
    /// Processes that were killed.
    pub crashes: u64,
    /// Times that power failed.
    pub power_cuts: u64,
    /// Un-synced sectors of 512 bytes that a power cut lost.
    pub sectors_lost: u64,
    /// Writes of several sectors of which a power cut kept a part.
    pub writes_torn: u64,
    /// Sectors that rotted.
    pub sectors_rotten: u64,
    /// Reads that found rot and were repaired or refused.
    pub rot_found: u64,
    /// Writes that were refused because the disk was full.
    pub full_refusals: u64,
    /// Clocks that were set wrong.
    pub clocks_changed: u64,
    /// Calls to the bucket that failed.
    pub bucket_refusals: u64,
    /// Altered runs that an attacker offered.
    pub lies_told: u64,
    /// Offered runs that were refused.
    pub lies_refused: u64,
    /// Disks that were destroyed.
    pub disks_lost: u64,
    /// Processes that were stopped for a while.
    pub freezes: u64,
}

/// An acknowledged write that some replica lacks at the end.
#[derive(Debug, Clone, Serialize)]
pub struct LostWrite {
    /// When it was acknowledged.
    pub at: Duration,
    /// Where.
    pub member: usize,
    /// What it was, without patient data.
    pub what: String,
    /// The replicas that should hold it and do not.
    pub missing_at: Vec<usize>,
}

/// Everything that happened in a run.
#[derive(Debug, Clone, Serialize)]
pub struct Course {
    /// How the run was made.
    pub mode: Mode,
    /// The wall clock at time zero, in milliseconds since 1970.
    pub begins_ms: u64,
    /// How long the run was.
    pub lasted: Duration,
    /// The replicas.
    pub members: Vec<Member>,
    /// The events, in order.
    pub happenings: Vec<Happening>,
    /// What people could do where, in order of time.
    pub able: Vec<AbleFrom>,
    /// What people did, in order of time.
    pub decisions: Vec<Decision>,
    /// Contradictions and dangers, in order of arising.
    pub disputes: Vec<Dispute>,
    /// The links.
    pub links: Vec<LinkCourse>,
    /// Separations and reunions, in order.
    pub reunions: Vec<Reunion>,
    /// Restores, in order.
    pub restores: Vec<RestoreCourse>,
    /// What the simulated world did to the system.
    pub faults: Faults,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Of these, how many replicas hold the one that the fewest hold at the end; none when that was not counted.
    pub held_by_least: Option<u64>,
    /// Acknowledged writes that a replica which should hold them lacks.
    pub lost: Vec<LostWrite>,
    /// Bytes that sync moved.
    pub sync_bytes: u64,
    /// Bytes that backups wrote.
    pub backup_bytes: u64,
    /// Who returned and what they had how soon, and what each replica carried; empty where nobody counts.
    pub traffic: Traffic,
    /// What a reader should know of how the run was made, such as shortcuts of the simulation.
    pub remarks: Vec<Told>,
}
