//! `destroy-disk`, `restore` and `site-lost`: a disk is gone; a new one is filled from the backup; or nobody returns.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{AT, AT_ONE, Mark, SHARE, Scenario, Standing, Told, Walk, Whom, Words};
use super::words::{site, told, whom};
use super::{Event, EventKind};

/// The kind.
pub static DESTROY_DISK: EventKind = EventKind {
    name: "destroy-disk",
    does: Words {
        en: "the process is killed and its store removed; needs a 'backup' before",
        ja: "プロセスが死に、記録が失われる。その前に 'backup' が要る",
    },
    keys: &[AT_ONE],
    live: true,
    example: "at = \"south\"",
    read: |table, names| {
        names.needs_backup(table)?;
        Ok(Arc::new(DestroyDisk { at: names.at(table)? }))
    },
};

/// The kind.
pub static RESTORE: EventKind = EventKind {
    name: "restore",
    does: Words {
        en: "a new store is made from the bucket and the site's recovery kit alone, as a new device; 'start' it afterwards",
        ja: "バケットと施設の復旧キットだけから、新しい機器として記録を作り直す。その後 'start' する",
    },
    keys: &[AT_ONE],
    live: true,
    example: "at = \"south\"",
    read: |table, names| {
        names.needs_backup(table)?;
        Ok(Arc::new(Restore { at: names.at(table)? }))
    },
};

/// The kind.
pub static SITE_LOST: EventKind = EventKind {
    name: "site-lost",
    does: Words {
        en: "sites are lost, with their disks and their people; they never return, unless 'restore' brings them back",
        ja: "施設が、ディスクも人もろとも失われる。'restore' しない限り戻らない",
    },
    keys: &[AT, SHARE],
    live: false,
    example: "at = \"clinic\"",
    read: |table, names| Ok(Arc::new(SiteLost { whom: names.whom(table)? })),
};

#[derive(Debug)]
struct DestroyDisk {
    at: usize,
}

#[derive(Debug)]
struct Restore {
    at: usize,
}

#[derive(Debug)]
struct SiteLost {
    whom: Whom,
}

impl Event for DestroyDisk {
    fn kind(&self) -> &'static EventKind {
        &DESTROY_DISK
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        let scenario = walk.scenario();
        if !walk.has(Mark::BackedUp) && scenario.backup_every.is_none() {
            return Err("needs an event 'backup' before, or nothing could be restored".to_owned());
        }
        walk.set(self.at, Standing::Destroyed);
        walk.mark(Mark::Fault);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::DestroyDisk { at: self.at }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let site = site(scenario, self.at);
        told(format!("The disk of {site} is destroyed"), format!("{site}のディスクが壊れる"))
    }
}

impl Event for Restore {
    fn kind(&self) -> &'static EventKind {
        &RESTORE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        match walk.standing(self.at) {
            Standing::Destroyed | Standing::Lost => {}
            Standing::Runs | Standing::Down | Standing::Unsure => {
                let name = walk.name(self.at);
                return Err(format!("needs an event 'destroy-disk' or 'site-lost' at '{name}' before"));
            }
        }
        if !walk.has(Mark::BackedUp) && walk.scenario().backup_every.is_none() {
            return Err("needs an event 'backup' before, or nothing could be restored".to_owned());
        }
        walk.set(self.at, Standing::Down);
        walk.mark(Mark::Restored);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::Restore { at: self.at }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let site = site(scenario, self.at);
        told(
            format!("{site} is restored from the bucket and its recovery kit alone"),
            format!("{site}をバケットと復旧キットだけから復元する"),
        )
    }
}

impl Event for SiteLost {
    fn kind(&self) -> &'static EventKind {
        &SITE_LOST
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        for at in walk.standing_disks(&self.whom)? {
            walk.set(at, if self.whom.all() { Standing::Lost } else { Standing::Unsure });
        }
        walk.mark(Mark::Fault);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        self.whom.choose(chance).into_iter().map(|at| Deed::DestroyDisk { at }.at_once()).collect()
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let whom = whom(scenario, &self.whom);
        told(
            format!("{whom} is lost, with everything and everybody there"),
            format!("{whom}が、人も機器も失われる"),
        )
    }
}
