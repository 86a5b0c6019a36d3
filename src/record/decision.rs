//! Open decisions: contradictions that a person must settle, ranked by the harm that they may do.
//!
//! A decision is a statement that follows all statements that contradict each other and says what one of them says, with
//! the reason. The others stay in the history. It is named by what it was asked about: when the contradiction has grown
//! meanwhile, the name is another one, and a decision that was made on the older sight of it is refused.
//!
//! Why: who settles a contradiction must have seen all sides of it. A side that arrives later is concurrent with the
//! decision, so the contradiction is open again (`conflict::find`).
//!
//! Law (`a_decision_settles_what_it_was_shown_and_nothing_that_came_later`): after a decision that follows all tips the
//! contradiction is settled; a further tip opens it again under another name.

use serde::{Deserialize, Serialize};

use super::conflict::Conflict;
use super::facts::Facts;
use super::fhir;
use super::sections::Section;
use super::source::{Side, Source};
use super::statement::FollowRef;
use super::threads::Node;
use super::view::RecordView;
use crate::base::hash_tagged;

/// Hexadecimal digits of each half of a decision's name.
const NAME_DIGITS: usize = 8;

/// How much harm an open contradiction may do; the order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Harm {
    /// Somebody may be given what kills, or not be given what saves.
    High,
    /// The wrong dose or a wrong chart.
    Medium,
    /// A second look is enough.
    Low,
}

/// A contradiction that waits for somebody, with its sides.
#[derive(Clone, PartialEq, Serialize)]
pub struct OpenDecision {
    /// Its name: `THREAD-TIPS`, the second half of which changes when the contradiction grows.
    pub name: String,
    /// The section.
    pub section: Section,
    /// The kind of contradiction, such as `dose-vs-stop`.
    pub kind: &'static str,
    /// How much harm it may do.
    pub harm: Harm,
    /// What it is about, in few words.
    pub summary: String,
    /// The statements that contradict each other, in the order of their positions; of those that a forked lane has at
    /// one position, each is a side.
    pub sides: Vec<Side>,
}

impl OpenDecision {
    /// Returns how a side is followed; of its copies, the first.
    pub fn follow(&self, side: usize) -> Option<FollowRef> {
        self.sides.get(side)?.source.copies.first().copied()
    }

    /// Says whether a name is of this contradiction, as it is now or as it was before it changed.
    pub fn is_about(&self, name: &str) -> bool {
        let thread = |name: &str| name.split('-').next().map(str::to_owned);
        thread(name) == thread(&self.name)
    }
}

/// Lists what is open in a record, the most harmful first.
pub fn open(facts: &Facts, view: &RecordView) -> Vec<OpenDecision> {
    let open = view.conflicts.iter().filter(|conflict| conflict.open);
    let mut found: Vec<OpenDecision> = open.map(|conflict| decision(facts, view, conflict)).collect();
    found.sort_by(|a, b| (a.harm, a.section, &a.name).cmp(&(b.harm, b.section, &b.name)));
    found
}

/// Returns the harm that a kind of contradiction may do. No clinician has reviewed this order yet.
pub fn harm_of(section: Section, kind: &str) -> Harm {
    match (section, kind) {
        (Section::Allergies, _) => Harm::High,
        (Section::Medication, "dose-vs-prohibition" | "dose-vs-stop" | "two-drugs") => Harm::High,
        (Section::Medication, _) => Harm::Medium,
        (Section::BloodType | Section::Resuscitation | Section::Triage, _) => Harm::High,
        (Section::Demographics | Section::Whereabouts, _) => Harm::Medium,
        (_, "one-specimen-two-values") => Harm::Medium,
        (_, _) => Harm::Low,
    }
}

fn decision(facts: &Facts, view: &RecordView, conflict: &Conflict) -> OpenDecision {
    let mut tips = conflict.follows.clone();
    tips.sort_unstable();
    tips.dedup();
    let bytes: Vec<Vec<u8>> = tips.iter().map(crate::base::cbor::to_vec).collect();
    let parts: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
    let half = |parts: &[&[u8]]| hash_tagged("musubi decision", parts).to_string()[..NAME_DIGITS].to_owned();
    let thread = crate::base::cbor::to_vec(&conflict.thread);
    OpenDecision {
        name: format!("{}-{}", half(&[&thread]), half(&parts)),
        section: conflict.section,
        kind: conflict.kind,
        harm: harm_of(conflict.section, conflict.kind),
        summary: conflict.summary.clone(),
        sides: tips.iter().filter_map(|tip| side(facts, view, tip)).collect(),
    }
}

/// What one of the statements says: as its section tells it, or else by its resource's own words.
fn side(facts: &Facts, view: &RecordView, tip: &FollowRef) -> Option<Side> {
    let allergies = view.allergies.active.iter().chain(&view.allergies.inactive).flat_map(|one| &one.sides);
    let medication = [&view.medication.active, &view.medication.recorded, &view.medication.ended];
    let medication = medication.into_iter().flatten().flat_map(|one| &one.sides);
    let problems = view.problems.active.iter().chain(&view.problems.past).flat_map(|one| &one.sides);
    let consents = view.consents.iter().flat_map(|one| &one.sides);
    let others = view.blood_type.sides.iter().chain(&view.resuscitation.sides);
    let mut told = allergies.chain(medication).chain(problems).chain(consents).chain(others);
    if let Some(side) = told.find(|side| side.source.copies.contains(tip)) {
        return Some(side.clone());
    }
    if let Some(one) = view.triage.assessments.iter().find(|one| one.source.copies.contains(tip)) {
        return Some(Side { says: one.colour.name().to_owned(), source: one.source.clone() });
    }
    let stays = view.whereabouts.current.iter().chain(&view.whereabouts.history);
    if let Some(one) = stays.into_iter().find(|one| one.source.copies.contains(tip)) {
        let place = one.place.clone().unwrap_or_else(|| "(no place)".to_owned());
        return Some(Side { says: place, source: one.source.clone() });
    }
    if let Some(one) = view.care_level.certified.iter().find(|one| one.source.copies.contains(tip)) {
        return Some(Side { says: one.says.clone(), source: one.source.clone() });
    }
    if let Some(note) = view.notes.iter().find(|note| note.source.copies.contains(tip)) {
        return Some(Side { says: format!("{}: {}", note.title, note.excerpt), source: note.source.clone() });
    }
    let fact = facts.followed(tip)?;
    let (json, node) = (fact.json(), Node::alone(fact));
    let about = fhir::concept(fhir::at(&json, &["code"])).or_else(|| {
        let names = fhir::items(&json, &["name"]).iter();
        names.filter_map(|name| fhir::text(name, &["text"])).next()
    });
    let value = fhir::concept(fhir::at(&json, &["valueCodeableConcept"]))
        .or_else(|| fhir::quantity(fhir::at(&json, &["valueQuantity"])))
        .or_else(|| fhir::first_text(&json, &[&["valueString"], &["birthDate"], &["gender"]]))
        .map(|value| format!(" {value}"))
        .unwrap_or_default();
    let status = fhir::text(&json, &["status"]).map(|status| format!(" ({status})")).unwrap_or_default();
    let says = format!("{}{value}{status}", about.unwrap_or_else(|| fact.resource_type.clone()));
    Some(Side { says, source: Source::of(&node) })
}
