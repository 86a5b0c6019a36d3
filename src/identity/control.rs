//! Control entries: what rules the realm, in lanes like everything else.
//!
//! The body of a control entry is canonical CBOR `[1, [item …]]`; an item is `[0, [certificate bytes]]` or
//! `[1, [key wrap]]`. Items carry no personal data, so they need no salt. A body of a newer version is kept and
//! relayed with its lane, and not folded.

use minicbor::{Decode, Encode};

use super::certificate::Certificate;
use super::certificates::{Certificates, rank};
use super::wrap::KeyWrap;
use crate::base::cbor::{self, CborError};

/// One fact about the realm.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ControlItem {
    /// A certificate in its signed form.
    #[n(0)]
    Certificate(
        /// The signed bytes.
        #[cbor(n(0), with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// A secret sealed to whoever may open it.
    #[n(1)]
    Wrap(
        /// The wrap.
        #[n(0)]
        KeyWrap,
    ),
}

/// The body of a control entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct ControlBody {
    /// The format's version: 1.
    #[n(0)]
    pub version: u8,
    /// The items.
    #[n(1)]
    pub items: Vec<ControlItem>,
}

impl ControlBody {
    /// Wraps items in the current version.
    pub fn new(items: Vec<ControlItem>) -> Self {
        Self { version: 1, items }
    }

    /// Returns the canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        cbor::to_vec(self)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// [`CborError`] when they are not this version's canonical form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CborError> {
        cbor::from_canonical(bytes)
    }
}

/// Who and what the realm consists of, as far as this replica has heard: folded from control entries, grows
/// only, in any order.
#[derive(Debug, Clone)]
pub struct Roster {
    /// All certificates that verify.
    pub certificates: Certificates,
    /// All key wraps heard of, without repetition, in order.
    pub wraps: Vec<KeyWrap>,
}

impl Roster {
    /// Starts with a realm's genesis alone.
    pub fn new(certificates: Certificates) -> Self {
        Self { certificates, wraps: Vec::new() }
    }

    /// Adds what a control entry says; returns how many items were of no use (never verifiable).
    pub fn fold(&mut self, body: &ControlBody) -> usize {
        body.items.iter().filter(|item| !self.add(item)).count()
    }

    /// Adds what was kept, in whatever order: issuers before whom they certify, so that of however many devices none has to
    /// wait, and few may.
    pub fn fold_kept(&mut self, mut items: Vec<ControlItem>) {
        items.sort_by_cached_key(|item| match item {
            ControlItem::Certificate(signed) => {
                Certificate::read(signed).map_or(u8::MAX, |read| rank(&read.certificate))
            }
            ControlItem::Wrap(_) => u8::MAX,
        });
        for item in &items {
            self.add(item);
        }
    }

    fn add(&mut self, item: &ControlItem) -> bool {
        match item {
            ControlItem::Certificate(signed) => self.certificates.insert(signed).is_ok(),
            ControlItem::Wrap(wrap) => {
                if let Err(place) = self.wraps.binary_search(wrap) {
                    self.wraps.insert(place, wrap.clone());
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SiteId;
    use crate::identity::certificates::WAITING_MAX;
    use crate::identity::fixtures::Realm;
    use crate::identity::{KexPublic, SecretName};

    #[test]
    fn more_devices_than_may_wait_are_all_known_again() {
        let realm = Realm::new();
        let site = realm.site("北病院", &["shared/miura"]);
        let mut items: Vec<ControlItem> = (0..=WAITING_MAX)
            .map(|number| realm.device(&site, &format!("tablet-{number}"), &["shared/miura"]).signed)
            .map(ControlItem::Certificate)
            .collect();
        items.push(ControlItem::Certificate(site.signed));
        let known = |roster: &Roster| roster.certificates.devices().count();
        let mut one_by_one = Roster::new(Certificates::new(&realm.genesis).unwrap());
        one_by_one.fold(&ControlBody::new(items.clone()));
        assert_eq!(known(&one_by_one), WAITING_MAX, "one did not find room");
        let mut kept = Roster::new(Certificates::new(&realm.genesis).unwrap());
        kept.fold_kept(items);
        assert_eq!(known(&kept), WAITING_MAX + 1);
    }

    #[test]
    fn a_roster_is_folded_from_control_entries_in_any_order() {
        let realm = Realm::new();
        let site = realm.site("北病院", &["shared/miura"]);
        let device = realm.device(&site, "north-1", &["shared/miura"]);
        let bodies = [
            ControlBody::new(vec![ControlItem::Certificate(device.signed.clone())]),
            ControlBody::new(vec![
                ControlItem::Certificate(site.signed),
                ControlItem::Certificate(vec![1, 2]),
            ]),
        ];
        for order in [[0, 1], [1, 0]] {
            let mut roster = Roster::new(Certificates::new(&realm.genesis).unwrap());
            let bad: usize = order
                .iter()
                .map(|index| roster.fold(&ControlBody::from_bytes(&bodies[*index].to_bytes()).unwrap()))
                .sum();
            assert_eq!(bad, 1);
            assert!(roster.certificates.device(&device.hash).is_some());
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let wrap = KeyWrap {
            version: 1,
            name: SecretName::SiteKex { site: SiteId([7; 16]) },
            recipient: KexPublic([8; 32]),
            encapsulation: [9; 32],
            ciphertext: vec![10; 48],
        };
        let items = vec![ControlItem::Certificate(vec![1, 2]), ControlItem::Wrap(wrap)];
        let expected = [
            "820182",
            "82008142 0102",
            "820181",
            "8501",
            &format!("82028150{}", "07".repeat(16)),
            &format!("5820{}", "08".repeat(32)),
            &format!("5820{}", "09".repeat(32)),
            &format!("5830{}", "0a".repeat(48)),
        ];
        let bytes = ControlBody::new(items).to_bytes();
        assert_eq!(crate::base::id::hex(&bytes), expected.concat().replace(' ', ""));
    }
}
