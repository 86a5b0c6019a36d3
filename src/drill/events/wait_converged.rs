//! `wait-converged`: the drill waits until all hold the same.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{Scenario, Shape, Told, Walk, Words, may};
use super::words::told;
use super::{Event, EventKind};

/// How long it waits unless the scenario says otherwise, in seconds.
const WITHIN_S: u64 = 15;

/// The kind.
pub static WAIT_CONVERGED: EventKind = EventKind {
    name: "wait-converged",
    does: Words {
        en: "waits until all running replicas that can reach each other hold the same; too late fails the drill",
        ja: "動いていて互いに届くすべてのレプリカが同じものを持つまで待つ。遅すぎれば訓練は失敗",
    },
    keys: &[may(
        "within-s",
        Shape::Whole(1, 3_600),
        "how long at most, in seconds; default 15",
        "最長の秒数。既定は 15",
    )],
    live: true,
    example: "within-s = 30",
    read: |table, _| {
        let within_s = table.optional_number("within-s")?.map_or(WITHIN_S, |within| within.value);
        Ok(Arc::new(WaitConverged { within: Duration::from_secs(within_s) }))
    },
};

#[derive(Debug)]
struct WaitConverged {
    within: Duration,
}

impl Event for WaitConverged {
    fn kind(&self) -> &'static EventKind {
        &WAIT_CONVERGED
    }

    fn check(&self, _: &mut Walk<'_>) -> Result<(), String> {
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::WaitConverged { within: self.within }.at_once()]
    }

    fn told(&self, _: &Scenario) -> Told {
        told("All that can hear each other hold the same", "互いに届くものはすべて同じ記録を持つ")
    }
}
