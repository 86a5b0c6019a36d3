//! `disk-full` and `disk-corrupt`: a disk refuses to grow, or forgets.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT, FOR, Mark, SHARE, Scenario, Shape, StorePlan, Told, UNTIL, Walk, Whom, Words, may,
};
use super::words::{lasting, told, whom};
use super::{Event, EventKind};

/// Sectors that rot unless the scenario says otherwise.
const SECTORS: u64 = 8;

/// The kind.
pub static DISK_FULL: EventKind = EventKind {
    name: "disk-full",
    does: Words {
        en: "disks have no room for a time: reading goes on, writing is refused",
        ja: "しばらくディスクに空きがない：読めるが、書き込みは断られる",
    },
    keys: &[AT, SHARE, FOR, UNTIL],
    live: false,
    example: "at = \"north\"\nfor = \"3h\"",
    read: |table, names| Ok(Arc::new(DiskFull { whom: names.whom(table)?, lasts: names.lasting(table)? })),
};

/// The kind.
pub static DISK_CORRUPT: EventKind = EventKind {
    name: "disk-corrupt",
    does: Words {
        en: "sectors of disks rot; what they held must be noticed and healed from others",
        ja: "ディスクの一部が腐る。気付いて他から修復されなければならない",
    },
    keys: &[
        AT,
        SHARE,
        may(
            "sectors",
            Shape::Whole(1, 100_000),
            "how many on each disk; default 8",
            "一台あたりの数。既定は 8",
        ),
    ],
    live: false,
    example: "at = \"north\"\nsectors = 20",
    read: |table, names| {
        let whom = names.whom(table)?;
        let sectors = table.optional_number("sectors")?.map_or(SECTORS, |sectors| sectors.value);
        Ok(Arc::new(DiskCorrupt { whom, sectors: u32::try_from(sectors).unwrap_or(u32::MAX) }))
    },
};

#[derive(Debug)]
struct DiskFull {
    whom: Whom,
    lasts: Option<Duration>,
}

#[derive(Debug)]
struct DiskCorrupt {
    whom: Whom,
    sectors: u32,
}

fn on_disks(walk: &mut Walk<'_>, whom: &Whom) -> Result<(), String> {
    let scenario = walk.scenario();
    let members = walk.standing_disks(whom)?;
    if members.iter().all(|at| scenario.replicas[*at].store == StorePlan::Memory) {
        return Err(format!(
            "would do nothing: '{}' keeps its records in memory; write store = \"disk\" or 'disk-sample' there",
            whom.called
        ));
    }
    walk.mark(Mark::Fault);
    Ok(())
}

impl Event for DiskFull {
    fn kind(&self) -> &'static EventKind {
        &DISK_FULL
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        on_disks(walk, &self.whom)
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let chosen = self.whom.choose(chance);
        let full = |at: &usize, full| Deed::DiskFull { at: *at, full };
        let mut deeds: Vec<TimedDeed> = chosen.iter().map(|at| full(at, true).at_once()).collect();
        if let Some(lasts) = self.lasts {
            deeds.extend(chosen.iter().map(|at| full(at, false).after(lasts)));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(
            format!("The disk of {whom} is full{}", lasting.en),
            format!("{whom}のディスクが満杯になる{}", lasting.ja),
        )
    }
}

impl Event for DiskCorrupt {
    fn kind(&self) -> &'static EventKind {
        &DISK_CORRUPT
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        on_disks(walk, &self.whom)?;
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let rot = |at| Deed::DiskCorrupt { at, sectors: self.sectors }.at_once();
        self.whom.choose(chance).into_iter().map(rot).collect()
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, sectors) = (whom(scenario, &self.whom), self.sectors);
        told(
            format!("{sectors} sectors of the disk of {whom} rot"),
            format!("{whom}のディスクで{sectors}セクタが腐る"),
        )
    }
}
