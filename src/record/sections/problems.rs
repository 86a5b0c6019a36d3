//! Problems and diagnoses.
//!
//! Rule: union; the status of a problem is multi-valued: each current statement's status is shown. Problems of
//! equal code are suggested as the same and never fused.
//!
//! Why: a diagnosis that is one site's certainty and another's suspicion is both until somebody decides.
//!
//! Law: the statuses shown are those of the current statements, no more and no fewer.
//!
//! No clinician has reviewed this rule yet.

use serde::Serialize;
use serde_json::Value;

use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::Facts;
use crate::record::fhir::{self, Code};
use crate::record::sections::Section;
use crate::record::source::{self, Marks, Side};
use crate::record::statement::{Act, Position};
use crate::record::threads::Thread;

/// What one statement says about a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemStatus {
    /// Present, recurring or relapsing, or without a stated status.
    Active,
    /// Suspected: provisional, differential or unconfirmed.
    Suspected,
    /// In remission or inactive.
    Inactive,
    /// Over.
    Resolved,
    /// Refuted, or entered in error.
    Refuted,
}

/// One problem: a thread.
#[derive(Clone, PartialEq, Serialize)]
pub struct Problem {
    /// The first statement of the thread: the problem's identity.
    pub position: Position,
    /// What it is called, by the latest current statement.
    pub name: String,
    /// The codes of all current statements.
    pub codes: Vec<Code>,
    /// The status by each current statement, without repetition.
    pub statuses: Vec<ProblemStatus>,
    /// When it began, as far as known.
    pub onset: Option<String>,
    /// How severe it is.
    pub severity: Option<String>,
    /// Other problems of this record that share a code.
    pub same_code: Vec<Position>,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// The current statements.
    pub sides: Vec<Side>,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct Problems {
    /// Problems that any current statement calls active or suspected.
    pub active: Vec<Problem>,
    /// The others.
    pub past: Vec<Problem>,
}

/// Views the problems of a record.
pub fn view(facts: &Facts) -> (Problems, Vec<Conflict>) {
    let mut all = Vec::new();
    let mut conflicts = Vec::new();
    for thread in facts.threads(Section::Problems) {
        let read: Vec<Reading> =
            thread.nodes.iter().map(|node| Reading::of(&node.first().json(), node.act())).collect();
        conflicts.extend(conflict::find(&thread, Section::Problems, |nodes| clash(&read, nodes)));
        all.push(problem(&thread, &read));
    }
    suggest_same(&mut all);
    all.sort_by_key(|problem| (problem.name.clone(), problem.position));
    let is_active = |p: &Problem| p.statuses.iter().any(|status| *status <= ProblemStatus::Suspected);
    let (active, past) = all.into_iter().partition(is_active);
    (Problems { active, past }, conflicts)
}

struct Reading {
    name: String,
    codes: Vec<Code>,
    status: ProblemStatus,
    onset: Option<String>,
    severity: Option<String>,
}

impl Reading {
    fn of(json: &Value, act: Act) -> Self {
        let code = fhir::at(json, &["code"]);
        let onset: [&[&str]; 4] =
            [&["onsetDateTime"], &["onsetPeriod", "start"], &["onsetString"], &["recordedDate"]];
        Self {
            name: fhir::concept(code).unwrap_or_else(|| "(unnamed problem)".to_owned()),
            codes: fhir::codes(code),
            status: status(json, act),
            onset: fhir::first_text(json, &onset),
            severity: fhir::concept(fhir::at(json, &["severity"])),
        }
    }
}

fn status(json: &Value, act: Act) -> ProblemStatus {
    let verification = fhir::first_code(fhir::at(json, &["verificationStatus"])).unwrap_or_default();
    let clinical = fhir::first_code(fhir::at(json, &["clinicalStatus"])).unwrap_or_default();
    match (act, verification.as_str(), clinical.as_str()) {
        (Act::Refute, _, _) | (_, "refuted" | "entered-in-error", _) => ProblemStatus::Refuted,
        (Act::Stop, _, _) | (_, _, "resolved") => ProblemStatus::Resolved,
        (_, _, "inactive" | "remission") => ProblemStatus::Inactive,
        (_, "provisional" | "differential" | "unconfirmed", _) => ProblemStatus::Suspected,
        (_, _, _) => ProblemStatus::Active,
    }
}

fn problem(thread: &Thread<'_>, read: &[Reading]) -> Problem {
    let latest = *thread.tips.last().expect("a thread has a tip");
    let mut statuses: Vec<ProblemStatus> = thread.tips.iter().map(|tip| read[*tip].status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let mut codes: Vec<Code> = thread.tips.iter().flat_map(|tip| read[*tip].codes.clone()).collect();
    codes.sort_unstable();
    codes.dedup();
    Problem {
        position: thread.position(),
        name: read[latest].name.clone(),
        codes,
        onset: read[latest].onset.clone(),
        severity: read[latest].severity.clone(),
        same_code: Vec::new(),
        marks: Marks::of(thread, statuses.len() > 1),
        statuses,
        sides: source::sides(thread, |node| format!("{}: {}", label(read[node].status), read[node].name)),
    }
}

fn label(status: ProblemStatus) -> &'static str {
    match status {
        ProblemStatus::Active => "active",
        ProblemStatus::Suspected => "suspected",
        ProblemStatus::Inactive => "inactive",
        ProblemStatus::Resolved => "resolved",
        ProblemStatus::Refuted => "refuted",
    }
}

fn suggest_same(all: &mut [Problem]) {
    use std::collections::BTreeMap;
    let mut by_code: BTreeMap<(String, String), Vec<Position>> = BTreeMap::new();
    // Placeholder codes such as "not coded" (99999999, R69) would tie everything together.
    let telling = |code: &&Code| !code.code.bytes().all(|b| b == b'9') && code.code != "R69";
    for problem in all.iter() {
        for code in problem.codes.iter().filter(telling) {
            by_code.entry((code.system.clone(), code.code.clone())).or_default().push(problem.position);
        }
    }
    for problem in all {
        let key = |code: &Code| (code.system.clone(), code.code.clone());
        let mut same: Vec<Position> =
            problem.codes.iter().filter_map(|code| by_code.get(&key(code))).flatten().copied().collect();
        same.retain(|position| *position != problem.position);
        same.sort_unstable();
        same.dedup();
        problem.same_code = same;
    }
}

fn clash(read: &[Reading], nodes: &[usize]) -> Option<Clash> {
    let has = |wanted: ProblemStatus| nodes.iter().any(|node| read[*node].status == wanted);
    let present = has(ProblemStatus::Active) || has(ProblemStatus::Suspected);
    let kind = match (present, has(ProblemStatus::Refuted)) {
        (true, true) => "assert-vs-refute",
        (true, false) if has(ProblemStatus::Resolved) || has(ProblemStatus::Inactive) => "active-vs-resolved",
        (_, _) => return None,
    };
    Some(Clash { kind, summary: read[*nodes.last()?].name.clone() })
}
