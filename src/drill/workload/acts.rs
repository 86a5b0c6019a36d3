//! What people write into the sections that have forms of their own, where a workload says `acts = "all"`.
//!
//! Values are few, so that two sites often say different things of one patient: that is what a merge is about.

use std::mem::discriminant;
use std::time::Duration;

use super::script::Task;
use super::words;
use crate::base::WallMs;
use crate::drill::chance::Chance;
use crate::drill::scenario::TriageMix;
use crate::record::build::fhir_time;
use crate::replica::request::{MedicationAction, Write};
use crate::replica::section_write::SectionWrite;

/// Vaccines with the lots of which shots are given.
const VACCINES: [(&str, [&str; 2]); 2] =
    [("破傷風トキソイド", ["T-101", "T-102"]), ("インフルエンザHAワクチン", ["F-7", "F-8"])];
/// Where patients stay, each with the kind of place.
const PLACES: [(&str, &str); 4] =
    [("中央病院 救急外来", "emergency"), ("北病棟", "inpatient"), ("第二小学校", "field"), ("自宅", "home")];
const GROUPS: [&str; 3] = ["A+", "O+", "A-"];
/// Colours in the order of [`TriageMix`].
const COLOURS: [&str; 4] = ["red", "yellow", "green", "black"];
/// How long before it is written a dose was given, in minutes: some are told in time, some at the end of a shift.
const GIVEN_BEFORE_MIN: u64 = 90;

/// How often it is drawn until it is about the same section: the rarest is one of twelve.
const DRAWS_MAX: usize = 60;

/// Draws something to write; `at` is when, `begins` the wall clock at time zero.
pub(super) fn draw(at: Duration, begins: WallMs, triage: TriageMix, chance: &mut Chance) -> Task {
    let moment = |before_min: u64| {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        fhir_time(WallMs(begins.0.saturating_add(ms).saturating_sub(before_min * 60_000)))
    };
    let form = match chance.below(12) {
        0 | 1 => {
            let weights = [triage.red, triage.yellow, triage.green, triage.black];
            let colour = COLOURS[chance.weighted(weights.into_iter()).unwrap_or(1)].to_owned();
            SectionWrite::Triage { colour, method: Some("START".to_owned()) }
        }
        2 | 3 => vital(chance),
        4 => {
            let group = chance.pick(&GROUPS).copied().unwrap_or("O+").to_owned();
            SectionWrite::BloodType { group, confirm: chance.share(0.3) }
        }
        5 => SectionWrite::Resuscitation { attempt: chance.share(0.5), confirm: chance.share(0.4) },
        6 => {
            let (place, kind) = chance.pick(&PLACES).copied().unwrap_or(PLACES[0]);
            SectionWrite::Move { place: place.to_owned(), kind: kind.to_owned(), left: chance.share(0.2) }
        }
        7 | 8 => {
            let (drug, doses) = words::DRUGS[chance.below(3) as usize];
            let at = Some(moment(chance.below(GIVEN_BEFORE_MIN)));
            let dose = Some(doses[chance.below(2) as usize].to_owned());
            SectionWrite::Administration { drug: drug.to_owned(), code: None, dose, at }
        }
        9 => {
            let (vaccine, lots) = VACCINES[chance.below(2) as usize];
            let (lot, at) = (lots[chance.below(2) as usize].to_owned(), Some(moment(0)));
            SectionWrite::Immunisation { vaccine: vaccine.to_owned(), code: None, lot: Some(lot), at }
        }
        10 => {
            let kind = if chance.share(0.5) { "sharing" } else { "backup" }.to_owned();
            let level = ["permitted", "limited", "withdrawn"][chance.below(3) as usize].to_owned();
            SectionWrite::Consent { kind, level, limits: Some("県内のみ".to_owned()) }
        }
        _ => return others(chance),
    };
    Task::Write(Write::Section(form))
}

/// Draws what somebody elsewhere writes about the same thing at the same moment, so that neither can know of the other;
/// none where nothing could be contrary.
pub(super) fn contrary(
    task: &Task,
    (at, begins): (Duration, WallMs),
    triage: TriageMix,
    chance: &mut Chance,
) -> Option<Task> {
    let dose = |drug: &str| words::DRUGS.iter().find(|(name, _)| *name == drug).map(|(_, doses)| doses[0]);
    match task {
        Task::Change(drug, _) => Some(Task::Stop(drug)),
        Task::Stop(drug) => Some(Task::Change(drug, dose(drug)?)),
        Task::Start(drug, dose) => Some(Task::Start(drug, dose)),
        Task::Refute(substance) => Some(Task::Allergy(substance)),
        Task::Write(Write::Section(form)) => {
            let same = |task: &Task| match task {
                Task::Write(Write::Section(other)) => discriminant(other) == discriminant(form),
                _ => false,
            };
            (0..DRAWS_MAX).map(|_| draw(at, begins, triage, chance)).find(same)
        }
        _ => None,
    }
}

fn others(chance: &mut Chance) -> Task {
    match chance.below(3) {
        0 => Task::Annotate(words::handover(chance)),
        1 => Task::Decide(chance.below(4) as usize),
        _ => Task::Write(Write::Medication {
            action: MedicationAction::Hold,
            drug: words::DRUGS[chance.below(3) as usize].0.to_owned(),
            code: None,
            dose: None,
            reason: Some("検査前".to_owned()),
        }),
    }
}

fn vital(chance: &mut Chance) -> SectionWrite {
    let (sign, value) = match chance.below(6) {
        0 => ("pulse", format!("{}", 55 + chance.below(70))),
        1 => ("breathing", format!("{}", 10 + chance.below(20))),
        2 => ("temperature", format!("{}.{}", 35 + chance.below(5), 1 + chance.below(9))),
        3 => ("spo2", format!("{}", 85 + chance.below(15))),
        4 => ("gcs", format!("{}", 3 + chance.below(13))),
        _ => ("blood-pressure", format!("{}/{}", 95 + chance.below(70), 50 + chance.below(40))),
    };
    SectionWrite::Vital { sign: sign.to_owned(), value }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_contrary_is_about_the_same() {
        let mut chance = Chance::of_seed(2);
        let mix = TriageMix { red: 1.0, yellow: 1.0, green: 1.0, black: 1.0 };
        let now = (Duration::ZERO, WallMs(1_795_000_000_000));
        let mut of = |task: Task| contrary(&task, now, mix, &mut chance);
        assert_eq!(of(Task::Change("ワルファリン", "3mg")), Some(Task::Stop("ワルファリン")));
        assert!(matches!(of(Task::Stop("ワルファリン")), Some(Task::Change("ワルファリン", _))));
        assert_eq!(of(Task::Note(String::new())), None);
        let left = SectionWrite::Move { place: "北病棟".into(), kind: "inpatient".into(), left: true };
        let moved = of(Task::Write(Write::Section(left)));
        assert!(matches!(moved, Some(Task::Write(Write::Section(SectionWrite::Move { .. })))), "{moved:?}");
    }

    #[test]
    fn every_section_is_written_before_long() {
        let mut chance = Chance::of_seed(1);
        let mix = TriageMix { red: 1.0, yellow: 1.0, green: 1.0, black: 1.0 };
        let begins = WallMs(1_795_000_000_000);
        let kind = |task: &Task| match task {
            Task::Write(write) => serde_json::to_value(write).map_or(String::new(), |value| {
                format!("{} {} {}", value["write"], value["section"], value["action"])
            }),
            Task::Annotate(_) => "annotation".to_owned(),
            Task::Decide(_) => "decision".to_owned(),
            other => panic!("{other:?}"),
        };
        let drawn = (0..300).map(|number| draw(Duration::from_secs(number), begins, mix, &mut chance));
        let kinds: BTreeSet<String> = drawn.map(|task| kind(&task)).collect();
        assert_eq!(kinds.len(), 11, "{kinds:?}");
    }
}
