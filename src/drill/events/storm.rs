//! `reconnect-storm`: many lose power and lines at once, and are all back at the same instant.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{AT, Key, Mark, SHARE, Scenario, Shape, Told, Walk, Whom, Words, may};
use super::super::units::length;
use super::processes::{down_deeds, went_down};
use super::words::{told, whom};
use super::{Event, EventKind};

/// How long they are out unless the scenario says otherwise.
const OUT: Duration = Duration::from_secs(3_600);
const OUT_KEY: Key = may("for", Shape::Span, "how long they are out; default 1h", "止まる時間。既定は 1h");

/// The kind.
pub static RECONNECT_STORM: EventKind = EventKind {
    name: "reconnect-storm",
    does: Words {
        en: "all of these lose their power and with it every line, and return at the same instant: those that stood meet all of \
             them at once",
        ja: "これらのすべてが電源とともに回線を失い、同じ瞬間に戻る：残っていたものは、その全員に一度に出会う",
    },
    keys: &[AT, SHARE, OUT_KEY],
    live: true,
    example: "at = \"shared/miura\"\nshare = 0.9\nfor = \"2h\"",
    read: |table, names| {
        let whom = names.whom(table)?;
        let lasts = table.optional_span("for")?.map_or(OUT, |lasts| lasts.value);
        Ok(Arc::new(Storm { whom, lasts }))
    },
};

#[derive(Debug)]
struct Storm {
    whom: Whom,
    lasts: Duration,
}

impl Event for Storm {
    fn kind(&self) -> &'static EventKind {
        &RECONNECT_STORM
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        let standing = walk.standing_disks(&self.whom)?;
        went_down(walk, &self.whom, &standing, Some(self.lasts));
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        down_deeds(&self.whom.choose(chance), Some(self.lasts), |at| Deed::PowerCut { at })
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, lasts) = (whom(scenario, &self.whom), length(self.lasts));
        told(
            format!("{whom} loses power and every line, to return all at once after {}", lasts.en),
            format!("{whom}が電源とすべての回線を失う。{}後に一斉に戻る", lasts.ja),
        )
    }
}
