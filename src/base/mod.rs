//! Ids, clocks, digests and limits: what every other layer may use.
