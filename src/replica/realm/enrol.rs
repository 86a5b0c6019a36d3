//! Enrolment: sites and devices are certified, and are given the keys of what they may read.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use crate::base::{Area, Digest, Part, RealmId, SiteId, WallMs};
use crate::identity::wrap::read_key_id;
use crate::identity::{
    Certificate, CertificateError, Certificates, ControlItem, DeviceCertificate, DeviceRole, Genesis,
    KexPublic, KeyWrap, SecretName, SecretSeed, SiteCertificate, SiteKind,
};

/// A device certificate is valid for two years; later it is served and flagged.
const DEVICE_VALID_MS: u64 = 2 * 365 * 24 * 3_600_000;
/// A site certificate is valid for ten years.
const SITE_VALID_MS: u64 = 10 * 365 * 24 * 3_600_000;

/// A site that was enrolled before, without an area that is asked for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "site '{site}' is enrolled without the areas {missing}; give the site these areas by a new site name, \
     or leave them out"
)]
pub struct AreasError {
    /// The site.
    pub site: String,
    /// The areas that it lacks, with commas between.
    pub missing: String,
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
    /// The control items with which the device opens its control lane: certificates up to its own, and the wraps that
    /// open what its site may read (and, for the recovery kit, the site's secrets).
    pub items: Vec<ControlItem>,
}

/// What a realm keeps of a site.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) seed: SecretSeed,
    pub(super) areas: Vec<Area>,
}

/// What a realm keeps of the readers of an area and part.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    /// The secret of all who may read.
    pub(super) audience: SecretSeed,
    /// The read key.
    pub(super) key: SecretSeed,
}

/// A realm: its secrets, and everything that was certified and wrapped in it.
#[derive(Debug, Clone)]
pub struct Realm {
    pub(super) name: String,
    pub(super) root: SecretSeed,
    pub(super) genesis: Vec<u8>,
    pub(super) sites: BTreeMap<String, Site>,
    pub(super) readers: BTreeMap<(Area, Part), Readers>,
    items: Vec<ControlItem>,
    /// Where among the items those stand that every device needs.
    of_all: Vec<usize>,
    /// Where those of a site stand: its certificates, what its recovery key opens, its audiences.
    of_site: BTreeMap<SiteId, Vec<usize>>,
    /// Where the read keys stand.
    of_readers: BTreeMap<(Area, Part), Vec<usize>>,
    /// Sites by the keys to which secrets are wrapped for them: their own, and their recovery kits'.
    by_recipient: BTreeMap<KexPublic, SiteId>,
}

impl Realm {
    /// Makes a realm with a new root key and no sites.
    pub fn create(name: &str, now: WallMs, rng: &mut impl CryptoRng) -> Self {
        let root = SecretSeed::generate(rng);
        let body = Genesis { name: name.to_owned(), root: root.public(), created: now };
        let genesis = Certificate::Genesis(body).sign(&root);
        Self::empty(name.to_owned(), root, genesis)
    }

    /// Puts a realm together from what was kept of it.
    ///
    /// # Errors
    /// [`CertificateError`] when the genesis is none.
    pub(super) fn restore(
        name: String,
        root: SecretSeed,
        genesis: Vec<u8>,
        items: Vec<ControlItem>,
    ) -> Result<Self, CertificateError> {
        Certificates::new(&genesis)?;
        let mut realm = Self::empty(name, root, genesis);
        items.into_iter().for_each(|item| realm.keep(item));
        Ok(realm)
    }

    /// Returns the realm's id.
    pub fn id(&self) -> RealmId {
        RealmId(Certificate::hash(&self.genesis).0)
    }

    /// Returns the realm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the realm's genesis in its signed form.
    pub fn genesis(&self) -> &[u8] {
        &self.genesis
    }

    /// Returns every certificate and wrap that was made, in order.
    pub fn items(&self) -> &[ControlItem] {
        &self.items
    }

    /// Certifies a new device, and its site when that is new: then its recovery kit is returned too.
    ///
    /// # Errors
    /// [`AreasError`] when a known site lacks an area; then nothing has changed.
    pub fn enrol(
        &mut self,
        wanted: &Enrolment,
        now: WallMs,
        rng: &mut impl CryptoRng,
    ) -> Result<(NewDevice, Option<RecoveryKit>), AreasError> {
        let (site, recovery) = match self.sites.get(&wanted.site) {
            Some(site) => (site.clone(), None),
            None => {
                let (site, kit) = self.add_site(wanted, now, rng);
                (site, Some(kit))
            }
        };
        let missing: Vec<_> =
            wanted.areas.iter().filter(|area| !site.areas.contains(area)).map(Area::as_str).collect();
        if !missing.is_empty() {
            return Err(AreasError { site: wanted.site.clone(), missing: missing.join(", ") });
        }
        let device = SecretSeed::generate(rng);
        let site_id = SiteId::of_key(&site.seed.public());
        let signed = certify(self.id(), &site.seed, &device, &wanted.device, wanted.role, &wanted.areas, now);
        let certificate = Certificate::hash(&signed);
        let name = SecretName::SiteKex { site: site_id };
        let wrap = KeyWrap::seal(name, site.seed.kex().expose(), &device.kex().public(), rng);
        let own = [ControlItem::Certificate(signed), ControlItem::Wrap(wrap)];
        let mut items = self.items_for(site_id, &site.areas);
        items.extend(own.iter().cloned());
        own.into_iter().for_each(|item| self.keep(item));
        Ok((NewDevice { seed: device, genesis: self.genesis.clone(), certificate, items }, recovery))
    }

    fn empty(name: String, root: SecretSeed, genesis: Vec<u8>) -> Self {
        Self {
            name,
            root,
            genesis,
            sites: BTreeMap::new(),
            readers: BTreeMap::new(),
            items: Vec::new(),
            of_all: Vec::new(),
            of_site: BTreeMap::new(),
            of_readers: BTreeMap::new(),
            by_recipient: BTreeMap::new(),
        }
    }

    fn add_site(&mut self, wanted: &Enrolment, now: WallMs, rng: &mut impl CryptoRng) -> (Site, RecoveryKit) {
        let (seed, recovery) = (SecretSeed::generate(rng), SecretSeed::generate(rng));
        let (kex, recovery_kex) = (seed.kex(), recovery.kex().public());
        let body = SiteCertificate {
            realm: self.id(),
            key: seed.public(),
            kex: kex.public(),
            recovery: recovery_kex,
            name: wanted.site.clone(),
            kind: wanted.kind,
            areas: wanted.areas.clone(),
            not_before: now,
            not_after: WallMs(now.0 + SITE_VALID_MS),
        };
        let id = body.site();
        self.keep(ControlItem::Certificate(Certificate::Site(body).sign(&self.root)));
        for (name, secret) in [
            (SecretName::SiteKex { site: id }, kex.expose()),
            (SecretName::SiteSigning { site: id }, seed.expose()),
        ] {
            self.keep(ControlItem::Wrap(KeyWrap::seal(name, secret, &recovery_kex, rng)));
        }
        for area in wanted.areas.iter().cloned().chain([Area::common()]) {
            for part in Part::ALL {
                self.add_reader(&area, part, &kex.public(), rng);
            }
        }
        let site = Site { seed, areas: wanted.areas.iter().cloned().collect() };
        self.sites.insert(wanted.site.clone(), site.clone());
        let (genesis, site_name) = (self.genesis.clone(), wanted.site.clone());
        (site, RecoveryKit { genesis, site: id, site_name, seed: recovery })
    }

    /// Lets a site read an area and part: the audience's secret is wrapped to the site. The first reader of an
    /// area and part makes its audience and its read key.
    fn add_reader(&mut self, area: &Area, part: Part, site: &KexPublic, rng: &mut impl CryptoRng) {
        let place = (area.clone(), part);
        let audience = match self.readers.get(&place) {
            Some(readers) => readers.audience.kex(),
            None => {
                let (audience, key) = (SecretSeed::generate(rng), SecretSeed::generate(rng));
                let kex = audience.kex();
                let id = read_key_id(key.expose());
                let name = SecretName::ReadKey { area: area.clone(), part, id };
                self.keep(ControlItem::Wrap(KeyWrap::seal(name, key.expose(), &kex.public(), rng)));
                self.readers.insert(place, Readers { audience, key });
                kex
            }
        };
        let name = SecretName::Audience { public: audience.public() };
        self.keep(ControlItem::Wrap(KeyWrap::seal(name, audience.expose(), site, rng)));
    }

    /// What a device of a site needs to know and to open: issuers first.
    fn items_for(&self, site: SiteId, areas: &[Area]) -> Vec<ControlItem> {
        let of_site = self.of_site.get(&site).into_iter().flatten();
        let areas = areas.iter().cloned().chain([Area::common()]);
        let read = areas.flat_map(|area| Part::ALL.map(|part| (area.clone(), part)));
        let read = read.filter_map(|place| self.of_readers.get(&place)).flatten();
        let places = self.of_all.iter().chain(of_site).chain(read);
        places.map(|place| self.items[*place].clone()).collect()
    }

    /// Keeps an item, and notes who needs it. A device's own certificate and wrap are needed by nobody else.
    fn keep(&mut self, item: ControlItem) {
        let place = self.items.len();
        match &item {
            ControlItem::Certificate(signed) => {
                match Certificate::read(signed).map(|read| read.certificate) {
                    Ok(Certificate::Site(site)) => {
                        self.by_recipient.insert(site.kex, site.site());
                        self.by_recipient.insert(site.recovery, site.site());
                        self.of_site.entry(site.site()).or_default().push(place);
                    }
                    Ok(Certificate::Rotation(_)) => self.of_all.push(place),
                    Ok(Certificate::Genesis(_) | Certificate::Device(_)) | Err(_) => {}
                }
            }
            ControlItem::Wrap(wrap) => match &wrap.name {
                SecretName::ReadKey { area, part, .. } => {
                    self.of_readers.entry((area.clone(), *part)).or_default().push(place);
                }
                SecretName::Audience { .. } | SecretName::SiteKex { .. } | SecretName::SiteSigning { .. } => {
                    if let Some(site) = self.by_recipient.get(&wrap.recipient) {
                        self.of_site.entry(*site).or_default().push(place);
                    }
                }
            },
        }
        self.items.push(item);
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

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::identity::control::ControlBody;
    use crate::identity::{Keyring, Roster};

    fn area(name: &str) -> Area {
        Area::new(name).unwrap()
    }

    fn wanted(site: &str, device: &str, areas: &[&str]) -> Enrolment {
        Enrolment {
            site: site.into(),
            kind: SiteKind::Hospital,
            device: device.into(),
            role: DeviceRole::Hospital,
            areas: areas.iter().map(|name| area(name)).collect(),
        }
    }

    fn roster(items: impl IntoIterator<Item = NewDevice>) -> Roster {
        let mut items = items.into_iter().peekable();
        let genesis = items.peek().unwrap().genesis.clone();
        let mut roster = Roster::new(Certificates::new(&genesis).unwrap());
        items.for_each(|device| assert_eq!(roster.fold(&ControlBody::new(device.items)), 0));
        roster
    }

    #[test]
    fn two_sites_share_the_read_keys_of_the_shared_area_only() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut realm = Realm::create("三浦", WallMs(1), &mut rng);
        let (north, kit) =
            realm.enrol(&wanted("北", "n1", &["shared/m", "private/n"]), WallMs(2), &mut rng).unwrap();
        let (south, _) =
            realm.enrol(&wanted("南", "s1", &["shared/m", "private/s"]), WallMs(3), &mut rng).unwrap();
        // Each with what it was given alone.
        let (norths, souths) = (roster([north.clone()]), roster([south.clone()]));
        assert!(norths.certificates.device(&north.certificate).is_some());
        let north_ring = Keyring::open(north.seed.kex(), &norths.wraps);
        let south_ring = Keyring::open(south.seed.kex(), &souths.wraps);
        for part in Part::ALL {
            for place in [area("shared/m"), Area::common()] {
                assert_eq!(north_ring.seal_key(&place, part), south_ring.seal_key(&place, part));
                assert!(north_ring.seal_key(&place, part).is_some());
            }
            assert!(north_ring.seal_key(&area("private/n"), part).is_some());
        }
        // With everything that the other knows a device opens no more.
        let all = roster([north, south.clone()]);
        let south_ring = Keyring::open(south.seed.kex(), &all.wraps);
        assert!(south_ring.seal_key(&area("private/n"), Part::Card).is_none());
        let kit = kit.unwrap();
        let recovered = Keyring::open(kit.seed.kex(), &norths.wraps);
        assert!(recovered.site_seed(&kit.site).is_some());
        assert!(recovered.seal_key(&area("private/n"), Part::Card).is_some());
    }

    #[test]
    fn a_device_is_given_as_much_in_a_large_realm_as_in_a_small_one() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut realm = Realm::create("三浦", WallMs(1), &mut rng);
        let mut enrol = |site: u32, device: &str| {
            let wanted = wanted(&format!("site {site}"), device, &["shared/m"]);
            realm.enrol(&wanted, WallMs(2), &mut rng).unwrap()
        };
        let (first, kit) = enrol(0, "first");
        assert!(kit.is_some());
        for site in 1..10 {
            enrol(site, "another");
        }
        let (last, kit) = enrol(0, "last");
        assert!(kit.is_none(), "the site has its kit");
        // One site certificate and one device certificate; wraps: 2 for the recovery kit, 2 for each part of the area
        // and of `common`, 1 for the device.
        assert_eq!((first.items.len(), last.items.len()), (2 + 2 + 2 * 2 * 5 + 1, first.items.len()));
        let roster = roster([last.clone()]);
        assert!(roster.certificates.device(&first.certificate).is_none());
        assert_eq!(Keyring::open(last.seed.kex(), &roster.wraps).readable().count(), 10);
    }

    #[test]
    fn a_site_gets_no_area_later_and_the_refusal_changes_nothing() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut realm = Realm::create("三浦", WallMs(1), &mut rng);
        realm.enrol(&wanted("北", "n1", &["shared/m"]), WallMs(2), &mut rng).unwrap();
        let before = realm.items().len();
        let error = realm.enrol(&wanted("北", "n2", &["private/n"]), WallMs(2), &mut rng).unwrap_err();
        assert_eq!((error.site.as_str(), error.missing.as_str()), ("北", "private/n"));
        assert_eq!(realm.items().len(), before);
    }

    /// A drill of a prefecture enrols 2,300 devices before it begins: it took minutes when each device was given
    /// everything that had been made before it.
    #[test]
    fn enrolling_costs_as_much_for_the_last_device_as_for_the_first() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut realm = Realm::create("神奈川", WallMs(1), &mut rng);
        let devices: usize =
            std::env::var("MUSUBI_DEVICES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
        let (began, mut items) = (std::time::Instant::now(), 0);
        for number in 0..devices {
            let site = number % devices.div_ceil(8);
            let area = format!("shared/area-{}", site % 40);
            let wanted = wanted(&format!("site {site}"), &format!("device {number}"), &[&area]);
            items += realm.enrol(&wanted, WallMs(2), &mut rng).unwrap().0.items.len();
        }
        println!("{devices} devices: {:?}", began.elapsed());
        assert_eq!(items, devices * 25);
    }
}
