//! `lie`: a device alters what it relays.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{AT, FOR, Mark, SHARE, Scenario, Told, UNTIL, Walk, Whom, Words};
use super::words::{lasting, told, whom};
use super::{Event, EventKind};

/// The kind.
pub static LIE: EventKind = EventKind {
    name: "lie",
    does: Words {
        en: "devices alter the runs that they relay for others, for a time: an attacker inside, whom all must refuse",
        ja: "機器がしばらくの間、中継する記録を改ざんする：内部の攻撃者。誰も受け入れてはならない",
    },
    keys: &[AT, SHARE, FOR, UNTIL],
    live: false,
    example: "at = \"tablet\"\nfor = \"4h\"",
    read: |table, names| Ok(Arc::new(Lie { whom: names.whom(table)?, lasts: names.lasting(table)? })),
};

#[derive(Debug)]
struct Lie {
    whom: Whom,
    lasts: Option<Duration>,
}

impl Event for Lie {
    fn kind(&self) -> &'static EventKind {
        &LIE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.standing_disks(&self.whom)?;
        walk.mark(Mark::Fault);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let chosen = self.whom.choose(chance);
        let lie = |at: &usize, lying| Deed::Lie { at: *at, lying };
        let mut deeds: Vec<TimedDeed> = chosen.iter().map(|at| lie(at, true).at_once()).collect();
        if let Some(lasts) = self.lasts {
            deeds.extend(chosen.iter().map(|at| lie(at, false).after(lasts)));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(
            format!("{whom} alters what it relays{}", lasting.en),
            format!("{whom}が中継するものを改ざんする{}", lasting.ja),
        )
    }
}
