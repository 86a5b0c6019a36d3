//! What one medication statement says: drug, dose, and whether it is being taken.
//!
//! The rule that decides "being taken" stands in `sections::medication`.

use jiff::civil::Date;
use jiff::{Span, ToSpan};
use serde_json::Value;

use super::fhir::{self, Code};
use super::statement::Act;
use super::substance::Substance;
use super::threads::Node;

/// The extension by which JP Core tells the period of use of a dosage.
const PERIOD_OF_USE: &str =
    "http://jpfhir.jp/fhir/core/Extension/StructureDefinition/JP_MedicationDosage_PeriodOfUse";
/// Longest duration that is added to a date, in days (ten years): more is an error of entry.
const DURATION_DAYS_MAX: f64 = 3_660.0;

/// Whether one statement says that the drug is being taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Taking {
    /// It is being taken.
    Active,
    /// It is held for now.
    OnHold,
    /// It was ordered or dispensed; more is not told.
    Recorded,
    /// It is proposed or planned.
    Planned,
    /// It must not be given.
    Prohibited,
    /// It is stopped, cancelled or no longer taken.
    Stopped,
    /// It was entered in error.
    EnteredInError,
}

/// What one medication statement says.
pub struct Prescription {
    /// What the drug is called.
    pub name: String,
    /// The drug's codes.
    pub codes: Vec<Code>,
    /// What the checks compare.
    pub substance: Substance,
    /// Dose and use, as one line.
    pub dose: Option<String>,
    /// Whether it is being taken.
    pub taking: Taking,
    /// What decided that.
    pub basis: &'static str,
    /// Since when.
    pub since: Option<String>,
    /// The last day covered, where supply or timing tell it.
    pub until: Option<String>,
}

impl Taking {
    /// Says whether a dose of such a statement is a dose that somebody may be taking.
    pub fn is_given(self) -> bool {
        match self {
            Taking::Active | Taking::OnHold | Taking::Recorded | Taking::Planned => true,
            Taking::Prohibited | Taking::Stopped | Taking::EnteredInError => false,
        }
    }
}

impl Prescription {
    /// Reads a medication statement.
    pub fn of(node: &Node<'_>) -> Self {
        let json = node.first().json();
        let drug = drug(&json);
        let (taking, basis) = taking(&json, &node.first().resource_type, node.act());
        let since: [&[&str]; 6] = [
            &["authoredOn"],
            &["effectivePeriod", "start"],
            &["effectiveDateTime"],
            &["whenHandedOver"],
            &["dateAsserted"],
            &["dispenseRequest", "validityPeriod", "start"],
        ];
        let since = fhir::first_text(&json, &since);
        Self {
            name: fhir::concept(drug)
                .or_else(|| fhir::text(&json, &["medicationReference", "display"]))
                .unwrap_or_else(|| "(unnamed drug)".to_owned()),
            codes: fhir::codes(drug),
            substance: substance(&json, drug),
            dose: dose(&json),
            taking,
            basis,
            until: until(&json, since.as_deref()),
            since,
        }
    }

    /// Says in few words what the statement says.
    pub fn says(&self) -> String {
        let verb = match self.taking {
            Taking::Active => "give",
            Taking::OnHold => "hold",
            Taking::Recorded => "recorded",
            Taking::Planned => "planned",
            Taking::Prohibited => "do not give",
            Taking::Stopped => "stop",
            Taking::EnteredInError => "entered in error",
        };
        let dose = self.dose.as_ref().filter(|_| self.taking.is_given());
        dose.map_or_else(|| format!("{verb} {}", self.name), |dose| format!("{verb} {} {dose}", self.name))
    }

    /// Says whether another statement names a drug that is not the same substance.
    pub fn is_other_drug(&self, other: &Prescription) -> bool {
        self.name != other.name && self.substance.same(&other.substance).is_none()
    }
}

/// Finds the drug: the concept itself, or the code of a contained Medication.
fn drug(json: &Value) -> &Value {
    let concept = fhir::at(json, &["medicationCodeableConcept"]);
    let reference = fhir::at(json, &["medicationReference", "reference"]).as_str();
    let Some(id) = reference.and_then(|reference| reference.strip_prefix('#')) else { return concept };
    let contained = fhir::items(json, &["contained"]).iter().find(|inner| inner["id"].as_str() == Some(id));
    contained.map_or(concept, |medication| fhir::at(medication, &["code"]))
}

fn substance(json: &Value, drug: &Value) -> Substance {
    let mut substance = Substance::of_concept(drug);
    let display = fhir::at(json, &["medicationReference", "display"]);
    substance.join(Substance::of_concept(&serde_json::json!({ "text": display })));
    for inner in
        fhir::items(json, &["contained"]).iter().filter(|inner| inner["resourceType"] == "Medication")
    {
        for ingredient in fhir::items(inner, &["ingredient"]) {
            substance.join(Substance::of_concept(fhir::at(ingredient, &["itemCodeableConcept"])));
        }
    }
    substance
}

fn taking(json: &Value, resource_type: &str, act: Act) -> (Taking, &'static str) {
    match act {
        Act::Refute => return (Taking::EnteredInError, "act"),
        Act::Stop => return (Taking::Stopped, "act"),
        Act::Hold => return (Taking::OnHold, "act"),
        Act::Assert | Act::Change | Act::Addendum | Act::Decide => {}
    }
    let status = fhir::at(json, &["status"]).as_str().unwrap_or_default();
    if status == "entered-in-error" {
        return (Taking::EnteredInError, "status");
    }
    if fhir::at(json, &["doNotPerform"]).as_bool() == Some(true) {
        return (Taking::Prohibited, "do-not-perform");
    }
    match status {
        "stopped" | "cancelled" | "declined" | "not-taken" => return (Taking::Stopped, "status"),
        "on-hold" => return (Taking::OnHold, "status"),
        "draft" => return (Taking::Planned, "status"),
        _ => {}
    }
    if matches!(fhir::at(json, &["intent"]).as_str(), Some("proposal" | "plan")) {
        return (Taking::Planned, "intent");
    }
    match (status, resource_type) {
        ("active" | "intended" | "in-progress", _) => (Taking::Active, "status"),
        ("completed", "MedicationStatement") => (Taking::Stopped, "status"),
        ("completed", "MedicationRequest") if is_continuous(json) => (Taking::Active, "course-of-therapy"),
        (_, _) => (Taking::Recorded, "unclear"),
    }
}

fn is_continuous(json: &Value) -> bool {
    fhir::codes(fhir::at(json, &["courseOfTherapyType"])).iter().any(|code| code.code == "continuous")
}

fn dose(json: &Value) -> Option<String> {
    let lines = ["dosageInstruction", "dosage"].into_iter().flat_map(|key| fhir::items(json, &[key]));
    let line = |dosage: &Value| {
        fhir::text(dosage, &["text"]).or_else(|| {
            let amount = fhir::quantity(fhir::at(dosage, &["doseAndRate", "0", "doseQuantity"]));
            let use_ = fhir::concept(fhir::at(dosage, &["timing", "code"]));
            let words: Vec<String> = amount.into_iter().chain(use_).collect();
            (!words.is_empty()).then(|| words.join(" "))
        })
    };
    let lines: Vec<String> = lines.filter_map(line).collect();
    (!lines.is_empty()).then(|| fhir::shorten(&lines.join("; ")))
}

/// Finds the last day that supply or timing cover, or none where any dosage is open-ended.
fn until(json: &Value, since: Option<&str>) -> Option<String> {
    let since: Option<Date> = since.and_then(|since| fhir::day(since).parse().ok());
    let supply = [["dispenseRequest", "expectedSupplyDuration"].as_slice(), &["daysSupply"]];
    let stated =
        fhir::first_text(json, &[&["dispenseRequest", "validityPeriod", "end"], &["effectivePeriod", "end"]]);
    let mut ends: Vec<String> = stated.iter().map(|end| fhir::day(end).to_owned()).collect();
    for dosage in fhir::items(json, &["dosageInstruction"]) {
        let repeat = fhir::at(dosage, &["timing", "repeat"]);
        ends.extend(fhir::text(repeat, &["boundsPeriod", "end"]).map(|end| fhir::day(&end).to_owned()));
        ends.extend(last_day(since, fhir::at(repeat, &["boundsDuration"])));
        let extensions = fhir::items(dosage, &["extension"]).iter().filter(|e| e["url"] == PERIOD_OF_USE);
        ends.extend(
            extensions
                .filter_map(|e| fhir::text(e, &["valuePeriod", "end"]).map(|end| fhir::day(&end).to_owned())),
        );
    }
    ends.extend(supply.into_iter().filter_map(|path| last_day(since, fhir::at(json, path))));
    ends.into_iter().max()
}

fn last_day(since: Option<Date>, duration: &Value) -> Option<String> {
    let amount = fhir::at(duration, &["value"]).as_f64()?;
    let unit = fhir::first_text(duration, &[&["code"], &["unit"]])?;
    let days = match unit.as_str() {
        "d" | "日" => amount,
        "wk" | "週" => amount * 7.0,
        "mo" | "月" => amount * 30.0,
        "a" | "年" => amount * 365.0,
        _ => return None,
    };
    if !(1.0..=DURATION_DAYS_MAX).contains(&days) {
        return None;
    }
    let span: Span = (days.ceil() as i64 - 1).days();
    since?.checked_add(span).ok().map(|day| day.to_string())
}
