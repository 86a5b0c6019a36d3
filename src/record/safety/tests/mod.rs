//! The laws of the checks, row by row, by labelled cases and over a region.

mod hindsight;
mod laws;
mod planted;
mod region;
mod rows;
mod support;
mod writings;
