//! What people wait for at a replica that holds very much: a card, a name, a write, and the start after a kill.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::super::floors::{Floors, fdatasyncs, floors};
use super::built::{Built, HeldOptions, Made};
use super::card::Cards;
use super::served::Served;
use super::spread::Spread;
use crate::drill::StepFailure;
use crate::drill::chance::Chance;
use crate::drill::people::Person;
use crate::record::Author;
use crate::replica::answer::{Found, Shown, Written};
use crate::replica::request::{Progress, Request, Write as Writing};

/// How often the replica is killed and started again.
const KILLS: u64 = 5;
/// Syncs of a file that are timed before and after the writes.
const SYNCS: usize = 500;
/// As many results as `musubi find` asks for.
const FIND_LIMIT: usize = 20;

/// The store, and the machine that it was measured on.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Asked {
    /// The store.
    pub made: Made,
    /// How fast this machine is at what cannot be left out.
    pub floors: Floors,
    /// Memory that the replica held when all was asked, in bytes.
    pub resident_bytes: u64,
    /// The most memory that it held, reading through its store at the start included, in bytes.
    pub peak_bytes: u64,
}

/// Cards that were opened.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// The store.
    #[serde(flatten)]
    pub asked: Asked,
    /// Cards of records drawn evenly: few are in any cache of the process, all in that of the system.
    pub card: Spread,
    /// The same by the first digits of the record's id, as people type it.
    pub by_digits: Spread,
    /// While the replica reads through its store, as it does after each start.
    pub beside_reading: Spread,
    /// From the start after a kill until it answers, process included.
    pub ready: Spread,
    /// Until it has shown a first card.
    pub first_card: Spread,
}

/// One way of asking for a person.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// What was typed.
    pub kind: &'static str,
    /// How long it took.
    pub took: Spread,
    /// How many were found, on average.
    pub found: f64,
    /// How many questions did not find whom they were about, though there were no more than were asked for.
    pub missed: u64,
}

/// People that were looked for.
#[derive(Debug, Clone, Serialize)]
pub struct Find {
    /// The store.
    #[serde(flatten)]
    pub asked: Asked,
    /// By way of asking.
    pub questions: Vec<Question>,
}

/// What was written.
#[derive(Debug, Clone, Serialize)]
pub struct Write {
    /// The store.
    #[serde(flatten)]
    pub asked: Asked,
    /// Notes.
    pub note: Spread,
    /// Allergies, which are checked against what is taken.
    pub allergy: Spread,
    /// The disk's own `fdatasync` of 4 KiB, before and after.
    pub disk: Spread,
}

/// Opens cards by the thousand, and the replica after kills.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn open(built: &mut Built, times: u64) -> Result<Open, StepFailure> {
    let (made, floors, cards) = prepare(built).await?;
    let options = built.options.clone();
    let mut chance = Chance::of_seed(options.seed).fork("open");
    let mut served = Served::start(built, 0).await?;
    let beside_reading = show(&mut served, &options, &cards, &mut chance, times.min(200), 32).await?;
    served.rest().await?;
    let card = show(&mut served, &options, &cards, &mut chance, times, 32).await?;
    let by_digits = show(&mut served, &options, &cards, &mut chance, times.min(20), 12).await?;
    let (resident_bytes, peak_bytes) = served.memory();
    let (mut ready, mut first_card) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        tell(&options, "killing and opening", kill, KILLS);
        // Something must be on its way when the power is cut.
        let record = cards.record(chance.below(options.records)).to_string();
        let _: (Written, f64) = served.ask(&note(&record, kill)).await?;
        served.kill().await?;
        served = Served::start(built, 0).await?;
        let ready_ms = served.ready_ms;
        let (_, shown_ms): (Shown, f64) = served.ask(&Request::Show { record, moment: None }).await?;
        ready.push(ready_ms);
        first_card.push(ready_ms + shown_ms);
    }
    served.rest().await?;
    served.stop().await?;
    let asked = Asked { made, floors, resident_bytes, peak_bytes };
    let (ready, first_card) = (Spread::of(ready), Spread::of(first_card));
    Ok(Open { asked, card, by_digits, beside_reading, ready, first_card })
}

/// Looks for people in all ways that people ask.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn find(built: &mut Built, times: u64) -> Result<Find, StepFailure> {
    let (made, floors, cards) = prepare(built).await?;
    let options = built.options.clone();
    let mut served = Served::start(built, 0).await?;
    served.rest().await?;
    let mut questions = Vec::new();
    for (place, (kind, ask)) in WAYS.iter().enumerate() {
        tell(&options, "looking for people", place as u64, WAYS.len() as u64);
        let mut chance = Chance::of_seed(options.seed).fork(&format!("find {place}"));
        let (mut took, mut found, mut missed) = (Vec::new(), 0, 0);
        for _ in 0..times {
            let number = chance.below(options.records);
            let Some(text) = ask(&cards, number) else { continue };
            let request = Request::Find { text, limit: FIND_LIMIT };
            let (answer, ms): (Found, f64) = served.ask(&request).await?;
            let record = cards.record(number);
            let is_there = answer.patients.iter().any(|patient| patient.record == record);
            took.push(ms);
            found += answer.patients.len();
            missed += u64::from(!is_there && !answer.more && *kind != NOBODY);
        }
        let found = found as f64 / took.len().max(1) as f64;
        questions.push(Question { kind, took: Spread::of(took), found, missed });
    }
    let (resident_bytes, peak_bytes) = served.memory();
    served.stop().await?;
    let asked = Asked { made, floors, resident_bytes, peak_bytes };
    Ok(Find { asked, questions })
}

/// Writes notes and allergies, each durable before the next.
///
/// # Errors
/// [`StepFailure`] saying what could not be done.
pub async fn write(built: &mut Built, times: u64) -> Result<Write, StepFailure> {
    let (made, floors, cards) = prepare(built).await?;
    let options = built.options.clone();
    let mut chance = Chance::of_seed(options.seed).fork("write");
    let mut served = Served::start(built, 0).await?;
    served.rest().await?;
    let mut disk = synced(&options.folder)?;
    let (mut notes, mut allergies) = (Vec::new(), Vec::new());
    for time in 0..times {
        tell(&options, "writing", time, times);
        let record = cards.record(chance.below(options.records)).to_string();
        let (_, ms): (Written, f64) = served.ask(&note(&record, time)).await?;
        notes.push(ms);
        let substance = format!("食品 {time}");
        let write =
            Writing::Allergy { substance, code: None, criticality: Some("low".to_owned()), refute: None };
        let request = Request::Record { record, write, author: author(), overriding: None };
        let (_, ms): (Written, f64) = served.ask(&request).await?;
        allergies.push(ms);
    }
    disk.extend(synced(&options.folder)?);
    let (resident_bytes, peak_bytes) = served.memory();
    served.stop().await?;
    let asked = Asked { made, floors, resident_bytes, peak_bytes };
    let (note, allergy) = (Spread::of(notes), Spread::of(allergies));
    Ok(Write { asked, note, allergy, disk: Spread::of(disk) })
}

/// Builds the store if it is not there, and measures the machine.
async fn prepare(built: &mut Built) -> Result<(Made, Floors, Cards), StepFailure> {
    let made = tokio::task::block_in_place(|| built.make(0))?;
    let folder = &built.options.folder;
    let floors =
        floors(folder).map_err(|error| StepFailure::of(format!("using {}", folder.display()), error))?;
    Ok((made, floors, Cards::of_seed(built.options.seed)))
}

async fn show(
    served: &mut Served,
    options: &HeldOptions,
    cards: &Cards,
    chance: &mut Chance,
    times: u64,
    digits: usize,
) -> Result<Spread, StepFailure> {
    let mut took = Vec::new();
    for time in 0..times {
        tell(options, "opening cards", time, times);
        let wanted = cards.record(chance.below(options.records));
        let record = wanted.to_string()[..digits].to_owned();
        let (shown, ms): (Shown, f64) = served.ask(&Request::Show { record, moment: None }).await?;
        if shown.record != wanted || shown.view == Value::Null {
            return Err(StepFailure(format!("record {wanted} was not shown")));
        }
        took.push(ms);
    }
    Ok(Spread::of(took))
}

fn synced(folder: &Path) -> Result<Vec<f64>, StepFailure> {
    fdatasyncs(folder, SYNCS)
        .map_err(|error| StepFailure::of(format!("writing in {}", folder.display()), error))
}

fn author() -> Author {
    Author { name: "医師 測定".to_owned(), role: "doctor".to_owned() }
}

fn note(record: &str, time: u64) -> Request {
    let write =
        Writing::Note { text: format!("巡回 {time}。意識清明、疼痛なし。"), title: None };
    Request::Record { record: record.to_owned(), write, author: author(), overriding: None }
}

fn tell(options: &HeldOptions, doing: &str, done: u64, of: u64) {
    (options.told)(Progress { doing: doing.to_owned(), done, of, unit: "questions".to_owned() });
}

/// Makes what is typed to find a record's person.
type Ask = fn(&Cards, u64) -> Option<String>;

/// The way of asking that finds nobody.
const NOBODY: &str = "a phone number that nobody has";

fn family(person: &Person) -> Option<String> {
    person.name.split(' ').next().map(str::to_owned)
}

/// How people are asked for. Names are drawn as often as they are borne: the commonest are asked for most.
const WAYS: [(&str, Ask); 10] = [
    ("whole name", |cards, number| Some(cards.person(number).name)),
    ("whole name in kana", |cards, number| cards.person(number).kana),
    ("family name alone", |cards, number| family(&cards.person(number))),
    ("the first two characters of the name in kana", |cards, number| {
        Some(cards.person(number).kana?.chars().take(2).collect())
    }),
    ("given name alone", |cards, number| cards.person(number).name.split(' ').nth(1).map(str::to_owned)),
    ("family name and birth date", |cards, number| {
        let person = cards.person(number);
        Some(format!("{} {}", family(&person)?, person.birth_date?))
    }),
    ("birth date alone", |cards, number| cards.person(number).birth_date),
    ("phone number", |cards, number| Some(cards.phone(number))),
    ("patient number", |cards, number| Some(cards.patient_number(number))),
    (NOBODY, |_, number| Some(format!("060{:08}", 10_000_000 + number))),
];
