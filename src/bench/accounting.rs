//! What processes cost, as the system tells their parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::time::ClockId;
use nix::unistd::Pid;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::drill::StepFailure;

/// How often a process is asked for its peak of memory. What it took in its last moments may be missed.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often is looked whether a process is at rest.
const REST_EVERY: Duration = Duration::from_millis(70);
/// A process that takes no more than this between two looks is quiet: its clocks and timers alone take less.
const REST_CPU: Duration = Duration::from_millis(1);
/// So many quiet looks in a row are rest: longer than from one step of a replica's indexer to the next (250 ms).
const REST_LOOKS: u32 = 4;

/// Returns the CPU time of all processes that this one has started and awaited, user and system together.
///
/// # Errors
/// [`StepFailure`] when the system does not tell.
pub fn children_cpu() -> Result<Duration, StepFailure> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|error| StepFailure::of("asking what the processes cost", error))?;
    let us = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(nix::sys::time::TimeValLike::num_microseconds(&time)).unwrap_or(0),
        )
    };
    Ok(us(usage.user_time()) + us(usage.system_time()))
}

/// Returns the CPU time of a process that lives, all its threads together, user and system.
///
/// # Errors
/// [`StepFailure`] when the system does not tell: the process has ended and was awaited.
pub fn cpu_of(process: u32) -> Result<Duration, StepFailure> {
    let failed = |error: nix::Error| StepFailure::of("asking what a process costs", error);
    let number = i32::try_from(process).map_err(|error| StepFailure::of("naming a process", error))?;
    let time = ClockId::pid_cpu_clock_id(Pid::from_raw(number)).and_then(ClockId::now).map_err(failed)?;
    Ok(Duration::from(time))
}

/// Waits until a process has come to rest, or until `most`; returns its CPU time then.
///
/// # Errors
/// [`StepFailure`] when the system does not tell.
pub async fn at_rest(process: u32, most: Duration) -> Result<Duration, StepFailure> {
    let begun = Instant::now();
    let (mut before, mut quiet) = (cpu_of(process)?, 0);
    while quiet < REST_LOOKS && begun.elapsed() < most {
        sleep(REST_EVERY).await;
        let now = cpu_of(process)?;
        quiet = if now - before < REST_CPU { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(before)
}

/// The most memory that a process has held, watched while it lives.
#[derive(Debug)]
pub struct PeakWatch {
    peak_kib: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl PeakWatch {
    /// Begins to watch a process. Must be called within a tokio runtime.
    pub fn of(process: u32) -> Self {
        let peak_kib = Arc::new(AtomicU64::new(0));
        let told = peak_kib.clone();
        let task = tokio::spawn(async move {
            while let Some(kib) = peak_of(process) {
                told.fetch_max(kib, Ordering::Relaxed);
                sleep(LOOK_EVERY).await;
            }
        });
        Self { peak_kib, task }
    }

    /// Ends watching and returns the peak in bytes; 0 where the system does not tell.
    pub fn end(self) -> u64 {
        self.task.abort();
        self.peak_kib.load(Ordering::Relaxed) * 1024
    }
}

/// Returns the memory that a process holds now, and the most that it has held, in bytes; 0 where the system does not tell.
pub fn memory_of(process: u32) -> (u64, u64) {
    let told = |name| told_of(process, name).unwrap_or(0) * 1024;
    (told("VmRSS:"), told("VmHWM:"))
}

/// Returns the CPU time of the calling thread, user and system.
///
/// # Errors
/// [`StepFailure`] when the system does not tell.
pub fn thread_cpu() -> Result<Duration, StepFailure> {
    let time = ClockId::CLOCK_THREAD_CPUTIME_ID.now();
    time.map(Duration::from).map_err(|error| StepFailure::of("asking what a thread costs", error))
}

/// The peak of a process in KiB; none when it has ended, or where there is no `/proc`.
fn peak_of(process: u32) -> Option<u64> {
    told_of(process, "VmHWM:")
}

fn told_of(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_a_child_computed_is_counted_when_it_was_awaited() {
        let before = children_cpu().unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(Command::new("/bin/sh").args(["-c", script]).status().unwrap().success());
        assert!(children_cpu().unwrap() - before > Duration::from_millis(10));
    }

    #[tokio::test]
    async fn a_process_is_at_rest_when_it_has_done_its_work() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; read line";
        let mut shell = Command::new("/bin/sh");
        let mut child = shell.args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        let rested = at_rest(child.id(), Duration::from_secs(60)).await.unwrap();
        assert!(rested > Duration::from_millis(10), "{rested:?}");
        assert!(cpu_of(child.id()).unwrap() < rested + Duration::from_millis(10));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(cpu_of(child.id()).is_err(), "awaited, it is no process any more");
    }

    #[tokio::test]
    async fn the_peak_of_a_process_is_seen() {
        let mut child = Command::new("sleep").arg("30").spawn().unwrap();
        let watch = PeakWatch::of(child.id());
        sleep(Duration::from_millis(60)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(watch.end() > 100 << 10);
    }
}
