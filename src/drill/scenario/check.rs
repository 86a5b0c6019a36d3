//! Walking through a scenario before it runs: nothing is asked of a replica that is down, or before its time.

use std::collections::BTreeSet;

use super::error::Mistake;
use super::model::{Action, Expectation, ReplicaName, Scenario};

#[derive(Default)]
struct Walk<'s> {
    down: BTreeSet<&'s ReplicaName>,
    destroyed: BTreeSet<&'s ReplicaName>,
    imported: bool,
    backed_up: bool,
    restored: bool,
    cut: bool,
    healed: bool,
}

/// Checks the order of the steps, and that each expectation can be judged.
pub(super) fn check(scenario: &Scenario) -> Result<(), Mistake> {
    let mut walk = Walk::default();
    for step in &scenario.steps {
        walk.take(scenario, &step.action)
            .map_err(|problem| Mistake::at(step.line, format!("step '{}' {problem}", step.action.name())))?;
    }
    let last = scenario.steps.last().map_or(1, |step| step.line);
    if let Some(name) = walk.down.iter().chain(&walk.destroyed).next() {
        let problem = format!("the story ends while '{name}' is down; add a step 'start' at it");
        return Err(Mistake::at(last, problem));
    }
    for expectation in &scenario.expectations {
        let missing = match expectation {
            Expectation::HeadsDifferBeforeHeal => {
                (!walk.healed).then_some("a 'cut' and then a 'heal' or 'meet'")
            }
            Expectation::RestoredHeadsEqual => (!walk.restored).then_some("a step 'restore'"),
            Expectation::HeadsEqualAfterHeal
            | Expectation::NoAcknowledgedWriteLost
            | Expectation::ConflictOpen { .. }
            | Expectation::AlertOpen { .. }
            | Expectation::HandoverHasAll { .. }
            | Expectation::RecordsEqual => None,
        };
        if let Some(missing) = missing {
            let problem = format!("expectation '{}' can only be judged after {missing}", expectation.name());
            return Err(Mistake::at(last, problem));
        }
    }
    Ok(())
}

impl<'s> Walk<'s> {
    fn take(&mut self, scenario: &'s Scenario, action: &'s Action) -> Result<(), String> {
        match action {
            Action::Start { at } => {
                if self.destroyed.contains(at) {
                    return Err(format!("needs a disk: '{at}' was destroyed; add a step 'restore' before"));
                }
                return match self.down.remove(at) {
                    true => Ok(()),
                    false => {
                        Err(format!("finds '{at}' running already; all replicas run from the beginning"))
                    }
                };
            }
            Action::Restore { at } => {
                self.restored = true;
                return match self.destroyed.remove(at) {
                    true => {
                        self.down.insert(at);
                        Ok(())
                    }
                    false => Err(format!("needs a step 'destroy-disk' at '{at}' before")),
                };
            }
            Action::Backup => {
                self.backed_up = true;
                if let Some(gateway) = &scenario.gateway {
                    self.runs(gateway)?;
                }
            }
            Action::Cut(_) => self.cut = true,
            Action::Heal(_) | Action::Meet { .. } => self.healed |= self.cut,
            Action::Import { .. }
            | Action::WaitConverged { .. }
            | Action::Register { .. }
            | Action::Write { .. }
            | Action::Handover { .. }
            | Action::KillInMidWrite { .. }
            | Action::Stop { .. }
            | Action::DestroyDisk { .. } => {}
        }
        if let Some(at) = action.at() {
            self.runs(at)?;
        }
        if let Some(patient) = action.patient()
            && scenario.patients.contains_key(patient)
            && !self.imported
        {
            return Err(format!("names patient '{patient}' before any step 'import'"));
        }
        match action {
            Action::Import { .. } => self.imported = true,
            Action::KillInMidWrite { at, .. } | Action::Stop { at } => {
                self.down.insert(at);
            }
            Action::DestroyDisk { at } => {
                if !self.backed_up {
                    return Err("needs a step 'backup' before, or nothing could be restored".to_owned());
                }
                self.destroyed.insert(at);
            }
            Action::WaitConverged { .. }
            | Action::Backup
            | Action::Cut(_)
            | Action::Heal(_)
            | Action::Meet { .. }
            | Action::Register { .. }
            | Action::Write { .. }
            | Action::Handover { .. }
            | Action::Start { .. }
            | Action::Restore { .. } => {}
        }
        Ok(())
    }

    fn runs(&self, at: &ReplicaName) -> Result<(), String> {
        match self.down.contains(at) || self.destroyed.contains(at) {
            true => Err(format!("asks '{at}', which is down at that time; add a step 'start' at it before")),
            false => Ok(()),
        }
    }
}
