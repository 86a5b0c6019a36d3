//! The set of verified certificates: grows only, and ends the same in whatever order they arrive.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::certificate::{
    Certificate, CertificateError, DeviceCertificate, Genesis, SiteCertificate, Unverified,
};
use crate::base::{Area, DeviceId, Digest, RealmId, SiteId};

/// Most certificates that wait for their issuers.
pub const WAITING_MAX: usize = 1_024;

/// What became of an offered certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It verified, and perhaps others that waited for it did too.
    New,
    /// It was known.
    Known,
    /// Its issuer is not known yet.
    Waiting,
}

/// All certificates of one realm that verify up to its genesis.
///
/// Law (`any_order_ends_the_same`): the verified set is a function of the set of offered certificates.
#[derive(Debug, Clone)]
pub struct Certificates {
    realm: RealmId,
    genesis: Genesis,
    roots: Vec<[u8; 32]>,
    verified: BTreeMap<Digest, (Certificate, Vec<u8>)>,
    /// Where those stand that are looked up for every lane: a region has thousands.
    rotations: BTreeSet<Digest>,
    of_sites: BTreeMap<SiteId, BTreeSet<Digest>>,
    of_devices: BTreeMap<DeviceId, BTreeSet<Digest>>,
    waiting: BTreeMap<Digest, (Unverified, Vec<u8>)>,
    /// Signatures that were checked before, by their names: they hold, and are not checked once more.
    remembered: Arc<HashSet<Digest>>,
    /// The signatures of what is verified.
    checked: BTreeSet<Digest>,
}

impl Certificates {
    /// Starts from a realm's pinned genesis.
    ///
    /// # Errors
    /// [`CertificateError`] when the bytes are not a genesis that signed itself.
    pub fn new(genesis: &[u8]) -> Result<Self, CertificateError> {
        let read = Certificate::read(genesis)?;
        let Certificate::Genesis(body) = &read.certificate else {
            return Err(CertificateError::Kind(read.certificate_kind()));
        };
        if !read.verify(&body.root) {
            return Err(CertificateError::Signature(read.hash));
        }
        let (realm, body) = (RealmId(read.hash.0), body.clone());
        Ok(Self {
            realm,
            roots: vec![body.root],
            genesis: body,
            verified: BTreeMap::from([(read.hash, (read.certificate, genesis.to_vec()))]),
            rotations: BTreeSet::new(),
            of_sites: BTreeMap::new(),
            of_devices: BTreeMap::new(),
            waiting: BTreeMap::new(),
            remembered: Arc::default(),
            checked: BTreeSet::new(),
        })
    }

    /// Remembers signatures that were checked before ([`Certificates::checked`]), by the very bytes that were signed, the
    /// issuer's key and the signature. Whoever keeps them must know them to be what was kept.
    pub fn remember(&mut self, signatures: HashSet<Digest>) {
        self.remembered = Arc::new(signatures);
    }

    /// Returns the names of the signatures of all that is verified.
    pub fn checked(&self) -> &BTreeSet<Digest> {
        &self.checked
    }

    /// Returns the realm.
    pub fn realm(&self) -> RealmId {
        self.realm
    }

    /// Returns the genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Offers a certificate in its signed form.
    ///
    /// # Errors
    /// [`CertificateError`] when it can never be verified, or too many wait.
    pub fn insert(&mut self, signed: &[u8]) -> Result<Inserted, CertificateError> {
        let read = Certificate::read(signed)?;
        if self.verified.contains_key(&read.hash) {
            return Ok(Inserted::Known);
        }
        match realm_of(&read.certificate) {
            None => return Err(CertificateError::SecondGenesis(read.hash)),
            Some(realm) if realm != self.realm => return Err(CertificateError::Realm(realm)),
            Some(_) => {}
        }
        let Some(signature) = self.issued(&read)? else {
            if self.waiting.len() >= WAITING_MAX && !self.waiting.contains_key(&read.hash) {
                return Err(CertificateError::TooManyWaiting(WAITING_MAX));
            }
            self.waiting.insert(read.hash, (read, signed.to_vec()));
            return Ok(Inserted::Waiting);
        };
        self.accept(read, signed.to_vec(), signature);
        self.accept_waiting();
        Ok(Inserted::New)
    }

    /// Returns a verified device certificate by its hash.
    pub fn device(&self, hash: &Digest) -> Option<&DeviceCertificate> {
        match self.verified.get(hash) {
            Some((Certificate::Device(device), _)) => Some(device),
            Some(_) | None => None,
        }
    }

    /// Returns the verified certificates of a device, with their hashes.
    pub fn of_device<'a>(
        &'a self,
        device: &'a DeviceId,
    ) -> impl Iterator<Item = (&'a Digest, &'a DeviceCertificate)> {
        let hashes = self.of_devices.get(device).into_iter().flatten();
        hashes.filter_map(|hash| Some((hash, self.device(hash)?)))
    }

    /// Returns all verified device certificates, with their hashes.
    pub fn devices(&self) -> impl Iterator<Item = (&Digest, &DeviceCertificate)> {
        self.verified.iter().filter_map(|(hash, (certificate, _))| match certificate {
            Certificate::Device(device) => Some((hash, device)),
            Certificate::Genesis(_) | Certificate::Rotation(_) | Certificate::Site(_) => None,
        })
    }

    /// Returns all verified site certificates.
    pub fn sites(&self) -> impl Iterator<Item = &SiteCertificate> {
        self.verified.values().filter_map(|(certificate, _)| match certificate {
            Certificate::Site(site) => Some(site),
            Certificate::Genesis(_) | Certificate::Rotation(_) | Certificate::Device(_) => None,
        })
    }

    /// Returns a verified site certificate of a site (of several, the one that ends last).
    pub fn site(&self, site: &SiteId) -> Option<&SiteCertificate> {
        self.certificates_of(site).max_by_key(|certificate| certificate.not_after)
    }

    /// Returns the signed forms that a peer needs to verify a device certificate, issuers first: rotations,
    /// the site's certificates, then the device's own. The genesis is pinned and not among them.
    pub fn chain(&self, hash: &Digest) -> Vec<(Digest, &[u8])> {
        let Some(device) = self.device(hash) else { return Vec::new() };
        let of_site = self.of_sites.get(&device.site).into_iter().flatten();
        let above = self.rotations.iter().chain(of_site);
        let above = above.filter_map(|hash| Some((*hash, self.verified.get(hash)?.1.as_slice())));
        let own = &self.verified[hash].1;
        above.chain([(*hash, own.as_slice())]).collect()
    }

    /// Returns the signed form of every verified certificate but the genesis, issuers first.
    pub fn all(&self) -> Vec<(Digest, &[u8])> {
        let mut all: Vec<_> = self
            .verified
            .iter()
            .filter(|(_, (certificate, _))| rank(certificate) > 0)
            .map(|(hash, (certificate, signed))| (rank(certificate), *hash, signed.as_slice()))
            .collect();
        all.sort();
        all.into_iter().map(|(_, hash, signed)| (hash, signed)).collect()
    }

    /// Returns the name of the signature by which somebody who may has issued a certificate; none while nobody is known to.
    fn issued(&self, read: &Unverified) -> Result<Option<Digest>, CertificateError> {
        let signed_by = |issuer: &[u8; 32]| {
            let name = read.signature_by(issuer);
            (self.remembered.contains(&name) || read.verify(issuer)).then_some(name)
        };
        match &read.certificate {
            Certificate::Genesis(_) => Ok(None),
            Certificate::Rotation(rotation) => {
                let signature = signed_by(&rotation.previous);
                let signature = signature.ok_or(CertificateError::Signature(read.hash))?;
                Ok(self.roots.contains(&rotation.previous).then_some(signature))
            }
            Certificate::Site(_) => Ok(self.roots.iter().find_map(signed_by)),
            Certificate::Device(device) => {
                let is_covered = |site: &&SiteCertificate| {
                    device.areas.iter().all(|a| site.areas.contains(a) || *a == Area::common())
                };
                let sites = self.certificates_of(&device.site).filter(is_covered);
                Ok(sites.map(|site| &site.key).find_map(signed_by))
            }
        }
    }

    /// Returns the verified certificates of a site, by their hashes.
    fn certificates_of(&self, site: &SiteId) -> impl Iterator<Item = &SiteCertificate> {
        let hashes = self.of_sites.get(site).into_iter().flatten();
        hashes.filter_map(|hash| match self.verified.get(hash) {
            Some((Certificate::Site(site), _)) => Some(site),
            Some(_) | None => None,
        })
    }

    fn accept(&mut self, read: Unverified, signed: Vec<u8>, signature: Digest) {
        self.checked.insert(signature);
        match &read.certificate {
            Certificate::Genesis(_) => {}
            Certificate::Rotation(rotation) => {
                self.roots.push(rotation.next);
                self.rotations.insert(read.hash);
            }
            Certificate::Site(site) => {
                self.of_sites.entry(site.site()).or_default().insert(read.hash);
            }
            Certificate::Device(device) => {
                self.of_devices.entry(device.device).or_default().insert(read.hash);
            }
        }
        self.waiting.remove(&read.hash);
        self.verified.insert(read.hash, (read.certificate, signed));
    }

    fn accept_waiting(&mut self) {
        loop {
            let ready = self
                .waiting
                .iter()
                .find_map(|(hash, (read, _))| Some((*hash, self.issued(read).ok().flatten()?)));
            let Some((hash, signature)) = ready else { return };
            let (read, signed) = self.waiting.remove(&hash).expect("found just now");
            self.accept(read, signed, signature);
        }
    }
}

impl Unverified {
    fn certificate_kind(&self) -> u8 {
        rank(&self.certificate)
    }
}

pub(super) fn rank(certificate: &Certificate) -> u8 {
    match certificate {
        Certificate::Genesis(_) => 0,
        Certificate::Rotation(_) => 1,
        Certificate::Site(_) => 2,
        Certificate::Device(_) => 3,
    }
}

fn realm_of(certificate: &Certificate) -> Option<RealmId> {
    match certificate {
        Certificate::Genesis(_) => None,
        Certificate::Rotation(rotation) => Some(rotation.realm),
        Certificate::Site(site) => Some(site.realm),
        Certificate::Device(device) => Some(device.realm),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::fixtures::{Realm, area};

    #[test]
    fn a_device_is_known_only_through_its_site_and_root() {
        let realm = Realm::new();
        let mut certificates = Certificates::new(&realm.genesis).unwrap();
        let site = realm.site("北病院", &["shared/miura"]);
        let device = realm.device(&site, "north-1", &["shared/miura"]);

        assert_eq!(certificates.insert(&device.signed).unwrap(), Inserted::Waiting);
        assert!(certificates.device(&device.hash).is_none());
        assert_eq!(certificates.insert(&site.signed).unwrap(), Inserted::New);
        let known = certificates.device(&device.hash).unwrap();
        assert!(known.covers(&area("shared/miura"), crate::base::Part::Card));
        assert!(known.covers(&Area::common(), crate::base::Part::Control));
        assert!(!known.covers(&area("private/south"), crate::base::Part::Card));
        assert_eq!(certificates.chain(&device.hash).len(), 2);
        assert_eq!(certificates.insert(&device.signed).unwrap(), Inserted::Known);
    }

    #[test]
    fn a_device_cannot_take_an_area_that_its_site_does_not_hold() {
        let realm = Realm::new();
        let mut certificates = Certificates::new(&realm.genesis).unwrap();
        let site = realm.site("北病院", &["shared/miura"]);
        let device = realm.device(&site, "north-1", &["private/south"]);
        certificates.insert(&site.signed).unwrap();
        assert_eq!(certificates.insert(&device.signed).unwrap(), Inserted::Waiting);
        assert!(certificates.device(&device.hash).is_none());
    }

    #[test]
    fn every_flipped_bit_is_refused_or_waits_for_an_issuer_that_never_comes() {
        let realm = Realm::new();
        let site = realm.site("北病院", &["shared/miura"]);
        for byte in 0..site.signed.len() {
            let mut certificates = Certificates::new(&realm.genesis).unwrap();
            let mut bad = site.signed.clone();
            bad[byte] ^= 1;
            assert!(!matches!(certificates.insert(&bad), Ok(Inserted::New)), "byte {byte}");
            assert_eq!(certificates.sites().count(), 0);
        }
    }

    #[test]
    fn a_rotated_root_signs_new_sites_and_the_old_ones_stand() {
        let realm = Realm::new();
        let (rotation, next) = realm.rotate();
        let old = realm.site("北病院", &["shared/miura"]);
        let new = next.site("南病院", &["shared/miura"]);
        let mut certificates = Certificates::new(&realm.genesis).unwrap();
        certificates.insert(&old.signed).unwrap();
        assert_eq!(certificates.insert(&new.signed).unwrap(), Inserted::Waiting);
        certificates.insert(&rotation).unwrap();
        assert_eq!(certificates.sites().count(), 2);
    }

    #[test]
    fn another_realm_is_refused() {
        let (ours, theirs) = (Realm::new(), Realm::with_seed(9));
        let mut certificates = Certificates::new(&ours.genesis).unwrap();
        let site = theirs.site("北病院", &[]);
        assert!(matches!(certificates.insert(&site.signed), Err(CertificateError::Realm(_))));
        assert!(matches!(certificates.insert(&theirs.genesis), Err(CertificateError::SecondGenesis(_))));
    }

    proptest! {
        #[test]
        fn any_order_ends_the_same(order in Just((0..8usize).collect::<Vec<_>>()).prop_shuffle()) {
            let realm = Realm::new();
            let (rotation, next) = realm.rotate();
            let sites = [realm.site("北", &["shared/a"]), next.site("南", &["shared/a", "shared/b"])];
            let devices = [
                realm.device(&sites[0], "n1", &["shared/a"]),
                realm.device(&sites[0], "n2", &["shared/b"]),
                next.device(&sites[1], "s1", &["shared/b"]),
                next.device(&sites[1], "s2", &[]),
            ];
            let all = [
                &rotation, &sites[0].signed, &sites[1].signed, &devices[0].signed, &devices[1].signed,
                &devices[2].signed, &devices[3].signed, &sites[0].signed,
            ];
            let mut shuffled = Certificates::new(&realm.genesis).unwrap();
            for index in order {
                shuffled.insert(all[index]).unwrap();
            }
            let names: Vec<_> = shuffled.devices().map(|(_, device)| device.name.clone()).collect();
            prop_assert_eq!(names.len(), 3);
            prop_assert!(!names.contains(&"n2".to_owned()));
            prop_assert_eq!(shuffled.sites().count(), 2);
        }
    }
}
