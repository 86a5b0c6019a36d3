//! `clock-skew` and `clock-jump`: clocks on the wall are wrong.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{ClockChange, Deed, TimedDeed};
use super::super::scenario::{AT, FOR, Mark, SHARE, Scenario, Shape, Told, UNTIL, Walk, Whom, Words, need};
use super::super::units::length;
use super::words::{told, whom};
use super::{Event, EventKind};
use std::time::Duration;

/// The kind.
pub static CLOCK_SKEW: EventKind = EventKind {
    name: "clock-skew",
    does: Words {
        en: "the clocks of devices show the true time plus this; \"0s\" sets them right",
        ja: "機器の時計が本当の時刻からこれだけずれる。\"0s\" で正しくなる",
    },
    keys: &[
        AT,
        SHARE,
        need(
            "by",
            Shape::SignedSpan,
            "how much, such as \"-3m\" or \"2h\"",
            "ずれの大きさ（\"-3m\"、\"2h\" など）",
        ),
        FOR,
        UNTIL,
    ],
    live: false,
    example: "at = \"tablet\"\nby = \"-2h\"",
    read: |table, names| {
        let (whom, by) = (names.whom(table)?, table.signed_span("by")?.value);
        Ok(Arc::new(Clocks { whom, change: ClockChange::Skew { ms: by }, lasts: names.lasting(table)? }))
    },
};

/// The kind.
pub static CLOCK_JUMP: EventKind = EventKind {
    name: "clock-jump",
    does: Words { en: "the clocks of devices jump by this", ja: "機器の時計がこれだけ跳ぶ" },
    keys: &[
        AT,
        SHARE,
        need(
            "by",
            Shape::SignedSpan,
            "how much, such as \"-3m\" or \"2h\"",
            "跳ぶ大きさ（\"-3m\"、\"2h\" など）",
        ),
    ],
    live: false,
    example: "at = \"tablet\"\nby = \"30d\"",
    read: |table, names| {
        let (whom, by) = (names.whom(table)?, table.signed_span("by")?.value);
        Ok(Arc::new(Clocks { whom, change: ClockChange::Jump { ms: by }, lasts: None }))
    },
};

#[derive(Debug)]
struct Clocks {
    whom: Whom,
    change: ClockChange,
    lasts: Option<Duration>,
}

impl Event for Clocks {
    fn kind(&self) -> &'static EventKind {
        match self.change {
            ClockChange::Skew { .. } => &CLOCK_SKEW,
            ClockChange::Jump { .. } => &CLOCK_JUMP,
        }
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.standing_disks(&self.whom)?;
        walk.mark(Mark::Fault);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let chosen = self.whom.choose(chance);
        let clock = |at: &usize, change| Deed::Clock { at: *at, change };
        let mut deeds: Vec<TimedDeed> = chosen.iter().map(|at| clock(at, self.change).at_once()).collect();
        if let Some(lasts) = self.lasts {
            let right = ClockChange::Skew { ms: 0 };
            deeds.extend(chosen.iter().map(|at| clock(at, right).after(lasts)));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let whom = whom(scenario, &self.whom);
        let (ms, how_en, how_ja) = match self.change {
            ClockChange::Skew { ms: 0 } => {
                return told(
                    format!("The clock of {whom} is right again"),
                    format!("{whom}の時計が正しくなる"),
                );
            }
            ClockChange::Skew { ms } => (ms, "is wrong by", "ずれる"),
            ClockChange::Jump { ms } => (ms, "jumps by", "跳ぶ"),
        };
        let sign = if ms < 0 { "-" } else { "+" };
        let span = length(Duration::from_millis(ms.unsigned_abs()));
        told(
            format!("The clock of {whom} {how_en} {sign}{}", span.en),
            format!("{whom}の時計が{sign}{}{how_ja}", span.ja),
        )
    }
}
