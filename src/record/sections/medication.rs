//! Medication: threads of start, change, hold and stop.
//!
//! Rule: stop ∥ change: neither wins; "decision needed", and still active for every check. Two doses: both are
//! shown. Nothing is ever stopped automatically.
//!
//! **Active medication.** Which imported order is being taken today:
//! 1. A native act decides: stop, hold, refute.
//! 2. `doNotPerform`, `intent` proposal or plan, `status` draft, on-hold, stopped, cancelled, declined,
//!    entered-in-error, not-taken mean what they say; `status` active, intended or in-progress is active.
//! 3. `completed` of a MedicationRequest says nothing in Japan (the national sharing profile fixes it): with
//!    `courseOfTherapyType` continuous it is **active**; otherwise it is **recorded**, with the last day that
//!    the supply or the timing allows where they tell it.
//! 4. `completed` of a MedicationStatement is stopped (R4: "no longer being taken"); of a MedicationDispense it
//!    is recorded, until the supply ends.
//! 5. Anything else is recorded: unclear is shown apart, never hidden.
//!
//! Views know no clock: an end lies in the past or not for whoever reads it.
//!
//! Why: an interaction with a drug that was wrongly held to be stopped harms; a second look does not.
//!
//! Law (`record::tests`: `a_stop_never_wins_over_a_change_it_has_not_seen`): a medication with an active current
//! statement is active for checks.
//!
//! No clinician has reviewed this rule yet.

use serde::Serialize;

use crate::record::conflict::{self, Clash, Conflict};
use crate::record::facts::{Fact, Facts};
use crate::record::fhir::Code;
use crate::record::prescription::{Prescription, Taking};
use crate::record::sections::Section;
use crate::record::source::{self, Marks, Side};
use crate::record::statement::Position;
use crate::record::substance::Substance;
use crate::record::threads::{Node, Thread};

/// What the current statements of a medication come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MedicationState {
    /// Current statements contradict each other: active for checks, and somebody must decide.
    DecisionNeeded,
    /// Being taken.
    Active,
    /// Held for now.
    OnHold,
    /// Ordered or dispensed at some time; whether it is being taken is not told.
    Recorded,
    /// Proposed or planned.
    Planned,
    /// Must not be given.
    Prohibited,
    /// Stopped, cancelled or no longer taken.
    Stopped,
    /// Entered in error.
    EnteredInError,
}

/// One medication: a thread.
#[derive(Clone, PartialEq, Serialize)]
pub struct Medication {
    /// The first statement of the thread: the medication's identity.
    pub position: Position,
    /// What it is called, by the latest current statement.
    pub name: String,
    /// The codes of all current statements.
    pub codes: Vec<Code>,
    /// What the current statements come to.
    pub state: MedicationState,
    /// The dose and use by each current statement, without repetition: two doses are two items.
    pub doses: Vec<String>,
    /// Since when, as far as known.
    pub since: Option<String>,
    /// The last day that is covered, where supply or timing tell it.
    pub until: Option<String>,
    /// What decided the state of the latest current statement.
    pub basis: &'static str,
    /// What to know before relying on it.
    #[serde(flatten)]
    pub marks: Marks,
    /// The current statements.
    pub sides: Vec<Side>,
    /// What the checks compare.
    #[serde(skip)]
    pub matching: Substance,
}

/// The section.
#[derive(Clone, PartialEq, Serialize)]
pub struct MedicationList {
    /// Active, held, and those that need a decision (these first).
    pub active: Vec<Medication>,
    /// Recorded or planned: whether they are being taken is not told; the latest first.
    pub recorded: Vec<Medication>,
    /// Stopped, prohibited, entered in error; the latest first.
    pub ended: Vec<Medication>,
}

impl MedicationState {
    /// Says whether checks count the medication as being taken; a held drug may go on at any time.
    pub fn is_active_for_checks(self) -> bool {
        match self {
            MedicationState::DecisionNeeded | MedicationState::Active | MedicationState::OnHold => true,
            MedicationState::Recorded
            | MedicationState::Planned
            | MedicationState::Prohibited
            | MedicationState::Stopped
            | MedicationState::EnteredInError => false,
        }
    }
}

/// Says whether a statement by itself means that a drug is given: neither held, stopped, prohibited nor planned.
pub fn is_giving(fact: &Fact) -> bool {
    if fact.section != Section::Medication {
        return false;
    }
    match Prescription::of(&Node::alone(fact)).taking {
        Taking::Active | Taking::Recorded => true,
        Taking::OnHold | Taking::Planned | Taking::Prohibited | Taking::Stopped | Taking::EnteredInError => {
            false
        }
    }
}

/// Views the medication of a record.
pub fn view(facts: &Facts) -> (MedicationList, Vec<Conflict>) {
    let (mut active, mut recorded, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    let mut conflicts = Vec::new();
    for thread in facts.threads(Section::Medication) {
        let read: Vec<Prescription> = thread.nodes.iter().map(Prescription::of).collect();
        conflicts.extend(conflict::find(&thread, Section::Medication, |nodes| clash(&read, nodes)));
        let medication = medication(&thread, &read);
        match medication.state {
            MedicationState::DecisionNeeded | MedicationState::Active | MedicationState::OnHold => {
                active.push(medication);
            }
            MedicationState::Recorded | MedicationState::Planned => recorded.push(medication),
            MedicationState::Prohibited | MedicationState::Stopped | MedicationState::EnteredInError => {
                ended.push(medication);
            }
        }
    }
    active.sort_by_key(|m| (m.state, m.name.clone(), m.position));
    for list in [&mut recorded, &mut ended] {
        list.sort_by_key(|m: &Medication| (std::cmp::Reverse(m.since.clone()), m.name.clone(), m.position));
    }
    (MedicationList { active, recorded, ended }, conflicts)
}

fn medication(thread: &Thread<'_>, read: &[Prescription]) -> Medication {
    let latest = &read[*thread.tips.last().expect("a thread has a tip")];
    let tips = || thread.tips.iter().map(|tip| &read[*tip]);
    let distinct = |mut all: Vec<String>| {
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|text| seen.insert(text.clone()));
        all
    };
    let clash = if thread.is_concurrent() { clash(read, &thread.tips) } else { None };
    let mut codes: Vec<Code> = tips().flat_map(|tip| tip.codes.clone()).collect();
    codes.sort_unstable();
    codes.dedup();
    let mut matching = Substance::default();
    tips().for_each(|tip| matching.join(tip.substance.clone()));
    Medication {
        position: thread.position(),
        name: latest.name.clone(),
        codes,
        state: state(&thread.tips.iter().map(|tip| read[*tip].taking).collect::<Vec<_>>(), clash.is_some()),
        doses: distinct(
            tips().filter(|tip| tip.taking.is_given()).filter_map(|tip| tip.dose.clone()).collect(),
        ),
        since: read.iter().filter_map(|node| node.since.clone()).min(),
        until: tips().filter_map(|tip| tip.until.clone()).max(),
        basis: latest.basis,
        marks: Marks::of(thread, clash.is_some()),
        sides: source::sides(thread, |node| read[node].says()),
        matching,
    }
}

fn state(takings: &[Taking], clash: bool) -> MedicationState {
    let has = |taking: Taking| takings.contains(&taking);
    if clash {
        return MedicationState::DecisionNeeded;
    }
    let order = [
        (Taking::Active, MedicationState::Active),
        (Taking::OnHold, MedicationState::OnHold),
        (Taking::Prohibited, MedicationState::Prohibited),
        (Taking::Recorded, MedicationState::Recorded),
        (Taking::Planned, MedicationState::Planned),
        (Taking::Stopped, MedicationState::Stopped),
    ];
    let found = order.into_iter().find(|(taking, _)| has(*taking));
    found.map_or(MedicationState::EnteredInError, |(_, state)| state)
}

fn clash(read: &[Prescription], nodes: &[usize]) -> Option<Clash> {
    let nodes: Vec<&Prescription> = nodes.iter().map(|node| &read[*node]).collect();
    let has = |taking: Taking| nodes.iter().any(|node| node.taking == taking);
    let ended = has(Taking::Stopped) || has(Taking::EnteredInError);
    let given: Vec<&&Prescription> = nodes.iter().filter(|node| node.taking == Taking::Active).collect();
    let kind = match (has(Taking::Active), has(Taking::OnHold), ended) {
        (true, _, _) if has(Taking::Prohibited) => "dose-vs-prohibition",
        (true, _, true) => "dose-vs-stop",
        (true, true, false) => "dose-vs-hold",
        (false, true, true) => "hold-vs-stop",
        (true, false, false) if given.iter().any(|one| one.is_other_drug(given[0])) => "two-drugs",
        (true, false, false) if given.iter().any(|one| one.dose != given[0].dose) => "two-doses",
        (_, _, _) => return None,
    };
    let mut said: Vec<String> = nodes.iter().map(|node| node.says()).collect();
    said.sort_unstable();
    said.dedup();
    Some(Clash { kind, summary: said.join(" ‖ ") })
}
