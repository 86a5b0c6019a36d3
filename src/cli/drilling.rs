//! Drills, as the engine of the binary runs them: the story goes out while it happens, pages go to files.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::backend::{interrupted, runtime, to_json};
use super::engine::{Drill, DrillCompare, DrillMode, DrillSwarm, DrillTold, OnProgress};
use super::failure::Failure;
use super::text::printable;
use crate::base::planted::Plant;
use crate::drill::compare::{CompareOptions, compare};
use crate::drill::course::Course;
use crate::drill::live::hold_door;
use crate::drill::report::{Page, html};
use crate::drill::scenario::Scenario;
use crate::drill::swarm::{SweepOptions, SweepProgress, sweep};
use crate::drill::{self, DrillError, DrillOptions, DrillReport, SimDrillOptions, run_sim};
use crate::replica::request::Progress;

/// Runs a drill with real processes or in virtual time.
pub(super) fn drill(wanted: Drill) -> Result<Value, Failure> {
    let is_live = match wanted.mode {
        DrillMode::Live => true,
        DrillMode::Sim => false,
        DrillMode::AsItCan => Scenario::read(&wanted.scenario).map_err(DrillError::from)?.modes.live,
    };
    let seed = wanted.seed.unwrap_or(drill::SEED);
    let command = again(&wanted, is_live, seed);
    let mut answer = match is_live {
        true => live(wanted, seed, &command),
        false => simulated(wanted, seed, &command),
    }?;
    if let Value::Object(fields) = &mut answer {
        fields.insert("command".to_owned(), command.into());
    }
    Ok(answer)
}

/// The command that runs a drill again.
fn again(wanted: &Drill, is_live: bool, seed: u64) -> String {
    let mode = if is_live { "--live" } else { "--sim" };
    let mode = format!("{mode}{}", if wanted.netns { " --netns" } else { "" });
    let sabotage = wanted.sabotage.as_ref().map(|name| format!(" --sabotage {name}")).unwrap_or_default();
    format!("musubi drill {} {mode} --seed {seed}{sabotage}", quoted(&wanted.scenario))
}

/// Writes a path as a shell reads it.
fn quoted(path: &Path) -> String {
    let path = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match path.chars().all(plain) {
        true => path.into_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

/// Tells a line of the story as it happens; who stops reading it does not stop the drill.
fn tell(line: &str, aside: bool) {
    let line = printable(line);
    let _ = match aside {
        true => writeln!(std::io::stderr(), "{line}"),
        false => writeln!(std::io::stdout(), "{line}"),
    };
}

fn live(wanted: Drill, seed: u64, command: &str) -> Result<Value, Failure> {
    let page = wanted.report.as_deref().map(PageFile::check).transpose()?;
    let exe = std::env::current_exe()
        .map_err(|error| Failure::not_done(format!("finding this program's own file: {error}")))?;
    let options = DrillOptions {
        scenario_path: wanted.scenario,
        work_dir: None,
        bucket: wanted.bucket.map(|url| url.to_string()),
        netns: wanted.netns,
        seed,
        sabotage: wanted.sabotage,
        exe,
    };
    let mut on_event = |line: &str| tell(line, wanted.json);
    let done = runtime()?.block_on(async {
        tokio::select! {
            done = drill::run(options, &mut on_event) => done.map_err(Failure::from),
            // What the drill has made (processes, namespaces, folders) goes with it.
            () = interrupted() => Err(Failure::not_done("the drill was interrupted; nothing of it is left")),
        }
    })?;
    told(&done.report, page, (&done.scenario, &done.course, command))
}

/// Makes the answer of a drill, and its page if one is wanted.
fn told(
    report: &DrillReport,
    page: Option<PageFile>,
    (scenario, course, command): (&Scenario, &Course, &str),
) -> Result<Value, Failure> {
    let mut answer = to_json(report)?;
    if let Some(page) = page {
        let text = html(&Page {
            title: scenario.title.clone(),
            story: scenario.story.clone(),
            course,
            judged: &report.expectations,
            trace: report.trace,
            seed: report.seed,
            command: command.to_owned(),
            passed: report.passed,
        });
        let written = page.write(&[text])?;
        if let Value::Object(fields) = &mut answer {
            fields.insert("page".to_owned(), written.join(", ").into());
        }
    }
    Ok(answer)
}

/// Holds open a door into a network namespace until standard input ends.
pub(super) fn door(listen: SocketAddr) -> Result<(), Failure> {
    let (holder, held) = tokio::sync::oneshot::channel::<()>();
    // Detached: it ends with the process, which has nothing else to do.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(holder);
    });
    let held = runtime()?.block_on(hold_door(listen, async { drop(held.await) }));
    held.map_err(|error| Failure::not_done(format!("holding a door open at {listen}: {error}")))
}

fn simulated(wanted: Drill, seed: u64, command: &str) -> Result<Value, Failure> {
    if wanted.bucket.is_some() {
        return Err(Failure::wrong_call("--bucket: this scenario is simulated, with a bucket of its own")
            .hint("leave --bucket out, or run a scenario for real processes with --live"));
    }
    let page = wanted.report.as_deref().map(PageFile::check).transpose()?;
    let options = SimDrillOptions {
        scenario_path: wanted.scenario,
        seed,
        sabotage: wanted.sabotage,
        twice: wanted.twice,
    };
    let done = run_sim(&options, &mut |line| tell(&line.to_string(), wanted.json))?;
    told(&done.report, page, (&done.scenario, &done.course, command))
}

/// Runs a comparison.
pub(super) fn compared(wanted: DrillCompare) -> Result<DrillTold, Failure> {
    let page = wanted.report.as_deref().map(PageFile::check).transpose()?;
    let options = CompareOptions {
        scenario_path: wanted.scenario,
        against: wanted.against,
        seed: wanted.seed.unwrap_or(drill::SEED),
        sweep: wanted.sweep,
    };
    let done = compare(&options, &mut |line| tell(&line.to_string(), true))?;
    let mut text = done.text;
    if let Some(page) = page {
        text = format!("{}\npage  {}", text.trim_end(), page.write(&done.pages)?.join(", "));
    }
    Ok(DrillTold { json: done.json, text, passed: done.passed })
}

/// Runs random regions.
pub(super) fn swarmed(wanted: DrillSwarm, progress: &OnProgress) -> Result<DrillTold, Failure> {
    let plant = wanted.sabotage.as_deref().map(drill::plant_named).transpose()?;
    let options = SweepOptions {
        first_seed: wanted.first_seed,
        seeds: wanted.seeds,
        plant,
        threads: wanted.threads,
        shrink: wanted.shrink_to.is_some(),
    };
    let report = sweep(&options, &mut |step| progress(step_told(step, wanted.seeds)));
    let mut text = report.to_string();
    if let Some(folder) = &wanted.shrink_to {
        for failure in report.failures.iter().filter(|failure| !failure.scenario.is_empty()) {
            let path = failure.write(folder).map_err(|error| unwritten(folder, &error))?;
            let sabotage =
                plant.map(|plant| format!(" --sabotage {}", Plant::name(plant))).unwrap_or_default();
            let again = format!("musubi drill {} --sim --seed {}{sabotage}", quoted(&path), failure.seed);
            text.push_str(&format!("shortened to {} events: {again}\n", failure.events));
        }
    }
    Ok(DrillTold { json: to_json(&report)?, text, passed: report.passed() })
}

fn step_told(step: SweepProgress, seeds: u64) -> Progress {
    let unit = "regions".to_owned();
    match step {
        SweepProgress::Ran { done, failed: 0 } => {
            Progress { doing: "running".to_owned(), done: done.min(seeds), of: seeds, unit }
        }
        SweepProgress::Ran { done, failed } => {
            Progress { doing: format!("running ({failed} failed)"), done: done.min(seeds), of: seeds, unit }
        }
        SweepProgress::Shrinks { seed, runs, events } => Progress {
            doing: format!("shortening seed {seed} ({events} events left)"),
            done: u64::from(runs),
            of: 0,
            unit: "runs".to_owned(),
        },
    }
}

/// Where a page goes: known to be there before a long drill begins.
struct PageFile(PathBuf);

impl PageFile {
    fn check(path: &Path) -> Result<Self, Failure> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(Failure::wrong_call(format!("--report: there is no folder {}", folder.display()))
                .hint("make it first, or name another place; nothing was run"));
        }
        match path.is_dir() {
            true => Err(Failure::wrong_call(format!("--report: {} is a folder", path.display()))
                .hint("name a file in it, such as report.html; nothing was run")),
            false => Ok(Self(path.to_owned())),
        }
    }

    /// Writes pages, the first one where it was asked for and the others beside it; returns where.
    fn write(&self, pages: &[String]) -> Result<Vec<String>, Failure> {
        let mut written = Vec::new();
        for (number, page) in pages.iter().enumerate() {
            let mut path = self.0.clone();
            if number > 0 {
                let part =
                    |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
                let (stem, ending) = (part(path.file_stem()), part(path.extension()));
                path.set_file_name(format!("{stem}-{}.{ending}", number + 1));
            }
            fs::write(&path, page).map_err(|error| unwritten(&path, &error))?;
            written.push(path.display().to_string());
        }
        Ok(written)
    }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::not_done(format!("writing {}: {error}", path.display()))
        .hint("check that this user may write there, and that the disk is not full; run it again with the same seed")
}

impl From<DrillError> for Failure {
    fn from(error: DrillError) -> Self {
        let message = error.to_string();
        match error {
            DrillError::Scenario(_) => Failure::wrong_call(message),
            DrillError::Bucket(_) | DrillError::BucketNotCuttable(_) => {
                Failure::wrong_call(message).hint("leave --bucket out for a folder of the drill's own")
            }
            DrillError::Netns(_) => Failure::not_done(message).hint(
                "--netns needs Linux, root and `ip` of iproute2 (on Debian: apt install iproute2); without --netns all replicas share 127.0.0.1",
            ),
            DrillError::Sabotage { .. } | DrillError::NoSabotage(_) => Failure::wrong_call(message),
            DrillError::Work { .. } => Failure::not_done(message)
                .hint("check that the temporary folder (TMPDIR) can be written and has room"),
            DrillError::SetUp { .. } => Failure::not_done(message)
                .hint("nothing was rehearsed; run it again with MUSUBI_LOG=debug to see more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_could_not_be_written_is_refused_before_anything_runs() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |path: &Path| PageFile::check(path).err().map(|failure| failure.status);
        assert_eq!(refused(&dir.path().join("none/r.html")), Some(2));
        assert_eq!(refused(dir.path()), Some(2));
        let page = PageFile::check(&dir.path().join("r.html")).unwrap();
        let written = page.write(&["one".into(), "two".into()]).unwrap();
        assert!(written[0].ends_with("/r.html") && written[1].ends_with("/r-2.html"), "{written:?}");
        assert_eq!(fs::read_to_string(dir.path().join("r-2.html")).unwrap(), "two");
    }

    #[test]
    fn a_path_is_written_as_a_shell_reads_it() {
        assert_eq!(quoted(Path::new("scenarios/a-b_1.toml")), "scenarios/a-b_1.toml");
        assert_eq!(quoted(Path::new("it's.toml")), "'it'\\''s.toml'");
    }
}
