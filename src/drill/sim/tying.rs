//! People say who is who in the simulated world.

use super::oracle::TieMade;
use super::stage::failed;
use super::world::World;
use super::writing::Saying;
use crate::drill::course::Act;
use crate::drill::error::StepFailure;
use crate::drill::scenario::PatientAlias;
use crate::record::linking::{Pair, TieKind};

/// Suggestions of one record that a person reads.
const SUGGESTED_MAX: usize = 20;

impl World<'_> {
    /// Says of the records of two patients whether they are one person's.
    ///
    /// # Errors
    /// [`StepFailure`] when the machine is down or does not know both, has not suggested what it must have, or refuses.
    pub(super) fn tie(
        &mut self,
        at: usize,
        patients: &[PatientAlias; 2],
        kind: TieKind,
        reason: &str,
        suggested: bool,
    ) -> Result<(), StepFailure> {
        let mut records = Vec::new();
        for patient in patients {
            let person = self.patient(at, patient)?;
            let unknown = || StepFailure(format!("'{patient}' is not known there"));
            records.push((person, self.record_at(at, person).ok_or_else(unknown)?));
        }
        let [(person, one), (_, other)] = records[..] else {
            return Err(StepFailure("two patients are needed".to_owned()));
        };
        let replica = self.running(at)?;
        if suggested {
            let found = replica.suggest(Some(one), SUGGESTED_MAX).map_err(failed)?;
            let names = |pair: &crate::replica::answer::SuggestedPair| {
                pair.sides.iter().any(|side| side.record == other)
            };
            if !found.pairs.iter().any(names) {
                return Err(StepFailure("nobody suggests that the two are one person".to_owned()));
            }
        }
        let pair =
            Pair::new(one, other).ok_or_else(|| StepFailure("both names are of one record".to_owned()))?;
        let answers = self.ties_standing(at, pair);
        if let Err(error) = replica.tie(kind, [one, other], reason, self.author(at)) {
            drop(replica);
            self.see_to(at);
            return Err(failed(error));
        }
        let before = self.ledger.writes().len();
        self.acknowledge(at, Some(person), Saying::of(Act::Other), None);
        let places = self.ledger.writes()[before..].iter().map(|write| (write.lane, write.seq)).collect();
        self.ties.push(TieMade { pair, kind, places, answers });
        Ok(())
    }
}
