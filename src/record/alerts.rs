//! Safety checks over the joined facts of one record.
//!
//! A check runs on every view, so it speaks again whenever facts arrive from elsewhere: harm that only the
//! joined history shows is shown as soon as it is joined.

use serde::Serialize;

use super::sections::allergies::Allergies;
use super::sections::medication::{MedicationList, MedicationState};
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
/// Disputed allergies, held drugs and drugs that need a decision count; so do unverified statements. Classes
/// and cross-reactions are not judged.
pub fn drug_allergy(allergies: &Allergies, medication: &MedicationList) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for drug in medication.active.iter().filter(|drug| drug.state.is_active_for_checks()) {
        for allergy in &allergies.active {
            let Some(same) = drug.matching.same(&allergy.matching) else { continue };
            let reason = match same {
                Match::Yj => "same ingredient code",
                Match::Code => "same code",
                Match::Name => "same ingredient name",
            };
            let mut notes = Vec::new();
            notes.extend(allergy.marks.disputed.then_some("allergy disputed"));
            notes.extend(
                (allergy.marks.unverified || drug.marks.unverified).then_some("unverified statement"),
            );
            notes.extend(match drug.state {
                MedicationState::OnHold => Some("drug on hold"),
                MedicationState::DecisionNeeded => Some("drug needs a decision"),
                MedicationState::Active
                | MedicationState::Recorded
                | MedicationState::Planned
                | MedicationState::Prohibited
                | MedicationState::Stopped
                | MedicationState::EnteredInError => None,
            });
            let notes = notes.iter().map(|note| format!(", {note}")).collect::<String>();
            let sides = allergy.sides.iter().chain(&drug.sides);
            let mut statements: Vec<Position> =
                sides.filter_map(|side| side.source.positions.first().copied()).collect();
            statements.extend([allergy.position, drug.position]);
            statements.sort_unstable();
            statements.dedup();
            alerts.push(Alert {
                kind: "drug-allergy",
                severity: Severity::Contraindicated,
                why: format!("{} is given, allergic to {} ({reason}{notes})", drug.name, allergy.substance),
                statements,
            });
        }
    }
    alerts
}
