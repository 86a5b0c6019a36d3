//! What is asked of bundles, and what they answer: files on a stick, and codes on paper.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{Area, Part, RecordId, WallMs};

/// A bundle that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleWanted {
    /// For whom.
    pub target: BundleFor,
    /// Only these areas; empty: all that the target may hold.
    #[serde(default)]
    pub areas: BTreeSet<Area>,
    /// Only these parts, and control, which they need; empty: all.
    #[serde(default)]
    pub parts: BTreeSet<Part>,
    /// The file, absolute.
    pub out: PathBuf,
}

/// For whom a bundle is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BundleFor {
    /// Who wrote this request file, absolute: what they lack.
    Request(PathBuf),
    /// A site, by its name or at least 8 digits of its id: all that it may hold.
    Site(String),
    /// The whole realm: everything in shared areas.
    Realm,
}

/// A request that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleRequested {
    /// The file.
    pub to: String,
    /// Lanes named in it.
    pub lanes: u64,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A bundle that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BundleExported {
    /// The file.
    pub to: String,
    /// For whom, for people.
    pub target: String,
    /// The bundle's name.
    pub bundle: String,
    /// Blocks in it, the footer among them.
    pub blocks: u64,
    /// Entries in it.
    pub entries: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes of it that were there from an earlier attempt.
    pub continued: u64,
    /// How many entries of each area and part.
    pub groups: Vec<BundleGroup>,
    /// What could not be put into it, with the reason.
    pub problems: Vec<String>,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// How much of an area and part a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleGroup {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// Entries.
    pub entries: u64,
}

/// What an import of bundles and codes did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BundleImported {
    /// The files, in the order given.
    pub files: Vec<BundleFile>,
    /// The cards that were read from codes.
    pub cards: Vec<CardImported>,
    /// What is wrong with single images.
    pub images: Vec<String>,
    /// Entries that are new here.
    pub entries: u64,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What came of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleFile {
    /// The file.
    pub file: String,
    /// The bundle's name, when any of it is whole.
    pub bundle: Option<String>,
    /// Who wrote it: site and device.
    pub from: Option<String>,
    /// When, by the writer's clock.
    pub made: Option<WallMs>,
    /// Whole blocks in it.
    pub blocks: u64,
    /// Blocks that this device has no key for, or does not hold the area of.
    pub for_others: u64,
    /// Entries from it that are new here.
    pub entries: u64,
    /// What is wrong and what is missing; empty when the whole bundle was read.
    pub problems: Vec<String>,
}

/// A card that was read from QR codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardImported {
    /// The set of codes.
    pub set: String,
    /// How many codes it has.
    pub codes: u64,
    /// The codes that are missing, as they are numbered on the paper.
    pub missing: Vec<u8>,
    /// The record, when the card was read.
    pub record: Option<RecordId>,
    /// As known to which site.
    pub site: Option<String>,
    /// As known when.
    pub time: Option<WallMs>,
    /// Entries in it whose proof holds.
    pub entries: u64,
    /// Why it was not read, or not all of it.
    pub problem: Option<String>,
}

/// A card that was written as QR codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardExported {
    /// The folder.
    pub to: String,
    /// The record.
    pub record: RecordId,
    /// The set of codes.
    pub set: String,
    /// How many codes, each as SVG and as PNG.
    pub codes: u64,
    /// Entries in them.
    pub entries: u64,
    /// The bytes that the codes carry.
    pub bytes: u64,
    /// Whether the realm is a drill's, so that every sheet is marked.
    pub is_drill: bool,
}

impl BundleImported {
    /// Says whether everything in every file and image was read.
    pub fn is_complete(&self) -> bool {
        let cards = self.cards.iter().all(|card| card.missing.is_empty() && card.problem.is_none());
        cards && self.images.is_empty() && self.files.iter().all(|file| file.problems.is_empty())
    }
}
