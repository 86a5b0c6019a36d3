//! Rehearsing the disaster: a scenario, its run with real processes, an observer that is not the system, and the
//! after-action report.
//!
//! Invariants:
//!
//! 1. A drill uses a realm, stores and a bucket (or a prefix of one) of its own, and marks what it prints 訓練.
//! 2. What a replica acknowledged is in the drill's own ledger ([`ledger`]) and is compared with what each
//!    replica exports from its disk after its process has ended.
//! 3. Whatever goes wrong in a drill makes it fail and is in its report; only a drill that could not be run at
//!    all is an error.
//!
//! [`scenario`] says what happens and knows nothing of how; [`live`] makes it happen; [`judge`], [`convergence`]
//! and [`ledger`] are pure and decide whether it went well; [`report`] and [`story`] tell it.

pub mod central;
pub mod chance;
pub mod compare;
pub mod convergence;
pub mod course;
pub mod deed;
mod error;
pub mod events;
pub mod expectations;
#[cfg(test)]
mod fixtures;
pub mod invariants;
pub mod judge;
#[cfg(test)]
mod judge_tests;
pub mod ledger;
pub mod live;
pub mod load;
pub mod observer;
mod patch;
pub mod people;
pub mod report;
mod report_sim;
mod run;
pub mod scenario;
pub mod sim;
mod sim_run;
pub mod story;
pub mod swarm;
pub mod units;
pub mod workload;

pub use error::{DrillError, StepFailure};
pub use report::DrillReport;
pub use run::{DrillOptions, LiveDrill, SEED, run};
pub use sim_run::{SimDrill, SimDrillOptions, SimLine, plant_named, run_sim};
