//! The view of one record: everything that a reader is shown, computed from the facts alone.

use std::collections::BTreeMap;

use serde::Serialize;

use super::conflict::Conflict;
use super::facts::Facts;
use super::safety::{self, Alert, Checker, Coverage, Evidence, Sections};
use super::sections::Section;
use super::sections::administration::{self, Dose};
use super::sections::allergies::{self, Allergies};
use super::sections::blood_type::{self, BloodType};
use super::sections::care_level::{self, CareLevels};
use super::sections::consent::{self, Consent};
use super::sections::demographics::{self, Demographics};
use super::sections::immunisation::{self, Shot};
use super::sections::measurements::{self, Series};
use super::sections::medication::{self, MedicationList};
use super::sections::notes::{self, Note};
use super::sections::other;
use super::sections::problems::{self, Problems};
use super::sections::resuscitation::{self, Resuscitation};
use super::sections::triage::{self, Triage};
use super::sections::whereabouts::{self, Whereabouts};
use super::waiting::{Waiting, waiting};
use crate::base::{Hlc, RecordId, WallMs};

/// What is known about one patient.
///
/// Law (`any_order_and_number_of_arrivals_ends_the_same`): the same set of facts gives the same bytes.
/// The view knows no clock; whoever shows it compares its times with now.
#[derive(Clone, PartialEq, Serialize)]
pub struct RecordView {
    /// The record.
    pub record: RecordId,
    /// How many statements it was computed from.
    pub statements: usize,
    /// The latest time that a statement claims.
    pub latest: Hlc,
    /// Who the patient is.
    pub demographics: Demographics,
    /// The triage colour.
    pub triage: Triage,
    /// Where the patient is.
    pub whereabouts: Whereabouts,
    /// Whether resuscitation is to be attempted.
    pub resuscitation: Resuscitation,
    /// Blood type.
    pub blood_type: BloodType,
    /// Allergies and intolerances.
    pub allergies: Allergies,
    /// Problems and diagnoses.
    pub problems: Problems,
    /// Medication.
    pub medication: MedicationList,
    /// Doses that were given, the latest first.
    pub administrations: Vec<Dose>,
    /// Vital signs.
    pub vital_signs: Vec<Series>,
    /// Results and other observations.
    pub results: Vec<Series>,
    /// Immunisations, the latest first.
    pub immunisations: Vec<Shot>,
    /// The certified care level.
    pub care_level: CareLevels,
    /// Consents, by kind.
    pub consents: Vec<Consent>,
    /// Notes, the latest first.
    pub notes: Vec<Note>,
    /// How many current statements of every other resource type there are.
    pub others: BTreeMap<String, u64>,
    /// Contradictions, open and settled.
    pub conflicts: Vec<Conflict>,
    /// Possible harm.
    pub alerts: Vec<Alert>,
    /// How much could be checked for possible harm: what is unresolved is not safe.
    pub checked: Coverage,
    /// Statements that claim to follow what does not exist; their claims are ignored.
    pub mismatched: u64,
    /// Statements that follow others which have not arrived.
    pub waiting: Vec<Waiting>,
}

impl RecordView {
    /// Computes the view of a set of facts; the safety checks use the demonstration rules, and the time of the latest
    /// statement as today.
    pub fn of(facts: &Facts) -> Self {
        let latest = facts.iter().map(|fact| fact.time).max().unwrap_or_default();
        Self::checked_by(facts, &Checker::demonstration(), latest.wall())
    }

    /// Computes the view of a set of facts with a site's own rules, checked as of `now`.
    pub fn checked_by(facts: &Facts, checker: &Checker, now: WallMs) -> Self {
        let (demographics, who) = demographics::view(facts);
        let (allergies, allergic) = allergies::view(facts);
        let (problems, ill) = problems::view(facts);
        let (medication, treated) = medication::view(facts);
        let (notes, written) = notes::view(facts);
        let (triage, sorted) = triage::view(facts);
        let (whereabouts, moved) = whereabouts::view(facts);
        let (resuscitation, willed) = resuscitation::view(facts);
        let (blood_type, typed) = blood_type::view(facts);
        let (consents, agreed) = consent::view(facts);
        let (administrations, dosed) = administration::view(facts);
        let (vital_signs, taken) = measurements::view(facts, Section::VitalSigns);
        let (results, measured) = measurements::view(facts, Section::Results);
        let (care_level, certified) = care_level::view(facts);
        let (immunisations, immune) = immunisation::view(facts);
        let old = [who, allergic, ill, treated, written].into_iter();
        let new = [sorted, moved, willed, typed, agreed, dosed, taken, measured, immune, certified];
        let mut conflicts: Vec<Conflict> = old.chain(new).flatten().collect();
        // Open ones first; within a kind the order of the statements is that of the threads.
        conflicts.sort_by(|a, b| (!a.open, a.section, a.kind).cmp(&(!b.open, b.section, b.kind)));
        let evidence = Evidence::of(
            facts,
            Sections { allergies: &allergies, medication: &medication, doses: &administrations },
            now,
        );
        let checked = safety::check(&evidence, checker, now);
        let mut alerts = whereabouts::alerts(&whereabouts);
        alerts.extend(checked.alerts);
        alerts.extend(administration::alerts(&administrations));
        Self {
            record: facts.record(),
            statements: facts.len(),
            latest: facts.iter().map(|fact| fact.time).max().unwrap_or_default(),
            others: other::count(facts),
            mismatched: mismatched(facts),
            waiting: waiting(facts),
            demographics,
            care_level,
            triage,
            whereabouts,
            resuscitation,
            blood_type,
            allergies,
            problems,
            medication,
            administrations,
            vital_signs,
            results,
            immunisations,
            consents,
            notes,
            conflicts,
            alerts,
            checked: checked.coverage,
        }
    }

    /// Returns the view as JSON: equal views, equal bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps of the view have string keys")
    }
}

fn mismatched(facts: &Facts) -> u64 {
    let claims = |fact: &&super::facts::Fact| {
        fact.statement.follows.iter().any(|follow| {
            let Some(lane) = follow.lane else { return false };
            let place = super::statement::Position { lane, seq: follow.seq, index: follow.index };
            let mut there = facts.at(place).peekable();
            there.peek().is_some() && there.all(|fact| fact.check() != follow.check)
        })
    };
    facts.iter().filter(claims).count() as u64
}
