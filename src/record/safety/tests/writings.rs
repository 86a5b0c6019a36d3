//! How drugs and allergies are written: codes, kana, brands, and what no table knows.

use serde_json::json;

use super::support::{Chart, NOW, allergy, order, order_as, order_until, told};
use crate::record::safety::{Checker, check_together};

fn told_of(one: serde_json::Value, other: serde_json::Value) -> Vec<String> {
    Chart::default().with(1, one).with(2, other).told()
}

#[test]
fn both_sides_may_be_texts_in_any_writing() {
    let contraindicated = [
        (order("ワーファリン錠1mg"), order("ﾌﾛﾘｰﾄﾞｹﾞﾙ経口用2%")),
        (order("warfarin 1 mg tablet"), order("ミコナゾール")),
        (order("ハルシオン0.25mg錠"), order("itraconazole capsule 50 mg")),
        (order("ニトロペン舌下錠0.3mg"), order("バイアグラ錠25mg")),
        (allergy("さわしりん"), order("アモキシシリン水和物カプセル250mg「トーワ」")),
        (allergy("ロキソニン"), order("ロキソプロフェンＮａ錠６０ｍｇ")),
        (allergy("ペニシリンショックの既往"), order("ビクシリン注射用1g")),
        (allergy("Sulfa drugs (sulfonamide) - rash"), order("ﾊﾞｸﾀ配合錠")),
    ];
    for (one, other) in contraindicated {
        let told = told_of(one.clone(), other.clone());
        assert!(told.len() == 1 && told[0].ends_with("contraindicated"), "{told:?}: {one} {other}");
    }
}

#[test]
fn another_route_of_the_same_ingredient_is_another_drug() {
    let warfarin = || order("3332001F1024");
    assert!(told_of(warfarin(), order("ミコナゾールクリーム1%")).is_empty());
    assert!(told_of(warfarin(), order("2655700N1020")).is_empty());
    assert_eq!(told_of(warfarin(), order("6290003X1039")), ["drug-drug contraindicated"]);
    assert!(told_of(order("1149019F1560"), order("2649735S1028")).is_empty(), "a tape is no second tablet");
    // An allergy holds by every route, though the other route lists only.
    assert_eq!(told_of(allergy("1149019F1560"), order("2649735S1028")), ["drug-allergy caution"]);
    assert_eq!(told_of(allergy("ロキソニン"), order("2649735S1028")), ["drug-allergy contraindicated"]);
}

#[test]
fn a_drug_finished_by_its_own_dates_does_not_count_and_one_within_them_does() {
    let with = |other| told_of(order("3332001F1024"), other);
    let gel = "6290003X1039";
    assert_eq!(with(order_until(gel, "active", "2026-11-19")), ["drug-drug contraindicated"], "left over");
    assert_eq!(with(order_until(gel, "active", "2026-11-06")), ["drug-drug contraindicated"]);
    assert!(with(order_until(gel, "active", "2026-11-05")).is_empty());
    assert_eq!(with(order_until(gel, "completed", "2026-11-20")), ["drug-drug contraindicated"]);
    assert!(with(order_until(gel, "completed", "2026-11-19")).is_empty());
    assert!(with(order_as(gel, "completed")).is_empty(), "recorded, and nothing tells until when");
    let therapy = |last| {
        let mut order = order_until(gel, "completed", last);
        order["courseOfTherapyType"] = json!({"coding": [{"code": "continuous"}]});
        order
    };
    assert_eq!(with(therapy("2026-08-22")), ["drug-drug contraindicated"], "renewed elsewhere");
    assert!(with(therapy("2026-08-21")).is_empty());
}

#[test]
fn one_ingredient_from_two_places_is_a_duplicate_and_a_renewal_is_not() {
    let from = |drug: &str, who: &str| {
        let mut order = order(drug);
        order["requester"] = json!({"reference": format!("Practitioner/{who}")});
        order
    };
    let duplicate = ["duplicate-ingredient caution"];
    assert_eq!(told_of(from("2171022F2025", "a"), from("2171022F3293", "b")), duplicate);
    assert_eq!(told_of(from("2171022F2025", "a"), from("2171022F2025", "b")), duplicate);
    assert_eq!(told_of(from("タケプロンOD錠15", "a"), from("ﾗﾝｿﾌﾟﾗｿﾞｰﾙOD錠30mg", "a")), duplicate);
    assert!(told_of(from("ワーファリン錠1mg", "a"), from("ワーファリン錠0.5mg", "a")).is_empty());
    assert!(told_of(from("2171022F2025", "a"), from("2171022F2025", "a")).is_empty());
    assert!(told_of(from("2171022F2025", "a"), from("2171021F2025", "b")).is_empty());
    let mut dispensed = from("2171022F2025", "b");
    dispensed["resourceType"] = json!("MedicationDispense");
    dispensed["status"] = json!("in-progress");
    assert!(
        told_of(from("2171022F2025", "a"), dispensed).is_empty(),
        "what is dispensed is what was ordered"
    );
}

#[test]
fn many_orders_of_two_ingredients_speak_once() {
    let mut chart = Chart::default();
    for site in 1..=3 {
        chart = chart.with(site, order("3332001F1024")).with(site, order("ワーファリン錠1mg"));
        chart = chart.with(site, order("6290003X1039")).with(site, order("フロリードゲル経口用2%"));
    }
    let told = chart.told();
    assert_eq!(told.iter().filter(|alert| *alert == "drug-drug contraindicated").count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|alert| *alert == "duplicate-ingredient caution").count(), 2, "{told:?}");
    assert_eq!(told.len(), 3);
    let twice = Chart::default()
        .with(1, allergy("ペニシリン"))
        .with(2, allergy("PCN"))
        .with(3, order("6131001M1088"));
    assert_eq!(twice.told(), ["drug-allergy contraindicated"]);
}

#[test]
fn what_nothing_is_known_of_is_counted_and_named_and_is_compared_by_name() {
    let chart = Chart::default()
        .with(1, order("ムスビゾール錠5mg"))
        .with(1, order("3332001F1024"))
        .with(2, allergy("むすび草"))
        .with(2, allergy("花粉"));
    let coverage = chart.check().coverage;
    assert_eq!(
        (coverage.drugs_resolved, coverage.drugs_unresolved),
        (1, vec!["ムスビゾール錠5mg".to_owned()])
    );
    assert_eq!(
        (coverage.allergies_resolved, coverage.allergies_unresolved),
        (1, vec!["むすび草".to_owned()])
    );
    let same = told_of(allergy("ムスビゾール"), order("ムスビゾール錠5mg「トーワ」"));
    assert_eq!(same, ["drug-allergy contraindicated"]);
    assert!(told_of(allergy("ムスビゾール"), order("ムスビゾン錠5mg")).is_empty());
}

#[test]
fn a_sites_own_table_replaces_the_demonstration() {
    let header = "rule_id,kind,a_yj_prefix,a_name_ja,a_name_en,b_yj_prefix,b_name_ja,b_name_en,severity,reason_ja,reason_en\n";
    let row = "S1,drug-drug,9990001,ムスビゾール,musubizole,9990002,キリゾール,kirizole,contraindicated,試験,trial\n";
    let own = Checker::parse(format!("{header}{row}").as_bytes()).unwrap();
    let chart =
        |one: &str, other: &str| Chart::default().with(1, order(one)).with(2, order(other)).facts(1, false);
    let check = |facts| told(&check_together(&[&facts], &own, NOW).alerts);
    assert_eq!(check(chart("9990001F1020", "9990002F1020")), ["drug-drug contraindicated"]);
    assert_eq!(check(chart("ムスビゾール錠", "Kirizole tablet")), ["drug-drug contraindicated"]);
    assert!(check(chart("3332001F1024", "6290003X1039")).is_empty());
}
