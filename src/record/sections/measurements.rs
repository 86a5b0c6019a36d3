//! Vital signs and results: Observations, in series by what was observed.
//!
//! Rule: append-only. Every value stays in its series; a correction follows what it corrects and marks it. Values
//! of one specimen, code and time that are equal are one value with several places; if they differ, both are
//! shown and somebody must decide. The latest value of a series is the one observed last, by the clocks of those
//! who observed; of several at that moment all are shown.
//!
//! Why: a result that travelled over two ways is one result, and the tube knows it; two results of one tube that
//! differ are an exchange or an error of writing, and both may be of somebody else.
//!
//! Laws (`record::tests::laws_sections`): `no_value_is_missing_from_its_series`,
//! `one_specimen_deduplicates_equal_values_and_no_others`.
//!
//! No clinician has reviewed this rule yet.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::standing::open_conflict;
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::kana;
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, FollowRef, Position};
use crate::record::threads::{Node, Thread};

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueState {
    /// It is what is known.
    Current,
    /// A later statement corrects it.
    Corrected,
    /// It was entered in error, cancelled or refuted.
    Withdrawn,
}

/// One value of a series.
#[derive(Clone, PartialEq, Serialize)]
pub struct Point {
    /// The value with its unit.
    pub value: String,
    /// When it was observed, as the resource says.
    pub when: Option<String>,
    /// What became of it.
    pub state: ValueState,
    /// Where it stands: several places when one specimen's value came over several ways.
    pub positions: Vec<Position>,
}

/// The latest value of a series.
#[derive(Clone, PartialEq, Serialize)]
pub struct Latest {
    /// The value with its unit.
    pub value: String,
    /// When it was observed, as the resource says.
    pub when: Option<String>,
    /// How it compares with what is normal, such as `H`.
    pub interpretation: Option<String>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub source: Source,
}

/// All values of one code.
#[derive(Clone, PartialEq, Serialize)]
pub struct Series {
    /// What was observed.
    pub name: String,
    /// Its codes.
    pub codes: Vec<Code>,
    /// The latest value; several when they are of the same moment, none when all were withdrawn.
    pub latest: Vec<Latest>,
    /// All values, the latest first.
    pub values: Vec<Point>,
}

struct Read {
    name: String,
    codes: Vec<Code>,
    instant: i64,
    specimen: Option<String>,
    latest: Latest,
    point: Point,
    copies: Vec<FollowRef>,
}

impl Read {
    /// Takes in the same value of the same specimen, which came another way.
    fn take_copy(&mut self, copy: Read) {
        self.point.positions.extend(copy.point.positions);
        self.point.positions.sort_unstable();
        self.copies.extend(copy.copies);
        // Of one value the verified source is shown.
        if self.latest.marks.unverified {
            self.latest = copy.latest;
        }
    }
}

/// Views the vital signs, or the results, of a record, by name.
pub fn view(facts: &Facts, section: Section) -> (Vec<Series>, Vec<Conflict>) {
    let mut series: BTreeMap<(String, String), Vec<Read>> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for thread in facts.threads(section) {
        let mut read: Vec<Read> = thread.nodes.iter().map(read).collect();
        conflicts.extend(conflict::find(&thread, section, |nodes| clash(&read, nodes)));
        mark(&thread, &mut read);
        for one in read {
            let by_code = one.codes.first().map(|code| (code.system.clone(), code.code.clone()));
            let key = by_code.unwrap_or_else(|| (String::new(), kana::fold(&one.name)));
            series.entry(key).or_default().push(one);
        }
    }
    let mut found: Vec<Series> =
        series.into_values().map(|read| gather(section, read, &mut conflicts)).collect();
    found.sort_by_key(|one| (one.name.clone(), one.codes.clone()));
    (found, conflicts)
}

/// Notes of the values of a thread which are corrected, withdrawn or written apart.
fn mark(thread: &Thread<'_>, read: &mut [Read]) {
    let disputed = clash(read, &thread.tips).is_some();
    for (index, node) in thread.nodes.iter().enumerate() {
        if !thread.tips.contains(&index) && read[index].point.state == ValueState::Current {
            read[index].point.state = ValueState::Corrected;
        }
        if node.act() == Act::Refute {
            let hidden = node.follows.iter().filter(|followed| !thread.tips.contains(followed));
            hidden.for_each(|followed| read[*followed].point.state = ValueState::Withdrawn);
        }
        // Shown of tips alone: what is followed is not current.
        read[index].latest.marks.concurrent = thread.is_concurrent();
        read[index].latest.marks.disputed = disputed;
    }
}

fn gather(section: Section, mut read: Vec<Read>, conflicts: &mut Vec<Conflict>) -> Series {
    read.sort_by_key(|one| (std::cmp::Reverse(one.instant), one.point.positions.clone()));
    let mut kept: Vec<Read> = Vec::new();
    // The values of each tube at each moment, by their places in `kept`.
    let mut tubes: BTreeMap<(String, i64), Vec<usize>> = BTreeMap::new();
    for one in read {
        let is_known = one.point.state == ValueState::Current;
        let Some(specimen) = one.specimen.clone().filter(|_| is_known) else {
            kept.push(one);
            continue;
        };
        let values = tubes.entry((specimen, one.instant)).or_default();
        match values.iter().find(|place| kept[**place].point.value == one.point.value) {
            Some(equal) => kept[*equal].take_copy(one),
            None => {
                values.push(kept.len());
                kept.push(one);
            }
        }
    }
    for values in tubes.into_values().filter(|values| values.len() > 1) {
        let said: Vec<&str> = values.iter().map(|place| kept[*place].point.value.as_str()).collect();
        let summary = format!("{}: {}", kept[values[0]].name, said.join(" ‖ "));
        // Every copy: whoever decides follows all of them.
        let copies = values.iter().flat_map(|place| kept[*place].copies.clone());
        conflicts.push(open_conflict(section, "one-specimen-two-values", copies, summary));
        values.iter().for_each(|place| kept[*place].latest.marks.disputed = true);
    }
    let is_current = |one: &&Read| one.point.state == ValueState::Current;
    let last = kept.iter().filter(is_current).map(|one| one.instant).max();
    let latest = kept.iter().filter(is_current).filter(|one| Some(one.instant) == last);
    let shown = kept.iter().find(is_current).or(kept.first());
    Series {
        name: shown.map(|one| one.name.clone()).unwrap_or_default(),
        codes: shown.map(|one| one.codes.clone()).unwrap_or_default(),
        latest: latest.map(|one| one.latest.clone()).collect(),
        values: kept.into_iter().map(|one| one.point).collect(),
    }
}

fn read(node: &Node<'_>) -> Read {
    let json = node.first().json();
    let source = Source::of(node);
    let when = fhir::first_text(
        &json,
        &[&["effectiveDateTime"], &["effectivePeriod", "start"], &["effectiveInstant"], &["issued"]],
    );
    let written = i64::try_from(source.time_ms.0 / 1_000).unwrap_or(i64::MAX);
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    let withdrawn = node.act() == Act::Refute || matches!(status.as_str(), "entered-in-error" | "cancelled");
    let code = fhir::at(&json, &["code"]);
    let value = value(&json);
    let interpretation = fhir::items(&json, &["interpretation"]).iter().find_map(fhir::first_code);
    let marks = Marks { unverified: node.is_disputed(), waiting: source.waiting, ..Marks::default() };
    Read {
        name: fhir::concept(code).unwrap_or_else(|| "(unnamed observation)".to_owned()),
        codes: fhir::codes(code),
        instant: when.as_deref().and_then(fhir::instant).unwrap_or(written),
        specimen: specimen(node, &json),
        point: Point {
            value: value.clone(),
            when: when.clone(),
            state: if withdrawn { ValueState::Withdrawn } else { ValueState::Current },
            positions: source.positions.clone(),
        },
        copies: source.copies.clone(),
        latest: Latest { value, when, interpretation, marks, source },
    }
}

/// Reads which specimen it is: its identifier, which is the same everywhere, or a reference within its source.
fn specimen(node: &Node<'_>, json: &Value) -> Option<String> {
    let identifier = fhir::at(json, &["specimen", "identifier"]);
    let system = fhir::text(identifier, &["system"]).unwrap_or_default();
    let named = fhir::text(identifier, &["value"]).map(|value| format!("{system}|{value}"));
    let of_source = || {
        let source = node.first().origin.as_ref().map(|origin| origin.source.as_str())?;
        // A contained specimen is another one in each resource.
        let reference = fhir::text(json, &["specimen", "reference"]).filter(|r| !r.starts_with('#'))?;
        Some(format!("{source} {reference}"))
    };
    named.or_else(of_source)
}

/// Reads a value as people write it; of a panel all components.
fn value(json: &Value) -> String {
    let own = fhir::quantity(fhir::at(json, &["valueQuantity"]))
        .or_else(|| fhir::concept(fhir::at(json, &["valueCodeableConcept"])))
        .or_else(|| fhir::first_text(json, &[&["valueString"], &["valueDateTime"], &["valueTime"]]))
        .or_else(|| fhir::at(json, &["valueInteger"]).as_i64().map(|number| number.to_string()))
        .or_else(|| fhir::at(json, &["valueBoolean"]).as_bool().map(|is| is.to_string()));
    if let Some(own) = own {
        return own;
    }
    let component = |component: &Value| {
        let name = fhir::concept(fhir::at(component, &["code"]))?;
        let value = fhir::quantity(fhir::at(component, &["valueQuantity"]))
            .or_else(|| fhir::concept(fhir::at(component, &["valueCodeableConcept"])))
            .or_else(|| fhir::text(component, &["valueString"]))?;
        Some(format!("{name} {value}"))
    };
    let parts: Vec<String> = fhir::items(json, &["component"]).iter().filter_map(component).collect();
    let absent = || fhir::concept(fhir::at(json, &["dataAbsentReason"])).unwrap_or_default();
    if parts.is_empty() { format!("(no value) {}", absent()).trim_end().to_owned() } else { parts.join(", ") }
}

fn clash(read: &[Read], nodes: &[usize]) -> Option<Clash> {
    let first = &read[*nodes.first()?];
    let says = |one: &Read| (one.point.value.clone(), one.point.state == ValueState::Withdrawn);
    let differ = nodes.iter().any(|node| says(&read[*node]) != says(first));
    let values = nodes.iter().map(|node| read[*node].point.value.as_str()).collect::<Vec<_>>().join(" ‖ ");
    differ.then(|| Clash { kind: "two-corrections", summary: format!("{}: {values}", first.name) })
}
