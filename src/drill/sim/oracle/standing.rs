//! What stands until it is answered: allergies, drugs, triage, blood type, resuscitation, whereabouts, consents.

use std::collections::BTreeSet;

use super::held::{One, Topic};
use super::looking::Look;
use crate::drill::invariants::Looked;
use crate::record::safety::AlertKind;
use crate::record::sections::medication::{Medication, MedicationState};
use crate::record::sections::resuscitation::ResuscitationState;
use crate::record::{Position, Section};
use crate::replica::request::{MedicationAction, Write};
use crate::replica::section_write::SectionWrite;

/// Colours, the most urgent first; black last: whoever may live comes before.
const URGENCY: [&str; 4] = ["red", "yellow", "green", "black"];
/// Widths of a consent, the narrowest first.
const NARROW: [&str; 3] = ["withdrawn", "limited", "permitted"];

/// Compares them.
pub(super) fn compare(look: &Look<'_>, seen: &mut Looked) {
    for topic in look.held.topics() {
        let standing = look.held.standing(&topic);
        match topic {
            Topic::Allergy(substance) if look.knows(Section::Allergies) => {
                allergy(look, substance, &standing, seen);
            }
            Topic::Drug(drug) if look.knows(Section::Medication) => drugs(look, drug, &standing, seen),
            Topic::Triage if look.knows(Section::Triage) => triage(look, &standing, seen),
            Topic::BloodType if look.knows(Section::BloodType) => blood_type(look, &standing, seen),
            Topic::Resuscitation if look.knows(Section::Resuscitation) => {
                resuscitation(look, &standing, seen);
            }
            Topic::Whereabouts if look.knows(Section::Whereabouts) => whereabouts(look, &standing, seen),
            Topic::Consent(kind) if look.knows(Section::Consent) => consent(look, kind, &standing, seen),
            // Something in the section is not known to the ledger.
            _ => {}
        }
    }
}

fn allergy(look: &Look<'_>, substance: &str, standing: &[One<'_>], seen: &mut Looked) {
    let mut active = look.view.allergies.active.iter();
    let shown = active.any(|one| one.substance == substance || one.also.iter().any(|name| name == substance));
    seen.note(shown != standing.is_empty(), || {
        let told = if shown { "is refuted and still active" } else { "stands and is not active" };
        look.wrong(&format!("the allergy to {substance} {told}"))
    });
}

fn drugs(look: &Look<'_>, drug: &str, standing: &[One<'_>], seen: &mut Looked) {
    let active = &look.view.medication.active;
    if standing.is_empty() {
        seen.note(active.iter().all(|one| one.name != drug), || {
            look.wrong(&format!("{drug} was stopped and is still active"))
        });
    }
    for one in standing {
        let Some(Write::Medication { action, dose, .. }) = one.write() else { continue };
        let shown = active.iter().find(|shown| shown.name == drug && has(shown, one.position()));
        let right = shown.is_some_and(|shown| match action {
            MedicationAction::Hold => {
                matches!(shown.state, MedicationState::OnHold | MedicationState::DecisionNeeded)
            }
            _ => {
                let told = dose.as_ref().is_none_or(|dose| shown.doses.contains(dose));
                let given = matches!(shown.state, MedicationState::Active | MedicationState::DecisionNeeded);
                told && given
            }
        });
        seen.note(right, || look.wrong(&format!("{action:?} of {drug} stands and is not shown")));
        if *action == MedicationAction::Change && stopped_apart(look, drug, one) {
            let asked = shown.is_some_and(|shown| shown.state == MedicationState::DecisionNeeded);
            let open = look.view.conflicts.iter().any(|conflict| {
                conflict.open
                    && conflict.section == Section::Medication
                    && conflict.statements.contains(&one.position())
            });
            seen.note(asked && open, || {
                look.wrong(&format!("{drug} was changed and stopped apart, and nobody is asked"))
            });
        }
    }
}

fn has(shown: &Medication, position: Position) -> bool {
    shown.sides.iter().any(|side| side.source.positions.contains(&position))
}

/// Says whether somebody stopped what this change answers, neither knowing of the other, and nobody has seen both.
fn stopped_apart(look: &Look<'_>, drug: &str, change: &One<'_>) -> bool {
    let about = || {
        look.held().filter(|one| match one.write() {
            Some(Write::Medication { drug: other, action, .. }) => {
                other == drug && *action != MedicationAction::Start
            }
            _ => false,
        })
    };
    about().any(|one| {
        let Some(Write::Medication { action: MedicationAction::Stop, .. }) = one.write() else {
            return false;
        };
        one.wrote.answers.iter().any(|answered| change.wrote.answers.contains(answered))
            && !one.wrote.saw.contains(&change.number)
            && !change.wrote.saw.contains(&one.number)
            && about().all(|later| !later.wrote.saw.contains(&one.number))
    })
}

fn triage(look: &Look<'_>, standing: &[One<'_>], seen: &mut Looked) {
    let mut colours: Vec<&str> = standing
        .iter()
        .filter_map(|one| match one.form() {
            Some(SectionWrite::Triage { colour, .. }) => Some(colour.as_str()),
            _ => None,
        })
        .collect();
    colours.sort_by_key(|colour| URGENCY.iter().position(|known| known == colour));
    colours.dedup();
    let shown = look.view.triage.shown.map(crate::record::sections::triage::Colour::name);
    seen.note(shown == colours.first().copied(), || {
        look.wrong(&format!("triage {colours:?} is shown as {shown:?}"))
    });
    seen.note(look.view.triage.marks.disputed == (colours.len() > 1), || {
        look.wrong(&format!("triage {colours:?}: whether it is disputed is shown wrongly"))
    });
    let doctor = standing.iter().any(|one| one.wrote.by_doctor);
    let needs = colours == ["black"] && !doctor;
    seen.note(look.view.triage.needs_doctor == needs, || {
        look.wrong("whether black needs a doctor is shown wrongly")
    });
    let series = look.held().filter(|one| matches!(one.form(), Some(SectionWrite::Triage { .. })));
    let all: BTreeSet<Position> = look.view.triage.assessments.iter().map(|one| one.position).collect();
    for one in series {
        seen.note(all.contains(&one.position()), || look.wrong("a triage assessment is not in the series"));
    }
}

fn blood_type(look: &Look<'_>, standing: &[One<'_>], seen: &mut Looked) {
    let mut groups = BTreeSet::new();
    for one in standing {
        let Some(SectionWrite::BloodType { group, .. }) = one.form() else { continue };
        groups.insert(group.as_str());
        let mut sides = look.view.blood_type.sides.iter();
        let shown = sides.any(|side| side.says == *group && side.source.positions.contains(&one.position()));
        seen.note(shown, || look.wrong(&format!("blood type {group} stands and is not shown")));
    }
    let shown = &look.view.blood_type;
    seen.note(shown.usable == (groups.len() == 1), || {
        look.wrong(&format!("blood types {groups:?}: usable is {}", shown.usable))
    });
    let extra = shown.sides.len() != standing.len();
    seen.note(!extra, || look.wrong("a blood type that was decided is still shown"));
}

fn resuscitation(look: &Look<'_>, standing: &[One<'_>], seen: &mut Looked) {
    let orders: BTreeSet<bool> = standing
        .iter()
        .filter_map(|one| match one.form() {
            Some(SectionWrite::Resuscitation { attempt, .. }) => Some(*attempt),
            _ => None,
        })
        .collect();
    let wanted = match (orders.contains(&true), orders.contains(&false)) {
        (true, true) => ResuscitationState::Disagreement,
        (true, false) => ResuscitationState::Attempt,
        (false, true) => ResuscitationState::DoNotAttempt,
        (false, false) => ResuscitationState::Unknown,
    };
    let shown = look.view.resuscitation.state;
    seen.note(shown == wanted, || look.wrong(&format!("resuscitation is {shown:?} and not {wanted:?}")));
}

fn whereabouts(look: &Look<'_>, standing: &[One<'_>], seen: &mut Looked) {
    let wanted: BTreeSet<Position> = standing.iter().map(One::position).collect();
    let shown: BTreeSet<Position> = look.view.whereabouts.current.iter().map(|stay| stay.position).collect();
    seen.note(shown == wanted, || {
        look.wrong(&format!("{} places stand and {} are shown", wanted.len(), shown.len()))
    });
    let mut places = BTreeSet::new();
    for one in standing {
        let Some(SectionWrite::Move { place, .. }) = one.form() else { continue };
        places.insert(place.as_str());
        let mut current = look.view.whereabouts.current.iter();
        let named = current
            .any(|stay| stay.position == one.position() && stay.place.as_deref() == Some(place.as_str()));
        seen.note(named, || look.wrong(&format!("the stay at {place} is not shown")));
    }
    let warned = look.view.alerts.iter().any(|alert| alert.kind == AlertKind::TwoPlaces);
    seen.note(warned == (places.len() > 1), || {
        look.wrong(&format!("at {} places at once, warned: {warned}", places.len()))
    });
}

fn consent(look: &Look<'_>, kind: &str, standing: &[One<'_>], seen: &mut Looked) {
    let levels = standing.iter().filter_map(|one| match one.form() {
        Some(SectionWrite::Consent { level, .. }) => NARROW.iter().position(|known| known == level),
        _ => None,
    });
    let narrowest = levels.min().map(|place| NARROW[place]);
    let shown = look.view.consents.iter().find(|one| one.kind.name() == kind);
    let level = shown.and_then(|one| one.level).map(crate::record::sections::consent::ConsentLevel::name);
    seen.note(level == narrowest, || {
        look.wrong(&format!("consent to {kind} is {level:?}, and the narrowest that stands {narrowest:?}"))
    });
    let sides = shown.map_or(0, |one| one.sides.len());
    seen.note(sides == standing.len(), || {
        look.wrong(&format!("{} consents to {kind} stand and {sides} are shown", standing.len()))
    });
}
