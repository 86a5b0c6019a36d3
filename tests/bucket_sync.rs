//! Replicas that have no path to each other but a bucket behind an HTTP proxy, as their operators run them.

use serde_json::Value;

use crate::support::http_proxy::HttpProxy;
use crate::support::region::{Region, patients};
use crate::support::seaweed::{ACCESS_KEY, BUCKET, SECRET_KEY, SeaweedFs};

const PATIENT: &str = "清水 咲希";

/// A hospital and a tablet in one realm; the hospital is filled.
async fn region() -> Region {
    let mut region = Region::create().await;
    region.set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
    region.set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    region.enrol("north").await;
    region.enrol("tablet").await;
    let data = patients();
    region.done(&["import", "--store", "north", data.to_str().expect("UTF-8")]).await;
    region
}

async fn sync(region: &Region, store: &str, with: &str) -> Value {
    region.done(&["sync", "--store", store, "--with", with]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_blocked_replicas_meet_in_s3_through_an_http_proxy() {
    let Some(server) = SeaweedFs::start().await else { return };
    let proxy = HttpProxy::start().await;
    let region = region().await;
    let bucket = format!(
        "s3://{BUCKET}/share?endpoint=http://{}&region=us-east-1&proxy=http://{}",
        server.address(),
        proxy.address()
    );

    sync(&region, "north", &bucket).await;
    let at_tablet = sync(&region, "tablet", &bucket).await;
    assert!(at_tablet["received"].as_u64() > Some(0), "{at_tablet}");
    region.note("tablet", PATIENT, "避難所で発熱").await;
    sync(&region, "tablet", &bucket).await;
    let passed = proxy.requests();
    assert!(passed > 5, "{passed} requests went through the proxy");
    let at_north = sync(&region, "north", &bucket).await;

    assert!(at_north["received"].as_u64() > Some(0), "{at_north}");
    assert_eq!(region.heads("north").await, region.heads("tablet").await);
    let nowhere = bucket.replace(&proxy.address().to_string(), "127.0.0.1:9");
    let answer = region.run(&["sync", "--store", "north", "--with", &nowhere]).await;
    assert_eq!(answer.status, 1, "the proxy alone is the way: {}", answer.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_keeps_in_touch_with_a_folder_of_its_configuration() {
    let region = region().await;
    let share = format!("file://{}", region.path("share").display());
    let peers = format!("[[peers]]\nname = 'share'\naddress = '{share}'\nevery-seconds = 1\n");
    let serving = region.serve_with("north", &peers).await;
    for attempt in 0.. {
        let synced = region.run(&["sync", "--store", "tablet", "--with", &share]).await;
        if synced.status == 0 && region.heads("north").await == region.heads("tablet").await {
            break;
        }
        assert!(attempt < 60, "{}", synced.json);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let status = region.done(&["status", "--store", "north"]).await;
    assert_eq!(
        (&status["peers"][0]["name"], &status["peers"][0]["in_sync"]),
        (&"share".into(), &true.into())
    );
    drop(serving);
}
