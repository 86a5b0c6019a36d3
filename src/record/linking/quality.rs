//! How good suggestions are, against people who are known to be one or not.

use std::collections::HashMap;

use serde::Serialize;

use super::candidates::Candidate;

/// How good the suggestions from one threshold on are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// The lowest probability that is suggested.
    pub threshold: f64,
    /// Pairs suggested.
    pub suggested: u64,
    /// Those of them that are one person.
    pub right: u64,
    /// All pairs of registrations of one person.
    pub doubles: u64,
    /// The share of the suggested that is right; 1 when nothing is suggested.
    pub precision: f64,
    /// The share of the doubles that is suggested; 1 when there are none.
    pub recall: f64,
}

impl Quality {
    /// Measures suggestions; `truth` gives for each place of the list a number that is one person's.
    pub fn of(found: &[Candidate], truth: &[u32], threshold: f64) -> Self {
        let mut sizes: HashMap<u32, u64> = HashMap::new();
        truth.iter().for_each(|person| *sizes.entry(*person).or_default() += 1);
        let doubles: u64 = sizes.values().map(|size| size * (size - 1) / 2).sum();
        let suggested: Vec<&Candidate> =
            found.iter().filter(|candidate| candidate.score.probability >= threshold).collect();
        let is_right = |candidate: &&&Candidate| truth[candidate.a] == truth[candidate.b];
        let right = suggested.iter().filter(is_right).count() as u64;
        let share = |part: u64, of: u64| if of == 0 { 1.0 } else { part as f64 / of as f64 };
        let suggested = suggested.len() as u64;
        let (precision, recall) = (share(right, suggested), share(right, doubles));
        Self { threshold, suggested, right, doubles, precision, recall }
    }
}
