//! Live drills in network namespaces: addresses of their own, and nothing left whatever happens. As root only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::both_ways::{assert_agree, scenario};
use crate::drill::{assert_passed, run_scenario};

/// A debug build on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);
const REPLICAS: usize = 3;

/// Runs `ip` and returns what it printed, if it succeeded.
pub fn ip(words: &[&str]) -> Option<String> {
    let output = Command::new("ip").args(words).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says whether this machine lets this user make network namespaces.
pub fn is_possible(test: &str) -> bool {
    let probe = format!("probe-{}-{test}", std::process::id());
    let made = ip(&["netns", "add", &probe]).is_some() && ip(&["netns", "del", &probe]).is_some();
    if !made {
        eprintln!("SKIPPED {test}: network namespaces need root and `ip` of iproute2");
    }
    made
}

/// A drill in the background.
struct Drill {
    process: Child,
    temporary: PathBuf,
}

impl Drill {
    fn start(temporary: &Path) -> Self {
        std::fs::create_dir(temporary).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_musubi"));
        command.arg("drill").arg(scenario()).args(["--live", "--netns"]).env("TMPDIR", temporary);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: command.spawn().unwrap(), temporary: temporary.to_owned() }
    }

    fn namespaces(&self) -> Vec<String> {
        let of_it = format!("musubi-{}-", self.process.id());
        let listed = ip(&["netns", "list"]).unwrap();
        let names = listed.lines().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| name.starts_with(&of_it)).map(str::to_owned).collect()
    }

    fn devices(&self) -> usize {
        ip(&["-o", "link", "show"]).unwrap().matches(&format!("mu{}-", self.process.id())).count()
    }

    /// The local UDP addresses of each namespace, as the kernel writes them.
    fn addresses(&self) -> Vec<BTreeSet<String>> {
        let table = |name: &String| {
            let text = ip(&["netns", "exec", name, "cat", "/proc/net/udp"]).unwrap_or_default();
            let rows =
                text.lines().skip(1).filter_map(|row| row.split_whitespace().nth(1).map(str::to_owned));
            rows.collect()
        };
        self.namespaces().iter().map(table).collect()
    }

    /// Waits until a replica listens in each namespace, and returns where.
    fn listening(&self) -> Vec<BTreeSet<String>> {
        let begun = Instant::now();
        while begun.elapsed() < WITHIN {
            let addresses = self.addresses();
            if addresses.len() == REPLICAS && addresses.iter().all(|of_one| !of_one.is_empty()) {
                return addresses;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no replicas in namespaces: {:?}", self.addresses());
    }

    /// The processes that run in its namespaces.
    fn inside(&self) -> Vec<u32> {
        let of = |name: &String| ip(&["netns", "pids", name]).unwrap_or_default();
        let ids: Vec<String> = self.namespaces().iter().map(of).collect();
        ids.iter().flat_map(|ids| ids.split_whitespace()).map(|id| id.parse().unwrap()).collect()
    }

    fn signal(&mut self, signal: &str) -> Option<i32> {
        let kill = format!("kill -s {signal} {}", self.process.id());
        assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }

    fn assert_gone(&self, processes: &[u32]) {
        assert_eq!((self.namespaces(), self.devices()), (Vec::new(), 0));
        for id in processes {
            assert!(!is_running(*id), "{id} still runs");
        }
    }
}

/// Says whether a process runs; one that has ended and that nobody has awaited yet does not.
fn is_running(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_in_namespaces_passes_and_tells_what_a_simulation_tells() {
    if !is_possible("passes") {
        return;
    }
    let (status, live) = run_scenario(&scenario(), &["--live", "--netns"]).await;
    assert_passed(status, &live);
    assert!(live["command"].as_str().unwrap().contains(" --live --netns "), "{}", live["command"]);
    let (_, sim) = run_scenario(&scenario(), &["--sim"]).await;
    assert_agree(&live, &sim);
}

#[test]
fn replicas_have_addresses_of_their_own_and_nothing_is_left_of_a_drill_that_ends_badly() {
    if !is_possible("nothing-left") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // One is killed, and can clean up nothing.
    let mut killed = Drill::start(&dir.path().join("killed"));
    let addresses = killed.listening();
    let different: BTreeSet<&String> = addresses.iter().flatten().collect();
    assert_eq!(different.len(), REPLICAS, "{addresses:?}");
    // 198.18.0.0/15 backwards, in hexadecimal.
    assert!(different.iter().all(|address| &address[4..8] == "12C6" || &address[4..8] == "13C6"));
    killed.signal("KILL");
    let left = killed.inside();
    assert_eq!((killed.namespaces().len(), left.len() >= REPLICAS), (REPLICAS, true), "{left:?}");

    // The next removes what was left, and is interrupted.
    let mut interrupted = Drill::start(&dir.path().join("interrupted"));
    interrupted.listening();
    killed.assert_gone(&left);
    let left = interrupted.inside();
    assert_eq!(interrupted.signal("INT"), Some(1));
    interrupted.assert_gone(&left);
    assert_eq!(std::fs::read_dir(&interrupted.temporary).unwrap().count(), 0, "the folder of the drill");
}

#[test]
fn a_machine_without_the_tool_is_told_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_musubi"))
        .arg("drill")
        .arg(scenario())
        .args(["--live", "--netns"])
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("running `ip`") && told.contains("iproute2") && told.contains("root"), "{told}");
}
