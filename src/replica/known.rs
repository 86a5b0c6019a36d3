//! What a replica tells of others in its status: how far each site was heard, where its own writings are, how ready each
//! site is, and what would be lacking if some were cut off. Counts and names of sites only, nothing of patients.

use serde::{Deserialize, Serialize};

use super::pull_answer::PullCounts;
use super::readiness::Readiness;
use crate::base::{Area, Part, WallMs};

/// What a replica knows of others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// How far each site was heard, this replica's own first.
    #[serde(default)]
    pub sites: Vec<SiteHeard>,
    /// Where this device's own writings are.
    #[serde(default)]
    pub own: OwnWritings,
    /// How ready each site is that has written or said something.
    #[serde(default)]
    pub readiness: Vec<Readiness>,
    /// Single people that were asked for, here and by others.
    #[serde(default)]
    pub pulls: PullCounts,
}

/// How far a site was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteHeard {
    /// Its name.
    pub site: String,
    /// Whether it is this replica's own.
    pub own: bool,
    /// Entries held that its devices wrote.
    pub entries: u64,
    /// When they wrote the latest of them, by their own clocks.
    pub wrote: Option<WallMs>,
    /// When something that they wrote last arrived here, over whomever.
    pub arrived: Option<WallMs>,
    /// When a session with one of its devices was last in sync.
    pub in_sync: Option<WallMs>,
    /// The later of the two; none when it was never heard.
    pub heard: Option<WallMs>,
    /// How long ago that is, in milliseconds.
    pub silent_ms: Option<u64>,
}

/// Where the writings of this device are: entries about patients, at least on so many devices.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OwnWritings {
    /// All of them.
    pub writings: u64,
    /// On this device alone, as far as known, and in no backup.
    pub on_this_device_only: u64,
    /// How many are on how many devices, fewest first.
    pub on: Vec<OnDevices>,
    /// On a device of another site.
    pub off_site: u64,
    /// In the backup.
    pub in_backup: u64,
}

/// How many writings are on so many devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDevices {
    /// Devices, this one among them.
    pub devices: u64,
    /// Writings.
    pub writings: u64,
}

/// What would be lacking if sites were cut off now, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IfCut {
    /// The sites that are cut off.
    pub cut: Vec<String>,
    /// What only they hold: nobody else could give it.
    pub only_there: Vec<LackingPart>,
    /// What each other site would lack, this replica's own first; sites that would lack nothing are left out.
    pub lacking: Vec<Lacking>,
    /// Entries that devices have signed to hold, of lanes that are not known here by name, and only the cut sites hold.
    pub unnamed_entries: u64,
    /// How ready the sites are that are cut off.
    pub readiness: Vec<Readiness>,
}

/// What a site would lack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lacking {
    /// The site.
    pub site: String,
    /// Whether it is this replica's own.
    pub own: bool,
    /// Entries that only the cut sites hold.
    pub only_there: u64,
    /// Entries that another site holds, too, and that it could get there.
    pub elsewhere: u64,
    /// The same by area and part.
    pub parts: Vec<LackingPart>,
}

/// What is lacking in one area and part of what one site has written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LackingPart {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The site that wrote it; empty when nothing of its lane is held here.
    pub written_at: String,
    /// Entries that only the cut sites hold.
    pub only_there: u64,
    /// Entries that another site holds, too.
    pub elsewhere: u64,
    /// The records that the entries only there are about; none where they are not here, so that nobody can look.
    pub records: Option<u64>,
}
