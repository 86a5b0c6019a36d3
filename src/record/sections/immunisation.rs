//! Immunisations.
//!
//! Rule: union. Statements of equal vaccine, lot and day are suggested as one and the same shot, and never fused;
//! without a lot nothing is suggested. What was withdrawn stays listed, marked.
//!
//! Why: a shot that is listed twice is seen to be one; a shot that is lost is given again, or, worse, missed.
//!
//! Law (`record::tests::laws_sections`: `no_immunisation_is_missing_and_twins_are_suggested`).
//!
//! No clinician has reviewed this rule yet.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::kana;
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, Position};
use crate::record::threads::Node;

/// What one statement says of a shot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShotState {
    /// It was given.
    Given,
    /// It was not given.
    NotGiven,
    /// It was entered in error, or refuted.
    Withdrawn,
}

/// One current statement of a shot.
#[derive(Clone, PartialEq, Serialize)]
pub struct Shot {
    /// The statement.
    pub position: Position,
    /// The vaccine.
    pub vaccine: String,
    /// The vaccine's codes.
    pub codes: Vec<Code>,
    /// The lot number.
    pub lot: Option<String>,
    /// When it was given, as the resource says.
    pub when: Option<String>,
    /// What the statement says.
    pub state: ShotState,
    /// Others of equal vaccine, lot and day: perhaps the same shot.
    pub same: Vec<Position>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub source: Source,
}

/// Views the immunisations of a record, the latest first.
pub fn view(facts: &Facts) -> (Vec<Shot>, Vec<Conflict>) {
    let (mut all, mut conflicts) = (Vec::new(), Vec::new());
    for thread in facts.threads(Section::Immunisation) {
        let shots: Vec<Shot> = thread.nodes.iter().map(shot).collect();
        let says = |node: usize| (shots[node].state, &shots[node].vaccine, &shots[node].when);
        let clash = |nodes: &[usize]| {
            let first = *nodes.first()?;
            let differ = nodes.iter().any(|node| says(*node) != says(first));
            differ.then(|| Clash { kind: "two-versions", summary: shots[first].vaccine.clone() })
        };
        conflicts.extend(conflict::find(&thread, Section::Immunisation, clash));
        let marks = Marks::of(&thread, clash(&thread.tips).is_some());
        for tip in &thread.tips {
            let node = &thread.nodes[*tip];
            let refuted = node.act() == Act::Refute && !node.follows.is_empty();
            // A refutation says what is withdrawn: that is what is shown. A disputed one withdraws nothing verified.
            let withdrawn = node.follows.iter().copied().filter(|followed| !thread.tips.contains(followed));
            let shown = if refuted { withdrawn.collect() } else { vec![*tip] };
            for index in shown {
                let state = if refuted { ShotState::Withdrawn } else { shots[index].state };
                all.push(Shot { state, marks, source: Source::of(node), ..shots[index].clone() });
            }
        }
    }
    all.sort_by_key(|shot: &Shot| (shot.position, shot.source.positions.clone()));
    all.dedup_by_key(|shot| shot.position);
    suggest_same(&mut all);
    let instant = |shot: &Shot| shot.when.as_deref().and_then(fhir::instant);
    all.sort_by_key(|shot| (std::cmp::Reverse(instant(shot)), shot.position));
    (all, conflicts)
}

fn shot(node: &Node<'_>) -> Shot {
    let json = node.first().json();
    let vaccine = fhir::at(&json, &["vaccineCode"]);
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    Shot {
        position: node.position(),
        vaccine: fhir::concept(vaccine).unwrap_or_else(|| "(unnamed vaccine)".to_owned()),
        codes: fhir::codes(vaccine),
        lot: fhir::text(&json, &["lotNumber"]),
        when: fhir::first_text(&json, &[&["occurrenceDateTime"], &["occurrenceString"]]),
        state: match (node.act(), status.as_str()) {
            (Act::Refute, _) | (_, "entered-in-error") => ShotState::Withdrawn,
            (_, "not-done") => ShotState::NotGiven,
            (_, _) => ShotState::Given,
        },
        same: Vec::new(),
        marks: Marks::default(),
        source: Source::of(node),
    }
}

fn suggest_same(all: &mut [Shot]) {
    let mut by_lot: BTreeMap<(String, String, String), Vec<Position>> = BTreeMap::new();
    let keys = |shot: &Shot| -> Vec<(String, String, String)> {
        let (Some(lot), Some(when)) = (&shot.lot, &shot.when) else { return Vec::new() };
        let (lot, day) = (kana::fold(lot), fhir::day(when).to_owned());
        let codes = shot.codes.iter().map(|code| format!("{}|{}", code.system, code.code));
        let names = codes.chain([kana::fold(&shot.vaccine)]);
        names.map(|vaccine| (vaccine, lot.clone(), day.clone())).collect()
    };
    for shot in all.iter().filter(|shot| shot.state == ShotState::Given) {
        keys(shot).into_iter().for_each(|key| by_lot.entry(key).or_default().push(shot.position));
    }
    for shot in all.iter_mut().filter(|shot| shot.state == ShotState::Given) {
        let found = keys(shot).into_iter().filter_map(|key| by_lot.get(&key)).flatten().copied();
        let mut same: Vec<Position> = found.filter(|position| *position != shot.position).collect();
        same.sort_unstable();
        same.dedup();
        shot.same = same;
    }
}
