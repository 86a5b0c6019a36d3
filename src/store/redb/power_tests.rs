//! Power cuts and full disks: what was acknowledged is there.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::device_tests::{disk_with_store, open_store};
use crate::base::planted::{Plant, plant};
use crate::lane::Run;
use crate::store::conformance::SampleLane;
use crate::store::{Batch, Store, StoreError, StoreErrorKind};

/// How many seeds are tried; `MUSUBI_SEEDS` asks for more.
fn seeds() -> u64 {
    std::env::var("MUSUBI_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Commits entries until the store fails; the lane ends as it was acknowledged.
fn write_until_failure(store: &dyn Store, lane: &mut SampleLane, most: u32) -> Option<StoreError> {
    for number in 0..most {
        let mut next = lane.clone();
        let mut batch = next.batch(&format!("entry {number}"));
        batch.named.push(("last".into(), next.state().size().to_be_bytes().to_vec()));
        if let Err(error) = store.commit(batch) {
            return Some(error);
        }
        *lane = next;
    }
    None
}

/// Checks that everything acknowledged is there; returns the entries that are there beyond it.
fn check(store: &dyn Store, lane: &SampleLane, what: &str) -> u64 {
    let acknowledged = lane.state().size();
    let state = store.lane(&lane.id()).unwrap().unwrap_or_else(|| panic!("{what}: the lane is gone"));
    assert!(state.size() >= acknowledged, "{what}: {} of {acknowledged} entries", state.size());
    assert_eq!(store.frontier_at(&lane.id(), acknowledged).unwrap(), lane.state().frontier, "{what}");
    let runs = store.runs(&lane.id(), 0, usize::MAX).unwrap();
    assert_eq!(runs.iter().map(|run| run.entries.len() as u64).sum::<u64>(), state.size(), "{what}");
    let arrivals = store.arrivals(0, 1_000).unwrap();
    assert_eq!(arrivals.last().map(|line| line.end), runs.last().map(Run::end), "{what}");
    let last = store.named("last").unwrap().map(|value| u64::from_be_bytes(value.try_into().unwrap()));
    assert_eq!(last.unwrap_or(2), state.size(), "{what}: a batch came back in part");
    assert_eq!(store.scrub(10).unwrap(), [], "{what}");
    state.size() - acknowledged
}

#[test]
fn acknowledged_writes_survive_power_cuts_at_any_moment() {
    let mut survived_unacknowledged = 0;
    for seed in 0..seeds() {
        let disk = disk_with_store(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut lane = SampleLane::new(1);
        open_store(&disk).unwrap().commit(lane.batch("first")).unwrap();
        for round in 0..3 {
            let what = format!("seed {seed}, round {round}");
            // The power may go while the store is opened and repaired, again and again.
            disk.cut_power_after(1 + rng.next_u64() % 40);
            if let Ok(store) = open_store(&disk) {
                let error = write_until_failure(&store, &mut lane, 1_000).expect("the power goes");
                assert_ne!(error.kind(), StoreErrorKind::Damaged, "{what}: {error}");
            }
            disk.restore_power();
            let store = open_store(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
            let beyond = check(&store, &lane, &what);
            survived_unacknowledged += beyond;
            if beyond > 0 {
                // What was not acknowledged and is there nevertheless would be admitted as it stands; the
                // sample lane cannot go on from it, so it ends here.
                break;
            }
        }
    }
    println!("{survived_unacknowledged} writes were durable but not acknowledged");
}

/// Whatever moment the power goes at while runs are joined, all or none of them are; and joining them again ends the work.
#[test]
fn a_power_cut_while_runs_are_joined_leaves_the_old_or_the_new() {
    let (mut old, mut new) = (0, 0);
    for seed in 0..seeds() {
        let what = format!("seed {seed}");
        let disk = disk_with_store(seed);
        let mut lane = SampleLane::new(1);
        let store = open_store(&disk).unwrap();
        assert!(write_until_failure(&store, &mut lane, 20).is_none());
        disk.cut_power_after(seed % 30);
        let done = store.repack(&lane.id(), 0);
        disk.cut_power();
        drop(store);
        disk.restore_power();
        let store = open_store(&disk).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(check(&store, &lane, &what), 0);
        match store.stats().unwrap().runs {
            1 => new += 1,
            20 if done.is_err() => old += 1,
            runs => panic!("{what}: {runs} runs after {done:?}"),
        }
        store.repack(&lane.id(), 0).unwrap();
        assert_eq!((check(&store, &lane, &what), store.stats().unwrap().runs), (0, 1));
    }
    assert!(old > 0 && new > 0, "{old} old and {new} new");
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    for space in [0, 1, 2, 5, 10, 20, 40, 80] {
        let disk = disk_with_store(1);
        let store = open_store(&disk).unwrap();
        let mut lane = SampleLane::new(1);
        store.commit(lane.batch("first")).unwrap();
        disk.set_space(Some(space));
        let mut next = lane.clone();
        let mut written = 0;
        let error = loop {
            let appended = next.append([(0..3_000_u32).map(|n| ((n * n) >> 3) as u8).collect::<Vec<_>>()]);
            let mut batch = crate::store::conformance::batch_of(appended);
            batch.named.push(("last".into(), next.state().size().to_be_bytes().to_vec()));
            match store.commit(batch) {
                Ok(_) => lane = next.clone(),
                Err(error) => break error,
            }
            written += 1;
            assert!(written < 1_000, "the disk must be full by now");
        };
        assert!(matches!(error, StoreError::Full { .. }), "space {space}: {error}");
        assert_eq!(error.kind(), StoreErrorKind::Retry);
        let what = format!("space {space}");
        assert_eq!(check(&store, &lane, &what), 0, "{what}");
        disk.set_space(None);
        let mut batch: Batch = lane.batch("after");
        batch.named.push(("last".into(), lane.state().size().to_be_bytes().to_vec()));
        store.commit(batch).unwrap();
        drop(store);
        assert_eq!(check(&open_store(&disk).unwrap(), &lane, &what), 0);
    }
}

#[test]
fn a_disk_that_skips_syncing_is_found_out() {
    // The check itself must be able to fail: a disk that lies about its syncs loses what was acknowledged.
    let mut lost = 0;
    for seed in 0..20 {
        let disk = disk_with_store(seed);
        let mut lane = SampleLane::new(1);
        let store = open_store(&disk).unwrap();
        store.commit(lane.batch("first")).unwrap();
        disk.ignore_syncs(true);
        write_until_failure(&store, &mut lane, 5);
        disk.cut_power();
        drop(store);
        disk.restore_power();
        let held = open_store(&disk).and_then(|store| store.lane(&lane.id()));
        let is_whole = held.is_ok_and(|state| state.is_some_and(|state| state.size() >= lane.state().size()));
        lost += u32::from(!is_whole);
    }
    assert!(lost > 10, "{lost} of 20");
}

/// Commits ten entries, cuts the power and returns how many of them are gone.
fn lost_in_a_power_cut(seed: u64) -> u64 {
    let disk = disk_with_store(seed);
    let store = open_store(&disk).unwrap();
    let mut lane = SampleLane::new(1);
    for number in 0..10 {
        store.commit(lane.batch(&format!("entry {number}"))).unwrap();
    }
    assert_eq!(store.lane(&lane.id()).unwrap().unwrap(), *lane.state());
    disk.cut_power_after(1);
    drop(store);
    disk.restore_power();
    let held = open_store(&disk).unwrap().lane(&lane.id()).unwrap().unwrap().size();
    lane.state().size().saturating_sub(held)
}

#[test]
fn commits_that_do_not_wait_for_the_disk_lose_what_was_acknowledged() {
    for seed in 0..8 {
        assert_eq!(lost_in_a_power_cut(seed), 0);
        let _fault = plant(Plant::SkipFsync);
        assert!(lost_in_a_power_cut(seed) > 0);
    }
}
