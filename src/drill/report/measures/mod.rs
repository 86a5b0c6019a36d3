//! What a course measures: numbers without judgement, small enough to be a part of the JSON report.
//!
//! Invariants:
//!
//! 1. Shares lie in 0..=1; what partitions a whole sums to it.
//! 2. Times are seconds of the drill. Shares of availability weigh every replica alike and every moment alike.
//! 3. However large the region, lists are by fleet, or hold at most [`WORST_MAX`] of the worst.

mod availability;
mod disputes;
mod links;
mod staleness;
mod whole;

pub use availability::{Availability, GroupShares, MemberShares, Shares, Slice};
pub(super) use availability::{isolated, slices};
pub use disputes::{DisputeCount, Late, LateCount, LateOne};
pub(super) use disputes::{first_fault, is_open_before, late};
pub(super) use links::down;
pub use links::{LinkUse, Links};
pub use staleness::{Bin, DecisionOne, Staleness, Unread};
pub use whole::{Convergence, Measures, RestoreMeasure, Restores, ReunionMeasure, Writing};

/// Most items that a list of the worst holds.
pub const WORST_MAX: usize = 20;

/// Rounds a number for the JSON: four decimals.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Returns the value at a share of sorted values, such as 0.95; none of no values.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (last as f64 * share).ceil() as usize;
    sorted.get(place.min(last)).copied().map(rounded)
}

/// Sorts numbers that are never NaN.
fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
