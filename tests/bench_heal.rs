//! `musubi bench heal` as a process: two replicas that were edited on both sides of a cut meet, and nothing is lost.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn a_small_region_is_measured_and_no_edit_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_musubi"));
    command.args(["bench", "heal", "--records", "40", "--edited", "5%", "--seed", "3", "--json", "--dir"]);
    let output = command.arg(dir.path()).stdin(Stdio::null()).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told} {}", String::from_utf8_lossy(&output.stderr));

    assert_eq!((told["lost"].as_u64(), told["converged"].as_bool()), (Some(0), Some(true)));
    // Two on each side in each round, one of them on both sides.
    assert_eq!((told["looked_at"].as_u64(), told["shown_otherwise"].as_u64()), (Some(6), Some(0)));
    for meeting in ["first_sync", "equal", "first_contact", "heal"] {
        let meeting = &told[meeting];
        assert!(meeting["cpu_s"].as_f64().unwrap() > 0.0, "{meeting}");
        assert!(meeting["bytes"].as_u64() > meeting["session_bytes"].as_u64(), "{meeting}");
    }
    assert_eq!(told["equal"]["entries"].as_u64(), Some(0), "nothing had changed");
    assert!(told["equal"]["session_bytes"].as_u64().unwrap() <= 512, "{}", told["equal"]);
    assert!(told["heal"]["entries"].as_u64() >= Some(12), "{}", told["heal"]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
}
