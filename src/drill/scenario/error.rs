//! What is wrong in a scenario file, and where.

use std::path::{Path, PathBuf};

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("reading the scenario {path}: {source}; `scenarios/` holds those that come with Musubi")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{path}, line {line}: {problem}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

/// A mistake at a line of the text that is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// Most known names that a message lists.
const KNOWN_MAX: usize = 40;

impl Mistake {
    /// Says in which file it is.
    pub fn of_file(self, path: &Path) -> ScenarioError {
        ScenarioError::Wrong { path: path.to_owned(), line: self.line, problem: self.problem }
    }

    /// Notes a mistake.
    pub fn at(line: usize, problem: impl Into<String>) -> Self {
        Self { line, problem: problem.into() }
    }

    /// Notes that a name is none of the known ones, with the nearest of them as a hint.
    pub fn unknown(line: usize, what: &str, name: &str, known: &[&str]) -> Self {
        let meant = match nearest(name, known) {
            Some(meant) => format!("; did you mean '{meant}'?"),
            None => String::new(),
        };
        let more = known.len().saturating_sub(KNOWN_MAX);
        let mut listed = known.iter().take(KNOWN_MAX).copied().collect::<Vec<_>>().join(", ");
        match (known.len(), more) {
            (0, _) => listed = "none".to_owned(),
            (_, 0) => {}
            (_, more) => listed = format!("{listed} and {more} more"),
        }
        Self::at(line, format!("unknown {what} '{name}'{meant} (known: {listed})"))
    }
}

/// Finds the known name that was probably meant: at most a third of its letters differ.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let measured = known.iter().map(|candidate| (distance(name, candidate), *candidate));
    let (distance, candidate) = measured.min()?;
    (distance * 3 <= candidate.chars().count().max(3)).then_some(candidate)
}

/// Counts the letters to insert, delete, replace or swap with their neighbour (restricted Damerau–Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let swapped = if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    rows[i - 2][j - 2] + 1
                } else {
                    usize::MAX
                };
                replaced.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("nroth", &["south", "north", "tablet"]), Some("north"));
        assert_eq!(nearest("pateint", &["at", "patient"]), Some("patient"));
        assert_eq!(nearest("gateway", &["south", "north"]), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
