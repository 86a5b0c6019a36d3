//! What a user sees when the program has a bug: where it is, and never what it was working on.

use std::io::Write as _;
use std::panic::{Location, PanicHookInfo, UnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// The exit status after a bug.
pub const BUG: u8 = 101;

/// Libraries that panic on hostile bytes, where the code around them catches it (see `chart` and `store`): that is no bug.
const CONTAINED: &[&str] = &["automerge-", "hexane-", "redb-"];

static SHOWN: AtomicBool = AtomicBool::new(false);

/// Runs the program; a panic ends it with [`BUG`] and a short message. The panic's own text is never shown, for
/// it may hold patient data.
pub fn guarded(program: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    std::panic::set_hook(Box::new(hook));
    catch_unwind(program).unwrap_or_else(|_| {
        if !SHOWN.load(Ordering::Relaxed) {
            tell("in a library");
        }
        ExitCode::from(BUG)
    })
}

fn hook(info: &PanicHookInfo<'_>) {
    match info.location() {
        Some(place) if contained(place) => {
            tracing::debug!(file = place.file(), line = place.line(), "a library refused bytes by a panic");
        }
        Some(place) => tell(&format!("at {}:{}", place.file(), place.line())),
        None => tell("at an unknown place"),
    }
}

fn contained(place: &Location<'_>) -> bool {
    CONTAINED.iter().any(|library| place.file().contains(library))
}

fn tell(place: &str) {
    SHOWN.store(true, Ordering::Relaxed);
    // Whoever closed standard error does not want to hear.
    let _ = writeln!(std::io::stderr(), "{}", message(place));
}

fn message(place: &str) -> String {
    format!(
        "error: this is a bug in musubi {}, {place}\nhint: what was acknowledged is safe in the store. Please \
         report this line; the log on standard error says more when the command is run again with --log debug",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_place() {
        let text = message("at src/x.rs:7");
        assert!(text.contains("src/x.rs:7") && text.contains("--log debug"), "{text}");
    }

    #[test]
    fn own_code_is_never_contained() {
        assert!(!contained(Location::caller()));
    }
}
