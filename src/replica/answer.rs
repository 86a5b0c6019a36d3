//! What a replica answers: the results that commands print as text or as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chart_apart::ApartShown;
use super::chart_marks::SpanShown;
use super::chart_shown::{AnnotationShown, DraftShown, OlderChart, PlanShown};
use super::harm::HarmShown;
use super::knowledge::{KnowledgeShown, WaitShown};
use super::known::Known;
use super::proving::ProvenShown;
use super::reach::Reach;
use super::subscription::Subscribed;
use super::sync_answer::{NearbyStatus, PeerStatus};
use crate::base::{Area, DeviceId, Digest, Part, RecordId, WallMs};
use crate::record::Harm;
use crate::record::linking::unnamed::CalledOut;
use crate::record::linking::{Evidence, PairState, TieKind, Verdict};

/// How a replica is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The realm's name.
    pub realm: String,
    /// The site's name.
    pub site: String,
    /// The device's name.
    pub device: String,
    /// The device's key.
    pub device_id: DeviceId,
    /// What the device does: `hospital`, `tablet` or `gateway`.
    pub role: String,
    /// The areas that it holds, wholly or in part.
    pub areas: Vec<Area>,
    /// What it holds and asks of its peers of each area.
    #[serde(default)]
    pub subscription: Vec<Subscribed>,
    /// Records held.
    pub records: u64,
    /// Entries held.
    pub entries: u64,
    /// Lanes held.
    pub lanes: u64,
    /// Bytes of the store's file.
    pub file_bytes: u64,
    /// One digest over the heads of control, card, notes and data in the shared areas subscribed to: equal on
    /// converged replicas of equal subscription.
    pub heads: Digest,
    /// The digest of each area and part.
    pub groups: Vec<GroupHeads>,
    /// What could not be joined to a record, by reason.
    pub quarantined: u64,
    /// Runs that this disk can no longer read, as far as known; the next peer is asked for them.
    #[serde(default)]
    pub damaged: u64,
    /// Lanes that were found forked.
    pub forked: u64,
    /// The neighbours, when the replica is running.
    pub peers: Vec<PeerStatus>,
    /// Who was found on the local network, when the replica is running and looks for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearby: Option<NearbyStatus>,
    /// What it knows of others: how far each site was heard, where its own writings are, how ready each site is.
    #[serde(default)]
    pub known: Known,
    /// How often peers were refused or cut off since the replica was started, by reason.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// How far every device's lanes were heard.
    pub horizon: Vec<Horizon>,
    /// The last backup that this replica wrote.
    pub backup: Option<BackupStatus>,
    /// Why the last attempt at a backup failed, if it did.
    #[serde(default)]
    pub backup_error: Option<String>,
    /// Why the site's table of rules is not used, if it has a mistake.
    #[serde(default)]
    pub rules_refused: Option<String>,
}

/// The heads of one area and part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHeads {
    /// The area.
    pub area: Area,
    /// The part.
    pub part: Part,
    /// The digest over its lanes' heads.
    pub digest: Digest,
    /// Its lanes.
    pub lanes: u64,
    /// Its entries.
    pub entries: u64,
}

/// How far a device was heard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Horizon {
    /// The device's name.
    pub device: String,
    /// Its site's name.
    pub site: String,
    /// Entries held from it.
    pub entries: u64,
    /// When it wrote the latest of them, by its own clock.
    pub latest: Option<WallMs>,
}

/// The last backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackupStatus {
    /// Where.
    pub url: String,
    /// When.
    pub time: WallMs,
    /// Entries that are not in it yet.
    pub missing_entries: u64,
}

/// What an import did.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Imported {
    /// Files read.
    pub files: u64,
    /// Resources read.
    pub resources: u64,
    /// Resources that are new here.
    pub added: u64,
    /// New versions of resources that were here.
    pub updated: u64,
    /// Resources that were here already.
    pub unchanged: u64,
    /// Resources whose version is known and no longer current.
    pub outdated: u64,
    /// Patients seen.
    pub patients: u64,
    /// Lines and resources that were skipped.
    pub skipped: u64,
    /// The first of them: file, line and reason.
    pub problems: Vec<Problem>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// Something that was skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where lines do not apply.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// Patients found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    /// The patients, best first.
    pub patients: Vec<FoundPatient>,
    /// Whether there were more.
    pub more: bool,
}

/// A patient found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundPatient {
    /// The record.
    pub record: RecordId,
    /// Names as written.
    pub names: Vec<String>,
    /// Birth dates.
    pub birth_dates: Vec<String>,
    /// Sexes.
    pub sexes: Vec<String>,
    /// Towns: addresses without the house, which tell people of one name apart.
    pub towns: Vec<String>,
    /// The ages today, in years, one for each birth date that can be read.
    #[serde(default)]
    pub ages: Vec<u16>,
    /// The day on which somebody last wrote something, or the patient last was somewhere, as `2026-11-22`.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// Other records that are linked as the same person's.
    #[serde(default)]
    pub linked: Vec<RecordId>,
    /// Whether another person of this answer bears one of these names.
    #[serde(default)]
    pub has_namesake: bool,
    /// What of it is known by proofs alone, fetched from a peer or read from paper.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<ProvenShown>,
}

/// A record shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shown {
    /// The record.
    pub record: RecordId,
    /// The areas in which it has entries.
    pub areas: Vec<Area>,
    /// Whose knowledge is shown, when it is not what is known here now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<KnowledgeShown>,
    /// What of it is known by proofs alone, as from QR codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<ProvenShown>,
    /// Statements that follow others which have not arrived here.
    #[serde(default)]
    pub waits: Vec<WaitShown>,
    /// The alerts of the view whose sides were written at several devices, with who could know of what.
    #[serde(default)]
    pub harms: Vec<HarmShown>,
    /// The view of its facts, joined with those of the records that are linked with it.
    pub view: serde_json::Value,
    /// Which records are joined, and what is said of it ([`crate::record::linking::PersonView`]).
    #[serde(default)]
    pub person: serde_json::Value,
    /// How complete and how safe it is; empty when knowledge at a time is shown.
    #[serde(default)]
    pub reach: Reach,
    /// The chart of each area.
    pub charts: Vec<ChartShown>,
    /// The same as text for people.
    pub text: String,
}

/// A chart shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartShown {
    /// The area.
    pub area: Area,
    /// The hand-over text.
    pub handover: String,
    /// The same in spans of equal marks.
    #[serde(default)]
    pub handover_spans: Vec<SpanShown>,
    /// The same with its marks visible, as `show` prints it.
    #[serde(default)]
    pub handover_visible: String,
    /// The sentences of it that several people changed apart.
    #[serde(default)]
    pub handover_apart: Vec<ApartShown>,
    /// The notes being written.
    #[serde(default)]
    pub drafts: Vec<DraftShown>,
    /// The care plan.
    #[serde(default)]
    pub plan: Vec<PlanShown>,
    /// The comments, each below what it answers.
    pub annotations: Vec<AnnotationShown>,
    /// Which of the area's charts it is, 0 for the first.
    #[serde(default)]
    pub generation: u32,
    /// The charts that it followed.
    #[serde(default)]
    pub older: Vec<OlderChart>,
    /// Changes that the guard refused.
    pub quarantined: u64,
    /// Changes that wait for others.
    pub waiting: u64,
}

/// What an export wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exported {
    /// Where.
    pub to: String,
    /// Records.
    pub records: u64,
    /// Resources.
    pub resources: u64,
    /// What this device may hold and does not subscribe to: of it nothing was exported but what happens to be here.
    #[serde(default)]
    pub not_held: Vec<Subscribed>,
}

/// What was written, durably.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Written {
    /// The record.
    pub record: RecordId,
    /// The statement, as `show` names it; a chart change has none.
    pub statement: Option<String>,
    /// The FHIR id of the resource that an export will hold; a chart change has none.
    pub resource_id: Option<String>,
    /// When, by this device's clock.
    pub time: WallMs,
    /// What a clinician should know at once: conflicts and alerts of this record.
    pub warnings: Vec<String>,
}

/// What waits for a decision, the most harmful first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decisions {
    /// The contradictions.
    pub open: Vec<DecisionShown>,
}

/// A contradiction that waits for a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DecisionShown {
    /// The record.
    pub record: RecordId,
    /// The patient's name, as first known.
    pub patient: String,
    /// Its name, by which it is decided; another one when it has grown.
    pub decision: String,
    /// The section, such as `medication`.
    pub section: String,
    /// The kind, such as `dose-vs-stop`.
    pub kind: String,
    /// How much harm it may do.
    pub harm: Harm,
    /// What it is about.
    pub summary: String,
    /// What contradicts each other; a decision keeps one of them, counted from 1.
    pub sides: Vec<SideShown>,
}

/// What came of a decision: exactly one of the two is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decided {
    /// What was written.
    pub written: Option<Written>,
    /// The contradiction as it is now, because it has changed since it was listed; nothing was written.
    pub changed: Option<DecisionShown>,
}

/// One side of a contradiction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SideShown {
    /// What it says.
    pub says: String,
    /// Who wrote it.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// When, by the author's device.
    pub time: WallMs,
    /// Why, where it says so.
    pub reason: Option<String>,
    /// The statement, as `show` names it.
    pub statement: String,
}

/// What a backup wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackedUp {
    /// Where.
    pub url: String,
    /// The number of the last manifest; none when nothing was new.
    pub manifest: Option<u64>,
    /// Segments written.
    pub segments: u64,
    /// Entries in them.
    pub entries: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Verified {
    /// Where.
    pub url: String,
    /// Manifests read.
    pub manifests: u64,
    /// Segments read.
    pub segments: u64,
    /// Entries admitted from them, with signatures and trees checked.
    pub entries: u64,
    /// Segments that only others can open; their hashes were checked.
    pub sealed_for_others: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong; empty when all is well.
    pub problems: Vec<String>,
    /// The digest over the heads that a restore would give, as in [`Status::heads`].
    pub heads: Digest,
}

/// What a restore did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Restored {
    /// The new device.
    pub device_id: DeviceId,
    /// The site.
    pub site: String,
    /// Records held now.
    pub records: u64,
    /// Entries held now.
    pub entries: u64,
    /// The digest over the heads of the lanes restored.
    pub heads: Digest,
    /// When the backup was last written, by its gateway's clock.
    pub backup_time: WallMs,
    /// Segments that could not be used, with the reason.
    pub problems: Vec<String>,
    /// Milliseconds that it took.
    pub took_ms: u64,
}

/// What was said of two records, durably.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Linked {
    /// The records.
    pub records: [RecordId; 2],
    /// What was said.
    pub said: TieKind,
    /// How they stand now.
    pub state: PairState,
    /// The records that are joined with the first now, itself among them.
    pub joined: Vec<RecordId>,
    /// Into how many of the two it was written: this device may not write everywhere.
    pub written_into: u64,
    /// When, by this device's clock.
    pub time: WallMs,
    /// What a clinician should know at once.
    pub warnings: Vec<String>,
}

/// Probable doubles.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suggested {
    /// The pairs, the most probable first.
    pub pairs: Vec<SuggestedPair>,
    /// People looked at.
    pub people: u64,
    /// Pairs compared.
    pub compared: u64,
    /// Whether there were more than asked for.
    pub more: bool,
}

/// Two records that may be one person's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SuggestedPair {
    /// The two.
    pub sides: [SuggestedSide; 2],
    /// What is thought.
    pub verdict: Verdict,
    /// The probability that they are one person's.
    pub probability: f64,
    /// The same in words, in Japanese and English.
    pub told: String,
    /// What each field contributes.
    pub evidence: Vec<Evidence>,
    /// A third that is most probably one person with both, where that makes the pair as probable as it is.
    pub third: Option<SuggestedSide>,
    /// Another member of the household with whom one of the two agrees as well, where that makes the pair less probable.
    pub rival: Option<SuggestedSide>,
}

/// One of two records that may be one person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuggestedSide {
    /// The record.
    pub record: RecordId,
    /// Name, birth date, sex and address.
    pub who: String,
}

/// An unnamed person, registered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnnamedRegistered {
    /// The generated name.
    pub name: CalledOut,
    /// What was written.
    pub written: Written,
}
