//! What may notice a mistake: random regions, or unit tests. Each case is a process.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The memory that a case may use: a mistake that asks for more is noticed by whoever pays for the machine.
const MEMORY_MAX_KIB: u64 = 6 << 20;
/// How much more of a processor's time than without a mistake a case may take, and what is added.
const PATIENCE: (u32, Duration) = (10, Duration::from_secs(10));
/// How much longer than that a case may take by the clock: it may wait for a busy machine, but not for ever.
const WAITS_MAX: (u32, Duration) = (20, Duration::from_secs(300));
/// The signal of a process that has used up its processor's time (signal(7), SIGXCPU).
const USED_UP: i32 = 24;
const LOOKS_EVERY: Duration = Duration::from_millis(3);

/// The kind of cases.
#[derive(Debug, Clone)]
pub enum Cases {
    /// Random regions, by seeds from 1.
    Regions { seeds: u64 },
    /// Unit tests whose names begin so.
    Tests { prefix: String },
}

/// A case as it runs without a mistake.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Case {
    /// A seed, or the name of a test.
    pub name: String,
    pub takes: Duration,
    /// What it prints; of tests nothing.
    pub prints: String,
    /// The mistakes whose places it comes across.
    pub reaches: BTreeSet<u32>,
}

/// What a case says of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing; whether what happened was the same as without it, event by event (unknown of tests: taken as other).
    Holds { same: bool },
    /// An invariant or an assertion is broken: its name, where one is printed.
    Broken(String),
    /// It took too long.
    Hangs,
    /// The process died.
    Dies,
}

impl Cases {
    /// The words for cargo that only look whether the copy compiles.
    pub fn checked(&self) -> Vec<&'static str> {
        match self {
            Self::Regions { .. } => vec!["check", "--release", "--lib"],
            Self::Tests { .. } => vec!["check", "--lib", "--profile", "test"],
        }
    }

    /// Builds the copy, and returns what is started.
    pub fn built(&self, copy: &Path) -> Result<PathBuf> {
        let words = match self {
            Self::Regions { .. } => ["build", "--release", "--example", "catcher"],
            Self::Tests { .. } => ["test", "--lib", "--no-run", "--quiet"],
        };
        let mut cargo = Command::new("cargo");
        // Nobody debugs them.
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output = cargo
            .args(words)
            .arg("--message-format=json")
            .current_dir(copy)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("starting cargo")?;
        ensure!(output.status.success(), "cargo {} failed in {}", words.join(" "), copy.display());
        let text = String::from_utf8_lossy(&output.stdout);
        let executables = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut executables =
            executables.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
        let built = executables.next_back().context("cargo names no program that it built")?;
        // Cargo's folder is for the next build.
        let kept = copy.join("program");
        fs::copy(&built, &kept)
            .with_context(|| format!("copying {} to {}", built.display(), kept.display()))?;
        Ok(kept)
    }

    /// Returns the names of all cases.
    pub fn names(&self, program: &Path) -> Result<Vec<String>> {
        match self {
            Self::Regions { seeds } => Ok((1..=*seeds).map(|seed| seed.to_string()).collect()),
            Self::Tests { prefix } => {
                let output = Command::new(program).args(["--list", "--format", "terse"]).output();
                let output = output.with_context(|| format!("starting {}", program.display()))?;
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
                Ok(names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
            }
        }
    }

    /// Runs a case without a mistake; `folder` is for what it tells.
    pub fn learn(&self, program: &Path, name: &str, folder: &Path) -> Result<Case> {
        let told = folder.join(format!("reached-{}", name.replace([':', '/'], "-")));
        let _ = fs::remove_file(&told);
        let begun = Instant::now();
        let (heard, prints) = self.run(program, name, told.as_os_str(), Duration::from_secs(600))?;
        let takes = begun.elapsed();
        if !matches!(heard, Heard::Holds { .. }) {
            bail!("{name} fails without any mistake: {heard:?}");
        }
        let reached = fs::read_to_string(&told).unwrap_or_default();
        let _ = fs::remove_file(&told);
        let reaches = reached.lines().filter_map(|line| line.parse().ok()).collect();
        Ok(Case { name: name.to_owned(), takes, prints, reaches })
    }

    /// Runs a case with a mistake.
    pub fn try_mistake(&self, program: &Path, case: &Case, mistake: u32) -> Result<Heard> {
        let patience = case.takes * PATIENCE.0 + PATIENCE.1;
        let (heard, prints) = self.run(program, &case.name, mistake.to_string().as_ref(), patience)?;
        Ok(match heard {
            Heard::Holds { .. } => Heard::Holds { same: !prints.is_empty() && prints == case.prints },
            other => other,
        })
    }

    fn run(
        &self,
        program: &Path,
        name: &str,
        mistake: &std::ffi::OsStr,
        patience: Duration,
    ) -> Result<(Heard, String)> {
        let seconds = patience.as_secs() + 1;
        let limited = format!("ulimit -v {MEMORY_MAX_KIB}; ulimit -c 0; ulimit -S -t {seconds}; exec \"$@\"");
        let waits = patience * WAITS_MAX.0 + WAITS_MAX.1;
        let mut command = Command::new("sh");
        command.args(["-c", &limited, "sh"]).arg(program);
        match self {
            Self::Regions { .. } => command.arg(name),
            Self::Tests { .. } => command.args(["--exact", name, "--test-threads", "1"]),
        };
        let mut child = command
            .env("MUSUBI_MISTAKE", mistake)
            .stdin(Stdio::null())
            .stdout(match self {
                Self::Regions { .. } => Stdio::piped(),
                Self::Tests { .. } => Stdio::null(),
            })
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let begun = Instant::now();
        // A region prints a line or two: the pipe holds them until it has ended.
        let status = loop {
            if let Some(status) = child.try_wait().context("waiting for a case")? {
                break status;
            }
            if begun.elapsed() > waits {
                // It has ended meanwhile, or it ends now.
                let _ = child.kill();
                child.wait().context("waiting for a case")?;
                return Ok((Heard::Hangs, String::new()));
            }
            thread::sleep(LOOKS_EVERY);
        };
        let output = child.wait_with_output().context("reading what a case prints")?;
        let prints = String::from_utf8_lossy(&output.stdout).into_owned();
        let heard = match (self, status.code()) {
            (_, Some(0)) => Heard::Holds { same: false },
            (Self::Regions { .. }, Some(1)) => {
                let broken = prints.lines().find_map(|line| line.strip_prefix("BROKEN "));
                Heard::Broken(broken.unwrap_or("unknown").to_owned())
            }
            (Self::Tests { .. }, Some(101)) => Heard::Broken(name.to_owned()),
            (_, None) if status.signal() == Some(USED_UP) => Heard::Hangs,
            _ => Heard::Dies,
        };
        let prints = if matches!(self, Self::Tests { .. }) { String::new() } else { prints };
        Ok((heard, prints))
    }
}
