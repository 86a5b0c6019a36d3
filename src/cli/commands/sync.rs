//! `musubi sync`: syncs with a peer once.

use clap::Args;

use crate::cli::args::{Context, StoreArgs};
use crate::cli::failure::Failure;
use crate::cli::outcome::{Outcome, read};
use crate::cli::text::{counted, size, took};
use crate::cli::values::host_and_port;
use crate::replica::answer::Synced;
use crate::replica::request::Request;

/// Sync with a peer once, both ways, and end.
///
/// A replica that runs (`musubi serve`) keeps in touch with the peers of its configuration by itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi sync --store data/tablet --with north.example:7440
")]
pub struct SyncCommand {
    /// Where the peer listens.
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    with: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl SyncCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the peer does not answer or refuses.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let answer = self.store.ask(context, Request::Sync { with: self.with.clone() })?;
        let synced: Synced = read(&answer)?;
        let text = format!(
            "in sync with {} after {}: received {} ({}), sent {} ({})",
            synced.peer,
            took(synced.took_ms),
            counted(synced.received, "entry", "entries"),
            size(synced.bytes_received),
            counted(synced.sent, "entry", "entries"),
            size(synced.bytes_sent)
        );
        Ok(Outcome::done(answer, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{Fake, text};

    #[test]
    fn a_sync_is_told_in_one_line() {
        let synced = Synced {
            peer: "north-1".into(),
            received: 1_200,
            sent: 1,
            bytes_received: 130_000,
            bytes_sent: 412,
            took_ms: 830,
        };
        let fake = Fake::answering(serde_json::to_value(synced).unwrap());
        let outcome = fake.run(&["sync", "--store", "s", "--with", "north.example:7440"]).unwrap();
        let expected =
            "in sync with north-1 after 830 ms: received 1,200 entries (130.0 kB), sent 1 entry (412 B)";
        assert_eq!(text(&outcome), expected);
        assert!(fake.run(&["sync", "--store", "s", "--with", "s3://bucket"]).is_err());
    }
}
