//! Several runs side by side: Musubi against a central cloud, one thing changed, or many seeds.
//!
//! [`compare_html`], [`compare_text`] and [`compare_json`] set whole courses side by side; the `sweep_*` functions
//! tell the least, the median and the most of each figure over many seeds.

mod side_by_side;
mod sweep;
#[cfg(test)]
pub(super) mod tests;

pub use side_by_side::{Compared, compare_html, compare_json, compare_text};
pub use sweep::{sweep_html, sweep_json, sweep_text};
