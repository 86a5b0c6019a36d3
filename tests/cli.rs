//! The `musubi` program as a process: what it prints where, its exit status, and readers that go away.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn musubi(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_musubi"));
    command.current_dir(folder).stdin(Stdio::null());
    for variable in ["STORE", "AUTHOR", "ROLE", "PASSPHRASE", "LOG"] {
        command.env_remove(format!("MUSUBI_{variable}"));
    }
    command
}

fn run(folder: &Path, words: &[&str]) -> Output {
    musubi(folder).args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_realm_is_made_once_and_the_second_call_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["realm", "create", "--realm", "領域 1", "--name", "三浦"];
    let first = run(dir.path(), &words);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("三浦") && first.stderr.is_empty());

    let second = run(dir.path(), &words);
    assert_eq!(second.status.code(), Some(2));
    assert!(second.stdout.is_empty());
    assert!(text(&second.stderr).starts_with("error: "), "{}", text(&second.stderr));

    let json = run(dir.path(), &[words.as_slice(), &["--json"]].concat());
    assert_eq!(json.status.code(), Some(2));
    assert!(json.stderr.is_empty());
    let error: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(error["error"]["status"], 2);
}

#[test]
fn a_wrong_call_is_status_2_and_json_when_json_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(dir.path(), &["sync", "--wiht", "x", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(error["error"]["message"].as_str().unwrap().contains("--wiht"), "{error}");
    assert_eq!(run(dir.path(), &["--help"]).status.code(), Some(0));
    assert_eq!(run(dir.path(), &[]).status.code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = musubi(dir.path())
        .args(["realm", "create", "--realm", "r", "--name", "三浦"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}
