//! Named descriptions of bad networks, for drills and tests.
//!
//! A scenario writes a profile by its name (`"satellite"`) or as a table of what differs from a perfect line
//! (`{ delay_ms = 300, loss_up = 0.1 }`); unknown names and keys are errors. *Up* is from the dialling side to
//! the accepting side, *down* the way back; delays are for one direction.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;

use serde::de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that wait at a slow line before more are dropped, unless a profile says otherwise.
const QUEUE_BYTES: u64 = 256 << 10;

/// What a path does to datagrams; the default is a perfect line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct LinkProfile {
    /// Time in milliseconds that every datagram takes in one direction.
    pub delay_ms: u32,
    /// Most that is added to the delay, in milliseconds, evenly spread; order is kept.
    pub jitter_ms: u32,
    /// Part of the datagrams lost on the way up.
    pub loss_up: Loss,
    /// Part of the datagrams lost on the way down.
    pub loss_down: Loss,
    /// Bytes per second in each direction; `None` is without limit.
    pub rate_bytes_per_s: Option<NonZeroU64>,
    /// Bytes that may wait for the rate in each direction; what comes then is dropped.
    pub queue_bytes_max: u64,
    /// Bytes of both directions together that it carries in a day, counted from its start; what comes beyond is dropped until
    /// the next. `None` is without limit.
    pub bytes_per_day: Option<NonZeroU64>,
    /// Times of up and down that alternate; `None` is always up.
    pub flap: Option<Flap>,
}

/// A path that comes and goes, starting with a time of being up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flap {
    /// Milliseconds of being up.
    pub up_ms: NonZeroU32,
    /// Milliseconds of being down.
    pub down_ms: u32,
}

/// The part of datagrams that is lost, from 0 (none) to 1 (all).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Loss(f64);

/// A [`Loss`] was not a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("loss must be a number from 0 to 1, not {0}")]
pub struct LossOutOfRange(pub f64);

/// Names the profiles that scenarios use; [`PROFILES`] says what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProfileName {
    /// `lan`.
    Lan,
    /// `weak-mobile`.
    WeakMobile,
    /// `satellite`.
    Satellite,
    /// `satellite-quota`.
    SatelliteQuota,
    /// `narrow-23k`.
    Narrow23k,
    /// `flapping`.
    Flapping,
    /// `one-way`.
    OneWay,
    /// `one-way-loss`.
    OneWayLoss,
    /// `udp-blocked`.
    UdpBlocked,
}

/// A named profile.
#[derive(Debug, Clone)]
pub struct NamedProfile {
    /// The name.
    pub name: ProfileName,
    /// The name as scenarios write it.
    pub text: &'static str,
    /// What it is like, in English.
    pub en: &'static str,
    /// What it is like, in Japanese.
    pub ja: &'static str,
    /// What it does.
    pub profile: LinkProfile,
}

/// A perfect line, as far as a byte cannot travel in less than no time.
const PERFECT: LinkProfile = LinkProfile {
    delay_ms: 0,
    jitter_ms: 0,
    loss_up: Loss::NONE,
    loss_down: Loss::NONE,
    rate_bytes_per_s: None,
    queue_bytes_max: QUEUE_BYTES,
    bytes_per_day: None,
    flap: None,
};
/// A geostationary satellite.
const SATELLITE: LinkProfile = LinkProfile {
    delay_ms: 300,
    jitter_ms: 10,
    loss_up: Loss(0.005),
    loss_down: Loss(0.005),
    rate_bytes_per_s: NonZeroU64::new(1_250_000),
    queue_bytes_max: 512 << 10,
    ..PERFECT
};

/// Every named profile, in the order of the names: the relay, the simulator, scenario files and their guide read this table.
pub static PROFILES: [NamedProfile; 9] = [
    NamedProfile {
        name: ProfileName::Lan,
        text: "lan",
        en: "a house network: perfect for our purposes",
        ja: "構内の網。訓練では完全な回線",
        profile: PERFECT,
    },
    NamedProfile {
        name: ProfileName::WeakMobile,
        text: "weak-mobile",
        en: "weak 4G: the edge of an overloaded cell",
        ja: "弱い 4G：混み合った基地局の端",
        profile: LinkProfile {
            delay_ms: 60,
            jitter_ms: 80,
            loss_up: Loss(0.02),
            loss_down: Loss(0.02),
            rate_bytes_per_s: NonZeroU64::new(125_000),
            queue_bytes_max: 128 << 10,
            ..PERFECT
        },
    },
    NamedProfile {
        name: ProfileName::Satellite,
        text: "satellite",
        en: "a geostationary satellite, 600 ms there and back",
        ja: "静止衛星。往復 600 ミリ秒",
        profile: SATELLITE,
    },
    NamedProfile {
        name: ProfileName::SatelliteQuota,
        text: "satellite-quota",
        en: "the same, with a contract that ends for the day after 5 MB",
        ja: "同じ衛星。契約は一日 5 MB まで",
        profile: LinkProfile { bytes_per_day: NonZeroU64::new(5_000_000), ..SATELLITE },
    },
    NamedProfile {
        name: ProfileName::Narrow23k,
        text: "narrow-23k",
        en: "a shared or voice-grade satellite channel",
        ja: "共用または音声用の衛星回線",
        profile: LinkProfile {
            delay_ms: 300,
            rate_bytes_per_s: NonZeroU64::new(23_000 / 8),
            queue_bytes_max: 16 << 10,
            ..PERFECT
        },
    },
    NamedProfile {
        name: ProfileName::Flapping,
        text: "flapping",
        en: "it fails every 20 s",
        ja: "20 秒ごとに切れる",
        profile: LinkProfile {
            delay_ms: 20,
            flap: match NonZeroU32::new(15_000) {
                Some(up_ms) => Some(Flap { up_ms, down_ms: 5_000 }),
                None => None,
            },
            ..PERFECT
        },
    },
    NamedProfile {
        name: ProfileName::OneWay,
        text: "one-way",
        en: "nothing comes back to the dialling side",
        ja: "発信側には何も戻らない",
        profile: LinkProfile { delay_ms: 20, loss_down: Loss::ALL, ..PERFECT },
    },
    NamedProfile {
        name: ProfileName::OneWayLoss,
        text: "one-way-loss",
        en: "three of ten datagrams are lost on the way back to the dialling side",
        ja: "発信側へ戻る十個のうち三個が失われる",
        profile: LinkProfile { delay_ms: 20, loss_down: Loss(0.3), ..PERFECT },
    },
    NamedProfile {
        name: ProfileName::UdpBlocked,
        text: "udp-blocked",
        en: "a firewall that lets no UDP through: only a bucket is left, perhaps through an HTTP proxy",
        ja: "UDP を通さない壁。残るのはバケットだけ（HTTP プロキシ経由のことも）",
        profile: LinkProfile { loss_up: Loss::ALL, loss_down: Loss::ALL, ..PERFECT },
    },
];

impl Default for LinkProfile {
    fn default() -> LinkProfile {
        PERFECT
    }
}

impl LinkProfile {
    /// Returns whether the path is in a time of being up, `elapsed_ms` after its start.
    pub fn is_up(&self, elapsed_ms: u64) -> bool {
        match self.flap {
            None => true,
            Some(flap) => {
                let up_ms = u64::from(flap.up_ms.get());
                elapsed_ms % (up_ms + u64::from(flap.down_ms)) < up_ms
            }
        }
    }
}

impl Loss {
    /// Nothing is lost.
    pub const NONE: Loss = Loss(0.0);
    /// Everything is lost.
    pub const ALL: Loss = Loss(1.0);

    /// Returns whether a datagram is lost, given a random number drawn evenly from all of `u32`.
    pub fn strikes(self, random: u32) -> bool {
        f64::from(random) < self.0 * (f64::from(u32::MAX) + 1.0)
    }
}

impl TryFrom<f64> for Loss {
    type Error = LossOutOfRange;

    fn try_from(loss: f64) -> Result<Loss, LossOutOfRange> {
        if (0.0..=1.0).contains(&loss) { Ok(Loss(loss)) } else { Err(LossOutOfRange(loss)) }
    }
}

impl From<Loss> for f64 {
    fn from(loss: Loss) -> f64 {
        loss.0
    }
}

impl ProfileName {
    /// All names.
    pub const ALL: [ProfileName; 9] = [
        ProfileName::Lan,
        ProfileName::WeakMobile,
        ProfileName::Satellite,
        ProfileName::SatelliteQuota,
        ProfileName::Narrow23k,
        ProfileName::Flapping,
        ProfileName::OneWay,
        ProfileName::OneWayLoss,
        ProfileName::UdpBlocked,
    ];

    /// Returns the name as scenarios write it.
    pub fn as_str(self) -> &'static str {
        PROFILES[self as usize].text
    }

    /// Returns what the name stands for.
    pub fn profile(self) -> LinkProfile {
        PROFILES[self as usize].profile.clone()
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProfileName {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<ProfileName, UnknownProfile> {
        ProfileName::ALL
            .into_iter()
            .find(|known| known.as_str() == name)
            .ok_or_else(|| UnknownProfile(name.into()))
    }
}

/// A link profile was named that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no link profile is named {0:?}; known are {names}, or write a table", names = names())]
pub struct UnknownProfile(pub String);

fn names() -> String {
    PROFILES.iter().map(|one| one.text).collect::<Vec<_>>().join(", ")
}

impl Serialize for ProfileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProfileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ProfileName, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for LinkProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LinkProfile, D::Error> {
        deserializer.deserialize_any(NameOrTable)
    }
}

struct NameOrTable;

impl<'de> Visitor<'de> for NameOrTable {
    type Value = LinkProfile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a link profile, or a table of its properties")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<LinkProfile, E> {
        name.parse::<ProfileName>().map(ProfileName::profile).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<LinkProfile, A::Error> {
        // The derived reader of the table, which `remote = "Self"` makes an inherent function.
        LinkProfile::deserialize(MapAccessDeserializer::new(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Scenario {
        link: LinkProfile,
    }

    fn read(text: &str) -> Result<LinkProfile, String> {
        toml::from_str::<Scenario>(text).map(|scenario| scenario.link).map_err(|error| error.to_string())
    }

    #[test]
    fn every_profile_is_read_by_its_name() {
        for (place, name) in ProfileName::ALL.into_iter().enumerate() {
            assert_eq!(
                (PROFILES[place].name, name as usize),
                (name, place),
                "the table is in the order of the names"
            );
            assert_eq!(read(&format!("link = \"{name}\"")), Ok(name.profile()));
        }
    }

    #[test]
    fn a_table_says_what_differs_from_a_perfect_line() {
        let expected = LinkProfile { delay_ms: 300, loss_up: Loss(0.1), ..LinkProfile::default() };
        assert_eq!(read("link = { delay_ms = 300, loss_up = 0.1 }"), Ok(expected));
    }

    #[test]
    fn mistakes_in_a_scenario_are_named() {
        assert!(read("link = \"sattelite\"").is_err_and(|error| error.contains("satellite")));
        assert!(read("link = { dealy_ms = 3 }").is_err_and(|error| error.contains("dealy_ms")));
        assert!(read("link = { loss_up = 1.5 }").is_err_and(|error| error.contains("from 0 to 1")));
        assert!(read("link = { loss_up = nan }").is_err());
        assert!(read("link = { rate_bytes_per_s = 0 }").is_err());
        assert!(read("link = { bytes_per_day = 0 }").is_err());
        assert!(read("link = \"lann\"").is_err_and(|error| error.contains("one-way-loss")));
    }

    #[test]
    fn flapping_starts_up_and_repeats() {
        let profile = ProfileName::Flapping.profile();
        let seen: Vec<bool> = [0, 14_999, 15_000, 19_999, 20_000].map(|ms| profile.is_up(ms)).to_vec();
        assert_eq!(seen, [true, true, false, false, true]);
    }

    #[test]
    fn loss_strikes_never_always_or_as_often_as_said() {
        assert!(!Loss::NONE.strikes(0) && Loss::ALL.strikes(u32::MAX));
        assert!(Loss(0.5).strikes(u32::MAX / 2 - 1) && !Loss(0.5).strikes(u32::MAX / 2 + 1));
    }
}
