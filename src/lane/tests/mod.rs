//! Tests of lanes as a whole: stories, laws, hostile bytes, golden bytes.

mod admission;
mod carry;
mod forks;
mod frame;
mod golden;
mod joining;
mod support;
mod tree;
mod writer;
