//! What a replica says on a local network so that members of its realm find it, as an mDNS message (RFC 6762, 6763).
//!
//! ```text
//! header          id 0, flags 0x8400 (an answer) or 0 (a question)
//! question        _musubi._udp.local PTR IN                     only where others are asked to say that they are here
//! answers         _musubi._udp.local PTR LABEL._musubi._udp.local
//!                 LABEL._musubi._udp.local SRV 0 0 port SALT.local
//!                 LABEL._musubi._udp.local TXT ""
//! LABEL           SALT ‖ tag in hexadecimal: 24 and 32 digits
//! tag             first 16 bytes of H("musubi.lan.v1", realm key, salt, port (2, BE), what is said (1), address (4 or 16))
//! ```
//!
//! The salt is random and renewed, the realm key is known to members only, and the address is the one from which the
//! message is sent. So a stranger learns of no realm, site or device from it, cannot tell two realms apart, is not
//! answered, and cannot repeat from elsewhere what a member said. Names are written whole and read whole: a message with compressed
//! names is not one of these. Pure; nothing here allocates by what a message claims.

use std::net::IpAddr;

use crate::base::digest::hash_tagged;
use crate::base::id::{hex, unhex};

/// Longest message that is read, in bytes; these have some 400.
pub const BEACON_BYTES_MAX: usize = 1_024;
/// How long what was said holds, unless it is said again.
pub const BEACON_TTL_SECONDS: u32 = 75;

const SERVICE: [&str; 3] = ["_musubi", "_udp", "local"];
const SALT_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const ANSWER: u16 = 0x8400;
const TYPE_PTR: u16 = 12;
const TYPE_TXT: u16 = 16;
const TYPE_SRV: u16 = 33;
const CLASS_IN: u16 = 1;
/// The bit that says that a record replaces those before it.
const CACHE_FLUSH: u16 = 0x8000;
/// Most questions and records of a message that are looked at.
const ENTRIES_MAX: u16 = 8;

/// What the members of a realm know each other by on a local network.
#[derive(Clone, PartialEq, Eq)]
pub struct RealmKey([u8; 32]);

impl RealmKey {
    /// Derives it from a realm and a secret that all its members hold.
    pub fn new(realm: &[u8; 32], secret: &[u8; 32]) -> Self {
        Self(hash_tagged("musubi.lan-key.v1", &[realm, secret]).0)
    }
}

impl std::fmt::Debug for RealmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RealmKey")
    }
}

/// A replica on a local network, for as long as it is called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt(
    /// Random bytes.
    pub [u8; SALT_BYTES],
);

/// What a replica says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is here.
    Here,
    /// It is here, and asks who else is.
    Asks,
    /// It leaves.
    Leaves,
}

/// A replica, and what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// What it is called for now.
    pub salt: Salt,
    /// The UDP port of its endpoint.
    pub port: u16,
    /// What it says.
    pub said: Said,
}

impl Beacon {
    /// Writes the message that is sent from an address.
    pub fn encode(&self, key: &RealmKey, from: IpAddr) -> Vec<u8> {
        let label = format!("{}{}", hex(&self.salt.0), hex(&self.tag(key, from)));
        let instance = [label.as_str(), SERVICE[0], SERVICE[1], SERVICE[2]];
        let ttl = if self.said == Said::Leaves { 0 } else { BEACON_TTL_SECONDS };
        let asks = self.said == Said::Asks;
        let mut bytes = Vec::with_capacity(BEACON_BYTES_MAX);
        let flags = if asks { 0 } else { ANSWER };
        for number in [0, flags, u16::from(asks), 3, 0, 0] {
            bytes.extend(number.to_be_bytes());
        }
        if asks {
            write_name(&mut bytes, &SERVICE);
            bytes.extend([TYPE_PTR.to_be_bytes(), CLASS_IN.to_be_bytes()].concat());
        }
        let mut pointed = Vec::new();
        write_name(&mut pointed, &instance);
        write_record(&mut bytes, &SERVICE, (TYPE_PTR, CLASS_IN, ttl), &pointed);
        let mut target = [&[0; 4][..], &self.port.to_be_bytes()].concat();
        write_name(&mut target, &[&hex(&self.salt.0), SERVICE[2]]);
        write_record(&mut bytes, &instance, (TYPE_SRV, CLASS_IN | CACHE_FLUSH, ttl), &target);
        write_record(&mut bytes, &instance, (TYPE_TXT, CLASS_IN | CACHE_FLUSH, ttl), &[0]);
        bytes
    }

    /// Reads what a member of the realm has sent from an address; none if it is anything else.
    pub fn decode(bytes: &[u8], key: &RealmKey, from: IpAddr) -> Option<Self> {
        if bytes.len() > BEACON_BYTES_MAX {
            return None;
        }
        let mut reader = Reader { bytes, at: 0 };
        let [_, flags, questions, answers, _, _] = reader.header()?;
        if ![0, ANSWER].contains(&flags) || questions > ENTRIES_MAX || answers > ENTRIES_MAX {
            return None;
        }
        let mut asks = false;
        for _ in 0..questions {
            let service = reader.name()?.is(&SERVICE);
            asks |= service && [reader.number()?, reader.number()? & !CACHE_FLUSH] == [TYPE_PTR, CLASS_IN];
        }
        for _ in 0..answers {
            let name = reader.name()?;
            let (kind, class) = (reader.number()?, reader.number()? & !CACHE_FLUSH);
            let lives = reader.take(4)?.iter().any(|byte| *byte != 0);
            let data = usize::from(reader.number()?);
            let data = reader.take(data)?;
            if (kind, class) != (TYPE_SRV, CLASS_IN) {
                continue;
            }
            let Some(label) = name.instance() else { continue };
            let said = match (flags == 0 && asks, lives) {
                (true, _) => Said::Asks,
                (false, true) => Said::Here,
                (false, false) => Said::Leaves,
            };
            let (salt, tag) = label.split_at(2 * SALT_BYTES);
            let port = u16::from_be_bytes([*data.get(4)?, *data.get(5)?]);
            let beacon = Self { salt: Salt(unhex(salt).ok()?), port, said };
            let tag: [u8; TAG_BYTES] = unhex(tag).ok()?;
            return (port != 0 && beacon.tag(key, from) == tag).then_some(beacon);
        }
        None
    }

    fn tag(&self, key: &RealmKey, from: IpAddr) -> [u8; TAG_BYTES] {
        let said = match self.said {
            Said::Here => 0,
            Said::Asks => 1,
            Said::Leaves => 2,
        };
        let address = match from {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let parts: [&[u8]; 5] = [&key.0, &self.salt.0, &self.port.to_be_bytes(), &[said], &address];
        let digest = hash_tagged("musubi.lan.v1", &parts).0;
        std::array::from_fn(|place| digest[place])
    }
}

fn write_name(bytes: &mut Vec<u8>, labels: &[&str]) {
    for label in labels {
        bytes.push(u8::try_from(label.len()).expect("labels of at most 56 characters are written"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
}

fn write_record(bytes: &mut Vec<u8>, name: &[&str], (kind, class, ttl): (u16, u16, u32), data: &[u8]) {
    write_name(bytes, name);
    bytes.extend([kind.to_be_bytes(), class.to_be_bytes()].concat());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).expect("names have at most 255 bytes").to_be_bytes());
    bytes.extend(data);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Labels with their lengths, without the end.
struct Name<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn header(&mut self) -> Option<[u16; 6]> {
        let mut header = [0; 6];
        for number in &mut header {
            *number = self.number()?;
        }
        Some(header)
    }

    fn name(&mut self) -> Option<Name<'a>> {
        let begin = self.at;
        loop {
            match self.take(1)?[0] {
                0 => return Some(Name(&self.bytes[begin..self.at - 1])),
                // Longer ones are pointers to other names.
                length @ 1..=63 => drop(self.take(usize::from(length))?),
                _ => return None,
            }
        }
    }
}

impl<'a> Name<'a> {
    fn is(&self, labels: &[&str]) -> bool {
        let mut rest = self.0;
        for label in labels {
            match rest.split_first() {
                Some((length, after)) if usize::from(*length) == label.len() => {
                    let Some((found, after)) = after.split_at_checked(label.len()) else { return false };
                    if !found.eq_ignore_ascii_case(label.as_bytes()) {
                        return false;
                    }
                    rest = after;
                }
                Some(_) | None => return false,
            }
        }
        rest.is_empty()
    }

    /// Returns the first label of the name of a replica.
    fn instance(&self) -> Option<&'a str> {
        let length = 2 * (SALT_BYTES + TAG_BYTES);
        let (label, service) = self.0.split_at_checked(1 + length)?;
        let is_one = usize::from(label[0]) == length && Name(service).is(&SERVICE);
        if is_one { std::str::from_utf8(&label[1..]).ok().filter(|label| label.is_ascii()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FROM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn key(realm: u8) -> RealmKey {
        RealmKey::new(&[realm; 32], &[9; 32])
    }

    fn beacon(said: Said) -> Beacon {
        Beacon { salt: Salt([7; SALT_BYTES]), port: 7_440, said }
    }

    #[test]
    fn members_read_what_a_member_says_and_nobody_else_does() {
        for from in [FROM, "fe80::1".parse().unwrap()] {
            for said in [Said::Here, Said::Asks, Said::Leaves] {
                let bytes = beacon(said).encode(&key(1), from);
                assert_eq!(Beacon::decode(&bytes, &key(1), from), Some(beacon(said)));
                assert_eq!(Beacon::decode(&bytes, &key(2), from), None, "another realm");
                assert_eq!(Beacon::decode(&bytes, &RealmKey::new(&[1; 32], &[8; 32]), from), None);
                let elsewhere = "192.0.2.8".parse().unwrap();
                assert_eq!(Beacon::decode(&bytes, &key(1), elsewhere), None, "repeated from elsewhere");
            }
        }
    }

    #[test]
    fn the_same_replica_says_something_else_under_another_salt() {
        let label = |salt: u8| {
            let beacon = Beacon { salt: Salt([salt; SALT_BYTES]), ..beacon(Said::Here) };
            hex(&beacon.tag(&key(1), FROM))
        };
        assert_ne!(label(1), label(2));
    }

    /// The bytes, as other implementations read them: header, question, three records.
    #[test]
    fn a_message_is_a_question_and_three_records() {
        let bytes = beacon(Said::Asks).encode(&key(1), FROM);
        let service = b"\x07_musubi\x04_udp\x05local\0";
        let salt = hex(&[7; SALT_BYTES]);
        let label = format!("{salt}{}", hex(&beacon(Said::Asks).tag(&key(1), FROM)));
        let instance = [&[56][..], label.as_bytes(), service].concat();
        let target = [b"\0\0\0\0\x1d\x10\x18", salt.as_bytes(), b"\x05local\0"].concat();
        let expected = [
            &[0, 0, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0][..],
            &[&service[..], &[0, 12, 0, 1]].concat(),
            &[&service[..], &[0, 12, 0, 1, 0, 0, 0, 75, 0, 77], &instance].concat(),
            &[&instance[..], &[0, 33, 0x80, 1, 0, 0, 0, 75, 0, 38], &target].concat(),
            &[&instance[..], &[0, 16, 0x80, 1, 0, 0, 0, 75, 0, 1, 0]].concat(),
        ];
        assert_eq!(bytes, expected.concat());
        let leaving = beacon(Said::Leaves).encode(&key(1), FROM);
        assert_eq!(leaving[2..8], [0x84, 0, 0, 0, 0, 3]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            prop_assert_eq!(Beacon::decode(&bytes, &key(1), FROM), None);
        }

        #[test]
        fn a_changed_message_says_the_same_or_nothing(at in 0_usize..400, bit in 0_u8..8, cut in 0_usize..400) {
            let bytes = beacon(Said::Here).encode(&key(1), FROM);
            let mut changed = bytes.clone();
            let at = at % bytes.len();
            changed[at] ^= 1 << bit;
            if let Some(read) = Beacon::decode(&changed, &key(1), FROM) {
                prop_assert_eq!(read, beacon(Said::Here));
            }
            // Cut anywhere: all of the record that matters, or nothing.
            if let Some(read) = Beacon::decode(&bytes[..cut.min(bytes.len())], &key(1), FROM) {
                prop_assert_eq!(read, beacon(Said::Here));
            }
        }
    }
}
