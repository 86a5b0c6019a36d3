//! `backup`: the gateway writes what the bucket lacks. `s3-outage`: the bucket cannot be reached for a time.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{FOR, Mark, Scenario, Told, UNTIL, Walk, Words};
use super::words::{lasting, site, told};
use super::{Event, EventKind};

/// The kind.
pub static BACKUP: EventKind = EventKind {
    name: "backup",
    does: Words {
        en: "the gateway writes what the bucket lacks",
        ja: "ゲートウェイが、バケットにないものを書き込む",
    },
    keys: &[],
    live: true,
    example: "",
    read: |table, names| {
        names.needs_backup(table)?;
        Ok(Arc::new(Backup))
    },
};

/// The kind.
pub static S3_OUTAGE: EventKind = EventKind {
    name: "s3-outage",
    does: Words {
        en: "nobody can reach the backup's bucket for a time",
        ja: "しばらくの間、誰もバックアップのバケットに届かない",
    },
    keys: &[FOR, UNTIL],
    live: true,
    example: "for = \"8h\"",
    read: |table, names| {
        names.needs_backup(table)?;
        Ok(Arc::new(S3Outage { lasts: names.lasting(table)? }))
    },
};

#[derive(Debug)]
struct Backup;

#[derive(Debug)]
struct S3Outage {
    lasts: Option<Duration>,
}

impl Event for Backup {
    fn kind(&self) -> &'static EventKind {
        &BACKUP
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let scenario = walk.scenario();
        if let Some(gateway) = scenario.gateway.as_ref().and_then(|gateway| scenario.index(gateway)) {
            walk.runs(gateway)?;
        }
        walk.mark(Mark::BackedUp);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::Backup.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        match scenario.gateway.as_ref().and_then(|gateway| scenario.index(gateway)) {
            Some(gateway) => {
                let site = site(scenario, gateway);
                told(format!("{site} writes the backup"), format!("{site}がバックアップを書く"))
            }
            None => told("The backup is written", "バックアップが書かれる"),
        }
    }
}

impl Event for S3Outage {
    fn kind(&self) -> &'static EventKind {
        &S3_OUTAGE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.mark(Mark::Fault);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let mut deeds = vec![Deed::Bucket { reachable: false }.at_once()];
        deeds.extend(self.lasts.map(|lasts| Deed::Bucket { reachable: true }.after(lasts)));
        deeds
    }

    fn told(&self, _: &Scenario) -> Told {
        let lasting = lasting(self.lasts);
        told(
            format!("The bucket is out of reach{}", lasting.en),
            format!("バケットに届かなくなる{}", lasting.ja),
        )
    }
}
