//! The realm folder: the region operator's offline secrets, from which sites and devices are certified.
//!
//! `realm.toml` holds the root seed, the sites' seeds and the read keys; it is written with mode 0600, belongs on
//! a machine without a network, and is never needed to run a replica or to restore one. For every site a
//! `recovery-NAME.toml` is written once: the only thing besides the bucket that a restore needs. It belongs on
//! paper or on a stick in the site's safe.

use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::enrol::{AreasError, Enrolment, NewDevice, Readers, Realm, RecoveryKit, Site};
use crate::base::id::{hex, unhex};
use crate::base::{Area, Part, RealmId, SiteId, WallMs, cbor};
use crate::identity::{CertificateError, Certificates, ControlItem, SecretSeed};
use crate::replica::files::{FileError, read_toml, write_secret};

const REALM_FILE: &str = "realm.toml";

/// Why a realm folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RealmError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A realm is there already.
    #[error("{0} exists already: a realm is created once; use `musubi realm enrol` to add sites and devices")]
    Exists(PathBuf),
    /// A value in a file has the wrong form.
    #[error("{path}: {what}")]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong with which value.
        what: String,
    },
    /// A certificate in the folder does not verify.
    #[error("the realm folder's certificates: {0}")]
    Certificate(#[from] CertificateError),
    /// The site was enrolled with other areas.
    #[error(transparent)]
    Areas(#[from] AreasError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RealmFile {
    version: u32,
    name: String,
    genesis: String,
    root_seed: String,
    #[serde(default)]
    sites: Vec<SiteEntry>,
    #[serde(default)]
    read_keys: Vec<ReadKeyEntry>,
    #[serde(default)]
    items: Vec<String>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SiteEntry {
    name: String,
    seed: String,
    areas: Vec<Area>,
}

#[derive(Serialize, Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReadKeyEntry {
    area: Area,
    part: Part,
    key: String,
    audience_seed: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RecoveryFile {
    version: u32,
    realm_name: String,
    site_name: String,
    site: SiteId,
    genesis: String,
    recovery_seed: String,
}

/// A device that was certified, and where its site's recovery kit was written.
#[derive(Debug, Clone)]
pub struct CertifiedDevice {
    /// The device.
    pub device: NewDevice,
    /// The site's recovery kit, when the site is new.
    pub recovery: Option<PathBuf>,
}

/// An opened realm folder.
pub struct RealmFolder {
    path: PathBuf,
    realm: Realm,
}

impl RealmFolder {
    /// Creates a realm in a new or empty folder.
    ///
    /// # Errors
    /// [`RealmError`] when a realm is there, or the folder cannot be written.
    pub fn create(
        path: &Path,
        name: &str,
        now: WallMs,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, RealmError> {
        let file = path.join(REALM_FILE);
        if file.exists() {
            return Err(RealmError::Exists(file));
        }
        let folder = Self { path: path.to_owned(), realm: Realm::create(name, now, rng) };
        folder.save()?;
        Ok(folder)
    }

    /// Opens an existing realm folder.
    ///
    /// # Errors
    /// [`RealmError`] naming the file and the value that is wrong.
    pub fn open(path: &Path) -> Result<Self, RealmError> {
        let place = path.join(REALM_FILE);
        let file: RealmFile = read_toml(&place)?;
        let wrong = |what: String| RealmError::Value { path: place.clone(), what };
        if file.version != 1 {
            return Err(wrong(format!("version {} is newer than this program", file.version)));
        }
        let genesis = bytes(&file.genesis).ok_or_else(|| wrong("genesis is not hexadecimal".into()))?;
        let secret = |what: &str, text: &str| {
            seed(text).ok_or_else(|| wrong(format!("{what} is not 64 hexadecimal digits")))
        };
        let root = secret("root-seed", &file.root_seed)?;
        let items = file
            .items
            .iter()
            .map(|item| bytes(item).and_then(|item| minicbor::decode(&item).ok()))
            .collect::<Option<Vec<ControlItem>>>()
            .ok_or_else(|| wrong("items holds a value that is not a control item".into()))?;
        let mut realm = Realm::restore(file.name, root, genesis, items)?;
        for site in file.sites {
            let seed = secret(&format!("the seed of site '{}'", site.name), &site.seed)?;
            realm.sites.insert(site.name, Site { seed, areas: site.areas });
        }
        for entry in file.read_keys {
            let what = format!("a key of {} {}", entry.area, entry.part);
            let (audience, key) = (secret(&what, &entry.audience_seed)?, secret(&what, &entry.key)?);
            realm.readers.insert((entry.area, entry.part), Readers { audience, key });
        }
        Ok(Self { path: path.to_owned(), realm })
    }

    /// Returns the realm's id.
    pub fn realm(&self) -> RealmId {
        self.realm.id()
    }

    /// Returns the realm's name.
    pub fn name(&self) -> &str {
        self.realm.name()
    }

    /// Certifies a new device, and its site when that is new; everything is saved before it returns.
    ///
    /// # Errors
    /// [`RealmError`] when a known site lacks an area, or the folder cannot be written.
    pub fn enrol(
        &mut self,
        wanted: &Enrolment,
        now: WallMs,
        rng: &mut impl CryptoRng,
    ) -> Result<CertifiedDevice, RealmError> {
        let (device, kit) = self.realm.enrol(wanted, now, rng)?;
        let recovery = kit.map(|kit| self.write_recovery_kit(&kit)).transpose()?;
        self.save()?;
        Ok(CertifiedDevice { device, recovery })
    }

    fn write_recovery_kit(&self, kit: &RecoveryKit) -> Result<PathBuf, RealmError> {
        let path = self.path.join(format!("recovery-{}.toml", kit.site.short()));
        let file = RecoveryFile {
            version: 1,
            realm_name: self.name().to_owned(),
            site_name: kit.site_name.clone(),
            site: kit.site,
            genesis: hex(&kit.genesis),
            recovery_seed: hex(kit.seed.expose()),
        };
        let text = toml::to_string(&file).expect("a recovery kit is plain strings");
        write_secret(&path, text.as_bytes())?;
        Ok(path)
    }

    fn save(&self) -> Result<(), RealmError> {
        let realm = &self.realm;
        let site = |(name, site): (&String, &Site)| SiteEntry {
            name: name.clone(),
            seed: hex(site.seed.expose()),
            areas: site.areas.clone(),
        };
        let read_key = |((area, part), readers): (&(Area, Part), &Readers)| ReadKeyEntry {
            area: area.clone(),
            part: *part,
            key: hex(readers.key.expose()),
            audience_seed: hex(readers.audience.expose()),
        };
        let file = RealmFile {
            version: 1,
            name: realm.name().to_owned(),
            genesis: hex(realm.genesis()),
            root_seed: hex(realm.root.expose()),
            sites: realm.sites.iter().map(site).collect(),
            read_keys: realm.readers.iter().map(read_key).collect(),
            items: realm.items().iter().map(|item| hex(&cbor::to_vec(item))).collect(),
        };
        let text = toml::to_string(&file).expect("a realm file is plain strings");
        Ok(write_secret(&self.path.join(REALM_FILE), text.as_bytes())?)
    }
}

impl RecoveryKit {
    /// Reads a recovery kit.
    ///
    /// # Errors
    /// [`RealmError`] naming the file and the value that is wrong.
    pub fn read(path: &Path) -> Result<Self, RealmError> {
        let file: RecoveryFile = read_toml(path)?;
        let wrong = |what: &str| RealmError::Value { path: path.to_owned(), what: what.to_owned() };
        let genesis = bytes(&file.genesis).ok_or_else(|| wrong("genesis is not hexadecimal"))?;
        Certificates::new(&genesis).map_err(|error| wrong(&format!("genesis: {error}")))?;
        Ok(Self {
            genesis,
            site: file.site,
            site_name: file.site_name,
            seed: seed(&file.recovery_seed)
                .ok_or_else(|| wrong("recovery-seed is not 64 hexadecimal digits"))?,
        })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

fn seed(text: &str) -> Option<SecretSeed> {
    unhex(text).ok().map(SecretSeed::from_bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::identity::control::ControlBody;
    use crate::identity::{DeviceRole, Keyring, Roster, SiteKind};

    fn wanted(site: &str, device: &str, areas: &[&str]) -> Enrolment {
        Enrolment {
            site: site.into(),
            kind: SiteKind::Hospital,
            device: device.into(),
            role: DeviceRole::Hospital,
            areas: areas.iter().map(|area| Area::new(area).unwrap()).collect::<BTreeSet<_>>(),
        }
    }

    #[test]
    fn a_realm_goes_on_from_its_files_as_it_would_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("realm 三浦");
        let (mut rng, mut other) = (ChaCha20Rng::from_seed([1; 32]), ChaCha20Rng::from_seed([1; 32]));
        RealmFolder::create(&path, "三浦", WallMs(1), &mut rng).unwrap();
        assert!(RealmFolder::create(&path, "三浦", WallMs(1), &mut other.clone()).is_err());
        let mut memory = Realm::create("三浦", WallMs(1), &mut other);
        for (site, device) in [("北", "n1"), ("南", "s1"), ("北", "n2")] {
            let wanted = wanted(site, device, &["shared/m"]);
            // Opened anew for every device.
            let mut folder = RealmFolder::open(&path).unwrap();
            let enrolled = folder.enrol(&wanted, WallMs(2), &mut rng).unwrap();
            let (expected, kit) = memory.enrol(&wanted, WallMs(2), &mut other).unwrap();
            assert_eq!(
                (&enrolled.device.items, enrolled.device.certificate),
                (&expected.items, expected.certificate)
            );
            let read = enrolled.recovery.map(|path| RecoveryKit::read(&path).unwrap());
            assert_eq!(read.map(|kit| (kit.site, kit.seed)), kit.map(|kit| (kit.site, kit.seed)));
        }
        assert_eq!(RealmFolder::open(&path).unwrap().realm(), memory.id());
        let error =
            RealmFolder::open(&path).unwrap().enrol(&wanted("北", "n3", &["private/n"]), WallMs(2), &mut rng);
        assert!(matches!(error, Err(RealmError::Areas(_))));
    }

    #[test]
    fn a_recovery_kit_opens_its_site_with_what_the_device_knows() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut folder = RealmFolder::create(dir.path(), "三浦", WallMs(1), &mut rng).unwrap();
        let north = folder.enrol(&wanted("北", "n1", &["shared/m"]), WallMs(2), &mut rng).unwrap();
        let mut roster = Roster::new(Certificates::new(&north.device.genesis).unwrap());
        roster.fold(&ControlBody::new(north.device.items));
        let kit = RecoveryKit::read(&north.recovery.unwrap()).unwrap();
        assert!(Keyring::open(kit.seed.kex(), &roster.wraps).site_seed(&kit.site).is_some());
    }

    #[test]
    fn a_damaged_realm_file_names_itself() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("realm.toml"), "version = 1\nnamex = 2\n").unwrap();
        let error = RealmFolder::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("realm.toml") && error.contains("namex"), "{error}");
    }
}
