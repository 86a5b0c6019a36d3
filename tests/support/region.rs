//! A region driven as its operators do, with the built binary: a realm, stores, a running replica, exports.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// No command of these tests takes longer, even on a loaded machine.
const COMMAND_WITHIN: Duration = Duration::from_secs(120);
/// How long a replica may take until peers can reach it.
const SERVING_WITHIN: Duration = Duration::from_secs(30);

/// FHIR resources by type and id.
pub type Resources = BTreeMap<(String, String), Value>;

/// A realm and its stores in one temporary folder, in which every command runs.
pub struct Region {
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// The exit status.
    pub status: i32,
    /// What it printed on standard output.
    pub json: Value,
    /// How long it ran.
    pub took: Duration,
}

/// A running replica; killed when dropped.
pub struct Serving {
    child: Child,
    /// Where peers reach it.
    pub listen: String,
}

impl Region {
    /// Makes a realm.
    pub async fn create() -> Region {
        let folder = TempDir::with_prefix("musubi-region-").expect("a temporary folder");
        let environment = vec![("MUSUBI_AUTHOR", "佐藤".to_owned()), ("MUSUBI_ROLE", "nurse".to_owned())];
        let region = Region { folder, environment };
        region.done(&["realm", "create", "--realm", "realm", "--name", "三浦"]).await;
        region
    }

    /// Enrols a hospital of one device, `NAME` in the store `NAME`; answers the path of its recovery kit.
    pub async fn enrol(&self, name: &str) -> String {
        let site = ["--realm", "realm", "--site", name, "--kind", "hospital"];
        let device = ["--device", name, "--role", "hospital", "--area", "shared/miura", "--store", name];
        let enrolled = self.done(&[&["realm", "enrol"], &site[..], &device[..]].concat()).await;
        enrolled["recovery_kit"].as_str().expect("the first device brings the site's kit").to_owned()
    }

    /// Returns a path in the region's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable for all commands from now on.
    pub fn set(&mut self, variable: &'static str, value: &str) {
        self.environment.retain(|(set, _)| *set != variable);
        self.environment.push((variable, value.to_owned()));
    }

    /// Runs a command to its end.
    pub async fn run(&self, words: &[&str]) -> Answer {
        self.answer(None, words).await
    }

    /// Runs a command to its end in a network namespace, where the replica's control socket is.
    pub async fn run_inside(&self, namespace: &str, words: &[&str]) -> Answer {
        self.answer(Some(namespace), words).await
    }

    async fn answer(&self, namespace: Option<&str>, words: &[&str]) -> Answer {
        let begun = Instant::now();
        let mut command = self.command_inside(namespace, words);
        let output = timeout(COMMAND_WITHIN, command.arg("--json").output());
        let output = output.await.unwrap_or_else(|_| panic!("{words:?} does not end")).expect("it runs");
        let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{words:?}: no JSON ({error}): {}", String::from_utf8_lossy(&output.stderr))
        });
        Answer { status: output.status.code().expect("an exit status"), json, took: begun.elapsed() }
    }

    /// Runs a command that must succeed.
    pub async fn done(&self, words: &[&str]) -> Value {
        let answer = self.run(words).await;
        assert_eq!(answer.status, 0, "{words:?}: {}", answer.json);
        answer.json
    }

    /// Returns the heads that a store's status shows.
    pub async fn heads(&self, store: &str) -> Value {
        self.done(&["status", "--store", store]).await["heads"].clone()
    }

    /// Writes a note into the first record that `find` names for `patient`; answers what the command did.
    pub async fn note(&self, store: &str, patient: &str, text: &str) -> Value {
        let found = self.done(&["find", "--store", store, patient]).await;
        let record = found["patients"][0]["record"].as_str().expect("the patient is there").to_owned();
        self.done(&["record", "--store", store, &record, "note", text]).await
    }

    /// Runs a replica on a store, at a port that is free.
    pub async fn serve(&self, store: &str) -> Serving {
        self.serve_with(store, "").await
    }

    /// Runs a replica on a store, with more in its configuration.
    pub async fn serve_with(&self, store: &str, more: &str) -> Serving {
        self.serving(None, store, &format!("listen = '127.0.0.1:0'\n{more}")).await
    }

    /// Runs a replica on a store in a network namespace; the configuration says where it listens.
    pub async fn serve_inside(&self, namespace: &str, store: &str, config: &str) -> Serving {
        self.serving(Some(namespace), store, config).await
    }

    async fn serving(&self, namespace: Option<&str>, store: &str, more: &str) -> Serving {
        let config = format!("{store}.toml");
        let text = format!("store = '{store}'\n{more}");
        std::fs::write(self.path(&config), text).expect("a configuration");
        let child = self
            .command_inside(namespace, &["serve", &config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let (begun, control) = (Instant::now(), self.path(store).join("control.json"));
        while begun.elapsed() < SERVING_WITHIN {
            let written = std::fs::read(&control).ok();
            let control: Option<Value> = written.and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let Some(listen) = control.as_ref().and_then(|control| control["listen"].as_str()) {
                return Serving { child, listen: listen.to_owned() };
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the replica on {store} does not serve");
    }

    /// Exports everything that a store holds.
    pub async fn export(&self, store: &str, to: &str) -> Resources {
        self.done(&["export", "--store", store, "--all", "--format", "fhir", "--to", to]).await;
        let bundle: Value =
            serde_json::from_slice(&std::fs::read(self.path(to)).expect("the export")).expect("JSON");
        let entries = bundle["entry"].as_array().expect("a Bundle").iter();
        by_id(entries.map(|entry| entry["resource"].clone()))
    }

    fn command_inside(&self, namespace: Option<&str>, words: &[&str]) -> Command {
        let musubi = env!("CARGO_BIN_EXE_musubi");
        let mut command = Command::new(if namespace.is_some() { "ip" } else { musubi });
        if let Some(namespace) = namespace {
            command.args(["netns", "exec", namespace, musubi]);
        }
        for variable in ["STORE", "PASSPHRASE", "LOG"] {
            command.env_remove(format!("MUSUBI_{variable}"));
        }
        command.args(words).current_dir(self.folder.path()).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }
}

impl Serving {
    /// Returns the CPU time and the memory, in kB, that the process has taken.
    pub fn cost(&self) -> (Duration, u64) {
        let id = self.child.id().expect("it runs");
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).expect("it runs");
        let stat = read("stat");
        let mut fields = stat.rsplit(") ").next().expect("a state").split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|text| text.parse::<u64>().ok()).expect("ticks");
        let (user, system) = (ticks(), ticks());
        let status = read("status");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let memory = memory.trim().trim_end_matches(" kB").parse().expect("a number");
        (Duration::from_millis((user + system) * 10), memory)
    }
}

/// Returns the folder of the invented patients.
pub fn patients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/data/jp-region-small")
}

/// Reads the invented patients, without any code of the importer.
pub fn sources() -> Resources {
    let files = std::fs::read_dir(patients()).expect("the data").map(|file| file.expect("a file").path());
    let read = |path: PathBuf| {
        let unpacked = flate2::read::GzDecoder::new(std::fs::File::open(path).expect("a file"));
        BufReader::new(unpacked).lines().map(|line| line.expect("a line"))
    };
    by_id(files.flat_map(read).map(|line| serde_json::from_str(&line).expect("a resource")))
}

fn by_id(resources: impl Iterator<Item = Value>) -> Resources {
    let mut all = Resources::new();
    for resource in resources {
        let text = |name: &str| resource[name].as_str().expect("a resource has type and id").to_owned();
        let id = (text("resourceType"), text("id"));
        assert!(all.insert(id.clone(), resource).is_none(), "{id:?} is there twice");
    }
    all
}
