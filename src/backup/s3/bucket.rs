//! The requests to an S3 bucket.

use super::super::bucket_error::{Action, Attempt, BucketError};
use super::super::object::{LIST_OBJECTS_MAX, OBJECT_BYTES_MAX, ObjectInfo, ObjectKey, PutOutcome};
use super::failure::Failure;
use super::settings::{Patience, S3Settings};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names the metadata of an object that tells which put wrote it: 32 hex digits, random for each call.
pub const PUT_ID_METADATA: &str = "musubi-put";

/// Talks to one bucket, or a prefix of one. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct S3Bucket {
    client: Client,
    settings: Arc<S3Settings>,
}

impl S3Bucket {
    /// Prepares a client; nothing is sent yet. Must be called, and used, within a tokio runtime.
    pub fn new(settings: S3Settings) -> S3Bucket {
        S3Bucket { client: Client::from_conf(config(&settings)), settings: Arc::new(settings) }
    }

    pub(in super::super) fn address(&self) -> String {
        self.settings.place.to_string()
    }

    pub(in super::super) async fn create(&self) -> Result<(), BucketError> {
        let attempt = self.attempt(Action::Create, "");
        let send = || self.client.create_bucket().bucket(self.settings.place.bucket()).send();
        match self.retry(send).await {
            Ok(_) => Ok(()),
            Err(Failure::BucketExists) => self.check().await,
            Err(failure) => Err(failure.report(attempt)),
        }
    }

    pub(in super::super) async fn check(&self) -> Result<(), BucketError> {
        self.check_for(self.attempt(Action::Check, "")).await
    }

    pub(in super::super) async fn put_if_absent(
        &self,
        key: &ObjectKey,
        bytes: Vec<u8>,
    ) -> Result<PutOutcome, BucketError> {
        let attempt = self.attempt(Action::Put, key.as_str());
        let put_id = random_id().map_err(|failure| failure.report(attempt.clone()))?;
        let time = self.settings.patience.for_bytes(bytes.len() as u64);
        let body = SdkBody::from(bytes);
        let send = || {
            // A body from memory can always be cloned, and shares its bytes.
            let body = body.try_clone().unwrap_or_else(SdkBody::taken);
            let timeouts = timeouts(&self.settings.patience, time);
            self.client
                .put_object()
                .bucket(self.settings.place.bucket())
                .key(self.full_key(key.as_str()))
                .if_none_match("*")
                .metadata(PUT_ID_METADATA, &put_id)
                .body(ByteStream::new(body))
                .customize()
                .config_override(Config::builder().timeout_config(timeouts))
                .send()
        };
        match self.retry(send).await {
            Ok(_) => Ok(PutOutcome::Written),
            Err(Failure::Taken) => self.settle(key, &put_id, body.bytes().unwrap_or_default()).await,
            // To a put, "no such key" can only mean the bucket.
            Err(Failure::NoObject) => Err(BucketError::BucketMissing { attempt }),
            Err(failure) => Err(failure.report(attempt)),
        }
    }

    pub(in super::super) async fn get(&self, key: &ObjectKey) -> Result<Vec<u8>, BucketError> {
        self.download(key, None).await
    }

    pub(in super::super) async fn get_range(
        &self,
        key: &ObjectKey,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, BucketError> {
        self.download(key, Some((offset, length))).await
    }

    pub(in super::super) async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, BucketError> {
        let attempt = self.attempt(Action::Head, key.as_str());
        let send = || {
            self.client
                .head_object()
                .bucket(self.settings.place.bucket())
                .key(self.full_key(key.as_str()))
                .send()
        };
        match self.retry(send).await {
            Ok(answer) => {
                let size = declared(answer.content_length(), &attempt)?;
                Ok(Some(ObjectInfo { key: key.clone(), size }))
            }
            // The answer to HEAD has no body: this may be the bucket that is missing.
            Err(Failure::NoObject) => self.check_for(attempt).await.map(|()| None),
            Err(failure) => Err(failure.report(attempt)),
        }
    }

    pub(in super::super) async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, BucketError> {
        self.list_while(prefix, None, |_| true).await
    }

    /// Lists pages until one has a key.
    pub(in super::super) async fn list_after(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> Result<Vec<ObjectInfo>, BucketError> {
        self.list_while(prefix, after, <[ObjectInfo]>::is_empty).await
    }

    async fn list_while(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
        goes_on: impl Fn(&[ObjectInfo]) -> bool,
    ) -> Result<Vec<ObjectInfo>, BucketError> {
        let attempt = self.attempt(Action::List, prefix);
        let own_prefix = self.full_key("");
        let after = after.map(|after| self.full_key(after.as_str()));
        let mut found = Vec::new();
        let mut foreign = 0_u64;
        let mut token: Option<String> = None;
        loop {
            let send = || {
                self.client
                    .list_objects_v2()
                    .bucket(self.settings.place.bucket())
                    .prefix(self.full_key(prefix))
                    .max_keys(i32::from(self.settings.list_page_objects))
                    .set_start_after(after.clone())
                    .set_continuation_token(token.clone())
                    .send()
            };
            let page = self.retry(send).await.map_err(|failure| failure.report(attempt.clone()))?;
            for object in page.contents() {
                let name = object.key().and_then(|name| name.strip_prefix(&own_prefix));
                match name.and_then(|name| ObjectKey::new(name).ok()) {
                    Some(key) => found.push(ObjectInfo { key, size: declared(object.size(), &attempt)? }),
                    None => foreign += 1,
                }
            }
            if found.len() > LIST_OBJECTS_MAX {
                return Err(BucketError::TooMany { attempt, limit: LIST_OBJECTS_MAX });
            }
            match (page.is_truncated().unwrap_or(false), page.next_continuation_token()) {
                (false, _) => break,
                (true, _) if !goes_on(&found) => break,
                (true, Some(next)) if token.as_deref() != Some(next) => token = Some(next.to_owned()),
                (true, _) => {
                    let detail = "the server says that a listing goes on, and not where".to_owned();
                    return Err(BucketError::Refused { attempt, detail });
                }
            }
        }
        if foreign > 0 {
            tracing::warn!(bucket = self.address(), foreign, "objects whose names are no keys are left out");
        }
        Ok(found)
    }

    /// Settles a put whose key is taken: by an earlier attempt of this same call whose answer was lost, by
    /// another writer of the same bytes, or by other bytes.
    async fn settle(&self, key: &ObjectKey, put_id: &str, bytes: &[u8]) -> Result<PutOutcome, BucketError> {
        let attempt = self.attempt(Action::Put, key.as_str());
        let send = || {
            self.client
                .head_object()
                .bucket(self.settings.place.bucket())
                .key(self.full_key(key.as_str()))
                .send()
        };
        let head = match self.retry(send).await {
            Ok(head) => head,
            Err(Failure::NoObject) => {
                let detail = "the key was taken and is free again".to_owned();
                return Err(BucketError::Busy { attempt, detail });
            }
            Err(failure) => return Err(failure.report(attempt)),
        };
        if head.metadata().and_then(|metadata| metadata.get(PUT_ID_METADATA)).is_some_and(|id| id == put_id) {
            return Ok(PutOutcome::Written);
        }
        if declared(head.content_length(), &attempt)? == bytes.len() as u64 && self.get(key).await? == bytes {
            Ok(PutOutcome::AlreadyThere)
        } else {
            Err(BucketError::Conflict { attempt })
        }
    }

    /// Reads an object or a range; a connection that breaks within the body is a failure that passes.
    async fn download(&self, key: &ObjectKey, range: Option<(u64, u64)>) -> Result<Vec<u8>, BucketError> {
        let attempt = self.attempt(Action::Get, key.as_str());
        let send = || async {
            let header = range.map(|(offset, length)| format!("bytes={offset}-{}", offset + length - 1));
            let request = self.client.get_object().bucket(self.settings.place.bucket());
            let answer = request.key(self.full_key(key.as_str())).set_range(header).send().await?;
            let size = u64::try_from(answer.content_length().unwrap_or(-1)).ok();
            let size = size.ok_or_else(|| Failure::Refused("an answer without a length".to_owned()))?;
            if let Some((offset, length)) = range {
                // A server may ignore the range, or cut it short at the end of the object.
                let begins = format!("bytes {offset}-");
                if size != length || !answer.content_range().is_some_and(|range| range.starts_with(&begins)) {
                    return Err(Failure::OutOfRange);
                }
            }
            if size > OBJECT_BYTES_MAX {
                return Ok((size, Vec::new()));
            }
            let time = self.settings.patience.for_bytes(size);
            match tokio::time::timeout(time, collect(answer, size)).await {
                Ok(bytes) => Ok((size, bytes?)),
                Err(_) => Err(Failure::Unreachable("the download took too long".to_owned())),
            }
        };
        match self.retry(send).await {
            Ok((size, _)) if size > OBJECT_BYTES_MAX => {
                Err(BucketError::TooLarge { attempt, size, limit: OBJECT_BYTES_MAX })
            }
            Ok((_, bytes)) => Ok(bytes),
            Err(failure) => Err(failure.report(attempt)),
        }
    }

    async fn check_for(&self, attempt: Attempt) -> Result<(), BucketError> {
        let send = || {
            let request = self.client.list_objects_v2().bucket(self.settings.place.bucket());
            request.prefix(self.full_key("")).max_keys(1).send()
        };
        match self.retry(send).await {
            Ok(_) => Ok(()),
            Err(Failure::NoObject) => Err(BucketError::BucketMissing { attempt }),
            Err(failure) => Err(failure.report(attempt)),
        }
    }

    /// Sends a request until it succeeds, fails for good, or patience ends; pauses are random ("full
    /// jitter"), so that the gateways of a region do not come back all at once.
    async fn retry<T, E, Sent>(&self, send: impl Fn() -> Sent) -> Result<T, Failure>
    where
        Sent: Future<Output = Result<T, E>>,
        Failure: From<E>,
    {
        let patience = &self.settings.patience;
        let begun = Instant::now();
        let mut pause_max = patience.pause;
        let mut attempts = 1;
        loop {
            let failure = match send().await {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::from(error),
            };
            let pause = random_part(pause_max)?;
            let late = begun.elapsed() + pause > patience.retry_within;
            if !failure.passes() || attempts >= patience.attempts_max || late {
                return Err(failure);
            }
            tracing::debug!(bucket = self.address(), attempts, ?failure, "a request will be repeated");
            tokio::time::sleep(pause).await;
            attempts += 1;
            pause_max *= 2;
        }
    }

    fn full_key(&self, key: &str) -> String {
        match self.settings.place.prefix() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    fn attempt(&self, action: Action, key: &str) -> Attempt {
        Attempt { action, bucket: self.address(), key: key.to_owned() }
    }
}

fn config(settings: &S3Settings) -> Config {
    let S3Settings { place, credentials, patience, .. } = settings;
    let token = credentials.session_token.as_ref().map(|token| token.to_string());
    let credentials = Credentials::new(
        &credentials.access_key_id,
        credentials.secret_access_key.as_str(),
        token,
        None,
        "musubi",
    );
    let stalled =
        StalledStreamProtectionConfig::enabled().upload_enabled(false).grace_period(patience.answer);
    let builder = Config::builder()
        .behavior_version_latest()
        .region(Region::new(place.region().to_owned()))
        .credentials_provider(credentials)
        .http_client(super::client::http_client(place))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(patience, patience.answer))
        .stalled_stream_protection(stalled.build())
        // The signature covers the SHA-256 of the body; objects are content-addressed or signed. The
        // further checksums would need a chunked encoding that not every server understands.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    match place.endpoint() {
        Some(endpoint) => builder.endpoint_url(endpoint).force_path_style(true).build(),
        None => builder.build(),
    }
}

fn timeouts(patience: &Patience, answer: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(patience.connect)
        .read_timeout(answer)
        .operation_attempt_timeout(patience.connect + answer)
        .build()
}

/// Reads a body of a declared size, and never more.
async fn collect(mut answer: GetObjectOutput, size: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    loop {
        match answer.body.next().await {
            None => break,
            Some(Ok(chunk)) if bytes.len() as u64 + chunk.len() as u64 <= size => {
                bytes.extend_from_slice(&chunk)
            }
            Some(Ok(_)) => return Err(Failure::Busy("more bytes than were declared".to_owned())),
            Some(Err(error)) => return Err(Failure::Unreachable(error.to_string())),
        }
    }
    if bytes.len() as u64 == size {
        Ok(bytes)
    } else {
        Err(Failure::Unreachable(format!("{} of {size} bytes", bytes.len())))
    }
}

fn declared(size: Option<i64>, attempt: &Attempt) -> Result<u64, BucketError> {
    size.and_then(|size| u64::try_from(size).ok()).ok_or_else(|| BucketError::Refused {
        attempt: attempt.clone(),
        detail: "the server does not tell the object's size".to_owned(),
    })
}

fn random_id() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Refused(format!("no random bytes: {error}")))?;
    Ok(data_encoding::HEXLOWER.encode(&bytes))
}

/// Returns a random duration up to the given one.
fn random_part(of: Duration) -> Result<Duration, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Refused(format!("no random bytes: {error}")))?;
    Ok(of.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)))
}
