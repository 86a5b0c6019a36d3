//! The log: to standard error, as text or as JSON lines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::args::GlobalArgs;
use super::failure::Failure;

/// The levels that may be given by name.
pub const LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Starts the log; `default` is the level when the caller names none. Once a process; later calls change nothing.
///
/// # Errors
/// [`Failure`] when the level is neither a level nor a list of filters.
pub fn start(args: &GlobalArgs, default: &str) -> Result<(), Failure> {
    let filter = filter(args.log.as_deref().unwrap_or(default))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A test may have started a log before.
    let _ = match args.log_json {
        true => log.json().try_init(),
        false => log.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    Ok(())
}

/// Reads a level, which is that of this program alone, or filters as `tracing-subscriber` writes them.
fn filter(text: &str) -> Result<EnvFilter, Failure> {
    let directives = match LEVELS.contains(&text) {
        true if text == "off" || text == "error" => text.to_owned(),
        true => format!("warn,musubi={text}"),
        false => text.to_owned(),
    };
    // A bare word would be taken for a module's name and silence everything else.
    let understood = LEVELS.contains(&text) || text.contains(['=', ',']);
    EnvFilter::try_new(&directives).ok().filter(|_| understood).ok_or_else(|| {
        Failure::wrong_call(format!("'{text}' is not a level of the log"))
            .hint(format!("one of {}, or filters such as musubi::sync=debug,warn", LEVELS.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_understood_and_typing_errors_are_not() {
        assert_eq!(filter("debug").unwrap().to_string(), "musubi=debug,warn");
        assert!(filter("musubi::sync=trace,warn").is_ok());
        for wrong in ["deubg", "", "musubi=loud"] {
            assert_eq!(filter(wrong).err().map(|failure| failure.status), Some(2), "{wrong}");
        }
    }
}
