//! What must warn: a drug for somebody who is allergic to it, and one drug ordered at two sites.

use super::super::ledger::Content;
use super::held::{Held, One, Topic};
use super::looking::Look;
use crate::drill::invariants::Looked;
use crate::record::Section;
use crate::record::safety::AlertKind;
use crate::replica::request::{MedicationAction, Write};

/// Compares the alerts.
pub(super) fn compare(look: &Look<'_>, seen: &mut Looked) {
    if !(look.knows(Section::Medication) && look.knows(Section::Allergies)) {
        return;
    }
    for topic in look.held.topics() {
        let Topic::Drug(drug) = topic else { continue };
        let standing = look.held.standing(&topic);
        if !look.held.standing(&Topic::Allergy(drug)).is_empty() {
            for one in &standing {
                let warned = is_warned(look, AlertKind::DrugAllergy, &[one]);
                seen.note(warned, || {
                    look.wrong(&format!("{drug} is given in spite of an allergy, unwarned"))
                });
            }
        }
        let starts: Vec<&One<'_>> = standing.iter().filter(|one| is_start(one)).collect();
        for (place, one) in starts.iter().enumerate() {
            for other in starts[place + 1..].iter().filter(|other| other.at.member != one.at.member) {
                let warned = is_warned(look, AlertKind::DuplicateIngredient, &[one, other]);
                seen.note(warned, || look.wrong(&format!("{drug} is ordered at two sites, unwarned")));
            }
        }
    }
}

fn is_warned(look: &Look<'_>, kind: AlertKind, of: &[&One<'_>]) -> bool {
    let mut alerts = look.view.alerts.iter().filter(|alert| alert.kind == kind);
    alerts.any(|alert| of.iter().all(|one| alert.statements.contains(&one.position())))
}

fn is_start(one: &One<'_>) -> bool {
    matches!(&one.wrote.content, Content::Write(Write::Medication { action: MedicationAction::Start, .. }))
}

impl Held<'_> {
    /// Says whether an order must be refused until a reason is given: its drug is one to which an allergy stands here, and it
    /// is started, or nobody has given it yet.
    pub(in crate::drill::sim) fn forbids(&self, content: &Content) -> bool {
        let Content::Write(Write::Medication { action, drug, .. }) = content else { return false };
        matches!(action, MedicationAction::Start | MedicationAction::Change)
            && !self.standing(&Topic::Allergy(drug)).is_empty()
            && (*action == MedicationAction::Start || self.standing(&Topic::Drug(drug)).is_empty())
    }
}
