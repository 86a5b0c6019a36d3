//! `musubi serve`: runs a replica.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::cli::args::{Context, KeyArgs};
use crate::cli::engine::Serving;
use crate::cli::failure::{DONE, Failure};
use crate::cli::key::{KeyChoice, KeyWanted};
use crate::cli::outcome::{Outcome, Output};
use crate::cli::text::printable;
use crate::replica::config::ReplicaConfig;

/// Run a replica: keeps in touch with its peers and with those it finds on the local network, and writes the backup if it
/// is a gateway.
///
/// Prints one line once peers can reach it, and runs until it is interrupted (SIGINT, SIGTERM). While it runs, the
/// other commands on the same store speak to it. The key of the call beats that of the configuration, which beats
/// the passphrase in MUSUBI_PASSPHRASE; without any of them it is `store.key` inside the store's folder.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  musubi serve replicas/hospital.toml
  MUSUBI_PASSPHRASE=… musubi serve replicas/tablet.toml --log debug
")]
pub struct ServeCommand {
    /// The replica's configuration.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

impl ServeCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`] when the configuration is wrong, or the replica cannot start or had to stop.
    pub fn run(&self, context: &Context<'_>) -> Result<Outcome, Failure> {
        let config = ReplicaConfig::read(&self.config)?;
        let wanted = KeyWanted {
            key_file: self.key.key_file.as_deref().or(config.key_file.as_deref()),
            passphrase_file: self.key.passphrase_file.as_deref(),
        };
        let key = KeyChoice::resolve(&config.store, wanted, context.passphrase.as_ref())?;
        context.engine.serve(config, &key, &mut |serving| {
            // A replica goes on when nobody reads its standard output.
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{}", line(serving, context.json)).and_then(|()| out.flush());
        })?;
        Ok(Outcome { status: DONE, output: Output::Nothing })
    }
}

fn line(serving: &Serving, json: bool) -> String {
    match json {
        true => serde_json::json!({ "serving": serving }).to_string(),
        false => printable(&format!(
            "{} of {} ({}) listens on {}",
            serving.device, serving.site, serving.realm, serving.listen
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fixtures::{Asked, Fake};

    #[test]
    fn the_line_tells_the_port_that_was_taken() {
        let serving = Serving {
            realm: "三浦".into(),
            site: "North".into(),
            device: "north-1".into(),
            listen: "127.0.0.1:7440".parse().unwrap(),
        };
        assert_eq!(line(&serving, false), "north-1 of North (三浦) listens on 127.0.0.1:7440");
        let json: serde_json::Value = serde_json::from_str(&line(&serving, true)).unwrap();
        assert_eq!(json["serving"]["listen"], "127.0.0.1:7440");
    }

    #[test]
    fn the_configuration_names_store_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("北.toml");
        std::fs::write(&path, "store = 'data'\nkey-file = 'n.key'\nlisten = '127.0.0.1:0'\n").unwrap();
        let fake = Fake::answering(serde_json::Value::Null);
        fake.run(&["serve", path.to_str().unwrap()]).unwrap();
        let asked = fake.asked();
        let [Asked::Serve(config, key)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(config.store, dir.path().join("data"));
        assert_eq!(*key, KeyChoice::File(dir.path().join("n.key")));
        fake.run(&["serve", path.to_str().unwrap(), "--key-file", "x.key"]).unwrap();
        let asked = fake.asked();
        let [Asked::Serve(_, key)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(*key, KeyChoice::File("x.key".into()));
    }

    #[test]
    fn a_wrong_configuration_names_file_and_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.toml");
        std::fs::write(&path, "store = 'data'\nlisten = 'here'\n").unwrap();
        let failure =
            Fake::answering(serde_json::Value::Null).run(&["serve", path.to_str().unwrap()]).unwrap_err();
        assert!(failure.status == 2 && failure.message.contains("line 2"), "{failure}");
    }
}
