//! `musubi drill`: rehearses the disaster of a scenario, compares it with what would have been, and hunts for bugs.

mod compare;
mod rehearse;
mod swarm;
#[cfg(test)]
mod tests;
mod told;

pub use compare::CompareCommand;
pub use rehearse::{DrillCommand, DrillWhat, RehearseArgs};
pub use swarm::SwarmCommand;
