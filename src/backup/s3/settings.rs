//! Where an S3 bucket is, who asks, and how long to wait.

use super::super::bucket_error::{Action, Attempt, BucketError};
use std::env;
use std::fmt;
use std::time::Duration;
use zeroize::Zeroizing;

/// The region that servers on premises expect, and AWS's first.
const REGION_DEFAULT: &str = "us-east-1";

/// Bounds the prefix of a bucket, bytes: with the longest key it stays below S3's 1,024.
const PREFIX_BYTES_MAX: usize = 400;

/// Names a bucket, a prefix in it, and the server that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Place {
    bucket: String,
    prefix: String,
    endpoint: Option<String>,
    region: Option<String>,
    proxy: Option<String>,
}

impl S3Place {
    /// Checks the parts of an address. An empty prefix is the whole bucket; without an endpoint the
    /// bucket is one of AWS, unless `AWS_ENDPOINT_URL` says otherwise when it is opened.
    ///
    /// # Errors
    /// [`BucketError::Address`] says which part is wrong.
    pub fn new(
        bucket: &str,
        prefix: &str,
        endpoint: Option<&str>,
        region: Option<&str>,
    ) -> Result<S3Place, BucketError> {
        let wrong = |problem: &str| Err(BucketError::Address { problem: problem.to_owned() });
        let of_bucket = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(of_bucket) {
            return wrong("after s3:// stands the name of a bucket: 3 to 63 of a-z, 0-9, '-' and '.'");
        }
        let prefix = prefix.trim_end_matches('/');
        let of_prefix = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
        let empty_component = prefix.starts_with('/') || prefix.contains("//");
        if prefix.len() > PREFIX_BYTES_MAX
            || !prefix.bytes().all(of_prefix)
            || prefix.contains("..")
            || empty_component
        {
            return wrong(
                "the prefix after the bucket may have up to 400 of A-Z, a-z, 0-9, '/', '.', '_' and '-'",
            );
        }
        let region_ok = |region: &str| !region.is_empty() && region.bytes().all(of_bucket);
        if region.is_some_and(|region| !region_ok(region)) {
            return wrong("region= must name a region, for example us-east-1");
        }
        Ok(S3Place {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: endpoint.map(checked_endpoint).transpose()?,
            region: region.map(str::to_owned),
            proxy: None,
        })
    }

    /// Reaches the server through an HTTP proxy, `http://host:port`: where a firewall lets nothing else out.
    ///
    /// # Errors
    /// [`BucketError::Address`] when the address is malformed or holds credentials.
    pub fn through(mut self, proxy: &str) -> Result<S3Place, BucketError> {
        let is_plain = proxy.starts_with("http://");
        let checked = checked_endpoint(proxy).ok().filter(|_| is_plain);
        self.proxy = Some(checked.ok_or_else(|| BucketError::Address {
            problem: "proxy= must look like http://host:port, without credentials".to_owned(),
        })?);
        Ok(self)
    }

    /// Fills in what the address leaves open from `AWS_ENDPOINT_URL`, and `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`.
    ///
    /// # Errors
    /// [`BucketError::Address`] when the endpoint in the environment is malformed.
    pub fn or_environment(mut self) -> Result<S3Place, BucketError> {
        if self.endpoint.is_none() {
            self.endpoint = variable("AWS_ENDPOINT_URL").as_deref().map(checked_endpoint).transpose()?;
        }
        self.region =
            self.region.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"));
        Ok(self)
    }

    /// Returns the name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Returns the prefix within the bucket, without slashes at its ends; empty for the whole bucket.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the URL of the server; `None` for AWS.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Returns the HTTP proxy that the address names; without one the environment may name one.
    pub fn proxy(&self) -> Option<&str> {
        self.proxy.as_deref()
    }

    /// Returns the region to sign for, `us-east-1` when none was named.
    pub fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(REGION_DEFAULT)
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(out, "/{}", self.prefix)?;
        }
        let mut separator = '?';
        for (name, value) in [("endpoint", &self.endpoint), ("region", &self.region), ("proxy", &self.proxy)]
        {
            if let Some(value) = value {
                write!(out, "{separator}{name}={value}")?;
                separator = '&';
            }
        }
        Ok(())
    }
}

/// Holds an access key. `Debug` shows neither secret nor token.
#[derive(Clone)]
pub struct S3Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Zeroizing<String>,
    pub(super) session_token: Option<Zeroizing<String>>,
}

impl S3Credentials {
    /// Takes a key that the caller holds.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> S3Credentials {
        S3Credentials {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: session_token.map(Zeroizing::new),
        }
    }

    /// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, when set, `AWS_SESSION_TOKEN`.
    ///
    /// # Errors
    /// [`BucketError::Credentials`] names the variable that is not set.
    pub fn from_environment(place: &S3Place) -> Result<S3Credentials, BucketError> {
        let required = |name: &str| {
            variable(name).ok_or_else(|| BucketError::Credentials {
                attempt: Attempt { action: Action::Check, bucket: place.to_string(), key: String::new() },
                detail: format!("{name} is not set"),
            })
        };
        let (id, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
        Ok(S3Credentials::new(id, secret, variable("AWS_SESSION_TOKEN")))
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("S3Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Says how long to wait for a server and how often to try again.
///
/// With the defaults a server that is down is reported after about half a second, one that does not even
/// refuse after some ten seconds. Only an upload or download under way may take longer: as long as its
/// size needs at `bytes_per_second_min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a connection may take to be made.
    pub connect: Duration,
    /// How long the server may be silent: before its answer begins, and within it.
    pub answer: Duration,
    /// The slowest link that is still waited for, bytes a second. Never 0.
    pub bytes_per_second_min: u64,
    /// How many times a request is sent, at least once.
    pub attempts_max: u32,
    /// When this much time has passed since the first attempt, no further one is begun.
    pub retry_within: Duration,
    /// The longest pause before the second attempt; it doubles with each one. The pause is random.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            connect: Duration::from_secs(3),
            answer: Duration::from_secs(5),
            bytes_per_second_min: 32 * 1024,
            attempts_max: 4,
            retry_within: Duration::from_secs(8),
            pause: Duration::from_millis(200),
        }
    }
}

impl Patience {
    /// Returns how long a request may take that moves this many bytes.
    pub fn for_bytes(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / self.bytes_per_second_min.max(1))
    }
}

/// Says everything that is needed to open an S3 bucket.
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// Where the bucket is.
    pub place: S3Place,
    /// Who asks.
    pub credentials: S3Credentials,
    /// How long to wait.
    pub patience: Patience,
    /// How many objects to ask for in one page of a listing, 1 to 1,000 (S3's own limit).
    pub list_page_objects: u16,
}

impl S3Settings {
    /// Takes the defaults for everything but place and credentials.
    pub fn new(place: S3Place, credentials: S3Credentials) -> S3Settings {
        S3Settings { place, credentials, patience: Patience::default(), list_page_objects: 1000 }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn checked_endpoint(endpoint: &str) -> Result<String, BucketError> {
    let wrong = || BucketError::Address {
        problem: "the endpoint must look like http://host:port or https://host, without credentials"
            .to_owned(),
    };
    let endpoint = endpoint.trim_end_matches('/');
    let host =
        endpoint.strip_prefix("http://").or_else(|| endpoint.strip_prefix("https://")).ok_or_else(wrong)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:/[]".contains(&b);
    if host.is_empty() || host.starts_with(['/', ':']) || !host.bytes().all(allowed) {
        return Err(wrong());
    }
    Ok(endpoint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = S3Credentials::new("AKIA", "hunter2", Some("token7".into()));
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKIA") && !shown.contains("hunter2") && !shown.contains("token7"), "{shown}");
    }

    #[test]
    fn a_large_object_is_given_the_time_its_size_needs() {
        let patience = Patience::default();
        assert_eq!(patience.for_bytes(100), patience.answer);
        assert_eq!(patience.for_bytes(32 * 1024 * 60), patience.answer + Duration::from_secs(60));
    }

    #[test]
    fn an_endpoint_with_credentials_is_refused() {
        assert!(S3Place::new("bucket", "", Some("http://me:secret@host"), None).is_err());
        let place = S3Place::new("bucket", "a/", Some("https://[::1]:9000/"), None).unwrap();
        assert_eq!((place.prefix(), place.endpoint()), ("a", Some("https://[::1]:9000")));
    }
}
