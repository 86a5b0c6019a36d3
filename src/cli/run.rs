//! From the words of the command line to an exit status.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use clap::error::ErrorKind;
use zeroize::Zeroizing;

use super::args::{Cli, Command, Context};
use super::backend::Replicas;
use super::engine::Engine;
use super::failure::{DONE, Failure, NOT_DONE, WRONG_CALL};
use super::key::PASSPHRASE_VARIABLE;
use super::logging;
use super::outcome::{Outcome, Output};
use super::progress::Reporter;
use super::text::{Paper, printable};
use crate::base::WallMs;
use crate::replica::sabotage;

/// Parses the words (the program's name first), runs the command, prints what it gives back on standard output
/// and errors on standard error, and returns the exit status.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = words.into_iter().collect();
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(explain(&words, &error)),
    };
    let json = cli.global.json;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = WallMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let result = execute(&cli, &Replicas, now);
    let status = match &result {
        Ok(outcome) => outcome.status,
        Err(failure) => failure.status,
    };
    match print(&result, json, &mut io::stdout().lock(), &mut io::stderr().lock()) {
        // Whoever reads has read enough (`musubi show … | head`): the command was done all the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => {
            // Whoever closed standard error too does not want to hear.
            let _ = writeln!(io::stderr(), "error: writing to standard output: {error}");
            ExitCode::from(status.max(NOT_DONE))
        }
        Ok(()) => ExitCode::from(status),
    }
}

fn execute(cli: &Cli, engine: &dyn Engine, now: WallMs) -> Result<Outcome, Failure> {
    sabotage::plant_from_environment();
    let level = match &cli.command {
        Command::Serve(_) => "info",
        Command::Realm(_)
        | Command::Status(_)
        | Command::Import(_)
        | Command::Find(_)
        | Command::Show(_)
        | Command::Record(_)
        | Command::Decide(_)
        | Command::Link(_)
        | Command::Unlink(_)
        | Command::Bench(_)
        | Command::Export(_)
        | Command::Sync(_)
        | Command::Pull(_)
        | Command::Bundle(_)
        | Command::Backup(_) => "warn",
        // A drill breaks things on purpose: what matters of that is in its report.
        Command::Drill(_) => "off",
    };
    logging::start(&cli.global, level)?;
    let reporter = Reporter::start();
    cli.command.run(&Context {
        engine,
        progress: reporter.on_progress(),
        paper: Paper::of_terminal(now),
        passphrase: passphrase()?,
        json: cli.global.json,
    })
}

fn passphrase() -> Result<Option<Zeroizing<String>>, Failure> {
    match std::env::var(PASSPHRASE_VARIABLE) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::wrong_call(format!("{PASSPHRASE_VARIABLE} is not UTF-8")))
        }
    }
}

fn print(
    result: &Result<Outcome, Failure>,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    match result {
        Ok(outcome) => match &outcome.output {
            Output::Answer { json: answer, .. } if json => writeln!(out, "{answer}")?,
            Output::Answer { text, .. } => writeln!(out, "{}", printable(text).trim_end())?,
            Output::Document(text) => writeln!(out, "{}", text.trim_end())?,
            Output::Nothing => {}
        },
        Err(failure) if json => writeln!(out, "{}", failure.to_json())?,
        Err(failure) => writeln!(err, "{}", printable(&failure.to_string()))?,
    }
    out.flush()
}

/// Prints help, the version, or what is wrong with the call.
fn explain(words: &[OsString], error: &clap::Error) -> u8 {
    let status = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => DONE,
        _ => WRONG_CALL,
    };
    // Whoever closed the output does not want to hear.
    let _ = match status == WRONG_CALL && words.iter().any(|word| word == "--json") {
        true => writeln!(io::stdout(), "{}", call_failure(&error.to_string()).to_json()),
        false => error.print(),
    };
    status
}

fn call_failure(text: &str) -> Failure {
    let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim());
    match text.split_once("\n\n") {
        Some((message, hint)) => Failure::wrong_call(message).hint(hint.replace("\n\n", "\n")),
        None => Failure::wrong_call(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(result: &Result<Outcome, Failure>, json: bool) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        print(result, json, &mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn an_answer_is_text_or_one_json_object() {
        let done = Ok(Outcome::done(serde_json::json!({ "records": 2 }), "2 records\u{1b}[2J\n".into()));
        assert_eq!(printed(&done, false), ("2 records\u{fffd}[2J\n".into(), String::new()));
        assert_eq!(printed(&done, true), ("{\"records\":2}\n".into(), String::new()));
    }

    #[test]
    fn an_error_goes_to_standard_error_or_as_json_to_standard_output() {
        let failed = Err(Failure::damaged("bad").hint("restore"));
        assert_eq!(printed(&failed, false), (String::new(), "error: bad\nhint: restore\n".into()));
        let (out, err) = printed(&failed, true);
        assert_eq!(out, "{\"error\":{\"hint\":\"restore\",\"message\":\"bad\",\"status\":3}}\n");
        assert_eq!(err, "");
    }

    #[test]
    fn a_wrong_call_has_its_usage_as_the_hint() {
        let error = Cli::try_parse_from(["musubi", "show", "--jsonn"]).unwrap_err();
        let failure = call_failure(&error.to_string());
        assert!(failure.message.contains("--jsonn") && !failure.message.contains("error:"), "{failure}");
        assert!(failure.hint.contains("Usage"), "{failure}");
        assert_eq!(failure.status, 2);
    }
}
