//! What the checks look at: drugs that may be being taken, active allergies, recent tests, and reasons given.
//!
//! **What counts as being taken** on the day of the check:
//! 1. Active, on hold (it may go on at any time), and what needs a decision.
//! 2. Not when its own dates ended it more than [`LEFTOVER_DAYS`] ago: supplies last longer than on paper, and what
//!    was taken goes on acting. The supply of a therapy that says it is continuous ends without ending the therapy, and
//!    is renewed anywhere: [`RENEWAL_DAYS`].
//! 3. Recorded only (`completed` says nothing in Japan, see `sections::medication`) while its own dates cover the
//!    day.
//! 4. Doses that were given within [`LEFTOVER_DAYS`], ordered or not: of each drug the latest.
//! 5. Nothing that is stopped, prohibited, planned or entered in error.
//!
//! Allergies: active ones, so also the disputed; not the refuted or resolved.
//!
//! The day comes from whoever asks. A view takes the time of its latest statement: that can be too early, and then a
//! finished course counts for too long, which is the safer error.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::Date;

use super::alert::{Override, Witness};
use super::lab::{self, Test};
use super::overriding;
use crate::base::WallMs;
use crate::record::build;
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::sections::administration::{Dose, DoseState};
use crate::record::sections::allergies::Allergies;
use crate::record::sections::medication::{Medication, MedicationList, MedicationState};
use crate::record::source::{Side, Source};
use crate::record::statement::Position;

/// For how many days after its last day a drug still counts as being taken.
pub const LEFTOVER_DAYS: i32 = 14;
/// For how many days after its supply ended a continuous therapy still counts: ordinary prescriptions in Japan are
/// for up to 90 days, so a renewal that nobody here has heard of may reach so far.
pub const RENEWAL_DAYS: i32 = 90;

/// The extension by which the national sharing profile names the institution.
const INSTITUTION: &str =
    "http://jpfhir.jp/fhir/clins/Extension/StructureDefinition/JP_eCS_InstitutionNumber";

/// A drug that may be being taken.
#[derive(Clone, PartialEq, Eq)]
pub struct Drug {
    /// What it is called.
    pub name: String,
    /// The codes of all current statements.
    pub codes: Vec<Code>,
    /// Normalised names of the product, to tell a renewal from a second drug.
    pub products: BTreeSet<String>,
    /// Where it was ordered: institutions, or else people or devices.
    pub institutions: BTreeSet<String>,
    /// It is an order, and not a dispensing or a report of what is taken.
    pub is_order: bool,
    /// It is on hold.
    pub is_on_hold: bool,
    /// Its statements contradict each other.
    pub needs_decision: bool,
    /// A current statement is unverified.
    pub is_unverified: bool,
    /// Who wrote it.
    pub witness: Witness,
    /// Its statements.
    pub statements: BTreeSet<Position>,
    /// The current ones of them.
    pub current: Vec<Position>,
}

/// Something that the patient is allergic to.
#[derive(Clone, PartialEq, Eq)]
pub struct Allergen {
    /// What it is called.
    pub name: String,
    /// All that it is called.
    pub names: Vec<String>,
    /// The codes of the substance.
    pub codes: Vec<Code>,
    /// Its statements contradict each other.
    pub is_disputed: bool,
    /// A current statement is unverified.
    pub is_unverified: bool,
    /// Who wrote it.
    pub witness: Witness,
    /// Its statements.
    pub statements: BTreeSet<Position>,
    /// The current ones of them.
    pub current: Vec<Position>,
}

/// A reason given for an order in spite of an alert.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The entry that holds both the order and the reason: lane and sequence number.
    pub entry: (crate::base::LaneId, u64),
    /// The pair for which it was given, as [`super::Alert::pair`].
    pub pair: String,
    /// Who gave it, when, and what it says.
    pub given: Override,
}

/// What the checks look at, of one record or of several that are one person's.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Drugs that may be being taken.
    pub drugs: Vec<Drug>,
    /// Active allergies.
    pub allergens: Vec<Allergen>,
    /// Recent tests.
    pub tests: Vec<Test>,
    /// Reasons given.
    pub reasons: Vec<Reason>,
}

/// The sections of a record's facts that the checks look at.
#[derive(Clone, Copy)]
pub struct Sections<'v> {
    /// Allergies.
    pub allergies: &'v Allergies,
    /// Medication.
    pub medication: &'v MedicationList,
    /// Doses that were given, the latest first.
    pub doses: &'v [Dose],
}

impl Evidence {
    /// Gathers what counts on the day of `now`, from a record's facts and their sections.
    pub fn of(facts: &Facts, sections: Sections<'_>, now: WallMs) -> Self {
        let mut evidence = Self::of_drugs(facts, sections, now);
        evidence.tests = lab::gather(facts, day_of(now));
        evidence
    }

    /// Gathers all but tests: what is asked before an order is written.
    pub fn of_drugs(facts: &Facts, sections: Sections<'_>, now: WallMs) -> Self {
        let Sections { allergies, medication, doses } = sections;
        let today = day_of(now);
        let taken = medication.active.iter().chain(&medication.recorded);
        let taken = taken.filter(|drug| counts(facts, drug, today)).filter_map(|one| drug(facts, one));
        Self {
            drugs: taken.chain(given(facts, doses, today)).collect(),
            allergens: allergies
                .active
                .iter()
                .filter_map(|allergy| {
                    let mut names = vec![allergy.substance.clone()];
                    names.extend(allergy.also.iter().cloned());
                    names.extend(allergy.codes.iter().filter_map(|code| code.display.clone()));
                    names.extend(allergy.matching.names().iter().cloned());
                    Some(Allergen {
                        name: allergy.substance.clone(),
                        names,
                        codes: allergy.codes.clone(),
                        is_disputed: allergy.marks.disputed,
                        is_unverified: allergy.marks.unverified,
                        witness: witness(facts, &allergy.substance, &allergy.sides)?,
                        statements: statements(allergy.position, &allergy.sides),
                        current: current(&allergy.sides).collect(),
                    })
                })
                .collect(),
            tests: Vec::new(),
            reasons: overriding::read(facts),
        }
    }

    /// Joins what is known of the same person elsewhere.
    pub fn join(&mut self, other: Evidence) {
        self.drugs.extend(other.drugs);
        self.allergens.extend(other.allergens);
        self.tests.extend(other.tests);
        self.reasons.extend(other.reasons);
    }
}

/// Returns the day of a time in Japan.
pub fn day_of(now: WallMs) -> Date {
    build::fhir_time(now).get(..10).and_then(|day| day.parse().ok()).unwrap_or(Date::MAX)
}

fn counts(facts: &Facts, drug: &Medication, today: Date) -> bool {
    let last: Option<Date> = drug.until.as_deref().and_then(|until| fhir::day(until).parse().ok());
    match drug.state {
        MedicationState::DecisionNeeded | MedicationState::Active | MedicationState::OnHold => {
            let over = |days: i32| {
                last.and_then(|last| last.checked_add(days.days()).ok()).is_some_and(|end| today > end)
            };
            !over(LEFTOVER_DAYS) || (!over(RENEWAL_DAYS) && is_continuous(facts, drug))
        }
        MedicationState::Recorded => last.is_some_and(|last| today <= last),
        MedicationState::Planned
        | MedicationState::Prohibited
        | MedicationState::Stopped
        | MedicationState::EnteredInError => false,
    }
}

fn is_continuous(facts: &Facts, drug: &Medication) -> bool {
    let positions = drug.sides.iter().filter_map(|side| side.source.positions.first());
    let mut read = positions.flat_map(|position| facts.at(*position)).map(crate::record::facts::Fact::json);
    read.any(|json| {
        fhir::codes(fhir::at(&json, &["courseOfTherapyType"])).iter().any(|code| code.code == "continuous")
    })
}

fn drug(facts: &Facts, drug: &Medication) -> Option<Drug> {
    let mut institutions = BTreeSet::new();
    let mut is_order = false;
    for position in drug.sides.iter().flat_map(|side| side.source.positions.first()) {
        for fact in facts.at(*position) {
            let json = fact.json();
            let extensions = fhir::items(&json, &["extension"]).iter();
            let institution = extensions
                .filter(|extension| extension["url"] == INSTITUTION)
                .find_map(|extension| fhir::text(extension, &["valueIdentifier", "value"]));
            let requester =
                || fhir::first_text(&json, &[&["requester", "reference"], &["requester", "display"]]);
            institutions.insert(institution.or_else(requester).unwrap_or_else(|| fact.device.to_string()));
            is_order |= fact.resource_type == "MedicationRequest";
        }
    }
    Some(Drug {
        name: drug.name.clone(),
        codes: drug.codes.clone(),
        products: drug.matching.names().iter().cloned().collect(),
        institutions,
        is_order,
        is_on_hold: drug.state == MedicationState::OnHold,
        needs_decision: drug.state == MedicationState::DecisionNeeded,
        is_unverified: drug.marks.unverified,
        witness: witness(facts, &drug.name, &drug.sides)?,
        statements: statements(drug.position, &drug.sides),
        current: current(&drug.sides).collect(),
    })
}

/// Makes drugs of the latest doses that were given.
fn given(facts: &Facts, doses: &[Dose], today: Date) -> Vec<Drug> {
    let mut known = BTreeSet::new();
    let is_recent = |dose: &&Dose| {
        let when = dose.when.clone().unwrap_or_else(|| build::fhir_time(dose.source.time_ms));
        let day = fhir::day(&when).parse::<Date>().ok();
        let over = day.and_then(|day| day.checked_add(LEFTOVER_DAYS.days()).ok());
        dose.state == DoseState::Given && over.is_some_and(|over| today <= over)
    };
    let codes = |dose: &Dose| dose.codes.iter().map(|code| code.code.clone()).collect::<Vec<_>>();
    let latest = doses.iter().filter(is_recent).filter(|dose| known.insert((dose.drug.clone(), codes(dose))));
    let drug = |dose: &Dose| {
        Some(Drug {
            name: dose.drug.clone(),
            codes: dose.codes.clone(),
            products: dose.matching.names().iter().cloned().collect(),
            institutions: BTreeSet::from([dose.source.device.to_string()]),
            is_order: false,
            is_on_hold: false,
            needs_decision: false,
            is_unverified: dose.marks.unverified,
            witness: witness_of(facts, &dose.drug, &dose.source)?,
            statements: BTreeSet::from([dose.position]),
            current: vec![dose.position],
        })
    };
    latest.filter_map(drug).collect()
}

/// Tells who wrote the latest current statement.
fn witness(facts: &Facts, what: &str, sides: &[Side]) -> Option<Witness> {
    witness_of(facts, what, &sides.first()?.source)
}

fn witness_of(facts: &Facts, what: &str, source: &Source) -> Option<Witness> {
    let position = *source.positions.first()?;
    let json = facts.at(position).next()?.json();
    let dated: [&[&str]; 5] =
        [&["authoredOn"], &["recordedDate"], &["effectiveDateTime"], &["whenHandedOver"], &["dateAsserted"]];
    Some(Witness {
        what: what.to_owned(),
        who: source.who.clone(),
        role: source.role.clone(),
        device: source.device,
        time: source.time,
        time_ms: source.time_ms,
        dated: fhir::first_text(&json, &dated),
        position,
    })
}

fn statements(first: Position, sides: &[Side]) -> BTreeSet<Position> {
    std::iter::once(first).chain(current(sides)).collect()
}

fn current(sides: &[Side]) -> impl Iterator<Item = Position> {
    sides.iter().filter_map(|side| side.source.positions.first().copied())
}
