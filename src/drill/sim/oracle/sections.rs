//! What is only ever added: doses given, vital signs, immunisations, each there exactly once with its values; and the
//! questions about twins.

use super::held::One;
use super::looking::Look;
use crate::drill::invariants::Looked;
use crate::record::Section;
use crate::record::safety::AlertKind;
use crate::record::sections::administration::DoseState;
use crate::record::sections::immunisation::ShotState;
use crate::record::sections::measurements::ValueState;
use crate::replica::section_write::SectionWrite;

/// Two doses of one drug within this time are asked about: the rule of the section, written down here once more.
const TWINS_S: i64 = 1_800;

/// Compares them.
pub(super) fn compare(look: &Look<'_>, seen: &mut Looked) {
    for one in look.held() {
        match one.form() {
            Some(SectionWrite::Administration { drug, dose, .. }) => {
                let found: Vec<_> =
                    look.view.administrations.iter().filter(|dose| dose.position == one.position()).collect();
                let right = match found.as_slice() {
                    [shown] => {
                        shown.drug == *drug
                            && dose.as_ref().is_none_or(|dose| {
                                shown.dose.as_ref().is_some_and(|shown| shown.contains(dose))
                            })
                            && shown.state == DoseState::Given
                    }
                    _ => false,
                };
                seen.note(right, || look.wrong(&format!("a dose of {drug} is shown {} times", found.len())));
                twins(look, one, seen);
            }
            Some(SectionWrite::Vital { sign, value }) => vital(look, one, (sign, value), seen),
            Some(SectionWrite::Immunisation { vaccine, lot, at, .. }) => {
                let found: Vec<_> =
                    look.view.immunisations.iter().filter(|shot| shot.position == one.position()).collect();
                let right = match found.as_slice() {
                    [shown] => {
                        shown.vaccine == *vaccine
                            && shown.lot == *lot
                            && shown.when == *at
                            && shown.state == ShotState::Given
                    }
                    _ => false,
                };
                seen.note(right, || look.wrong(&format!("a shot of {vaccine} is not shown as written")));
                same_shots(look, one, seen);
            }
            _ => {}
        }
    }
    if look.knows(Section::Administration) {
        let given = |one: &&One<'_>| matches!(one.form(), Some(SectionWrite::Administration { .. }));
        let (shown, written) = (look.view.administrations.len(), look.held().filter(given).count());
        seen.note(shown == written, || {
            look.wrong(&format!("{written} doses were given and {shown} are shown"))
        });
    }
}

fn vital(look: &Look<'_>, one: &One<'_>, (sign, value): (&String, &String), seen: &mut Looked) {
    let points = look.view.vital_signs.iter().flat_map(|series| &series.values);
    let found: Vec<_> = points.filter(|point| point.positions.contains(&one.position())).collect();
    let right = match found.as_slice() {
        [shown] => {
            let mut numbers = value.split('/');
            shown.state == ValueState::Current && numbers.all(|number| says(&shown.value, number))
        }
        _ => false,
    };
    seen.note(right, || look.wrong(&format!("{sign} {value} is not shown as written")));
    // The latest of a series is shown at its top, by the time that was written.
    let series = look
        .view
        .vital_signs
        .iter()
        .find(|series| series.values.iter().any(|point| point.positions.contains(&one.position())));
    seen.note(series.is_some_and(|series| !series.latest.is_empty()), || {
        look.wrong(&format!("the series of {sign} has no latest value"))
    });
}

/// Says whether a shown value has a number in it as a word of its own.
fn says(shown: &str, number: &str) -> bool {
    shown.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|word| word == number)
}

/// Every other dose of the drug at nearly the same time is asked about, and no other.
fn twins(look: &Look<'_>, one: &One<'_>, seen: &mut Looked) {
    let Some((drug, given)) = dose_of(one) else { return };
    for other in look.held().filter(|other| other.number > one.number) {
        let Some((also, then)) = dose_of(other) else { continue };
        let close = drug == also && (given - then).abs() <= TWINS_S;
        let pair = [one.position(), other.position()];
        let asked = look.view.alerts.iter().any(|alert| {
            alert.kind == AlertKind::DoubleDose && pair.iter().all(|at| alert.statements.contains(at))
        });
        seen.note(close == asked, || {
            let told = if close { "is not asked about" } else { "is asked about without reason" };
            look.wrong(&format!("a second dose of {drug} {told}"))
        });
    }
}

/// The drug of a dose, and when it was given in seconds since 1970.
fn dose_of<'o>(one: &'o One<'_>) -> Option<(&'o str, i64)> {
    match one.form()? {
        SectionWrite::Administration { drug, at: Some(at), .. } => {
            Some((drug.as_str(), at.parse::<jiff::Timestamp>().ok()?.as_second()))
        }
        _ => None,
    }
}

/// A shot of equal vaccine, lot and day is suggested to be the same one.
fn same_shots(look: &Look<'_>, one: &One<'_>, seen: &mut Looked) {
    let key = |one: &One<'_>| match one.form() {
        Some(SectionWrite::Immunisation { vaccine, lot: Some(lot), at: Some(at), .. }) => {
            Some((vaccine.clone(), lot.clone(), at.get(..10)?.to_owned()))
        }
        _ => None,
    };
    let Some(mine) = key(one) else { return };
    let others = look.held().filter(|other| other.number != one.number && key(other) == Some(mine.clone()));
    let mut same: Vec<_> = others.map(One::position).collect();
    same.sort_unstable();
    let shown = look.view.immunisations.iter().find(|shot| shot.position == one.position());
    seen.note(shown.is_some_and(|shot| shot.same == same), || {
        look.wrong(&format!("a shot of {} is not compared with {} others", mine.0, same.len()))
    });
}
