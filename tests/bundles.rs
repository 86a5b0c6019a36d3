//! A stick between two hospitals, with the built binary: one runs, the other is opened by its commands.

use serde_json::Value;

use crate::support::region::{Region, patients};

#[tokio::test(flavor = "multi_thread")]
async fn a_stick_and_a_card_on_paper_between_a_running_replica_and_a_closed_store() {
    let region = Region::create().await;
    region.enrol("north").await;
    region.enrol("south").await;
    let patients = patients();
    region.done(&["import", "--store", "north", patients.to_str().expect("UTF-8")]).await;
    let serving = region.serve("north").await;

    // What south lacks, asked of the replica that runs.
    region.done(&["bundle", "request", "--store", "south", "--out", "south.request"]).await;
    let wanted = ["--for", "south.request", "--out", "stick.musubi"];
    let export = [&["bundle", "export", "--store", "north"], &wanted[..]].concat();
    let exported = region.done(&export).await;
    assert_eq!(exported["target"], "south (south)");
    assert_eq!(region.run(&export).await.status, 2, "nothing is overwritten");

    // The stick is pulled, then comes whole.
    let whole = std::fs::read(region.path("stick.musubi")).expect("the bundle");
    std::fs::write(region.path("torn.musubi"), &whole[..whole.len() * 2 / 3]).expect("a torn copy");
    let torn = region.run(&["bundle", "import", "--store", "south", "torn.musubi"]).await;
    assert_eq!(torn.status, 3);
    let problems = torn.json["files"][0]["problems"].to_string();
    assert!(problems.contains("has no end"), "{problems}");
    let rest = region.done(&["bundle", "import", "--store", "south", "stick.musubi"]).await;
    let entries = |answer: &Value| answer["entries"].as_u64().expect("a number");
    assert!(entries(&torn.json) + entries(&rest) > 20, "{rest}");
    let again = region.done(&["bundle", "import", "--store", "south", "stick.musubi"]).await;
    assert_eq!(entries(&again), 0);

    // And back, into the replica that runs.
    region.note("south", "POP-000035", "紙と棒").await;
    region.done(&["bundle", "export", "--store", "south", "--realm", "--out", "back.musubi"]).await;
    region.done(&["bundle", "import", "--store", "north", "back.musubi"]).await;
    assert_eq!(region.heads("north").await, region.heads("south").await);

    // One card on paper, to a tablet that holds nothing.
    region.enrol("tablet").await;
    let found = region.done(&["find", "--store", "north", "POP-000035"]).await;
    let record = found["patients"][0]["record"].as_str().expect("the patient").to_owned();
    let card =
        region.done(&["bundle", "export", "--store", "north", "--record", &record, "--qr", "card"]).await;
    assert!((1..=12).contains(&card["codes"].as_u64().expect("a number")), "{card}");
    drop(serving);
    let images = std::fs::read_dir(region.path("card")).expect("the codes");
    let images = images.map(|file| file.expect("a file").path());
    let images: Vec<String> = images
        .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
        .map(|path| path.to_str().expect("UTF-8").to_owned())
        .collect();
    let mut words = vec!["bundle", "import", "--store", "tablet"];
    words.extend(images.iter().map(String::as_str));
    let read = region.done(&words).await;
    assert_eq!(read["cards"][0]["site"], "north");
    let shown = region.done(&["show", "--store", "tablet", &record]).await;
    let text = shown["text"].as_str().expect("a text");
    assert!(text.starts_with("BY QR, as known to north (north) at "), "{text}");
}
