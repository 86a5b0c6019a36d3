//! Administration: doses that were given.
//!
//! Rule: append-only. Every statement is listed; what corrects or withdraws another stands beside it, and marks it.
//! Two doses of one drug that were given nearly at the same time, and of which neither follows the other, ask
//! "double dose or double entry?"; they are never collapsed. Only one import of one resource is one dose.
//!
//! Why: a dose that is hidden is given again; a dose that is listed twice is asked about.
//!
//! Laws (`record::tests::laws_sections`): `no_administration_is_missing`, `twins_are_asked_about_and_never_collapsed`.
//!
//! No clinician has reviewed this rule yet.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::safety::{Alert, AlertKind, Severity, Words};
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, Position};
use crate::record::substance::Substance;
use crate::record::threads::Node;

/// How far apart two doses of one drug may lie to be asked about, in seconds.
///
/// Half an hour: a scheduled dose counts as given in time within thirty minutes of its hour (the "30-minute rule" of
/// the Institute for Safe Medication Practices), so two entries of one dose lie within it, and few drugs are repeated
/// sooner on purpose.
pub const TWIN_WINDOW_S: i64 = 30 * 60;
/// Most neighbours in time with which one dose is compared.
const TWINS_COMPARED_MAX: usize = 64;

/// What became of one statement of a dose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoseState {
    /// It was given, or is being given.
    Given,
    /// It was not given.
    NotGiven,
    /// A later statement corrects it.
    Corrected,
    /// It was entered in error, or refuted.
    Withdrawn,
}

/// One statement of a dose.
#[derive(Clone, PartialEq, Serialize)]
pub struct Dose {
    /// The statement.
    pub position: Position,
    /// The drug.
    pub drug: String,
    /// The drug's codes.
    pub codes: Vec<Code>,
    /// How much, and how.
    pub dose: Option<String>,
    /// When it was given, as the resource says.
    pub when: Option<String>,
    /// What became of it.
    pub state: DoseState,
    /// Doses of the same drug at nearly the same time, the earliest first: double dose or double entry?
    pub twins: Vec<Position>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// Who says so.
    pub source: Source,
    /// What the checks compare.
    #[serde(skip)]
    pub matching: Substance,
}

/// Views the doses of a record, the latest first.
pub fn view(facts: &Facts) -> (Vec<Dose>, Vec<Conflict>) {
    let (mut all, mut threads, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    for (number, thread) in facts.threads(Section::Administration).iter().enumerate() {
        let mut doses: Vec<Dose> = thread.nodes.iter().map(dose).collect();
        let says = |dose: &Dose| format!("{:?} {} {:?}", dose.state, dose.drug, dose.dose);
        let found = conflict::find(thread, Section::Administration, |nodes| {
            let first = &doses[*nodes.first()?];
            let differ = nodes.iter().any(|node| says(&doses[*node]) != says(first));
            differ.then(|| Clash { kind: "two-corrections", summary: first.drug.clone() })
        });
        conflicts.extend(found);
        for (index, node) in thread.nodes.iter().enumerate() {
            let is_tip = thread.tips.contains(&index);
            if !is_tip && doses[index].state == DoseState::Given {
                doses[index].state = DoseState::Corrected;
            }
            for followed in &node.follows {
                let hidden = !thread.tips.contains(followed);
                if node.act() == Act::Refute && hidden {
                    doses[*followed].state = DoseState::Withdrawn;
                }
            }
            doses[index].marks.concurrent = is_tip && thread.is_concurrent();
        }
        threads.extend(std::iter::repeat_n(number, doses.len()));
        all.extend(doses);
    }
    find_twins(&mut all, &threads);
    all.sort_by_key(|dose| (std::cmp::Reverse(instant(dose)), dose.position));
    (all, conflicts)
}

/// Asks about each pair of twins.
pub fn alerts(doses: &[Dose]) -> Vec<Alert> {
    let mut pairs = BTreeSet::new();
    for dose in doses {
        for twin in &dose.twins {
            pairs.insert((dose.position.min(*twin), dose.position.max(*twin)));
        }
    }
    let drug = |position: &Position| doses.iter().find(|dose| dose.position == *position);
    let alert = |(one, other): (Position, Position)| {
        let name = drug(&one).map_or("", |dose| dose.drug.as_str());
        let why = Words {
            ja: format!("{name}：二重投与か、二重記録か"),
            en: format!("{name}: double dose or double entry?"),
        };
        Alert::of_section(AlertKind::DoubleDose, Severity::Caution, why, vec![one, other])
    };
    pairs.into_iter().map(alert).collect()
}

fn dose(node: &Node<'_>) -> Dose {
    let json = node.first().json();
    let drug = fhir::at(&json, &["medicationCodeableConcept"]);
    let amount = fhir::quantity(fhir::at(&json, &["dosage", "dose"]));
    let route = fhir::concept(fhir::at(&json, &["dosage", "route"]));
    let words = fhir::text(&json, &["dosage", "text"]).or_else(|| fhir::text(&json, &["note", "0", "text"]));
    let words: Vec<String> = words.into_iter().chain(amount).chain(route).collect();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    Dose {
        position: node.position(),
        drug: fhir::concept(drug)
            .or_else(|| fhir::text(&json, &["medicationReference", "display"]))
            .unwrap_or_else(|| "(unnamed drug)".to_owned()),
        codes: fhir::codes(drug),
        dose: (!words.is_empty()).then(|| words.join(" ")),
        when: fhir::first_text(&json, &[&["effectiveDateTime"], &["effectivePeriod", "start"]]),
        state: match (node.act(), status.as_str()) {
            (Act::Refute, _) | (_, "entered-in-error") => DoseState::Withdrawn,
            (_, "not-done") => DoseState::NotGiven,
            // Stopped or held half-way: part of it was given.
            (_, _) => DoseState::Given,
        },
        twins: Vec::new(),
        marks: Marks { unverified: node.is_disputed(), waiting: node.is_waiting(), ..Marks::default() },
        source: Source::of(node),
        matching: Substance::of_concept(drug),
    }
}

/// Returns when a dose was given; where the resource does not tell, when it was written down.
fn instant(dose: &Dose) -> i64 {
    let written = i64::try_from(dose.source.time_ms.0 / 1_000).unwrap_or(i64::MAX);
    dose.when.as_deref().and_then(fhir::instant).unwrap_or(written)
}

fn find_twins(doses: &mut [Dose], threads: &[usize]) {
    let given = |index: &usize| doses[*index].state == DoseState::Given;
    let mut order: Vec<usize> = (0..doses.len()).filter(given).collect();
    order.sort_by_key(|index| (instant(&doses[*index]), doses[*index].position));
    let mut pairs = Vec::new();
    for (place, first) in order.iter().enumerate() {
        for second in order[place + 1..].iter().take(TWINS_COMPARED_MAX) {
            let (one, other) = (&doses[*first], &doses[*second]);
            if instant(other).saturating_sub(instant(one)) > TWIN_WINDOW_S {
                break;
            }
            let same = one.matching.same(&other.matching).is_some() || one.drug == other.drug;
            // Versions of one dose that were corrected apart are a conflict, not twins.
            if same && threads[*first] != threads[*second] {
                pairs.push((*first, *second));
            }
        }
    }
    for (one, other) in pairs {
        let (first, second) = (doses[one].position, doses[other].position);
        doses[one].twins.push(second);
        doses[other].twins.push(first);
    }
}
