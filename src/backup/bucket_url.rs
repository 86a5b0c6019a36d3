//! The addresses of buckets, as people write them.

use super::bucket_error::BucketError;
use super::s3::S3Place;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const EXAMPLES: &str =
    "write file:///directory or s3://bucket/prefix?endpoint=http://host:port&region=us-east-1";

/// Names a bucket by its address.
///
/// ```text
/// file:///absolute/directory      file://relative/directory      (%20 for a space, and so on)
/// s3://bucket
/// s3://bucket/prefix?endpoint=http://127.0.0.1:8333&region=us-east-1
/// ```
///
/// The endpoint may come from `AWS_ENDPOINT_URL`, the region from `AWS_REGION`; without any endpoint the
/// bucket is one of AWS. An HTTP proxy is named by `&proxy=http://host:port`, or by `HTTPS_PROXY` and its kin. Credentials never stand in an address: they come from the environment.
///
/// ```
/// use musubi::backup::BucketUrl;
///
/// let url = BucketUrl::parse("s3://region-backup/north?endpoint=http://127.0.0.1:8333")?;
/// assert_eq!(url.to_string(), "s3://region-backup/north?endpoint=http://127.0.0.1:8333");
/// assert!(BucketUrl::parse("ftp://somewhere").is_err());
/// # Ok::<(), musubi::backup::BucketError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketUrl {
    /// A directory of this machine.
    File {
        /// The directory, absolute or relative to the working directory.
        directory: PathBuf,
    },
    /// A bucket, or a prefix of one, on a server that speaks S3.
    S3(S3Place),
}

impl BucketUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// [`BucketError::Address`] says what is wrong and shows a right address. It does not repeat the
    /// address, which may hold a secret by mistake.
    pub fn parse(text: &str) -> Result<BucketUrl, BucketError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return wrong(format!("it has no scheme; {EXAMPLES}"));
        };
        match scheme {
            "file" => parse_file(rest),
            "s3" => parse_s3(rest),
            "http" | "https" => wrong(format!("a server is given as the endpoint of a bucket: {EXAMPLES}")),
            _ => wrong(format!("the scheme is neither file nor s3; {EXAMPLES}")),
        }
    }
}

impl FromStr for BucketUrl {
    type Err = BucketError;

    fn from_str(text: &str) -> Result<BucketUrl, BucketError> {
        BucketUrl::parse(text)
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BucketUrl::File { directory } => write!(out, "file://{}", encoded(&directory.to_string_lossy())),
            BucketUrl::S3(place) => place.fmt(out),
        }
    }
}

fn parse_file(rest: &str) -> Result<BucketUrl, BucketError> {
    let path = decoded(rest)?;
    if path.is_empty() {
        return wrong(format!("it names no directory; {EXAMPLES}"));
    }
    if path.contains('\0') {
        return wrong("a directory's name cannot contain a zero byte".to_owned());
    }
    Ok(BucketUrl::File { directory: PathBuf::from(path) })
}

fn parse_s3(rest: &str) -> Result<BucketUrl, BucketError> {
    let (place, query) = rest.split_once('?').map_or((rest, ""), |(place, query)| (place, query));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if place.contains('@') {
        let hint = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
        return wrong(format!("credentials do not belong in an address; {hint}"));
    }
    let mut endpoint = None;
    let mut region = None;
    let mut proxy = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match name {
            "endpoint" => &mut endpoint,
            "region" => &mut region,
            "proxy" => &mut proxy,
            _ => {
                let known = "after '?' only endpoint=, region= and proxy= are known, joined by '&'";
                return wrong(known.to_owned());
            }
        };
        if slot.replace(decoded(value)?).is_some() {
            return wrong(format!("{name}= is given twice"));
        }
    }
    let place = S3Place::new(bucket, prefix, endpoint.as_deref(), region.as_deref())?;
    Ok(BucketUrl::S3(match proxy {
        Some(proxy) => place.through(&proxy)?,
        None => place,
    }))
}

/// Undoes `%XX`.
fn decoded(text: &str) -> Result<String, BucketError> {
    let bad =
        || BucketError::Address { problem: "'%' must be followed by two hex digits (%25 is '%')".to_owned() };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let value = digit().zip(digit()).map(|(high, low)| high * 16 + low).ok_or_else(bad)?;
        bytes.push(u8::try_from(value).map_err(|_| bad())?);
    }
    String::from_utf8(bytes).map_err(|_| BucketError::Address { problem: "it is not UTF-8".to_owned() })
}

/// Writes what would be misread as `%XX`.
fn encoded(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '%' | '\0'..=' ' => format!("%{:02X}", u32::from(c)),
            _ => c.to_string(),
        })
        .collect()
}

fn wrong<T>(problem: String) -> Result<T, BucketError> {
    Err(BucketError::Address { problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        match BucketUrl::parse(text) {
            Err(BucketError::Address { problem }) => problem,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn directories_are_absolute_or_relative() {
        let directory = |text: &str| match BucketUrl::parse(text).unwrap() {
            BucketUrl::File { directory } => directory,
            BucketUrl::S3(place) => panic!("{place}"),
        };
        assert_eq!(directory("file:///mnt/stick"), PathBuf::from("/mnt/stick"));
        assert_eq!(directory("file://backup/north"), PathBuf::from("backup/north"));
        assert_eq!(directory("file:///mnt/my%20stick%25"), PathBuf::from("/mnt/my stick%"));
    }

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in [
            "file:///mnt/my%20stick%25",
            "file://backup",
            "s3://bucket",
            "s3://bucket/a/b?endpoint=https://s3.example.org",
            "s3://bucket?endpoint=http://127.0.0.1:8333&region=eu-west-1",
            "s3://bucket?endpoint=http://127.0.0.1:8333&proxy=http://proxy.ward:3128",
        ] {
            assert_eq!(BucketUrl::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_wrong_address_is_told_what_is_wrong() {
        for (text, hint) in [
            ("/mnt/stick", "no scheme"),
            ("ftp://host/dir", "neither file nor s3"),
            ("https://s3.example.org/bucket", "endpoint of a bucket"),
            ("file://", "no directory"),
            ("file:///a%2", "two hex digits"),
            ("s3://", "bucket"),
            ("s3:///prefix", "bucket"),
            ("s3://Bucket", "bucket"),
            ("s3://bucket/a//b", "prefix"),
            ("s3://bucket/a/../b", "prefix"),
            ("s3://bucket?endpont=http://x", "only endpoint=, region="),
            ("s3://bucket?region=a&region=b", "twice"),
            ("s3://bucket?endpoint=127.0.0.1:8333", "http://"),
            ("s3://bucket?endpoint=http://", "http://"),
            ("s3://bucket?region=", "region"),
            ("s3://bucket?proxy=proxy:3128", "http://host:port"),
            ("s3://bucket?proxy=http://me:secret@proxy:3128", "without credentials"),
        ] {
            assert!(problem(text).contains(hint), "{text}: {}", problem(text));
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        let problem = problem("s3://AKIA:hunter2@bucket/x");
        assert!(problem.contains("environment") && !problem.contains("hunter2"), "{problem}");
    }
}
