//! `musubi bench open`, `find`, `write`, `meet` and `ingest` as processes, over a region that is built once and kept.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs a measurement; the exit status must be this.
fn bench(arguments: &[&str], folder: &Path, status: i32) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_musubi"));
    command.arg("bench").args(arguments).arg(folder).arg("--json").stdin(Stdio::null());
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(status), "{told} {}", String::from_utf8_lossy(&output.stderr));
    told
}

#[test]
fn a_region_that_was_kept_is_asked_written_into_and_met() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("kept");
    let none = bench(&["open", "--store"], &kept, 2);
    assert!(none.to_string().contains("--keep"), "{none}");

    let open = bench(&["open", "--records", "600", "--lanes", "20", "--times", "30", "--keep"], &kept, 0);
    assert_eq!((open["made"]["entries"].as_u64(), open["made"]["lanes"].as_u64()), (Some(620), Some(21)));
    assert_eq!(open["card"]["times"].as_u64(), Some(30));
    assert!(open["first_card"]["p50_ms"].as_f64() > open["ready"]["p50_ms"].as_f64(), "{open}");
    assert!(open["resident_bytes"].as_u64() > Some(1 << 20), "{open}");

    let find = bench(&["find", "--times", "20", "--store"], &kept, 0);
    let questions = find["questions"].as_array().unwrap();
    assert_eq!(questions.len(), 10);
    for question in questions {
        let nobody = question["kind"].as_str().unwrap().contains("nobody");
        assert_eq!(question["found"].as_f64() == Some(0.0), nobody, "{question}");
        assert_eq!(question["missed"].as_u64(), Some(0), "{question}");
    }

    let write = bench(&["write", "--times", "5", "--store"], &kept, 0);
    assert!(write["note"]["p50_ms"].as_f64() > Some(0.0) && write["disk"]["times"].as_u64() == Some(1_000));

    let meet = bench(&["meet", "--changes", "200", "--store"], &kept, 0);
    assert_eq!(meet["equal"]["entries"].as_u64(), Some(0), "what was written before went over first: {meet}");
    assert!(meet["equal"]["session_bytes"].as_u64() <= Some(512), "{meet}");
    assert!((1.8..2.6).contains(&meet["equal"]["round_trips"].as_f64().unwrap()), "{meet}");
    let differing = &meet["differing"];
    // Each of the 20 lanes of data begins with an entry that opens it.
    assert_eq!((differing["entries"].as_u64(), differing["equal"].as_bool()), (Some(420), Some(true)));
    assert!(differing["compare_bytes"].as_u64() < differing["session_bytes"].as_u64(), "{meet}");
    let heads = differing["heads_bytes"].as_u64();
    assert!(heads > Some(20 * 70) && heads < differing["compare_bytes"].as_u64(), "{meet}");
    assert!(kept.join("held.json").exists(), "it is kept");
}

#[test]
fn a_region_that_is_not_kept_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let told = bench(&["ingest", "--records", "300", "--lanes", "10", "--dir"], dir.path(), 0);
    assert_eq!(told["records"]["entries"].as_u64(), Some(310));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
