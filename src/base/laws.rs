//! How hard laws are tried.

use proptest::prelude::ProptestConfig;

/// Returns so many cases, or as many as the environment variable `PROPTEST_CASES` says, which is read by proptest.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let told = ProptestConfig::default();
    let unasked = ProptestConfig::with_cases(few);
    if told.cases == UNASKED { unasked } else { told }
}

/// proptest's own number, when nobody says another.
const UNASKED: u32 = 256;
