//! A small realm for tests: root, sites and devices from fixed seeds.

use std::collections::BTreeSet;

use super::{
    Certificate, DeviceCertificate, DeviceRole, Genesis, RootRotation, SecretSeed, SiteCertificate, SiteKind,
};
use crate::base::{Area, Digest, Part, RealmId, WallMs, hash_tagged};

/// A realm with its root key.
pub struct Realm {
    /// The root seed.
    pub root: SecretSeed,
    /// The genesis in its signed form.
    pub genesis: Vec<u8>,
    /// The realm's id.
    pub id: RealmId,
}

/// A certificate with the seed of its subject.
pub struct Issued {
    /// The subject's seed.
    pub seed: SecretSeed,
    /// The signed form.
    pub signed: Vec<u8>,
    /// Its hash.
    pub hash: Digest,
}

/// Names an area.
pub fn area(name: &str) -> Area {
    Area::new(name).unwrap()
}

/// Derives a fixed seed from a name.
pub fn seed(name: &str) -> SecretSeed {
    SecretSeed::from_bytes(hash_tagged("fixture", &[name.as_bytes()]).0)
}

fn areas(names: &[&str]) -> BTreeSet<Area> {
    names.iter().map(|name| area(name)).collect()
}

impl Default for Realm {
    fn default() -> Self {
        Self::with_seed(1)
    }
}

impl Realm {
    /// Makes the usual realm.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes another realm.
    pub fn with_seed(number: u8) -> Self {
        let root = SecretSeed::from_bytes([number; 32]);
        let body = Genesis { name: "三浦".into(), root: root.public(), created: WallMs(1_000) };
        let genesis = Certificate::Genesis(body).sign(&root);
        let id = RealmId(Certificate::hash(&genesis).0);
        Self { root, genesis, id }
    }

    /// Rotates the root: the rotation's signed form, and the realm with its next key.
    pub fn rotate(&self) -> (Vec<u8>, Realm) {
        let next = seed("next root");
        let body = RootRotation { realm: self.id, previous: self.root.public(), next: next.public() };
        let signed = Certificate::Rotation(body).sign(&self.root);
        (signed, Realm { root: next, genesis: self.genesis.clone(), id: self.id })
    }

    /// Certifies a site.
    pub fn site(&self, name: &str, areas_held: &[&str]) -> Issued {
        let seed = seed(name);
        let body = SiteCertificate {
            realm: self.id,
            key: seed.public(),
            kex: seed.kex().public(),
            recovery: self::seed(&format!("{name} recovery")).kex().public(),
            name: name.into(),
            kind: SiteKind::Hospital,
            areas: areas(areas_held),
            not_before: WallMs(0),
            not_after: WallMs(2_000_000_000_000),
        };
        let signed = Certificate::Site(body).sign(&self.root);
        Issued { hash: Certificate::hash(&signed), seed, signed }
    }

    /// Certifies a device of a site for all parts.
    pub fn device(&self, site: &Issued, name: &str, areas_held: &[&str]) -> Issued {
        self.device_until(site, name, areas_held, WallMs(2_000_000_000_000))
    }

    /// Certifies a device until a time: another time is a renewal.
    pub fn device_until(&self, site: &Issued, name: &str, areas_held: &[&str], until: WallMs) -> Issued {
        let seed = seed(name);
        let body = DeviceCertificate {
            realm: self.id,
            site: crate::base::SiteId::of_key(&site.seed.public()),
            device: seed.device_id(),
            kex: seed.kex().public(),
            name: name.into(),
            role: DeviceRole::Hospital,
            areas: areas(areas_held),
            parts: Part::ALL.into_iter().collect(),
            not_before: WallMs(0),
            not_after: until,
        };
        let signed = Certificate::Device(body).sign(&site.seed);
        Issued { hash: Certificate::hash(&signed), seed, signed }
    }
}
