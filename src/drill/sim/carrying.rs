//! What is carried by hand in the simulated world: sticks with bundles, and cards on paper.

use super::stage::failed;
use super::world::World;
use crate::drill::error::StepFailure;
use crate::drill::scenario::PatientAlias;
use crate::replica::bundle_answer::BundleFor;

impl World<'_> {
    /// Lets a machine write everything in shared areas to a stick.
    ///
    /// # Errors
    /// [`StepFailure`] when it is down or its store fails.
    pub(super) fn pack_stick(&mut self, at: usize, stick: u64) -> Result<(), StepFailure> {
        let replica = self.running(at)?;
        match replica.bundle_bytes(BundleFor::Realm) {
            Ok(bytes) => {
                self.sticks.insert(stick, bytes);
                Ok(())
            }
            Err(error) => {
                drop(replica);
                self.see_to(at);
                Err(failed(error))
            }
        }
    }

    /// Lets a machine read a stick of which the end may be missing.
    ///
    /// # Errors
    /// [`StepFailure`] when nothing was written to it, the machine is down or its store fails; and when a whole stick is not
    /// read as whole, or a torn one is not told to be torn.
    pub(super) fn read_stick(&mut self, at: usize, stick: u64, torn_percent: u64) -> Result<(), StepFailure> {
        let Some(bytes) = self.sticks.remove(&stick) else {
            return Err(StepFailure("nothing was written to the stick".to_owned()));
        };
        let replica = self.running(at)?;
        let left = bytes.len() - bytes.len() * usize::try_from(torn_percent).unwrap_or(100).min(100) / 100;
        let read = match replica.take_bundle("stick", &bytes[..left]) {
            Ok(read) => read,
            Err(error) => {
                drop(replica);
                self.see_to(at);
                return Err(failed(error));
            }
        };
        self.has_changed(at);
        match (left < bytes.len(), read.problems.first()) {
            (false, Some(problem)) => {
                Err(StepFailure(format!("a whole stick was not read whole: {problem}")))
            }
            (true, None) => Err(StepFailure("a torn stick was read as a whole one".to_owned())),
            (false, None) | (true, Some(_)) => Ok(()),
        }
    }

    /// Lets one machine print a patient's card, and another one read it.
    ///
    /// # Errors
    /// [`StepFailure`] when one of them is down, the first does not know the patient, or the second cannot read the codes.
    pub(super) fn hand_card(
        &mut self,
        at: usize,
        to: usize,
        patient: &PatientAlias,
    ) -> Result<(), StepFailure> {
        let person = self.patient(at, patient)?;
        let unknown = || StepFailure(format!("'{patient}' is not known there"));
        let record = self.record_at(at, person).ok_or_else(unknown)?;
        let (frames, entries, _) = self.running(at)?.card_frames(&record).map_err(failed)?;
        let reader = self.running(to)?;
        let cards = reader.take_frames(frames.into_iter().rev().collect()).map_err(failed)?;
        match cards.as_slice() {
            [card] if card.record == Some(record) && card.entries == entries => Ok(()),
            _ => Err(StepFailure("the codes were not read as they were printed".to_owned())),
        }
    }
}
