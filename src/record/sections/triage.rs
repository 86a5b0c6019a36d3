//! Triage: a series of assessments, each an Observation with a colour.
//!
//! Rule: an assessment follows what its author saw, and ends it. Concurrent assessments: the most urgent is shown.
//! Black never wins over a living colour without a doctor: a black by anybody else ends nothing, and beside a living
//! colour the living colour is shown, whoever wrote the black. A refutation ends what it follows and says no colour.
//!
//! Why: whoever is called green and red lies down with the red until somebody looks again; whoever is wrongly called
//! black is left to die.
//!
//! Laws (`record::tests::laws_sections`): `the_more_urgent_of_concurrent_triages_is_shown`,
//! `black_never_wins_over_a_living_colour_without_a_doctor`.
//!
//! Colours: the Japanese triage tag, red I, yellow II, green III, black 0. EpisodeOfCare was not chosen: it has no
//! value, and one that changes is rewritten, not repeated. No clinician has reviewed this rule yet.

use serde::Serialize;
use serde_json::Value;

use super::registry::MUSUBI_SYSTEM;
use super::standing::{open_conflict, standing};
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Source};
use crate::record::statement::{Act, Position};
use crate::record::threads::Node;

/// Roles whose black counts against a living colour.
pub const DOCTOR_ROLES: [&str; 3] = ["doctor", "physician", "医師"];

/// A triage colour; the order is that of urgency, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// I: immediate.
    Red,
    /// II: delayed.
    Yellow,
    /// III: minor.
    Green,
    /// 0: dead, or beyond help under the circumstances.
    Black,
}

/// One assessment of the series.
#[derive(Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// The statement.
    pub position: Position,
    /// The colour.
    pub colour: Colour,
    /// When it was assessed, as the resource says.
    pub date: Option<String>,
    /// How, such as START.
    pub method: Option<String>,
    /// Nothing that may end it follows it.
    pub stands: bool,
    /// It is black, and not a doctor's.
    pub needs_doctor: bool,
    /// Who says so.
    pub source: Source,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Triage {
    /// The colour that is acted on; none when nobody assessed.
    pub shown: Option<Colour>,
    /// Black is shown, and no doctor has said so.
    pub needs_doctor: bool,
    /// All assessments, those that stand first, then the latest first.
    pub assessments: Vec<Assessment>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
}

impl Colour {
    /// Returns the colour's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Yellow => "yellow",
            Colour::Green => "green",
            Colour::Black => "black",
        }
    }

    /// Finds the colour of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Colour::Red, Colour::Yellow, Colour::Green, Colour::Black].into_iter().find(|c| c.name() == name)
    }

    /// Says whether it is a colour of the living.
    pub fn is_living(self) -> bool {
        match self {
            Colour::Red | Colour::Yellow | Colour::Green => true,
            Colour::Black => false,
        }
    }
}

/// Views the triage of a record.
pub fn view(facts: &Facts) -> (Triage, Vec<Conflict>) {
    let mut section =
        Triage { shown: None, needs_doctor: false, assessments: Vec::new(), marks: Marks::default() };
    let mut conflicts = Vec::new();
    for thread in facts.threads(Section::Triage) {
        let colours: Vec<Option<Colour>> = thread.nodes.iter().map(colour).collect();
        let ends = |node: usize| match colours[node] {
            Some(Colour::Black) => is_doctor(&thread.nodes[node]),
            Some(Colour::Red | Colour::Yellow | Colour::Green) => true,
            None => thread.nodes[node].act() == Act::Refute,
        };
        let stands = standing(&thread, ends);
        let settled = conflict::find(&thread, Section::Triage, |nodes| {
            clash(nodes.iter().filter_map(|node| colours[*node]).collect())
        });
        conflicts.extend(settled.into_iter().filter(|conflict| !conflict.open));
        section.marks.join(Marks::of(&thread, false));
        for (index, node) in thread.nodes.iter().enumerate() {
            let Some(colour) = colours[index] else { continue };
            let json = node.first().json();
            section.assessments.push(Assessment {
                position: node.position(),
                colour,
                date: fhir::first_text(&json, &[&["effectiveDateTime"], &["issued"]]),
                method: fhir::concept(fhir::at(&json, &["method"])),
                stands: stands.contains(&index),
                needs_doctor: colour == Colour::Black && !is_doctor(node),
                source: Source::of(node),
            });
        }
    }
    section.assessments.sort_by_key(|one| (!one.stands, std::cmp::Reverse((one.source.time, one.position))));
    let current: Vec<&Assessment> = section.assessments.iter().filter(|one| one.stands).collect();
    section.shown = current.iter().map(|one| one.colour).min();
    section.needs_doctor = section.shown == Some(Colour::Black) && current.iter().all(|one| one.needs_doctor);
    if let Some(clash) = clash(current.iter().map(|one| one.colour).collect()) {
        section.marks.disputed = true;
        let statements = current.iter().map(|one| one.source.follow);
        conflicts.push(open_conflict(Section::Triage, clash.kind, statements, clash.summary));
    }
    (section, conflicts)
}

/// Says whether a doctor signed a statement; what is on disputed ground counts as nobody's.
fn is_doctor(node: &Node<'_>) -> bool {
    let role = node.first().author.role.trim().to_lowercase();
    !node.is_disputed() && DOCTOR_ROLES.contains(&role.as_str())
}

fn colour(node: &Node<'_>) -> Option<Colour> {
    let json = node.first().json();
    let withdrawn = node.act() == Act::Refute
        || matches!(fhir::at(&json, &["status"]).as_str(), Some("entered-in-error" | "cancelled"));
    if withdrawn { None } else { read(&json) }
}

fn read(json: &Value) -> Option<Colour> {
    let codes = fhir::codes(fhir::at(json, &["valueCodeableConcept"]));
    codes.iter().filter(|code| code.system == MUSUBI_SYSTEM).find_map(|code| Colour::of_name(&code.code))
}

fn clash(mut colours: Vec<Colour>) -> Option<Clash> {
    colours.sort_unstable();
    colours.dedup();
    let kind = match (colours.len(), colours.last()) {
        (0 | 1, _) => return None,
        (_, Some(Colour::Black)) => "black-vs-living",
        (_, _) => "two-colours",
    };
    Some(Clash { kind, summary: colours.iter().map(|c| c.name()).collect::<Vec<_>>().join(" ‖ ") })
}
