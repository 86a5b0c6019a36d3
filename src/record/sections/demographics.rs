//! Who the patient is.
//!
//! Rule: every field is multi-valued; each value of every current Patient statement is kept, shown with its
//! source, and searchable. Two birth dates or two administrative sexes are a conflict; two addresses are not.
//!
//! Why: which of two addresses is the right one, no computer knows; a person found by the old name is found.
//!
//! Law (`record::tests`: `every_current_value_is_shown`): a value of a current statement is never dropped.

use serde::Serialize;
use serde_json::Value;

use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::threads::Node;

/// The extension that tells kanji from kana names.
const REPRESENTATION: &str = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation";

/// In which script a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Script {
    /// Ideographic: kanji.
    Kanji,
    /// Syllabic: kana.
    Kana,
    /// Alphabetic, or not told.
    Other,
}

/// A name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Name {
    /// The script that the resource tells.
    pub script: Script,
    /// The whole name.
    pub full: String,
    /// The family name.
    pub family: Option<String>,
    /// The given names.
    pub given: Vec<String>,
}

/// An identifier with the system that gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Identifier {
    /// The identifier system's URL.
    pub system: String,
    /// The value.
    pub value: String,
}

/// All current values about who the patient is.
#[derive(Clone, PartialEq, Serialize)]
pub struct Demographics {
    /// Names: kanji, then kana, then others.
    pub names: Vec<Name>,
    /// Birth dates, as FHIR dates (also partial ones).
    pub birth_dates: Vec<String>,
    /// Administrative sexes: `male`, `female`, `other`, `unknown`.
    pub sexes: Vec<String>,
    /// Times of death, or `deceased`.
    pub deceased: Vec<String>,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Phone numbers and other ways to reach the patient.
    pub contacts: Vec<String>,
    /// People to inform.
    pub relatives: Vec<String>,
    /// Identifiers, those of insurance included.
    pub identifiers: Vec<Identifier>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub sources: Vec<Source>,
}

/// What one Patient or Coverage resource says.
#[derive(Clone, Default)]
pub struct Person {
    /// Names.
    pub names: Vec<Name>,
    /// The birth date.
    pub birth_date: Option<String>,
    /// The administrative sex.
    pub sex: Option<String>,
    /// The time of death, or `deceased`.
    pub deceased: Option<String>,
    /// Addresses.
    pub addresses: Vec<String>,
    /// Phone numbers and other ways to reach the patient.
    pub contacts: Vec<String>,
    /// People to inform.
    pub relatives: Vec<String>,
    /// Identifiers.
    pub identifiers: Vec<Identifier>,
}

/// Views who the patient is.
pub fn view(facts: &Facts) -> (Demographics, Vec<Conflict>) {
    let threads = facts.threads(Section::Demographics);
    let mut conflicts = Vec::new();
    let mut current: Vec<(&Node<'_>, Person)> = Vec::new();
    let mut marks = Marks::default();
    for thread in &threads {
        let read: Vec<Person> = thread.nodes.iter().map(person).collect();
        let settled = conflict::find(thread, Section::Demographics, |nodes| {
            clash(&nodes.iter().map(|node| &read[*node]).collect::<Vec<_>>())
        });
        conflicts.extend(settled.into_iter().filter(|conflict| !conflict.open));
        let of = Marks::of(thread, false);
        marks.concurrent |= of.concurrent;
        marks.unverified |= of.unverified;
        marks.waiting |= of.waiting;
        current.extend(thread.tips.iter().map(|tip| (&thread.nodes[*tip], read[*tip].clone())));
    }
    // Current statements of all threads stand beside each other: registered twice is as good as concurrent.
    if let Some(clash) = clash(&current.iter().map(|(_, person)| person).collect::<Vec<_>>()) {
        marks.disputed = true;
        conflicts.push(Conflict {
            section: Section::Demographics,
            kind: clash.kind,
            open: true,
            thread: threads[0].position(),
            statements: current.iter().map(|(node, _)| node.position()).collect(),
            follows: current.iter().map(|(node, _)| node.first().follow_ref()).collect(),
            summary: clash.summary,
        });
    }
    let sources = current.iter().rev().map(|(node, _)| Source::of(node)).collect();
    (join(current.into_iter().map(|(_, person)| person), marks, sources), conflicts)
}

impl Person {
    /// Reads a Patient, or the member identifiers of a Coverage; other types say nothing.
    pub fn read(resource_type: &str, json: &Value) -> Self {
        match resource_type {
            "Patient" => Self::of_patient(json),
            "Coverage" => Self { identifiers: identifiers(json), ..Self::default() },
            _ => Self::default(),
        }
    }

    fn of_patient(json: &Value) -> Self {
        let dead = fhir::at(json, &["deceasedBoolean"]).as_bool() == Some(true);
        let relative = |contact: &Value| {
            let who = fhir::items(contact, &["relationship"]).iter().find_map(fhir::concept);
            let name = fhir::items(contact, &["name"]).iter().find_map(name).map(|name| name.full);
            let words: Vec<String> = name.into_iter().chain(who).chain(contacts(contact)).collect();
            (!words.is_empty()).then(|| words.join(" "))
        };
        Self {
            names: fhir::items(json, &["name"]).iter().filter_map(name).collect(),
            birth_date: fhir::text(json, &["birthDate"]),
            sex: fhir::text(json, &["gender"]),
            deceased: fhir::text(json, &["deceasedDateTime"]).or(dead.then(|| "deceased".to_owned())),
            addresses: fhir::items(json, &["address"]).iter().filter_map(address).collect(),
            contacts: contacts(json),
            relatives: fhir::items(json, &["contact"]).iter().filter_map(relative).collect(),
            identifiers: identifiers(json),
        }
    }
}

fn person(node: &Node<'_>) -> Person {
    // A registration that was refuted no longer says who this is.
    if node.act() == crate::record::statement::Act::Refute {
        return Person::default();
    }
    Person::read(&node.first().resource_type, &node.first().json())
}

fn name(name: &Value) -> Option<Name> {
    let family = fhir::text(name, &["family"]);
    let given: Vec<String> =
        fhir::items(name, &["given"]).iter().filter_map(|given| fhir::text(given, &[])).collect();
    let parts = || family.iter().chain(&given).cloned().collect::<Vec<_>>().join(" ");
    let full = fhir::text(name, &["text"]).unwrap_or_else(parts);
    let representation = fhir::items(name, &["extension"]).iter().find(|e| e["url"] == REPRESENTATION);
    let script = match representation.and_then(|e| e["valueCode"].as_str()) {
        Some("IDE") => Script::Kanji,
        Some("SYL") => Script::Kana,
        Some(_) | None => Script::Other,
    };
    (!full.is_empty()).then_some(Name { script, full, family, given })
}

fn address(address: &Value) -> Option<String> {
    let lines = || {
        let line = fhir::items(address, &["line"]).iter().filter_map(|line| fhir::text(line, &[]));
        let words =
            [&["state"], &["city"]].into_iter().filter_map(|path| fhir::text(address, path)).chain(line);
        let words: Vec<String> = words.collect();
        (!words.is_empty()).then(|| words.join(" "))
    };
    let text = fhir::text(address, &["text"]).or_else(lines);
    let code = fhir::text(address, &["postalCode"]);
    let words: Vec<String> = code.map(|code| format!("〒{code}")).into_iter().chain(text).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

fn contacts(json: &Value) -> Vec<String> {
    fhir::items(json, &["telecom"]).iter().filter_map(|contact| fhir::text(contact, &["value"])).collect()
}

fn identifiers(json: &Value) -> Vec<Identifier> {
    let read = |identifier: &Value| {
        let system = fhir::text(identifier, &["system"]).unwrap_or_default();
        fhir::text(identifier, &["value"]).map(|value| Identifier { system, value })
    };
    fhir::items(json, &["identifier"]).iter().filter_map(read).collect()
}

fn join(people: impl Iterator<Item = Person>, marks: Marks, sources: Vec<Source>) -> Demographics {
    let mut joined = Demographics {
        names: Vec::new(),
        birth_dates: Vec::new(),
        sexes: Vec::new(),
        deceased: Vec::new(),
        addresses: Vec::new(),
        contacts: Vec::new(),
        relatives: Vec::new(),
        identifiers: Vec::new(),
        marks,
        sources,
    };
    for person in people {
        joined.names.extend(person.names);
        joined.birth_dates.extend(person.birth_date);
        joined.sexes.extend(person.sex);
        joined.deceased.extend(person.deceased);
        joined.addresses.extend(person.addresses);
        joined.contacts.extend(person.contacts);
        joined.relatives.extend(person.relatives);
        joined.identifiers.extend(person.identifiers);
    }
    distinct(&mut joined.names);
    distinct(&mut joined.birth_dates);
    distinct(&mut joined.sexes);
    distinct(&mut joined.deceased);
    distinct(&mut joined.addresses);
    distinct(&mut joined.contacts);
    distinct(&mut joined.relatives);
    distinct(&mut joined.identifiers);
    joined
}

fn distinct<T: Ord>(values: &mut Vec<T>) {
    values.sort_unstable();
    values.dedup();
}

fn clash(people: &[&Person]) -> Option<Clash> {
    let differ = |field: fn(&Person) -> Option<&String>| {
        let mut values: Vec<&String> = people.iter().filter_map(|person| field(person)).collect();
        distinct(&mut values);
        (values.len() > 1).then(|| values.into_iter().cloned().collect::<Vec<_>>().join(" ‖ "))
    };
    let births = differ(|person| person.birth_date.as_ref()).map(|summary| ("two-birth-dates", summary));
    let sexes = || differ(|person| person.sex.as_ref()).map(|summary| ("two-sexes", summary));
    births.or_else(sexes).map(|(kind, summary)| Clash { kind, summary })
}
