//! All probable doubles of a list of people.

use super::block::{self, Pairs};
use super::commonness::Commonness;
use super::compare::Comparison;
use super::score::{MAYBE_MIN, Score};
use super::traits::Traits;

/// Two people of a list who may be one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The place of the first in the list.
    pub a: usize,
    /// The place of the second, which is larger.
    pub b: usize,
    /// How probable it is.
    pub score: Score,
    /// How well they agree.
    pub compared: Comparison,
}

/// Finds the pairs of a list that are worth a look, the most probable first; and how many were compared.
///
/// Law (`the_order_of_the_list_does_not_matter`): the same people give the same pairs.
pub fn candidates(people: &[Traits], known: &Commonness) -> (Vec<Candidate>, Pairs) {
    let keys: Vec<_> = people.iter().map(block::keys).collect();
    let mut found = Vec::new();
    let pairs = block::pairs(&keys, |a, b| found.extend(judge(people, known, a, b)));
    found.sort_by(|x, y| y.score.bits.total_cmp(&x.score.bits).then((x.a, x.b).cmp(&(y.a, y.b))));
    (found, pairs)
}

fn judge(people: &[Traits], known: &Commonness, a: usize, b: usize) -> Option<Candidate> {
    let compared = Comparison::of(&people[a], &people[b]);
    let score = Score::of(&compared, &people[a], &people[b], known);
    (score.probability >= MAYBE_MIN).then_some(Candidate { a, b, score, compared })
}
