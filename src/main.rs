//! The `musubi` binary: parse, log, run, exit code.

use std::process::ExitCode;

use musubi::cli;

fn main() -> ExitCode {
    cli::panic::guarded(|| cli::run(std::env::args_os()))
}
