//! One drill with real processes and in virtual time where hardly a line is left: a bucket, a stick, paper, a dish with a
//! budget, and a tablet that holds the cards alone.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::drill::{assert_passed, run_scenario};

fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/udp-blocked-shelter.toml")
}

/// How many entries a replica holds of a part of the shared area.
fn entries(report: &Value, name: &str, part: &str) -> u64 {
    let replicas = report["replicas"].as_array().expect("replicas");
    let replica = replicas.iter().find(|one| one["name"] == name).expect("the replica");
    let groups = replica["areas"].as_array().expect("areas").iter();
    let mut of = groups.filter(|group| group["area"] == "shared/miura" && group["part"] == part);
    of.next().and_then(|group| group["entries"].as_u64()).unwrap_or(0)
}

fn assert_held_in_part(report: &Value) {
    for part in ["card", "notes"] {
        let held = ["hospital", "shelter", "valley"].map(|name| entries(report, name, part));
        assert!(held[0] > 0 && held.iter().all(|one| *one == held[0]), "{part}: {held:?}");
    }
    let pocket = ["card", "notes"].map(|part| entries(report, "pocket", part));
    assert_eq!(pocket, [entries(report, "hospital", "card"), 0], "the cards alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_a_stick_paper_and_a_dish_join_real_processes() {
    let (status, live) = run_scenario(&scenario(), &["--live"]).await;
    assert_passed(status, &live);
    assert_held_in_part(&live);
    let expectations = live["expectations"].as_array().expect("a list");
    let quota = expectations.iter().find(|one| one["name"] == "quota-kept").expect("it was judged");
    assert!(quota["detail"].as_str().is_some_and(|told| told.ends_with(" / 5000000 B")), "{quota}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_in_virtual_time() {
    let (status, sim) = run_scenario(&scenario(), &["--sim", "--twice"]).await;
    assert_passed(status, &sim);
    assert_held_in_part(&sim);
}
