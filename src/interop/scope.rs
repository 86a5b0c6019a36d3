//! Where in an import something stands, and how near two places are.
//!
//! Ids such as `Patient/1` are unique within one exporting system only. When the files of two systems are
//! imported together, a reference means the nearest patient of that id: of the same Bundle, else of the same
//! file, else of the same folder, and so on outwards. At equal distance nothing is guessed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A place in an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file's index among the files of the import.
    pub file: u32,
    /// The Bundles, outermost first.
    pub bundles: Box<[u64]>,
}

/// Keeps of `candidates` those nearest to `here`.
pub(super) fn nearest<T>(
    candidates: Vec<T>,
    place_of: impl Fn(&T) -> Place,
    here: &Place,
    files: &[PathBuf],
) -> Vec<T> {
    let mut distances: Vec<(usize, T)> =
        candidates.into_iter().map(|one| (distance(&place_of(&one), here, files), one)).collect();
    let least = distances.iter().map(|(distance, _)| *distance).min().unwrap_or(0);
    distances.retain(|(distance, _)| *distance == least);
    distances.into_iter().map(|(_, one)| one).collect()
}

/// Measures how far outwards from `here` the first scope lies that holds `there` too.
fn distance(there: &Place, here: &Place, files: &[PathBuf]) -> usize {
    let common = here.bundles.iter().zip(&there.bundles).take_while(|(a, b)| a == b).count();
    let mut steps = here.bundles.len() - common;
    if common > 0 {
        return steps;
    }
    steps += 1;
    if here.file == there.file {
        return steps;
    }
    let there = &files[there.file as usize];
    for folder in files[here.file as usize].ancestors().skip(1) {
        steps += 1;
        if there.starts_with(folder) {
            return steps;
        }
    }
    steps + 1
}

/// Remembers, for each scope that holds patients, whether they share one source.
#[derive(Debug, Default)]
pub(super) struct ScopeSources {
    all: Option<Shared>,
    bundles: HashMap<u64, Shared>,
    files: HashMap<u32, Shared>,
    folders: HashMap<PathBuf, Shared>,
}

/// The source of the patients of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shared {
    One(u32),
    Several,
}

impl ScopeSources {
    /// Learns that a patient of `source` stands at `place` in the file at `path`.
    pub(super) fn add(&mut self, place: &Place, path: &Path, source: u32) {
        join(self.all.get_or_insert(Shared::One(source)), source);
        for bundle in &place.bundles {
            join(self.bundles.entry(*bundle).or_insert(Shared::One(source)), source);
        }
        join(self.files.entry(place.file).or_insert(Shared::One(source)), source);
        for folder in path.ancestors().skip(1) {
            match self.folders.get_mut(folder) {
                Some(shared) => join(shared, source),
                None => {
                    self.folders.insert(folder.to_owned(), Shared::One(source));
                }
            }
        }
    }

    /// Says whether there is any patient.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_none()
    }

    /// Finds the one source of the nearest scope around `place` that holds patients.
    pub(super) fn source_at(&self, place: &Place, path: &Path) -> Option<u32> {
        let one = |shared: &Shared| match shared {
            Shared::One(source) => Some(*source),
            Shared::Several => None,
        };
        if let Some(source) = self.all.as_ref().and_then(one) {
            return Some(source);
        }
        let bundles = place.bundles.iter().rev().filter_map(|bundle| self.bundles.get(bundle));
        let folders = path.ancestors().skip(1).filter_map(|folder| self.folders.get(folder));
        bundles.chain(self.files.get(&place.file)).chain(folders).next().and_then(one)
    }
}

fn join(shared: &mut Shared, source: u32) {
    if *shared != Shared::One(source) {
        *shared = Shared::Several;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<PathBuf> {
        ["in/a/p.ndjson", "in/a/o.ndjson", "in/b/p.ndjson", "in/b/x/o.ndjson"].map(PathBuf::from).to_vec()
    }

    fn at(file: u32, bundles: &[u64]) -> Place {
        Place { file, bundles: bundles.into() }
    }

    #[test]
    fn the_nearest_place_wins_and_ties_stay_ties() {
        let files = files();
        let near = |here: Place, places: &[Place]| nearest(places.to_vec(), Place::clone, &here, &files);
        assert_eq!(near(at(1, &[]), &[at(0, &[]), at(2, &[])]), [at(0, &[])]);
        assert_eq!(near(at(3, &[]), &[at(0, &[]), at(2, &[])]), [at(2, &[])]);
        assert_eq!(near(at(0, &[1, 3]), &[at(0, &[1, 2]), at(0, &[1, 3]), at(0, &[])]), [at(0, &[1, 3])]);
        assert_eq!(near(at(0, &[4]), &[at(0, &[1]), at(0, &[2])]).len(), 2);
    }

    #[test]
    fn a_folder_of_one_source_tells_the_source_of_its_files() {
        let files = files();
        let mut sources = ScopeSources::default();
        assert!(sources.is_empty());
        sources.add(&at(0, &[]), &files[0], 7);
        assert_eq!(sources.source_at(&at(3, &[]), &files[3]), Some(7));
        sources.add(&at(2, &[]), &files[2], 8);
        assert_eq!(sources.source_at(&at(1, &[]), &files[1]), Some(7));
        assert_eq!(sources.source_at(&at(3, &[]), &files[3]), Some(8));
        sources.add(&at(2, &[5]), &files[2], 9);
        assert_eq!(sources.source_at(&at(3, &[]), &files[3]), None);
        assert_eq!(sources.source_at(&at(2, &[5]), &files[2]), Some(9));
    }
}
