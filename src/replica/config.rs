//! The configuration of a running replica: `replicas/NAME.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::files::{FileError, read_toml};
use crate::base::{Area, DeviceId, Part};

/// How often a bucket is looked into.
const BUCKET_EVERY: Duration = Duration::from_secs(60);
/// How often two meet over a link whose bytes are counted: a meeting of equals costs some 6 kB, half a megabyte a day.
pub(crate) const METERED_EVERY: Duration = Duration::from_secs(900);

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
    /// Whether to look for replicas of the realm on the local network and to be found there (mDNS); without it, wherever
    /// `listen` is not this machine alone.
    pub discovery: Option<bool>,
    /// The table of interactions and contraindications to check orders by; without it, `interactions.csv` inside the
    /// store's folder, and without that the demonstration, NOT for clinical use.
    pub interactions: Option<PathBuf>,
    /// The areas to hold whole; without it, and without subscriptions, all that the device's certificate allows.
    pub areas: Option<BTreeSet<Area>>,
    /// Areas of which to hold some parts only.
    #[serde(default)]
    pub subscription: Vec<SubscriptionConfig>,
    /// The replicas to keep in touch with.
    #[serde(default)]
    pub peers: Vec<PeerConfig>,
    /// Where to keep the backup, if this replica is a gateway.
    pub backup: Option<BackupConfig>,
    /// For how many days to keep what `musubi pull` has fetched of people whose area is not held; 7 unless it is said.
    pub keep_pulled_days: Option<NonZeroU32>,
}

/// Areas of which to hold some parts only. Control is always held.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubscriptionConfig {
    /// The areas.
    pub areas: BTreeSet<Area>,
    /// The parts of these areas.
    pub parts: BTreeSet<Part>,
}

/// A replica to keep in touch with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PeerConfig {
    /// The peer's name in messages.
    pub name: String,
    /// `HOST:PORT`; the name is looked up again at every attempt. Or a bucket, `s3://…` or `file://…`, through which
    /// replicas sync that have no other path to each other.
    pub address: String,
    /// The device expected there, if only that one will do.
    pub device: Option<DeviceId>,
    /// Seconds between two looks into a bucket, or two meetings over a link whose bytes are counted; a minute, or a
    /// quarter of an hour.
    pub every_seconds: Option<NonZeroU64>,
    /// Megabytes (of 1,000,000 bytes, both ways) that the link to this peer may carry a day; the cards go first. Such
    /// a link is no longer kept open: the two meet now and then, and when a card is written here.
    pub megabytes_per_day: Option<Megabytes>,
}

/// Millions of bytes, more than none.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Megabytes(u64);

impl Megabytes {
    /// Returns the bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<f64> for Megabytes {
    type Error = &'static str;

    fn try_from(megabytes: f64) -> Result<Self, Self::Error> {
        let bytes = megabytes * 1e6;
        // NaN is none of these.
        if (1.0..=1e18).contains(&bytes) {
            Ok(Self(bytes as u64))
        } else {
            Err("megabytes must be more than none")
        }
    }
}

impl PeerConfig {
    /// Returns how long to wait between two meetings, where the two do not stay in touch.
    pub fn every(&self) -> Duration {
        let usual = if self.megabytes_per_day.is_some() { METERED_EVERY } else { BUCKET_EVERY };
        self.every_seconds.map_or(usual, |seconds| Duration::from_secs(seconds.get()))
    }
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

    /// Says whether to look for others on the local network, and to be found there.
    pub fn looks_around(&self) -> bool {
        self.discovery.unwrap_or(true) && !self.listen.ip().is_loopback()
    }

    /// Returns the parts of each area to hold; none when it is all that the certificate allows.
    pub fn holds(&self) -> Option<BTreeMap<Area, BTreeSet<Part>>> {
        if self.areas.is_none() && self.subscription.is_empty() {
            return None;
        }
        let whole = self.areas.iter().flatten().map(|area| (area, Part::ALL.into()));
        let in_part = self.subscription.iter().flat_map(|subscription| {
            subscription.areas.iter().map(|area| (area, subscription.parts.clone()))
        });
        let mut holds: BTreeMap<Area, BTreeSet<Part>> = BTreeMap::new();
        for (area, parts) in whole.chain(in_part) {
            holds.entry(area.clone()).or_default().extend(parts);
        }
        Some(holds)
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
    fn others_are_looked_for_where_there_is_a_network_unless_it_is_switched_off() {
        let looks = |listen: &str, more: &str| {
            read(&format!("store = 'data'\nlisten = '{listen}:0'\n{more}")).unwrap().looks_around()
        };
        assert!(looks("0.0.0.0", "") && looks("[::]", "") && looks("192.0.2.7", "discovery = true"));
        assert!(!looks("0.0.0.0", "discovery = false") && !looks("127.0.0.1", "") && !looks("[::1]", ""));
    }

    #[test]
    fn areas_are_held_whole_or_in_parts() {
        let begin = "store = 'data'\nlisten = '127.0.0.1:0'\n";
        let table = "[[subscription]]\nareas = ['shared/a', 'shared/b']\nparts = ['card']\n";
        let area = |name: &str| Area::new(name).unwrap();
        assert_eq!(read(begin).unwrap().holds(), None);
        let both = read(&format!("{begin}areas = ['shared/a']\n{table}")).unwrap().holds().unwrap();
        assert_eq!(both[&area("shared/a")], BTreeSet::from(Part::ALL));
        assert_eq!(both[&area("shared/b")], BTreeSet::from([Part::Card]));
        let parts_alone = read(&format!("{begin}{table}")).unwrap().holds().unwrap();
        assert_eq!(parts_alone.values().map(BTreeSet::len).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn an_unknown_part_is_named_with_its_line_and_those_that_there_are() {
        let text = "store = 'data'\nlisten = '127.0.0.1:0'\n[[subscription]]\nareas = ['shared/a']\nparts = ['cards']\n";
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("cards") && error.contains("line 5") && error.contains("`card`"), "{error}");
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
