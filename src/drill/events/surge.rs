//! `surge`: many people whom nobody knows are brought in.

use std::sync::Arc;
use std::time::Duration;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::people::unnamed;
use super::super::scenario::{
    AT, Mark, PatientAlias, SHARE, Scenario, Shape, Told, Walk, Whom, Words, may, need,
};
use super::super::units::length;
use super::words::{site, told, whom};
use super::{Event, EventKind};
use crate::replica::request::Write;

/// Over how long they come unless the scenario says otherwise.
const OVER: Duration = Duration::from_secs(3_600);

/// The kind.
pub static SURGE: EventKind = EventKind {
    name: "surge",
    does: Words {
        en: "so many people who cannot say their names are registered, over a time, at random replicas of these",
        ja: "名前を言えない人々が、しばらくの間に、これらのレプリカのどこかで登録される",
    },
    keys: &[
        AT,
        SHARE,
        need("count", Shape::Whole(1, 20_000), "how many", "人数"),
        may("over", Shape::Span, "over how long; default 1h", "どれだけの間に。既定は 1h"),
    ],
    live: true,
    example: "at = \"shared/miura\"\ncount = 200\nover = \"6h\"",
    read: |table, names| {
        let whom = names.whom(table)?;
        let Some(count) = table.optional_number("count")? else {
            return Err(table.missing("count", "needs 'count': how many people"));
        };
        let over = table.optional_span("over")?.map_or(OVER, |over| over.value);
        Ok(Arc::new(Surge { line: table.line(), whom, count: count.value, over }))
    },
};

#[derive(Debug)]
struct Surge {
    line: usize,
    whom: Whom,
    count: u64,
    over: Duration,
}

impl Event for Surge {
    fn kind(&self) -> &'static EventKind {
        &SURGE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        walk.running(&self.whom)?;
        walk.mark(Mark::Written);
        Ok(())
    }

    fn deeds(&self, scenario: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let places = self.whom.choose(chance);
        let mut deeds = Vec::new();
        let mut times: Vec<Duration> = (0..self.count).map(|_| self.over.mul_f64(chance.unit())).collect();
        times.sort_unstable();
        for (number, time) in (1..).zip(times) {
            let Some(at) = chance.pick(&places).copied() else { break };
            let alias = PatientAlias(format!("surge-{}-{number}", self.line));
            let patient = unnamed(site(scenario, at), number, chance);
            let text = format!("搬送者 {number}番。氏名不詳、身元を示すものなし。");
            deeds.push(Deed::Register { at, alias: alias.clone(), patient: patient.into() }.after(time));
            let write = Write::Note { text, title: Some("受付".to_owned()) };
            deeds.push(Deed::Write { at, patient: alias, write }.after(time));
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (whom, count, over) = (whom(scenario, &self.whom), self.count, length(self.over));
        told(
            format!("{count} people whom nobody knows are brought to {whom}, over {}", over.en),
            format!("{}の間に、身元の分からない{count}人が{whom}に運ばれる", over.ja),
        )
    }
}
