//! Resuscitation status: whether resuscitation is to be attempted.
//!
//! Rule: each statement stands until a decision or a refutation follows it (or, of an imported resource, its source's
//! own later version). Statements that stand and disagree are **both** shown, and the state is "disagreement":
//! neither is acted on as the patient's will until a decision confirms one. A status that is no longer in force says
//! nothing.
//!
//! Why: a wrong "do not attempt" is irreversible, and a wrong "attempt" is against somebody's will; only a
//! person who asked can choose.
//!
//! Law (`record::tests::laws_sections`: `disagreement_lasts_until_a_decision_follows_it`).
//!
//! Forms: a Consent of scope `adr` and category `dnr` with the SNOMED CT finding as its provision's code (HL7 R4;
//! IPS section 42348-3, "advance directives", takes Consents; JP Core has no profile of it); a Flag or an
//! Observation with the same findings is read too. No clinician has reviewed this rule yet.

use serde::Serialize;
use serde_json::Value;

use super::registry::{CONSENT_CATEGORY_SYSTEM, FOR_RESUSCITATION, NOT_FOR_RESUSCITATION, SNOMED};
use super::standing::{open_conflict, replaced, standing};
use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir;
use crate::record::sections::Section;
use crate::record::source::{Marks, Side, Source};
use crate::record::statement::{Act, FollowRef};
use crate::record::threads::Node;

/// What one statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Attempt resuscitation.
    Attempt,
    /// Do not attempt resuscitation.
    DoNotAttempt,
}

/// What all statements come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResuscitationState {
    /// Nobody has said anything: attempt.
    Unknown,
    /// Attempt resuscitation.
    Attempt,
    /// Do not attempt resuscitation.
    DoNotAttempt,
    /// Statements disagree: somebody must decide.
    Disagreement,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Resuscitation {
    /// What the statements come to.
    pub state: ResuscitationState,
    /// The statements that stand, the latest first.
    pub sides: Vec<Side>,
    /// What each of them says.
    pub orders: Vec<Order>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
}

impl Order {
    /// Returns the words for it.
    pub fn words(self) -> &'static str {
        match self {
            Order::Attempt => "attempt resuscitation (蘇生を行う)",
            Order::DoNotAttempt => "do not attempt resuscitation (DNAR 蘇生を行わない)",
        }
    }
}

/// Views the resuscitation status of a record.
pub fn view(facts: &Facts) -> (Resuscitation, Vec<Conflict>) {
    let mut found: Vec<(Order, Source)> = Vec::new();
    let (mut marks, mut conflicts) = (Marks::default(), Vec::new());
    for thread in facts.threads(Section::Resuscitation) {
        let orders: Vec<Option<Order>> = thread.nodes.iter().map(order).collect();
        let replaced = replaced(&thread);
        let stands = standing(&thread, |node| matches!(thread.nodes[node].act(), Act::Decide | Act::Refute));
        let settled = conflict::find(&thread, Section::Resuscitation, |nodes| {
            clash(nodes.iter().filter_map(|node| orders[*node]).collect())
        });
        conflicts.extend(settled.into_iter().filter(|conflict| {
            // A statement that followed both without deciding has settled nothing.
            let last = conflict.follows.last();
            let by = thread.nodes.iter().find(|node| Some(&node.first().follow_ref()) == last);
            !conflict.open && by.is_some_and(|node| matches!(node.act(), Act::Decide | Act::Refute))
        }));
        marks.join(Marks::of(&thread, false));
        let kept = stands.into_iter().filter(|node| !replaced[*node]);
        found.extend(kept.filter_map(|node| Some((orders[node]?, Source::of(&thread.nodes[node])))));
    }
    found.sort_by_key(|(_, source)| std::cmp::Reverse((source.time, source.positions.clone())));
    let orders: Vec<Order> = found.iter().map(|(order, _)| *order).collect();
    let copies: Vec<FollowRef> = found.iter().flat_map(|(_, source)| source.copies.clone()).collect();
    let state = match (orders.contains(&Order::Attempt), orders.contains(&Order::DoNotAttempt)) {
        (true, true) => ResuscitationState::Disagreement,
        (true, false) => ResuscitationState::Attempt,
        (false, true) => ResuscitationState::DoNotAttempt,
        (false, false) => ResuscitationState::Unknown,
    };
    if let Some(clash) = clash(orders.clone()) {
        marks.disputed = true;
        conflicts.push(open_conflict(Section::Resuscitation, clash.kind, copies, clash.summary));
    }
    let sides = found.into_iter().map(|(order, source)| Side { says: order.words().to_owned(), source });
    (Resuscitation { state, sides: sides.collect(), orders, marks }, conflicts)
}

fn order(node: &Node<'_>) -> Option<Order> {
    if node.act() == Act::Refute {
        return None;
    }
    let json = node.first().json();
    let status = fhir::text(&json, &["status"]).unwrap_or_default();
    let in_force = match node.first().resource_type.as_str() {
        "Consent" | "Flag" => status == "active",
        _ => !matches!(status.as_str(), "entered-in-error" | "cancelled"),
    };
    if in_force { read(&json) } else { None }
}

fn read(json: &Value) -> Option<Order> {
    let lone = [fhir::at(json, &["code"]), fhir::at(json, &["valueCodeableConcept"])].into_iter();
    let concepts = lone.chain(fhir::items(json, &["provision", "code"]));
    let codes: Vec<fhir::Code> =
        concepts.chain(fhir::items(json, &["category"])).flat_map(fhir::codes).collect();
    let has = |system: &str, wanted: &str| codes.iter().any(|c| c.system == system && c.code == wanted);
    // The finding tells more than the category of the document that holds it.
    match (has(SNOMED, FOR_RESUSCITATION), has(SNOMED, NOT_FOR_RESUSCITATION)) {
        (true, false) => Some(Order::Attempt),
        (false, true) => Some(Order::DoNotAttempt),
        (true, true) => None,
        (false, false) => has(CONSENT_CATEGORY_SYSTEM, "dnr").then_some(Order::DoNotAttempt),
    }
}

fn clash(mut orders: Vec<Order>) -> Option<Clash> {
    orders.sort_unstable();
    orders.dedup();
    let summary = orders.iter().map(|order| order.words()).collect::<Vec<_>>().join(" ‖ ");
    (orders.len() > 1).then_some(Clash { kind: "attempt-vs-do-not-attempt", summary })
}
