//! What a third registration says of two.
//!
//! *Against.* x may be a and may be b, but a and b are two members of one household, as the branches of their insurance
//! number say: of twins, a registration without a branch fits both. x is one of the two at most, so each is as probable as
//! the other leaves it.
//!
//! *For.* a is c and c is b, so a is b, however little a and b have in common. A pair that is worth a look by itself, and
//! whose two are both nearly certainly one person with a third, is at least as probable as both of these together. It is
//! not when anybody who is nearly certainly one of the two has nothing to do with the other: then c stands between two
//! people.
//!
//! Laws: nothing below [`MAYBE_MIN`] is raised; nothing is raised by what was raised; the order of the list does not
//! matter.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::Candidate;
use super::compare::{Agreement, Comparison, Field};
use super::score::{MAYBE_MIN, SUGGEST_MIN, Score};
use super::traits::Traits;

/// From this probability on a third speaks for a pair: it is wrong once in a hundred at most.
const CERTAIN_MIN: f64 = 0.99;

/// For each registration those that it may be one person with, and how probably.
type Near = BTreeMap<usize, BTreeMap<usize, f64>>;

/// Weighs all pairs of a list again by what the others say of their two, and drops those no longer worth a look.
pub fn weigh(found: &mut Vec<Candidate>, people: &[Traits]) {
    against(found, people);
    speak_for(found);
    found.retain(|pair| pair.score.probability >= MAYBE_MIN);
}

fn near(found: &[Candidate], least: f64) -> Near {
    let mut near = Near::new();
    for pair in found.iter().filter(|pair| pair.score.probability >= least) {
        near.entry(pair.a).or_default().insert(pair.b, pair.score.probability);
        near.entry(pair.b).or_default().insert(pair.a, pair.score.probability);
    }
    near
}

/// Takes from each pair what the likeliest other member of the household claims of it.
fn against(found: &mut [Candidate], people: &[Traits]) {
    let near = near(found, MAYBE_MIN);
    for pair in found {
        let others = |of: usize, other: usize| {
            let thirds = near[&of].iter().filter(move |(third, _)| **third != other);
            thirds.filter(move |(third, _)| are_two_members(&people[other], &people[**third]))
        };
        let all = others(pair.a, pair.b).chain(others(pair.b, pair.a));
        // The lowest place among equals.
        let most = all.max_by(|x, y| x.1.total_cmp(y.1).then(y.0.cmp(x.0)));
        if let Some((third, probability)) = most {
            let (own, theirs) = (pair.score.odds(), Score::odds_of(*probability));
            pair.score = pair.score.with_odds(own / (1.0 + theirs));
            pair.rival = Some(*third);
        }
    }
}

fn are_two_members(a: &Traits, b: &Traits) -> bool {
    Comparison::of(a, b).level(Field::Insurance) == Agreement::OtherMember
}

/// Raises the pairs whose two a third registration is nearly certainly one person with.
fn speak_for(found: &mut [Candidate]) {
    let near = near(found, CERTAIN_MIN);
    let pairs: BTreeSet<[usize; 2]> = found.iter().map(|pair| [pair.a, pair.b]).collect();
    let has_to_do =
        |one: usize, other: usize| one == other || pairs.contains(&[one.min(other), one.max(other)]);
    for pair in found.iter_mut().filter(|pair| (MAYBE_MIN..SUGGEST_MIN).contains(&pair.score.probability)) {
        let (Some(of_a), Some(of_b)) = (near.get(&pair.a), near.get(&pair.b)) else { continue };
        let together = of_a.keys().all(|other| has_to_do(*other, pair.b))
            && of_b.keys().all(|other| has_to_do(*other, pair.a));
        if !together || pair.compared.level(Field::Insurance) == Agreement::OtherMember {
            continue;
        }
        let thirds = of_a.iter().filter_map(|(third, one)| Some((one * of_b.get(third)?, *third)));
        // The lowest place among equals.
        let most = thirds.max_by(|x, y| x.0.total_cmp(&y.0).then(y.1.cmp(&x.1)));
        if let Some((probability, third)) = most.filter(|(most, _)| *most > pair.score.probability) {
            pair.score = pair.score.with_odds(Score::odds_of(probability));
            pair.third = Some(third);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::commonness::Commonness;
    use super::super::score::Verdict;
    use super::super::traits::Raw;
    use super::super::{Candidate, candidates};
    use super::*;

    fn person() -> Raw<'static> {
        Raw {
            family: "長谷部",
            given: "利夫",
            family_kana: "ハセベ",
            given_kana: "トシオ",
            birth_date: "1962-07-17",
            sex: "male",
            phone: "090-0350-3023",
            postal_code: "060-6128",
            address: "北海道札幌市中央区上町6丁目17番17号",
            insurance: "63842802:6242:27950:01",
        }
    }

    /// The pairs of these people in a region of others.
    fn found(people: &[Raw<'_>]) -> Vec<Candidate> {
        let others: Vec<(String, String)> =
            (0..500).map(|n| (format!("名{}", n % 40), format!("字{n}"))).collect();
        let others = others.iter().map(|(family, given)| Raw { family, given, ..Raw::default() });
        let traits: Vec<Traits> =
            people.iter().copied().chain(others).map(|raw| Traits::of_raw(&raw)).collect();
        let found = candidates(&traits, &Commonness::of(&traits)).0;
        found.into_iter().filter(|pair| pair.b < people.len()).collect()
    }

    fn of(found: &[Candidate], a: usize, b: usize) -> Option<&Candidate> {
        found.iter().find(|pair| (pair.a, pair.b) == (a.min(b), a.max(b)))
    }

    #[test]
    fn what_fits_both_twins_is_suggested_as_neither() {
        let twin = Raw { given: "利雄", insurance: "63842802:6242:27950:02", ..person() };
        let either = Raw { given: "としお", given_kana: "トシオ", insurance: "", ..person() };
        let alone = found(&[person(), either]);
        assert_eq!(of(&alone, 0, 1).unwrap().score.verdict(), Verdict::Suggest);
        let both = found(&[person(), twin, either]);
        for (twin, rival) in [(0, 1), (1, 0)] {
            let pair = of(&both, twin, 2).unwrap();
            assert_eq!((pair.score.verdict(), pair.rival), (Verdict::Maybe, Some(rival)), "{pair:?}");
        }
    }

    #[test]
    fn of_twins_the_one_that_fits_better_stays() {
        let twin = Raw { given: "利雄", insurance: "63842802:6242:27950:02", ..person() };
        let again = Raw { insurance: "63842802:6242:27950", ..person() };
        let both = found(&[person(), twin, again]);
        assert_eq!(of(&both, 0, 2).unwrap().score.verdict(), Verdict::Suggest);
        assert!(of(&both, 1, 2).is_none_or(|pair| pair.score.verdict() != Verdict::Suggest));
    }

    /// Moved, with another insurance and a new number: worth a look by itself.
    fn moved() -> Raw<'static> {
        Raw {
            phone: "080-0106-4321",
            postal_code: "926-1800",
            address: "石川県七尾市栄町6丁目16番18号",
            insurance: "13300905:6955:58482:01",
            ..person()
        }
    }

    #[test]
    fn who_moved_is_suggested_by_way_of_a_registration_in_between() {
        let between = Raw { phone: person().phone, insurance: person().insurance, ..moved() };
        let before = Raw { phone: "", insurance: "", ..moved() };
        let apart = found(&[person(), before]);
        let pair = of(&apart, 0, 1).copied();
        assert!(pair.is_some_and(|pair| pair.score.verdict() == Verdict::Maybe), "worth a look: {pair:?}");
        let all = found(&[person(), before, between]);
        let pair = of(&all, 0, 1).unwrap();
        assert_eq!((pair.score.verdict(), pair.third), (Verdict::Suggest, Some(2)), "{all:?}");
    }

    #[test]
    fn nothing_that_is_no_pair_by_itself_is_raised() {
        let stranger =
            Raw {
                given: "花子", given_kana: "ハナコ", sex: "female", birth_date: "1990-03-03", ..moved()
            };
        let between = Raw { phone: "080-0106-4321", insurance: "13300905:6955:58482:01", ..person() };
        assert!(of(&found(&[person(), stranger, between]), 0, 1).is_none());
    }
}
