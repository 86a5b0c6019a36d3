//! `start`, `stop`, `crash` and `freeze`: the process of a replica begins, ends, dies or stands still.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT, AT_ONE, FOR, Mark, SHARE, Scenario, Standing, Told, UNTIL, Walk, Whom, Words, may,
};
use super::words::{lasting, site, told, whom};
use super::{Event, EventKind};

/// The kind.
pub static START: EventKind = EventKind {
    name: "start",
    does: Words {
        en: "a replica that is down starts again", ja: "止まっているレプリカが再び動く"
    },
    keys: &[AT_ONE],
    live: true,
    example: "at = \"north\"",
    read: |table, names| Ok(Arc::new(Start { at: names.at(table)? })),
};

/// The kind.
pub static STOP: EventKind = EventKind {
    name: "stop",
    does: Words { en: "a replica is shut down in order", ja: "レプリカを正しく終了する" },
    keys: &[AT_ONE],
    live: true,
    example: "at = \"north\"",
    read: |table, names| Ok(Arc::new(Stop { at: names.at(table)? })),
};

/// The kind.
pub static CRASH: EventKind = EventKind {
    name: "crash",
    does: Words {
        en: "processes die at once (SIGKILL); their disks keep everything that they were given",
        ja: "プロセスが突然死ぬ（SIGKILL）。ディスクに渡したものは残る",
    },
    keys: &[
        AT,
        SHARE,
        may(
            FOR.name,
            FOR.shape,
            "when they start again; without it, 'start' does it",
            "再び動くまでの時間。なければ 'start' で",
        ),
        UNTIL,
    ],
    live: true,
    example: "at = \"site\"\nshare = 0.1\nfor = \"5m\"",
    read: |table, names| Ok(Arc::new(Crash { whom: names.whom(table)?, lasts: names.lasting(table)? })),
};

/// The kind.
pub static FREEZE: EventKind = EventKind {
    name: "freeze",
    does: Words {
        en: "processes stand still for a time (SIGSTOP) and then go on as if nothing had been",
        ja: "プロセスがしばらく凍り（SIGSTOP）、その後何事もなかったように動く",
    },
    keys: &[AT, SHARE, FOR, UNTIL],
    live: true,
    example: "at = \"tablet\"\nfor = \"10m\"",
    read: |table, names| Ok(Arc::new(Freeze { whom: names.whom(table)?, lasts: names.lasting(table)? })),
};

#[derive(Debug)]
struct Start {
    at: usize,
}

#[derive(Debug)]
struct Stop {
    at: usize,
}

#[derive(Debug)]
struct Crash {
    whom: Whom,
    lasts: Option<Duration>,
}

#[derive(Debug)]
struct Freeze {
    whom: Whom,
    lasts: Option<Duration>,
}

impl Event for Start {
    fn kind(&self) -> &'static EventKind {
        &START
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let name = walk.name(self.at);
        match walk.standing(self.at) {
            Standing::Down | Standing::Unsure => {
                walk.set(self.at, Standing::Runs);
                Ok(())
            }
            Standing::Runs => Err(format!(
                "finds '{name}' running already; all replicas run from the beginning: leave it out"
            )),
            Standing::Destroyed | Standing::Lost => {
                Err(format!("needs a disk: that of '{name}' is gone; add an event 'restore' before"))
            }
        }
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::Start { at: self.at }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let site = site(scenario, self.at);
        told(format!("{site} starts again"), format!("{site}が再び動く"))
    }
}

impl Event for Stop {
    fn kind(&self) -> &'static EventKind {
        &STOP
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.runs(self.at)?;
        walk.set(self.at, Standing::Down);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        vec![Deed::Stop { at: self.at }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let site = site(scenario, self.at);
        told(format!("{site} is shut down"), format!("{site}を終了する"))
    }
}

/// Notes that replicas went down, for good or for a time.
pub(super) fn went_down(walk: &mut Walk<'_>, whom: &Whom, members: &[usize], lasts: Option<Duration>) {
    walk.mark(Mark::Fault);
    for at in members {
        let down = if whom.all() { Standing::Down } else { Standing::Unsure };
        walk.set(*at, down);
        if let Some(lasts) = lasts {
            walk.set_after(lasts, *at, Standing::Runs);
        }
    }
}

/// Does something to each chosen replica, and starts it when the time is over.
pub(super) fn down_deeds(
    chosen: &[usize],
    lasts: Option<Duration>,
    down: impl Fn(usize) -> Deed,
) -> Vec<TimedDeed> {
    let mut deeds: Vec<TimedDeed> = chosen.iter().map(|at| down(*at).at_once()).collect();
    if let Some(lasts) = lasts {
        deeds.extend(chosen.iter().map(|at| Deed::Start { at: *at }.after(lasts)));
    }
    deeds
}

impl Event for Crash {
    fn kind(&self) -> &'static EventKind {
        &CRASH
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let running = walk.running(&self.whom)?;
        went_down(walk, &self.whom, &running, self.lasts);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        down_deeds(&self.whom.choose(chance), self.lasts, |at| Deed::Crash { at })
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(format!("{whom} crashes{}", lasting.en), format!("{whom}が突然止まる{}", lasting.ja))
    }
}

impl Event for Freeze {
    fn kind(&self) -> &'static EventKind {
        &FREEZE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let running = walk.running(&self.whom)?;
        went_down(walk, &self.whom, &running, self.lasts);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let chosen = self.whom.choose(chance);
        let mut deeds: Vec<TimedDeed> =
            chosen.iter().map(|at| Deed::Freeze { at: *at, frozen: true }.at_once()).collect();
        if let Some(lasts) = self.lasts {
            deeds.extend(chosen.iter().map(|at| Deed::Freeze { at: *at, frozen: false }.after(lasts)));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(format!("{whom} stands still{}", lasting.en), format!("{whom}が凍りつく{}", lasting.ja))
    }
}
