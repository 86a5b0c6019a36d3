//! The realm folder: the region operator's offline secrets, from which sites and devices are certified.
//!
//! `realm.toml` holds the root seed, the sites' seeds and the read keys; it is written with mode 0600, belongs on
//! a machine without a network, and is never needed to run a replica or to restore one. For every site a
//! `recovery-NAME.toml` is written once: the only thing besides the bucket that a restore needs. It belongs on
//! paper or on a stick in the site's safe.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::files::{FileError, read_toml, write_secret};
use crate::base::id::{hex, unhex};
use crate::base::{Area, Digest, Part, RealmId, SiteId, WallMs};
use crate::identity::wrap::read_key_id;
use crate::identity::{
    Certificate, CertificateError, Certificates, ControlItem, DeviceCertificate, DeviceRole, Genesis,
    KeyWrap, SecretName, SecretSeed, SiteCertificate, SiteKind,
};

const REALM_FILE: &str = "realm.toml";
/// A device certificate is valid for two years; later it is served and flagged.
const DEVICE_VALID_MS: u64 = 2 * 365 * 24 * 3_600_000;
/// A site certificate is valid for ten years.
const SITE_VALID_MS: u64 = 10 * 365 * 24 * 3_600_000;

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
    #[error(
        "site '{site}' is enrolled without the areas {missing}; give the site these areas by a new site name, \
             or leave them out"
    )]
    Areas {
        /// The site.
        site: String,
        /// The areas that it lacks.
        missing: String,
    },
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

/// What a recovery kit holds.
#[derive(Debug, Clone)]
pub struct RecoveryKit {
    /// The realm's genesis in its signed form.
    pub genesis: Vec<u8>,
    /// The site that it recovers.
    pub site: SiteId,
    /// The site's name.
    pub site_name: String,
    /// The recovery secret.
    pub seed: SecretSeed,
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

/// What to enrol.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The site's name; a new name makes a new site.
    pub site: String,
    /// What a new site is.
    pub kind: SiteKind,
    /// The device's name.
    pub device: String,
    /// What the device does.
    pub role: DeviceRole,
    /// The areas that the device may hold and write, beside `common`.
    pub areas: BTreeSet<Area>,
}

/// A device that was certified, with all that its new store needs to begin with.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// The device's secret; it must live in exactly one store.
    pub seed: SecretSeed,
    /// The realm's genesis in its signed form.
    pub genesis: Vec<u8>,
    /// The hash of the device's certificate.
    pub certificate: Digest,
    /// The control items with which the device opens its control lane.
    pub items: Vec<ControlItem>,
    /// The site's recovery kit, when the site is new.
    pub recovery: Option<PathBuf>,
}

/// An opened realm folder.
pub struct RealmFolder {
    path: PathBuf,
    file: RealmFile,
    root: SecretSeed,
    genesis: Vec<u8>,
    items: Vec<ControlItem>,
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
        let root = SecretSeed::generate(rng);
        let body = Genesis { name: name.to_owned(), root: root.public(), created: now };
        let genesis = Certificate::Genesis(body).sign(&root);
        let file = RealmFile {
            version: 1,
            name: name.to_owned(),
            genesis: hex(&genesis),
            root_seed: hex(root.expose()),
            sites: Vec::new(),
            read_keys: Vec::new(),
            items: Vec::new(),
        };
        let folder = Self { path: path.to_owned(), file, root, genesis, items: Vec::new() };
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
        let root =
            seed(&file.root_seed).ok_or_else(|| wrong("root-seed is not 64 hexadecimal digits".into()))?;
        let items = file
            .items
            .iter()
            .map(|item| bytes(item).and_then(|item| minicbor::decode(&item).ok()))
            .collect::<Option<Vec<ControlItem>>>()
            .ok_or_else(|| wrong("items holds a value that is not a control item".into()))?;
        Certificates::new(&genesis)?;
        Ok(Self { path: path.to_owned(), file, root, genesis, items })
    }

    /// Returns the realm's id.
    pub fn realm(&self) -> RealmId {
        RealmId(Certificate::hash(&self.genesis).0)
    }

    /// Returns the realm's name.
    pub fn name(&self) -> &str {
        &self.file.name
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
    ) -> Result<NewDevice, RealmError> {
        let known = self.file.sites.iter().find(|site| site.name == wanted.site).cloned();
        let (site, recovery) = match known {
            Some(site) => (site, None),
            None => {
                let (site, kit) = self.add_site(wanted, now, rng)?;
                (site, Some(kit))
            }
        };
        let missing: Vec<_> =
            wanted.areas.iter().filter(|area| !site.areas.contains(area)).map(Area::as_str).collect();
        if !missing.is_empty() {
            return Err(RealmError::Areas { site: site.name, missing: missing.join(", ") });
        }
        let site_seed = seed(&site.seed).ok_or_else(|| RealmError::Value {
            path: self.path.join(REALM_FILE),
            what: format!("the seed of site '{}' is not 64 hexadecimal digits", site.name),
        })?;
        let device = SecretSeed::generate(rng);
        let site_id = SiteId::of_key(&site_seed.public());
        let signed =
            certify(self.realm(), &site_seed, &device, &wanted.device, wanted.role, &wanted.areas, now);
        let certificate = Certificate::hash(&signed);
        let device_kex = device.kex().public();
        let site_kex = SecretName::SiteKex { site: site_id };
        self.items.push(ControlItem::Certificate(signed));
        self.items.push(ControlItem::Wrap(KeyWrap::seal(
            site_kex,
            site_seed.kex().expose(),
            &device_kex,
            rng,
        )));
        self.save()?;
        Ok(NewDevice {
            seed: device,
            genesis: self.genesis.clone(),
            certificate,
            items: self.items.clone(),
            recovery,
        })
    }

    fn add_site(
        &mut self,
        wanted: &Enrolment,
        now: WallMs,
        rng: &mut impl CryptoRng,
    ) -> Result<(SiteEntry, PathBuf), RealmError> {
        let (site, recovery) = (SecretSeed::generate(rng), SecretSeed::generate(rng));
        let body = SiteCertificate {
            realm: self.realm(),
            key: site.public(),
            kex: site.kex().public(),
            recovery: recovery.kex().public(),
            name: wanted.site.clone(),
            kind: wanted.kind,
            areas: wanted.areas.clone(),
            not_before: now,
            not_after: WallMs(now.0 + SITE_VALID_MS),
        };
        let id = body.site();
        self.items.push(ControlItem::Certificate(Certificate::Site(body).sign(&self.root)));
        for name in [
            (SecretName::SiteKex { site: id }, site.kex().expose()),
            (SecretName::SiteSigning { site: id }, site.expose()),
        ] {
            self.items.push(ControlItem::Wrap(KeyWrap::seal(name.0, name.1, &recovery.kex().public(), rng)));
        }
        for area in wanted.areas.iter().cloned().chain([Area::common()]) {
            for part in Part::ALL {
                self.add_reader(&area, part, &site, rng);
            }
        }
        let kit = self.write_recovery_kit(&wanted.site, id, &recovery)?;
        let entry = SiteEntry {
            name: wanted.site.clone(),
            seed: hex(site.expose()),
            areas: wanted.areas.iter().cloned().collect(),
        };
        self.file.sites.push(entry.clone());
        Ok((entry, kit))
    }

    /// Lets a site read an area and part: the audience's secret is wrapped to the site. The first reader of an
    /// area and part makes its audience and its read key.
    fn add_reader(&mut self, area: &Area, part: Part, site: &SecretSeed, rng: &mut impl CryptoRng) {
        let known = self.file.read_keys.iter().find(|key| key.area == *area && key.part == part);
        let audience = match known.and_then(|key| seed(&key.audience_seed)) {
            Some(audience) => audience,
            None => {
                let (audience, key) = (SecretSeed::generate(rng), SecretSeed::generate(rng));
                let id = read_key_id(key.expose());
                let name = SecretName::ReadKey { area: area.clone(), part, id };
                let wrap = KeyWrap::seal(name, key.expose(), &audience.kex().public(), rng);
                self.items.push(ControlItem::Wrap(wrap));
                self.file.read_keys.push(ReadKeyEntry {
                    area: area.clone(),
                    part,
                    key: hex(key.expose()),
                    audience_seed: hex(audience.expose()),
                });
                audience
            }
        };
        let name = SecretName::Audience { public: audience.kex().public() };
        let wrap = KeyWrap::seal(name, audience.kex().expose(), &site.kex().public(), rng);
        self.items.push(ControlItem::Wrap(wrap));
    }

    fn write_recovery_kit(&self, name: &str, site: SiteId, seed: &SecretSeed) -> Result<PathBuf, RealmError> {
        let path = self.path.join(format!("recovery-{}.toml", site.short()));
        let file = RecoveryFile {
            version: 1,
            realm_name: self.file.name.clone(),
            site_name: name.to_owned(),
            site,
            genesis: hex(&self.genesis),
            recovery_seed: hex(seed.expose()),
        };
        let text = toml::to_string(&file).expect("a recovery kit is plain strings");
        write_secret(&path, text.as_bytes())?;
        Ok(path)
    }

    fn save(&self) -> Result<(), RealmError> {
        let mut file = RealmFile {
            items: self.items.iter().map(|item| hex(&crate::base::cbor::to_vec(item))).collect(),
            version: 1,
            name: self.file.name.clone(),
            genesis: self.file.genesis.clone(),
            root_seed: self.file.root_seed.clone(),
            sites: self.file.sites.clone(),
            read_keys: self.file.read_keys.clone(),
        };
        file.sites.sort_by(|a, b| a.name.cmp(&b.name));
        let text = toml::to_string(&file).expect("a realm file is plain strings");
        Ok(write_secret(&self.path.join(REALM_FILE), text.as_bytes())?)
    }
}

/// Certifies a device with its site's seed: at enrolment, and again when a lost site is restored.
pub fn certify(
    realm: RealmId,
    site: &SecretSeed,
    device: &SecretSeed,
    name: &str,
    role: DeviceRole,
    areas: &BTreeSet<Area>,
    now: WallMs,
) -> Vec<u8> {
    let body = DeviceCertificate {
        realm,
        site: SiteId::of_key(&site.public()),
        device: device.device_id(),
        kex: device.kex().public(),
        name: name.to_owned(),
        role,
        areas: areas.clone(),
        parts: Part::ALL.into_iter().collect(),
        not_before: now,
        not_after: WallMs(now.0 + DEVICE_VALID_MS),
    };
    Certificate::Device(body).sign(site)
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
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::identity::control::ControlBody;
    use crate::identity::{Keyring, Roster};

    fn wanted(site: &str, device: &str, areas: &[&str]) -> Enrolment {
        Enrolment {
            site: site.into(),
            kind: SiteKind::Hospital,
            device: device.into(),
            role: DeviceRole::Hospital,
            areas: areas.iter().map(|area| Area::new(area).unwrap()).collect(),
        }
    }

    #[test]
    fn two_sites_share_the_read_keys_of_the_shared_area_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let path = dir.path().join("realm 三浦");
        RealmFolder::create(&path, "三浦", WallMs(1), &mut rng).unwrap();
        let mut realm = RealmFolder::open(&path).unwrap();
        let north =
            realm.enrol(&wanted("北", "n1", &["shared/m", "private/n"]), WallMs(2), &mut rng).unwrap();
        let south =
            realm.enrol(&wanted("南", "s1", &["shared/m", "private/s"]), WallMs(3), &mut rng).unwrap();
        assert!(RealmFolder::create(&path, "三浦", WallMs(1), &mut rng).is_err());

        let mut roster = Roster::new(Certificates::new(&south.genesis).unwrap());
        roster.fold(&ControlBody::new(south.items));
        assert!(roster.certificates.device(&north.certificate).is_some());
        let (north_ring, south_ring) =
            (Keyring::open(north.seed.kex(), &roster.wraps), Keyring::open(south.seed.kex(), &roster.wraps));
        let area = |name: &str| Area::new(name).unwrap();
        for part in Part::ALL {
            let shared = area("shared/m");
            assert_eq!(north_ring.seal_key(&shared, part), south_ring.seal_key(&shared, part));
            assert!(north_ring.seal_key(&shared, part).is_some());
            assert!(south_ring.seal_key(&area("private/n"), part).is_none());
        }
        let kit = RecoveryKit::read(&north.recovery.unwrap()).unwrap();
        let recovered = Keyring::open(kit.seed.kex(), &roster.wraps);
        assert!(recovered.site_seed(&kit.site).is_some());
        assert!(recovered.seal_key(&area("private/n"), Part::Card).is_some());
    }

    #[test]
    fn a_damaged_realm_file_names_itself() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("realm.toml"), "version = 1\nnamex = 2\n").unwrap();
        let error = RealmFolder::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("realm.toml") && error.contains("namex"), "{error}");
    }
}
