//! One `musubi serve`: started, killed as a power cut would, awaited; never left behind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::client::Client;
use super::command::complaint;
use super::place::Home;
use crate::drill::error::StepFailure;
use crate::replica::request::Request;
use crate::replica::sabotage::SABOTAGE_VARIABLE;

/// How long a replica may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long a replica may take to end in order.
const END_WITHIN: Duration = Duration::from_secs(15);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A running replica; killed and awaited when dropped.
#[derive(Debug)]
pub struct ServeProcess {
    child: Child,
    log: PathBuf,
}

impl ServeProcess {
    /// Starts a replica with the binary that `command` names; what it prints goes to the end of `log`.
    ///
    /// # Errors
    /// [`StepFailure`] when the process cannot be started.
    pub fn spawn(
        mut command: Command,
        config: &Path,
        log: &Path,
        sabotage: Option<&str>,
    ) -> Result<Self, StepFailure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |error: std::io::Error| StepFailure::of(format!("starting {program}"), error);
        let output = File::options().create(true).append(true).open(log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        command.arg("serve").arg(config).env_remove("MUSUBI_PASSPHRASE").env_remove(SABOTAGE_VARIABLE);
        if let Some(fault) = sabotage {
            command.env(SABOTAGE_VARIABLE, fault);
        }
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        Ok(Self { child: command.spawn().map_err(failed)?, log: log.to_owned() })
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the replica answers on its control socket.
    ///
    /// # Errors
    /// [`StepFailure`] when it ends before, or takes too long, with the end of its log.
    pub async fn ready(&mut self, home: &Home) -> Result<(), StepFailure> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            if let Some(status) = self.ended()? {
                return Err(StepFailure::of(format!("the replica ended with {status}"), self.log_end()));
            }
            if Client::of_process(home, self.child.id()).await.is_some() {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
        Err(StepFailure::of(format!("the replica does not answer after {READY_WITHIN:?}"), self.log_end()))
    }

    /// Cuts its power: SIGKILL, which no process can delay. Does not wait.
    ///
    /// # Errors
    /// [`StepFailure`] when the system refuses.
    pub fn kill(&mut self) -> Result<(), StepFailure> {
        self.child.kill().map_err(|error| StepFailure::of("killing the replica", error))
    }

    /// Stops the process where it stands (SIGSTOP), or lets it go on (SIGCONT).
    ///
    /// # Errors
    /// [`StepFailure`] when the system refuses.
    pub fn freeze(&self, frozen: bool) -> Result<(), StepFailure> {
        let signal = if frozen { "STOP" } else { "CONT" };
        let doing = format!("sending SIG{signal} to the replica");
        // The shell has `kill` built in; the number is that of our own child, which is not awaited yet.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &format!("kill -s {signal} {}", self.child.id())]);
        match shell.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(StepFailure::of(doing, status)),
            Err(error) => Err(StepFailure::of(doing, error)),
        }
    }

    /// Asks the replica to end in order, and waits until it has.
    ///
    /// # Errors
    /// [`StepFailure`] when it cannot be asked, does not end, or complains; it is killed then.
    pub async fn stop(self, home: &Home) -> Result<(), StepFailure> {
        Client::connect(home).await?.ask::<serde_json::Value>(&Request::Stop).await?;
        let log = self.log.clone();
        let status = self.end().await?;
        match status.success() {
            true => Ok(()),
            false => Err(StepFailure::of(format!("the replica ended with {status}"), log_end(&log))),
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// [`StepFailure`] when it takes too long; it is killed then.
    pub async fn end(mut self) -> Result<ExitStatus, StepFailure> {
        let begun = Instant::now();
        while begun.elapsed() < END_WITHIN {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            sleep(LOOK_EVERY).await;
        }
        Err(StepFailure::of(format!("the replica has not ended after {END_WITHIN:?}"), self.log_end()))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, StepFailure> {
        self.child.try_wait().map_err(|error| StepFailure::of("waiting for the replica", error))
    }

    fn log_end(&self) -> String {
        log_end(&self.log)
    }
}

fn log_end(log: &Path) -> String {
    std::fs::read(log).map_or_else(|error| error.to_string(), |log| complaint(&log))
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        // Both fail only when it has ended and was awaited.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn(dir: &Path, script: &str) -> ServeProcess {
        // The "binary" is a script that is given `serve CONFIG`.
        let exe = dir.join("exe");
        std::fs::write(&exe, format!("#!/bin/sh\n{script}\n")).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o755)).unwrap();
        ServeProcess::spawn(
            Command::new(&exe),
            &dir.join("c.toml"),
            &dir.join("log"),
            Some("drop-acknowledged-write"),
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_replica_that_ends_at_once_is_told_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = spawn(dir.path(), "echo \"$1 $MUSUBI_SABOTAGE: the port is taken\" >&2; exit 2");
        let home = Home { store: dir.path().to_owned(), door: None };
        let failure = process.ready(&home).await.unwrap_err().to_string();
        assert!(failure.contains("exit status: 2"), "{failure}");
        assert!(failure.contains("serve drop-acknowledged-write: the port is taken"), "{failure}");
    }

    #[tokio::test]
    async fn a_process_does_not_outlive_its_handle() {
        let dir = tempfile::tempdir().unwrap();
        let process = spawn(dir.path(), "exec sleep 60");
        let id = process.child.id();
        assert!(Path::new(&format!("/proc/{id}")).exists());
        process.freeze(true).unwrap();
        drop(process);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }
}
