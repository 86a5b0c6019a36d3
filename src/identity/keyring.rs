//! What a device can open: the fixpoint of its secrets over all key wraps that it has heard of.

use std::collections::BTreeMap;

use super::key::{KexPublic, KexSecret, SecretSeed};
use super::wrap::{KeyWrap, ReadKeyId, SecretName, read_key_id};
use crate::base::{Area, Part, SiteId};

/// The opened secrets of one holder.
///
/// Law (`wraps_in_any_order_open_the_same`): a keyring is a function of its first secret and the set of wraps.
#[derive(Debug, Clone, Default)]
pub struct Keyring {
    kex: BTreeMap<KexPublic, KexSecret>,
    read: BTreeMap<(Area, Part), BTreeMap<ReadKeyId, [u8; 32]>>,
    sites: BTreeMap<SiteId, SecretSeed>,
}

impl Keyring {
    /// Opens all that `secret` leads to.
    pub fn open(secret: KexSecret, wraps: &[KeyWrap]) -> Self {
        let mut ring = Self { kex: BTreeMap::from([(secret.public(), secret)]), ..Self::default() };
        let mut closed: Vec<&KeyWrap> = wraps.iter().collect();
        loop {
            let before = closed.len();
            closed.retain(|wrap| match ring.kex.get(&wrap.recipient).map(|secret| wrap.open(secret)) {
                Some(Ok(opened)) => {
                    ring.add(&wrap.name, opened);
                    false
                }
                Some(Err(_)) => false,
                None => true,
            });
            if closed.len() == before {
                return ring;
            }
        }
    }

    /// Returns the key under which new segments of an area and part are sealed: of several, the one with the
    /// smallest name, so that all writers choose the same.
    pub fn seal_key(&self, area: &Area, part: Part) -> Option<(ReadKeyId, &[u8; 32])> {
        self.read.get(&(area.clone(), part))?.iter().next().map(|(id, key)| (*id, key))
    }

    /// Returns a read key by its name.
    pub fn read_key(&self, area: &Area, part: Part, id: &ReadKeyId) -> Option<&[u8; 32]> {
        self.read.get(&(area.clone(), part))?.get(id)
    }

    /// Returns a site's signing seed, which only its recovery key opens.
    pub fn site_seed(&self, site: &SiteId) -> Option<&SecretSeed> {
        self.sites.get(site)
    }

    /// Returns the key-exchange secret of a public key that this ring holds.
    pub fn kex(&self, public: &KexPublic) -> Option<&KexSecret> {
        self.kex.get(public)
    }

    /// Lists the areas and parts that can be read.
    pub fn readable(&self) -> impl Iterator<Item = &(Area, Part)> {
        self.read.keys()
    }

    fn add(&mut self, name: &SecretName, secret: [u8; 32]) {
        match name {
            SecretName::ReadKey { area, part, id } => {
                if read_key_id(&secret) == *id {
                    self.read.entry((area.clone(), *part)).or_default().insert(*id, secret);
                }
            }
            SecretName::Audience { .. } | SecretName::SiteKex { .. } => {
                let secret = KexSecret::from_bytes(secret);
                self.kex.insert(secret.public(), secret);
            }
            SecretName::SiteSigning { site } => {
                let seed = SecretSeed::from_bytes(secret);
                if SiteId::of_key(&seed.public()) == *site {
                    self.sites.insert(*site, seed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::identity::fixtures::{area, seed};

    fn wraps() -> (Vec<KeyWrap>, SecretSeed, SecretSeed, SecretSeed) {
        let mut rng = ChaCha20Rng::from_seed([7; 32]);
        let (site, device, recovery, audience) =
            (seed("north"), seed("north-1"), seed("north recovery"), seed("card readers"));
        let site_id = SiteId::of_key(&site.public());
        let key = [5; 32];
        let read =
            SecretName::ReadKey { area: area("shared/miura"), part: Part::Card, id: read_key_id(&key) };
        let audience_name = SecretName::Audience { public: audience.kex().public() };
        let site_kex = SecretName::SiteKex { site: site_id };
        let all = vec![
            KeyWrap::seal(read, &key, &audience.kex().public(), &mut rng),
            KeyWrap::seal(audience_name, audience.kex().expose(), &site.kex().public(), &mut rng),
            KeyWrap::seal(site_kex.clone(), site.kex().expose(), &device.kex().public(), &mut rng),
            KeyWrap::seal(site_kex, site.kex().expose(), &recovery.kex().public(), &mut rng),
            KeyWrap::seal(
                SecretName::SiteSigning { site: site_id },
                site.expose(),
                &recovery.kex().public(),
                &mut rng,
            ),
        ];
        (all, site, device, recovery)
    }

    #[test]
    fn a_device_reads_what_its_site_may_read_and_cannot_certify() {
        let (wraps, site, device, recovery) = wraps();
        let ring = Keyring::open(device.kex(), &wraps);
        assert_eq!(ring.seal_key(&area("shared/miura"), Part::Card).unwrap().1, &[5; 32]);
        assert!(ring.seal_key(&area("shared/miura"), Part::Notes).is_none());
        let id = SiteId::of_key(&site.public());
        assert!(ring.site_seed(&id).is_none());
        assert_eq!(Keyring::open(recovery.kex(), &wraps).site_seed(&id), Some(&site));
    }

    #[test]
    fn a_stranger_opens_nothing_and_a_changed_wrap_does_not_open() {
        let (mut wraps, _, device, _) = wraps();
        assert_eq!(Keyring::open(seed("stranger").kex(), &wraps).readable().count(), 0);
        wraps[2].ciphertext[0] ^= 1;
        assert_eq!(Keyring::open(device.kex(), &wraps).readable().count(), 0);
        let renamed =
            KeyWrap { name: SecretName::Audience { public: KexPublic([0; 32]) }, ..wraps[3].clone() };
        assert!(renamed.open(&seed("north recovery").kex()).is_err());
    }

    proptest! {
        #[test]
        fn wraps_in_any_order_open_the_same(order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle()) {
            let (wraps, _, device, _) = wraps();
            let shuffled: Vec<_> = order.into_iter().map(|index| wraps[index].clone()).collect();
            let ring = Keyring::open(device.kex(), &shuffled);
            prop_assert!(ring.seal_key(&area("shared/miura"), Part::Card).is_some());
        }
    }
}
