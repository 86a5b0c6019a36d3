//! What a check says: possible harm, who wrote its sides and when, and how much could be checked.

use serde::{Deserialize, Serialize};

use crate::base::{DeviceId, Hlc, WallMs};
use crate::record::statement::Position;

/// How much harm is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Must not happen.
    Contraindicated,
    /// Needs a second look.
    Caution,
}

/// The check that speaks; the order is that of showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// The patient is at two places at once: one of the charts is another person's, or out of date.
    TwoPlaces,
    /// A drug meets an allergy.
    DrugAllergy,
    /// Two drugs that must not, or hardly, be taken together.
    DrugDrug,
    /// One ingredient is ordered twice.
    DuplicateIngredient,
    /// Two drugs of one class.
    DuplicateClass,
    /// One laboratory test is done twice within its window.
    DuplicateTest,
    /// One drug was given twice within minutes: given twice, or written twice.
    DoubleDose,
}

/// One text in the two languages that people read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Words {
    /// Japanese.
    pub ja: String,
    /// English.
    pub en: String,
}

/// Who wrote one side of an alert, and when: what can be known from statements alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Witness {
    /// What the side is called, as written.
    pub what: String,
    /// The author's name.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// The device that wrote it; its certificate names the site.
    pub device: DeviceId,
    /// When it was written, as the device claims.
    pub time: Hlc,
    /// The same as milliseconds since 1970.
    pub time_ms: WallMs,
    /// The day or time that the resource itself tells, such as `authoredOn`.
    pub dated: Option<String>,
    /// Where it stands.
    pub position: Position,
}

/// Somebody ordered all the same, and said why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Override {
    /// The author's name.
    pub who: String,
    /// The author's role.
    pub role: String,
    /// When, as the device claims.
    pub time_ms: WallMs,
    /// Why.
    pub reason: String,
}

/// A possible harm.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// The check that speaks.
    pub kind: AlertKind,
    /// How much harm is possible.
    pub severity: Severity,
    /// What meets what: the same for the same two ingredients, whatever the orders.
    pub pair: String,
    /// What is wrong, for a clinician.
    pub why: Words,
    /// The rules that match, the most severe first; none where the ingredient or test itself is the rule.
    pub rules: Vec<String>,
    /// The statements that together make the harm.
    pub statements: Vec<Position>,
    /// The current statements of each side: any two sides make the harm.
    pub sides: Vec<Vec<Position>>,
    /// Who wrote what when, the earliest first.
    pub witnesses: Vec<Witness>,
    /// The two sides were written by different devices; whether their authors could know of each other is told by
    /// [`super::hindsight`].
    pub apart: bool,
    /// Who ordered all the same, and why.
    pub overrides: Vec<Override>,
}

impl Alert {
    /// Makes an alert of a section's own rule, which no table of drugs knows.
    pub fn of_section(kind: AlertKind, severity: Severity, why: Words, statements: Vec<Position>) -> Self {
        let places = statements.iter().map(|place| format!("{}:{}:{}", place.lane, place.seq, place.index));
        Self {
            kind,
            severity,
            pair: places.collect::<Vec<_>>().join(" "),
            why,
            rules: Vec::new(),
            sides: statements.iter().map(|place| vec![*place]).collect(),
            statements,
            witnesses: Vec::new(),
            apart: false,
            overrides: Vec::new(),
        }
    }
}

/// What could be checked: unresolved is not safe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Coverage {
    /// Drugs being taken whose ingredient is known.
    pub drugs_resolved: usize,
    /// The names of drugs being taken that nothing is known of.
    pub drugs_unresolved: Vec<String>,
    /// Active allergies whose substance is known.
    pub allergies_resolved: usize,
    /// The names of active allergies whose substance is not known.
    pub allergies_unresolved: Vec<String>,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Default, Serialize)]
pub struct Checked {
    /// Possible harm, the most severe first.
    pub alerts: Vec<Alert>,
    /// How much could be checked.
    pub coverage: Coverage,
}

impl AlertKind {
    /// Returns the kind's name, as in JSON and in rule tables.
    pub fn name(self) -> &'static str {
        match self {
            AlertKind::DrugAllergy => "drug-allergy",
            AlertKind::DrugDrug => "drug-drug",
            AlertKind::DuplicateIngredient => "duplicate-ingredient",
            AlertKind::DuplicateClass => "duplicate-class",
            AlertKind::DuplicateTest => "duplicate-test",
            AlertKind::TwoPlaces => "two-places",
            AlertKind::DoubleDose => "double-dose",
        }
    }
}

impl Alert {
    /// Says whether the alert stops whoever writes or reads: contraindicated, and nobody has given a reason for it.
    pub fn interrupts(&self) -> bool {
        self.severity == Severity::Contraindicated && self.overrides.is_empty()
    }
}

impl Words {
    /// Makes a text of both languages.
    pub fn new(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ja: ja.into(), en: en.into() }
    }

    /// Returns both languages on one line.
    pub fn line(&self) -> String {
        format!("{} / {}", self.ja, self.en)
    }
}
