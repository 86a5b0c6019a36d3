//! The laws of the sections, for any schedule of writes, cuts, meetings and deliveries among seven replicas.
//!
//! Each law is judged at every replica as it is when the schedule ends, still apart, and again when all have met.

use std::collections::BTreeSet;

use crate::base::laws::cases;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::world::{
    About, CARE_LEVELS, COLOURS, GROUPS, KINDS, LEVELS, MINUTES, ORDERS, PLACES, REPLICAS, SUBSTANCES,
};
use super::world::{VALUES, World, any_world, one_of, world_about};
use crate::record::RecordView;
use crate::record::safety::AlertKind;
use crate::record::sections::administration::{DoseState, TWIN_WINDOW_S};
use crate::record::sections::care_level::CareLevel;
use crate::record::sections::consent::ConsentLevel;
use crate::record::sections::measurements::{Series, ValueState};
use crate::record::sections::medication::MedicationState;
use crate::record::sections::problems::ProblemStatus;
use crate::record::sections::resuscitation::ResuscitationState;
use crate::record::sections::triage::Colour;
use crate::record::statement::{Act, Position};

/// Judges a law at every replica, apart and together.
fn everywhere(
    mut world: World,
    law: impl Fn(&World, usize, &RecordView) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    for at in 0..REPLICAS {
        law(&world, at, &world.view(at))?;
    }
    world.converge();
    law(&world, 0, &world.view(0))
}

fn colour(world: &World, handle: usize) -> Option<Colour> {
    let said = &world.said[handle];
    if said.act == Act::Refute { None } else { Colour::of_name(one_of(said.what, &COLOURS)) }
}

fn points(series: &[Series]) -> BTreeSet<Position> {
    series.iter().flat_map(|one| &one.values).flat_map(|point| point.positions.clone()).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn all_replicas_end_with_the_same_bytes(mut world in any_world()) {
        world.converge();
        let first = world.view(0).to_json();
        for at in 1..REPLICAS {
            prop_assert!(world.view(at).to_json() == first, "replica {at} differs");
        }
    }

    #[test]
    fn no_positive_allergy_is_missing(world in world_about(About::Allergy)) {
        everywhere(world, |world, at, view| {
            for handle in world.unended(at, About::Allergy, |later| later.act == Act::Refute) {
                let said = &world.said[handle];
                if said.act != Act::Refute {
                    let name = one_of(said.what, &SUBSTANCES);
                    let named = |a: &&str| *a == name;
                    let shown = view.allergies.active.iter().any(|allergy| {
                        allergy.also.iter().map(String::as_str).chain([allergy.substance.as_str()]).any(|a| named(&a))
                    });
                    prop_assert!(shown, "{name}");
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_stop_is_missing_and_none_wins_alone(world in world_about(About::Drug)) {
        everywhere(world, |world, at, view| {
            let list = &view.medication;
            let tips = world.tips(at, About::Drug);
            for stop in tips.iter().filter(|tip| world.said[**tip].act == Act::Stop) {
                let place = world.place(*stop);
                let all = list.active.iter().chain(&list.recorded).chain(&list.ended);
                let holds = |drug: &&crate::record::sections::medication::Medication| {
                    drug.sides.iter().any(|side| side.source.positions.contains(&place))
                };
                let Some(drug) = all.clone().find(holds) else {
                    return Err(TestCaseError::fail("a stop is missing"));
                };
                let given = drug.sides.iter().any(|side| matches!(side.source.act, Act::Assert | Act::Change));
                let expected =
                    if given { MedicationState::DecisionNeeded } else { drug.state };
                prop_assert_eq!(drug.state, expected);
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_signed_note_is_missing(world in world_about(About::Note)) {
        everywhere(world, |world, at, view| {
            let listed: BTreeSet<Position> = view
                .notes
                .iter()
                .flat_map(|note| note.addenda.iter().map(|one| one.position).chain([note.position]))
                .collect();
            for handle in world.known(at, About::Note) {
                let replaced = world.after(at, handle).iter().any(|later| world.said[*later].act == Act::Assert);
                if world.said[handle].act == Act::Assert && !replaced {
                    prop_assert!(listed.contains(&world.place(handle)));
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_administration_is_missing(world in world_about(About::Dose)) {
        everywhere(world, |world, at, view| {
            let listed: Vec<Position> = view.administrations.iter().map(|dose| dose.position).collect();
            let doses = world.known(at, About::Dose);
            prop_assert_eq!(listed.len(), doses.len(), "none is collapsed");
            prop_assert!(doses.iter().all(|handle| listed.contains(&world.place(*handle))));
            for handle in world.tips(at, About::Dose).into_iter().filter(|tip| world.said[*tip].act != Act::Refute) {
                let place = world.place(handle);
                let shown = view.administrations.iter().find(|dose| dose.position == place).unwrap();
                prop_assert!(shown.state == DoseState::Given);
            }
            Ok(())
        })?;
    }

    #[test]
    fn twins_are_asked_about_and_never_collapsed(world in world_about(About::Dose)) {
        everywhere(world, |world, at, view| {
            // Doses that nothing follows and that follow nothing: nobody can have meant one as the other's correction.
            let alone: Vec<usize> = world
                .tips(at, About::Dose)
                .into_iter()
                .filter(|tip| world.said[*tip].follows.is_empty() && world.said[*tip].act != Act::Refute)
                .collect();
            for one in &alone {
                for other in alone.iter().filter(|other| *other != one) {
                    let (mine, yours) = (&world.said[*one], &world.said[*other]);
                    let minutes = [mine, yours].map(|said| one_of(said.what / 16, &MINUTES));
                    let near = minutes[0].abs_diff(minutes[1]) * 60 <= TWIN_WINDOW_S as u64;
                    let asked = near && mine.what % 2 == yours.what % 2;
                    let place = world.place(*one);
                    let dose = view.administrations.iter().find(|dose| dose.position == place).unwrap();
                    prop_assert_eq!(dose.twins.contains(&world.place(*other)), asked);
                    let pair = [place.min(world.place(*other)), place.max(world.place(*other))];
                    let alert = view.alerts.iter().any(|alert| alert.statements == pair);
                    prop_assert_eq!(alert, asked);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_more_urgent_of_concurrent_triages_is_shown(world in world_about(About::Triage)) {
        everywhere(world, |world, at, view| {
            let current = world.tips(at, About::Triage).into_iter().filter_map(|tip| colour(world, tip));
            for tip in current {
                prop_assert!(view.triage.shown.is_some_and(|shown| shown <= tip), "{tip:?}");
            }
            let listed = world.known(at, About::Triage).into_iter().filter(|one| colour(world, *one).is_some());
            prop_assert_eq!(view.triage.assessments.len(), listed.count(), "the series is whole");
            Ok(())
        })?;
    }

    #[test]
    fn black_never_wins_over_a_living_colour_without_a_doctor(world in world_about(About::Triage)) {
        everywhere(world, |world, at, view| {
            let mut living = false;
            for handle in world.known(at, About::Triage) {
                let may_end = |later: &usize| match colour(world, *later) {
                    Some(Colour::Black) => world.said[*later].doctor,
                    Some(_) | None => true,
                };
                let ended = world.after(at, handle).iter().any(may_end);
                living |= colour(world, handle).is_some_and(Colour::is_living) && !ended;
            }
            if living {
                prop_assert!(view.triage.shown.is_some_and(Colour::is_living));
            } else {
                prop_assert!(view.triage.shown.is_none_or(|shown| shown == Colour::Black));
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_place_that_nobody_has_seen_left_is_current(world in world_about(About::Stay)) {
        everywhere(world, |world, at, view| {
            let here = world.tips(at, About::Stay).into_iter().filter(|tip| world.said[*tip].act != Act::Stop);
            let here: Vec<usize> = here.collect();
            let mut expected: Vec<Position> = here.iter().map(|tip| world.place(*tip)).collect();
            let mut current: Vec<Position> = view.whereabouts.current.iter().map(|stay| stay.position).collect();
            expected.sort_unstable();
            current.sort_unstable();
            prop_assert_eq!(current, expected);
            let places: BTreeSet<&str> = here.iter().map(|tip| one_of(world.said[*tip].what, &PLACES)).collect();
            let first = view.alerts.first().map(|alert| alert.kind);
            prop_assert_eq!(first == Some(AlertKind::TwoPlaces), places.len() > 1);
            let all = view.whereabouts.current.len() + view.whereabouts.history.len();
            prop_assert_eq!(all, world.known(at, About::Stay).len(), "no movement is missing");
            Ok(())
        })?;
    }

    #[test]
    fn a_blood_type_that_is_contradicted_is_unusable_until_decided(world in world_about(About::Blood)) {
        everywhere(world, |world, at, view| {
            let ends = |act: Act| matches!(act, Act::Decide | Act::Refute);
            let stands = world.unended(at, About::Blood, |later| ends(later.act));
            let said = stands.iter().map(|handle| &world.said[*handle]).filter(|said| said.act != Act::Refute);
            let groups: BTreeSet<&str> = said.map(|said| one_of(said.what, &GROUPS)).collect();
            prop_assert_eq!(view.blood_type.usable, groups.len() == 1, "{:?}", groups);
            let open = view.conflicts.iter().any(|one| one.open && one.section.name() == "blood-type");
            prop_assert_eq!(open, groups.len() > 1);
            Ok(())
        })?;
    }

    #[test]
    fn differing_levels_stand_side_by_side_until_a_statement_follows_both(world in world_about(About::Care)) {
        everywhere(world, |world, at, view| {
            let tips = world.tips(at, About::Care).into_iter().map(|handle| &world.said[handle]);
            let said = tips.filter(|said| said.act != Act::Refute).map(|said| one_of(said.what, &CARE_LEVELS));
            let expected: BTreeSet<&str> = said.collect();
            let standing = view.care_level.certified.iter().filter(|one| one.stands);
            let shown: Vec<&str> = standing.map(|one| one.says.as_str()).collect();
            prop_assert!(shown.is_sorted_by_key(|says| std::cmp::Reverse(CareLevel::of_words(says))));
            let open = view.conflicts.iter().any(|one| one.open && one.kind == "two-care-levels");
            prop_assert_eq!(open, expected.len() > 1);
            prop_assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), expected);
            Ok(())
        })?;
    }

    #[test]
    fn disagreement_lasts_until_a_decision_follows_it(world in world_about(About::Will)) {
        everywhere(world, |world, at, view| {
            let ends = |act: Act| matches!(act, Act::Decide | Act::Refute);
            let stands = world.unended(at, About::Will, |later| ends(later.act));
            let said = stands.iter().map(|handle| &world.said[*handle]).filter(|said| said.act != Act::Refute);
            let orders: BTreeSet<_> = said.map(|said| one_of(said.what, &ORDERS)).collect();
            let disagree = view.resuscitation.state == ResuscitationState::Disagreement;
            prop_assert_eq!(disagree, orders.len() > 1);
            let shown: BTreeSet<_> = view.resuscitation.orders.iter().copied().collect();
            prop_assert_eq!(shown, orders, "both are shown");
            Ok(())
        })?;
    }

    #[test]
    fn a_withdrawal_wins_over_what_has_not_seen_it(world in world_about(About::Consent)) {
        everywhere(world, |world, at, view| {
            for (number, kind) in KINDS.into_iter().enumerate() {
                let is_kind = |what: u8| usize::from(what) % KINDS.len() == number;
                let stands = world.unended(at, About::Consent, |later| is_kind(later.what));
                let said = stands.iter().map(|handle| world.said[*handle].what).filter(|what| is_kind(*what));
                let narrowest = said.map(|what| one_of(what / 16, &LEVELS)).min();
                let shown = view.consents.iter().find(|one| one.kind == kind).and_then(|one| one.level);
                prop_assert_eq!(shown, narrowest, "{}", kind.name());
            }
            Ok(())
        })?;
    }

    #[test]
    fn no_value_is_missing_from_its_series(world in world_about(About::Pulse)) {
        everywhere(world, |world, at, view| {
            for (about, series) in [(About::Pulse, &view.vital_signs), (About::Potassium, &view.results)] {
                let points = points(series);
                let expected: BTreeSet<Position> =
                    world.known(at, about).into_iter().map(|handle| world.place(handle)).collect();
                prop_assert_eq!(points, expected);
            }
            let tips = world.tips(at, About::Pulse).into_iter().filter(|tip| world.said[*tip].act != Act::Refute);
            let last = tips.map(|tip| one_of(world.said[tip].what / 16, &MINUTES)).max();
            let of_latest = |one: &Series| one.latest.first().and_then(|latest| latest.when.clone());
            let shown = view.vital_signs.iter().find_map(of_latest);
            let at_minute = |minute: u64| crate::record::build::fhir_time(crate::base::WallMs(
                crate::record::fixtures::NOW.0 + minute * 60_000));
            prop_assert_eq!(shown, last.map(at_minute));
            Ok(())
        })?;
    }

    #[test]
    fn one_specimen_deduplicates_equal_values_and_no_others(world in world_about(About::Potassium)) {
        everywhere(world, |world, at, view| {
            let tips = world.tips(at, About::Potassium);
            let valid = tips.into_iter().filter(|tip| world.said[*tip].act != Act::Refute);
            let tubes: BTreeSet<(u8, &str)> = valid
                .map(|tip| world.said[tip].what)
                .map(|what| (what / 16 % 2, one_of(what, &VALUES)))
                .collect();
            let current = view.results.iter().flat_map(|series| &series.values);
            let current = current.filter(|point| point.state == ValueState::Current).count();
            prop_assert_eq!(current, tubes.len());
            let contradicted = (0..2).any(|tube| tubes.iter().filter(|(one, _)| *one == tube).count() > 1);
            let open = view.conflicts.iter().any(|one| one.open && one.kind == "one-specimen-two-values");
            prop_assert_eq!(open, contradicted);
            Ok(())
        })?;
    }

    #[test]
    fn no_immunisation_is_missing_and_twins_are_suggested(world in world_about(About::Shot)) {
        everywhere(world, |world, at, view| {
            let tips = world.tips(at, About::Shot);
            for tip in tips.iter().filter(|tip| world.said[**tip].act != Act::Refute) {
                let place = world.place(*tip);
                let shot = view.immunisations.iter().find(|shot| shot.position == place);
                let Some(shot) = shot else { return Err(TestCaseError::fail("a shot is missing")) };
                let key = |handle: usize| (world.said[handle].what % 2, world.said[handle].what / 16 % 2);
                let twins = tips.iter().filter(|other| {
                    *other != tip && world.said[**other].act != Act::Refute && key(**other) == key(*tip)
                });
                let expected: BTreeSet<Position> = twins.map(|twin| world.place(*twin)).collect();
                prop_assert!(expected.iter().all(|twin| shot.same.contains(twin)));
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_problem_has_the_statuses_of_its_current_statements(world in world_about(About::Problem)) {
        everywhere(world, |world, at, view| {
            let all: Vec<_> = view.problems.active.iter().chain(&view.problems.past).collect();
            for tip in world.tips(at, About::Problem) {
                let place = world.place(tip);
                let holds = |side: &crate::record::source::Side| side.source.positions.contains(&place);
                let problem = all.iter().find(|problem| problem.sides.iter().any(holds));
                let Some(problem) = problem else { return Err(TestCaseError::fail("a problem is missing")) };
                let said = &world.said[tip];
                let resolved = said.act == Act::Stop || said.what % 2 == 1;
                let status = if resolved { ProblemStatus::Resolved } else { ProblemStatus::Active };
                prop_assert!(problem.statuses.contains(&status));
                prop_assert!(problem.statuses.len() <= problem.sides.len());
                prop_assert_eq!(problem.same_code.len(), all.len() - 1, "the others are suggested");
            }
            Ok(())
        })?;
    }

    #[test]
    fn every_birth_date_of_a_current_statement_is_shown(world in world_about(About::Patient)) {
        everywhere(world, |world, at, view| {
            let tips = world.tips(at, About::Patient).into_iter();
            let expected: BTreeSet<&str> =
                tips.map(|tip| one_of(world.said[tip].what, &["1950-12-06", "1950-06-12"])).collect();
            let shown: BTreeSet<&str> = view.demographics.birth_dates.iter().map(String::as_str).collect();
            prop_assert_eq!(shown, expected);
            Ok(())
        })?;
    }

    #[test]
    fn what_stands_is_ended_by_what_follows_alone(world in world_about(About::Triage)) {
        everywhere(world, |world, at, view| {
            for one in &view.triage.assessments {
                let handles = world.known(at, About::Triage);
                let handle = handles.into_iter().find(|handle| world.place(*handle) == one.position).unwrap();
                prop_assert!(one.stands || !world.after(at, handle).is_empty());
            }
            Ok(())
        })?;
    }

    #[test]
    fn consent_to_one_thing_says_nothing_of_another(world in world_about(About::Consent)) {
        let mut backup_only = World { story: world.story.clone(), said: world.said.clone(), ..World::default() };
        let is_sharing = |handle: &usize| world.said[*handle].what % 2 == 0;
        let kept = world.known(0, About::Consent).into_iter().filter(|handle| !is_sharing(handle));
        backup_only.held[0] = kept.collect();
        let backup = |view: &RecordView| -> Option<ConsentLevel> {
            view.consents.iter().find(|one| one.kind == KINDS[1]).and_then(|one| one.level)
        };
        // Without the statements about sharing, no level of the backup gets narrower.
        let (whole, alone) = (backup(&world.view(0)), backup(&backup_only.view(0)));
        prop_assert_eq!(whole.is_some(), alone.is_some());
        prop_assert!(alone <= whole);
    }
}
