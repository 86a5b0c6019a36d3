//! `return-to-normal`: every fault ends.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{ClockChange, Deed, PathState, TimedDeed};
use super::super::scenario::{Mark, Scenario, Standing, Told, Walk, Words};
use super::words::told;
use super::{Event, EventKind};

/// The kind.
pub static RETURN_TO_NORMAL: EventKind = EventKind {
    name: "return-to-normal",
    does: Words {
        en: "every fault ends: links are as planned, power is back, clocks are right, disks have room, nobody lies, \
             the bucket is in reach; only what is destroyed stays so",
        ja: "すべての障害が終わる：回線、電源、時計、ディスクの空き、バケットが元に戻る。失われたものだけは戻らない",
    },
    keys: &[],
    live: true,
    example: "",
    read: |_, _| Ok(Arc::new(ReturnToNormal)),
};

#[derive(Debug)]
struct ReturnToNormal;

impl Event for ReturnToNormal {
    fn kind(&self) -> &'static EventKind {
        &RETURN_TO_NORMAL
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.calm();
        for at in 0..walk.scenario().replicas.len() {
            match walk.standing(at) {
                Standing::Down | Standing::Unsure => walk.set(at, Standing::Runs),
                Standing::Runs | Standing::Destroyed | Standing::Lost => {}
            }
        }
        if walk.has(Mark::Cut) {
            walk.mark(Mark::Healed);
        }
        Ok(())
    }

    fn deeds(&self, scenario: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let mut deeds: Vec<Deed> =
            (0..scenario.links.len()).map(|link| Deed::Path { link, state: PathState::Up }).collect();
        deeds.extend(scenario.gateway.iter().map(|_| Deed::Bucket { reachable: true }));
        for at in 0..scenario.replicas.len() {
            deeds.push(Deed::Freeze { at, frozen: false });
            deeds.push(Deed::Clock { at, change: ClockChange::Skew { ms: 0 } });
            deeds.push(Deed::DiskFull { at, full: false });
            deeds.push(Deed::Lie { at, lying: false });
            deeds.push(Deed::Start { at });
        }
        deeds.into_iter().map(Deed::at_once).collect()
    }

    fn told(&self, _: &Scenario) -> Told {
        told("Everything that can be mended is mended", "直せるものはすべて直る")
    }
}
