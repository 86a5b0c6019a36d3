//! Repacking in the background: what was written one entry at a time is joined at rest, a little after each step of the
//! indexer, and never while a write waits for more than one small commit.

use std::collections::BTreeMap;

use super::core::{Inner, Replica};
use super::error::ReplicaError;
use crate::base::LaneId;
use crate::store::{Batch, Repacked};

/// Most commits of one step.
const STEP_COMMITS_MAX: u64 = 4;
/// Most lanes that one step looks at.
const STEP_LANES_MAX: usize = 64;
/// Most lanes that wait for a step; further arrivals are read when these have been looked at.
const DUE_MAX: usize = 4_096;
/// How many arrivals are read at once.
const PAGE: usize = 256;
/// The place is noted in the store when so many arrivals have been seen since; they are looked at again after a restart, which
/// changes nothing.
const NOTE_EVERY: u64 = 4_096;
/// The store's name for the arrival up to which lanes have been looked at.
const REPACKED: &str = "repacked";

/// What there is to repack.
#[derive(Debug, Default)]
pub(super) struct Repacking {
    /// The arrival up to which lanes are due or have been looked at; none before the store was asked.
    seen: Option<u64>,
    /// That which the store has noted.
    noted: u64,
    /// Lanes to be looked at, each from an entry on.
    due: BTreeMap<LaneId, u64>,
}

impl Replica {
    /// Joins small runs that have arrived and are indexed, a few commits' worth; tells what was done, `next` when something is
    /// left for the next step.
    ///
    /// # Errors
    /// When the store fails.
    pub fn repack_step(&self) -> Result<Repacked, ReplicaError> {
        self.see_arrivals(&mut self.lock())?;
        let (mut done, mut commits) = (Repacked::default(), 0);
        for _ in 0..STEP_LANES_MAX {
            // A commit at a time, and others read and write meanwhile: what is no longer as it was read is left alone.
            let Some((lane, from)) = self.lock().repacking.due.pop_first() else { break };
            let step = self.store.repack(&lane, from)?;
            if let Some(next) = step.next {
                let mut inner = self.lock();
                let from = inner.repacking.due.entry(lane).or_insert(next);
                *from = next.min(*from);
            }
            done.runs_before += step.runs_before;
            done.runs_after += step.runs_after;
            done.bytes_before += step.bytes_before;
            done.bytes_after += step.bytes_after;
            commits += u64::from(step.runs_after > 0);
            if commits >= STEP_COMMITS_MAX {
                break;
            }
        }
        let mut inner = self.lock();
        done.next = inner.repacking.due.first_key_value().map(|(_, from)| *from);
        let seen = inner.repacking.seen.unwrap_or(0);
        let much = seen >= inner.repacking.noted + NOTE_EVERY;
        if inner.repacking.due.is_empty() && (much || done.runs_after > 0) && seen > inner.repacking.noted {
            let named = vec![(REPACKED.to_owned(), seen.to_be_bytes().to_vec())];
            self.store.commit(Batch { named, ..Batch::default() })?;
            inner.repacking.noted = seen;
        }
        Ok(done)
    }

    /// Notes the lanes of what has arrived and is indexed.
    fn see_arrivals(&self, inner: &mut Inner) -> Result<(), ReplicaError> {
        let mut seen = match inner.repacking.seen {
            Some(seen) => seen,
            None => {
                let noted = self.store.named(REPACKED)?.and_then(|value| value.try_into().ok());
                inner.repacking.noted = noted.map_or(0, u64::from_be_bytes);
                inner.repacking.noted
            }
        };
        let indexed = self.store.index_cursor()?;
        while seen < indexed && inner.repacking.due.len() < DUE_MAX {
            let page = self.store.arrivals(seen, PAGE)?;
            let Some(last) = page.last() else { break };
            seen = last.no;
            for arrival in page.iter().filter(|arrival| arrival.start < arrival.end) {
                let from = inner.repacking.due.entry(arrival.lane).or_insert(arrival.start);
                *from = (*from).min(arrival.start);
            }
        }
        inner.repacking.seen = Some(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::replica::Replica;
    use crate::replica::environment::SystemEnvironment;
    use crate::replica::home::Home;
    use crate::replica::request::{NewPatient, Write};
    use crate::replica::tests::{Region, author, digest, views};

    fn small_runs(replica: &Replica) -> u64 {
        replica.store().stats().unwrap().runs
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_was_written_alone_is_joined_behind_the_indexer_and_shown_as_before() {
        let mut region = Region::new();
        let (north, _) = region.enrol("north");
        let patient = NewPatient { name: "三浦 花子".into(), kana: None, birth_date: None, sex: None };
        let record = north.register(&patient, None, author()).unwrap().record;
        let note = |text: String| north.write(&record, Write::Note { text, title: None }, author()).unwrap();
        (0..20).for_each(|number| drop(note(format!("経過 {number}"))));
        let (before, runs) = ((digest(&north), views(&north)), small_runs(&north));
        assert_eq!(north.repack_step().unwrap().runs_after, 0, "nothing is indexed yet");
        north.index_step().unwrap();
        let done = north.repack_step().unwrap();
        assert!(done.runs_before >= 20 && done.runs_after < 4 && done.next.is_none(), "{done:?}");
        assert!(done.bytes_after * 4 < done.bytes_before, "{done:?}");
        assert_eq!(small_runs(&north), runs - done.runs_before + done.runs_after);
        assert_eq!((digest(&north), views(&north)), before);
        assert_eq!(north.repack_step().unwrap().runs_before, 0, "once is enough");

        // The index is built anew from arrivals that are now parts of one run.
        north.store().rebuild_index().unwrap();
        north.index_step().unwrap();
        assert_eq!(views(&north), before.1);
        drop(north);
        let home = region.dir.path().join("north");
        let again = Home::open(&home, &Region::key(&home), Arc::new(SystemEnvironment)).unwrap();
        assert!(again.lock().repacking.seen.is_none());
        again.repack_step().unwrap();
        assert!(again.lock().repacking.noted > 0, "what was looked at is not looked at again");
    }
}
