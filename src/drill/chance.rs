//! The random choices of a drill: a small generator whose draws depend on the seed and nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::base::digest::hash_tagged;

/// A source of choices; [`fork`](Chance::fork) makes an independent one, so that a draw more in one place does not
/// change the draws of another.
#[derive(Debug, Clone)]
pub struct Chance {
    key: [u8; 32],
    draws: ChaCha8Rng,
}

impl Chance {
    /// Makes the source of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self::of_key(hash_tagged("musubi.drill.chance.v1", &[&seed.to_be_bytes()]).0)
    }

    fn of_key(key: [u8; 32]) -> Self {
        Self { key, draws: ChaCha8Rng::from_seed(key) }
    }

    /// Makes an independent source; the same label gives the same one, whatever was drawn before.
    pub fn fork(&self, label: &str) -> Self {
        Self::of_key(hash_tagged("musubi.drill.chance.fork.v1", &[&self.key, label.as_bytes()]).0)
    }

    /// Draws 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.draws.next_u64()
    }

    /// Fills bytes with random bits.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.draws.fill_bytes(bytes);
    }

    /// Draws a number below `n`, evenly; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        // Multiply and shift (Lemire, 2019) without its rejection: the bias is below n / 2^64.
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// Draws a number from 0 to 1, evenly; never 1.
    pub fn unit(&mut self) -> f64 {
        // 53 bits: the precision of a double.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Says yes with this probability.
    pub fn share(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Picks one of a list; none of an empty one.
    pub fn pick<'l, T>(&mut self, list: &'l [T]) -> Option<&'l T> {
        list.get(self.below(list.len() as u64) as usize)
    }

    /// Picks the place of one of a list of weights, each as likely as it is heavy; none when all are zero.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> Option<usize> {
        let total: f64 = weights.clone().sum();
        let mut left = self.unit() * total;
        let mut last = None;
        for (place, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = Some(place);
            if left < weight {
                return last;
            }
            left -= weight;
        }
        last
    }

    /// Takes this share of a list, rounded to whole items and at least one if the share is not 0; their order stays.
    pub fn sample<T: Clone>(&mut self, list: &[T], share: f64) -> Vec<T> {
        let share = share.clamp(0.0, 1.0);
        let rounded = (list.len() as f64 * share).round() as usize;
        let count = if share > 0.0 { rounded.max(1).min(list.len()) } else { 0 };
        let mut taken = Vec::with_capacity(count);
        for (place, item) in list.iter().enumerate() {
            // Selection sampling (Knuth, TAOCP 3.4.2, algorithm S).
            let (open, wanted) = ((list.len() - place) as u64, (count - taken.len()) as u64);
            if self.below(open) < wanted {
                taken.push(item.clone());
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_draws_and_another_seed_others() {
        let draws = |seed| {
            let mut chance = Chance::of_seed(seed);
            std::iter::repeat_with(move || chance.below(1_000)).take(8).collect::<Vec<_>>()
        };
        assert_eq!(draws(4), draws(4));
        assert_ne!(draws(4), draws(5));
    }

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn_before() {
        let mut one = Chance::of_seed(7);
        let before = one.fork("power").bits();
        one.bits();
        assert_eq!(one.fork("power").bits(), before);
        assert_ne!(one.fork("clocks").bits(), before);
        assert_ne!(one.fork("power").fork("power").bits(), before);
    }

    #[test]
    fn draws_are_even_and_within_their_bounds() {
        let mut chance = Chance::of_seed(1);
        let mut counts = [0u32; 5];
        for _ in 0..5_000 {
            counts[chance.below(5) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        assert_eq!(chance.below(0), 0);
        let yes = (0..5_000).filter(|_| chance.share(0.2)).count();
        assert!((850..1_150).contains(&yes), "{yes}");
        let heavy = (0..4_000).filter(|_| chance.weighted([1.0, 0.0, 3.0].into_iter()) == Some(2)).count();
        assert!((2_800..3_200).contains(&heavy), "{heavy}");
        assert_eq!(chance.weighted([0.0, 0.0].into_iter()), None);
    }

    #[test]
    fn a_sample_has_the_size_asked_for_and_keeps_the_order() {
        let list: Vec<u32> = (0..100).collect();
        let mut chance = Chance::of_seed(3);
        let sample = chance.sample(&list, 0.4);
        assert!(sample.len() == 40 && sample.is_sorted() && sample[..] != list[..40]);
        assert_eq!(chance.sample(&list, 0.001).len(), 1, "a share that is not nothing takes one at least");
        assert_eq!((chance.sample(&list, 0.0).len(), chance.sample(&list, 1.0)), (0, list));
        assert_eq!(chance.pick::<u32>(&[]), None);
    }
}
