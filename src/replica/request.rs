//! What can be asked of a replica, and what it answers: the same for a store opened by a command and for a
//! running replica that a command speaks to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bundle_answer::BundleWanted;
use super::chart_write::ChartWrite;
use super::knowledge::Moment;
use super::pull_answer::PullWanted;
use super::section_write::SectionWrite;
use crate::base::Area;
use crate::record::Author;
use crate::record::linking::TieKind;
use crate::record::linking::unnamed::Unnamed;

/// One thing asked of a replica.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Asks how the replica is: answers [`super::answer::Status`].
    Status,
    /// Asks how the replica is after reading every entry: answers [`super::answer::Status`].
    StatusDeep,
    /// Asks what would be lacking if sites vanished now: answers [`super::known::IfCut`].
    IfCut {
        /// The sites' names.
        sites: Vec<String>,
    },
    /// Imports FHIR files: answers [`super::answer::Imported`].
    Import {
        /// Files and folders, absolute.
        paths: Vec<PathBuf>,
        /// The source's identifier system, when the files do not tell.
        source: Option<String>,
        /// The area to file patients in; without it, the device's first shared area.
        area: Option<Area>,
        /// Who imports.
        author: Author,
    },
    /// Searches patients: answers [`super::answer::Found`].
    Find {
        /// Name, kana, birth date, identifier or phone.
        text: String,
        /// Most results.
        limit: usize,
    },
    /// Shows one record: answers [`super::answer::Shown`].
    Show {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
        /// As known when; without it, as known now.
        #[serde(default)]
        moment: Option<Moment>,
    },
    /// Writes FHIR resources as they were imported and written: answers [`super::answer::Exported`].
    Export {
        /// One record, or all of them and what names no patient.
        record: Option<String>,
        /// The form.
        format: ExportFormat,
        /// Where to: a folder for NDJSON, a file for a Bundle; absolute.
        to: PathBuf,
    },
    /// Registers a patient in a new record: answers [`super::answer::Written`].
    Register {
        /// What is known of the person.
        patient: NewPatient,
        /// The area; without it, the device's first shared area.
        area: Option<Area>,
        /// Who writes.
        author: Author,
    },
    /// Writes something into a record: answers [`super::answer::Written`], or [`super::blocked::Blocked`] when an order
    /// brings a contraindication and no reason is given for it.
    Record {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
        /// What to write.
        write: Write,
        /// Who writes.
        author: Author,
        /// Why an order is written in spite of a contraindication.
        #[serde(default)]
        overriding: Option<String>,
    },
    /// Writes into what people edit together: answers [`super::chart_write::Charted`].
    Chart {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
        /// What to write.
        write: ChartWrite,
        /// Who writes.
        author: Author,
    },
    /// Reads from the lanes what everybody typed into a record's charts: answers [`super::chart_write::Typed`].
    Texts {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
    },
    /// Lists what waits for a decision: answers [`super::answer::Decisions`].
    Decisions {
        /// The record's id, or at least 8 digits of its beginning; without it, all records are read.
        record: Option<String>,
    },
    /// Settles a contradiction: answers [`super::answer::Decided`], or [`super::blocked::Blocked`] when a drug that is
    /// kept is contraindicated and no reason is given for it.
    Decide {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
        /// Its name, as listed.
        decision: String,
        /// Which side is kept, from 1.
        keep: usize,
        /// Why.
        reason: String,
        /// Who decides.
        author: Author,
        /// Why a drug is kept in spite of a contraindication.
        #[serde(default)]
        overriding: Option<String>,
    },
    /// Registers a person who cannot say who they are: answers [`super::answer::UnnamedRegistered`].
    RegisterUnnamed {
        /// What is known of the person.
        unnamed: Unnamed,
        /// The area; without it, the device's first shared area.
        area: Option<Area>,
        /// Who writes.
        author: Author,
    },
    /// Says of two records that they are one person's, or not: answers [`super::answer::Linked`].
    Tie {
        /// What is said.
        tie: TieKind,
        /// The records' ids, or at least 8 digits of their beginnings.
        records: [String; 2],
        /// Why.
        reason: String,
        /// Who writes.
        author: Author,
    },
    /// Looks for probable doubles: answers [`super::answer::Suggested`].
    Suggest {
        /// One record; without it, among all people of the store.
        record: Option<String>,
        /// Most pairs.
        limit: usize,
    },
    /// Syncs with a peer once: answers [`super::sync_answer::Synced`].
    Sync {
        /// `HOST:PORT`, or the address of a bucket.
        with: String,
    },
    /// Finds out what a sync with a peer would send, and sends nothing: answers [`super::sync_answer::SyncPlan`].
    PlanSync {
        /// `HOST:PORT`.
        with: String,
    },
    /// Asks peers for one person: answers [`super::pull_answer::Pulled`].
    Pull(PullWanted),
    /// Writes what the bucket lacks: answers [`super::answer::BackedUp`].
    BackupNow {
        /// The bucket; without it, that of the configuration.
        url: Option<String>,
    },
    /// Reads the whole backup back and checks it: answers [`super::answer::Verified`].
    BackupVerify {
        /// The bucket; without it, that of the configuration.
        url: Option<String>,
    },
    /// Writes a file that says what this replica lacks: answers [`super::bundle_answer::BundleRequested`].
    BundleRequest {
        /// The file, absolute.
        to: PathBuf,
    },
    /// Writes a bundle for a stick: answers [`super::bundle_answer::BundleExported`].
    BundleExport(BundleWanted),
    /// Writes one record's card as QR codes: answers [`super::bundle_answer::CardExported`].
    CardExport {
        /// The record's id, or at least 8 digits of its beginning.
        record: String,
        /// The folder, absolute.
        to: PathBuf,
    },
    /// Reads bundles and images of codes: answers [`super::bundle_answer::BundleImported`].
    BundleImport {
        /// The files, absolute.
        files: Vec<PathBuf>,
    },
    /// Ends a running replica in order.
    Stop,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// One NDJSON file for each resource type, in a folder.
    Ndjson,
    /// One FHIR Bundle of type `collection`.
    Fhir,
}

/// A patient to register; only the name is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NewPatient {
    /// Family and given name as written, with a space between.
    pub name: String,
    /// The reading in kana, with a space between.
    pub kana: Option<String>,
    /// The birth date, `YYYY-MM-DD`.
    pub birth_date: Option<String>,
    /// `male`, `female`, `other` or `unknown`.
    pub sex: Option<String>,
}

/// Something to write into a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "write", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Write {
    /// A signed note.
    Note {
        /// The text.
        text: String,
        /// The title.
        title: Option<String>,
    },
    /// An allergy.
    Allergy {
        /// The substance as people name it.
        substance: String,
        /// Its code as `SYSTEM|CODE`, if known.
        code: Option<String>,
        /// `high`, `low` or `unable-to-assess`.
        criticality: Option<String>,
        /// Refutes the active allergy of this substance instead of asserting it; needs the reason.
        refute: Option<String>,
    },
    /// A medication.
    Medication {
        /// What is done.
        action: MedicationAction,
        /// The drug as people name it; of a change, hold or stop it chooses the thread.
        drug: String,
        /// Its code as `SYSTEM|CODE`, if known.
        code: Option<String>,
        /// The dose and its times, such as `5mg 1日1回朝食後`.
        dose: Option<String>,
        /// Why, where it matters.
        reason: Option<String>,
    },
    /// Something in a section that has a form of its own.
    Section(SectionWrite),
    /// Makes the hand-over text read so; only what differs is changed, and merges with others' changes.
    Handover {
        /// The whole text.
        text: String,
    },
    /// An annotation at a statement.
    Annotation {
        /// The statement, as `show` names it.
        anchor: String,
        /// The text.
        text: String,
    },
}

/// What is done with a medication.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MedicationAction {
    /// Starts it.
    Start,
    /// Changes its dose.
    Change,
    /// Holds it for now.
    Hold,
    /// Stops it.
    Stop,
}

/// How far a long job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done, such as `importing`.
    pub doing: String,
    /// How much is done.
    pub done: u64,
    /// Of how much; 0 when it is not known.
    pub of: u64,
    /// In what, such as `bytes`.
    pub unit: String,
}
