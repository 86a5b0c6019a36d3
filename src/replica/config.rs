//! The configuration of a running replica: `replicas/NAME.toml`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::files::{FileError, read_toml};
use crate::base::{Area, DeviceId};

/// How a replica runs. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReplicaConfig {
    /// The store's folder, relative to the configuration file.
    pub store: PathBuf,
    /// The key file that opens the store; without it the passphrase in `MUSUBI_PASSPHRASE`, and without that
    /// `store.key` inside the store's folder.
    pub key_file: Option<PathBuf>,
    /// Where peers reach this replica; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// The table of interactions and contraindications to check orders by; without it, `interactions.csv` inside the
    /// store's folder, and without that the demonstration, NOT for clinical use.
    pub interactions: Option<PathBuf>,
    /// The areas to hold; without it, all that the device's certificate allows.
    pub areas: Option<BTreeSet<Area>>,
    /// The replicas to keep in touch with.
    #[serde(default)]
    pub peers: Vec<PeerConfig>,
    /// Where to keep the backup, if this replica is a gateway.
    pub backup: Option<BackupConfig>,
}

/// A replica to keep in touch with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerConfig {
    /// The peer's name in messages.
    pub name: String,
    /// `HOST:PORT`; the name is looked up again at every attempt.
    pub address: String,
    /// The device expected there, if only that one will do.
    pub device: Option<DeviceId>,
}

/// Where and how often to back up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BackupConfig {
    /// `file:///folder` or `s3://bucket/prefix?endpoint=…&region=…`.
    pub url: String,
    /// Seconds between two backups; 0 backs up only when asked.
    #[serde(default = "every_quarter_of_an_hour")]
    pub every_seconds: u64,
}

fn every_quarter_of_an_hour() -> u64 {
    900
}

impl ReplicaConfig {
    /// Reads a configuration; relative paths in it start from its own folder.
    ///
    /// # Errors
    /// [`FileError`] naming the file, line and column of a mistake.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let mut config: Self = read_toml(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        config.store = folder.join(&config.store);
        config.key_file = config.key_file.map(|file| folder.join(file));
        config.interactions = config.interactions.map(|file| folder.join(file));
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ReplicaConfig, FileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("北病院 1.toml");
        std::fs::write(&path, text).unwrap();
        ReplicaConfig::read(&path)
    }

    #[test]
    fn paths_start_from_the_file_and_defaults_are_filled_in() {
        let config =
            read("store = 'data'\nlisten = '127.0.0.1:0'\n[backup]\nurl = 'file:///tmp/b'\n").unwrap();
        assert!(config.store.ends_with("data") && config.store.is_absolute());
        assert_eq!(config.backup.unwrap().every_seconds, 900);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = read("store = 'data'\nlisten = '127.0.0.1:0'\nlisen = 1\n").unwrap_err().to_string();
        assert!(
            error.contains("lisen") && error.contains("line 3") && error.contains("北病院 1.toml"),
            "{error}"
        );
    }

    #[test]
    fn shipped_examples_are_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("replicas");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                ReplicaConfig::read(&path).unwrap();
                seen += 1;
            }
        }
        assert!(seen >= 2);
    }
}
