//! `duplicate-registration`: the same person is registered at two places, spelt a little differently.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::people::{person, respelt};
use super::super::scenario::{Mark, Mistake, PatientAlias, Scenario, Shape, Told, Walk, Words, may, need};
use super::words::{site, told};
use super::{Event, EventKind};
use crate::replica::request::Write;

/// The kind.
pub static DUPLICATE_REGISTRATION: EventKind = EventKind {
    name: "duplicate-registration",
    does: Words {
        en: "the same people are registered at two places, with names that are spelt a little differently",
        ja: "同じ人が二か所で、少し違う表記の名前で登録される",
    },
    keys: &[
        need("at", Shape::Pair, "the two replicas", "二つのレプリカ"),
        may("count", Shape::Whole(1, 1_000), "how many people; default 1", "人数。既定は 1"),
    ],
    live: true,
    example: "at = [\"north\", \"tablet\"]\ncount = 3",
    read: |table, names| {
        let Some(list) = table.optional_texts("at")? else {
            return Err(table.missing("at", "needs 'at', two replicas such as [\"north\", \"tablet\"]"));
        };
        let [one, other] = list.value.as_slice() else {
            return Err(Mistake::at(list.line, "'at' names two replicas here"));
        };
        let at = [names.replica(one)?, names.replica(other)?];
        if at[0] == at[1] {
            return Err(Mistake::at(list.line, "'at' names two different replicas here"));
        }
        let count = table.optional_number("count")?.map_or(1, |count| count.value);
        Ok(Arc::new(Duplicate { line: table.line(), at, count }))
    },
};

#[derive(Debug)]
struct Duplicate {
    line: usize,
    at: [usize; 2],
    count: u64,
}

impl Event for Duplicate {
    fn kind(&self) -> &'static EventKind {
        &DUPLICATE_REGISTRATION
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        for at in self.at {
            walk.runs(at)?;
        }
        walk.mark(Mark::Written);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, chance: &mut Chance) -> Vec<TimedDeed> {
        let mut deeds = Vec::new();
        for number in 1..=self.count {
            let one = person(number, chance);
            let other = respelt(&one, chance);
            for ((at, person), letter) in self.at.into_iter().zip([one, other]).zip(["a", "b"]) {
                let alias = PatientAlias(format!("twice-{}-{number}{letter}", self.line));
                deeds.push(Deed::Register { at, alias: alias.clone(), patient: person.into() }.at_once());
                let write = Write::Note { text: "受付。".to_owned(), title: None };
                deeds.push(Deed::Write { at, patient: alias, write }.at_once());
            }
        }
        deeds
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let [a, b] = self.at.map(|at| site(scenario, at));
        let count = self.count;
        told(
            format!("{count} people are registered twice, at {a} and at {b}"),
            format!("{count}人が{a}と{b}で二重に登録される"),
        )
    }
}
