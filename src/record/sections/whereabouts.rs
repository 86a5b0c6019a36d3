//! Whereabouts: movement events, each an Encounter in which the patient stays somewhere.
//!
//! Rule: an arrival follows what its author knew of the patient's place, and ends it. Arrivals that had not seen each
//! other, in one thread or in several, are all current; two places at once are the first of all alerts. Arrived
//! and left, concurrently, is still there. Places are compared by their folded names; an unnamed place is no
//! second place.
//!
//! Why: somebody who is at two places is two people in one record, or one whom nobody looks for.
//!
//! Law (`record::tests::laws_sections`: `a_place_that_nobody_has_seen_left_is_current`): the current places are those
//! of the tips that say so, no more and no fewer.
//!
//! No clinician has reviewed this rule yet.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::standing::open_conflict;
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::kana;
use crate::record::safety::{Alert, AlertKind, Severity, Words};
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, Position};
use crate::record::threads::Node;

/// What one statement says about a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// The patient is there.
    Here,
    /// The patient has left.
    Left,
    /// The patient is expected, or it is not told.
    Unclear,
    /// It was entered in error, or cancelled.
    Withdrawn,
}

/// One movement event.
#[derive(Clone, PartialEq, Serialize)]
pub struct Stay {
    /// The statement.
    pub position: Position,
    /// The place; none when the resource names none.
    pub place: Option<String>,
    /// The kind of stay: the code of the Encounter's class.
    pub class: Option<String>,
    /// What it says.
    pub presence: Presence,
    /// Since when, as the resource says.
    pub since: Option<String>,
    /// Until when, as the resource says.
    pub until: Option<String>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub source: Source,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Whereabouts {
    /// Where the patient is: several when statements disagree; the latest first.
    pub current: Vec<Stay>,
    /// All other events, the latest first.
    pub history: Vec<Stay>,
    /// The current stays name more than one place.
    pub two_places: bool,
}

/// Views the whereabouts of a record.
pub fn view(facts: &Facts) -> (Whereabouts, Vec<Conflict>) {
    let (mut current, mut history, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    for thread in facts.threads(Section::Whereabouts) {
        let stays: Vec<Stay> = thread.nodes.iter().map(stay).collect();
        let found = conflict::find(&thread, Section::Whereabouts, |nodes| {
            clash(&nodes.iter().map(|node| &stays[*node]).collect::<Vec<_>>())
        });
        let tips: Vec<&Stay> = thread.tips.iter().map(|tip| &stays[*tip]).collect();
        let marks = Marks::of(&thread, clash(&tips).is_some());
        // Places of several threads are judged below, all together.
        conflicts.extend(found.into_iter().filter(|one| !one.open || one.kind == "here-vs-left"));
        for (index, stay) in stays.into_iter().enumerate() {
            let is_current = thread.tips.contains(&index) && stay.presence == Presence::Here;
            let list = if is_current { &mut current } else { &mut history };
            list.push(Stay { marks: if is_current { marks } else { stay.marks }, ..stay });
        }
    }
    let two_places = places(&current.iter().collect::<Vec<_>>()).len() > 1;
    if two_places {
        current.iter_mut().for_each(|stay| stay.marks.disputed = true);
        let summary = places(&current.iter().collect::<Vec<_>>()).join(" ‖ ");
        let statements = current.iter().map(|stay| stay.source.follow);
        conflicts.push(open_conflict(Section::Whereabouts, "two-places", statements, summary));
    }
    for list in [&mut current, &mut history] {
        list.sort_by_key(|stay| std::cmp::Reverse((stay.source.time, stay.position)));
    }
    (Whereabouts { current, history, two_places }, conflicts)
}

/// Speaks when the patient is at two places at once.
pub fn alerts(whereabouts: &Whereabouts) -> Vec<Alert> {
    if !whereabouts.two_places {
        return Vec::new();
    }
    let places = places(&whereabouts.current.iter().collect::<Vec<_>>());
    let mut statements: Vec<Position> = whereabouts.current.iter().map(|stay| stay.position).collect();
    statements.sort_unstable();
    let (count, named) = (places.len(), places.join(" ‖ "));
    let why = Words {
        ja: format!("同時に {count} か所にいることになっている：{named}"),
        en: format!("at {count} places at once: {named}"),
    };
    vec![Alert::of_section(AlertKind::TwoPlaces, Severity::Contraindicated, why, statements)]
}

fn stay(node: &Node<'_>) -> Stay {
    let json = node.first().json();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    let presence = match (node.act(), status.as_str()) {
        (Act::Refute, _) | (_, "entered-in-error" | "cancelled") => Presence::Withdrawn,
        (Act::Stop, _) | (_, "finished") => Presence::Left,
        (_, "arrived" | "triaged" | "in-progress" | "onleave") => Presence::Here,
        (_, _) => Presence::Unclear,
    };
    Stay {
        position: node.position(),
        place: place(&json),
        class: fhir::text(&json, &["class", "code"]),
        presence,
        since: fhir::text(&json, &["period", "start"]),
        until: fhir::text(&json, &["period", "end"]),
        marks: Marks { unverified: node.is_disputed(), ..Marks::default() },
        source: Source::of(node),
    }
}

/// Reads the place: of several locations the last that is active, else the last, else the organisation.
fn place(json: &Value) -> Option<String> {
    let locations = fhir::items(json, &["location"]);
    let active = locations.iter().rfind(|one| fhir::at(one, &["status"]) == "active").or(locations.last());
    let names: [&[&str]; 2] = [&["location", "display"], &["location", "identifier", "value"]];
    let provider: [&[&str]; 1] = [&["serviceProvider", "display"]];
    active.and_then(|one| fhir::first_text(one, &names)).or_else(|| fhir::first_text(json, &provider))
}

/// Returns the names of the places of some stays, each once, whatever its writing.
fn places(stays: &[&Stay]) -> Vec<String> {
    let named = stays.iter().filter_map(|stay| stay.place.as_ref());
    let mut found: BTreeMap<String, &String> = BTreeMap::new();
    for place in named {
        let shown = found.entry(kana::fold(place)).or_insert(place);
        *shown = (*shown).min(place);
    }
    found.into_values().cloned().collect()
}

fn clash(stays: &[&Stay]) -> Option<Clash> {
    let here: Vec<&Stay> = stays.iter().copied().filter(|stay| stay.presence == Presence::Here).collect();
    let places = places(&here);
    let left = stays.iter().any(|stay| stay.presence == Presence::Left);
    let kind = match (places.len(), left && !here.is_empty()) {
        (2.., _) => "two-places",
        (_, true) => "here-vs-left",
        (_, false) => return None,
    };
    Some(Clash { kind, summary: places.join(" ‖ ") })
}
