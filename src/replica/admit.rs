//! Admission: others' runs, whatever carried them, into this replica's lanes.

use super::core::{Inner, Replica};
use super::error::ReplicaError;
use super::healing::overlaps;
use crate::base::{Digest, LaneId};
use crate::identity::ControlItem;
use crate::lane::{Admission, ForkState, Frontier, Head, LaneState, Refusal, Run, Wait, admit, admit_fork};
use crate::store::{Batch, StoreError, StoreLog};

/// What became of an offered run or fork, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The lane has this head.
    Stored(Head),
    /// Something that belongs before it is missing.
    Waiting(Wait),
    /// It can never be admitted.
    Refused(Refusal),
}

impl Replica {
    /// Offers certificates; those that verify become durable with the next commit. Returns how many can never
    /// be verified.
    pub fn offer_certificates(&self, signed: &[Vec<u8>]) -> usize {
        let mut inner = self.lock();
        let mut bad = 0;
        for certificate in signed {
            match inner.roster.certificates.insert(certificate) {
                Ok(crate::identity::Inserted::New) => {
                    inner.unsaved.push(ControlItem::Certificate(certificate.clone()));
                }
                Ok(crate::identity::Inserted::Known | crate::identity::Inserted::Waiting) => {}
                Err(_) => bad += 1,
            }
        }
        bad
    }

    /// Admits runs in order, in as few durable commits as possible: one, unless a run meets what is already
    /// held. The outcomes are in the order of the runs.
    ///
    /// # Errors
    /// When the store fails; runs whose outcome was not returned may be offered again.
    pub fn admit(&self, runs: Vec<Run>) -> Result<Vec<Outcome>, ReplicaError> {
        let mut inner = self.lock();
        let (mut batch, mut outcomes) = (Batch::default(), Vec::new());
        for run in runs {
            let lane = run.lane;
            if !batch.is_empty() && overlaps(&inner.damaged, &run) {
                self.commit(&mut inner, std::mem::take(&mut batch))?;
            }
            if let Some(healed) = self.heal(&mut inner, &run)? {
                outcomes.push(healed);
                continue;
            }
            let pending = batch.advances.iter().rev().find(|(run, _, _)| run.lane == lane);
            let extends = |state: &LaneState| state.fork.is_none() && run.start == state.size();
            if pending.is_some_and(|(_, _, state)| !extends(state)) {
                self.commit(&mut inner, std::mem::take(&mut batch))?;
            }
            let pending = batch.advances.iter().rev().find(|(run, _, _)| run.lane == lane);
            let state = pending.map(|(_, _, state)| state).or_else(|| inner.lanes.get(&lane));
            let held = state.map(LaneState::head);
            let outcome = match admit(state, &StoreLog(&*self.store), run, &inner.roster.certificates) {
                // Only this lane stands still, until it is healed.
                Err(StoreError::DamagedRun { lane, start }) => self.is_unreadable(&mut inner, lane, start)?,
                decided => self.take_admission(&mut inner, &mut batch, decided?, held)?,
            };
            outcomes.push(outcome);
        }
        if !batch.is_empty() {
            self.commit(&mut inner, batch)?;
        }
        Ok(outcomes)
    }

    /// Merges a peer's evidence of a fork.
    ///
    /// # Errors
    /// When the store fails.
    pub fn admit_fork(&self, lane: &LaneId, theirs: &ForkState) -> Result<Outcome, ReplicaError> {
        let mut inner = self.lock();
        let mut batch = Batch::default();
        let state = inner.lanes.get(lane);
        let held = state.map(LaneState::head);
        let decided = admit_fork(lane, state, &StoreLog(&*self.store), theirs, &inner.roster.certificates);
        let outcome = match decided {
            // Only this lane stands still, until it is healed.
            Err(StoreError::DamagedRun { lane, start }) => self.is_unreadable(&mut inner, lane, start)?,
            decided => self.take_admission(&mut inner, &mut batch, decided?, held)?,
        };
        if !batch.is_empty() {
            self.commit(&mut inner, batch)?;
        }
        Ok(outcome)
    }

    /// Returns the chains of the certificates that a lane needs, issuers first, without repetition.
    pub fn certificates_of(&self, lane: &LaneId) -> Vec<Vec<u8>> {
        let inner = self.lock();
        let Some(state) = inner.lanes.get(lane) else { return Vec::new() };
        let needed = state.certificates_needed();
        chains(&inner, &needed)
    }

    /// Returns the chain of this device's own certificate, issuers first.
    pub fn own_chain(&self) -> Vec<Vec<u8>> {
        chains(&self.lock(), &[self.me().certificate])
    }

    fn take_admission(
        &self,
        inner: &mut Inner,
        batch: &mut Batch,
        decided: Admission,
        held: Option<Head>,
    ) -> Result<Outcome, ReplicaError> {
        match decided {
            Admission::Admitted(advance) => {
                let head = advance.state.head();
                batch.advances.push((advance.run, advance.before, advance.state));
                Ok(Outcome::Stored(head))
            }
            Admission::Forked(forking) => {
                tracing::warn!(lane = %forking.state.id().short(), "a lane is forked: a clone or a lie; its device must be enrolled anew");
                let head = forking.state.head();
                self.commit(inner, std::mem::take(batch))?;
                batch.forks.push(forking);
                self.commit(inner, std::mem::take(batch))?;
                Ok(Outcome::Stored(head))
            }
            Admission::Duplicate => {
                let head = held.unwrap_or(Head::Straight { size: 0, root: Frontier::default().root() });
                Ok(Outcome::Stored(head))
            }
            Admission::Waiting(wait) => Ok(Outcome::Waiting(wait)),
            Admission::Refused(refusal) => {
                tracing::warn!(%refusal, "a run was refused");
                Ok(Outcome::Refused(refusal))
            }
        }
    }
}

fn chains(inner: &Inner, certificates: &[Digest]) -> Vec<Vec<u8>> {
    let mut seen = std::collections::BTreeSet::new();
    let mut chains = Vec::new();
    for certificate in certificates {
        for (hash, signed) in inner.roster.certificates.chain(certificate) {
            if seen.insert(hash) {
                chains.push(signed.to_vec());
            }
        }
    }
    chains
}
