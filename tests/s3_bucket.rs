//! Buckets on a real S3 server: the promises, the mistakes people make, and servers that die.

use crate::support::fault_proxy::{Fault, FaultProxy};
use crate::support::seaweed::{ACCESS_KEY, BUCKET, SeaweedFs, settings_at};
use musubi::backup::s3::{Patience, S3Bucket, S3Credentials, S3Place, S3Settings};
use musubi::backup::{Bucket, BucketError, ErrorKind, ObjectKey, PutOutcome, conformance};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

fn open(settings: S3Settings) -> Bucket {
    Bucket::S3(S3Bucket::new(settings))
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(name).expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_the_promises_of_a_bucket() {
    let Some(server) = SeaweedFs::start().await else { return };
    // Two buckets in one, each seeing only its own prefix, and listings of several pages.
    for prefix in ["", "Region.1/north"] {
        let mut settings = server.settings(BUCKET, prefix);
        settings.list_page_objects = 7;
        let bucket = open(settings);
        bucket.check().await.expect("the bucket answers");
        conformance::check(&bucket, "run")
            .await
            .unwrap_or_else(|violation| panic!("prefix {prefix:?}: {violation}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_named_within_seconds_and_not_retried() {
    let Some(server) = SeaweedFs::start().await else { return };
    let begun = Instant::now();

    for (id, secret) in [(ACCESS_KEY, "wrong"), ("nobody", "wrong")] {
        let mut settings = server.settings(BUCKET, "");
        settings.credentials = S3Credentials::new(id, secret, None);
        let bucket = open(settings);
        let errors = [
            bucket.check().await.expect_err("check"),
            bucket.list("").await.expect_err("list"),
            bucket.get(&key("a")).await.expect_err("get"),
            bucket.head(&key("a")).await.expect_err("head"),
            bucket.put_if_absent(&key("a"), vec![1]).await.expect_err("put"),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::FixCredentials, "{error}");
            assert!(error.to_string().contains("AWS_SECRET_ACCESS_KEY"), "{error}");
            assert!(!error.to_string().contains("wrong"), "a secret is shown: {error}");
        }
    }

    let missing = open(server.settings("no-such-bucket", ""));
    let errors = [
        missing.check().await.expect_err("check"),
        missing.list("").await.expect_err("list"),
        missing.get(&key("a")).await.expect_err("get"),
        missing.head(&key("a")).await.expect_err("head"),
        missing.put_if_absent(&key("a"), vec![1]).await.expect_err("put"),
    ];
    for error in errors {
        assert!(matches!(error, BucketError::BucketMissing { .. }), "{error}");
    }
    missing.create().await.expect("a missing bucket can be created");
    missing.create().await.expect("and creating it again is fine");
    let outcome = missing.put_if_absent(&key("a"), vec![1]).await;
    assert_eq!(outcome.expect("now it is there"), PutOutcome::Written);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// The answer to a put is lost after the server stored the object. Sent again, the put finds its key taken,
/// and must recognise itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_whose_answer_was_lost_is_known_to_be_its_own() {
    let Some(server) = SeaweedFs::start().await else { return };
    let proxy = FaultProxy::start(server.address(), Fault::LoseAnswer).await;
    let bucket = open(settings_at(proxy.address(), BUCKET, ""));

    let outcome = bucket.put_if_absent(&key("segments/a"), b"bytes".to_vec()).await;

    assert!(proxy.fault_is(Fault::None), "no answer was lost: the test shows nothing");
    assert_eq!(outcome.expect("the put succeeds"), PutOutcome::Written);
    let again = server.bucket().put_if_absent(&key("segments/a"), b"bytes".to_vec()).await;
    assert_eq!(again.expect("the same bytes"), PutOutcome::AlreadyThere);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_within_an_upload_is_reported_and_the_upload_repeated_when_it_is_back() {
    let Some(mut server) = SeaweedFs::start().await else { return };
    let proxy = FaultProxy::start(server.address(), Fault::HoldAfter(1024 * 1024)).await;
    let bytes: Vec<u8> = (0..12 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect();
    let through_proxy = open(settings_at(proxy.address(), BUCKET, ""));
    let (upload_key, upload_bytes) = (key("segments/large"), bytes.clone());
    let upload = tokio::spawn(async move { through_proxy.put_if_absent(&upload_key, upload_bytes).await });

    proxy.struck().await;
    server.kill();
    let killed = Instant::now();
    let error = upload.await.expect("no panic").expect_err("the server is dead");
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    assert!(killed.elapsed() < Duration::from_secs(10), "reported after {:?}", killed.elapsed());

    server.restart().await;
    let bucket = server.bucket();
    bucket.put_if_absent(&key("segments/large"), bytes.clone()).await.expect("the same put succeeds");
    assert!(bucket.get(&key("segments/large")).await.expect("it is there") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_reported_within_seconds() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let bucket = open(settings_at(address, BUCKET, ""));
    let begun = Instant::now();
    for error in [
        bucket.check().await.expect_err("check"),
        bucket.put_if_absent(&key("a"), vec![1]).await.expect_err("put"),
        bucket.get(&key("a")).await.expect_err("get"),
    ] {
        assert!(matches!(error, BucketError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("check endpoint and network"), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

/// A network that swallows packets, or a server that hangs: connections are made and nothing comes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_reported_when_patience_ends() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let mut settings = settings_at(listener.local_addr().expect("an address"), BUCKET, "");
    settings.patience = Patience {
        answer: Duration::from_millis(200),
        retry_within: Duration::from_millis(500),
        ..Patience::default()
    };
    let begun = Instant::now();
    let error = open(settings).get(&key("a")).await.expect_err("get");
    assert!(matches!(error, BucketError::Unreachable { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// The server ends each connection before it is encrypted, as one does that speaks only http.
#[tokio::test(flavor = "multi_thread")]
async fn an_https_endpoint_that_is_none_is_reported() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let endpoint = format!("https://{}", listener.local_addr().expect("an address"));
    let closing = tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let place = S3Place::new(BUCKET, "", Some(&endpoint), None).expect("a right address");
    let bucket = open(S3Settings::new(place, S3Credentials::new(ACCESS_KEY, "secret", None)));

    let error = bucket.check().await.expect_err("check");

    assert!(matches!(error, BucketError::Unreachable { .. }), "{error}");
    closing.abort();
}
