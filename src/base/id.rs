//! Newtypes of the identifiers that travel in every format.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::digest::hash_tagged;
use super::limits;

/// Declares a fixed-size byte newtype: hex in text and JSON, a byte string in CBOR.
macro_rules! bytes_newtype {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            /// The raw bytes.
            pub [u8; $len],
        );

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// Returns the bytes as a slice.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// Returns the first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                $crate::base::id::hex(&self.0[..4])
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::base::id::hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::base::id::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self($crate::base::id::unhex(text)?))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                d: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                let bytes: [u8; $len] = d
                    .bytes()?
                    .try_into()
                    .map_err(|_| minicbor::decode::Error::message(concat!("expected ", $len, " bytes")))?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use bytes_newtype;

bytes_newtype! {
    /// One region's network: the hash of its genesis certificate.
    RealmId, 32
}
bytes_newtype! {
    /// A facility: the first 16 bytes of the tagged hash of its site key.
    SiteId, 16
}
bytes_newtype! {
    /// One device: its ed25519 public key, which is also its TLS identity.
    DeviceId, 32
}
bytes_newtype! {
    /// The log of one (device, area, part): the hash of these names.
    LaneId, 32
}
bytes_newtype! {
    /// One patient's record: derived from the source's patient identifier, or random for an unnamed victim.
    RecordId, 16
}

impl SiteId {
    /// Derives the site's id from its ed25519 public key.
    pub fn of_key(public: &[u8; 32]) -> Self {
        Self(first16(&hash_tagged("musubi.site.v1", &[public]).0))
    }
}

impl LaneId {
    /// Derives the lane's id from the names that define it.
    pub fn of(realm: &RealmId, device: &DeviceId, area: &Area, part: super::Part) -> Self {
        let part = [part.code()];
        Self(hash_tagged("musubi.lane.v1", &[&realm.0, &device.0, area.as_str().as_bytes(), &part]).0)
    }
}

impl RecordId {
    /// Derives the record of a patient from the source's identifier system and the patient's identifier
    /// there: the same person imported by anybody, any number of times, is one record.
    pub fn of_patient(system: &str, value: &str) -> Self {
        Self(first16(&hash_tagged("musubi.record.v1", &[system.as_bytes(), value.as_bytes()]).0))
    }

    /// Derives the directory record of a source, which holds its resources that name no patient.
    pub fn of_directory(system: &str) -> Self {
        Self(first16(&hash_tagged("musubi.directory.v1", &[system.as_bytes()]).0))
    }
}

fn first16(bytes: &[u8; 32]) -> [u8; 16] {
    bytes[..16].try_into().expect("32 bytes hold 16")
}

/// A partition of patients: the unit of subscription, of encryption and of consent to share.
///
/// Lower-case ASCII letters, digits, `-`, `_` and `/`, 1 to 64 bytes; starts and ends with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Area(String);

/// Why a text is not an area name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not an area: 1 to 64 of a-z 0-9 - _ /, starting and ending with a letter or digit")]
pub struct AreaError {
    /// What was given, shortened.
    pub text: String,
}

impl Area {
    /// Checks and wraps an area name.
    ///
    /// # Errors
    /// [`AreaError`] when the name has other characters or another length.
    pub fn new(text: &str) -> Result<Self, AreaError> {
        let allowed = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'/');
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        let bytes = text.as_bytes();
        let good = bytes.len() <= limits::AREA_BYTES_MAX
            && bytes.iter().all(allowed)
            && edge(bytes.first())
            && edge(bytes.last());
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(AreaError { text: text.chars().take(80).collect() })
        }
    }

    /// The area that every device holds: control entries, and what names no patient.
    pub fn common() -> Self {
        Self("common".to_owned())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether the area belongs to one site alone (`private/…`) and is not shared.
    pub fn is_private(&self) -> bool {
        self.0.starts_with("private/")
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Area({})", self.0)
    }
}

impl FromStr for Area {
    type Err = AreaError;

    fn from_str(text: &str) -> Result<Self, AreaError> {
        Self::new(text)
    }
}

impl<C> Encode<C> for Area {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Area {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::new(d.str()?).map_err(|_| decode::Error::message("not an area name"))
    }
}

impl serde::Serialize for Area {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Area {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a text is not the hexadecimal form of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct HexError {
    /// How many digits the id has.
    pub expected: usize,
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Reads exactly `N` bytes from hexadecimal digits of either case.
///
/// # Errors
/// [`HexError`] on another length or another character.
pub fn unhex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let wrong = HexError { expected: N * 2 };
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| wrong)?;
    bytes.try_into().map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Part;

    #[test]
    fn area_names_are_plain() {
        for good in ["common", "shared/miura", "private/south-1", "a"] {
            assert_eq!(Area::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "/a", "a/", "A", "共有", "a b", &"a".repeat(65)] {
            assert!(Area::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_go_through_hex_and_json() {
        let id = RecordId::of_patient("urn:oid:1.2.392", "POP-000035");
        assert_eq!(id.to_string().parse::<RecordId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<RecordId>(&json).unwrap(), id);
        assert!("xyz".parse::<RecordId>().is_err());
    }

    #[test]
    fn lanes_of_different_names_differ() {
        let (realm, device) = (RealmId([1; 32]), DeviceId([2; 32]));
        let area = Area::common();
        let lane = LaneId::of(&realm, &device, &area, Part::Card);
        assert_ne!(lane, LaneId::of(&realm, &device, &area, Part::Notes));
        assert_ne!(lane, LaneId::of(&RealmId([3; 32]), &device, &area, Part::Card));
    }
}
