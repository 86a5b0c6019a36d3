//! A process that writes is killed (SIGKILL) at random moments: whatever it acknowledged is there, and opening
//! again takes no time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use musubi::store::conformance::SampleLane;
use musubi::store::keys::KeySource;
use musubi::store::{RedbStore, Store, StoreOptions};

/// Tells the child where to write; without it the child's test does nothing.
const DIRECTORY: &str = "MUSUBI_KILL_TEST_DIRECTORY";
/// How often the child is killed.
const ROUNDS: u64 = 6;
/// Far above what opening takes, far below what repairing a big file would.
const OPENING_MS_MAX: u128 = 5_000;

fn key(dir: &Path) -> KeySource {
    KeySource::File(dir.join("store.key"))
}

fn open(dir: &Path) -> RedbStore {
    RedbStore::open(dir, &key(dir), StoreOptions::default()).unwrap()
}

/// The lane of a round, with everything appended that the store holds: entries say only their own number.
fn lane_as_held(store: &dyn Store, round: u8) -> SampleLane {
    let mut lane = SampleLane::new(round);
    let held = store.lane(&lane.id()).unwrap().map_or(0, |state| state.size());
    for number in 1..held {
        lane.append([number.to_string()]);
    }
    lane
}

#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let dir = Path::new(&dir);
    let store = open(dir);
    let round = store.named("round").unwrap().unwrap()[0];
    let mut lane = lane_as_held(&store, round);
    let mut number = 1;
    loop {
        store.commit(lane.batch(&number.to_string())).unwrap();
        // On a line of its own, whatever the test runner has printed before.
        println!("\nacknowledged {number}");
        number += 1;
    }
}

fn start_child(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["store_kill::child_writes_until_it_is_killed", "--exact", "--nocapture"])
        .env(DIRECTORY, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_survives_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    drop(RedbStore::create(dir.path(), &key(dir.path()), StoreOptions::default()).unwrap());
    for round in 1..=ROUNDS {
        let mut batch = musubi::store::Batch::default();
        batch.named.push(("round".into(), vec![round as u8]));
        open(dir.path()).commit(batch).unwrap();

        let mut child = start_child(dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.find(|line| line.as_ref().unwrap().starts_with("acknowledged"));
        assert!(first.is_some(), "the child writes");
        std::thread::sleep(Duration::from_millis(7 + round * 23));
        child.kill().unwrap();
        child.wait().unwrap();
        let numbers = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("acknowledged ").and_then(|number| number.parse::<u64>().ok())
        });
        let acknowledged = numbers.last().unwrap_or(1);

        let opening = Instant::now();
        let store = open(dir.path());
        let opening = opening.elapsed();
        let lane = lane_as_held(&store, round as u8);
        println!("round {round}: {acknowledged} acknowledged, reopened in {opening:?}");
        assert!(opening.as_millis() < OPENING_MS_MAX, "opening took {opening:?}");
        assert!(lane.state().size() > acknowledged, "{} of {acknowledged}", lane.state().size() - 1);
        for number in 1..=acknowledged {
            let entry = store.entry(&lane.id(), number).unwrap().expect("an acknowledged entry is there");
            assert_eq!(entry.body, number.to_string().as_bytes());
        }
        assert_eq!(store.lane(&lane.id()).unwrap().as_ref(), Some(lane.state()));
        assert_eq!(store.scrub(1).unwrap(), []);
    }
}
