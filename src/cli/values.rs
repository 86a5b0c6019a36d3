//! Readers of single values on the command line.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NameError, StrDeserializer};

use super::failure::Failure;
use crate::backup::BucketUrl;
use crate::base::WallMs;

/// The kinds of sites.
pub const SITE_KINDS: &[&str] =
    &["hospital", "clinic", "pharmacy", "care-home", "shelter", "ambulance", "cloud"];
/// The roles of devices.
pub const DEVICE_ROLES: &[&str] = &["hospital", "tablet", "gateway"];
/// The forms of an export.
pub const EXPORT_FORMATS: &[&str] = &["fhir", "ndjson"];
/// The parts.
pub const PARTS: &[&str] = &["control", "card", "notes", "data", "audit"];
/// What is done with a medication.
pub const MEDICATION_ACTIONS: &[&str] = &["start", "change", "hold", "stop"];
/// How critical an allergy is (FHIR `AllergyIntolerance.criticality`).
pub const CRITICALITIES: &[&str] = &["high", "low", "unable-to-assess"];
/// Administrative sexes (FHIR `Patient.gender`).
pub const SEXES: &[&str] = &["male", "female", "other", "unknown"];

/// Reads one of the names of an enumeration's variants, as they stand in configuration and JSON.
pub fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names.iter().copied()).try_map(|name| of_name::<T>(&name))
}

fn of_name<T: DeserializeOwned>(name: &str) -> Result<T, NameError> {
    T::deserialize(StrDeserializer::new(name))
}

/// Reads a birth date, `YYYY-MM-DD`.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn birth_date(text: &str) -> Result<String, String> {
    let digits = |c: (usize, char)| matches!(c.0, 4 | 7) == (c.1 == '-');
    let shaped = text.len() == 10 && text.chars().enumerate().all(digits);
    match text.parse::<jiff::civil::Date>() {
        Ok(_) if shaped => Ok(text.to_owned()),
        _ => Err("a date of the calendar is needed, as in 1950-01-31".to_owned()),
    }
}

/// Reads a moment: a date and time with an offset, one in Japanese time, or a time of today in Japan.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn moment(text: &str, now: WallMs) -> Result<WallMs, String> {
    let wrong = || {
        format!(
            "'{text}' is not a time: 2026-11-22T14:10, with +09:00 or Z behind it if need be, or 14:10 of today"
        )
    };
    let japan = jiff::tz::Offset::constant(9);
    let at = |time: jiff::civil::DateTime| japan.to_timestamp(time).ok();
    let today = || {
        let now = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let time: jiff::civil::Time = text.parse().ok()?;
        at(japan.to_datetime(now).date().to_datetime(time))
    };
    let is_time_only = !text.contains('-') && text.contains(':');
    let read = match is_time_only {
        true => today(),
        false => text.parse().ok().or_else(|| at(text.parse().ok()?)),
    };
    let read: jiff::Timestamp = read.ok_or_else(wrong)?;
    u64::try_from(read.as_millisecond()).map(WallMs).map_err(|_| wrong())
}

/// Reads a share, such as `1%` or `0.01`, above 0 and at most a half.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn share(text: &str) -> Result<f64, String> {
    let (number, of) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / of);
    let wrong = || format!("'{text}' is not a share above 0 and at most a half, such as 1% or 0.01");
    share.filter(|share| *share > 0.0 && *share <= 0.5).ok_or_else(wrong)
}

/// Reads `HOST:PORT`.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn host_and_port(text: &str) -> Result<String, String> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        let plain = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && plain && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match good {
        true => Ok(text.to_owned()),
        false => Err("HOST:PORT is needed, as in north.example:7440 or [::1]:7440".to_owned()),
    }
}

/// Reads a peer: a replica's `HOST:PORT`, or a bucket's address, in which a relative folder becomes absolute.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn replica_or_bucket(text: &str) -> Result<String, String> {
    match text.contains("://") {
        true => bucket(text).map(|url| url.to_string()).map_err(|failure| failure.message),
        false => host_and_port(text),
    }
}

/// Makes a path absolute, so that a running replica with another working folder finds it.
///
/// # Errors
/// [`Failure`] when the path is empty or there is no working folder.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::wrong_call(format!("the path '{}': {error}", path.display())))
}

/// Reads a bucket's address; a relative folder becomes absolute.
///
/// # Errors
/// [`Failure`] that shows a right address.
pub fn bucket(text: &str) -> Result<BucketUrl, Failure> {
    Ok(match BucketUrl::parse(text)? {
        BucketUrl::File { directory } => BucketUrl::File { directory: absolute(&directory)? },
        BucketUrl::S3(place) => BucketUrl::S3(place),
    })
}

/// Checks that a new store can be made in a folder: it is empty, or not there yet.
///
/// # Errors
/// [`Failure`] that says what to do instead.
pub fn empty_or_absent(folder: &Path, what: &str) -> Result<(), Failure> {
    let refuse = |why: String| {
        Err(Failure::wrong_call(format!("{what} {}: {why}", folder.display()))
            .hint("name a folder that is empty or not there yet; nothing was changed"))
    };
    match std::fs::read_dir(folder) {
        Ok(mut items) => match items.next() {
            Some(_) => refuse("the folder is not empty".to_owned()),
            None => Ok(()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => refuse(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{DeviceRole, SiteKind};
    use crate::replica::request::{ExportFormat, MedicationAction};

    #[test]
    fn every_name_that_is_offered_is_understood() {
        assert!(SITE_KINDS.iter().all(|name| of_name::<SiteKind>(name).is_ok()));
        assert!(DEVICE_ROLES.iter().all(|name| of_name::<DeviceRole>(name).is_ok()));
        assert!(EXPORT_FORMATS.iter().all(|name| of_name::<ExportFormat>(name).is_ok()));
        assert!(MEDICATION_ACTIONS.iter().all(|name| of_name::<MedicationAction>(name).is_ok()));
        assert_eq!(of_name::<SiteKind>("care-home").unwrap(), SiteKind::CareHome);
        assert!(of_name::<SiteKind>("castle").is_err());
    }

    #[test]
    fn moments_are_read_in_japanese_time_unless_they_say_otherwise() {
        let now = WallMs(1_795_318_200_000); // 2026-11-22T12:30 in Japan
        let at = WallMs(1_795_324_200_000);
        for good in [
            "2026-11-22T14:10",
            "2026-11-22T14:10+09:00",
            "2026-11-22T05:10:00Z",
            "2026-11-22 14:10",
            "14:10",
        ] {
            assert_eq!(moment(good, now), Ok(at), "{good}");
        }
        for wrong in ["", "yesterday", "25:10", "2026-13-01T00:00", "1960-01-01T00:00", "14"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_and_addresses_are_checked() {
        assert!(birth_date("1950-01-31").is_ok());
        for wrong in ["1950-02-30", "1950-1-3", "19500131", "1950-01-31T00:00", ""] {
            assert!(birth_date(wrong).is_err(), "{wrong}");
        }
        for good in ["north.example:7440", "127.0.0.1:1", "[::1]:7440"] {
            assert!(host_and_port(good).is_ok(), "{good}");
        }
        for wrong in ["north", "north:", ":7440", "::1:7440", "s3://bucket:1", "north:70000", "north:0"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_relative_bucket_folder_becomes_absolute() {
        let BucketUrl::File { directory } = bucket("file://backup").unwrap() else { panic!("a folder") };
        assert!(directory.is_absolute());
        assert_eq!(bucket("ftp://x").unwrap_err().status, 2);
    }

    #[test]
    fn only_an_empty_folder_takes_a_new_store() {
        let dir = tempfile::tempdir().unwrap();
        assert!(empty_or_absent(dir.path(), "the store").is_ok());
        assert!(empty_or_absent(&dir.path().join("new"), "the store").is_ok());
        std::fs::write(dir.path().join("x"), "").unwrap();
        assert_eq!(empty_or_absent(dir.path(), "the store").unwrap_err().status, 2);
    }
}
