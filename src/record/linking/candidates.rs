//! All probable doubles of a list of people.

use super::block::{self, Pairs};
use super::commonness::Commonness;
use super::compare::Comparison;
use super::score::{MAYBE_MIN, Score};
use super::third;
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
    /// The place of a third that is one person with both, which makes it as probable as it is.
    pub third: Option<usize>,
    /// The place of another member of the household with whom one of the two agrees as well, which makes it less probable.
    pub rival: Option<usize>,
}

/// Finds the pairs of a list that are worth a look, the most probable first; and how many were compared.
///
/// Law (`the_order_of_the_list_does_not_matter`): the same people give the same pairs.
pub fn candidates(people: &[Traits], known: &Commonness) -> (Vec<Candidate>, Pairs) {
    let keys: Vec<_> = people.iter().map(block::keys).collect();
    let mut found = Vec::new();
    let pairs = block::pairs(&keys, |a, b| found.extend(judge(people, known, a, b)));
    (weighed(found, people), pairs)
}

/// Finds those of a list who may be one person with the one at a place, the most probable first; each is compared with
/// that one, and they among each other.
pub fn candidates_of(at: usize, people: &[Traits], known: &Commonness) -> Vec<Candidate> {
    let others = (0..people.len()).filter(|other| *other != at);
    let mut found: Vec<Candidate> =
        others.filter_map(|other| judge(people, known, at.min(other), at.max(other))).collect();
    let mut near: Vec<usize> = found.iter().map(|pair| if pair.a == at { pair.b } else { pair.a }).collect();
    near.sort_unstable();
    for (place, a) in near.iter().enumerate() {
        found.extend(near[place + 1..].iter().filter_map(|b| judge(people, known, *a, *b)));
    }
    let mut found = weighed(found, people);
    found.retain(|pair| [pair.a, pair.b].contains(&at));
    found
}

/// Weighs pairs by what the others say of them, and puts the most probable first.
fn weighed(mut found: Vec<Candidate>, people: &[Traits]) -> Vec<Candidate> {
    third::weigh(&mut found, people);
    found.sort_by(|x, y| y.score.bits.total_cmp(&x.score.bits).then((x.a, x.b).cmp(&(y.a, y.b))));
    found
}

fn judge(people: &[Traits], known: &Commonness, a: usize, b: usize) -> Option<Candidate> {
    let compared = Comparison::of(&people[a], &people[b]);
    let score = Score::of(&compared, &people[a], &people[b], known);
    (score.probability >= MAYBE_MIN).then_some(Candidate { a, b, score, compared, third: None, rival: None })
}
