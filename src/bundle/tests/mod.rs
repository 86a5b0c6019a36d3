//! Tests of the formats, away from any replica.

mod blocks;
mod golden;
mod planning;
