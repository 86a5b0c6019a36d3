//! `kill-in-mid-write`: power fails right after an acknowledgement, while others are still writing.

use std::sync::Arc;

use super::super::chance::Chance;
use super::super::deed::{Deed, TimedDeed};
use super::super::scenario::{
    AT_ONE, Mark, PATIENT, PatientAlias, Scenario, Shape, Standing, Told, Walk, Words, may,
};
use super::words::{site, told};
use super::writing::writes;
use super::{Event, EventKind};

/// Notes that are acknowledged before, unless the scenario says otherwise.
const WRITES: u64 = 30;
/// How many write at once, unless the scenario says otherwise: one is in mid-write then.
const WRITERS: u64 = 2;

/// The kind.
pub static KILL_IN_MID_WRITE: EventKind = EventKind {
    name: "kill-in-mid-write",
    does: Words {
        en: "writers write notes as fast as they can; right after so many acknowledgements the power fails, \
             while the other writers are in mid-write",
        ja: "何人かが全速で記録を書き、決まった数の応答の直後、他の人が書いている最中に電源が落ちる",
    },
    keys: &[
        AT_ONE,
        PATIENT,
        may(
            "after-writes",
            Shape::Whole(1, 10_000),
            "acknowledged notes before; default 30",
            "それまでに応答される記録の数。既定は 30",
        ),
        may("writers", Shape::Whole(1, 8), "how many write at once; default 2", "同時に書く人数。既定は 2"),
    ],
    live: true,
    example: "at = \"north\"\npatient = \"oka\"\nafter-writes = 30\nwriters = 2",
    read: |table, names| {
        let (at, patient) = (names.at(table)?, names.patient(&table.text("patient")?)?);
        let after_writes = table.optional_number("after-writes")?.map_or(WRITES, |number| number.value);
        let writers = table.optional_number("writers")?.map_or(WRITERS, |number| number.value);
        let writers = usize::try_from(writers).unwrap_or(usize::MAX);
        Ok(Arc::new(KillInMidWrite { at, patient, after_writes, writers }))
    },
};

#[derive(Debug)]
struct KillInMidWrite {
    at: usize,
    patient: PatientAlias,
    after_writes: u64,
    writers: usize,
}

impl Event for KillInMidWrite {
    fn kind(&self) -> &'static EventKind {
        &KILL_IN_MID_WRITE
    }

    fn check(&self, walk: &mut Walk<'_>) -> Result<(), String> {
        writes(walk, self.at, &self.patient)?;
        walk.set(self.at, Standing::Down);
        walk.mark(Mark::Fault);
        walk.mark(Mark::Damage);
        Ok(())
    }

    fn deeds(&self, _: &Scenario, _: &mut Chance) -> Vec<TimedDeed> {
        let Self { at, patient, after_writes, writers } = self;
        let (at, after_writes, writers) = (*at, *after_writes, *writers);
        vec![Deed::KillInMidWrite { at, patient: patient.clone(), after_writes, writers }.at_once()]
    }

    fn told(&self, scenario: &Scenario) -> Told {
        let (site, patient) = (site(scenario, self.at), &self.patient);
        told(
            format!("{site} loses power while it writes about {patient}"),
            format!("{patient}について書いている最中に{site}の電源が落ちる"),
        )
    }
}
