//! Tests of lanes as a whole.
