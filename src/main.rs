//! The `musubi` binary: parse, log, run, exit code.
fn main() {}
