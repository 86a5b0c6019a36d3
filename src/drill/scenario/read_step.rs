//! Reading one step: what happens, where, to whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Mistake;
use super::fields::Fields;
use super::model::{Action, HandoverEdit, Paths, PatientAlias, Step};
use super::read::Names;
use crate::replica::request::{MedicationAction, NewPatient, Write};

/// How long a `wait-converged` waits unless it says otherwise.
const CONVERGED_WITHIN_S: u64 = 15;
/// The longest wait that a step may ask for, in seconds.
const WAIT_S_MAX: u64 = 3_600;
/// Notes that are acknowledged before a `kill-in-mid-write` strikes, unless it says otherwise.
const WRITES_BEFORE_KILL: u64 = 30;
/// How many write at once, unless a `kill-in-mid-write` says otherwise: one is in mid-write then.
const WRITERS: u64 = 2;
/// How many may write at once.
const WRITERS_MAX: usize = 8;
/// The most notes that a `kill-in-mid-write` may ask for.
const WRITES_BEFORE_KILL_MAX: u64 = 10_000;

#[derive(Clone, Copy)]
enum Kind {
    Import,
    WaitConverged,
    Backup,
    Cut,
    Heal,
    Meet,
    Register,
    Allergy,
    Medication,
    Note,
    Handover,
    KillInMidWrite,
    Start,
    Stop,
    DestroyDisk,
    Restore,
}

const KINDS: [(&str, Kind); 16] = [
    ("import", Kind::Import),
    ("wait-converged", Kind::WaitConverged),
    ("backup", Kind::Backup),
    ("cut", Kind::Cut),
    ("heal", Kind::Heal),
    ("meet", Kind::Meet),
    ("register", Kind::Register),
    ("allergy", Kind::Allergy),
    ("medication", Kind::Medication),
    ("note", Kind::Note),
    ("handover", Kind::Handover),
    ("kill-in-mid-write", Kind::KillInMidWrite),
    ("start", Kind::Start),
    ("stop", Kind::Stop),
    ("destroy-disk", Kind::DestroyDisk),
    ("restore", Kind::Restore),
];
const MEDICATION_ACTIONS: [(&str, MedicationAction); 4] = [
    ("start", MedicationAction::Start),
    ("change", MedicationAction::Change),
    ("hold", MedicationAction::Hold),
    ("stop", MedicationAction::Stop),
];
const CRITICALITIES: [(&str, ()); 3] = [("high", ()), ("low", ()), ("unable-to-assess", ())];

/// Reads a `[[step]]`; data files are looked for in `folder`.
pub(super) fn step(mut table: Fields<'_>, names: &Names, folder: &Path) -> Result<Step, Mistake> {
    let line = table.line();
    let name = table.text("do")?;
    let kind = name.choose("step", &KINDS)?;
    table.rename(format!("step '{}'", name.value));
    let after = table.optional_number("after-ms")?.map_or(0, |after| after.value.min(WAIT_S_MAX * 1_000));
    let tell = table.optional_text("tell")?.map(|tell| tell.value).unwrap_or_default();
    let outage = match kind {
        Kind::Heal | Kind::Meet => table.optional_number("outage-s")?,
        Kind::Import
        | Kind::WaitConverged
        | Kind::Backup
        | Kind::Cut
        | Kind::Register
        | Kind::Allergy
        | Kind::Medication
        | Kind::Note
        | Kind::Handover
        | Kind::KillInMidWrite
        | Kind::Start
        | Kind::Stop
        | Kind::DestroyDisk
        | Kind::Restore => None,
    };
    let outage = outage.map_or(0, |outage| outage.value.min(WAIT_S_MAX));
    let action = action(kind, &mut table, names, folder)?;
    table.finish()?;
    Ok(Step { line, after: Duration::from_millis(after), outage: Duration::from_secs(outage), tell, action })
}

fn action(kind: Kind, table: &mut Fields<'_>, names: &Names, folder: &Path) -> Result<Action, Mistake> {
    let write = |table: &mut Fields<'_>, write: Write| {
        let (at, patient) = (names.replica(&table.text("at")?)?, names.patient(&table.text("patient")?)?);
        Ok(Action::Write { at, patient, write })
    };
    match kind {
        Kind::Import => {
            Ok(Action::Import { at: names.replica(&table.text("at")?)?, files: files(table, folder)? })
        }
        Kind::WaitConverged => {
            let within_s =
                table.optional_number("within-s")?.map_or(CONVERGED_WITHIN_S, |within| within.value);
            Ok(Action::WaitConverged { within: Duration::from_secs(within_s.min(WAIT_S_MAX)) })
        }
        Kind::Backup => {
            needs_backup(table, names)?;
            Ok(Action::Backup)
        }
        Kind::Cut => Ok(Action::Cut(paths(table, names)?)),
        Kind::Heal => Ok(Action::Heal(paths(table, names)?)),
        Kind::Meet => Ok(Action::Meet { link: link(table, names)? }),
        Kind::Register => register(table, names),
        Kind::Allergy => {
            let allergy = allergy(table)?;
            write(table, allergy)
        }
        Kind::Medication => {
            let medication = medication(table)?;
            write(table, medication)
        }
        Kind::Note => {
            let title = table.optional_text("title")?.map(|title| title.value);
            let note = Write::Note { text: table.text("text")?.value, title };
            write(table, note)
        }
        Kind::Handover => Ok(Action::Handover {
            at: names.replica(&table.text("at")?)?,
            patient: names.patient(&table.text("patient")?)?,
            edit: handover(table)?,
        }),
        Kind::KillInMidWrite => {
            let after = table.optional_number("after-writes")?;
            let after_writes = after.as_ref().map_or(WRITES_BEFORE_KILL, |after| after.value);
            if !(1..=WRITES_BEFORE_KILL_MAX).contains(&after_writes) {
                return Err(
                    table.mistake(&format!("takes 'after-writes' from 1 to {WRITES_BEFORE_KILL_MAX}"))
                );
            }
            let (at, patient) = (names.replica(&table.text("at")?)?, names.patient(&table.text("patient")?)?);
            let writers = table.optional_number("writers")?.map_or(WRITERS, |writers| writers.value);
            let writers = usize::try_from(writers).ok().filter(|writers| (1..=WRITERS_MAX).contains(writers));
            let Some(writers) = writers else {
                return Err(table.mistake(&format!("takes 'writers' from 1 to {WRITERS_MAX}")));
            };
            Ok(Action::KillInMidWrite { at, patient, after_writes, writers })
        }
        Kind::Start => Ok(Action::Start { at: names.replica(&table.text("at")?)? }),
        Kind::Stop => Ok(Action::Stop { at: names.replica(&table.text("at")?)? }),
        Kind::DestroyDisk => Ok(Action::DestroyDisk { at: names.replica(&table.text("at")?)? }),
        Kind::Restore => {
            needs_backup(table, names)?;
            Ok(Action::Restore { at: names.replica(&table.text("at")?)? })
        }
    }
}

fn needs_backup(table: &Fields<'_>, names: &Names) -> Result<(), Mistake> {
    match names.backup {
        true => Ok(()),
        false => Err(table.mistake("needs a backup: add [backup] with gateway = \"a replica\"")),
    }
}

fn register(table: &mut Fields<'_>, names: &Names) -> Result<Action, Mistake> {
    let at = names.replica(&table.text("at")?)?;
    let alias = PatientAlias(table.text("as")?.value);
    let name = table.text("name")?.value;
    let mut optional = |key| Ok(table.optional_text(key)?.map(|text| text.value));
    let patient = NewPatient {
        name,
        kana: optional("kana")?,
        birth_date: optional("birth-date")?,
        sex: optional("sex")?,
    };
    Ok(Action::Register { at, alias, patient })
}

fn allergy(table: &mut Fields<'_>) -> Result<Write, Mistake> {
    let criticality = table.optional_text("criticality")?;
    if let Some(criticality) = &criticality {
        criticality.choose("criticality", &CRITICALITIES)?;
    }
    Ok(Write::Allergy {
        substance: table.text("substance")?.value,
        code: table.optional_text("code")?.map(|text| text.value),
        criticality: criticality.map(|text| text.value),
        refute: table.optional_text("refute")?.map(|text| text.value),
    })
}

fn medication(table: &mut Fields<'_>) -> Result<Write, Mistake> {
    Ok(Write::Medication {
        action: table.text("action")?.choose("action on a medication", &MEDICATION_ACTIONS)?,
        drug: table.text("drug")?.value,
        code: table.optional_text("code")?.map(|text| text.value),
        dose: table.optional_text("dose")?.map(|text| text.value),
        reason: table.optional_text("reason")?.map(|text| text.value),
    })
}

fn handover(table: &mut Fields<'_>) -> Result<HandoverEdit, Mistake> {
    let whole = table.optional_text("text")?;
    let insert = table.optional_text("insert")?;
    let after = table.optional_text("after")?;
    match (whole, insert, after) {
        (Some(whole), None, None) => Ok(HandoverEdit::Whole(whole.value)),
        (None, Some(insert), Some(after)) => {
            Ok(HandoverEdit::Insert { text: insert.value, after: after.value })
        }
        (_, _, _) => Err(table.mistake("takes either 'text', or 'insert' and 'after'")),
    }
}

fn link(table: &mut Fields<'_>, names: &Names) -> Result<usize, Mistake> {
    let pair = names.pair(table)?;
    let same = |link: &[_; 2]| pair.iter().all(|end| link.contains(end));
    names
        .links
        .iter()
        .position(same)
        .ok_or_else(|| table.mistake(&format!("names {} and {}, which no [[link]] joins", pair[0], pair[1])))
}

fn paths(table: &mut Fields<'_>, names: &Names) -> Result<Paths, Mistake> {
    let every_link: BTreeSet<usize> = (0..names.links.len()).collect();
    let Some(what) = table.optional_text("what")? else {
        return Ok(Paths { links: [link(table, names)?].into(), bucket: false });
    };
    let options = [("everything", (true, names.backup)), ("links", (true, false)), ("bucket", (false, true))];
    let (links, bucket) = what.choose("set of paths", &options)?;
    if bucket && !links {
        needs_backup(table, names)?;
    }
    Ok(Paths { links: if links { every_link } else { BTreeSet::new() }, bucket })
}

/// Finds the files of an import: all NDJSON files of a folder, or those of the types named.
fn files(table: &mut Fields<'_>, folder: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let data = table.text("data")?;
    let place = folder.join(&data.value);
    let missing = |path: &Path| {
        Mistake::at(
            data.line,
            format!("{} is not there; paths start from the scenario's folder", path.display()),
        )
    };
    let types = table.optional_texts("types")?;
    if place.is_file() && types.is_none() {
        return Ok(vec![place]);
    }
    let mut found = Vec::new();
    for item in fs::read_dir(&place).map_err(|_| missing(&place))?.flatten() {
        let name = item.file_name().to_string_lossy().into_owned();
        if let Some(kind) = name.strip_suffix(".ndjson.gz").or_else(|| name.strip_suffix(".ndjson")) {
            found.push((kind.to_owned(), item.path()));
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Mistake::at(data.line, format!("{} holds no .ndjson or .ndjson.gz", place.display())));
    }
    let Some(types) = types else { return Ok(found.into_iter().map(|(_, path)| path).collect()) };
    let known: Vec<&str> = found.iter().map(|(kind, _)| kind.as_str()).collect();
    let mut files = Vec::new();
    for kind in &types.value {
        match found.iter().find(|(name, _)| *name == kind.value) {
            Some((_, path)) => files.push(path.clone()),
            None => return Err(Mistake::unknown(kind.line, "resource type", &kind.value, &known)),
        }
    }
    match files.is_empty() {
        true => Err(Mistake::at(types.line, "'types' names nothing; leave it out to import all")),
        false => Ok(files),
    }
}
