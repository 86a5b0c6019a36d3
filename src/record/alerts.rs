//! Safety checks over the joined facts of one record.
//!
//! A check runs on every view, so it speaks again whenever facts arrive from elsewhere: harm that only the
//! joined history shows is shown as soon as it is joined.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sections::allergies::{Allergies, Allergy};
use super::sections::medication::{Medication, MedicationList, MedicationState};
use super::statement::Position;
use super::substance::Match;

/// How much harm is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Must not happen.
    Contraindicated,
    /// Needs a second look.
    Caution,
}

/// A possible harm.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// The check that speaks, such as `drug-allergy`.
    pub kind: &'static str,
    /// How much harm is possible.
    pub severity: Severity,
    /// What is wrong, for a clinician.
    pub why: String,
    /// The statements that together make the harm.
    pub statements: Vec<Position>,
}

/// Checks active medication against active allergies: the same substance in both is contraindicated.
///
/// Disputed allergies, held drugs and drugs that need a decision count; so do unverified statements. Several
/// orders of one drug speak once per allergy. Classes and cross-reactions are not judged.
pub fn drug_allergy(allergies: &Allergies, medication: &MedicationList) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for allergy in &allergies.active {
        let mut drugs: BTreeMap<&str, Vec<(&Medication, Match)>> = BTreeMap::new();
        for drug in medication.active.iter().filter(|drug| drug.state.is_active_for_checks()) {
            if let Some(same) = drug.matching.same(&allergy.matching) {
                drugs.entry(&drug.name).or_default().push((drug, same));
            }
        }
        alerts.extend(drugs.into_values().map(|orders| alert(allergy, &orders)));
    }
    alerts
}

/// Makes one alert of an allergy and all orders of one drug; there is at least one.
fn alert(allergy: &Allergy, orders: &[(&Medication, Match)]) -> Alert {
    let reasons = [
        (Match::Yj, "same ingredient code"),
        (Match::Code, "same code"),
        (Match::Name, "same ingredient name"),
    ];
    let all = |state| orders.iter().all(|(drug, _)| drug.state == state);
    let unverified = allergy.marks.unverified || orders.iter().all(|(drug, _)| drug.marks.unverified);
    let notes = [
        (allergy.marks.disputed, "allergy disputed"),
        (unverified, "unverified statement"),
        (all(MedicationState::OnHold), "drug on hold"),
        (all(MedicationState::DecisionNeeded), "drug needs a decision"),
    ];
    let reason = reasons.iter().filter(|(same, _)| orders.iter().any(|(_, found)| found == same));
    let notes = notes.iter().filter(|(there, _)| *there);
    let words: Vec<&str> =
        reason.map(|(_, word)| *word).take(1).chain(notes.map(|(_, word)| *word)).collect();
    let sides = allergy.sides.iter().chain(orders.iter().flat_map(|(drug, _)| &drug.sides));
    let mut statements: Vec<Position> =
        sides.filter_map(|side| side.source.positions.first().copied()).collect();
    statements.push(allergy.position);
    statements.extend(orders.iter().map(|(drug, _)| drug.position));
    statements.sort_unstable();
    statements.dedup();
    let drug = orders.first().map_or("", |(drug, _)| drug.name.as_str());
    Alert {
        kind: "drug-allergy",
        severity: Severity::Contraindicated,
        why: format!("{drug} is given, allergic to {} ({})", allergy.substance, words.join(", ")),
        statements,
    }
}
