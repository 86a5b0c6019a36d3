//! How long something took, many times.

use serde::Serialize;

/// How times are spread, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How often it was done.
    pub times: u64,
    /// The median.
    pub p50_ms: f64,
    /// Of a hundred, one takes longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Spread {
    /// Looks at times in milliseconds.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (times.len() as f64 * share).ceil() as usize;
            times.get(place.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { times: times.len() as u64, p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_takes_longer_than_the_p99() {
        let spread = Spread::of((1..=100).rev().map(f64::from).collect());
        assert_eq!((spread.times, spread.p50_ms, spread.p99_ms, spread.max_ms), (100, 50.0, 99.0, 100.0));
        assert_eq!(Spread::of(Vec::new()), Spread::default());
        assert_eq!(Spread::of(vec![3.0]).p99_ms, 3.0);
    }
}
