//! `power-failure` and `power-loss`: the mains fail, and batteries run out; or power is gone at once.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT, FOR, Mark, SHARE, Scenario, Shape, Standing, Told, UNTIL, Walk, Whom, Words, may,
};
use super::processes::{down_deeds, went_down};
use super::words::{lasting, told, whom};
use super::{Event, EventKind};

/// The part of the replicas whose power ends in mid-write, unless the scenario says otherwise.
const IN_MID_WRITE: f64 = 0.5;

/// The kind.
pub static POWER_FAILURE: EventKind = EventKind {
    name: "power-failure",
    does: Words {
        en: "the mains fail: each replica runs on as long as its battery and generator last, then goes down, some \
             in mid-write; when the power returns it starts again",
        ja: "停電：各レプリカは電池と自家発電が続く間動き、その後止まる（一部は書き込みの最中に）。復電で再び動く",
    },
    keys: &[
        AT,
        SHARE,
        FOR,
        UNTIL,
        may(
            "in-mid-write",
            Shape::Number(0.0, 1.0),
            "the part whose power ends in mid-write; the others lose nothing that the disk was given; default 0.5",
            "書き込みの最中に電源が切れる割合。他はディスクに渡したものを失わない。既定は 0.5",
        ),
    ],
    live: true,
    example: "at = \"shared/miura\"\nshare = 0.6\nfor = \"30h\"",
    read: |table, names| {
        let (whom, lasts) = (names.whom(table)?, names.lasting(table)?);
        let in_mid_write = table.optional_decimal("in-mid-write")?.map_or(IN_MID_WRITE, |part| part.value);
        Ok(Arc::new(PowerFailure { whom, lasts, in_mid_write }))
    },
};

/// The kind.
pub static POWER_LOSS: EventKind = EventKind {
    name: "power-loss",
    does: Words {
        en: "power is gone at once, in mid-write: what the disk had not synced is torn or lost",
        ja: "書き込みの最中に突然電源が切れる：ディスクに同期されていないものは壊れるか失われる",
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
    example: "at = \"north\"\nfor = \"10m\"",
    read: |table, names| Ok(Arc::new(PowerLoss { whom: names.whom(table)?, lasts: names.lasting(table)? })),
};

#[derive(Debug)]
struct PowerFailure {
    whom: Whom,
    lasts: Option<Duration>,
    in_mid_write: f64,
}

#[derive(Debug)]
struct PowerLoss {
    whom: Whom,
    lasts: Option<Duration>,
}

/// The deeds of a mains failure at some replicas: each goes down when its reserve is used up before power returns.
pub(super) fn failure_deeds(
    scenario: &Scenario,
    chosen: &[usize],
    lasts: Option<Duration>,
    in_mid_write: f64,
    chance: &mut Chance,
) -> Vec<TimedDeed> {
    let mut deeds = Vec::new();
    for at in chosen.iter().copied() {
        let torn = chance.share(in_mid_write);
        let Some(reserve) = scenario.replicas[at].reserve else { continue };
        if lasts.is_some_and(|lasts| lasts <= reserve) {
            continue;
        }
        let down = if torn { Deed::PowerCut { at } } else { Deed::Crash { at } };
        deeds.push(down.after(reserve));
        deeds.extend(lasts.map(|lasts| Deed::Start { at }.after(lasts)));
    }
    deeds.sort_by_key(|deed| deed.after);
    deeds
}

impl Event for PowerFailure {
    fn kind(&self) -> &'static EventKind {
        &POWER_FAILURE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let members = walk.standing_disks(&self.whom)?;
        let scenario = walk.scenario();
        let mut fails = 0;
        for at in members {
            let Some(reserve) = scenario.replicas[at].reserve else { continue };
            fails += 1;
            if self.lasts.is_some_and(|lasts| lasts <= reserve) {
                continue;
            }
            let down = if self.whom.all() { Standing::Down } else { Standing::Unsure };
            match reserve.is_zero() {
                true => walk.set(at, down),
                false => walk.set_after(reserve, at, down),
            }
            if let Some(lasts) = self.lasts {
                walk.set_after(lasts, at, Standing::Runs);
            }
        }
        if fails == 0 {
            let called = &self.whom.called;
            return Err(format!(
                "would do nothing: '{called}' has power for ever; give it 'battery-h' or 'generator-h' (0 for none)"
            ));
        }
        walk.mark(Mark::Fault);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, scenario: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let chosen = self.whom.choose(chance);
        failure_deeds(scenario, &chosen, self.lasts, self.in_mid_write, chance)
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(format!("The mains fail at {whom}{}", lasting.en), format!("{whom}で停電{}", lasting.ja))
    }
}

impl Event for PowerLoss {
    fn kind(&self) -> &'static EventKind {
        &POWER_LOSS
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let running = walk.running(&self.whom)?;
        went_down(walk, &self.whom, &running, self.lasts);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        down_deeds(&self.whom.choose(chance), self.lasts, |at| Deed::PowerCut { at })
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasting) = (whom(scenario, &self.whom), lasting(self.lasts));
        told(
            format!("{whom} loses power in mid-write{}", lasting.en),
            format!("{whom}が書き込みの最中に電源を失う{}", lasting.ja),
        )
    }
}
