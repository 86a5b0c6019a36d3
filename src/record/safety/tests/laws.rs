//! Laws of the checks, duplicate tests, and reasons given.

use crate::base::laws::cases;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Chart, NOW, allergy, only, order, order_as, position};
use crate::base::RecordId;
use crate::record::safety::{AlertKind, Checker, check_together, overriding};
use crate::record::statement::{Act, Author};

fn test_on(day: &str, id: &str, jlac10: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "urn:oid:1.2.392.200119.4.1005", "code": jlac10}], "text": jlac10},
        "effectiveDateTime": format!("{day}T08:40:00+09:00"),
        "basedOn": [{"reference": format!("ServiceRequest/{id}")}],
    })
}

#[test]
fn the_same_test_within_its_window_is_told_once_for_a_pair_of_days() {
    let pair = |one: Value, other: Value| Chart::default().with(1, one).with(2, other).told();
    let duplicate = ["duplicate-test caution"];
    let hba1c = "3D045";
    assert_eq!(pair(test_on("2026-11-12", "a", hba1c), test_on("2026-11-19", "b", hba1c)), duplicate);
    assert!(pair(test_on("2026-11-11", "a", hba1c), test_on("2026-11-19", "b", hba1c)).is_empty(), "8 days");
    assert!(pair(test_on("2026-11-18", "a", hba1c), test_on("2026-11-19", "b", "3D046")).is_empty());
    assert!(
        pair(test_on("2026-09-18", "a", hba1c), test_on("2026-09-19", "b", hba1c)).is_empty(),
        "long ago"
    );
    assert_eq!(pair(test_on("2026-11-17", "a", "3H015"), test_on("2026-11-19", "b", "3H015")), duplicate);
    assert!(
        pair(test_on("2026-11-16", "a", "3H015"), test_on("2026-11-19", "b", "3H015")).is_empty(),
        "3 days"
    );
    assert!(
        pair(test_on("2026-11-19", "a", "3H050"), test_on("2026-11-19", "b", "3H050")).is_empty(),
        "blood gas"
    );
    let mut ordered = test_on("2026-11-18", "a", hba1c);
    ordered["resourceType"] = json!("ServiceRequest");
    let one_order = Chart::default().with(1, ordered).with(1, test_on("2026-11-19", "a", hba1c));
    assert!(one_order.told().is_empty());
    let panel = Chart::default()
        .with(1, test_on("2026-11-18", "a1", "3F015"))
        .with(1, test_on("2026-11-18", "a2", "3F050"))
        .with(2, test_on("2026-11-19", "b1", "3F015"))
        .with(2, test_on("2026-11-19", "b2", "3F050"));
    assert_eq!(panel.told(), duplicate);
    assert_eq!(panel.check().alerts[0].statements.len(), 4);
}

#[test]
fn monitoring_material_and_errors_are_no_duplicates() {
    let pair = |one: Value, other: Value| Chart::default().with(1, one).with(1, other).told();
    let with = |key: &str, value: Value| {
        let make = |day, id| {
            let mut test = test_on(day, id, "3F015");
            test[key] = value.clone();
            test
        };
        pair(make("2026-11-18", "a"), make("2026-11-19", "b"))
    };
    assert!(with("encounter", json!({"reference": "Encounter/1"})).is_empty());
    assert!(with("status", json!("entered-in-error")).is_empty());
    assert!(with("specimen", json!({"reference": "Specimen/1"})).is_empty());
    assert_eq!(with("performer", json!([])), ["duplicate-test caution"]);
    let whole = |code: &str| json!({"coding": [{"system": "http://medis.or.jp/CodeSystem/master-JLAC10-17digits", "code": code}]});
    let mut serum = test_on("2026-11-18", "a", "x");
    let mut urine = test_on("2026-11-19", "b", "x");
    serum["code"] = whole("3F015000002327101");
    urine["code"] = whole("3F015000000127101");
    assert!(pair(serum.clone(), urine.clone()).is_empty());
    urine["code"] = whole("3F015000002399901");
    serum["code"]["text"] = json!("TG");
    assert_eq!(pair(serum, urine).len(), 1);
}

#[test]
fn an_alert_says_who_wrote_what_when() {
    let chart = Chart::default().with(2, order("6131001M1088")).with(1, allergy("ペニシリン"));
    let checked = chart.check();
    let [alert] = checked.alerts.as_slice() else { panic!("one alert") };
    assert!(alert.apart);
    let told: Vec<_> = alert.witnesses.iter().map(|side| (side.who.as_str(), side.position)).collect();
    assert_eq!(told, [("writer 2", position(1, 2, 0)), ("writer 1", position(1, 1, 1))]);
    assert!(alert.witnesses[0].time < alert.witnesses[1].time);
    assert_eq!(alert.witnesses[0].dated.as_deref(), Some("2026-11-18T10:30:00+09:00"));
    let alone = Chart::default().with(1, order("6131001M1088")).with(1, allergy("ペニシリン")).check();
    assert!(!alone.alerts[0].apart);
}

#[test]
fn a_reason_lies_beside_the_order_and_holds_for_its_pair_only() {
    let chart = Chart::default().with(1, allergy("ペニシリン")).with(2, order("6131001M1088"));
    let alert = chart.check().alerts.remove(0);
    assert!(alert.interrupts());
    let author = Author { name: "佐藤".into(), role: "doctor".into() };
    let issue =
        overriding::issue(&RecordId([1; 16]), NOW, &author, &alert, "MedicationRequest/x", "代替なし");
    let facts = |issue: String| {
        let mut facts = chart.facts(1, false);
        let order = facts.at(position(1, 2, 1)).next().unwrap().clone();
        let body = crate::record::FactsBody {
            version: 1,
            salt: crate::record::Salt([9; 8]),
            record: facts.record(),
            time: order.time,
            author: author.clone(),
            source: None,
            statements: vec![
                order.statement.clone(),
                crate::record::Statement { resource: issue, ..order.statement },
            ],
        };
        facts
            .insert_body(
                order.position.lane,
                order.device,
                &crate::base::Area::new("shared/test").unwrap(),
                order.standing,
                order.position.seq,
                &crate::base::Digest([7; 32]),
                &body,
            )
            .unwrap();
        facts
    };
    let told = check_together(&[&facts(issue.clone())], &Checker::demonstration(), NOW).alerts;
    let overridden = only(&told, AlertKind::DrugAllergy)[0];
    assert!(!overridden.interrupts());
    assert_eq!(
        (overridden.overrides[0].reason.as_str(), overridden.overrides[0].who.as_str()),
        ("代替なし", "佐藤")
    );
    let other_pair = issue.replace(&alert.pair, "another pair");
    let told = check_together(&[&facts(other_pair)], &Checker::demonstration(), NOW).alerts;
    assert!(only(&told, AlertKind::DrugAllergy)[0].interrupts());
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_order_of_records_does_not_matter(drugs in proptest::collection::vec((0..8usize, 1..4u8), 1..8), split in 0..8usize) {
        let names = ["3332001F1024", "6290003X1039", "ワーファリン", "ロキソニン", "1149037F1020", "サワシリン", "ペニシリン", "x錠"];
        let make = |(name, site): &(usize, u8)| match *name {
            6 => (*site, Act::Assert, allergy(names[6])),
            name => (*site, Act::Assert, order(names[name])),
        };
        let entries: Vec<_> = drugs.iter().map(make).collect();
        let (one, other) = entries.split_at(split.min(entries.len()));
        let (one, other) = (Chart { entries: one.to_vec() }, Chart { entries: other.to_vec() });
        let checker = Checker::demonstration();
        let forth = check_together(&[&one.facts(1, false), &other.facts(2, true)], &checker, NOW);
        let back = check_together(&[&other.facts(2, false), &one.facts(1, true)], &checker, NOW);
        prop_assert!(forth == back);
        // More of the same, stopped, adds nothing.
        let stopped = Chart { entries: vec![(4, Act::Assert, order_as("6290003X1039", "stopped"))] };
        let more = check_together(&[&one.facts(1, false), &other.facts(2, false), &stopped.facts(3, false)], &checker, NOW);
        prop_assert_eq!(forth.alerts.len(), more.alerts.len());
    }
}
