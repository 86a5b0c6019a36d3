//! What is carried by hand in a live run: a stick with a bundle, a card as QR codes on paper.

use std::fs;
use std::path::PathBuf;

use super::steps::Live;
use crate::drill::error::StepFailure;
use crate::drill::scenario::{PatientAlias, ReplicaName};
use crate::drill::story::Outcome;
use crate::replica::bundle_answer::{BundleExported, BundleFor, BundleImported, BundleWanted, CardExported};
use crate::replica::request::Request;

impl Live<'_> {
    /// Lets a replica write everything in shared areas to a stick.
    ///
    /// # Errors
    /// [`StepFailure`] when it refuses, or could not write all.
    pub(super) async fn pack_stick(&self, at: &ReplicaName, stick: u64) -> Result<Outcome, StepFailure> {
        let out = self.stick(stick)?;
        let (target, areas, parts) = (BundleFor::Realm, Default::default(), Default::default());
        let wanted = BundleWanted { target, areas, parts, out };
        let exported: BundleExported = self.region.ask(at, &Request::BundleExport(wanted)).await?;
        match exported.problems.first() {
            None => Ok(Outcome::Done),
            Some(problem) => Err(StepFailure(format!("the stick lacks something: {problem}"))),
        }
    }

    /// Lets a replica read a stick of which the end may be missing.
    ///
    /// # Errors
    /// [`StepFailure`] when a whole stick is not read as whole, or a torn one is not told to be torn.
    pub(super) async fn read_stick(
        &self,
        at: &ReplicaName,
        stick: u64,
        torn_percent: u64,
    ) -> Result<Outcome, StepFailure> {
        let file = self.stick(stick)?;
        let failed = |error: std::io::Error| StepFailure::of(file.display(), error);
        let bytes = fs::metadata(&file).map_err(failed)?.len();
        let left = bytes - bytes * torn_percent.min(100) / 100;
        fs::File::options().write(true).open(&file).and_then(|stick| stick.set_len(left)).map_err(failed)?;
        let request = Request::BundleImport { files: vec![file.clone()] };
        let read: BundleImported = self.region.ask(at, &request).await?;
        match (left < bytes, read.files.iter().flat_map(|file| &file.problems).next()) {
            (false, Some(problem)) => {
                Err(StepFailure(format!("a whole stick was not read whole: {problem}")))
            }
            (true, None) => Err(StepFailure("a torn stick was read as a whole one".to_owned())),
            (false, None) | (true, Some(_)) => Ok(Outcome::Done),
        }
    }

    /// Lets one replica print a patient's card, and another one read the images of its codes.
    ///
    /// # Errors
    /// [`StepFailure`] when one of them refuses, or the codes are not read as they were printed.
    pub(super) async fn hand_card(
        &mut self,
        at: &ReplicaName,
        to: &ReplicaName,
        patient: &PatientAlias,
    ) -> Result<Outcome, StepFailure> {
        let record = self.record(at, patient).await?;
        let paper = tempfile::tempdir_in(self.region.work());
        let paper = paper.map_err(|error| StepFailure::of("a folder for the codes", error))?;
        let request = Request::CardExport { record: record.to_string(), to: paper.path().join("card") };
        let printed: CardExported = self.region.ask(at, &request).await?;
        let failed = |error: std::io::Error| StepFailure::of(&printed.to, error);
        let mut images: Vec<PathBuf> = Vec::new();
        for item in fs::read_dir(&printed.to).map_err(failed)? {
            let path = item.map_err(failed)?.path();
            images.extend(path.extension().is_some_and(|ending| ending == "png").then(|| path.clone()));
        }
        // In whatever order they are photographed.
        images.sort_unstable();
        images.reverse();
        let read: BundleImported = self.region.ask(to, &Request::BundleImport { files: images }).await?;
        match read.cards.as_slice() {
            [card] if card.record == Some(record) && card.entries == printed.entries => Ok(Outcome::Done),
            _ => Err(StepFailure("the codes were not read as they were printed".to_owned())),
        }
    }

    fn stick(&self, stick: u64) -> Result<PathBuf, StepFailure> {
        let folder = self.region.work().join("sticks");
        fs::create_dir_all(&folder).map_err(|error| StepFailure::of(folder.display(), error))?;
        Ok(folder.join(format!("{stick:016x}.musubi")))
    }
}
