//! Two hospitals that hold the same records, are cut apart, edit some of them, and meet again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::floors::{Floors, Packed, floors, zstd_bytes};
use super::region::{Both, Meeting, Site, Step, Typed, meet, sites};
use super::workload::{RESOURCES, Workload};
use crate::drill::StepFailure;
use crate::replica::request::Progress;

/// Most records of one measurement.
pub const RECORDS_MAX: u64 = 1_000_000;

/// What is measured.
#[derive(Debug, Clone)]
pub struct HealOptions {
    /// The records, and how many of them each side edits.
    pub workload: Workload,
    /// An empty folder, on the disk that is measured.
    pub work: PathBuf,
    /// The binary.
    pub exe: PathBuf,
    /// Whether two who have imported the same files apart meet, too.
    pub apart: bool,
}

/// What the edits of one cut are, whoever carries them.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Changes {
    /// Records edited on either side.
    pub records: u64,
    /// What people typed and systems sent, as compact JSON, in bytes.
    pub bytes: u64,
    /// The same, packed by zstd at level 3 as one stream.
    pub zstd_bytes: u64,
}

/// Two who had never heard of each other, and imported the same files.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Apart {
    /// The import into the second of them.
    pub import: Step,
    /// Both met: each statement is held twice then, and shown once.
    pub meeting: Meeting,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Heal {
    /// What it was measured with.
    pub records: u64,
    /// Records that each side edited in each round; a tenth of them is common.
    pub edited: u64,
    /// From what all was drawn.
    pub seed: u64,
    /// All resources as NDJSON, in bytes.
    pub fhir_bytes: u64,
    /// The same packed by gzip as one stream: the floor of a first sync.
    pub fhir_gzip_bytes: u64,
    /// How fast this machine is at what cannot be left out.
    pub floors: Floors,
    /// The import into the first replica.
    pub import: Step,
    /// Bytes of the store's file after the import.
    pub store_bytes: u64,
    /// The first replica met an empty one: a full sync.
    pub first_sync: Meeting,
    /// Both met again with nothing changed.
    pub equal: Meeting,
    /// Where it was asked for: two who have imported the same files apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// What was edited before the first contact.
    pub first_changes: Changes,
    /// Two that had heard the same from a third and had never met: the edits of both sides went over.
    pub first_contact: Meeting,
    /// What was edited before they met again.
    pub changes: Changes,
    /// What both took to write all of it, in both rounds, beside opening their stores.
    pub editing: Step,
    /// The same two after another cut.
    pub heal: Meeting,
    /// What was typed on a side and is not in both exports.
    pub lost: u64,
    /// Whether both hold the same at the end.
    pub converged: bool,
    /// Records that were edited anywhere.
    pub looked_at: u64,
    /// Of these, how many the two show otherwise.
    pub shown_otherwise: u64,
}

impl Heal {
    /// Says whether nothing was lost and both hold the same: only then the figures mean anything.
    pub fn holds(&self) -> bool {
        self.lost == 0 && self.converged && self.shown_otherwise == 0
    }
}

/// Measures; `progress` hears how far it is.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn heal(
    options: &HealOptions,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Heal, StepFailure> {
    let HealOptions { workload, work, exe, apart } = options;
    let mut doing = |doing: &str, done: u64, of: u64| {
        progress(Progress { doing: doing.to_owned(), done, of, unit: "records".to_owned() });
    };
    let folder = |error: io::Error| StepFailure::of(format!("using {}", work.display()), error);
    let floors = floors(work).map_err(folder)?;
    let file = work.join("region.ndjson");
    let mut told = |done| doing("inventing records", done, workload.records);
    let (fhir_bytes, fhir_gzip_bytes) = invent(workload, &file, &mut told).map_err(folder)?;
    let [hub, north, south, other] = sites(exe, work, ["hub", "north", "south", "other"]).await?;
    doing("importing", 0, workload.records);
    let import = hub.import(&file).await?;
    let store_bytes = hub.file_bytes()?;
    let mut import_apart = None;
    if *apart {
        doing("importing apart", 0, workload.records);
        import_apart = Some(other.import(&file).await?);
    }
    std::fs::remove_file(&file).map_err(folder)?;
    doing("first sync", 0, workload.records);
    let first_sync = meet(&hub, &north).await?;
    let all = workload.records * RESOURCES;
    if first_sync.entries < all / RESOURCES {
        let told = format!("{} entries for {all} resources", first_sync.entries);
        return Err(StepFailure::of("the first sync", told));
    }
    let equal = meet(&hub, &north).await?;
    meet(&hub, &south).await?;
    let (mut typed, mut editing) = (Vec::new(), Step::default());
    let mut rounds = Vec::new();
    for round in 0..2 {
        doing("editing", round * workload.edited, 2 * workload.edited);
        let changes = edit(workload, round, [&north, &south], &mut typed, &mut editing).await?;
        doing("meeting", round, 2);
        rounds.push((changes, meet(&north, &south).await?));
    }
    doing("looking for lost edits", 0, typed.len() as u64);
    let (at_north, at_south) = (north.look(&typed).await?, south.look(&typed).await?);
    let mut apart = None;
    if let Some(import) = import_apart {
        doing("meeting of what was imported apart", 0, workload.records);
        apart = Some(Apart { import, meeting: meet(&other, &hub).await? });
    }
    let [(first_changes, first_contact), (changes, heal)] =
        rounds.try_into().map_err(|_| StepFailure("two rounds".to_owned()))?;
    Ok(Heal {
        records: workload.records,
        edited: workload.edited,
        seed: workload.seed,
        fhir_bytes,
        fhir_gzip_bytes,
        floors,
        import,
        store_bytes,
        first_sync,
        equal,
        apart,
        first_changes,
        first_contact,
        changes,
        editing,
        heal,
        lost: at_north.lacking + at_south.lacking,
        converged: at_north.heads == at_south.heads,
        looked_at: at_north.views.len() as u64,
        shown_otherwise: at_north
            .views
            .iter()
            .zip(&at_south.views)
            .filter(|(one, other)| one != other)
            .count() as u64,
    })
}

/// Writes the records, and packs them beside it.
fn invent(workload: &Workload, file: &Path, told: &mut dyn FnMut(u64)) -> io::Result<(u64, u64)> {
    let (mut file, mut packed) = (File::create(file)?, Packed::new());
    let bytes = workload.write_to(&mut Both(&mut file, &mut packed), told)?;
    Ok((bytes, packed.end()?))
}

/// Lets both sides write what is theirs in a round.
async fn edit(
    workload: &Workload,
    round: u64,
    sites: [&Site; 2],
    typed: &mut Vec<Typed>,
    editing: &mut Step,
) -> Result<Changes, StepFailure> {
    let (mut changes, mut text) = (Changes::default(), Vec::new());
    let mut records = std::collections::BTreeSet::new();
    for (side, site) in (0..).zip(sites) {
        let edits = workload.edits(round, side);
        for edit in &edits {
            records.insert(edit.record);
            let failed = |error| StepFailure::of("writing the edits as JSON", error);
            serde_json::to_writer(&mut text, &edit.writes).map_err(failed)?;
            text.extend(edit.patient.iter().flat_map(|patient| patient.to_string().into_bytes()));
        }
        typed.extend(site.write(&edits, editing).await?);
    }
    changes.records = records.len() as u64;
    changes.bytes = text.len() as u64;
    changes.zstd_bytes = zstd_bytes(&text).map_err(|error| StepFailure::of("packing the edits", error))?;
    Ok(changes)
}
