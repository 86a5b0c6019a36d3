//! One small drill with real processes and in virtual time: what both tell of it must be the same.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::drill::{assert_passed, run_scenario};

/// Fields of the report in which the two differ for a reason, and what is compared of each instead.
const APART: [(&str, &str); 11] = [
    ("mode", "named"),
    ("command", "has the mode in it"),
    ("trace", "live, a digest over the order of events; in virtual time over every message, too"),
    ("bytes", "there are some: keys, and with them compressed sizes, differ"),
    ("converge_after_heal_s", "there is one: real seconds and virtual ones"),
    ("measures", "members, writes and restores"),
    ("findings", "texts about times"),
    ("writes", "none lost: acknowledgements are counted by act live, and by entry in virtual time"),
    ("replicas", "all but the heads, which hash keys"),
    ("restore", "whether it is whole"),
    ("expectations", "those that both judge"),
];

/// The scenario that is run both ways.
pub fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/both-ways.toml")
}

/// What is comparable of a replica: its name, counts, the entries of each area and part, and no digest.
fn replica(of: &Value) -> Value {
    let areas = of["areas"].as_array().expect("areas");
    let areas: Vec<Value> =
        areas.iter().map(|area| json!([area["area"], area["part"], area["entries"]])).collect();
    json!([of["name"], of["role"], of["records"], of["entries"], areas])
}

fn replicas(report: &Value) -> &Vec<Value> {
    report["replicas"].as_array().expect("replicas")
}

/// How many different digests replicas have of one kind, and whether each has one.
fn digests(report: &Value, kind: &str) -> (usize, bool) {
    let digests: BTreeSet<&str> = replicas(report).iter().filter_map(|one| one[kind].as_str()).collect();
    (digests.len(), replicas(report).iter().all(|one| one[kind].is_string()))
}

/// What an expectation came to, for those of both ways.
fn judged(report: &Value, other: &Value) -> Vec<(String, bool)> {
    let list = |report: &Value| -> Vec<(String, bool)> {
        let judged = report["expectations"].as_array().expect("expectations").iter();
        judged.map(|one| (one["name"].as_str().unwrap().to_owned(), one["ok"] == true)).collect()
    };
    let others: BTreeSet<String> = list(other).into_iter().map(|(name, _)| name).collect();
    list(report).into_iter().filter(|(name, _)| others.contains(name)).collect()
}

/// Asserts that two reports of one drill agree in all that can be compared.
pub fn assert_agree(live: &Value, sim: &Value) {
    let keys = |report: &Value| -> Vec<String> {
        report.as_object().unwrap().keys().filter(|key| *key != "page").cloned().collect()
    };
    assert_eq!(keys(live), keys(sim));
    for key in keys(live).iter().filter(|key| !APART.iter().any(|(apart, _)| apart == key)) {
        assert_eq!(live[key], sim[key], "{key}");
    }
    let all = |report: &Value| -> Vec<Value> { replicas(report).iter().map(replica).collect() };
    assert_eq!(all(live), all(sim));
    assert_eq!(judged(live, sim), judged(sim, live));
    for report in [live, sim] {
        assert_eq!(digests(report, "heads"), (1, true), "all hold the same: {}", report["replicas"]);
        assert_eq!(digests(report, "heads_before_heal"), (3, true), "each wrote alone");
        for area in 0..replicas(report)[0]["areas"].as_array().unwrap().len() {
            let heads: BTreeSet<&str> =
                replicas(report).iter().filter_map(|one| one["areas"][area]["heads"].as_str()).collect();
            assert_eq!(heads.len(), 1, "{}", report["replicas"]);
        }
        assert_eq!((&report["writes"]["lost"], &report["restore"]["ok"]), (&0.into(), &true.into()));
        // Eight writes and three texts.
        assert!(report["writes"]["acknowledged"].as_u64() >= Some(11), "{}", report["writes"]);
        assert!(report["bytes"]["sync"].as_u64() > Some(0) && report["bytes"]["backup"].as_u64() > Some(0));
        assert!(report["converge_after_heal_s"].as_f64() > Some(0.0));
    }
}

/// Asserts that the page of a live run tells what is known of it, and does not tell none of what is not known.
fn assert_page(page: &str) {
    for told in [
        "訓練 DRILL",
        "live: real processes",
        "Times are real, and shortened",
        "dose-vs-stop (1 open)",
        "– not judged",
    ] {
        assert!(page.contains(told), "{told}");
    }
    for unknown in ["Decisions on old records", "Late warnings", "class=\"disputes\"", "class=\"staleness\""]
    {
        assert!(!page.contains(unknown), "{unknown}");
    }
}

/// Asserts what is measured of the live run: one reunion, one restore, and nothing lost.
fn assert_measures(measures: &Value) {
    let restores = &measures["restores"];
    assert_eq!((&restores["count"], &restores["lost_entries"]), (&1.into(), &0.into()), "{measures}");
    assert!(restores["rto_max_s"].as_f64() > Some(0.0), "{measures}");
    // The second is of the restored hub, the first of the cut.
    let convergence = &measures["convergence"];
    assert_eq!((&convergence["reunions"], &convergence["open"]), (&2.into(), &0.into()), "{measures}");
    assert_eq!(measures["availability"]["always_both"], 2, "{measures}");
    assert!(measures["links"]["worst"][0]["down_s"].as_f64() > Some(0.0), "{measures}");
    assert_eq!((&measures["writing"]["acknowledged"], &measures["writing"]["lost"]), (&11.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn real_processes_and_virtual_time_tell_the_same_of_one_drill() {
    let dir = tempfile::tempdir().expect("a folder");
    let page = dir.path().join("live.html");
    let (status, live) =
        run_scenario(&scenario(), &["--live", "--report", page.to_str().expect("a name")]).await;
    assert_passed(status, &live);
    assert_page(&std::fs::read_to_string(page).expect("the page"));
    // Where the course knows what a simulation knows, both are the same.
    assert_measures(&live["measures"]);
    let (status, sim) = run_scenario(&scenario(), &["--sim"]).await;
    assert_passed(status, &sim);
    assert_eq!((&live["mode"], &sim["mode"]), (&"live".into(), &"sim".into()));
    assert_agree(&live, &sim);
    // What there was to agree about.
    let kinds = |report: &Value, of: &str| report[of][0]["kind"].as_str().map(str::to_owned);
    assert_eq!(kinds(&live, "conflicts").as_deref(), Some("dose-vs-stop"));
    assert_eq!(kinds(&live, "alerts").as_deref(), Some("drug-allergy"));
}
