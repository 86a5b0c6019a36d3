//! Running one command of the binary, as users do, and reading its JSON.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::process::Command;
use tokio::time::timeout;

use crate::drill::error::StepFailure;

/// How long a command may take.
const COMMAND_WITHIN: Duration = Duration::from_secs(120);
/// How much of what a command complains of is passed on, in characters.
const COMPLAINT_CHARS_MAX: usize = 600;

/// A word of a command line: text or path.
pub type Argument<'a> = &'a (dyn AsRef<OsStr> + Sync);

/// The binary whose commands are run.
#[derive(Debug, Clone)]
pub struct Musubi {
    exe: PathBuf,
    within: Duration,
}

impl Musubi {
    /// Names the binary.
    pub fn new(exe: &Path) -> Self {
        Self { exe: exe.to_owned(), within: COMMAND_WITHIN }
    }

    /// Lets each command take so long; two minutes otherwise.
    pub fn patient(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Returns the binary.
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// Runs a command with `--json` and reads its answer.
    ///
    /// # Errors
    /// [`StepFailure`] naming the command and what it complained of.
    pub async fn run<T: DeserializeOwned>(&self, arguments: &[Argument<'_>]) -> Result<T, StepFailure> {
        self.run_watched(arguments, &mut |_| {}).await
    }

    /// Does the same; `started` hears the number of the process when it runs.
    ///
    /// # Errors
    /// [`StepFailure`] naming the command and what it complained of.
    pub async fn run_watched<T: DeserializeOwned>(
        &self,
        arguments: &[Argument<'_>],
        started: &mut (dyn FnMut(u32) + Send),
    ) -> Result<T, StepFailure> {
        let mut command = Command::new(&self.exe);
        command.args(arguments.iter().map(|argument| argument.as_ref())).arg("--json");
        // The drill's stores are opened by the key files in their own folders.
        command.env_remove("MUSUBI_PASSPHRASE").stdin(Stdio::null()).kill_on_drop(true);
        let words = arguments.iter().take(2).map(|word| word.as_ref().to_string_lossy().into_owned());
        let name = format!("musubi {}", words.collect::<Vec<_>>().join(" "));
        let failed = |reason: &dyn std::fmt::Display| StepFailure::of(&name, reason);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let child = child.map_err(|error| failed(&error))?;
        child.id().into_iter().for_each(started);
        let output = match timeout(self.within, child.wait_with_output()).await {
            Ok(output) => output.map_err(|error| failed(&error))?,
            Err(_) => return Err(failed(&format!("no end after {:?}", self.within))),
        };
        if !output.status.success() {
            // With --json the error is an object on standard output.
            let said = [output.stderr, output.stdout].concat();
            return Err(failed(&format!("{}: {}", output.status, complaint(&said))));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(&format!("its answer is not what was expected: {error}")))
    }
}

/// Takes the end of what a process complained of, on one line.
pub fn complaint(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = lines.join(" | ");
    let skipped = text.chars().count().saturating_sub(COMPLAINT_CHARS_MAX);
    match skipped {
        0 => text,
        _ => format!("…{}", text.chars().skip(skipped).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_that_fails_is_named_with_what_it_complained_of() {
        let shell = Musubi::new(Path::new("/bin/sh"));
        let script = "echo first >&2; echo '  last: no such store' >&2; exit 3";
        let failure = shell.run::<serde_json::Value>(&[&"-c", &script]).await.unwrap_err().to_string();
        assert!(
            failure.contains("exit status: 3") && failure.contains("first | last: no such store"),
            "{failure}"
        );
        let mut process = 0;
        let answer: u64 = shell.run_watched(&[&"-c", &"echo $$"], &mut |id| process = id).await.unwrap();
        assert_eq!(answer, u64::from(process));
        let hasty = shell.patient(Duration::from_millis(20));
        let failure = hasty.run::<u64>(&[&"-c", &"exec sleep 30"]).await.unwrap_err().to_string();
        assert!(failure.contains("no end after 20ms"), "{failure}");
    }

    #[test]
    fn a_long_complaint_keeps_its_end() {
        let long = "字".repeat(COMPLAINT_CHARS_MAX) + "end";
        let kept = complaint(long.as_bytes());
        assert!(kept.starts_with('…') && kept.ends_with("end"));
    }
}
