//! The `musubi` binary: parse, log, run, exit code.

use std::process::ExitCode;

use musubi::cli;

/// Sync and indexing live on small allocations; the system's allocator took a fifth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::memory::in_ordinary_pages();
    cli::panic::guarded(|| cli::run(std::env::args_os()))
}
