//! The whole drill with the built binary: it passes, and it fails for every fault that is planted.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::support::seaweed::{ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFs};

/// A drill takes half a minute; a shared machine may be slow.
const DRILL_WITHIN: Duration = Duration::from_secs(240);

fn scenario() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/miura-quake.toml")
}

/// Each drill is several processes: more than two at once would keep each other waiting.
static TWO_AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Runs the drill and returns its exit status and its report.
async fn drill(arguments: &[&str]) -> (i32, Value) {
    run(&[&["--live"], arguments].concat()).await
}

/// Runs the drill in one mode or the other.
async fn run(arguments: &[&str]) -> (i32, Value) {
    run_scenario(&scenario(), arguments).await
}

/// Runs a scenario and returns its exit status and its report.
pub async fn run_scenario(scenario: &Path, arguments: &[&str]) -> (i32, Value) {
    let _turn = TWO_AT_ONCE.acquire().await.expect("never closed");
    let mut command = Command::new(env!("CARGO_BIN_EXE_musubi"));
    command.arg("drill").arg(scenario).arg("--json").args(arguments);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(DRILL_WITHIN, command.output()).await.expect("the drill ends").expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no report ({error}), {}: {errors}", output.status));
    (output.status.code().expect("an exit status"), report)
}

/// The names of the expectations that do not hold.
fn failing(report: &Value) -> Vec<String> {
    let expectations = report["expectations"].as_array().expect("a list");
    let failing = expectations.iter().filter(|judged| judged["ok"] != true);
    failing.map(|judged| format!("{}: {}", judged["name"], judged["detail"])).collect()
}

/// Asserts that a drill passed.
pub fn assert_passed(status: i32, report: &Value) {
    assert_eq!(failing(report), Vec::<String>::new());
    assert_eq!((status, &report["passed"]), (0, &Value::Bool(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hospitals_and_a_tablet_come_together_again_and_lose_nothing() {
    let (status, report) = drill(&[]).await;
    assert_passed(status, &report);
    assert_eq!((report["converged"].as_bool(), report["writes"]["lost"].as_u64()), (Some(true), Some(0)));
    assert!(report["writes"]["acknowledged"].as_u64() > Some(1_864 + 40), "{}", report["writes"]);
    assert_eq!((report["restore"]["ok"].as_bool(), report["quarantined"].as_u64()), (Some(true), Some(0)));

    let replicas = report["replicas"].as_array().expect("a list");
    assert_eq!(replicas.len(), 3);
    for replica in replicas {
        assert_eq!(replica["heads"], replicas[0]["heads"], "{replica}");
        assert_ne!(replica["heads"], replica["heads_before_heal"], "{replica}");
        // 25 imported, one registered in the shelter, and the directory of the source.
        assert!(replica["records"].as_u64() >= Some(26), "{replica}");
    }
    let conflicts = report["conflicts"].as_array().expect("a list");
    let dose = conflicts.iter().find(|conflict| conflict["kind"] == "dose-vs-stop").expect("the dose");
    assert_eq!((&dose["section"], dose["open"].as_u64()), (&"medication".into(), Some(1)));
    assert!(report["bytes"]["sync"].as_u64() > Some(0) && report["bytes"]["backup"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_passes_with_a_real_s3_server_too() {
    let Some(server) = SeaweedFs::start().await else { return };
    let url = format!("s3://{BUCKET}/drills?endpoint=http://{}&region=us-east-1", server.address());
    let (status, report) = drill(&["--bucket", &url]).await;
    assert_passed(status, &report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_write_makes_the_drill_fail() {
    let (status, report) = drill(&["--sabotage", "drop-acknowledged-write"]).await;
    assert_eq!((status, &report["passed"]), (1, &Value::Bool(false)));
    assert!(report["writes"]["lost"].as_u64() > Some(0), "{}", report["writes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_acknowledged_too_early_makes_the_drill_fail() {
    let (status, report) = drill(&["--sabotage", "acknowledge-before-persisting"]).await;
    assert_eq!((status, &report["passed"]), (1, &Value::Bool(false)));
    assert!(report["writes"]["lost"].as_u64() > Some(0), "{}", report["writes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_lost_at_a_reconnection_makes_the_drill_fail() {
    let (status, report) = drill(&["--sabotage", "lose-run-on-reconnect"]).await;
    assert_eq!((status, &report["passed"], &report["converged"]), (1, &false.into(), &false.into()));
    let failing = failing(&report).join("\n");
    assert!(failing.contains("heads-equal-after-heal"), "{failing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_lane_makes_the_drill_fail() {
    let (status, report) = drill(&["--sabotage", "forget-lane-on-reconnect"]).await;
    assert_eq!((status, &report["passed"], &report["converged"]), (1, &false.into(), &false.into()));
    let failing = failing(&report).join("\n");
    assert!(failing.contains("heads-equal-after-heal"), "{failing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_drill_passes_in_virtual_time_and_has_a_page() {
    let dir = tempfile::tempdir().expect("a folder");
    let page = dir.path().join("report.html");
    let page_name = page.to_str().expect("a name");
    let (status, report) = run(&["--sim", "--seed", "3", "--report", page_name]).await;
    assert_passed(status, &report);
    assert_eq!((&report["mode"], &report["page"]), (&"sim".into(), &page_name.into()));
    let command = report["command"].as_str().expect("a command");
    assert!(command.starts_with("musubi drill ") && command.ends_with(" --sim --seed 3"), "{command}");
    assert_eq!((report["converged"].as_bool(), report["writes"]["lost"].as_u64()), (Some(true), Some(0)));
    assert!(std::fs::read_to_string(page).expect("the page").contains("訓練 DRILL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_write_makes_the_simulated_drill_fail() {
    let (status, report) = run(&["--sim", "--sabotage", "drop-acknowledged-write"]).await;
    assert_eq!((status, &report["passed"]), (1, &Value::Bool(false)));
    assert!(report["writes"]["lost"].as_u64() > Some(0), "{}", report["writes"]);
}
