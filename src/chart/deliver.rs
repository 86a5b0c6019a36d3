//! Delivering changes from lanes to a chart.
//!
//! All that pass the guard are applied in one call (20 at once cost half of 20 calls) to a *copy* of the
//! document, inside `catch_unwind`: after a caught panic a document has moved its heads and saves to
//! bytes that do not load. The copy must then save, load and show the expected heads; of 20,000
//! mutants that passed a guard of headers alone 131 failed only there. What was loaded takes the
//! document's place, so a chart shows what it will show after the next start. If any step fails the same
//! changes are tried one by one, and the ones that fail are quarantined.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{Automerge, Change};

use super::actor::{ActorBytes, ChangeHash};
use super::chunk::ChartChange;
use super::document::Chart;
use super::error::ChartError;
use super::guard::{self, GuardError, Verdict};
use super::history::History;
use super::inbox::{Decision, Inbox, Incoming, LanePlace, Waiting};

/// What became of the changes that were delivered, and of those that waited before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The changes that are in the chart now and were not before, in the order of their admission.
    pub applied: Vec<ChangeHash>,
    /// How many were in the chart before.
    pub known: usize,
    /// Everything that waits in this chart now.
    pub waiting: Vec<Waiting>,
    /// What will never be applied, with the reason.
    pub quarantined: Vec<Quarantined>,
    /// What was forgotten because too much waits; bring each lane again from the first named place.
    pub dropped: Vec<(ActorBytes, LanePlace)>,
}

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The actor whose lane brought it.
    pub actor: ActorBytes,
    /// Where it stands in the lane.
    pub place: LanePlace,
    /// Why it was refused.
    pub reason: GuardError,
}

impl Chart {
    /// Delivers changes, in any order, together with those that wait already.
    ///
    /// The changes of one lane that come in different calls should come in the lane's order. Law: the
    /// chart's text, its heads and the verdicts depend on the set of changes delivered and not on their
    /// order or their grouping into calls.
    ///
    /// # Errors
    ///
    /// When the chart's own document cannot be read; hostile changes are not errors but quarantined.
    pub fn apply_all(&mut self, incoming: Vec<Incoming>) -> Result<Delivery, ChartError> {
        self.apply_all_judged(incoming, guard::check)
    }

    pub(super) fn apply_all_judged(
        &mut self,
        incoming: Vec<Incoming>,
        check: Check,
    ) -> Result<Delivery, ChartError> {
        let history = self.history()?.clone();
        let mut refused = Vec::new();
        let mut dropped = Vec::new();
        for Incoming { actor, place, bytes } in incoming {
            match ChartChange::parse(&bytes) {
                Ok(change) => {
                    if !self.inbox.push(&actor, place, change) {
                        dropped.push((actor, place));
                    }
                }
                Err(reason) => refused.push(Quarantined { actor, place, reason: reason.into() }),
            }
        }
        let mut round = match Round::at_once(&self.document, history.clone(), self.inbox.clone(), check) {
            Some(round) => round,
            None => Round::one_by_one(&self.document, history, self.inbox.clone(), check),
        };
        refused.append(&mut round.delivery.quarantined);
        round.delivery.quarantined = refused;
        dropped.extend(round.inbox.shrink());
        round.delivery.dropped = dropped;
        round.delivery.waiting = round.inbox.waiting();
        self.inbox = round.inbox;
        if !round.delivery.applied.is_empty() {
            self.replace(round.document, round.history);
        }
        Ok(round.delivery)
    }
}

/// The form of [`guard::check`].
pub(super) type Check = fn(&History, &ActorBytes, &ChartChange) -> Verdict;

struct Round {
    document: Automerge,
    history: History,
    inbox: Inbox,
    delivery: Delivery,
}

impl Round {
    /// Applies everything that passes in one call; `None` if that fails.
    fn at_once(document: &Automerge, mut history: History, mut inbox: Inbox, check: Check) -> Option<Self> {
        let mut delivery = Delivery::default();
        let mut changes = Vec::new();
        inbox.drain(|actor, place, change| match check(&history, actor, change) {
            Verdict::Pass(checked) => {
                history.admit(change, checked.made);
                changes.push(checked.change);
                delivery.applied.push(change.hash());
                Decision::Admitted
            }
            other => delivery.note(actor, place, other),
        });
        let document = if changes.is_empty() {
            document.clone()
        } else {
            apply_verified(document, changes, history.heads())?
        };
        Some(Self { document, history, inbox, delivery })
    }

    /// Applies what passes one by one and quarantines what fails.
    fn one_by_one(document: &Automerge, mut history: History, mut inbox: Inbox, check: Check) -> Self {
        let mut document = document.clone();
        let mut delivery = Delivery::default();
        inbox.drain(|actor, place, change| match check(&history, actor, change) {
            Verdict::Pass(checked) => {
                let mut next = history.clone();
                next.admit(change, checked.made);
                match apply_verified(&document, vec![checked.change], next.heads()) {
                    Some(applied) => {
                        (document, history) = (applied, next);
                        delivery.applied.push(change.hash());
                        Decision::Admitted
                    }
                    None => delivery.note(actor, place, Verdict::Refuse(GuardError::Spoils)),
                }
            }
            other => delivery.note(actor, place, other),
        });
        Self { document, history, inbox, delivery }
    }
}

impl Delivery {
    fn note(&mut self, actor: &ActorBytes, place: LanePlace, verdict: Verdict) -> Decision {
        match verdict {
            Verdict::Wait(missing) => return Decision::Waits(missing),
            Verdict::Refuse(reason) => {
                self.quarantined.push(Quarantined { actor: actor.clone(), place, reason });
            }
            Verdict::Known | Verdict::Pass(_) => self.known += 1,
        }
        Decision::Dropped
    }
}

/// Applies changes to a copy and returns the copy after it was saved and loaded again.
///
/// `None` when any step fails or panics, when a change was queued, or when the heads are not the expected.
pub(super) fn apply_verified(
    document: &Automerge,
    changes: Vec<Change>,
    heads: impl Iterator<Item = ChangeHash>,
) -> Option<Automerge> {
    let heads: Vec<ChangeHash> = heads.collect();
    let applied = catch_unwind(AssertUnwindSafe(|| {
        let mut copy = document.clone();
        copy.apply_changes(changes).ok()?;
        let loaded = Automerge::load(&copy.save()).ok()?.with_actor(document.get_actor().clone());
        (heads_of(&copy) == heads && heads_of(&loaded) == heads).then_some(loaded)
    }));
    applied.ok().flatten()
}

/// Returns the heads of a document in ascending order.
pub(super) fn heads_of(document: &Automerge) -> Vec<ChangeHash> {
    let mut heads: Vec<_> = document.get_heads().iter().map(|head| ChangeHash(head.0)).collect();
    heads.sort_unstable();
    heads
}
