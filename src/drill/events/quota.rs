//! `quota-satellite`: a satellite dish with a budget of bytes a day takes the place of a line.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, PathState, TimedDeed};
use super::super::scenario::{BETWEEN, FOR, Mark, Scenario, Shape, Told, UNTIL, Walk, Words, need};
use super::words::{lasting, site, told};
use super::{Event, EventKind};
use crate::transport::{LinkProfile, ProfileName};

/// The kind.
pub static QUOTA_SATELLITE: EventKind = EventKind {
    name: "quota-satellite",
    does: Words {
        en: "a satellite dish takes the place of a line: so many megabytes a day, and no more; the first end dials, is configured \
             with that budget (started anew where it is a process) and spends it on cards first",
        ja: "回線の代わりに衛星アンテナが立つ。一日に運べるのはこのメガバイトまで。前に書かれた側が発信し、その予算を設定され（実プロセスは再起動）、カードから先に使う",
    },
    keys: &[
        need(BETWEEN.name, BETWEEN.shape, BETWEEN.does.en, BETWEEN.does.ja),
        need(
            "mb-per-day",
            Shape::Number(0.001, 1e9),
            "megabytes of 1,000,000 bytes, both ways together",
            "百万バイト単位、双方向の合計",
        ),
        FOR,
        UNTIL,
    ],
    live: true,
    example: "between = [\"north\", \"tablet\"]\nmb-per-day = 2\nfor = \"2d\"",
    read: |table, names| {
        let link = names.link(table)?;
        let link = link.ok_or_else(|| {
            table.missing("between", "needs 'between', two replicas such as [\"north\", \"south\"]")
        })?;
        let megabytes = table.optional_decimal("mb-per-day")?;
        let megabytes =
            megabytes.ok_or_else(|| table.missing("mb-per-day", "needs 'mb-per-day', a number"))?;
        let bytes_per_day = NonZeroU64::new((megabytes.value * 1e6) as u64);
        Ok(Arc::new(Dish { link, bytes_per_day, lasts: names.lasting(table)? }))
    },
};

#[derive(Debug)]
struct Dish {
    link: usize,
    bytes_per_day: Option<NonZeroU64>,
    lasts: Option<Duration>,
}

impl Event for Dish {
    fn kind(&self) -> &'static EventKind {
        &QUOTA_SATELLITE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.mark(Mark::Fault);
        walk.mark(Mark::Metered);
        if walk.has(Mark::Cut) {
            walk.mark(Mark::Healed);
        }
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let link = self.link;
        let dish = LinkProfile { bytes_per_day: self.bytes_per_day, ..ProfileName::Satellite.profile() };
        let mut deeds = vec![Deed::Path { link, state: PathState::Degraded(dish) }.at_once()];
        deeds.extend(self.lasts.map(|lasts| Deed::Path { link, state: PathState::Up }.after(lasts)));
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let [one, other] = scenario.links[self.link].ends.map(|end| site(scenario, end));
        let mb = self.bytes_per_day.map_or(0, NonZeroU64::get) as f64 / 1e6;
        let lasting = lasting(self.lasts);
        told(
            format!("{one} and {other} are joined by a satellite dish with {mb} MB a day{}", lasting.en),
            format!("{one}と{other}は衛星アンテナで結ばれる。一日 {mb} MB まで{}", lasting.ja),
        )
    }
}
